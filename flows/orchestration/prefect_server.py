"""Find the Prefect server that is running, or start a temporary one, and wait until its history is complete.

Nothing here imports prefect at module level: prefect reads its settings from the environment when it is imported, once, so
that ``use_or_start_server`` has to come before; and ``--direct`` never imports it.
"""

import atexit
import http.client
import json
import logging
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
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
    # A run that misses three of these heartbeats has crashed (flows/orchestration/automations.py).
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "sp404",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
NIGHTLY, MANIFEST, KIT, VERIFY = DEPLOYMENTS = ("library-nightly", "manifest", "kit", "verify-weekly")
EXPORT_FLOW, VERIFY_FLOW = "export-library", "verify-outputs"
HOST = "127.0.0.1"
PORT = 4200
LOCAL_API = f"http://{HOST}:{PORT}/api"
# Where a running ``sp404 up`` publishes its address.
_PUBLISHED = Path("~/.sp404/up.json")
# Settings that it publishes, too: they count for ``sp404 status`` where nothing else is set.
PUBLISHED_SETTINGS = ("db", "library", "output_base_path", "nightly_cron", "nightly_card", "verify_cron", "timezone")
_INTERRUPTED = "sp404 up was stopped while it ran. The next run does what is left."
# A new Prefect home is migrated first: 17 s and more on a small machine.
_START_SECONDS = 120.0
_STOP_SECONDS = 5.0
# A port without a server refuses at once; a busy server may take its time.
_HEALTH_SECONDS = 10.0
_HISTORY_SECONDS = 10.0
_POLL_SECONDS = 0.1


def run_command(api: str, deployment: str) -> str:
    """Return the line for a shell that runs one of ``DEPLOYMENTS`` now, on the server at ``api``."""
    prefect = shlex.quote(str(Path(sys.executable).with_name("prefect")))
    flow = VERIFY_FLOW if deployment == VERIFY else EXPORT_FLOW
    return f"PREFECT_API_URL={api} {prefect} deployment run {flow}/{deployment}"


def set_defaults() -> None:
    """Set the defaults of every Prefect server and client that this project starts; what a person has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def use_or_start_server(quiet: bool) -> "TemporaryServer | None":
    """Use the Prefect server that is running, or start a temporary one. Call it before prefect is imported.

    One server serves all runs of a process: a second call returns None.

    Args:
        quiet: Show only Prefect's warnings on the console.

    Returns:
        None where a healthy server is there already; else the temporary server, which is still starting.
    """
    if "prefect" in sys.modules or use_running_server(quiet):
        return None
    temporary = TemporaryServer()
    os.environ["PREFECT_API_URL"] = temporary.api
    return temporary


def use_running_server(quiet: bool) -> bool:
    """Point Prefect at a healthy server: ``PREFECT_API_URL``, that of ``sp404 up``, or port 4200 of this machine.

    Args:
        quiet: Show only Prefect's warnings on the console.

    Returns:
        Whether there is one.
    """
    set_defaults()
    if quiet:
        os.environ.setdefault(_CONSOLE_LEVEL, "WARNING")
    for api in filter(None, (os.environ.get("PREFECT_API_URL"), read_published_api(), LOCAL_API)):
        if is_healthy(api):
            os.environ["PREFECT_API_URL"] = api
            return True
    return False


class TemporaryServer:
    """A Prefect server in a process of its own that ends with this one; it starts while this process imports and reads.

    Prefect would start one itself, but only with the first request, and after importing the server into this process, too.
    """

    def __init__(self) -> None:
        """Start the process on a free port; ``wait`` until it answers."""
        self.api = f"http://{HOST}:{free_port()}/api"
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (for as long as the process lives)
        command = [sys.executable, "-c", "from flows.orchestration.prefect_server import serve; serve()", self.api]
        # Its standard input ends with this process, however that ends. It has its own session, so that Ctrl-C spares it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._stderr, start_new_session=True
        )
        atexit.register(self.stop)

    def wait(self) -> None:
        """Wait until the server answers.

        Raises:
            ServerError: It ended, or does not answer within two minutes.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not is_healthy(self.api):
            if self._process.poll() is not None:
                self._stderr.seek(0)
                lines = self._stderr.read().decode(errors="replace").strip().splitlines()
                raise ServerError(error=lines[-1] if lines else f"it ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise ServerError(error=f"it does not answer after {_START_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the process, by force where it takes too long."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def serve() -> None:
    """Serve at the address in ``sys.argv[1]`` until standard input ends: the process of a ``TemporaryServer``."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # As Prefect itself marks a server that runs beside a flow.
    os.environ.update({"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"})
    os.environ.pop("PREFECT_API_URL", None)
    import uvicorn  # noqa: PLC0415  (only this process needs it)

    port = int(sys.argv[1].rpartition(":")[2].removesuffix("/api"))
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host=HOST, port=port, log_level="error")


def _exit_with_parent() -> None:
    os.read(0, 1)
    os._exit(0)


def free_port() -> int:
    """Return a port that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def read_published_api() -> str | None:
    """Return the address that ``sp404 up`` published when it started, whether or not it still runs."""
    return read_published().get("api")


def read_published() -> dict[str, str]:
    """Return what ``sp404 up`` published when it started, whether or not it still runs: ``api``, and settings of it."""
    with suppress(OSError, ValueError):
        found = json.loads(_PUBLISHED.expanduser().read_text(encoding="utf-8"))
        return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
    return {}


def publish_api(api: str, **settings: str) -> None:
    """Write down address and settings of ``sp404 up`` for other processes of this user, who can do without: it never fails."""
    path = _PUBLISHED.expanduser()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"api": api, **settings}).encode())


def withdraw_api() -> None:
    """Remove the published address of ``sp404 up``, which is ending."""
    with suppress(OSError):
        _PUBLISHED.expanduser().unlink()


def request_json(api: str, path: str, body: dict[str, Any] | None = None, seconds: float = 5.0) -> Any:
    """Return a Prefect server's JSON answer to a GET, or to a POST where there is a body.

    Raises:
        OSError: It does not answer, or with an error.
        ValueError: The answer is not JSON.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{api}{path}", data, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310
            return json.load(response)
    except http.client.HTTPException as error:  # such as that the server ended in the middle of its answer
        raise OSError(f"{type(error).__name__}: {error}") from error


def end_interrupted_runs(api: str) -> list[str]:
    """End the runs of a runner that is gone, before a new one is started, and return their names.

    They would stand as *Running*, and in the way of others, until they are missed. Runs of a work pool have a worker.
    """
    states = {"any_": ["RUNNING", "PENDING", "CANCELLING"]}
    which = {"deployments": {"name": {"any_": sorted(DEPLOYMENTS)}}, "flow_runs": {"state": {"type": states}}}
    ended = []
    for run in request_json(api, "/flow_runs/filter", which):
        if not run["work_pool_name"]:
            kind = "CANCELLED" if run["state_type"] == "CANCELLING" else "CRASHED"
            state = {"type": kind, "name": kind.capitalize(), "message": _INTERRUPTED}
            request_json(api, f"/flow_runs/{run['id']}/set_state", {"state": state})
            ended.append(run["name"])
    return ended


def last_run_of(api: str, deployment: str) -> dict[str, Any] | None:
    """Return the run of a deployment that ended last (``state``, ``end_time``, ``name``, ...), as the server has it."""
    ended = {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}
    which = {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": {"state": {"type": ended}}}
    try:
        runs = request_json(api, "/flow_runs/filter", which | {"sort": "END_TIME_DESC", "limit": 1})
    except (OSError, ValueError):
        return None
    return runs[0] if runs else None


def open_run_of(api: str, deployment: str) -> dict[str, Any] | None:
    """Return the run of a deployment that runs, or was due or asked for and has not begun; of several the newest."""
    states = {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]}}
    due = {"before_": datetime.now(UTC).isoformat()}
    which = {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": {"state": states, "expected_start_time": due}}
    try:
        runs = request_json(api, "/flow_runs/filter", which | {"sort": "EXPECTED_START_TIME_DESC", "limit": 1})
    except (OSError, ValueError):
        return None
    return runs[0] if runs else None


def hide_final_state_logs() -> None:
    """Keep Prefect's lines on how runs ended off the console, where the caller prints the result; the UI still has them.

    Call it after prefect is imported.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: record.name not in ("prefect.flow_runs", "prefect.task_runs"))


def wait_for_task_runs(flow_run_id: UUID, expected: int) -> int:
    """Wait until Prefect's history holds the finished task runs of a flow run, for ten seconds at most.

    Args:
        flow_run_id: The flow run.
        expected: How many task runs it had.

    Returns:
        How many finished task runs the history holds in the end.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415  (this module must not import prefect: see above)
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter  # noqa: PLC0415
    from prefect.client.schemas.objects import TERMINAL_STATES  # noqa: PLC0415

    deadline = time.monotonic() + _HISTORY_SECONDS
    flow_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    finished = TaskRunFilter.model_validate({"state": {"type": {"any_": sorted(state.value for state in TERMINAL_STATES)}}})
    body = {"flow_runs": flow_run.model_dump(mode="json"), "task_runs": finished.model_dump(mode="json")}
    with get_client(sync_client=True) as client:
        while True:
            count = int(client.request("POST", "/task_runs/count", json=body).json())
            if count >= expected or time.monotonic() > deadline:
                return count
            time.sleep(_POLL_SECONDS)


def is_healthy(api: str, seconds: float = _HEALTH_SECONDS) -> bool:
    """Return whether a Prefect server answers at ``api``, within so many ``seconds``, and calls itself healthy."""
    try:
        return request_json(api.rstrip("/"), "/health", seconds=seconds) is True
    except (OSError, ValueError):
        return False
