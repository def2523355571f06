"""Read bytes of an open source, or of a part of it. A disk that fails to give them is an error of the sample."""

import os
from dataclasses import dataclass
from io import RawIOBase
from typing import TYPE_CHECKING

from schemas.errors import LoadError
from tasks.fs.hashing import hash_open_file

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True)
class ByteRange:
    """A part of an open file, which is read like a file of its own: behind a tag, or within another container.

    Attributes:
        fd: The file's descriptor, which stays with who opened it.
        start: The offset of the part in the file.
        size: Its bytes.
    """

    fd: int
    start: int
    size: int

    def read(self, length: int, offset: int) -> bytes:
        """Read up to ``length`` bytes from ``offset``; fewer at the part's end. Raises LoadError."""
        length = min(length, self.size - offset)
        if length <= 0 or offset < 0:
            return b""
        try:
            return os.pread(self.fd, length, self.start + offset)
        except OSError as error:
            raise _unreadable(error) from error

    def fill(self, view: memoryview, offset: int) -> None:
        """Fill all of ``view`` from ``offset`` on. Raises LoadError."""
        offset += self.start
        while view:
            try:
                count = os.preadv(self.fd, [view], offset)
            except OSError as error:
                raise _unreadable(error) from error
            if not count:
                raise LoadError(error="it became shorter while it was read", fix="Export it again.")
            view, offset = view[count:], offset + count

    def part(self, offset: int, size: int | None = None) -> "ByteRange":
        """Return the part of it from ``offset`` on, ``size`` bytes long, or to its end."""
        rest = max(self.size - offset, 0)
        return ByteRange(self.fd, self.start + offset, rest if size is None else min(size, rest))

    def open(self) -> RawIOBase:
        """Open it as a file of Python's, for libraries."""
        return _PartOfFile(self)


class _PartOfFile(RawIOBase):
    """A ``ByteRange`` as a file object. It is not to be used after the range's descriptor is closed."""

    def __init__(self, part: ByteRange) -> None:
        super().__init__()
        self._part, self._at = part, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")[: max(self._part.size - self._at, 0)]
        count = os.preadv(self._part.fd, [view], self._part.start + self._at) if view else 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        to = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._part.size}[whence]
        if to < 0:  # before the start, as a false header wants it: what is raised here PyAV prints, and goes on
            return -1
        self._at = to
        return to

    def tell(self) -> int:
        return self._at


def hash_content(fd: int) -> str:
    """Hash all bytes of the file, with BLAKE3. Raises LoadError."""
    try:
        return hash_open_file(fd)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> LoadError:
    return LoadError(error=f"it cannot be read: {error.strerror}", fix="Check its disk, then run this again.")
