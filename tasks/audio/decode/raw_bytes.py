"""Bytes of an open source; a disk that cannot give them is the sample's failure, said as such."""

import os

from schemas.errors import LoadError
from tasks.fs.hashing import hash_open_file


def read(fd: int, length: int, offset: int) -> bytes:
    """Up to ``length`` bytes; fewer at the file's end. Raises LoadError."""
    try:
        return os.pread(fd, length, offset)
    except OSError as error:
        raise _unreadable(error) from error


def fill(fd: int, view: memoryview, offset: int) -> None:
    """All of ``view``. Raises LoadError."""
    while view:
        try:
            count = os.preadv(fd, [view], offset)
        except OSError as error:
            raise _unreadable(error) from error
        if not count:
            raise LoadError(error="it became shorter while it was read", fix="Run the same command again.")
        view, offset = view[count:], offset + count


def content_hash(fd: int) -> str:
    """Of all bytes (``tasks.fs.hashing.hash_open_file``). Raises LoadError."""
    try:
        return hash_open_file(fd)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> LoadError:
    return LoadError(error=f"it cannot be read: {error.strerror}", fix="Check its disk, then run this again.")
