"""Open any supported audio file as blocks of float32, in bounded memory, and notice what is missing of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import Block
from tasks.audio.decode.detect import detect_container, is_end_missing, is_flac_length_unknown, open_file
from tasks.audio.decode.ffmpeg import open_with_ffmpeg
from tasks.audio.decode.libsndfile import open_with_libsndfile
from tasks.audio.decode.pcm import unpack
from tasks.audio.decode.raw_bytes import hash_content
from tasks.audio.decode.riff_chunks import ChunkLayout, ExtraChunks, SampleFormat, read_chunk_layout
from tasks.audio.decode.track import CutOffError, DecoderError, Track
from tasks.fs.file_status import is_same_state, times_of

# A false header may claim anything; it is believed only within these bounds, before a byte is allocated.
RATE_MIN_HZ, RATE_MAX_HZ = 1_000, 768_000
MAX_CHANNELS = 32
# libsndfile loses nearly half of a VBR MP3 without a Xing header, and knows none of the others.
_BY_PYAV = frozenset(["mp3", "mp4", "adts", "wavpack", "ac3", "asf"])
# Their encoders put silence in front and say nowhere how much of it.
_UNALIGNED = {"adts": "AAC without a container", "ac3": "AC-3", "asf": "WMA"}


@dataclass(frozen=True)
class AudioSource:
    """An open source.

    Attributes:
        info: What its header says.
        content_hash: Hashes the bytes of the file, with BLAKE3.
        bytes: The size of the file.
        mtime_ns: When its content changed last; 0, as ``ctime_ns``, if it is so new that it could change once more unnoticed.
        ctime_ns: When its status changed last.
        blocks: float32 (frames, channels); they can be read once.
        extras: A WAV file's own chunks.
        notes: What the user should know of how it was read.
    """

    info: SourceInfo
    content_hash: Callable[[], str]
    bytes: int
    mtime_ns: int
    ctime_ns: int
    blocks: Iterator[Block]
    extras: ExtraChunks
    notes: tuple[str, ...]


@contextmanager
def open_audio(path: str) -> Iterator[AudioSource]:
    """Open the audio file at ``path`` with the decoder that reads it best.

    Raises:
        AudioNotFoundError: There is no such file.
        UnsupportedFormatError: It is not audio.
        LoadError: It cannot be read whole; also while blocks are read.
    """
    with open_file(path) as (fd, status):
        kind = detect_container(fd, path)
        found = read_chunk_layout(fd, kind, status.st_size)
        is_cut = is_end_missing(fd, kind, status.st_size)
        with _track(fd, kind, found, is_cut) as track:
            info = track.info
            if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
                raise LoadError(error=f"its header claims {info.rate_hz} Hz")
            if not 1 <= info.channels <= MAX_CHANNELS:
                raise LoadError(error=f"its header claims {info.channels} channels")
            checked = _check_unchanged(fd, status, _check_complete(track, is_cut))
            extras = found.extras if found else ExtraChunks()
            content = partial(hash_content, fd)
            yield AudioSource(info, content, status.st_size, *times_of(status), checked, extras, tuple(_notes(kind, found)))


def _track(fd: int, kind: str, found: ChunkLayout | None, is_cut: bool) -> AbstractContextManager[Track]:
    if found and not found.whole:
        raise truncation_error(found)
    if found and found.form:
        return nullcontext(_plain(fd, kind, found, found.form))
    if kind in _BY_PYAV or (found and found.by_ffmpeg) or (kind == "flac" and is_flac_length_unknown(fd)):
        return open_with_ffmpeg(fd, kind, is_cut)
    return open_with_libsndfile(fd, kind)


def truncation_error(found: ChunkLayout) -> LoadError:
    """Return the error of a file that is not whole."""
    promised = found.promised or 0
    if not found.form or not found.form.rate_hz:
        return LoadError(error=f"truncated: {found.there:,} of {promised:,} bytes of sound")
    frame_bytes = found.form.frame_bytes
    return _truncated_error(found.there // frame_bytes, promised // frame_bytes, found.form.rate_hz)


def _truncated_error(there: int, promised: int, rate_hz: int) -> LoadError:
    missing_s = (promised - there) / rate_hz
    if missing_s < 0.001:
        return LoadError(error=f"truncated: {there:,} of {promised:,} frames")
    digits = 1 if missing_s >= 0.1 else 3
    return LoadError(error=f"truncated: {there / rate_hz:.{digits}f} s of {promised / rate_hz:.{digits}f} s")


def _notes(kind: str, found: ChunkLayout | None) -> Iterator[str]:
    if found and found.promised is None:
        yield "read to the end of the file, since its header gives no length"
    if kind in _UNALIGNED:
        yield f"may start with a few hundredths of a second of silence: {_UNALIGNED[kind]} does not say how much was added"


def _check_complete(track: Track, is_cut: bool) -> Iterator[Block]:
    """Yield the blocks, as long as they are numbers that a converter can take, and as many as were promised."""
    rate_hz = track.info.rate_hz
    done = 0
    try:
        for block in track.blocks:
            finite = np.isfinite(block)
            if not finite.all():
                first = done + int(np.argmin(finite.all(axis=1)))
                raise LoadError(error=f"frame {first} ({first / rate_hz:.3f} s) is not a number")
            done += len(block)
            yield block
    except CutOffError:
        is_cut = True
    except DecoderError as error:
        whole = f" of {track.promised / rate_hz:.1f} s" if track.promised else ""
        raise LoadError(error=f"{error}, after {done / rate_hz:.1f} s{whole}") from error
    if track.promised is not None and done < track.promised - (0 if is_cut else track.slack):
        raise _truncated_error(done, track.promised, rate_hz)
    if is_cut:
        raise LoadError(error=f"truncated: {done / rate_hz:.1f} s, and the end is missing")
    if not done:
        raise LoadError(error="it holds no sound (0 frames)")


def _check_unchanged(fd: int, before: os.stat_result, blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield the blocks, and check at their end that the file is still the one that was opened."""
    yield from blocks
    if not is_same_state(before, os.fstat(fd)):
        raise LoadError(error="it changed while it was read", fix="Run the same command again.")


def _plain(fd: int, kind: str, found: ChunkLayout, form: SampleFormat) -> Track:
    frames = found.there // form.frame_bytes
    return Track(SourceInfo(kind, form.subtype, form.rate_hz, form.channels, frames), unpack(fd, found, form))
