"""Parse what FLAC (RFC 9639) says of itself: how long it is, and which of its frames is which."""

from tasks.audio.decode.byte_range import ByteRange

# Where STREAMINFO ends: behind fLaC, the header of the block, and its 34 bytes.
_INFO_END = 42
_MAX_HEADER_BYTES, _MAX_BLOCKS = 16, 1_000
# The largest frame is not known of a stream; tags may stand behind the last.
_MAX_FRAME_BYTES, _BEHIND_BYTES = 1 << 18, 1 << 16

_RATES_HZ = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
# Rates that stand in the header: of how many bytes, in what unit.
_WRITTEN_RATES = {12: (1, 1_000), 13: (2, 1), 14: (2, 10)}


def read_stream_info(source: ByteRange) -> tuple[int, int]:
    """Return how many frames a FLAC file has by its STREAMINFO (8.2), 0 where it does not say; and the bits of a sample."""
    packed = source.read(6, 20)
    if len(packed) < 6:
        return 0, 0
    bits = (packed[0] & 1) << 4 | packed[1] >> 4
    return int.from_bytes(packed[1:], "big") & (1 << 36) - 1, bits + 1


def find_contradiction(source: ByteRange) -> str:
    """Return in what STREAMINFO and the first frame's header contradict each other; empty where they agree.

    A frame's header has a checksum, STREAMINFO has none; a decoder that believes the latter plays at another pitch.
    """
    info, head = source.read(_INFO_END, 0), _first_header(source)
    if len(info) < _INFO_END or not parse_frame_header(head) or not _block_size(head):
        return ""
    told_hz, frame_hz = int.from_bytes(info[18:21], "big") >> 4, _rate_hz(head)
    if frame_hz and told_hz != frame_hz:
        return f"its header claims {told_hz:,} Hz, and its frames {frame_hz:,} Hz"
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


def count_by_last_frame(source: ByteRange) -> int | None:
    """Return how many frames (samples of a channel) a FLAC file has by the number in its last frame's header; None without one.

    The header is looked for at the end of the file, as far as a block can reach from there.
    """
    info = source.read(_INFO_END, 0)
    if len(info) < _INFO_END:
        return None
    largest, block_frames = int.from_bytes(info[15:18], "big"), int.from_bytes(info[10:12], "big")
    reach = min(min(largest or _MAX_FRAME_BYTES, _MAX_FRAME_BYTES) + _BEHIND_BYTES, source.size)
    tail, like = source.read(reach, source.size - reach), _likeness(_first_header(source))
    at = tail.rfind(b"\xff")
    while at >= 0:
        head = tail[at : at + _MAX_HEADER_BYTES]
        parsed = parse_frame_header(head)
        if parsed and _likeness(head) == like and (size := _block_size(head)):
            varies, number = parsed
            return (number if varies else number * block_frames) + size
        at = tail.rfind(b"\xff", 0, at)
    return None


def _first_header(source: ByteRange) -> bytes:
    """Return what stands behind the blocks of metadata."""
    offset = 4
    for _ in range(_MAX_BLOCKS):
        head = source.read(4, offset)
        if len(head) < 4:
            break
        offset += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return source.read(_MAX_HEADER_BYTES, offset)


def _likeness(head: bytes) -> tuple[int, ...]:
    """Return what the headers of all frames of one file have in common: sizes of blocks vary or not, rate and bits."""
    return (head[1], head[2] & 0x0F, head[3] & 0x0F) if len(head) > 3 else ()


def _block_size(head: bytes) -> int:
    """Return the frames in a block by its header (9.1.1), if the header's checksum is right; else 0."""
    code, sample_rate = head[2] >> 4, head[2] & 15
    at, size = 4 + _coded_bytes(head[4]), 0
    if code == 1:
        size = 192
    elif 2 <= code <= 5:
        size = 576 << code - 2
    elif code >= 8:
        size = 256 << code - 8
    elif code in (6, 7):
        width = code - 5
        size = int.from_bytes(head[at : at + width], "big") + 1
        at += width
    at += _WRITTEN_RATES.get(sample_rate, (0, 0))[0]
    return size if len(head) > at and _crc8(head[:at]) == head[at] else 0


def _rate_hz(head: bytes) -> int:
    """Return the frames a second by a frame's header (9.1.2); 0 where it refers to STREAMINFO."""
    code, at = head[2] & 15, 4 + _coded_bytes(head[4]) + {6: 1, 7: 2}.get(head[2] >> 4, 0)
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
