"""A REST API that listens at a real port, in this process or in one of its own, and questions to it by a real client."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.orchestration.prefect_server import free_port
from tests.support import ROOT
from tests.support.waiting import until

API = "/api/v1/sp404"
_START_SECONDS = 60


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, run: Any = None, limits: Any = None, **settings: Any) -> Iterator[httpx.Client]:
    """Serve the API in a thread of this process, with these settings; ``run`` in the place of the export."""
    from config.settings import load
    from flows.api.app import create_app
    from flows.api.connections import ConnectionLimits
    from flows.api.server import ApiServer, run_direct

    for name, value in settings.items():
        monkeypatch.setenv(f"SP404_{name.upper()}", str(value))
    app = create_app(load({}, lambda _db, _seconds: {}), run or run_direct)
    port = free_port()
    server = ApiServer(app, "127.0.0.1", port, limits or ConnectionLimits())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            until(lambda: server.started or not thread.is_alive(), _START_SECONDS)
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def process(folder: Path, most_files: int = 0, **settings: Any) -> Iterator[tuple[httpx.Client, "subprocess.Popen[bytes]"]]:
    """``python -m flows.api`` in ``folder``, with these settings in its environment; its output is in ``api.log`` there.

    It can open ``most_files`` files at the most, if that is given.
    """
    port = settings.setdefault("api_port", free_port())
    variables = {f"SP404_{name.upper()}": str(value) for name, value in settings.items()}
    environment = os.environ | variables | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.api"]
    if most_files:
        command = ["sh", "-c", f'ulimit -n {most_files} && exec "$@"', "sh", *command]
    with (folder / "api.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            until(lambda: running.poll() is not None or _listens(port), _START_SECONDS)
            yield client, running
    finally:
        running.terminate()
        try:
            running.wait(20)
        finally:
            running.kill()


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
