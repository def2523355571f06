"""Frames of MPEG audio (MP3) and ADTS (AAC), told from junk by following one another."""

from collections.abc import Iterator

from tasks.sound.raw import read

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
# Sync bits come by chance in any data: this far behind tags and padding a stream may begin, if three frames follow.
_SEARCHED_BYTES = 1 << 16
_SIDE_INFO_BYTES = 200


def behind_id3(fd: int, head: bytes) -> int:
    """Where the ID3 tags at the start end; 0 without any."""
    start = 0
    while head[:3] == b"ID3" and len(head) >= 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)
        head = read(fd, 10, start)
    return start


def kind(fd: int, start: int) -> str:
    """``mp3`` or ``adts`` when frames begin at ``start`` or, behind padding or junk, a little later; else ""."""
    found = _first_frame(fd, start)
    return found[0] if found else ""


def says_length(fd: int) -> bool:
    """Whether the first frame of an MP3 says how many there are: a Xing, Info or VBRI header."""
    found = _first_frame(fd, behind_id3(fd, read(fd, 10, 0)))
    if not found:
        return False
    head = read(fd, _SIDE_INFO_BYTES, found[1])
    return any(name in head for name in (b"Xing", b"Info", b"VBRI"))


def is_cut(head: bytes, size: int) -> bool:
    """Whether a packet of ``size`` bytes holds less than the frame that its ``head`` announces."""
    frame = _frame(head)
    return frame is not None and frame[1] > size


def _first_frame(fd: int, start: int) -> tuple[str, int] | None:
    """The kind and the place of the first frame."""
    head = read(fd, _SEARCHED_BYTES, start)
    padding = len(head) - len(head.lstrip(b"\0"))
    for at in (padding, *_syncs(head, padding + 1)):
        found = _chain(fd, start + at, 2 if at == padding else 4)
        if found:
            return found, start + at
    return None


def _syncs(head: bytes, at: int) -> Iterator[int]:
    while (at := head.find(b"\xff", at)) >= 0:
        if at + 1 < len(head) and head[at + 1] & 0xE0 == 0xE0:
            yield at
        at += 1


def _chain(fd: int, start: int, wanted: int) -> str:
    """The kind of ``wanted`` frames that follow one another from ``start``, or of as many as there are; else ""."""
    kinds: set[str] = set()
    for number in range(wanted):
        head = read(fd, 8, start)
        if len(head) < 4 and number:
            break
        frame = _frame(head)
        if not frame:
            return ""
        kinds.add(frame[0])
        start += frame[1]
    return kinds.pop() if len(kinds) == 1 else ""


def _frame(head: bytes) -> tuple[str, int] | None:
    """The kind and the length in bytes of an MPEG audio or ADTS frame, if ``head`` starts with one."""
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
    rate_hz = (44_100, 48_000, 32_000)[rate_index] // (1 if mpeg1 else 2 if version == 2 else 4)
    kbps = (_MPEG1_KBPS if mpeg1 else _MPEG2_KBPS)[layer][bitrate_index]
    if layer == 1:
        return "mp3", (12_000 * kbps // rate_hz + padded) * 4
    samples = 1152 if layer == 2 or mpeg1 else 576
    return "mp3", samples * 125 * kbps // rate_hz + padded
