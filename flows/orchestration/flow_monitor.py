"""A thread beside a flow run: it looks for *Cancel*, sends heartbeats, and updates the progress in the UI."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.orchestration import zombie_runs
from schemas.enums import Verb
from schemas.errors import CancelledError, Sp404Error
from tasks.convert.progress import Progress

# How late a run may notice *Cancel*: of the ten seconds in which it is to end, five are for the samples in hand.
_TICK_SECONDS = 2.0
HEARTBEAT = "prefect.flow-run.heartbeat"
HEARTBEAT_SECONDS = 30.0
_PROGRESS_KEY = "export-progress"


@contextmanager
def monitor_flow_run(progress: Progress) -> Iterator[Progress]:
    """Monitor the current flow run from a thread, and stop ``progress`` when somebody presses *Cancel*.

    Prefect only takes note of *Cancel*; nothing else would stop the run.

    Raises:
        CancelledError: At the end, if the run was cancelled; in place of any Sp404Error.
    """
    monitor = _FlowRunMonitor(progress)
    # In this context: Prefect's settings, the server's address among them, belong to it.
    thread = threading.Thread(target=copy_context().run, args=(monitor.run,), daemon=True)
    thread.start()
    try:
        yield progress
    except Sp404Error as error:
        if not monitor.cancelled.is_set():
            raise
        raise CancelledError from error
    finally:
        monitor.ended.set()
        thread.join(_TICK_SECONDS)
        monitor.show_final_progress()
    if monitor.was_cancelled():
        raise CancelledError


@contextmanager
def without_prefect_heartbeats() -> Iterator[None]:
    """Turn Prefect's own heartbeats off; the monitor sends them instead.

    Prefect waits for its last heartbeat, which sleeps: that costs a second at the end of every flow run.
    """
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


class _FlowRunMonitor:
    """The monitor's thread. ``cancelled``: *Cancel* was pressed; ``ended``: the run is over, and the thread may end."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._run_id = progress, UUID(flow_run.id)
        self._name = str(flow_run.name)
        self._sends_heartbeats = PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is None
        self._last_heartbeat = 0.0
        self._checked_zombies = False
        self._artifact: UUID | None = None
        self._started = time.monotonic()
        self.ended, self.cancelled = threading.Event(), threading.Event()

    def run(self) -> None:
        """Look every two seconds until the run is over. An error is ignored: the next look may succeed."""
        while True:
            with suppress(Exception), get_client(sync_client=True) as client:
                self._tick(client)
            if self.cancelled.is_set() or self.ended.wait(_TICK_SECONDS):
                return

    def _tick(self, client: SyncPrefectClient) -> None:
        now = time.monotonic()
        if self._sends_heartbeats and now - self._last_heartbeat >= HEARTBEAT_SECONDS:
            self._last_heartbeat = now
            resource = {"prefect.resource.id": f"prefect.flow-run.{self._run_id}", "prefect.resource.name": self._name}
            emit_event(HEARTBEAT, resource)
        if now - self._started < _TICK_SECONDS:
            return
        if not self._checked_zombies:
            self._checked_zombies = True
            zombie_runs.crash_zombies_of_ended_runs(client)
        self._look_for_cancel(client)
        self._show_progress(client)

    def _look_for_cancel(self, client: SyncPrefectClient) -> None:
        state = client.read_flow_run(self._run_id).state
        if state and (state.is_cancelling() or state.is_cancelled()):
            self.cancelled.set()
            self._progress.stopped.set()

    def was_cancelled(self) -> bool:
        """Return whether *Cancel* was pressed, also since the last look: Prefect would refuse any other end."""
        if not self.cancelled.is_set():
            with suppress(Exception), get_client(sync_client=True) as client:
                self._look_for_cancel(client)
        return self.cancelled.is_set()

    def show_final_progress(self) -> None:
        """Update the progress artifact a last time; a run too short to have one gets none."""
        if self._artifact:
            with suppress(Exception), get_client(sync_client=True) as client:
                self._show_progress(client)

    def _show_progress(self, client: SyncPrefectClient) -> None:
        done, total = self._progress.so_far
        if not total:
            return
        seconds = time.monotonic() - self._started
        verb = "" if self._progress.verb == Verb.CONVERT else f" (first, to {self._progress.verb} them)"
        description = f"{done:,} of {total:,} samples{verb}, {done / seconds:,.0f} a second"
        percent = 100 * done / total
        if self._artifact:
            client.update_artifact(self._artifact, ArtifactUpdate(data=percent, description=description))
            return
        artifact = ArtifactCreate(
            type="progress", key=_PROGRESS_KEY, data=percent, description=description, flow_run_id=self._run_id
        )
        self._artifact = client.create_artifact(artifact).id
