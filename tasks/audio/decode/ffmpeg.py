"""Decode with FFmpeg, by PyAV: MP3, AAC and ALAC, WavPack, AC-3, WMA, and whatever else libsndfile cannot read whole."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO

import av
import numpy as np

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode import mpeg
from tasks.audio.decode.detect import parse_flac_frame
from tasks.audio.decode.track import CutOffError, DecoderError, Track, decoding, opening

# An MP3's header counts whole frames, of which a decoder may give one more or less at either end; unless it says, too, how
# much its encoder added.
_MP3_SLACK_FRAMES = 2 * 1152
# The end that MP4 gives is rounded by some programs, to less than two frames of AAC.
_MP4_SLACK_FRAMES = 2 * 1024
_GAP_FRAMES = 512


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
def open_with_ffmpeg(fd: int, kind: str, is_cut: bool) -> Iterator[Track]:
    """Open a source. ``kind`` is its container; ``is_cut``: its end is known to be missing. Raises LoadError."""
    with ExitStack() as stack:
        with opening("truncated: its end is missing, and without it nothing can be read" if is_cut else ""):
            file = stack.enter_context(_Behind(os.dup(fd), mpeg.count_padding(fd) if kind == "mp3" else 0))
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
        if kind == "mp3" and (counted := mpeg.count_samples(fd)):
            promised, is_exact = counted
            if is_exact and stream.start_time:  # FFmpeg takes away what the encoder put in front
                frames = promised
            else:
                slack = _MP3_SLACK_FRAMES
        info = SourceInfo(kind, _subtype(codec), codec.sample_rate, codec.channels, frames)
        yield Track(info, _read_blocks(media, stream, info), promised, slack)


def _subtype(codec: av.AudioCodecContext) -> str:
    """Return the codec's name; of a lossless one with its bits, as libsndfile names them."""
    if codec.name not in ("alac", "flac", "wavpack") or codec.format.name not in ("s16", "s16p", "s32", "s32p"):
        return codec.name.removesuffix("float").upper()
    bits = 16 if codec.format.name.startswith("s16") else 24
    return f"{'PCM' if codec.name == 'flac' else codec.name.upper()}_{bits}"


def _read_blocks(media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo) -> Iterator[Block]:
    # One plane of floats: PyAV 18.1 reads past the planes of a frame of eight channels and ends the process.
    packed = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=info.rate_hz)
    pending: list[Block] = []
    pending_frames = done = 0
    try:
        for frame in _decode_frames(media, stream, info):
            with decoding():
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
    except DecoderError:
        if pending_frames:  # so that it can be said how far it went
            yield np.concatenate(pending)
        raise
    if pending_frames:
        yield np.concatenate(pending)


def _decode_frames(
    media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo
) -> Iterator[av.AudioFrame | None]:
    """Decode frames, and yield None behind the last.

    FFmpeg passes over what is damaged or cut, and says nothing: here it is noticed by the time that a frame bears, and by
    the last packet's length.
    """
    packets = media.demux(stream)
    follows: int | None = None
    usual_size = number = 0
    while True:
        with decoding():
            packet = next(packets, None)
        if packet and packet.size:
            if info.container in ("mp3", "adts") and not mpeg.is_frame(bytes(packet)[:8]):
                continue
            if packet.is_corrupt or _is_cut(packet, info.container, usual_size):  # FFmpeg would make up the rest
                raise CutOffError
            usual_size = usual_size or packet.size
            if info.container == "flac":
                number = _next_number(bytes(packet)[:16], number)
        with decoding():
            frames = packet.decode() if packet else []
        for frame in frames:
            if (frame.sample_rate, frame.layout.nb_channels) != (info.rate_hz, info.channels):
                raise DecoderError("its rate or channels change in the middle")
            if frame.pts is not None and frame.time_base and info.container != "asf":  # WMA counts in milliseconds
                starts = round(frame.pts * frame.time_base * info.rate_hz)
                if follows is not None and starts > follows + _GAP_FRAMES:
                    raise DecoderError(f"{(starts - follows) / info.rate_hz:.2f} s of it cannot be decoded")
                follows = starts + frame.samples
            yield frame
        if packet is None:
            yield None
            return


def _next_number(head: bytes, expected: int) -> int:
    """Return the number that the next FLAC frame must have: FFmpeg passes over frames whose headers are damaged."""
    frame = parse_flac_frame(head)
    if frame is None or (frame[1] != expected and not frame[0]):
        raise DecoderError("a part of it is damaged")
    return expected if frame[0] else expected + 1


def _is_cut(packet: "av.Packet[av.AudioStream]", kind: str, usual_size: int) -> bool:
    """Return whether a packet ends before its frame does: FFmpeg itself says so of MP4 alone."""
    if kind == "ac3":  # frames are equally long, but for two bytes at 44.1 kHz
        return packet.size < usual_size - 2
    return kind in ("mp3", "adts") and mpeg.is_cut(bytes(packet)[:8], packet.size)
