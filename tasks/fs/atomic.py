"""Files that appear whole or not at all, on the disk that was meant, and never in the place of a file that is not ours."""

import ctypes
import filecmp
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import FileIO
from pathlib import Path

from blake3 import blake3

_PART = re.compile(r"^\.sp404-([0-9a-z]+)-[0-9]+[a-z]*\.part$")
_CHUNK_BYTES = 1 << 20
# The step of the coarsest clock, FAT's.
_CLOCK_STEP_NS = 2_000_000_000


def part_name(token: str, number: int, kind: str = "") -> str:
    """The name of a file in the making: ``token`` is the run's, ``number`` the job's, ``kind`` tells several of one job."""
    return f".sp404-{token}-{number}{kind}.part"


def is_part(name: str) -> bool:
    return bool(_PART.match(name))


def sweep(folder: str, token: str) -> None:
    """Remove what the run of this ``token``, or of one that begins so, had in the making in ``folder``."""
    with suppress(OSError):
        for name in os.listdir(folder):
            made_by = _PART.match(name)
            path = os.path.join(folder, name)
            if made_by and made_by[1].startswith(token) and is_regular(path):
                os.unlink(path)


@contextmanager
def created(path: str) -> Iterator[FileIO]:
    """A new file to write and read: nothing that stands there is opened, and it is gone if what writes it fails.

    Raises OSError.
    """
    with open(path, "x+b", buffering=0) as file:
        try:
            yield file
        except BaseException:
            remove(path)
            raise


def remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def remove_empty(folder: str, below: str) -> None:
    """Remove ``folder`` if it is empty, and those above it up to ``below``, which stays."""
    with suppress(OSError):
        while folder != below and folder.startswith(below):
            os.rmdir(folder)
            folder = os.path.dirname(folder)


def may_take_place(part: str, target: str, ours: bool) -> bool:
    """Whether the finished file ``part`` may have the name ``target``: not if another's file stands there, of other bytes."""
    if ours or not os.path.lexists(target):
        return True
    return is_regular(target) and filecmp.cmp(part, target, shallow=False)


def take_place(part: str, target: str, ours: bool) -> None:
    """Give ``part`` the name that it may have. The same bytes that are another's are left as they are. Raises OSError."""
    if ours or not os.path.lexists(target):
        os.replace(part, target)


def put(path: Path, content: bytes) -> None:
    """Write a small file at once: who reads it sees all of the old one or all of the new one. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def sync(folder: str) -> None:
    """Wait until all that was written to the file system of ``folder`` is on the disk. Raises OSError.

    One call for many files: 0.3 ms a file, where fsync for each takes 2.
    """
    syncfs = _syncfs()
    if not syncfs:  # macOS
        os.sync()
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(fd)


@cache
def _syncfs() -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def free_bytes(folder: str) -> int:
    """What is free on the file system of ``folder``: no end of it where that does not even say how large it is."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize


def hash_of(path: str) -> str:
    """BLAKE3 of the bytes of a regular file. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "not a file", path)
        return hash_of_open(fd)
    finally:
        os.close(fd)


def identified(path: str) -> tuple[str, int, int, int] | None:
    """The hash of a file's bytes, and its size and times (``times_of``); None where it cannot be told."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return None
    try:
        before = os.fstat(fd)
        times = times_of(before)
        found = hash_of_open(fd)
        return (found, before.st_size, *times) if is_same_state(before, os.fstat(fd)) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def is_same_state(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether nothing was written to the file between the two."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (after.st_size, after.st_mtime_ns, after.st_ctime_ns)


def times_of(status: os.stat_result) -> tuple[int, int]:
    """When content and status changed last; 0 where the file is so new that it could change without its times, or where
    they are to come.
    """
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_mtime_ns, status.st_ctime_ns) if newest < time.time_ns() - _CLOCK_STEP_NS else (0, 0)


def hash_of_open(fd: int) -> str:
    """BLAKE3 of the bytes of an open file, wherever it was read to. Raises OSError."""
    digest, offset = blake3(), 0
    while block := os.pread(fd, _CHUNK_BYTES, offset):
        digest.update(block)
        offset += len(block)
    return str(digest.hexdigest())


def same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def is_regular(path: str) -> bool:
    """Whether ``path`` itself is a file: no link, no pipe."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """All of ``data``: a raw file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file.fileno(), view) :]
