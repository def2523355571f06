"""A part of a file, as an HTTP client requests one (RFC 9110, section 14)."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from io import FileIO

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from schemas.errors import RangeError

_CHUNK_BYTES = 1 << 18
_ONE_RANGE = re.compile(r"bytes=([0-9]{1,18})?-([0-9]{1,18})?")


@dataclass(frozen=True)
class ByteSpan:
    """Bytes from ``start`` to before ``stop`` of an open file of ``size`` bytes.

    It owns ``file``, which closes itself where nobody did: also where a response is made, but never sent.
    """

    file: FileIO
    start: int
    stop: int
    size: int
    is_part: bool
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response that carries these bytes."""
        headers = {"Content-Length": str(self.stop - self.start), "Accept-Ranges": "bytes", "ETag": self.etag}
        return headers | ({"Content-Range": f"bytes {self.start}-{self.stop - 1}/{self.size}"} if self.is_part else {})

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks of 256 KiB at the most."""
        offset = self.start
        while offset < self.stop and (block := os.pread(self.file.fileno(), min(_CHUNK_BYTES, self.stop - offset), offset)):
            offset += len(block)
            yield block


class SpanResponse(StreamingResponse):
    """Sends a span, and closes its file whatever happens: also where the client went away before the first byte."""

    def __init__(self, span: ByteSpan, media_type: str, disposition: str) -> None:
        status = HTTPStatus.PARTIAL_CONTENT if span.is_part else HTTPStatus.OK
        headers = span.headers | {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
        super().__init__(span.blocks(), status, headers, media_type)
        self._file = span.file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and the bytes."""
        with self._file:
            await super().__call__(scope, receive, send)


def select_span(fd: int, range_header: str | None, if_range: str | None) -> ByteSpan:
    """Select what a response sends of an open file.

    Args:
        fd: The file; the answer has a duplicate of it, and the caller closes this one.
        range_header: The header Range. All of the file is sent where it is not a single range that can be read.
        if_range: The header If-Range: the range counts only for the file with this ETag.

    Raises:
        RangeError: None of the range is in the file.
    """
    status = os.fstat(fd)
    etag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
    match = _ONE_RANGE.fullmatch(range_header.replace(" ", "")) if range_header and if_range in (None, etag) else None
    start, stop = 0, status.st_size
    if match and any(match.groups()):
        first, last = match.groups()
        start = int(first) if first else max(status.st_size - int(last), 0)
        stop = min(int(last) + 1, status.st_size) if first and last else status.st_size
        if first and last and int(last) < int(first):
            match, start, stop = None, 0, status.st_size
        elif start >= stop:
            raise RangeError(size=status.st_size)
    return ByteSpan(FileIO(os.dup(fd)), start, stop, status.st_size, bool(match and any(match.groups())), etag)
