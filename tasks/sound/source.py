"""Open a source file safely and say what it is by its content, not by its extension."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import AudioNotFoundError, LoadError, UnsupportedFormatError

AUDIO_EXTENSIONS = frozenset(
    [
        ".wav",
        ".wave",
        ".w64",
        ".rf64",
        ".aif",
        ".aiff",
        ".aifc",
        ".flac",
        ".mp3",
        ".m4a",
        ".mp4",
        ".aac",
        ".ogg",
        ".oga",
        ".opus",
        ".caf",
        ".au",
        ".snd",
        ".wv",
    ]
)
# Enough for the first page of an Ogg stream, and for two MP3 frames.
_HEAD_BYTES = 4096
_MPEG1_KBPS = {  # ISO/IEC 11172-3, table of bit rates, by layer
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_KBPS = {  # ISO/IEC 13818-3
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@contextmanager
def opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """A file descriptor of the regular file at ``path``, and its stat.

    A FIFO would block the open and a device can be endless, so the kind is looked at before and after opening.
    Raises AudioNotFoundError or LoadError.
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


def container(fd: int, path: str) -> str:
    """The container by its magic bytes: ``wav``, ``aiff``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ...

    Raises UnsupportedFormatError when neither extension nor content are audio, LoadError when only the content is not.
    """
    head = _read(fd, _HEAD_BYTES, 0)
    kind = _by_magic(head) or _mpeg(fd, head)
    if kind:
        return kind
    extension = Path(path).suffix.lower()
    if head.startswith(b"\x00\x05\x16\x07") or Path(path).name.startswith("._"):
        raise LoadError(error="it is macOS folder data (._*), not audio", fix="Take the row out of the manifest.")
    if extension not in AUDIO_EXTENSIONS:
        raise UnsupportedFormatError(ext=extension or Path(path).name)
    raise LoadError(error="the content is no audio that this tool knows")


def flac_length_unknown(fd: int) -> bool:
    """Whether a FLAC file does not say how long it is: then libsndfile fails at its end."""
    total = _read(fd, 5, 21)  # 36 bits in STREAMINFO (RFC 9639, 8.2)
    return len(total) == 5 and not (total[0] & 0x0F or any(total[1:]))


def _read(fd: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(fd, length, offset)
    except OSError as error:
        raise LoadError(error=f"it cannot be read: {error.strerror}", fix="Check its disk, then run this again.") from error


def _by_magic(head: bytes) -> str:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"riff" and head[4:8] == b"\x2e\x91\xcf\x11":
        return "w64"
    if head[4:8] == b"ftyp":
        return "mp4"
    magics = {b"fLaC": "flac", b"OggS": "ogg", b"caff": "caf", b".snd": "au", b"wvpk": "wavpack"}
    return magics.get(head[:4], "")


def _mpeg(fd: int, head: bytes) -> str:
    """``mp3`` or ``adts`` when two frames follow one another, behind ID3 tags and padding; else ""."""
    start = 0
    while head[:3] == b"ID3" and len(head) >= 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)
        head = _read(fd, _HEAD_BYTES, start)
    padding = len(head) - len(head.lstrip(b"\0"))
    if padding:
        start += padding
        head = _read(fd, _HEAD_BYTES, start)
    if _by_magic(head) == "flac" and start:
        return "flac"
    first = _frame(head)
    if not first:
        return ""
    kind, length = first
    following = _read(fd, 8, start + length)
    second = _frame(following)
    ends = len(following) < 4
    return kind if ends or (second is not None and second[0] == kind) else ""


def _frame(head: bytes) -> tuple[str, int] | None:
    """The kind and the length in bytes of an MPEG audio or ADTS frame, if ``head`` starts with one."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer, version = 4 - (head[1] >> 1 & 3), head[1] >> 3 & 3
    if layer == 4:  # reserved in MPEG audio; ADTS (ISO/IEC 13818-7) has twelve sync bits and layer 0
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return ("adts", length) if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13 and length > 7 else None
    rate_index, bitrate_index, padded = head[2] >> 2 & 3, head[2] >> 4, head[2] >> 1 & 1
    if version == 1 or rate_index == 3 or bitrate_index in (0, 15):
        return None
    mpeg1 = version == 3
    rate_hz = (44_100, 48_000, 32_000)[rate_index] // (1 if mpeg1 else 2 if version == 2 else 4)
    kbps = (_MPEG1_KBPS if mpeg1 else _MPEG2_KBPS)[layer][bitrate_index]
    if layer == 1:
        return "mp3", (12_000 * kbps // rate_hz + padded) * 4
    samples = 1152 if layer == 2 or mpeg1 else 576
    return "mp3", samples * 125 * kbps // rate_hz + padded
