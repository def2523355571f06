"""Files that are made for REST clients while the server runs: their folder, and how many are made at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import QueueError, WorkingFolderError
from tasks.fs.atomic import remove


def make_folder(folder: Path) -> None:
    """Make a folder of files for clients, if it is not there. Raises WorkingFolderError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkingFolderError.of(folder, error) from error


def empty_folder(folder: Path) -> None:
    """Remove all files of such a folder, as far as that can be done."""
    for path in folder.glob("*"):
        remove(str(path))


@contextmanager
def take_place(places: threading.BoundedSemaphore, waiting: str) -> Iterator[None]:
    """Hold one of the places for a request of some seconds: all routes share 40 threads, which must not all wait.

    Raises:
        QueueError: All are taken, by requests for ``waiting``.
    """
    if not places.acquire(blocking=False):
        raise QueueError(waiting=waiting)
    try:
        yield
    finally:
        places.release()
