"""Read the bytes of tags, within bounds: a damaged or hostile file costs no more than a sound one."""

import os

# Tags are a few kilobytes; pictures among them are passed over.
_MAX_BYTES = 1 << 20
# A text that is longer is none of those that are looked for.
MAX_TEXT_BYTES = 1 << 16
# Each read counts as this many bytes at least, so that there is an end to small ones, too.
_LEAST_BYTES = 64


class TagsTooLongError(ValueError):
    """The tags of a file take more reading than those of any real file."""


class TagBytes:
    """The bytes of an open file of ``size`` bytes. What was read is counted, and reading ends at a mebibyte."""

    def __init__(self, fd: int, size: int) -> None:
        self.size = size
        self._fd = fd
        self._left = _MAX_BYTES

    def read(self, length: int, offset: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer at the file's end, none outside of it.

        Raises:
            TagsTooLongError: All the reads before took too many.
            OSError: The disk does not give them.
        """
        self._left -= max(length, _LEAST_BYTES)
        if self._left < 0:
            raise TagsTooLongError
        return os.pread(self._fd, length, offset) if 0 <= offset < self.size and length > 0 else b""
