"""What goes on beside a flow run while it works: it hears Cancel, says that it lives, and moves its progress in the UI."""

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

# How long a cancelled run may go on unknowing: of ten seconds, five are for the samples in hand.
_TICK_SECONDS = 2.0
HEARTBEAT = "prefect.flow-run.heartbeat"
HEARTBEAT_SECONDS = 30.0
_PROGRESS = "export-progress"


@contextmanager
def watched(progress: Progress) -> Iterator[Progress]:
    """Raises CancelledError in the end, if somebody pressed Cancel: Prefect only takes note, and nobody else would stop us."""
    watch = _Watch(progress)
    # In this context: Prefect's settings, and so its address, are of it.
    thread = threading.Thread(target=copy_context().run, args=(watch.run,), daemon=True)
    thread.start()
    try:
        yield progress
    except Sp404Error as error:
        if not watch.cancelled.is_set():
            raise
        raise CancelledError from error
    finally:
        watch.ended.set()
        thread.join(_TICK_SECONDS)
        watch.show_last()
    if watch.cancelled.is_set():
        raise CancelledError


@contextmanager
def own_heartbeats() -> Iterator[None]:
    """Of Prefect's own the last one costs a second at the end of every flow run: it sleeps, and is waited for."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


class _Watch:
    def __init__(self, progress: Progress) -> None:
        self._progress, self._run_id = progress, UUID(flow_run.id)
        self._name = str(flow_run.name)
        self._beats = PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is None
        self._last_beat = 0.0
        self._tidied = False
        self._shown: UUID | None = None
        self._began = time.monotonic()
        self.ended, self.cancelled = threading.Event(), threading.Event()

    def run(self) -> None:
        while True:
            with suppress(Exception), get_client(sync_client=True) as client:  # the next time will do
                self._tick(client)
            if self.cancelled.is_set() or self.ended.wait(_TICK_SECONDS):
                return

    def _tick(self, client: SyncPrefectClient) -> None:
        now = time.monotonic()
        if self._beats and now - self._last_beat >= HEARTBEAT_SECONDS:
            self._last_beat = now
            resource = {"prefect.resource.id": f"prefect.flow-run.{self._run_id}", "prefect.resource.name": self._name}
            emit_event(HEARTBEAT, resource)
        if now - self._began < _TICK_SECONDS:
            return
        if not self._tidied:
            self._tidied = True
            zombie_runs.end_those_of_old_runs(client)
        state = client.read_flow_run(self._run_id).state
        if state and (state.is_cancelling() or state.is_cancelled()):
            self.cancelled.set()
            self._progress.stopped.set()
        self._show(client)

    def show_last(self) -> None:
        """Where it ended; nothing where it was over before there was anything to show."""
        if self._shown:
            with suppress(Exception), get_client(sync_client=True) as client:
                self._show(client)

    def _show(self, client: SyncPrefectClient) -> None:
        done, total = self._progress.so_far
        if not total:
            return
        seconds = time.monotonic() - self._began
        rest = "" if self._progress.verb == Verb.CONVERT else f" (first, to {self._progress.verb} them)"
        description = f"{done:,} of {total:,} samples{rest}, {done / seconds:,.0f} a second"
        percent = 100 * done / total
        if self._shown:
            client.update_artifact(self._shown, ArtifactUpdate(data=percent, description=description))
            return
        made = ArtifactCreate(type="progress", key=_PROGRESS, data=percent, description=description, flow_run_id=self._run_id)
        self._shown = client.create_artifact(made).id
