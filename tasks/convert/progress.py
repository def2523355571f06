"""Progress of a run, shared by its threads: counts, the signal to stop, and the processes that decode its samples."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from schemas.conversion import Limits, Shard
from schemas.enums import Verb
from schemas.errors import OutputGoneError
from tasks.fs.atomic import part_name, remove
from tasks.isolation.executor import InProcessExecutor, JobExecutor
from tasks.isolation.process_pool import ProcessPool

log = logging.getLogger("sp404")
_LAST_ERRORS = 20
# What a pass is called while it runs.
_PHASES: dict[str, str] = {
    Verb.CONVERT: "converting",
    Verb.MEASURE: "measuring levels",
    Verb.CHECK: "reading files",
    Verb.SIZE: "reading lengths",
    Verb.ANALYZE: "listening",
    "read": "reading headers",
}


class Progress:
    """Counter of finished samples over all threads of a run, and their common signal to stop.

    Attributes:
        verb: What is done with the samples in this pass, a ``Verb`` or another word for it; empty before the first.
        task_runs: The number of Prefect task runs that the shards of this run had.
        failed: How many samples failed so far.
        errors: The texts of the last failures.
        stopped: Set when no further sample is to be begun.
        slots: How many samples may be worked on at once on this machine; one, until ``start_workers`` says more.
    """

    def __init__(
        self,
        on_change: Callable[[int, int], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        """Begin at zero.

        Args:
            on_change: Called with the number of samples done and their total.
            on_phase: Called with what begins now, in words such as ``planning``.
            on_note: Called with what a person should know before the work begins; None: it goes to the log.
        """
        self._on_change = on_change
        self._on_phase = on_phase
        self._on_note = on_note or log.info
        self._lock = threading.Lock()
        self._done = self._total = 0
        self._pool: ProcessPool | None = None
        self.verb = ""
        self.task_runs = 0
        self.failed = 0
        self.errors: deque[str] = deque(maxlen=_LAST_ERRORS)
        self.stopped = threading.Event()
        self.slots = threading.Semaphore(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.close()
            self._pool = None

    def start_workers(self, limits: Limits, workers: int, samples: int) -> JobExecutor:
        """Let ``workers`` samples be worked on at once in the passes that follow, and return what decodes them.

        Args:
            limits: What one sample may take, and whether it is decoded in a process of its own.
            workers: How many threads and processes work.
            samples: How many samples there are.
        """
        self.slots = threading.Semaphore(workers)
        return self.executor(limits, ahead=min(workers, samples))

    def executor(self, limits: Limits, ahead: int = 0) -> JobExecutor:
        """Return what decodes this run's samples: its process pool, which ends with it, or this process.

        Args:
            limits: What one sample may take, and whether it is decoded in a process of its own.
            ahead: How many processes to start at once; the others start when they are needed.
        """
        if not limits.contained:
            return InProcessExecutor()
        with self._lock:
            if not self._pool:
                self._pool = ProcessPool(limits, self.stopped)
                self._pool.start(ahead)
            return self._pool

    def expect(self, samples: int, verb: str = Verb.CONVERT) -> None:
        """Begin a pass over ``samples`` samples. A second pass of the same verb adds to the first one's counts."""
        with self._lock:
            before = (self._done, self._total) if verb == self.verb else (0, 0)
            self._done, self._total = before[0], before[1] + samples
            self.verb = verb
        self.enter(_PHASES.get(verb, verb))

    def enter(self, phase: str) -> None:
        """Say what begins now, for whoever waits."""
        if self._on_phase:
            self._on_phase(phase)

    def note(self, text: str) -> None:
        """Say what a person should know before the work begins."""
        self._on_note(text)

    @property
    def so_far(self) -> tuple[int, int]:
        """Return how many samples are done, and how many there are."""
        with self._lock:
            return self._done, self._total

    def advance(self, error: str = "") -> None:
        """Count one more sample as done. ``error`` says why it failed, if it did."""
        with self._lock:
            if error:
                self.failed += 1
                self.errors.append(error)
            self._go_to(self._done + 1)

    def set_done(self, done: int) -> None:
        """Set the count to what other machines report."""
        with self._lock:
            if done != self._done:
                self._go_to(done)

    def _go_to(self, done: int) -> None:
        self._done = done
        if self._on_change:
            self._on_change(self._done, self._total)


@contextmanager
def with_sentinel(shards: list[Shard]) -> Iterator[list[Shard]]:
    """Write a sentinel file into the output folder and yield the shards with its name, for workers on other machines.

    A worker that does not see the sentinel has another folder at that path. Raises OutputGoneError.
    """
    name = part_name(shards[0].token, 0, "here")
    path = Path(shards[0].output, name)
    try:
        path.touch()
    except OSError as error:
        raise OutputGoneError(path=shards[0].output) from error
    try:
        yield [replace(shard, sentinel=name) for shard in shards]
    finally:
        remove(str(path))
