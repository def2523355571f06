"""The status of files as the file system gives it, without reading them."""

import os
import shutil
import stat
import sys
import time

# The step of the coarsest clock, FAT's.
_CLOCK_STEP_NS = 2_000_000_000
# For ``os.open``, of a file that may have become a pipe: that would wait for its other end. Windows has not all of them.
READ_ONLY = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def is_regular(path: str) -> bool:
    """Return whether ``path`` itself is a file: not a link, a pipe or a folder."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def is_same_file(first: str, second: str) -> bool:
    """Return whether both paths lead to one file."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return False


def is_same_state(before: os.stat_result, after: os.stat_result) -> bool:
    """Return whether nothing was written to the file between the two."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (after.st_size, after.st_mtime_ns, after.st_ctime_ns)


def times_of(status: os.stat_result) -> tuple[int, int]:
    """Return when the content and the status of a file changed last, in ns.

    0 and 0 where that is less than a step of the coarsest clock ago, or in the future: such a file could change and keep
    its times.
    """
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_mtime_ns, status.st_ctime_ns) if newest < time.time_ns() - _CLOCK_STEP_NS else (0, 0)


def free_bytes(folder: str) -> int:
    """Return how many bytes are free on the file system of ``folder``; ``sys.maxsize`` where it does not say its size."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize


def nearest_folder(path: str) -> str:
    """Return the folder itself, or the nearest one above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
