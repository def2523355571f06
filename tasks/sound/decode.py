"""Decode any supported file to blocks of float32, in bounded memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import av
import numpy as np
import numpy.typing as npt
import soundfile

from schemas.errors import LoadError
from schemas.jobs import SourceInfo
from tasks.sound.source import container, opened

Block = npt.NDArray[np.float32]

BLOCK_FRAMES = 1 << 18
# A false header may claim anything; it is believed only within these bounds, before a byte is allocated.
RATE_MIN_HZ, RATE_MAX_HZ = 1_000, 768_000
MAX_CHANNELS = 32
_FRAMES_UNKNOWN = 1 << 62
# libsndfile loses nearly half of a VBR MP3 without a Xing header, and knows no MP4, ADTS or WavPack.
_BY_PYAV = frozenset(["mp3", "mp4", "adts", "wavpack"])


@dataclass(frozen=True)
class Audio:
    """An open source. ``blocks()`` may be read once: float32 (frames, channels), full scale is 1.0."""

    info: SourceInfo
    bytes: int
    mtime_ns: int
    blocks: "Iterator[Block]"


@contextmanager
def audio(path: str) -> Iterator[Audio]:
    """Open the audio file at ``path``.

    Raises AudioNotFoundError, UnsupportedFormatError or LoadError, here or while blocks are read.
    """
    with opened(path) as (fd, status):
        kind = container(fd, path)
        read = _pyav if kind in _BY_PYAV else _soundfile
        with read(fd, kind) as (info, blocks):
            if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
                raise LoadError(error=f"its header claims {info.rate_hz} Hz")
            if not 1 <= info.channels <= MAX_CHANNELS:
                raise LoadError(error=f"its header claims {info.channels} channels")
            yield Audio(info, status.st_size, status.st_mtime_ns, _checked(blocks, info.rate_hz))


def _checked(blocks: Iterator[Block], rate_hz: int) -> Iterator[Block]:
    """The blocks, as long as they are numbers that a converter can take."""
    done = 0
    for block in blocks:
        finite = np.isfinite(block)
        if not finite.all():
            first = done + int(np.argmin(finite.all(axis=1)))
            raise LoadError(error=f"frame {first} ({first / rate_hz:.3f} s) is not a number")
        done += len(block)
        yield block
    if not done:
        raise LoadError(error="it holds no sound (0 frames)")


@contextmanager
def _soundfile(fd: int, kind: str) -> Iterator[tuple[SourceInfo, Iterator[Block]]]:
    try:
        # A descriptor of its own: libsndfile closes what it is given.
        with soundfile.SoundFile(os.dup(fd)) as file:
            # A FLAC stream that does not say its length comes as the largest number there is.
            frames = file.frames if file.frames < _FRAMES_UNKNOWN else None
            info = SourceInfo(kind, file.subtype, file.samplerate, file.channels, frames)
            yield info, _soundfile_blocks(file)
    except soundfile.SoundFileError as error:
        raise LoadError(error=_first_line(error)) from error


def _soundfile_blocks(file: soundfile.SoundFile) -> Iterator[Block]:
    while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
        yield block


@contextmanager
def _pyav(fd: int, kind: str) -> Iterator[tuple[SourceInfo, Iterator[Block]]]:
    try:
        with os.fdopen(os.dup(fd), "rb") as file, av.open(file, "r", metadata_errors="ignore") as media:
            if not media.streams.audio:
                raise LoadError(error="it holds no audio stream")
            stream = media.streams.audio[0]
            codec = stream.codec_context
            info = SourceInfo(kind, codec.name, codec.sample_rate, codec.channels, None)
            frames = None
            if (
                kind == "mp4" and stream.duration and stream.time_base
            ):  # an AAC decoder leaves a tail behind the stream's own end
                frames = round(stream.duration * stream.time_base * codec.sample_rate)
            yield replace(info, frames=frames), _pyav_blocks(media, stream, info, frames)
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise LoadError(error=_first_line(error)) from error


def _pyav_blocks(
    media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo, frames: int | None
) -> Iterator[Block]:
    pending: list[Block] = []
    pending_frames = done = 0
    for frame in media.decode(stream):
        if (frame.sample_rate, frame.layout.nb_channels) != (info.rate_hz, info.channels):
            raise LoadError(error="its rate or channels change in the middle")
        block = _as_float(frame)
        if frames is not None:
            block = block[: frames - done]
        done += len(block)
        pending.append(block)
        pending_frames += len(block)
        if pending_frames >= BLOCK_FRAMES:
            yield np.concatenate(pending)
            pending, pending_frames = [], 0
    if pending_frames:
        yield np.concatenate(pending)


def _as_float(frame: av.AudioFrame) -> Block:
    """A decoded frame as float32 (frames, channels)."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) / np.float32(128)
    full_scale = np.float32(1 << (8 * samples.itemsize - 1)) if samples.dtype.kind == "i" else np.float32(1)
    return np.ascontiguousarray(samples, dtype=np.float32) / full_scale


def _first_line(error: Exception) -> str:
    """A decoder's complaint without the file's address in memory or its object's name."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().splitlines()[0].rstrip(".") if str(text).strip() else type(error).__name__
