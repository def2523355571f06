"""Confine a worker process, by means of Unix and in part of Linux alone: what it does ends it and nothing else."""

import signal
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import resource


def confine(memory_mb: int) -> None:
    """Ignore what stops a run, limit the memory of this process, and let it be the first that the kernel kills for memory."""
    # A terminal and a service manager signal all processes of a run; whether it is to stop is for the parent to say.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not RLIMIT_AS: that counts 150 MB of libraries and what allocators reserve, too.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_mb << 20
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with suppress(OSError):  # where memory is short, Linux should take this process and not its parent
        Path("/proc/self/oom_score_adj").write_text("500")


def die_after(seconds: float) -> None:
    """End this process in so many seconds, in whatever C code it is, and also without a parent; 0 calls it off."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
