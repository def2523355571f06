"""``export-slice``: a part of an export as a flow run of its own, on whichever machine a worker takes it.

A slice reads its request from a file, converts the shards that have no result yet, and writes a result file for each. It never
opens the database. ``flows.orchestration.work_pool`` is the other side.

Files of slice 3, in the folder of the run:

* ``slice-003.json``: the request
* ``slice-003.answer-0042.json``: the result of shard 42
* ``slice-003.sign``: the heartbeat, which is the number of samples done, a counter, and the id of the flow run
* ``slice-003.stop``: present when the slice is to stop
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

_HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True)
class SliceRequest:
    """The shards of a slice, and their numbers in the export."""

    numbers: tuple[int, ...]
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class ShardResultFile:
    """A ``ShardResult`` as JSON holds it: ``error`` and ``fix`` are texts, empty where there was no error."""

    results: tuple[ShardJobResult, ...]
    part: str
    error: str = ""
    fix: str = ""


_REQUEST_JSON, _RESULT_JSON = TypeAdapter(SliceRequest), TypeAdapter(ShardResultFile)


def result_path(request_path: Path, number: int) -> Path:
    """Return where the result of shard ``number`` stands."""
    return request_path.with_name(f"{request_path.stem}.answer-{number:04d}.json")


def heartbeat_path(request_path: Path) -> Path:
    """Return where the flow run of a slice writes its heartbeat."""
    return request_path.with_suffix(".sign")


def stop_path(request_path: Path) -> Path:
    """Return the path whose existence tells the flow run of a slice to stop."""
    return request_path.with_suffix(".stop")


def write_request(path: Path, request: SliceRequest) -> None:
    """Write a slice's request, atomically."""
    write_atomically(path, _REQUEST_JSON.dump_json(request))


def read_result(path: Path) -> ShardResult | None:
    """Read the result of a shard; None where there is none yet. An error of the other machine becomes a RemoteShardError."""
    try:
        result = _RESULT_JSON.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    error = RemoteShardError(what=result.error, fix=result.fix) if result.error else None
    return ShardResult(result.results, error, result.part)


@flow(name="export-slice", persist_result=False)
def export_slice(request_path: str, attempt: int = 1) -> State[int]:
    """Convert a slice of an export that another run plans and records.

    Args:
        request_path: The file with the request.
        attempt: From the second on, a file at a target that was free counts as left by the attempt before.
    """
    path = Path(request_path)
    try:
        request = _REQUEST_JSON.validate_json(path.read_bytes())
    except OSError as error:
        return Failed(message=f"{path}: {error.strerror}. Check that this machine shares the folder of the database.")
    to_do = [
        (number, _for_attempt(shard, attempt))
        for number, shard in zip(request.numbers, request.shards, strict=True)
        if not result_path(path, number).exists()
    ]
    done = 0
    try:
        with Progress() as progress, flow_monitor.monitor_flow_run(progress), _heartbeats(path, progress):
            progress.expect(sum(shard.stop - shard.start for _, shard in to_do))
            for number, result in _convert(to_do, progress):
                if isinstance(result, ShardResult):
                    _write_result(result_path(path, number), result)
                    done += len(result.results)
    except CancelledError as error:
        return Cancelled(message=f"{error}. {error.fix}")
    missing = sum(not result_path(path, number).exists() for number in request.numbers)
    if missing:
        return Failed(message=f"{missing} of {len(request.numbers)} shards failed: see the log")
    return Completed(message=f"{done:,} samples")


def _convert(to_do: list[tuple[int, Shard]], progress: Progress) -> Iterator[tuple[int, object]]:
    """Convert shards, and yield each number with its ShardResult, or the exception that broke it. A signal stops them all."""
    workers = load({}, lambda _db, _seconds: {}).settings.workers
    if to_do:
        progress.start_workers(to_do[0][1].limits, workers, sum(shard.stop - shard.start for _, shard in to_do))
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


def _for_attempt(shard: Shard, attempt: int) -> Shard:
    """Give a later attempt another token, so that its unfinished files have other names."""
    if attempt == 1:
        return shard
    return replace(shard, token=f"{shard.token}r{attempt}", again=True)


def _write_result(path: Path, result: ShardResult) -> None:
    fix = result.error.fix if isinstance(result.error, SurroundingsError) else ""
    write_atomically(path, _RESULT_JSON.dump_json(ShardResultFile(result.results, result.part, str(result.error or ""), fix)))


@contextmanager
def _heartbeats(request_path: Path, progress: Progress) -> Iterator[None]:
    """Write a heartbeat every second from a thread, and stop ``progress`` when the stop file appears."""
    ended = threading.Event()
    run_id = flow_run.id

    def beat() -> None:
        count = 0
        while not ended.is_set():
            count += 1
            with suppress(OSError):  # the next one will do
                write_atomically(heartbeat_path(request_path), f"{progress.so_far[0]} {count} {run_id}".encode())
            if stop_path(request_path).exists():
                progress.stopped.set()
            ended.wait(_HEARTBEAT_SECONDS)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
