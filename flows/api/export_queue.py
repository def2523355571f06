"""One export after the other, for who waits and for who does not; and how far each has come."""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Generic, TypeVar

from flows.api.problems import ProblemError
from schemas.api import State
from schemas.conversion import Limits
from schemas.errors import QueueError, Sp404Error
from tasks.convert.progress import Converter, Progress
from tasks.isolation.process_pool import ProcessPool

log = logging.getLogger("sp404")
Answer = TypeVar("Answer")
_MOST_WAITING = 100
_MOST_KEPT = 200
_RATE_SECONDS = 10.0


class Decoders:
    """Processes that decode, kept between exports: to start one takes as long as to convert a hundred short samples."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._kept: tuple[Limits, ProcessPool] | None = None

    def of(self, limits: Limits) -> ProcessPool:
        with self._lock:
            if not self._kept or self._kept[0] != limits:
                if self._kept:
                    self._kept[1].close()
                self._kept = limits, ProcessPool(limits, self._stopped)
                self._kept[1].start(1)
            return self._kept[1]

    def close(self) -> None:
        self._stopped.set()
        with self._lock:
            if self._kept:
                self._kept[1].close()
                self._kept = None


class Watched(Progress):
    """Progress that can be asked for, instead of being told; its samples are decoded by processes that outlive it."""

    def __init__(self, decoders: Decoders) -> None:
        super().__init__(self._note)
        self._decoders = decoders
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def workers(self, limits: Limits, ahead: int = 0) -> Converter:
        return self._decoders.of(limits) if limits.contained else super().workers(limits, ahead)

    def expect(self, samples: int, verb: str = "convert") -> None:
        super().expect(samples, verb)
        self._seen = deque([(time.monotonic(), self.so_far[0])])

    def _note(self, done: int, _total: int) -> None:
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] < now - _RATE_SECONDS:
            self._seen.popleft()

    def rate_per_second(self) -> float:
        """Of the last ten seconds."""
        (then, before), (_, after) = self._seen[0], self._seen[-1]
        seconds = time.monotonic() - then
        return (after - before) / seconds if seconds > 0 else 0.0


class Piece(Generic[Answer]):
    """A piece of work in the lane. ``begun`` has a result when its turn has come, ``answer`` when it is done. ``waits``:
    somebody waits for that, and will not ask for it later.
    """

    def __init__(self, progress: Watched, waits: bool) -> None:
        self.waits = waits
        self.id = secrets.token_hex(16)
        self.progress = progress
        self.begun: Future[None] = Future()
        self.answer: Future[Answer] = Future()
        self.created_at = _now()
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.cancelled = False

    @property
    def state(self) -> State:
        if self.cancelled and self.ended_at:
            return State.CANCELLED
        if self.answer.done():
            return State.FAILED if self.answer.exception() else State.DONE
        return State.RUNNING if self.started_at else State.QUEUED

    def cancel(self) -> None:
        """Let what is in hand be finished, and begin nothing more. What is done stays done."""
        if not self.ended_at:
            self.cancelled = True
            self.progress.stopped.set()
            if self.begun.cancel():  # its turn never comes
                self.ended_at = _now()
                self.answer.cancel()


class Lane(Generic[Answer]):
    """Carries out one piece after the other, and remembers the last of them."""

    def __init__(self) -> None:
        self.decoders = Decoders()
        self._lock = threading.Lock()
        self._pieces: dict[str, Piece[Answer]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")

    def put(self, do: Callable[[Progress], Answer], waits: bool) -> Piece[Answer]:
        """Raises QueueError where too many wait already."""
        with self._lock:
            waiting = sum(piece.state is State.QUEUED for piece in self._pieces.values())
            if waiting >= _MOST_WAITING:
                raise QueueError(waiting=f"{waiting} exports")
            piece: Piece[Answer] = Piece(Watched(self.decoders), waits)
            ended = [one for one in self._pieces.values() if one.ended_at]
            to_tell = [one for one in ended if not one.waits][-_MOST_KEPT:]
            for one in ended:
                if one not in to_tell:
                    del self._pieces[one.id]
            self._pieces[piece.id] = piece
            self._thread.submit(self._carry_out, piece, do)
            return piece

    def find(self, piece_id: str) -> Piece[Answer] | None:
        return self._pieces.get(piece_id)

    def close(self) -> None:
        """Stop what runs as soon as its samples in hand are done."""
        with self._lock:
            for piece in self._pieces.values():
                piece.cancel()
        self._thread.shutdown()
        self.decoders.close()

    def _carry_out(self, piece: Piece[Answer], do: Callable[[Progress], Answer]) -> None:
        if not piece.begun.set_running_or_notify_cancel():
            return
        piece.started_at = _now()
        piece.begun.set_result(None)
        try:
            answer = do(piece.progress)
        except BaseException as error:
            if not isinstance(error, (Sp404Error, ProblemError)):
                log.exception("An export broke")
            piece.ended_at = _now()
            piece.answer.set_exception(error)
        else:
            piece.ended_at = _now()
            piece.answer.set_result(answer)


def _now() -> datetime:
    return datetime.now(UTC)
