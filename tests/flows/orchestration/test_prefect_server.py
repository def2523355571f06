"""The Prefect server that an export starts for itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.orchestration import prefect_server
from schemas.errors import ServerError
from tests.support import ROOT
from tests.support.waiting import until

_STARTS = (
    "from flows.orchestration.prefect_server import Temporary; import time; "
    "s = Temporary(); s.wait(); print(s.api, flush=True); time.sleep(600)"
)


def test_a_temporary_server_ends_with_an_export_that_is_killed(tmp_path: Path) -> None:
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")}
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        api = owner.stdout.readline().strip()
        assert prefect_server.healthy(api)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not prefect_server.healthy(api), 10, why=lambda: "it is still there")


def test_a_temporary_server_that_cannot_start_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file"))
    made = prefect_server.Temporary()
    with pytest.raises(ServerError, match="No Prefect server could be reached or started"):
        made.wait()
    made.stop()


def test_the_address_of_sp404_up_is_left_for_this_user_and_taken_back() -> None:
    assert prefect_server.running_api() is None
    prefect_server.say_running("http://127.0.0.1:4711/api")
    assert prefect_server.running_api() == "http://127.0.0.1:4711/api"
    Path("~/.sp404/up.json").expanduser().write_text("{")
    assert prefect_server.running_api() is None
    prefect_server.say_running(None)
    assert prefect_server.running_api() is None
