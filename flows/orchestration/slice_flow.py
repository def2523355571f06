"""``export-slice``: a part of an export as a flow run of its own, on whichever machine a worker takes it.

It finds its order in a file, converts the shards that have no answer yet, and writes an answer for each. It never opens
the database. ``flows.orchestration.work_pool`` is the other side.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import flow, unmapped
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import TypeAdapter

from config.settings import load
from flows.orchestration import flow_monitor, prefect_tasks
from schemas.conversion import Shard, ShardJobResult, ShardResult
from schemas.errors import CancelledError, RemoteShardError, SurroundingsError
from tasks.convert.progress import Progress
from tasks.fs.atomic import write_atomically

_SIGN_SECONDS = 1.0


@dataclass(frozen=True)
class Order:
    """The shards of a slice by their numbers in the export. It stands in a file; beside that, by its name: an answer for
    each shard that is done, a sign of life with the count of samples that are done, and a file that says that it is to stop.
    """

    numbers: tuple[int, ...]
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Answer:
    """A ``ShardResult`` in words: ``error`` and ``fix`` are empty where there was none."""

    results: tuple[ShardJobResult, ...]
    part: str
    error: str = ""
    fix: str = ""


_ORDER, _ANSWER = TypeAdapter(Order), TypeAdapter(Answer)


def answer_path(order: Path, number: int) -> Path:
    return order.with_name(f"{order.stem}.answer-{number:04d}.json")


def sign_path(order: Path) -> Path:
    return order.with_suffix(".sign")


def stop_path(order: Path) -> Path:
    return order.with_suffix(".stop")


def write_order(path: Path, order: Order) -> None:
    write_atomically(path, _ORDER.dump_json(order))


def read_answer(path: Path) -> ShardResult | None:
    """None where there is none yet."""
    try:
        answer = _ANSWER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    error = RemoteShardError(what=answer.error, fix=answer.fix) if answer.error else None
    return ShardResult(answer.results, error, answer.part)


@flow(name="export-slice", persist_result=False)
def export_slice(order: str, attempt: int = 1) -> State[int]:
    """Convert a slice of an export that another run plans and records.

    ``order``: the file that says what; ``attempt``: from the second on, what stands at a target that was free is taken for
    what the first one left.
    """
    path = Path(order)
    try:
        wanted = _ORDER.validate_json(path.read_bytes())
    except OSError as error:
        return Failed(message=f"{path}: {error.strerror}. Check that this machine shares the folder of the database.")
    to_do = [
        (number, _here(shard, attempt))
        for number, shard in zip(wanted.numbers, wanted.shards, strict=True)
        if not answer_path(path, number).exists()
    ]
    done = 0
    try:
        with Progress() as progress, flow_monitor.watched(progress), _signs(path, progress):
            progress.expect(sum(shard.stop - shard.start for _, shard in to_do))
            for number, result in _converted(to_do, progress):
                if isinstance(result, ShardResult):
                    _write_answer(answer_path(path, number), result)
                    done += len(result.results)
    except CancelledError as error:
        return Cancelled(message=f"{error}. {error.fix}")
    missing = sum(not answer_path(path, number).exists() for number in wanted.numbers)
    if missing:
        return Failed(message=f"{missing} of {len(wanted.numbers)} shards failed: see the log")
    return Completed(message=f"{done:,} samples")


def _converted(to_do: list[tuple[int, Shard]], progress: Progress) -> Iterator[tuple[int, object]]:
    """What became of each shard, in order: a ShardResult, or the exception that broke it. A signal stops all of them."""
    workers = load({}, lambda _db, _seconds: {}).settings.workers
    if to_do:
        progress.executor(to_do[0][1].limits, ahead=workers)
    task_runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=workers)
    with task_runner as runner:
        futures = runner.map(
            prefect_tasks.convert_shard, {"shard": [shard for _, shard in to_do], "progress": unmapped(progress)}
        )
        try:
            for (number, _), future in zip(to_do, futures, strict=True):
                yield number, future.result(raise_on_failure=False)
        except BaseException:
            progress.stopped.set()
            raise


def _here(shard: Shard, attempt: int) -> Shard:
    if attempt == 1:
        return shard
    return replace(shard, token=f"{shard.token}r{attempt}", again=True)


def _write_answer(path: Path, result: ShardResult) -> None:
    fix = result.error.fix if isinstance(result.error, SurroundingsError) else ""
    write_atomically(path, _ANSWER.dump_json(Answer(result.results, result.part, str(result.error or ""), fix)))


@contextmanager
def _signs(order: Path, progress: Progress) -> Iterator[None]:
    """Says all the time that this run lives and how many samples are done, and hears that it is to stop."""
    ended = threading.Event()
    run_id = flow_run.id

    def tell() -> None:
        count = 0
        while not ended.is_set():
            count += 1
            with suppress(OSError):  # the next one will do
                write_atomically(sign_path(order), f"{progress.so_far[0]} {count} {run_id}".encode())
            if stop_path(order).exists():
                progress.stopped.set()
            ended.wait(_SIGN_SECONDS)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
