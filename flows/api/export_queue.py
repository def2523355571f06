"""The queue of exports and other jobs: one runs at a time, for clients that wait and for clients that poll its progress."""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Generic, TypeVar

from flows.api.problems import ProblemError
from schemas.api import JobKind, State
from schemas.conversion import Limits
from schemas.enums import Verb
from schemas.errors import QueueError, Sp404Error, StoppedError
from tasks.convert.progress import Progress
from tasks.isolation.executor import JobExecutor
from tasks.isolation.process_pool import ProcessPool

log = logging.getLogger("sp404")
AnswerT = TypeVar("AnswerT")
_MAX_REMEMBERED = 200
_RATE_SECONDS = 10.0


class SharedProcessPool:
    """Worker processes that stay between exports: to start one takes as long as to convert a hundred short samples.

    An idle one takes no CPU time: it waits for its next call. A pool starts processes when threads need them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._kept: tuple[Limits, ProcessPool] | None = None

    def get(self, limits: Limits, ahead: int = 1) -> ProcessPool:
        """Return the pool with these limits; one with other limits is closed.

        Args:
            limits: What each process may take.
            ahead: How many processes a new pool starts at once, without waiting for them.
        """
        with self._lock:
            if not self._kept or self._kept[0] != limits:
                if self._kept:
                    self._kept[1].close()
                self._kept = limits, ProcessPool(limits, self._stopped)
                self._kept[1].start(ahead)
            return self._kept[1]

    def close(self) -> None:
        """End all processes."""
        self._stopped.set()
        with self._lock:
            if self._kept:
                self._kept[1].close()
                self._kept = None


class PolledProgress(Progress):
    """Progress that clients poll. Its samples are decoded by processes that outlive it."""

    def __init__(self, process_pool: SharedProcessPool) -> None:
        super().__init__(self._note)
        self._process_pool = process_pool
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def executor(self, limits: Limits, ahead: int = 0) -> JobExecutor:
        """Return the shared processes in place of processes of this run alone."""
        return self._process_pool.get(limits) if limits.contained else super().executor(limits, ahead)

    def expect(self, samples: int, verb: str = Verb.CONVERT) -> None:
        """Begin a pass, and start a new measurement of its rate."""
        super().expect(samples, verb)
        self._seen = deque([(time.monotonic(), self.so_far[0])])

    def _note(self, done: int, _total: int) -> None:
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] < now - _RATE_SECONDS:
            self._seen.popleft()

    def rate_per_second(self) -> float:
        """Return the samples per second of the last ten seconds."""
        (then, before), (_, after) = self._seen[0], self._seen[-1]
        seconds = time.monotonic() - then
        return (after - before) / seconds if seconds > 0 else 0.0


class QueuedExport(Generic[AnswerT]):
    """An export in the queue.

    Attributes:
        kind: What it does.
        has_client: A client holds its connection open for the answer, and will not ask for it later.
        turn: Has a result when the export begins to run.
        answer: Has a result when the export has ended.
    """

    def __init__(self, progress: PolledProgress, has_client: bool, kind: JobKind = JobKind.EXPORT) -> None:
        self.has_client, self.kind = has_client, kind
        self.id = secrets.token_hex(16)
        self.progress = progress
        self.turn: Future[None] = Future()
        self.answer: Future[AnswerT] = Future()
        self.created_at = _now()
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.cancelled = False

    @property
    def state(self) -> State:
        """The state of the export in the queue."""
        if self.cancelled and self.ended_at:
            return State.CANCELLED
        if self.answer.done():
            return State.FAILED if self.answer.exception() else State.DONE
        return State.RUNNING if self.started_at else State.QUEUED

    def cancel(self) -> None:
        """Finish the samples in hand and begin no other. What is done stays done."""
        if not self.ended_at:
            self.cancelled = True
            self.progress.stopped.set()
            if self.turn.cancel():  # its turn never comes
                self.ended_at = _now()
                self.answer.cancel()


class ExportQueue(Generic[AnswerT]):
    """Runs one export after the other, and remembers the last of those that no client waited for.

    Attributes:
        is_stopping: The server stops.
    """

    def __init__(self, process_pool: SharedProcessPool, max_queued: int) -> None:
        self._process_pool = process_pool
        self._max_queued = max_queued
        self._lock = threading.Lock()
        self._exports: dict[str, QueuedExport[AnswerT]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")
        self.is_stopping = False

    def add(self, do: Callable[[Progress], AnswerT], has_client: bool, kind: JobKind = JobKind.EXPORT) -> QueuedExport[AnswerT]:
        """Append an export, or a job of another kind, which ``do`` carries out.

        Raises:
            QueueError: Too many wait already.
            StoppedError: The server stops.
        """
        with self._lock:
            if self.is_stopping:
                raise StoppedError
            waiting = sum(export.state is State.QUEUED for export in self._exports.values())
            if waiting >= self._max_queued:
                raise QueueError(waiting=f"{waiting} exports")
            queued: QueuedExport[AnswerT] = QueuedExport(PolledProgress(self._process_pool), has_client, kind)
            ended = [export for export in self._exports.values() if export.ended_at]
            remembered = [export for export in ended if not export.has_client][-_MAX_REMEMBERED:]
            for export in ended:
                if export not in remembered:
                    del self._exports[export.id]
            self._exports[queued.id] = queued
            self._thread.submit(self._carry_out, queued, do)
            return queued

    def all(self) -> list[QueuedExport[AnswerT]]:
        """Return what waits, runs, and is remembered, oldest first."""
        with self._lock:
            return list(self._exports.values())

    def find(self, export_id: str) -> QueuedExport[AnswerT] | None:
        """Return the export with this id of the queue (not of the records), if it is remembered."""
        return self._exports.get(export_id)

    def stop(self, seconds: float) -> None:
        """Take no more exports, cancel all, and wait for ``seconds`` for the one that runs."""
        with self._lock:
            self.is_stopping = True
            for export in self._exports.values():
                export.cancel()
        self._wait(seconds)

    def give_up(self, seconds: float) -> None:
        """Wait for ``seconds`` for the export that runs; its answer is then that it was stopped, whatever becomes of it."""
        for answer in self._wait(seconds):
            with suppress(InvalidStateError):  # it has ended just now
                answer.set_exception(StoppedError())

    def close(self) -> None:
        """Cancel all exports, and wait until the one that runs has finished its samples in hand."""
        self.stop(0)
        self._thread.shutdown()

    def _wait(self, seconds: float) -> set[Future[AnswerT]]:
        with self._lock:
            answers = [export.answer for export in self._exports.values()]
        return futures.wait(answers, seconds).not_done

    def _carry_out(self, queued: QueuedExport[AnswerT], do: Callable[[Progress], AnswerT]) -> None:
        if not queued.turn.set_running_or_notify_cancel():
            return
        queued.started_at = _now()
        queued.turn.set_result(None)
        try:
            answer = do(queued.progress)
        except BaseException as error:
            if not isinstance(error, (Sp404Error, ProblemError)):
                log.exception("An export failed")
            queued.ended_at = _now()
            with suppress(InvalidStateError):  # nobody waits any more
                queued.answer.set_exception(error)
        else:
            queued.ended_at = _now()
            with suppress(InvalidStateError):
                queued.answer.set_result(answer)


def _now() -> datetime:
    return datetime.now(UTC)
