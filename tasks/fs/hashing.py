"""Content hashes of files: BLAKE3, as hexadecimal text."""

import os
import stat

from blake3 import blake3

from tasks.fs.file_status import READ_ONLY, is_regular, is_same_state, times_of

_CHUNK_BYTES = 1 << 20


def hash_file(path: str) -> str:
    """Return the hash of the bytes of a regular file.

    Raises:
        OSError: It cannot be read, or is not a regular file.
    """
    fd = os.open(path, READ_ONLY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "not a file", path)
        return hash_open_file(fd)
    finally:
        os.close(fd)


def hash_open_file(fd: int) -> str:
    """Return the hash of all bytes of an open file, wherever it was read to. Raises OSError."""
    digest, offset = blake3(), 0
    while block := os.pread(fd, _CHUNK_BYTES, offset):
        digest.update(block)
        offset += len(block)
    return str(digest.hexdigest())


def hash_with_times(path: str) -> tuple[str, int, int, int] | None:
    """Return a file's hash, its size in bytes and its times (``file_status.times_of``), all of one state.

    None where it cannot be read, or was written to meanwhile.
    """
    try:
        fd = os.open(path, READ_ONLY)
    except (OSError, ValueError):
        return None
    try:
        before = os.fstat(fd)
        times = times_of(before)
        digest = hash_open_file(fd)
        return (digest, before.st_size, *times) if is_same_state(before, os.fstat(fd)) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def is_unmodified(path: str, *hashes: str | None, size: int | None = None) -> bool:
    """Return whether the file at ``path`` is still what was written to it.

    Args:
        path: The file. A link, a folder and a file that cannot be read are modified.
        hashes: Recorded BLAKE3 hashes of its bytes; one has to match. Without any, only the size is compared.
        size: The recorded size in bytes, if it is known. A file of another size is not read.
    """
    try:
        if not is_regular(path) or size not in (None, os.stat(path).st_size):
            return False
        return not hashes or hash_file(path) in hashes
    except OSError:
        return False
