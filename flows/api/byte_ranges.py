"""A part of a file, as HTTP asks for one (RFC 9110, section 14)."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import RangeError

_CHUNK_BYTES = 1 << 18
_ONE_RANGE = re.compile(r"bytes=([0-9]{1,18})?-([0-9]{1,18})?")


@dataclass(frozen=True)
class Span:
    """Bytes from ``start`` to before ``stop`` of an open file of ``size`` bytes. Closes the file when it was read."""

    fd: int
    start: int
    stop: int
    size: int
    is_part: bool
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        told = {"Content-Length": str(self.stop - self.start), "Accept-Ranges": "bytes", "ETag": self.etag}
        return told | ({"Content-Range": f"bytes {self.start}-{self.stop - 1}/{self.size}"} if self.is_part else {})

    def blocks(self) -> Iterator[bytes]:
        try:
            offset = self.start
            while offset < self.stop and (block := os.pread(self.fd, min(_CHUNK_BYTES, self.stop - offset), offset)):
                offset += len(block)
                yield block
        finally:
            os.close(self.fd)


def span(fd: int, asked: str | None, only_if: str | None) -> Span:
    """What is sent of the open file ``fd``, of which the answer has one of its own. ``asked`` and ``only_if`` are the headers
    Range and If-Range.

    All of it where no single range is asked for that can be understood. Raises RangeError where none of it is in the file.
    """
    status = os.fstat(fd)
    etag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
    found = _ONE_RANGE.fullmatch(asked.replace(" ", "")) if asked and only_if in (None, etag) else None
    start, stop = 0, status.st_size
    if found and any(found.groups()):
        first, last = found.groups()
        start = int(first) if first else max(status.st_size - int(last), 0)
        stop = min(int(last) + 1, status.st_size) if first and last else status.st_size
        if first and last and int(last) < int(first):
            found, start, stop = None, 0, status.st_size
        elif start >= stop:
            raise RangeError(size=status.st_size)
    return Span(os.dup(fd), start, stop, status.st_size, bool(found and any(found.groups())), etag)
