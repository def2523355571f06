"""Convert an export's shards on the workers of a Prefect work pool: a flow run for each slice, on this machine or on several.

The two sides exchange files in the folder of the run beside the database, which must be shared as the sources and the output
folder are. The database itself is opened only by the export that waits here. A slice whose process died is given to another
worker; the shards that have a result stay done.
"""

import logging
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed, State
from prefect.types.entrypoint import EntrypointType

from config.settings import Settings
from flows.export.steps import OnResult, ShardAnswers
from flows.export.threads import gather
from flows.orchestration import zombie_runs
from flows.orchestration.slice_flow import (
    SliceRequest,
    export_slice,
    heartbeat_path,
    read_result,
    result_path,
    stop_path,
    write_request,
)
from schemas.conversion import Shard, ShardResult
from schemas.errors import LostWorkersError, RequestError
from tasks.convert.progress import Progress, with_sentinel
from tasks.fs.atomic import remove, remove_parts

log = logging.getLogger("sp404")
_POLL_SECONDS = 0.5
# How often Prefect is asked for the state of a slice's flow run.
_STATE_SECONDS = 2.0
# A worker without a heartbeat for so long is dead: it sends one every second, once it has started a process and imported all.
_SILENCE_SECONDS = 60.0
_START_SECONDS = 300.0
# How long slices that are told to stop may go on with the samples in hand.
_STOP_SECONDS = 8.0
# How long a slice whose results are all here may take to say so to Prefect.
_END_SECONDS = 10.0
_MAX_ATTEMPTS = 3
_GONE = "No heartbeat any more: its machine is gone"
# In samples. A slice costs the seconds in which its process starts, so there are few: one a worker, if none gets larger.
_LARGEST_SLICE = 20_000


def map_on_pool(shards: list[Shard], settings: Settings, progress: Progress, merge: OnResult) -> ShardAnswers:
    """Convert shards on the workers of a work pool.

    Returns:
        A ShardResult for each shard, in order, or the exception that broke it.

    Raises:
        RequestError: There is no such pool, or none of its workers is online.
    """
    with get_client(sync_client=True) as client:
        workers = check_pool(client, settings.work_pool)
        deployment = _deploy(settings.work_pool)
        with with_sentinel(shards) as checked:
            dispatcher = _SliceDispatcher(client, deployment, checked, _cut_slices(shards, workers), progress)
            try:
                dispatcher.start()
                results = [partial(dispatcher.wait_for, number) for number in range(len(shards))]
                return gather(results, progress, merge)
            finally:
                dispatcher.close()


def check_pool(client: SyncPrefectClient, name: str) -> int:
    """Return how many workers of a pool are online.

    Raises:
        RequestError: There is no such pool, or no worker of it is online.
    """
    fix = f"On each machine: prefect worker start --type process --pool {name}"
    try:
        workers = client.read_workers_for_work_pool(name)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        raise RequestError(what=f"There is no work pool {name!r}", fix=fix) from error
    online = sum(worker.status == "ONLINE" for worker in workers)
    if not online:
        raise RequestError(what=f"No worker of the work pool {name!r} is online", fix=fix)
    return online


def _deploy(pool: str) -> UUID:
    """Deploy ``export-slice`` to a pool again for each export, so that the entrypoint is that of this version."""
    deployment: Any = export_slice.to_deployment(
        f"slice-{pool}",
        work_pool_name=pool,
        description="A part of an export: started by the export, not by hand.",
        tags=["sp404", "slice"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return UUID(str(deployment.apply()))


def _cut_slices(shards: list[Shard], workers: int) -> list[range]:
    """Cut shards, which cost about the same, into ranges of about as many."""
    samples = sum(shard.stop - shard.start for shard in shards)
    count = min(max(workers, -(-samples // _LARGEST_SLICE)), len(shards))
    bounds = [len(shards) * number // count for number in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


class _Slice:
    """A slice and its flow runs.

    Attributes:
        request_path: The file with its request.
        numbers: Its shards, by their numbers in the export.
        flow_runs: One for each attempt; the last is at work.
        heartbeat: The last heartbeat that was read; empty before the first of an attempt.
        alive_at: When the heartbeat last changed (``time.monotonic``).
        state_at: When Prefect was last asked for the state.
        finished: Nothing more is to be expected of it.
    """

    def __init__(self, request_path: Path, numbers: range, name: str) -> None:
        self.request_path, self.numbers, self.name = request_path, numbers, name
        self.flow_runs: list[UUID] = []
        self.heartbeat = ""
        self.alive_at = self.state_at = time.monotonic()
        self.finished = False

    def read_heartbeat(self, now: float) -> None:
        with suppress(OSError):
            heartbeat = heartbeat_path(self.request_path).read_text(encoding="ascii")
            if heartbeat != self.heartbeat:
                self.heartbeat, self.alive_at = heartbeat, now

    def is_silent(self, now: float) -> bool:
        return now - self.alive_at > (_SILENCE_SECONDS if self.heartbeat else _START_SECONDS)


class _SliceDispatcher:
    """Start a flow run for each slice, collect results, and start another one for a slice that died."""

    def __init__(
        self, client: SyncPrefectClient, deployment: UUID, shards: list[Shard], slices: list[range], progress: Progress
    ) -> None:
        self._client, self._deployment, self._shards, self._progress = client, deployment, shards, progress
        self._results: dict[int, ShardResult] = {}
        self._stopped_at: float | None = None
        self._any_died = False
        folder = Path(shards[0].plan_path).parent
        self._slices = [
            _Slice(folder / f"slice-{number:03d}.json", numbers, self._name(number, len(slices), numbers))
            for number, numbers in enumerate(slices, 1)
        ]

    def _name(self, number: int, count: int, numbers: range) -> str:
        first, last = (self._shards[end].label.partition(": ")[2].split(" to ") for end in (numbers[0], numbers[-1]))
        return f"slice {number} of {count}: {first[0]} to {last[-1]}"

    def start(self) -> None:
        for part in self._slices:
            shards = tuple(self._shards[number] for number in part.numbers)
            write_request(part.request_path, SliceRequest(tuple(part.numbers), shards))
            self._start_attempt(part)

    def _start_attempt(self, part: _Slice) -> None:
        attempt = len(part.flow_runs) + 1
        part.heartbeat, part.alive_at = "", time.monotonic()
        remove(str(heartbeat_path(part.request_path)))
        parameters = {"request_path": str(part.request_path), "attempt": attempt}
        name = part.name if attempt == 1 else f"{part.name}, attempt {attempt}"
        run = self._client.create_flow_run_from_deployment(self._deployment, parameters=parameters, name=name)
        part.flow_runs.append(run.id)

    def wait_for(self, number: int) -> ShardResult:
        """Wait for the result of a shard; it is empty where the export was stopped.

        Raises:
            LostWorkersError: All attempts died.
        """
        part = next(part for part in self._slices if number in part.numbers)
        while number not in self._results:
            if part.finished:
                if self._progress.stopped.is_set():
                    return ShardResult()
                raise LostWorkersError(attempts=len(part.flow_runs), name=part.name)
            self._poll()
            if number not in self._results:
                time.sleep(_POLL_SECONDS)
        return self._results[number]

    def _poll(self) -> None:
        if self._progress.stopped.is_set() and self._stopped_at is None:
            self._stopped_at = time.monotonic()
            for part in self._slices:
                stop_path(part.request_path).touch()
        for part in self._slices:
            if not part.finished:
                self._poll_slice(part)
        self._progress.set_done(sum(self._count_done(part) for part in self._slices))

    def _poll_slice(self, part: _Slice) -> None:
        self._collect(part)
        now = time.monotonic()
        part.read_heartbeat(now)
        if part.finished or now - part.state_at < _STATE_SECONDS:
            return
        part.state_at = now
        state = None
        with suppress(Exception):  # a server that does not answer now: the next time will do
            state = self._client.read_flow_run(part.flow_runs[-1]).state
        if not state:
            return
        if state.is_final():
            self._collect(part)  # what it wrote before it ended
            if not part.finished:
                self._handle_unfinished(part, cancelled=state.is_cancelled())
        elif self._stopped_at is not None and (state.is_scheduled() or now - self._stopped_at > _STOP_SECONDS):
            self._set_state(part.flow_runs[-1], Cancelled(message="The export was stopped"))
            part.finished = True
        elif not state.is_scheduled() and part.is_silent(now):
            self._set_state(part.flow_runs[-1], Crashed(message=_GONE))
            self._handle_unfinished(part, cancelled=False)

    def _is_final(self, flow_run: UUID) -> bool:
        state = self._client.read_flow_run(flow_run).state
        return state is not None and state.is_final()

    def _set_state(self, flow_run: UUID, state: State[Any]) -> None:
        self._client.set_flow_run_state(flow_run, state, force=True)

    def _collect(self, part: _Slice) -> None:
        for number in part.numbers:
            if number not in self._results and (result := read_result(result_path(part.request_path, number))):
                self._results[number] = result
                if result.error:
                    self._progress.stopped.set()
        part.finished = all(number in self._results for number in part.numbers)

    def _handle_unfinished(self, part: _Slice, cancelled: bool) -> None:
        """Start another attempt for a slice whose flow run ended before all of its shards had a result, if there may be one."""
        self._any_died = True
        if cancelled:
            self._progress.stopped.set()
        else:
            zombie_runs.crash_zombies_of(self._client, part.flow_runs[-1])
        if cancelled or self._stopped_at is not None or len(part.flow_runs) == _MAX_ATTEMPTS:
            part.finished = True
            return
        log.warning("The worker of %s died: another one does the rest", part.name)
        self._start_attempt(part)

    def _count_done(self, part: _Slice) -> int:
        collected = sum(len(self._results[number].results) for number in part.numbers if number in self._results)
        return collected if part.finished else max(collected, int(part.heartbeat.partition(" ")[0] or 0))

    def close(self) -> None:
        """After a death, remove unfinished files, and mark the runs that Prefect still shows as *Running*.

        One that has just given its last result is about to end by itself.
        """
        if not self._any_died:
            return
        deadline = time.monotonic() + _END_SECONDS
        for part in self._slices:
            for flow_run in part.flow_runs:
                may_end = part.finished and flow_run == part.flow_runs[-1]
                while not (is_final := self._is_final(flow_run)) and may_end and time.monotonic() < deadline:
                    time.sleep(0.2)
                if not is_final:
                    self._set_state(flow_run, Crashed(message=_GONE))
                zombie_runs.crash_zombies_of(self._client, flow_run)
        targets = pl.read_ipc(Path(self._shards[0].plan_path).read_bytes(), columns=["target"])["target"]
        for folder in targets.str.extract(r"(?s)^(.*)/").unique():
            remove_parts(folder, self._shards[0].token)
