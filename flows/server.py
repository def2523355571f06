"""Prefect's server as this project uses it: found when it runs, else started for a moment, and its history complete.

Call ``prepare`` before prefect is imported: it reads its settings from the environment, once.
"""

import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from uuid import UUID

# A short-lived server loses task runs with the recorder's default batches (docs/decisions/0002).
_DEFAULTS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # A new home is migrated first: 17 s and more on a small machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "sp404",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
_LOCAL_API = "http://127.0.0.1:4200/api"
_HEALTH_SECONDS = 2.0
_DRAIN_SECONDS = 10.0
_POLL_SECONDS = 0.2


RUNS, STARTS, STARTED = "runs", "starts", "started"


def set_defaults() -> None:
    """The settings of every Prefect server and client that this project starts, unless a person has set them."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def prepare(quiet: bool) -> str:
    """Set what Prefect reads. RUNS when there is a healthy server, STARTS when a temporary one will be started.

    STARTED when an earlier call in this process said STARTS: that server serves the following runs too.
    """
    if "prefect" in sys.modules:
        return RUNS if os.environ.get("PREFECT_API_URL") else STARTED
    set_defaults()
    if quiet:
        os.environ.setdefault(_CONSOLE_LEVEL, "WARNING")
    for api in filter(None, (os.environ.get("PREFECT_API_URL"), _LOCAL_API)):
        if healthy(api):
            os.environ["PREFECT_API_URL"] = api
            return RUNS
    os.environ.pop("PREFECT_API_URL", None)
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    return STARTS


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
