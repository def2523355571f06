"""The Prefect server that an export starts for itself."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.orchestration import prefect_server
from schemas.errors import ServerError
from tests.support import ROOT
from tests.support.prefect_servers import give_migrated_database
from tests.support.processes import cpu_seconds, pids_with
from tests.support.waiting import until

_STARTS = (
    "from flows.orchestration.prefect_server import TemporaryServer; import time; "
    "s = TemporaryServer(); s.wait(); print(s.api, flush=True); time.sleep(600)"
)

# Idle it takes 1.5 to 5 %; one that spins on a machine shared by others is given less than a whole core.
_MOST_OF_A_CORE = 0.25


@pytest.mark.slow
def test_a_temporary_server_ends_with_an_export_that_is_killed(tmp_path: Path) -> None:
    give_migrated_database(tmp_path / "prefect")
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")}
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        api = owner.stdout.readline().strip()
        assert prefect_server.is_healthy(api)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not prefect_server.is_healthy(api), 10, why=lambda: "it is still there")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntr",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntr",
        b"HTTP/1.1 200 OK\r\nConte",
        b"",
        b"no http\r\n\r\n",
    ],
)
def test_a_server_that_ends_in_the_middle_of_its_answer_is_one_that_does_not_answer(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        api = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        assert not prefect_server.is_healthy(api)
        assert prefect_server.last_run_of(api, prefect_server.NIGHTLY) is None
        assert prefect_server.open_run_of(api, prefect_server.NIGHTLY) is None
        thread.join(10)


@pytest.mark.slow
def test_a_temporary_server_that_cannot_start_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file"))
    made = prefect_server.TemporaryServer()
    with pytest.raises(ServerError, match="No Prefect server could be reached or started"):
        made.wait()
    made.stop()


def test_the_address_of_sp404_up_is_left_for_this_user_and_taken_back() -> None:
    assert prefect_server.read_published_api() is None
    prefect_server.publish_api("http://127.0.0.1:4711/api")
    assert prefect_server.read_published_api() == "http://127.0.0.1:4711/api"
    prefect_server.publish_api("http://127.0.0.1:4711/api", library="/lib/m.csv")
    assert prefect_server.read_published() == {"api": "http://127.0.0.1:4711/api", "library": "/lib/m.csv"}
    for odd in ("{", "[1]", '{"api": 1}'):
        Path("~/.sp404/up.json").expanduser().write_text(odd)
        assert prefect_server.read_published_api() is None
    prefect_server.withdraw_api()
    assert prefect_server.read_published_api() is None


@pytest.mark.slow
def test_an_idle_server_leaves_the_machine_alone(prefect_server: str) -> None:
    """Prefect takes int() of the recorder's flush interval, and at 0 it spins: 98 % of a core where 1 s takes 3 %."""
    port = prefect_server.rpartition(":")[2].removesuffix("/api")
    # `prefect server start` and the uvicorn below it.
    server = pids_with(f"PREFECT_SERVER_API_PORT={port}")
    assert server
    shares = []
    for _ in range(5):  # what it was asked for a moment ago may take it some seconds yet
        before, began = cpu_seconds(server), time.monotonic()
        time.sleep(2)
        shares.append((cpu_seconds(server) - before) / (time.monotonic() - began))
        if shares[-1] < _MOST_OF_A_CORE:
            return
    pytest.fail(f"an idle server takes {min(shares):.0%} of a core")
