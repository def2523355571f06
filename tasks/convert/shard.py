"""A shard's work: what a mapped task does. It puts the nouns together, and reads a plan written once for all shards.

What a shard makes has no final name until all of it is on the disk; then its result part says so to the records.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

import polars as pl

from schemas.conversion import Job, Limits, Outcome, Shard, ShardResult, SoundSettings, Tags, failed
from schemas.enums import Status
from schemas.errors import (
    DiskError,
    OutputGoneError,
    OutsideError,
    SampleError,
    SurroundingsError,
    TargetTakenError,
    WorkingFolderError,
    write_failure,
)
from tasks.bundle.metadata_file import is_same_but_for_export, metadata_path, metadata_text, text_of
from tasks.fs.atomic import (
    created,
    hash_of,
    hash_of_open,
    is_regular,
    may_take_place,
    part_name,
    remove,
    remove_empty,
    same_file,
    sync,
    take_place,
    write_all,
)
from tasks.isolation import worker
from tasks.isolation.process_pool import Workers
from tasks.store.checkpoints import seal
from tasks.store.outcome_table import OUTCOME_SCHEMA, frame_of, outcome_of

_JOB_COLUMNS = ("job", "sample_id", "source", "target", "title", "genre", "bpm", "musical_key", "tags", "loudest")
_OWNERSHIP = ("ours", "free", "text", "ours_text", "has_text", "text_hash")
_LAST_ERRORS = 20
PLAN_COLUMNS = (*_JOB_COLUMNS, "path", *_OWNERSHIP, "finished", "moving", *OUTCOME_SCHEMA)


# What a verb of ``tasks.isolation.worker`` made of a job; None: it was stopped. Raises SurroundingsError.
Converter: TypeAlias = Callable[[str, Job, SoundSettings], Outcome | None]


class Progress:
    """Counts finished samples over all threads of a run, and tells them when to stop.

    ``tell`` is called with how many are done and how many there are; ``task_runs`` says in how many parts Prefect had them,
    ``failed`` how many samples failed so far, and ``errors`` has the last of their texts.
    """

    def __init__(self, tell: Callable[[int, int], None] | None = None) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._done = self._total = 0
        self._workers: Workers | None = None
        self.verb = ""
        self.task_runs = 0
        self.failed = 0
        self.errors: deque[str] = deque(maxlen=_LAST_ERRORS)
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers:
            self._workers.close()
            self._workers = None

    def workers(self, limits: Limits, ahead: int = 0) -> Converter:
        """The processes that the run's samples are decoded in, ``ahead`` of them started at once; they end with it."""
        if not limits.contained:
            return _in_this_process
        with self._lock:
            if not self._workers:
                self._workers = Workers(limits, self.stopped)
                self._workers.start(ahead)
            return self._workers

    def expect(self, samples: int, verb: str = "convert") -> None:
        """A pass over samples begins; it goes on from the one before where that did the same with others."""
        with self._lock:
            before = (self._done, self._total) if verb == self.verb else (0, 0)
            self._done, self._total = before[0], before[1] + samples
            self.verb = verb

    @property
    def so_far(self) -> tuple[int, int]:
        """How many samples are done, and how many there are."""
        with self._lock:
            return self._done, self._total

    def advance(self, error: str = "") -> None:
        """``error``: why the sample failed."""
        with self._lock:
            if error:
                self.failed += 1
                self.errors.append(error)
            self._go_to(self._done + 1)

    def at(self, done: int) -> None:
        """So many are done, as those say who do it elsewhere."""
        with self._lock:
            if done != self._done:
                self._go_to(done)

    def _go_to(self, done: int) -> None:
        self._done = done
        if self._tell:
            self._tell(self._done, self._total)


@contextmanager
def marked(shards: list[Shard]) -> Iterator[list[Shard]]:
    """The shards for other machines, which tell by a mark that what they see is the same output folder. Raises
    OutputGoneError.
    """
    name = part_name(shards[0].token, 0, "here")
    path = Path(shards[0].output, name)
    try:
        path.touch()
    except OSError as error:
        raise OutputGoneError(path=shards[0].output) from error
    try:
        yield [replace(shard, mark=name) for shard in shards]
    finally:
        remove(str(path))


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


def write_plan(jobs: pl.DataFrame, folder: Path, token: str) -> str:
    """``jobs`` (``PLAN_COLUMNS``) as an Arrow file from which any shard can read its range. Raises WorkingFolderError.

    ``ours``: what stands at the target is ours to replace; ``free``: nothing stood there when the plan was made; ``text`` is
    the metadata file, with ``ours_text`` and ``has_text`` likewise, and ``text_hash`` that of the one which is recorded;
    ``loudest``: the peak that the gain of a whole folder goes by, or 0; ``finished``: a file that is already what this
    job is to make, with its outcome, and ``moving``: it is to be renamed, not copied.
    """
    path = folder / f"plan-{token}.arrow"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        jobs.with_columns(text=text_of("target")).select(PLAN_COLUMNS).write_ipc(path)
    except OSError as error:
        raise WorkingFolderError.of(folder, error) from error
    return str(path)


@dataclass(frozen=True)
class _Order:
    """A job as it stands in the plan. ``recorded`` is the outcome of the file ``finished``, if there is one."""

    job: Job
    path: str
    ours: bool
    ours_text: bool
    text_hash: str
    finished: str
    moving: bool
    recorded: Outcome | None


@dataclass(frozen=True)
class _Made:
    """What was made of an order: files that wait for their names. ``audio`` is None where it has its name already."""

    order: _Order
    outcome: Outcome
    audio: str | None = None
    text: str | None = None


def _orders(shard: Shard) -> list[_Order]:
    rows = pl.scan_ipc(shard.plan_path).slice(shard.start, shard.stop - shard.start).collect()
    return [
        _Order(
            Job(
                row["job"],
                row["sample_id"],
                row["source"],
                row["target"],
                Tags(row["title"], row["genre"] or "", row["bpm"], row["musical_key"] or "", row["tags"] or ""),
                row["loudest"],
            ),
            row["path"],
            row["ours"] or (shard.again and row["free"]),
            row["ours_text"] or (shard.again and not row["has_text"]),
            row["text_hash"] or "",
            row["finished"] or "",
            row["moving"],
            outcome_of(row["job"], row) if row["finished"] else None,
        )
        for row in rows.iter_rows(named=True)
    ]


def convert_shard(shard: Shard, progress: Progress | None = None) -> ShardResult:
    """Convert a shard's samples and write their metadata files; or what else the shard's verb says.

    A sample that fails is an Outcome. Failing surroundings end the shard, and through ``progress`` the others too:
    what was finished is returned with the trouble.
    """
    if shard.verb != "convert":
        return _asked_of_each(shard, progress)
    with _working(shard, progress) as (converter, watched):
        made: list[_Made] = []
        trouble: SurroundingsError | None = None
        try:
            for order in _orders(shard):
                if watched.stopped.is_set():
                    break
                one = _made(order, shard, converter)
                if one is None:
                    break
                made.append(one)
                watched.advance(one.outcome.error and f"Sample {order.job.sample_id}: {one.outcome.error}")
        except SurroundingsError as error:
            watched.stopped.set()
            trouble = error
        outcomes: list[tuple[str, Outcome]] = []
        part = ""
        try:
            _settle(made, shard, outcomes)
        except SurroundingsError as error:
            watched.stopped.set()
            trouble = trouble or error
        try:
            if outcomes:
                part = str(seal(frame_of(outcomes), Path(shard.plan_path).parent, f"part-{shard.start:07d}"))
        except SurroundingsError as error:
            watched.stopped.set()
            outcomes, trouble = [], trouble or error
        return ShardResult(tuple(outcome for _, outcome in outcomes), trouble, part)


def _asked_of_each(shard: Shard, progress: Progress | None) -> ShardResult:
    outcomes: list[Outcome] = []
    with _working(shard, progress) as (converter, watched):
        for order in _orders(shard):
            if watched.stopped.is_set():
                break
            try:
                outcome = converter(shard.verb, order.job, shard.sound)
            except SurroundingsError as trouble:
                watched.stopped.set()
                return ShardResult(tuple(outcomes), trouble)
            if outcome is None:
                break
            outcomes.append(outcome)
            watched.advance()
    return ShardResult(tuple(outcomes))


@contextmanager
def _working(shard: Shard, progress: Progress | None) -> Iterator[tuple[Converter, Progress]]:
    """The processes that sounds are decoded in: the run's own, or on another machine some for this shard alone."""
    if progress:
        yield progress.workers(shard.limits), progress
        return
    with Progress() as alone:
        yield alone.workers(shard.limits), alone


def _in_this_process(verb: str, job: Job, sound: SoundSettings) -> Outcome:
    return worker.of_sound()[verb](job, sound)


def _made(order: _Order, shard: Shard, converter: Converter) -> _Made | None:
    """None where the run was stopped meanwhile. Raises SurroundingsError."""
    folder = os.path.dirname(order.job.target)
    part = os.path.join(folder, part_name(shard.token, order.job.index))
    try:
        _check_there(shard)
        _make_folder(folder, shard.output)
        reused = _reused(order, part)
        if reused:
            outcome, audio = replace(reused[0], metadata_hash=""), reused[1]
        else:
            converted = converter(shard.verb, replace(order.job, target=part), shard.sound)
            if converted is None:
                remove(part)
                return None
            outcome, audio = converted, part
        _check_there(shard)
        if outcome.status is Status.FAILED:
            return _Made(order, outcome)
        if not shard.include_metadata:
            return _Made(order, outcome, audio)
        text = os.path.join(folder, part_name(shard.token, order.job.index, "text"))
        with created(text) as file:
            write_all(file, metadata_text(order.job, outcome, shard.export_id).encode())
            outcome = replace(outcome, metadata_hash=hash_of_open(file.fileno()))
        return _Made(order, outcome, audio, text)
    except SampleError as error:
        return _Made(order, failed(order.job.index, error))
    except OutputGoneError:
        remove(part)  # if it went to what lies below the mount point
        raise
    except OSError as error:
        remove(part)
        return _Made(order, failed(order.job.index, _write_failure(order.job.target, error)))


def _check_there(shard: Shard) -> None:
    """A card that is pulled leaves its mount point: what is written there then goes to another disk."""
    try:
        found = os.stat(os.path.join(shard.output, shard.mark))
        there = bool(shard.mark) or found.st_dev == shard.device
    except OSError:
        there = False
    if not there:
        raise OutputGoneError(path=shard.output)


def _make_folder(folder: str, output: str) -> None:
    """Make ``folder``, which is ``output`` or below it; never ``output`` itself. Raises OutsideError and OSError."""
    if os.path.realpath(folder) != folder:
        raise OutsideError(path=folder, real=os.path.realpath(folder))
    if not os.path.isdir(folder):
        _make_folder(os.path.dirname(folder), output)
        with suppress(FileExistsError):
            os.mkdir(folder)


def _reused(order: _Order, part: str) -> tuple[Outcome, str | None] | None:
    """The outcome of a file that is finished already, and where its audio waits; None if it is not what it was."""
    outcome, target = order.recorded, order.job.target
    if not outcome:
        return None
    if order.finished == target or (order.ours and _is(target, outcome.file_hash)):
        return outcome, None
    folder = os.path.dirname(order.finished)
    if os.path.realpath(folder) != folder:
        return None
    if order.moving:
        return (outcome, order.finished) if _is(order.finished, outcome.file_hash) else None
    with suppress(OSError), open(order.finished, "rb") as finished, created(part) as copy:
        while block := finished.read(1 << 20):
            write_all(copy, block)
        if hash_of_open(copy.fileno()) == outcome.file_hash:
            return outcome, part
    remove(part)
    return None


def _is(path: str, file_hash: str) -> bool:
    try:
        return is_regular(path) and hash_of(path) == file_hash
    except OSError:
        return False


def _settle(made: list[_Made], shard: Shard, outcomes: list[tuple[str, Outcome]]) -> None:
    """Give all that was made its names, once it is on the disk, and each one's path and outcome to ``outcomes``.

    Raises SurroundingsError.
    """
    waiting = [path for one in made for path in (one.audio, one.text) if path and path != one.order.finished]
    try:
        if waiting:
            _check_there(shard)
            sync(shard.output)
        for one in made:
            outcomes.append((one.order.path, _placed(one, shard)))
    except OSError as error:
        trouble = write_failure(os.path.join(shard.output, ""), error)
        if isinstance(trouble, SampleError):
            trouble = DiskError(path=shard.output, error=error.strerror or str(error))
        raise trouble from error
    finally:
        for path in waiting:
            remove(path)


def _placed(one: _Made, shard: Shard) -> Outcome:
    order, target = one.order, one.order.job.target
    if one.outcome.status is Status.FAILED:
        return one.outcome
    ours = order.ours and not same_file(order.job.source, target)
    text_path = metadata_path(target)
    waiting = [(one.audio, target, ours)] if one.audio else []
    outcome = one.outcome
    if not ours and os.path.lexists(target):  # another's, of the same bytes: it counts, but no record says that it is ours
        outcome = replace(outcome, file_hash="", metadata_hash="")
    elif one.text:  # first, for the next run looks for the audio
        waiting.insert(0, (one.text, text_path, order.ours_text or is_same_but_for_export(one.text, text_path)))
    try:
        for part, name, its_ours in waiting:
            if not may_take_place(part, name, its_ours):
                return failed(order.job.index, TargetTakenError(path=name))
        for part, name, its_ours in waiting:
            take_place(part, name, its_ours)
        if not one.text and order.text_hash and _is(text_path, order.text_hash):
            os.unlink(text_path)  # it told of the sound that was there before
    except OSError as error:
        _check_there(shard)
        return failed(order.job.index, _write_failure(target, error))
    if not order.moving or os.path.lexists(order.finished):
        return outcome
    old_text = metadata_path(order.finished)
    if order.recorded and _is(old_text, order.recorded.metadata_hash):
        remove(old_text)
    remove_empty(os.path.dirname(order.finished), shard.output)
    return replace(outcome, moved_from=os.path.relpath(order.finished, shard.output))


def _write_failure(target: str, error: OSError) -> SampleError:
    """What an OSError means for the sample; raised if it concerns the others too."""
    trouble = write_failure(target, error)
    if isinstance(trouble, SurroundingsError):
        raise trouble from error
    return trouble
