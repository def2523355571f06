"""Read bytes of an open source. A disk that fails to give them is an error of the sample."""

import os

from schemas.errors import LoadError
from tasks.fs.hashing import hash_open_file


def read_bytes(fd: int, length: int, offset: int) -> bytes:
    """Read up to ``length`` bytes from ``offset``; fewer at the file's end. Raises LoadError."""
    try:
        return os.pread(fd, length, offset)
    except OSError as error:
        raise _unreadable(error) from error


def fill_buffer(fd: int, view: memoryview, offset: int) -> None:
    """Fill all of ``view`` from ``offset`` on. Raises LoadError."""
    while view:
        try:
            count = os.preadv(fd, [view], offset)
        except OSError as error:
            raise _unreadable(error) from error
        if not count:
            raise LoadError(error="it became shorter while it was read", fix="Run the same command again.")
        view, offset = view[count:], offset + count


def hash_content(fd: int) -> str:
    """Hash all bytes, with BLAKE3. Raises LoadError."""
    try:
        return hash_open_file(fd)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> LoadError:
    return LoadError(error=f"it cannot be read: {error.strerror}", fix="Check its disk, then run this again.")
