"""One Prefect server for a whole session of tests, started for the first test that asks for it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Nothing of the person's own settings, records or Prefect home takes part in a test.
for _name in [name for name in os.environ if name.startswith(("SP404_", "PREFECT_"))]:
    del os.environ[_name]
os.environ["DO_NOT_TRACK"] = "1"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a home and a working folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a whole Prefect server, its scheduler included, with the settings that this project gives to all."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ["PREFECT_HOME"] = str(home)
    from flows.orchestration import prefect_server

    prefect_server.set_defaults()
    api = f"http://127.0.0.1:{port}/api"
    settings = {"API_HOST": "127.0.0.1", "API_PORT": str(port), "SERVICES_SCHEDULER_LOOP_SECONDS": "1"}
    environment = os.environ | {f"PREFECT_SERVER_{name}": value for name, value in settings.items()}
    with (home / "server.log").open("w") as log:
        command = [sys.executable, "-m", "prefect", "server", "start"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_healthy(process, prefect_server.healthy, api, home / "server.log")
            from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

            with temporary_settings({PREFECT_API_URL: api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                yield api
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_healthy(process: "subprocess.Popen[bytes]", healthy: Callable[[str], bool], api: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while not healthy(api):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no Prefect server: {log.read_text()[-2000:]}")
        time.sleep(0.2)
