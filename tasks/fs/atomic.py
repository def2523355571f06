"""Files that appear whole or not at all, and never in the place of a file that is not ours."""

import ctypes
import filecmp
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import FileIO
from pathlib import Path

from blake3 import blake3

from tasks.fs.file_status import is_regular

_PART = re.compile(r"^\.sp404-(?P<token>[0-9a-z]+)-(?P<number>[0-9]+)(?P<kind>[a-z]*)\.part$")


# ---- unfinished files ----


def part_name(token: str, number: int, kind: str = "") -> str:
    """Return the name of a file while it is written.

    Args:
        token: The run's.
        number: The job's.
        kind: Tells several files of one job apart; lower case letters.
    """
    return f".sp404-{token}-{number}{kind}.part"


def is_part(name: str) -> bool:
    """Return whether ``part_name`` gave this name."""
    return bool(_PART.match(name))


def remove_parts(
    folder: str,
    token: str = "",
    is_left: Callable[[int, str], bool] = lambda _number, _kind: True,
    names: Iterable[str] | None = None,
) -> None:
    """Remove unfinished files from ``folder`` as far as that can be done.

    Args:
        folder: Looked through, without the folders in it.
        token: Only those of runs whose token begins so.
        is_left: Takes a part's number and kind; returns whether nobody writes it any more.
        names: The names in ``folder``, if they are known.
    """
    with suppress(OSError):
        for name in os.listdir(folder) if names is None else names:
            part = _PART.match(name)
            if not part or not part["token"].startswith(token) or not is_left(int(part["number"]), part["kind"]):
                continue
            path = os.path.join(folder, name)
            if is_regular(path):
                remove(path)


def own_part_name(name: str, kind: str) -> str:
    """Return the name of the file that this process writes until it gets its ``name``. ``remove_left_parts`` knows it."""
    return part_name(_machine() + blake3(os.fsencode(name)).hexdigest()[:3], os.getpid(), kind)


def remove_left_parts(folder: str, kind: str) -> None:
    """Remove from ``folder`` what killed processes of this machine left under names that ``own_part_name`` gave."""
    remove_parts(folder, _machine(), lambda process, its_kind: its_kind == kind and not _is_running(process))


@cache
def _machine() -> str:
    return str(blake3(platform.node().encode()).hexdigest()[:5])


def _is_running(process: int) -> bool:
    if process == os.getpid() or sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def remove_parts_below(folder: Path, pattern: str) -> None:
    """Remove what ``write_atomically`` left unfinished in the folders below ``folder`` that match ``pattern``."""
    for path in folder.glob(f"{pattern}/**/*.part"):
        remove(str(path))


# ---- writing ----


@contextmanager
def create_exclusively(path: str) -> Iterator[FileIO]:
    """Create a file to write and read; remove it if what writes it fails.

    Raises:
        OSError: It cannot be written, or something stands there, which stays as it is.
    """
    with open(path, "x+b", buffering=0) as file:
        try:
            yield file
        except BaseException:
            remove(path)
            raise


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of ``data``: a raw file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file.fileno(), view) :]


def write_atomically(path: Path, content: bytes, is_durable: bool = False) -> None:
    """Write a small file at once: who reads it sees all of the old one or all of the new one.

    Args:
        path: Replaced if it exists.
        content: All of its bytes.
        is_durable: They are on the disk when this returns.

    Raises:
        OSError: It was not written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        remove(str(part))
        raise


def may_rename_into_place(part: str, target: str, ours: bool) -> bool:
    """Return whether the finished file ``part`` may have the name ``target``: not if another's file of other bytes has it."""
    if ours or not os.path.lexists(target):
        return True
    return is_regular(target) and filecmp.cmp(part, target, shallow=False)


def rename_into_place(part: str, target: str, ours: bool) -> None:
    """Give ``part`` the name that it may have. The same bytes that are another's are left as they are. Raises OSError."""
    if ours or not os.path.lexists(target):
        os.replace(part, target)


def sync_file_system(folder: str) -> None:
    """Wait until all that was written to the file system of ``folder`` is on the disk.

    One call for many files: 0.3 ms a file, where fsync for each takes 2.

    Raises:
        OSError: The disk did not take it all.
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


# ---- removing ----


def remove(path: str) -> None:
    """Remove a file if that can be done."""
    with suppress(OSError):
        os.unlink(path)


def remove_empty_folders(folder: str, below: str) -> None:
    """Remove ``folder`` if it is empty, and those above it up to ``below``, which stays."""
    with suppress(OSError):
        while folder != below and folder.startswith(below):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
