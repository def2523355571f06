"""Prefect's server as this project uses it: found when it runs, else started for a moment, and its history complete.

Call ``prepare`` before prefect is imported: it reads its settings from the environment, once.
"""

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.errors import ServerError
from tasks.fs.atomic import write_atomically

# A short-lived server loses task runs with the recorder's default batches (docs/decisions/0002). The interval must be at
# least 1: Prefect 3.8.8 takes int() of it (server/services/task_run_recorder.py, line 763), and with 0 its
# flush_periodically() never sleeps: 92 to 100 % of a core, for as long as the server is there; 1.5 % with 1.
_DEFAULTS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # A run that gives no sign of life for three of these has crashed (flows/orchestration/automations.py).
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "sp404",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
HOST = "127.0.0.1"
_LOCAL_API = f"http://{HOST}:4200/api"
# Where a running ``sp404 up`` says at which address it is.
_RUNNING = Path("~/.sp404/up.json")
# A new home is migrated first: 17 s and more on a small machine.
_START_SECONDS = 120.0
_STOP_SECONDS = 5.0
# Nobody there is known at once; one that is busy may take its time.
_HEALTH_SECONDS = 10.0
_DRAIN_SECONDS = 10.0
_POLL_SECONDS = 0.1


def set_defaults() -> None:
    """The settings of every Prefect server and client that this project starts, unless a person has set them."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def prepare(quiet: bool) -> "Temporary | None":
    """Set what Prefect reads. None where a healthy server is there already; else a temporary one, which is starting.

    One server serves all runs of a process: a second call answers None.
    """
    if "prefect" in sys.modules or find(quiet):
        return None
    temporary = Temporary()
    os.environ["PREFECT_API_URL"] = temporary.api
    return temporary


def find(quiet: bool) -> bool:
    """Set what Prefect reads. Whether a healthy server is there."""
    set_defaults()
    if quiet:
        os.environ.setdefault(_CONSOLE_LEVEL, "WARNING")
    for api in filter(None, (os.environ.get("PREFECT_API_URL"), running_api(), _LOCAL_API)):
        if healthy(api):
            os.environ["PREFECT_API_URL"] = api
            return True
    return False


class Temporary:
    """A Prefect server for the rest of this process, in one of its own: it starts while this one imports and reads.

    Prefect would start one itself, but only when it is first asked, and after importing the server here, too.
    """

    def __init__(self) -> None:
        self.api = f"http://{HOST}:{free_port()}/api"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (for as long as the process lives)
        command = [sys.executable, "-c", "from flows.orchestration.prefect_server import serve; serve()", self.api]
        # Its standard input ends with this process, however that ends; a session of its own: Ctrl-C is not for it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True
        )
        atexit.register(self.stop)

    def wait(self) -> None:
        """Until it answers. Raises ServerError."""
        deadline = time.monotonic() + _START_SECONDS
        while not healthy(self.api):
            if self._process.poll() is not None:
                self._said.seek(0)
                said = self._said.read().decode(errors="replace").strip()
                raise ServerError(error=said.splitlines()[-1] if said else f"it ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise ServerError(error=f"it does not answer after {_START_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def serve() -> None:
    """The process of a ``Temporary`` server: serves at the address that it is given, until its standard input ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # As Prefect marks a server that runs beside a flow.
    os.environ.update({"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"})
    os.environ.pop("PREFECT_API_URL", None)
    import uvicorn  # noqa: PLC0415

    port = int(sys.argv[1].rpartition(":")[2].removesuffix("/api"))
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host=HOST, port=port, log_level="error")


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(0)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def running_api() -> str | None:
    """The address that ``sp404 up`` left when it started, whether or not it runs still."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(_RUNNING.expanduser().read_text(encoding="utf-8"))["api"])
    return None


def say_running(api: str | None) -> None:
    """Leave the address of ``sp404 up`` for other processes of this user; None: it runs no more."""
    path = _RUNNING.expanduser()
    with suppress(OSError):  # it is a help to find it, and no more
        if api is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"api": api}).encode())


def ask(api: str, path: str, body: dict[str, Any] | None = None, seconds: float = 5.0) -> Any:
    """What a Prefect server answers. Raises OSError or ValueError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{api}{path}", data, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
        return json.load(answer)


def leave_verdicts_to_us() -> None:
    """Keep Prefect's lines on how runs ended from the console, where the caller says so itself; the UI has them.

    To be called when prefect is imported.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: record.name not in ("prefect.flow_runs", "prefect.task_runs"))


def drain(flow_run_id: UUID, task_runs: int) -> int:
    """Wait until the history holds ``task_runs`` finished task runs of a flow run; how many it holds in the end."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415  (prefect is imported late)
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter  # noqa: PLC0415
    from prefect.client.schemas.objects import TERMINAL_STATES  # noqa: PLC0415

    deadline = time.monotonic() + _DRAIN_SECONDS
    flow_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    finished = TaskRunFilter.model_validate({"state": {"type": {"any_": sorted(state.value for state in TERMINAL_STATES)}}})
    with get_client(sync_client=True) as client:
        while True:
            body = {"flow_runs": flow_run.model_dump(mode="json"), "task_runs": finished.model_dump(mode="json")}
            found = int(client.request("POST", "/task_runs/count", json=body).json())
            if found >= task_runs or time.monotonic() > deadline:
                return found
            time.sleep(_POLL_SECONDS)


def healthy(api: str) -> bool:
    """Whether a Prefect server answers at ``api``."""
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=_HEALTH_SECONDS) as answer:  # noqa: S310
            return json.load(answer) is True
    except (urllib.error.URLError, OSError, ValueError):
        return False
