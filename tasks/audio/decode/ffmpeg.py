"""Decode with FFmpeg, by PyAV: MP3, AAC and ALAC, WavPack, AC-3, WMA, and whatever else libsndfile cannot read whole."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode import flac, mp4, mpeg
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.track import CutOffError, DecoderError, Length, Track, decoding, opening, unaligned

# The end that MP4 gives is rounded by some programs, to less than two frames of AAC.
_MP4_SLACK_FRAMES = 2 * 1024
_GAP_FRAMES = 512
# So much padding at the most encoders leave behind the sound: two packets of ALAC.
_TAIL_FRAMES = 2 * 4096
_NAME = "FFmpeg"


@contextmanager
def open_with_ffmpeg(source: ByteRange, kind: str, length: Length) -> Iterator[Track]:
    """Open a source with FFmpeg.

    Args:
        source: The file.
        kind: Its container.
        length: What that counts.

    Raises:
        LoadError: It cannot be opened.
    """
    boxes = mp4.read_boxes(source) if kind == "mp4" else mp4.Boxes()
    start = boxes.gapless.start(boxes.media_frames) if boxes.gapless else None
    if boxes.gapless and start is None:
        length = replace(length, notes=(*length.notes, "what iTunSMPB says of its length does not fit it, and was ignored"))
    options = {} if start is None else {"ignore_editlist": "1"}
    with ExitStack() as stack:
        with opening(_NAME, "truncated: its end is missing, and without it nothing can be read" if length.is_cut else ""):
            named = "mp3" if kind == "mp3" else None  # the others FFmpeg knows by themselves
            media = stack.enter_context(av.open(source.open(), "r", named, options, metadata_errors="ignore"))
        if not media.streams.audio:
            raise LoadError(error="it holds no audio stream")
        stream = media.streams.audio[0]
        codec = stream.codec_context
        if codec is None or codec.format is None:
            raise LoadError(error="its codec is not known")
        if kind in ("flac", "wavpack"):  # their frames bear checksums, which FFmpeg leaves alone unless asked
            codec.options = {"err_detect": "crccheck+explode"}
        if boxes.gapless and not (start is None and boxes.has_edits):
            codec.options = {"flags2": "+skip_manual"}  # what the encoder added is cut here, by what its program says
        if boxes.gapless and start is not None:
            scale = Fraction(codec.sample_rate, boxes.rate_hz or codec.sample_rate)
            frames = round(boxes.gapless.frames * scale)
            length = replace(length, expected=frames, is_exact=True, skip=round(start * scale))
        else:
            length = _correct(length, kind, stream, boxes)
        bits = flac.read_stream_info(source).bits if kind == "flac" else 0
        info = SourceInfo(kind, _subtype(codec, bits), codec.sample_rate, codec.channels, length.frames, _speakers(codec))
        notes = list(length.notes)
        yield Track(info, _read_blocks(media, stream, info, length, notes), length, notes)


def _correct(length: Length, kind: str, stream: av.AudioStream, boxes: mp4.Boxes) -> Length:
    """Correct what the container counts by what FFmpeg makes of its time stamps."""
    codec, unit = stream.codec_context, stream.time_base
    if kind in ("mp4", "wavpack") and stream.duration and unit:  # elsewhere it is but an estimate
        frames = round(stream.duration * unit * codec.sample_rate)  # behind it AAC leaves a tail
        missing = _MP4_SLACK_FRAMES if kind == "mp4" else 0
        notes = () if boxes.has_edits or kind != "mp4" or codec.name not in ("aac", "mp3float") else (unaligned("this M4A"),)
        return replace(length, expected=frames, is_exact=True, missing=missing, notes=(*length.notes, *notes))
    return length


def read_start(source: ByteRange) -> int:
    """Return when the sound starts by its time stamps, in frames: mostly 0; less if the file was cut from a longer one."""
    with suppress(av.FFmpegError, OSError, ValueError), av.open(source.open(), "r", metadata_errors="ignore") as media:
        stream = media.streams.audio[0] if media.streams.audio else None
        if not stream or not stream.time_base or not stream.codec_context:
            return 0
        start = stream.start_time
        if stream.codec_context.name == "vorbis":  # whose first packet gives no sound
            start = [packet.pts for packet, _ in zip(media.demux(stream), range(2), strict=False)][-1]
        return round((start or 0) * stream.time_base * stream.codec_context.sample_rate)
    return 0


def read_speakers(source: ByteRange) -> tuple[str, ...]:
    """Read the speakers of a file of more than two channels from its header; none where nothing names them."""
    with suppress(av.FFmpegError, OSError, ValueError), av.open(source.open(), "r", metadata_errors="ignore") as media:
        if media.streams.audio and media.streams.audio[0].codec_context:
            return _speakers(media.streams.audio[0].codec_context)
    return ()


def _speakers(codec: av.AudioCodecContext) -> tuple[str, ...]:
    """Return the speakers of more than two channels; none where nothing names them."""
    names = tuple(channel.name for channel in codec.layout.channels)
    return names if len(names) == codec.channels > 2 and codec.layout.name != f"{codec.channels} channels" else ()


def _subtype(codec: av.AudioCodecContext, bits: int) -> str:
    """Return the codec's name; of a lossless one with its bits (0: by the decoder), as libsndfile names them."""
    if codec.name not in ("alac", "flac", "wavpack") or codec.format.name not in ("s16", "s16p", "s32", "s32p"):
        return codec.name.removesuffix("float").upper()
    bits = bits or (16 if codec.format.name.startswith("s16") else 24)
    return f"{'PCM' if codec.name == 'flac' else codec.name.upper()}_{bits}"


def _read_blocks(
    media: av.container.InputContainer, stream: av.AudioStream, info: SourceInfo, length: Length, notes: list[str]
) -> Iterator[Block]:
    """Decode as many frames as the length says.

    What a decoder gives behind that end is held back: little of it is padding, and left out; more of it is sound that the
    container does not count.
    """
    # One plane of floats: PyAV 18.1 reads past the planes of a frame of eight channels and ends the process.
    packed = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=info.rate_hz)
    expected, limit = length.frames, length.surplus or _TAIL_FRAMES
    pending: list[Block] = []
    tail: list[Block] = []
    done = -length.skip
    try:
        for frame in _decode_frames(media, stream, info):
            with decoding(_NAME):
                pieces: list[Block] = [piece.to_ndarray().reshape(-1, info.channels) for piece in packed.resample(frame)]  # type: ignore[misc]
            for piece in pieces:
                start = min(max(-done, 0), len(piece))
                stop = len(piece) if expected is None else min(max(expected - done, start), len(piece))
                done += len(piece)
                pending.append(piece[start:stop])
                if stop < len(piece):
                    tail.append(piece[stop:])
            if expected is not None and done > expected + limit:
                notes.append(f"its container counts {expected:,} frames, and more are there and were read")
                pending, tail, expected = [*pending, *tail], [], None
            if sum(map(len, pending)) >= BLOCK_FRAMES:
                yield np.concatenate(pending)
                pending = []
    except DecoderError:
        if sum(map(len, pending)):  # so that it can be said how far it went
            yield np.concatenate(pending)
        if expected is None or done < expected:
            raise
        return  # what follows the sound are tags
    if sum(map(len, pending)):
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
        with decoding(_NAME):
            packet = next(packets, None)
        if packet and packet.size:
            if info.container in ("mp3", "adts") and not mpeg.is_frame(bytes(packet)[:8]):
                continue
            if packet.is_corrupt or _is_cut(packet, info.container, usual_size):  # FFmpeg would make up the rest
                raise CutOffError
            usual_size = usual_size or packet.size
            if info.container == "flac":
                number = _next_number(bytes(packet)[:16], number)
        frames = _decode_packet(packet, packets) if packet else []
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


def _decode_packet(
    packet: "av.Packet[av.AudioStream]", following: "Iterator[av.Packet[av.AudioStream]]"
) -> list[av.AudioFrame]:
    """Decode a packet. Where the last one cannot be decoded, the file was cut in it."""
    try:
        with decoding(_NAME):
            return packet.decode()
    except DecoderError as error:
        with decoding(_NAME):
            is_last = not any(later.size for later in following)
        raise CutOffError if is_last else error from error


def _next_number(head: bytes, expected: int) -> int:
    """Return the number that the next FLAC frame must have: FFmpeg passes over frames whose headers are damaged."""
    frame = flac.parse_frame_header(head)
    if frame is None or (frame[1] != expected and not frame[0]):
        raise DecoderError("a part of it is damaged")
    return expected if frame[0] else expected + 1


def _is_cut(packet: "av.Packet[av.AudioStream]", kind: str, usual_size: int) -> bool:
    """Return whether a packet ends before its frame does: FFmpeg itself says so of MP4 alone."""
    if kind == "ac3":  # frames are equally long, but for two bytes at 44.1 kHz
        return packet.size < usual_size - 2
    return kind in ("mp3", "adts") and mpeg.is_cut(bytes(packet)[:8], packet.size)
