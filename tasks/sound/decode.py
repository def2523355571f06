"""Decode any supported file to blocks of float32, in bounded memory."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
import soundfile

from schemas.errors import LoadError
from schemas.jobs import SourceInfo
from tasks.sound.source import container, flac_length_unknown, opened

Block = npt.NDArray[np.float32]

BLOCK_FRAMES = 1 << 18
# A false header may claim anything; it is believed only within these bounds, before a byte is allocated.
RATE_MIN_HZ, RATE_MAX_HZ = 1_000, 768_000
MAX_CHANNELS = 32
# Vorbis and Opus keep the centre second and the LFE last (Vorbis I, 4.3.9); the order here is WAV's.
_VORBIS_TO_WAV = {
    3: [0, 2, 1],
    5: [0, 2, 1, 3, 4],
    6: [0, 2, 1, 5, 3, 4],
    7: [0, 2, 1, 6, 5, 3, 4],
    8: [0, 2, 1, 7, 5, 6, 3, 4],
}
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
        by_pyav = kind in _BY_PYAV or (kind == "flac" and flac_length_unknown(fd))
        read = _pyav if by_pyav else _soundfile
        with read(fd, kind) as (info, blocks):
            if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
                raise LoadError(error=f"its header claims {info.rate_hz} Hz")
            if not 1 <= info.channels <= MAX_CHANNELS:
                raise LoadError(error=f"its header claims {info.channels} channels")
            checked = _unchanged(fd, status, _checked(blocks, info.rate_hz))
            yield Audio(info, status.st_size, status.st_mtime_ns, checked)


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


def _unchanged(fd: int, before: os.stat_result, blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks; at their end, that the file is still the one that was opened."""
    yield from blocks
    after = os.fstat(fd)
    if (after.st_size, after.st_mtime_ns, after.st_ctime_ns) != (before.st_size, before.st_mtime_ns, before.st_ctime_ns):
        raise LoadError(error="it changed while it was read", fix="Run the same command again.")


@contextmanager
def _reading() -> Iterator[None]:
    """Whatever goes wrong in here is the source's fault."""
    try:
        yield
    except (soundfile.SoundFileError, av.FFmpegError, OSError, EOFError, ValueError) as error:
        raise LoadError(error=_first_line(error)) from error


@contextmanager
def _soundfile(fd: int, kind: str) -> Iterator[tuple[SourceInfo, Iterator[Block]]]:
    with _reading():
        file = soundfile.SoundFile(os.dup(fd))  # a descriptor of its own: libsndfile closes what it is given
    with file:
        yield SourceInfo(kind, file.subtype, file.samplerate, file.channels, file.frames), _soundfile_blocks(file, kind)


def _soundfile_blocks(file: soundfile.SoundFile, kind: str) -> Iterator[Block]:
    order = _VORBIS_TO_WAV.get(file.channels) if kind == "ogg" else None
    while True:
        with _reading():
            block = file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block[:, order] if order else block


@contextmanager
def _pyav(fd: int, kind: str) -> Iterator[tuple[SourceInfo, Iterator[Block]]]:
    with ExitStack() as stack:
        with _reading():
            file = stack.enter_context(os.fdopen(os.dup(fd), "rb"))
            media = stack.enter_context(av.open(file, "r", metadata_errors="ignore"))
        if not media.streams.audio:
            raise LoadError(error="it holds no audio stream")
        stream = media.streams.audio[0]
        codec = stream.codec_context
        if codec is None or codec.format is None:
            raise LoadError(error="its codec is not known")
        frames = None
        if kind == "mp4" and stream.duration and stream.time_base:  # AAC leaves a tail behind the stream's own end
            frames = round(stream.duration * stream.time_base * codec.sample_rate)
        info = SourceInfo(kind, _subtype(codec), codec.sample_rate, codec.channels, frames)
        yield info, _pyav_blocks(media, stream, info)


def _subtype(codec: av.AudioCodecContext) -> str:
    """The codec's name; of a lossless one with its bits, as libsndfile names them."""
    if codec.name not in ("alac", "flac", "wavpack") or codec.format.name not in ("s16", "s16p", "s32", "s32p"):
        return codec.name.removesuffix("float").upper()
    bits = 16 if codec.format.name.startswith("s16") else 24
    return f"{'PCM' if codec.name == 'flac' else codec.name.upper()}_{bits}"


def _pyav_blocks(media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo) -> Iterator[Block]:
    # One plane of floats: PyAV 18.1 reads past the planes of a frame of eight channels and ends the process.
    packed = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=info.rate_hz)
    decoded = media.decode(stream)
    pending: list[Block] = []
    pending_frames = done = 0
    while True:
        with _reading():
            frame = next(decoded, None)
            if frame and (frame.sample_rate, frame.layout.nb_channels) != (info.rate_hz, info.channels):
                raise LoadError(error="its rate or channels change in the middle")
            pieces: list[Block] = [piece.to_ndarray().reshape(-1, info.channels) for piece in packed.resample(frame)]  # type: ignore[misc]
        for piece in pieces:
            block = piece if info.frames is None else piece[: info.frames - done]
            done += len(block)
            pending.append(block)
            pending_frames += len(block)
        if pending_frames and (frame is None or pending_frames >= BLOCK_FRAMES):
            yield np.concatenate(pending)
            pending, pending_frames = [], 0
        if frame is None:
            return


def _first_line(error: Exception) -> str:
    """A decoder's complaint, without its own prefix and full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].removeprefix("Error : ").rstrip(".") if text else type(error).__name__
