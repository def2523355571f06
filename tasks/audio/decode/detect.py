"""Open a source file safely, and detect its container by its content, not by its extension."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import AudioNotFoundError, LoadError, UnsupportedFormatError
from schemas.music import AUDIO_EXTENSIONS
from tasks.audio.decode import mpeg
from tasks.audio.decode.byte_range import ByteRange
from tasks.fs.file_status import READ_ONLY
from tasks.fs.foreign_paths import why_missing

_HEAD_BYTES = 64
# A header of classic Mac OS, which some programs for transfers put in front of a file.
_MACBINARY_BYTES = 128


@contextmanager
def open_file(path: str) -> Iterator[tuple[ByteRange, os.stat_result]]:
    """Open the regular file at ``path``, and yield its bytes and its status.

    A FIFO would block the open and a device can be endless, so the kind is looked at before and after opening.

    Raises:
        AudioNotFoundError: There is no such file.
        LoadError: It is not a regular file, is empty, or cannot be opened.
    """
    try:
        _check_regular(os.stat(path))
        fd = os.open(path, READ_ONLY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioNotFoundError(path=path, fix=why_missing(path)) from error
    except (OSError, ValueError) as error:
        what = str(getattr(error, "strerror", None) or error).lower()
        raise LoadError(error=what, fix="Check the path and that you may read the file.") from error
    try:
        status = os.fstat(fd)
        _check_regular(status)
        if not status.st_size:
            raise LoadError(error="the file is empty (0 bytes)")
        yield ByteRange(fd, 0, status.st_size), status
    finally:
        os.close(fd)


def _check_regular(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
    raise LoadError(error=f"it is {kind}, not a file", fix="Give the path of an audio file.")


def find_sound(source: ByteRange, path: str) -> tuple[str, ByteRange]:
    """Detect the container by its magic bytes, behind tags that were put in front of it.

    Args:
        source: The whole file.
        path: Its path, for what its name claims.

    Returns:
        ``wav``, ``aiff``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ...; and the part of the file from its first byte on.

    Raises:
        UnsupportedFormatError: Neither extension nor content is audio.
        LoadError: The content is not audio, in spite of its extension.
    """
    head = source.read(_HEAD_BYTES, 0)
    if kind := _by_magic(head):
        return kind, source
    start = mpeg.skip_tags(source) or (_MACBINARY_BYTES if _is_macbinary(source.read(_MACBINARY_BYTES, 0)) else 0)
    if start and (kind := _by_magic(source.read(_HEAD_BYTES, start))):
        return kind, source.part(start)
    kind, first = mpeg.find_frames(source, start, behind_tag=start > 0)
    if kind:
        return kind, source.part(first)
    extension = Path(path).suffix.lower()
    if head.startswith(b"\x00\x05\x16\x07") or Path(path).name.startswith("._"):
        raise LoadError(error="it is macOS folder data (._*), not audio", fix="Take the row out of the manifest.")
    if extension not in AUDIO_EXTENSIONS:
        raise UnsupportedFormatError(ext=extension or Path(path).name)
    raise LoadError(error="the content is not audio that this tool knows")


def _is_macbinary(head: bytes) -> bool:
    """Return whether it is a MacBinary header: the length of a name between zeros."""
    return len(head) == _MACBINARY_BYTES and not head[0] and 1 <= head[1] <= 63 and not head[74] and not head[82]


def is_wavpack_cut(source: ByteRange) -> bool:
    """Walk the blocks of WavPack 4 and 5: their length, less eight bytes, is behind their name; tags may follow."""
    offset = 0
    while (head := source.read(8, offset))[:4] == b"wvpk" and len(head) == 8:
        offset += 8 + int.from_bytes(head[4:], "little")
    return offset > source.size


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
