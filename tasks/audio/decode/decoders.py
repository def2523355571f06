"""Decode any supported file to blocks of float32, in bounded memory, and notice what is missing of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from io import FileIO

import av
import numpy as np
import soundfile

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode import mpeg
from tasks.audio.decode.detect import container, end_missing, flac_frame, flac_length_unknown, opened
from tasks.audio.decode.pcm import unpacked
from tasks.audio.decode.raw_bytes import content_hash
from tasks.audio.decode.riff_chunks import Extras, Form, Layout, layout
from tasks.fs.file_status import is_same_state, times_of

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
# libsndfile loses nearly half of a VBR MP3 without a Xing header, and knows none of the others.
_BY_PYAV = frozenset(["mp3", "mp4", "adts", "wavpack", "ac3", "asf"])
# Their encoders put silence in front and say nowhere how much of it.
_UNALIGNED = {"adts": "AAC without a container", "ac3": "AC-3", "asf": "WMA"}
# An MP3's header counts whole frames, of which a decoder may give one more or less at either end; unless it says, too, how
# much its encoder added.
_MP3_SLACK_FRAMES = 2 * 1152
# The end that MP4 gives is rounded by some programs, to less than two frames of AAC.
_MP4_SLACK_FRAMES = 2 * 1024
_GAP_FRAMES = 512


@dataclass(frozen=True)
class Audio:
    """An open source. ``blocks`` may be read once; ``extras`` are a WAV file's own chunks; ``notes`` are for the user.

    The times are 0 if the file is so new that it could change once more without their changing.
    """

    info: SourceInfo
    content_hash: Callable[[], str]
    bytes: int
    mtime_ns: int
    ctime_ns: int
    blocks: Iterator[Block]
    extras: Extras
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Track:
    """What a reader makes of a source. ``promised``: how many frames there must be, give or take ``slack``."""

    info: SourceInfo
    blocks: Iterator[Block]
    promised: int | None = None
    slack: int = 0


@contextmanager
def audio(path: str) -> Iterator[Audio]:
    """Open the audio file at ``path``.

    Raises AudioNotFoundError, UnsupportedFormatError or LoadError, here or while blocks are read.
    """
    with opened(path) as (fd, status):
        kind = container(fd, path)
        found = layout(fd, kind, status.st_size)
        is_cut = end_missing(fd, kind, status.st_size)
        with _track(fd, kind, found, is_cut) as track:
            info = track.info
            if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
                raise LoadError(error=f"its header claims {info.rate_hz} Hz")
            if not 1 <= info.channels <= MAX_CHANNELS:
                raise LoadError(error=f"its header claims {info.channels} channels")
            checked = _unchanged(fd, status, _checked(track, is_cut))
            extras = found.extras if found else Extras()
            content = partial(content_hash, fd)
            yield Audio(info, content, status.st_size, *times_of(status), checked, extras, tuple(_notes(kind, found)))


def _track(fd: int, kind: str, found: Layout | None, is_cut: bool) -> AbstractContextManager[_Track]:
    if found and not found.whole:
        raise cut_off(found)
    if found and found.form:
        return nullcontext(_plain(fd, kind, found, found.form))
    if kind in _BY_PYAV or (found and found.by_ffmpeg) or (kind == "flac" and flac_length_unknown(fd)):
        return _pyav(fd, kind, is_cut)
    return _soundfile(fd, kind)


def cut_off(found: Layout) -> LoadError:
    """What to say of a file that is not whole."""
    promised = found.promised or 0
    if not found.form or not found.form.rate_hz:
        return LoadError(error=f"truncated: {found.there:,} of {promised:,} bytes of sound")
    frame_bytes = found.form.frame_bytes
    return _truncated(found.there // frame_bytes, promised // frame_bytes, found.form.rate_hz)


def _truncated(there: int, promised: int, rate_hz: int) -> LoadError:
    missing_s = (promised - there) / rate_hz
    if missing_s < 0.001:
        return LoadError(error=f"truncated: {there:,} of {promised:,} frames")
    digits = 1 if missing_s >= 0.1 else 3
    return LoadError(error=f"truncated: {there / rate_hz:.{digits}f} s of {promised / rate_hz:.{digits}f} s")


def _notes(kind: str, found: Layout | None) -> Iterator[str]:
    if found and found.promised is None:
        yield "read to the end of the file, since its header gives no length"
    if kind in _UNALIGNED:
        yield f"may start with a few hundredths of a second of silence: {_UNALIGNED[kind]} does not say how much was added"


def _checked(track: _Track, is_cut: bool) -> Iterator[Block]:
    """The blocks, as long as they are numbers that a converter can take, and as many as were promised."""
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
    except _CutOffError:
        is_cut = True
    except _DecoderError as error:
        whole = f" of {track.promised / rate_hz:.1f} s" if track.promised else ""
        raise LoadError(error=f"{error}, after {done / rate_hz:.1f} s{whole}") from error
    if track.promised is not None and done < track.promised - (0 if is_cut else track.slack):
        raise _truncated(done, track.promised, rate_hz)
    if is_cut:
        raise LoadError(error=f"truncated: {done / rate_hz:.1f} s, and the end is missing")
    if not done:
        raise LoadError(error="it holds no sound (0 frames)")


def _unchanged(fd: int, before: os.stat_result, blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks; at their end, that the file is still the one that was opened."""
    yield from blocks
    if not is_same_state(before, os.fstat(fd)):
        raise LoadError(error="it changed while it was read", fix="Run the same command again.")


class _DecoderError(Exception):
    """A decoder's complaint, in one line."""


class _CutOffError(_DecoderError):
    """The file ends within what is decoded."""


@contextmanager
def _decoding() -> Iterator[None]:
    """Whatever a decoder complains of in here."""
    try:
        yield
    except (soundfile.SoundFileError, av.FFmpegError, OSError, EOFError, ValueError) as error:
        raise _DecoderError(_first_line(error)) from error


@contextmanager
def _opening(why: str = "") -> Iterator[None]:
    """``why``: what is known better than a decoder can say."""
    try:
        with _decoding():
            yield
    except _DecoderError as error:
        raise LoadError(error=why or str(error)) from error


def _plain(fd: int, kind: str, found: Layout, form: Form) -> _Track:
    frames = found.there // form.frame_bytes
    return _Track(SourceInfo(kind, form.subtype, form.rate_hz, form.channels, frames), unpacked(fd, found, form))


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read from start to end. soundfile seeks to where it is after every block of a file that can, which takes as long
    as decoding it.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _soundfile(fd: int, kind: str) -> Iterator[_Track]:
    with _opening():
        file = _Forward(os.dup(fd))  # a descriptor of its own: libsndfile closes what it is given
    with file:
        info = SourceInfo(kind, file.subtype, file.samplerate, file.channels, file.frames)
        yield _Track(info, _soundfile_blocks(file, kind), file.frames)


def _soundfile_blocks(file: soundfile.SoundFile, kind: str) -> Iterator[Block]:
    order = _VORBIS_TO_WAV.get(file.channels) if kind == "ogg" else None
    rest = file.frames
    while rest > 0:  # no further: tags behind the last frame of a FLAC are an error to libsndfile
        with _decoding():
            block = file.read(min(BLOCK_FRAMES, rest), dtype="float32", always_2d=True)
        if not len(block):
            return
        rest -= len(block)
        yield block[:, order] if order else block


class _Behind(FileIO):
    """A file from ``start`` on: behind zeros, FFmpeg overlooks the header in an MP3's first frame."""

    def __init__(self, fd: int, start: int) -> None:
        super().__init__(fd, "rb")
        self._start = start
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset + (0 if whence else self._start), whence) - self._start
        except OSError:  # before the start, as a false header wants it: what is raised here PyAV prints, and goes on
            return -1

    def tell(self) -> int:
        return super().tell() - self._start


@contextmanager
def _pyav(fd: int, kind: str, is_cut: bool) -> Iterator[_Track]:
    with ExitStack() as stack:
        with _opening("truncated: its end is missing, and without it nothing can be read" if is_cut else ""):
            file = stack.enter_context(_Behind(os.dup(fd), mpeg.padding(fd) if kind == "mp3" else 0))
            media = stack.enter_context(av.open(file, "r", metadata_errors="ignore"))
        if not media.streams.audio:
            raise LoadError(error="it holds no audio stream")
        stream = media.streams.audio[0]
        codec = stream.codec_context
        if codec is None or codec.format is None:
            raise LoadError(error="its codec is not known")
        if kind in ("flac", "wavpack"):  # their frames bear checksums, which FFmpeg leaves alone unless asked
            codec.options = {"err_detect": "crccheck+explode"}
        frames = None  # elsewhere a stream's duration is but an estimate
        if kind in ("mp4", "wavpack") and stream.duration and stream.time_base:
            frames = round(stream.duration * stream.time_base * codec.sample_rate)  # behind it AAC leaves a tail
        promised, slack = frames, _MP4_SLACK_FRAMES if kind == "mp4" else 0
        if kind == "mp3" and (counted := mpeg.counted(fd)):
            promised, is_exact = counted
            if is_exact and stream.start_time:  # FFmpeg takes away what the encoder put in front
                frames = promised
            else:
                slack = _MP3_SLACK_FRAMES
        info = SourceInfo(kind, _subtype(codec), codec.sample_rate, codec.channels, frames)
        yield _Track(info, _pyav_blocks(media, stream, info), promised, slack)


def _subtype(codec: av.AudioCodecContext) -> str:
    """The codec's name; of a lossless one with its bits, as libsndfile names them."""
    if codec.name not in ("alac", "flac", "wavpack") or codec.format.name not in ("s16", "s16p", "s32", "s32p"):
        return codec.name.removesuffix("float").upper()
    bits = 16 if codec.format.name.startswith("s16") else 24
    return f"{'PCM' if codec.name == 'flac' else codec.name.upper()}_{bits}"


def _pyav_blocks(media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo) -> Iterator[Block]:
    # One plane of floats: PyAV 18.1 reads past the planes of a frame of eight channels and ends the process.
    packed = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=info.rate_hz)
    pending: list[Block] = []
    pending_frames = done = 0
    try:
        for frame in _pyav_frames(media, stream, info):
            with _decoding():
                pieces: list[Block] = [piece.to_ndarray().reshape(-1, info.channels) for piece in packed.resample(frame)]  # type: ignore[misc]
            for piece in pieces:
                block = piece if info.frames is None else piece[: info.frames - done]
                done += len(block)
                pending.append(block)
                pending_frames += len(block)
            if pending_frames >= BLOCK_FRAMES:
                yield np.concatenate(pending)
                pending, pending_frames = [], 0
            if info.frames is not None and done >= info.frames:  # what may follow are tags
                break
    except _DecoderError:
        if pending_frames:  # so that it can be said how far it went
            yield np.concatenate(pending)
        raise
    if pending_frames:
        yield np.concatenate(pending)


def _pyav_frames(
    media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo
) -> Iterator[av.AudioFrame | None]:
    """Decoded frames, and None behind the last. FFmpeg passes over what is damaged or cut, and says nothing: here it is
    noticed by the time that a frame bears, and by the last packet's length.
    """
    packets = media.demux(stream)
    follows: int | None = None
    usual_size = number = 0
    while True:
        with _decoding():
            packet = next(packets, None)
        if packet and packet.size:
            if info.container in ("mp3", "adts") and not mpeg.is_frame(bytes(packet)[:8]):
                continue
            if packet.is_corrupt or _is_cut(packet, info.container, usual_size):  # FFmpeg would make up the rest
                raise _CutOffError
            usual_size = usual_size or packet.size
            if info.container == "flac":
                number = _next_number(bytes(packet)[:16], number)
        with _decoding():
            frames = packet.decode() if packet else []
        for frame in frames:
            if (frame.sample_rate, frame.layout.nb_channels) != (info.rate_hz, info.channels):
                raise _DecoderError("its rate or channels change in the middle")
            if frame.pts is not None and frame.time_base and info.container != "asf":  # WMA counts in milliseconds
                starts = round(frame.pts * frame.time_base * info.rate_hz)
                if follows is not None and starts > follows + _GAP_FRAMES:
                    raise _DecoderError(f"{(starts - follows) / info.rate_hz:.2f} s of it cannot be decoded")
                follows = starts + frame.samples
            yield frame
        if packet is None:
            yield None
            return


def _next_number(head: bytes, expected: int) -> int:
    """The number that the next FLAC frame must have: FFmpeg passes over frames whose headers are damaged."""
    frame = flac_frame(head)
    if frame is None or (frame[1] != expected and not frame[0]):
        raise _DecoderError("a part of it is damaged")
    return expected if frame[0] else expected + 1


def _is_cut(packet: "av.Packet[av.AudioStream]", kind: str, usual_size: int) -> bool:
    """Whether a packet ends before its frame does: FFmpeg itself tells it of MP4 alone."""
    if kind == "ac3":  # frames are equally long, but for two bytes at 44.1 kHz
        return packet.size < usual_size - 2
    return kind in ("mp3", "adts") and mpeg.is_cut(bytes(packet)[:8], packet.size)


def _first_line(error: Exception) -> str:
    """A decoder's complaint, without its own prefix and full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].removeprefix("Error : ").rstrip(".") if text else "its data is damaged"
