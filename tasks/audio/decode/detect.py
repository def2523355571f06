"""Open a source file safely, and detect its container by its content, not by its extension."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import AudioNotFoundError, LoadError, UnsupportedFormatError
from schemas.music import AUDIO_EXTENSIONS
from tasks.audio.decode import mpeg
from tasks.audio.decode.raw_bytes import read_bytes

_HEAD_BYTES = 64
# Enough for the last page of an Ogg stream (RFC 3533: at most 65,307 bytes).
_OGG_TAIL_BYTES = 1 << 17


@contextmanager
def open_file(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open the regular file at ``path``, and yield its file descriptor and its status.

    A FIFO would block the open and a device can be endless, so the kind is looked at before and after opening.

    Raises:
        AudioNotFoundError: There is no such file.
        LoadError: It is not a regular file, is empty, or cannot be opened.
    """
    try:
        _check_regular(os.stat(path))
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioNotFoundError(path=path) from error
    except (OSError, ValueError) as error:
        what = str(getattr(error, "strerror", None) or error).lower()
        raise LoadError(error=what, fix="Check the path and that you may read the file.") from error
    try:
        status = os.fstat(fd)
        _check_regular(status)
        if not status.st_size:
            raise LoadError(error="the file is empty (0 bytes)")
        yield fd, status
    finally:
        os.close(fd)


def _check_regular(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
    raise LoadError(error=f"it is {kind}, not a file", fix="Give the path of an audio file.")


def detect_container(fd: int, path: str) -> str:
    """Detect the container by its magic bytes: ``wav``, ``aiff``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ...

    Raises:
        UnsupportedFormatError: Neither extension nor content is audio.
        LoadError: The content is not audio, in spite of its extension.
    """
    head = read_bytes(fd, _HEAD_BYTES, 0)
    kind = _by_magic(head) or _behind_tags(fd, head)
    if kind:
        return kind
    extension = Path(path).suffix.lower()
    if head.startswith(b"\x00\x05\x16\x07") or Path(path).name.startswith("._"):
        raise LoadError(error="it is macOS folder data (._*), not audio", fix="Take the row out of the manifest.")
    if extension not in AUDIO_EXTENSIONS:
        raise UnsupportedFormatError(ext=extension or Path(path).name)
    raise LoadError(error="the content is not audio that this tool knows")


def is_flac_length_unknown(fd: int) -> bool:
    """Return whether a FLAC file does not say how long it is: then libsndfile fails at its end."""
    total = read_bytes(fd, 5, 21)  # 36 bits in STREAMINFO (RFC 9639, 8.2)
    return len(total) == 5 and not (total[0] & 0x0F or any(total[1:]))


def is_end_missing(fd: int, kind: str, size: int) -> bool:
    """Return whether an Ogg file ends before its last page, an MP4 file within a box, a WavPack file within a block."""
    if kind == "mp4":
        return _box_is_cut(fd, size)
    if kind == "wavpack":
        return _block_is_cut(fd, size)
    return kind == "ogg" and _last_page_missing(fd, size)


def _block_is_cut(fd: int, size: int) -> bool:
    """Walk the blocks of WavPack 4 and 5: their length, less eight bytes, is behind their name; tags may follow."""
    offset = 0
    while (head := read_bytes(fd, 8, offset))[:4] == b"wvpk" and len(head) == 8:
        offset += 8 + int.from_bytes(head[4:], "little")
    return offset > size


def _box_is_cut(fd: int, size: int) -> bool:
    """Walk the boxes (ISO/IEC 14496-12, 4.2): length and name; 0 reaches to the end, 1 is followed by a longer length."""
    offset, name = 0, b""
    while offset + 8 <= size:
        head = read_bytes(fd, 16, offset)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:
            return False
        offset += length
    return offset > size and name in (b"mdat", b"moov", b"moof")  # tags behind the boxes are none


def parse_flac_frame(head: bytes) -> tuple[bool, int] | None:
    """Parse the header of a FLAC frame (RFC 9639, 9.1).

    Returns:
        Whether blocks vary in size, and the number of the frame, or of its first sample if they do; None if it is not a frame.
    """
    if len(head) < 11 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    more = 0
    while head[4] << more & 0x80:
        more += 1
    if more in (1, 8):
        return None
    number = head[4] & 0xFF >> more + bool(more)
    for byte in head[5 : 4 + max(more, 1)]:
        number = number << 6 | byte & 0x3F
    return bool(head[1] & 1), number


def _last_page_missing(fd: int, size: int) -> bool:
    """Return whether the last page of an Ogg stream, which says that it is (RFC 3533), is missing."""
    tail = read_bytes(fd, _OGG_TAIL_BYTES, max(size - _OGG_TAIL_BYTES, 0))
    last = tail.rfind(b"OggS\0")
    page = tail[last:] if last >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    length = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return len(page) < length or not page[5] & 4


def _by_magic(head: bytes) -> str:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"riff" and head[4:8] == b"\x2e\x91\xcf\x11":
        return "w64"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:2] == b"\x0b\x77":
        return "ac3"
    magics = {b"fLaC": "flac", b"OggS": "ogg", b"caff": "caf", b".snd": "au", b"wvpk": "wavpack", b"\x30\x26\xb2\x75": "asf"}
    return magics.get(head[:4], "")


def _behind_tags(fd: int, head: bytes) -> str:
    """Detect what follows ID3 tags: FLAC, or frames of MPEG audio."""
    start = mpeg.skip_id3(fd, head)
    if start and _by_magic(read_bytes(fd, _HEAD_BYTES, start)) == "flac":
        return "flac"
    return mpeg.detect_frames(fd, start)
