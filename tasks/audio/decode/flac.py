"""Parse what FLAC (RFC 9639) says of itself: how long it is, and which of its frames is which."""

from dataclasses import dataclass

from tasks.audio.decode.byte_range import ByteRange

# Read at once: in most files the blocks of metadata end within.
_HEAD_BYTES = 16_384
# Where STREAMINFO ends: behind fLaC, the header of the block, and its 34 bytes.
_INFO_END = 42
_MAX_HEADER_BYTES, _MAX_BLOCKS = 16, 1_000
# The largest frame is not known of a stream; tags may stand behind the last.
_MAX_FRAME_BYTES, _BEHIND_BYTES = 1 << 18, 1 << 16

_RATES_HZ = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
# Rates that stand in the header: of how many bytes, in what unit.
_WRITTEN_RATES = {12: (1, 1_000), 13: (2, 1), 14: (2, 10)}


@dataclass(frozen=True)
class StreamInfo:
    """What stands in STREAMINFO (RFC 9639, 8.2), and behind the blocks of metadata; all 0 where it is missing.

    Attributes:
        frames: How many frames there are (samples of a channel); 0 where it does not say.
        bits: The bits of a sample.
        rate_hz: The frames a second.
        block_frames: The frames in a block, where they do not vary.
        largest_bytes: The size of the largest block; 0 where it does not say.
        first_header: The first bytes of the first block.
    """

    frames: int = 0
    bits: int = 0
    rate_hz: int = 0
    block_frames: int = 0
    largest_bytes: int = 0
    first_header: bytes = b""


def read_stream_info(source: ByteRange) -> StreamInfo:
    """Read STREAMINFO and the header of the first block."""
    head = source.read(_HEAD_BYTES, 0)
    if len(head) < _INFO_END:
        return StreamInfo()
    packed = int.from_bytes(head[18:26], "big")  # 20 bits of rate, 3 of channels, 5 of bits, 36 of frames
    return StreamInfo(
        frames=packed & (1 << 36) - 1,
        bits=(packed >> 36 & 0x1F) + 1,
        rate_hz=packed >> 44,
        block_frames=int.from_bytes(head[10:12], "big"),
        largest_bytes=int.from_bytes(head[15:18], "big"),
        first_header=_first_header(source, head),
    )


def find_contradiction(info: StreamInfo) -> str:
    """Return in what STREAMINFO and the first frame's header contradict each other; empty where they agree.

    A frame's header has a checksum, STREAMINFO has none; a decoder that believes the latter plays at another pitch.
    """
    head = info.first_header
    if not parse_frame_header(head) or not _block_size(head):
        return ""
    frame_hz = _rate_hz(head)
    if frame_hz and frame_hz != info.rate_hz:
        return f"its header claims {info.rate_hz:,} Hz, and its frames {frame_hz:,} Hz"
    return ""


def parse_frame_header(head: bytes) -> tuple[bool, int] | None:
    """Parse the header of a FLAC frame (9.1).

    Returns:
        Whether blocks vary in size, and the number of the frame, or of its first sample if they do; None if it is not a frame.
    """
    if len(head) < 11 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    count = _coded_bytes(head[4])
    if not count:
        return None
    number = head[4] & 0xFF >> count + (count > 1)
    for byte in head[5 : 4 + count]:
        number = number << 6 | byte & 0x3F
    return bool(head[1] & 1), number


def count_by_last_frame(source: ByteRange, info: StreamInfo) -> int:
    """Return how many frames (samples of a channel) a FLAC file has by the number in its last frame's header; 0 without one.

    The header is looked for at the end of the file, as far as a block can reach from there.
    """
    reach = min(min(info.largest_bytes or _MAX_FRAME_BYTES, _MAX_FRAME_BYTES) + _BEHIND_BYTES, source.size)
    tail, like = source.read(reach, source.size - reach), _likeness(info.first_header)
    at = tail.rfind(b"\xff")
    while at >= 0:
        head = tail[at : at + _MAX_HEADER_BYTES]
        parsed = parse_frame_header(head)
        if parsed and _likeness(head) == like and (size := _block_size(head)):
            varies, number = parsed
            return (number if varies else number * info.block_frames) + size
        at = tail.rfind(b"\xff", 0, at)
    return 0


def _first_header(source: ByteRange, head: bytes) -> bytes:
    """Return what stands behind the blocks of metadata; ``head`` are the first bytes of the file."""
    offset = 4
    for _ in range(_MAX_BLOCKS):
        block = head[offset : offset + 4] if offset + 4 <= len(head) else source.read(4, offset)
        if len(block) < 4:
            break
        offset += 4 + int.from_bytes(block[1:], "big")
        if block[0] & 0x80:
            break
    first = head[offset : offset + _MAX_HEADER_BYTES]
    return first if len(first) == _MAX_HEADER_BYTES else source.read(_MAX_HEADER_BYTES, offset)


def _likeness(head: bytes) -> tuple[int, ...]:
    """Return what the headers of all frames of one file have in common: sizes of blocks vary or not, rate and bits."""
    return (head[1], head[2] & 0x0F, head[3] & 0x0F) if len(head) > 3 else ()


def _block_size(head: bytes) -> int:
    """Return the frames in a block by its header (9.1.1), if the header's checksum is right; else 0."""
    code, rate_at, size = head[2] >> 4, _rate_offset(head), 0
    if code == 1:
        size = 192
    elif 2 <= code <= 5:
        size = 576 << code - 2
    elif code >= 8:
        size = 256 << code - 8
    elif code in (6, 7):
        size = int.from_bytes(head[rate_at - (code - 5) : rate_at], "big") + 1
    at = rate_at + _WRITTEN_RATES.get(head[2] & 15, (0, 0))[0]
    return size if len(head) > at and _crc8(head[:at]) == head[at] else 0


def _rate_offset(head: bytes) -> int:
    """Return where a frame's header has its rate, if it is written there: behind the number and a size of up to two bytes."""
    return 4 + _coded_bytes(head[4]) + {6: 1, 7: 2}.get(head[2] >> 4, 0)


def _rate_hz(head: bytes) -> int:
    """Return the frames a second by a frame's header (9.1.2); 0 where it refers to STREAMINFO."""
    code, at = head[2] & 15, _rate_offset(head)
    if code in _WRITTEN_RATES:
        width, unit_hz = _WRITTEN_RATES[code]
        return int.from_bytes(head[at : at + width], "big") * unit_hz
    return _RATES_HZ[code] if code < len(_RATES_HZ) else 0


def _coded_bytes(first: int) -> int:
    """Return how many bytes a number takes whose ``first`` is this (as in UTF-8); 0 if it is none."""
    ones = 0
    while first << ones & 0x80:
        ones += 1
    return 1 if not ones else 0 if ones == 1 or ones > 7 else ones


def _crc8(data: bytes) -> int:
    """Return the checksum of a frame's header: polynomial 0x07."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc
