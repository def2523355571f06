"""A shard's work: what a mapped task does. It puts the nouns together, and reads a plan written once for all shards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import polars as pl

from schemas.errors import SampleError, SurroundingsError, WorkingFolderError
from schemas.jobs import Job, Outcome, Shard, ShardResult, Tags
from schemas.words import Status
from tasks.bundle.metadata import write_metadata
from tasks.sound.convert import check, convert, failed, measure

PLAN_COLUMNS = (
    *("job", "sample_id", "source", "target", "title", "genre", "bpm", "musical_key", "tags"),
    *("ours", "free", "loudest"),
)


class Progress:
    """Counts finished samples over all threads of a run, and tells them when to stop.

    ``tell`` is called with how many are done and how many there are; ``shards`` says in how many parts they went.
    """

    def __init__(self, tell: Callable[[int, int], None] | None = None) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._done = self._total = 0
        self.shards = 0
        self.stopped = threading.Event()

    def expect(self, samples: int, shards: int) -> None:
        """A new pass over the samples begins."""
        self._done, self._total = 0, samples
        self.shards += shards

    def advance(self) -> None:
        with self._lock:
            self._done += 1
            if self._tell:
                self._tell(self._done, self._total)


# Who watches the run that starts in this context. Here and not beside the flow, which has to travel to a cluster.
_watcher: ContextVar[Progress | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> Progress:
    return _watcher.get() or Progress()


def write_plan(jobs: pl.DataFrame, folder: Path) -> str:
    """``jobs`` (``PLAN_COLUMNS``) as an Arrow file from which any shard can read its range. Raises WorkingFolderError.

    ``ours``: what stands at the target is ours to replace; ``free``: nothing stood there when the plan was made;
    ``loudest``: the peak that the gain of a whole folder goes by, or 0.
    """
    path = folder / "plan.arrow"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        jobs.select(PLAN_COLUMNS).write_ipc(path)
    except OSError as error:
        raise WorkingFolderError(path=str(folder), error=error.strerror or str(error)) from error
    return str(path)


def read_jobs(shard: Shard) -> list[Job]:
    rows = pl.scan_ipc(shard.plan_path).slice(shard.start, shard.stop - shard.start).collect()
    return [
        Job(index, sample_id, source, target, Tags(title, genre or "", bpm, key or "", tags or ""), ours, loudest)
        for index, sample_id, source, target, title, genre, bpm, key, tags, ours, _, loudest in rows.iter_rows()
    ]


def convert_shard(shard: Shard, progress: Progress | None = None) -> ShardResult:
    """Convert a shard's samples and write their metadata files; or only measure them.

    A sample that fails is an Outcome. Failing surroundings end the shard, and through ``progress`` the others too:
    what was finished is returned with the trouble.
    """
    work = (lambda job: measure(job, shard.sound)) if shard.measuring else (lambda job: _convert(job, shard))
    return _each(shard, progress or Progress(), work)


def check_shard(shard: Shard, progress: Progress | None = None) -> ShardResult:
    """Read a shard's sources to their end, and write nothing."""
    return _each(shard, progress or Progress(), lambda job: check(job, shard.sound))


def _each(shard: Shard, progress: Progress, work: Callable[[Job], Outcome]) -> ShardResult:
    outcomes: list[Outcome] = []
    for job in read_jobs(shard):
        if progress.stopped.is_set():
            break
        try:
            outcomes.append(work(job))
        except SurroundingsError as trouble:
            progress.stopped.set()
            return ShardResult(tuple(outcomes), trouble)
        progress.advance()
    return ShardResult(tuple(outcomes))


def _convert(job: Job, shard: Shard) -> Outcome:
    outcome = convert(job, shard.sound)
    if shard.include_metadata and outcome.status is Status.EXPORTED:
        try:
            write_metadata(job, outcome, shard.export_id)
        except SampleError as error:
            return failed(job.index, error)
    return outcome
