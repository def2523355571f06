"""Parse frames of MPEG audio (MP3) and ADTS (AAC), which differ from junk by following one another."""

from tasks.audio.decode.raw_bytes import read_bytes

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
_PADDING_BYTES = 4096
# Room for the header that is hidden in the first frame.
_SIDE_INFO_BYTES = 240


def skip_id3(fd: int, head: bytes) -> int:
    """Return the offset behind the ID3 tags at the start; 0 without any."""
    start = 0
    while head[:3] == b"ID3" and len(head) >= 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)
        head = read_bytes(fd, 10, start)
    return start


def detect_frames(fd: int, start: int) -> str:
    """Return ``mp3`` or ``adts`` when frames follow one another from ``start`` on, behind padding; else ""."""
    return _first_frame(fd, start)[0]


def count_padding(fd: int) -> int:
    """Count the zeros in front of an MP3."""
    found, start = _first_frame(fd, 0)
    return start if found else 0


def count_samples(fd: int) -> tuple[int, bool] | None:
    """Read how many samples of a channel an MP3 has, from the Xing, Info or VBRI header in its first frame.

    Returns:
        The number, and whether the header knows how many samples an encoder added, which are then not counted; None without
        such a header.
    """
    found, start = _first_frame(fd, skip_id3(fd, read_bytes(fd, 10, 0)))
    head = read_bytes(fd, _SIDE_INFO_BYTES, start) if found == "mp3" else b""
    per_frame = 1152 if len(head) > 1 and head[1] >> 3 & 3 == 3 else 576
    if (at := head.find(b"VBRI")) > 0:
        return int.from_bytes(head[at + 14 : at + 18], "big") * per_frame, False
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at <= 0 or not head[at + 7] & 1:
        return None
    samples = int.from_bytes(head[at + 8 : at + 12], "big") * per_frame
    added_at = at + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if head[at + 7] & bit) + 21
    added = int.from_bytes(head[added_at : added_at + 3], "big")
    return samples - (added >> 12) - (added & 0xFFF), added > 0


def read_rate_hz(fd: int) -> int:
    """Return the rate of an MP3's first frame; 0 where there is none."""
    found, start = _first_frame(fd, skip_id3(fd, read_bytes(fd, 10, 0)))
    head = read_bytes(fd, 4, start) if found == "mp3" else b""
    return _rate_hz(head) if len(head) == 4 else 0


def is_cut(head: bytes, size: int) -> bool:
    """Return whether a packet of ``size`` bytes holds less than the frame that its ``head`` announces."""
    frame = _frame(head)
    return frame is not None and frame[1] > size


def is_frame(head: bytes) -> bool:
    """Return whether a packet is a frame at all: tags and junk behind the sound come as packets, too."""
    return _frame(head) is not None


def _first_frame(fd: int, start: int) -> tuple[str, int]:
    """Return the kind of the frames that begin at ``start`` or behind padding, or ""; and where they begin."""
    head = read_bytes(fd, _PADDING_BYTES, start)
    start += len(head) - len(head.lstrip(b"\0"))
    return _chain(fd, start), start


def _chain(fd: int, start: int) -> str:
    """Return the kind of two frames alike that follow one another from ``start``, or of the only one; else ""."""
    head = read_bytes(fd, 8, start)
    first = _frame(head)
    if not first:
        return ""
    following = read_bytes(fd, 8, start + first[1])
    second = _frame(following)
    alike = second is not None and second[0] == first[0]
    return first[0] if alike or len(following) < 4 else ""


def _frame(head: bytes) -> tuple[str, int] | None:
    """Return the kind and the length in bytes of the MPEG audio or ADTS frame that ``head`` starts with, if it does."""
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
    rate = _rate_hz(head)
    kbps = (_MPEG1_KBPS if mpeg1 else _MPEG2_KBPS)[layer][bitrate_index]
    if layer == 1:
        return "mp3", (12_000 * kbps // rate + padded) * 4
    samples = 1152 if layer == 2 or mpeg1 else 576
    return "mp3", samples * 125 * kbps // rate + padded


def _rate_hz(head: bytes) -> int:
    """Return the rate of the frame that ``head`` starts with."""
    return (44_100, 48_000, 32_000)[head[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[head[1] >> 3 & 3]
