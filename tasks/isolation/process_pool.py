"""Decode samples in isolated worker processes: a crash, a hang or a balloon of memory costs one sample and not the run.

No decoder is imported here. ``tasks.isolation.worker`` is the other end.
"""

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from typing import Any, Self

from schemas.conversion import Job, JobResult, Limits, SoundSettings
from schemas.errors import CrashedError, SampleError, Sp404Error, TooMuchMemoryError, TooSlowError, WorkerError
from tasks.fs.atomic import is_part, remove
from tasks.isolation.executor import JobExecutor

COMMAND = (sys.executable, "-P", "-m", "tasks.isolation.worker")
# A cold disk or a network drive has to give away a hundred files for it.
_START_S = 120.0
# For what should be over at once: a death, a stop, the end of a sample whose time is up.
_GRACE_S = 5.0
_LOOK_UP_MS = 250
_MEMORY_WORDS = ("bad_alloc", "MemoryError", "annot allocate memory", "ut of memory")
_LOST = (EOFError, OSError, pickle.UnpicklingError)


class ProcessPool(JobExecutor):
    """Runs verbs in other processes, for any number of threads: each has one to itself.

    A sample whose process dies has failed, and nothing else has. After ``stopped`` is set a sample in hand gets five more
    seconds.
    """

    def __init__(self, limits: Limits, stopped: threading.Event, command: Sequence[str] = COMMAND) -> None:
        self._limits = limits
        self._stopped = stopped
        self._command = (*command,)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, n: int) -> None:
        """Start ``n`` processes without waiting for them: they take half a second, in which something else can be done."""
        with self._lock:
            if not self._closed:
                self._idle += [self._start_worker() for _ in range(n)]

    def _call(self, verb: str, job: Job, sound: SoundSettings) -> JobResult | None:
        try:
            return self._send_twice(pickle.dumps((verb, job, _pickle_settings(sound))), job)
        except _PoolStoppedError:
            return None

    def close(self) -> None:
        """End all processes. Threads that are waiting for one get None for their sample."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in tuple(self._all):
            worker.process.kill()
        for worker in idle:
            self._end(worker)
        for worker in tuple(self._all):
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(_GRACE_S)

    def _send_twice(self, call: bytes, job: Job) -> JobResult:
        """Try again after SIGKILL, which says nothing of the sample: Linux sends it to any process that takes memory."""
        with suppress(_KilledError):
            return self._send(call, job)
        try:
            return self._send(call, job)
        except _KilledError as error:
            fix = "Close other programs or let fewer workers run, then run the same command again."
            raise TooMuchMemoryError(memory_mb=self._limits.memory_mb, fix=fix) from error

    def _send(self, call: bytes, job: Job) -> JobResult:
        worker = self._ready_worker()
        try:
            worker.socket.sendall(call)
            answer: JobResult | Sp404Error = worker.receive(self._limits.seconds + _GRACE_S, self._stopped)
        except _LOST as error:
            overdue = isinstance(error, TimeoutError)
            status, last_line = self._end(worker, 0 if overdue else _GRACE_S)
            if is_part(os.path.basename(job.target)):
                remove(job.target)
            if overdue and self._stopped.is_set():
                raise _PoolStoppedError from error
            raise self._cause(-signal.SIGALRM if overdue else status, last_line) from error
        self._idle.append(worker)
        if isinstance(answer, Sp404Error):
            raise answer
        return answer

    def _cause(self, status: int | None, last_line: str) -> "SampleError | _KilledError":
        if status == -signal.SIGALRM:
            return TooSlowError(seconds=self._limits.seconds)
        if status == -signal.SIGKILL:
            return _KilledError()
        if any(word in last_line for word in _MEMORY_WORDS):
            return TooMuchMemoryError(memory_mb=self._limits.memory_mb)
        return CrashedError(error=f"{_describe_end(status)} ({last_line})" if last_line else _describe_end(status))

    def _ready_worker(self) -> "_Worker":
        """Return a process that awaits a call."""
        worker = self._take_worker()
        if worker.is_up:
            return worker
        try:
            worker.receive(_START_S, self._stopped)
        except _LOST as error:
            status, last_line = self._end(worker, 0 if isinstance(error, TimeoutError) else _GRACE_S)
            if self._stopped.wait(1) or self._closed:  # what stops the run may have ended it, before it could ignore that
                raise _PoolStoppedError from error
            raise WorkerError(error=last_line or _describe_end(status)) from error
        worker.is_up = True
        return worker

    def _take_worker(self) -> "_Worker":
        while True:
            with self._lock:
                if self._closed or self._stopped.is_set():
                    raise _PoolStoppedError
                if not self._idle:
                    return self._start_worker()
                worker = self._idle.pop()
            if worker.process.poll() is None:
                return worker
            self._end(worker)  # it died while it had nothing to do

    def _start_worker(self) -> "_Worker":
        try:
            worker = _Worker(self._command, self._limits)
        except OSError as error:
            raise WorkerError(error=error.strerror or str(error)) from error
        self._all.add(worker)
        return worker

    def _end(self, worker: "_Worker", patience_s: float = 0) -> tuple[int | None, str]:
        self._all.discard(worker)
        return worker.end(patience_s)


class _PoolStoppedError(Exception):
    """The run stops before the sample is done."""


class _KilledError(Exception):
    """Somebody killed the process, or the kernel did to have its memory."""


class _Worker:
    """A worker process, with the socket and the log of it."""

    def __init__(self, command: tuple[str, ...], limits: Limits) -> None:
        with ExitStack() as stack:
            self.socket, theirs = socket.socketpair()
            stack.callback(self.socket.close)
            self._log = stack.enter_context(tempfile.TemporaryFile())
            with theirs:
                self.process = subprocess.Popen(
                    [*command, str(theirs.fileno()), str(limits.seconds), str(limits.memory_mb)],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[theirs.fileno()],
                    env=worker_environment(),
                    process_group=0,  # so that Ctrl-C and Ctrl-Z do not reach it while it starts, either
                )
            self.socket.settimeout(_GRACE_S)
            self._answers = stack.enter_context(self.socket.makefile("rb"))
            self._inbox = select.poll()
            self._inbox.register(self.socket, select.POLLIN)
            self._files = stack.pop_all()
        self.is_up = False

    def receive(self, seconds: float, stopped: threading.Event) -> Any:
        """Wait for the next answer.

        Raises:
            TimeoutError: Time is up, or five seconds have passed since a stop.
            EOFError, OSError, pickle.UnpicklingError: The process is dead.
        """
        deadline = time.monotonic() + seconds
        while not self._inbox.poll(_LOOK_UP_MS):
            now = time.monotonic()
            if stopped.is_set():
                deadline = min(deadline, now + _GRACE_S)
            if now > deadline:
                raise TimeoutError
        return pickle.load(self._answers)  # noqa: S301 (our own process)

    def end(self, patience_s: float) -> tuple[int | None, str]:
        """Kill the process if it does not end by itself in ``patience_s``.

        Returns:
            Its exit status (None: it cannot be killed now), and the last line that it printed.
        """
        for patience in (patience_s, _GRACE_S):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break
            self.process.kill()
        with self._files:
            size = os.fstat(self._log.fileno()).st_size
            lines = os.pread(self._log.fileno(), 4096, max(size - 4096, 0)).decode(errors="replace").split("\n")
        return self.process.returncode, next((line.strip() for line in reversed(lines) if line.strip()), "")


@lru_cache
def _pickle_settings(sound: SoundSettings) -> bytes:
    return pickle.dumps(sound)


def _describe_end(status: int | None) -> str:
    if status is None:
        return "it hangs, and cannot be killed"
    return f"it ended with status {status}" if status >= 0 else f"{signal.strsignal(-status)}".lower()


def worker_environment() -> dict[str, str]:
    """Return this environment with our module path, and with one thread: there are as many processes as work at a time.

    The C library gives back the memory of each block of samples and gets it anew for the next: a page fault for every 4 KiB,
    in all a twelfth of the time of an export (tests/bench/README.md). glibc keeps it if told so; others pass over this.
    """
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
    kept_memory = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
    return kept_memory | os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
