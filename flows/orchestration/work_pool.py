"""An export's shards on the workers of a Prefect work pool, on this machine or on several: a flow run for each slice.

What crosses over is files in the folder of the run, beside the database, which is to be shared as the sources and the
output folder are; the database itself stays with the export that waits here. A slice whose process died is given to
another worker: what it has answered stays done.
"""

import logging
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from itertools import chain, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed
from prefect.types.entrypoint import EntrypointType

from config.settings import Settings
from flows.export.steps import OnResult, ShardAnswers
from flows.export.threads import gather
from flows.orchestration import zombie_runs
from flows.orchestration.slice_flow import Order, answer_path, export_slice, read_answer, sign_path, stop_path, write_order
from schemas.conversion import Shard, ShardResult
from schemas.errors import LostWorkersError, RequestError
from tasks.convert.progress import Progress, with_sentinel
from tasks.fs.atomic import remove, remove_parts

log = logging.getLogger("sp404")
_POLL_SECONDS = 0.5
_ASK_SECONDS = 2.0
# A worker that gives no sign for so long is dead: it gives one every second, once it has started a process and imported all.
_SILENCE_SECONDS = 60.0
_START_SECONDS = 300.0
# How long slices that are told to stop may finish what they have in hand.
_STOP_SECONDS = 8.0
_ATTEMPTS = 3
_GONE = "No sign of life any more: its machine is gone"
# A slice costs the seconds in which its process starts, so there are few: one a worker, unless it would be larger than this.
_LARGEST_SLICE = 20_000


def map_on_pool(shards: list[Shard], settings: Settings, progress: Progress, merge: OnResult) -> ShardAnswers:
    """Every shard's ShardResult, in order; an exception in the place of one that broke.

    Raises RequestError where the pool is not there, or nobody works for it.
    """
    with get_client(sync_client=True) as client:
        workers = check_pool(client, settings.work_pool)
        deployment = _deployment(settings.work_pool)
        with with_sentinel(shards) as checked:
            pool = _Pool(client, deployment, checked, _slices_of(shards, workers), progress)
            try:
                pool.start()
                return gather([partial(pool.answer, number) for number in range(len(shards))], progress, merge)
            finally:
                pool.close()


def check_pool(client: SyncPrefectClient, name: str) -> int:
    """How many workers the pool has. Raises RequestError where it is not there, or has none."""
    fix = f"On each machine: prefect worker start --type process --pool {name}"
    try:
        found = client.read_workers_for_work_pool(name)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        raise RequestError(what=f"There is no work pool {name!r}", fix=fix) from error
    online = sum(worker.status == "ONLINE" for worker in found)
    if not online:
        raise RequestError(what=f"No worker of the work pool {name!r} is online", fix=fix)
    return online


def _deployment(pool: str) -> UUID:
    deployment: Any = export_slice.to_deployment(
        f"slice-{pool}",
        work_pool_name=pool,
        description="A part of an export: started by the export, not by hand.",
        tags=["sp404", "slice"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return UUID(str(deployment.apply()))


def _slices_of(shards: list[Shard], workers: int) -> list[range]:
    """Ranges of shards: shards cost about the same, so as many of them in each."""
    samples = sum(shard.stop - shard.start for shard in shards)
    count = min(max(workers, -(-samples // _LARGEST_SLICE)), len(shards))
    bounds = [len(shards) * number // count for number in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


class _Slice:
    """``flow_runs``: one an attempt, the last of them at work. ``alive_at``: when its sign of life was last seen to change."""

    def __init__(self, order: Path, numbers: range, name: str) -> None:
        self.order, self.numbers, self.name = order, numbers, name
        self.flow_runs: list[UUID] = []
        self.sign = ""
        self.alive_at = self.asked_at = time.monotonic()
        self.over = False


class _Pool:
    def __init__(
        self, client: SyncPrefectClient, deployment: UUID, shards: list[Shard], slices: list[range], progress: Progress
    ) -> None:
        self._client, self._deployment, self._shards, self._progress = client, deployment, shards, progress
        self._answers: dict[int, ShardResult] = {}
        self._stopped_at: float | None = None
        self._died = False
        folder = Path(shards[0].plan_path).parent
        self._slices = [
            _Slice(folder / f"slice-{number:03d}.json", numbers, self._name(number, len(slices), numbers))
            for number, numbers in enumerate(slices, 1)
        ]

    def _name(self, number: int, count: int, numbers: range) -> str:
        first, last = (self._shards[end].label.partition(": ")[2].split(" to ") for end in (numbers[0], numbers[-1]))
        return f"slice {number} of {count}: {first[0]} to {last[-1]}"

    def start(self) -> None:
        for one in self._slices:
            write_order(one.order, Order(tuple(one.numbers), tuple(self._shards[number] for number in one.numbers)))
            self._begin(one)

    def _begin(self, one: _Slice) -> None:
        attempt = len(one.flow_runs) + 1
        one.sign, one.alive_at = "", time.monotonic()
        remove(str(sign_path(one.order)))
        parameters = {"order": str(one.order), "attempt": attempt}
        name = one.name if attempt == 1 else f"{one.name}, attempt {attempt}"
        made = self._client.create_flow_run_from_deployment(self._deployment, parameters=parameters, name=name)
        one.flow_runs.append(made.id)

    def answer(self, number: int) -> ShardResult:
        """Wait for the answer of a shard. Raises LostWorkersError where nobody will give it."""
        one = next(one for one in self._slices if number in one.numbers)
        while number not in self._answers:
            if one.over:
                if self._progress.stopped.is_set():
                    return ShardResult()
                raise LostWorkersError(attempts=len(one.flow_runs), name=one.name)
            self._look()
            if number not in self._answers:
                time.sleep(_POLL_SECONDS)
        return self._answers[number]

    def _look(self) -> None:
        if self._progress.stopped.is_set() and self._stopped_at is None:
            self._stopped_at = time.monotonic()
            for one in self._slices:
                stop_path(one.order).touch()
        for one in self._slices:
            if not one.over:
                self._look_at(one)
        self._progress.set_done(sum(self._done(one) for one in self._slices))

    def _look_at(self, one: _Slice) -> None:
        self._collect(one)
        now = time.monotonic()
        with suppress(OSError):
            sign = sign_path(one.order).read_text(encoding="ascii")
            if sign != one.sign:
                one.sign, one.alive_at = sign, now
        if one.over or now - one.asked_at < _ASK_SECONDS:
            return
        one.asked_at = now
        state, flow_run = None, one.flow_runs[-1]
        with suppress(Exception):  # a server that does not answer now: the next time will do
            state = self._client.read_flow_run(flow_run).state
        if not state:
            return
        if state.is_final():
            self._collect(one)  # what it wrote before it said so
            if not one.over:
                self._ended(one, cancelled=state.is_cancelled())
        elif self._stopped_at is not None and (state.is_scheduled() or now - self._stopped_at > _STOP_SECONDS):
            self._client.set_flow_run_state(flow_run, Cancelled(message="The export was stopped"), force=True)
            one.over = True
        elif not state.is_scheduled() and now - one.alive_at > (_SILENCE_SECONDS if one.sign else _START_SECONDS):
            self._client.set_flow_run_state(flow_run, Crashed(message=_GONE), force=True)
            self._ended(one, cancelled=False)

    def _collect(self, one: _Slice) -> None:
        for number in one.numbers:
            if number not in self._answers and (answer := read_answer(answer_path(one.order, number))):
                self._answers[number] = answer
                if answer.error:
                    self._progress.stopped.set()
        one.over = all(number in self._answers for number in one.numbers)

    def _ended(self, one: _Slice, cancelled: bool) -> None:
        """It ended, and not all of its shards are answered."""
        self._died = True
        if cancelled:
            self._progress.stopped.set()
        else:
            zombie_runs.end_those_of(self._client, one.flow_runs[-1])
        if cancelled or self._stopped_at is not None or len(one.flow_runs) == _ATTEMPTS:
            one.over = True
            return
        log.warning("The worker of %s died: another one does the rest", one.name)
        self._begin(one)

    def _done(self, one: _Slice) -> int:
        answered = sum(len(self._answers[number].results) for number in one.numbers if number in self._answers)
        return answered if one.over else max(answered, int(one.sign.partition(" ")[0] or 0))

    def close(self) -> None:
        """Remove what those left that died, and end what is still said to be at work."""
        if self._died:
            for flow_run in chain.from_iterable(one.flow_runs for one in self._slices):
                state = self._client.read_flow_run(flow_run).state
                if not state or not state.is_final():
                    self._client.set_flow_run_state(flow_run, Crashed(message=_GONE), force=True)
                zombie_runs.end_those_of(self._client, flow_run)
            targets = pl.read_ipc(self._shards[0].plan_path, columns=["target"])["target"]
            for folder in targets.str.extract(r"^(.*)/").unique():
                remove_parts(folder, self._shards[0].token)
