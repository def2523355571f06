"""Locks of files: one export at a time with a database, one ``sp404 up`` in a folder."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.errors import ExportRunningError, WorkingFolderError
from tasks.store.database import Database
from tasks.store.database_file import remove_unfinished
from tasks.store.run_folder import runs_folder

if sys.platform != "win32":
    import fcntl

_POLL_SECONDS = 0.1


@contextmanager
def lock_exports(database: Database) -> Iterator[None]:
    """Let no other export run with the database. The lock is free again when the process ends.

    Raises:
        ExportRunningError: Another one runs for longer than ``database.wait_seconds``.
        WorkingFolderError: The folder beside the database cannot be written.
    """
    path = runs_folder(database) / "lock"

    def error(owner: str) -> ExportRunningError:
        age = _in_words(time.time() - path.stat().st_mtime)
        return ExportRunningError(path=database.path, waited_seconds=database.wait_seconds, owner=owner, age=age)

    with lock_file(path, error, database.wait_seconds):
        remove_unfinished(database.path)
        yield


@contextmanager
def lock_file(path: Path, error: Callable[[str], Exception], wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock ``path``, and write into it who holds it.

    Args:
        path: Created where needed; it stays.
        error: Takes the text of who holds it; returns what is raised after ``wait_seconds``.
        wait_seconds: How long to wait for others.

    Raises:
        WorkingFolderError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as reason:
        raise WorkingFolderError.of(path.parent, reason) from reason
    with file:
        deadline = time.monotonic() + wait_seconds
        while sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as reason:
                if time.monotonic() >= deadline:
                    raise error(path.read_text(encoding="utf-8") or "it does not say which") from reason
                time.sleep(_POLL_SECONDS)
        _note_owner(file.fileno(), f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        yield
        _note_owner(file.fileno(), "")


def _note_owner(fd: int, owner: str) -> None:
    with suppress(OSError):  # the lock holds without this note
        os.ftruncate(fd, 0)
        if owner:
            os.write(fd, owner.encode())


def _in_words(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}{'s' if seconds >= 1.5 * size else ''}"
    return f"{max(seconds, 0):.0f} s"
