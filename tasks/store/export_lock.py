"""Locks of files: one export at a time with a database, one ``sp404 up`` in a folder."""

import logging
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import ExportRunningError, WorkingFolderError
from tasks.store.database import Database
from tasks.store.database_file import remove_unfinished
from tasks.store.run_folder import runs_folder

if sys.platform != "win32":
    import fcntl

_POLL_SECONDS = 0.1
# Who waits for longer is told for whom.
_SAY_SECONDS = 2.0
log = logging.getLogger("sp404")
_NOTE = re.compile(r"process (?P<pid>[0-9]{1,9}) on (?P<machine>.*), since [0-9: -]+")


@dataclass(frozen=True)
class ExportHolder:
    """A process that exports: ``owner`` says which, ``since`` when it began."""

    owner: str
    since: datetime


def other_holder(database: Database) -> ExportHolder | None:
    """Return which other process exports with the database now; None if none does.

    One that was killed leaves its note. The lock itself is tried only where its process may still be there: who tries it
    has it for a moment, and an export that would not wait could fail of that.
    """
    try:
        with (runs_folder(database) / "lock").open(encoding="utf-8") as file:
            note = _NOTE.match(file.read())
            if not note or not _may_run(int(note["pid"]), note["machine"]) or not _is_locked(file.fileno()):
                return None
            since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            return ExportHolder(f"process {note['pid']} on {note['machine']}", since)
    except (OSError, UnicodeDecodeError):
        return None


def _may_run(pid: int, machine: str) -> bool:
    """Return whether a process of another pid than ours may be there: on this machine by asking, elsewhere always."""
    if machine != platform.node():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return pid != os.getpid()


def _is_locked(fd: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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
        began = time.monotonic()
        deadline, is_said = began + wait_seconds, False
        while sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as reason:
                if time.monotonic() >= deadline:
                    raise error(path.read_text(encoding="utf-8") or "it does not say which") from reason
                if not is_said and time.monotonic() > began + _SAY_SECONDS:
                    is_said = True
                    log.warning("Waiting for the database, held by %s", path.read_text(encoding="utf-8") or "another program")
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
