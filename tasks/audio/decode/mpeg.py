"""Parse frames of MPEG audio (MP3) and ADTS (AAC), which differ from junk by following one another; and count them."""

import re
from dataclasses import dataclass, replace

from schemas.errors import LoadError
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.track import Length, unaligned
from tasks.audio.tags.id3 import tag_length

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
_MAX_TAGS = 16
# Behind a tag, frames are looked for: so far, and so many that follow one another. Elsewhere programs would pass for MP3s.
_SEARCH_BYTES, _SEARCH_FRAMES = 1 << 16, 3
# A tag whose length counts its own header is that much shorter.
_TAG_OVERSHOOT = 64
# How a frame may begin: eleven bits of sync, and a bit rate that there is.
_SYNC = re.compile(rb"\xff[\xe0-\xff][\x00-\xef]", re.DOTALL)
_MAX_PARTS = 1_000
# Who writes the encoder's delay and padding behind a Xing header.
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
_PIECE_BYTES = 1 << 18
# What a decoder of MPEG audio adds in front of the delay of an encoder.
_DECODER_DELAY = 529
_MAX_FRAME_BYTES = 1441  # 320 kbit/s at 32 kHz, padded
# Room for the header that is hidden in the first frame.
_SIDE_INFO_BYTES, _VBRI_AT = 240, 36
# A last frame may lack this part of its bytes: some encoders leave out its padding, and a decoder reads it nonetheless.
_RAGGED = 1 / 8
# A decoder may give so many frames less than there are, where no header says how much an encoder added.
SLACK_FRAMES = 2 * 1152


@dataclass(frozen=True)
class _XingHeader:
    """The header in an MP3's first frame (Xing, Info or VBRI); a field is None where the header leaves it out.

    ``delay`` and ``padding``: samples that the encoder added in front and behind, 0 where it does not say.
    """

    frames: int | None = None
    bytes: int | None = None
    delay: int = 0
    padding: int = 0


@dataclass(frozen=True)
class Mp3Part:
    """An MP3, or one of several that were put together in a file.

    Attributes:
        source: Its bytes, from its first frame of sound on.
        length: How many frames there must be, from a decoder that does not see the header.
    """

    source: ByteRange
    length: Length


@dataclass
class _Walk:
    """Frames that follow one another: where they start, their number, and how much of the last is missing, in bytes."""

    start: int
    frames: int = 0
    end: int = 0
    missing: int = 0
    last_bytes: int = 0

    @property
    def is_cut(self) -> bool:
        return self.missing > self.last_bytes * _RAGGED


def skip_tags(source: ByteRange, start: int = 0) -> int:
    """Return the offset behind the ID3 and APE tags that begin at ``start``; ``start`` without any."""
    for _ in range(_MAX_TAGS):
        head = source.read(32, start)
        if length := tag_length(head):
            start += length
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            start += 32 + int.from_bytes(head[12:16], "little")
        elif head[:3] == b"TAG":  # ID3v1, behind a file that another was put behind
            start += 128
        else:
            break
    return min(start, source.size)


def find_frames(source: ByteRange, start: int, behind_tag: bool) -> tuple[str, int]:
    """Find the first frame from ``start`` on, behind zeros; behind a tag, also behind some junk.

    Returns:
        ``mp3`` or ``adts``, or "" without any; and the offset of the frame.
    """
    head = source.read(_PADDING_BYTES, start)
    first = start + len(head) - len(head.lstrip(b"\0"))
    kind = _chain(source, first)
    if kind or not behind_tag:
        return kind, first
    start = max(start - _TAG_OVERSHOOT, 0)
    found = _search(source.read(_SEARCH_BYTES, start))
    return (found[0], start + found[1]) if found else ("", start)


def _search(data: bytes) -> tuple[str, int] | None:
    """Find the first of some frames alike that follow one another in ``data``: its kind and offset."""
    for match in _SYNC.finditer(data):
        frame = first = _frame(data[match.start() : match.start() + 8])
        end = match.start()
        for _ in range(_SEARCH_FRAMES - 1):
            if not frame:
                break
            end += frame[1]
            frame = _frame(data[end : end + 8])
            frame = frame if frame and first and frame[0] == first[0] else None
        if frame and first:
            return first[0], match.start()
    return None


def _search_on(source: ByteRange, offset: int) -> int | None:
    """Find the next frames that follow one another, as far as the file reaches: the offset of the first."""
    while offset < source.size:
        if found := _search(source.read(_SEARCH_BYTES + _SEARCH_FRAMES * _MAX_FRAME_BYTES, offset)):
            return offset + found[1]
        offset += _SEARCH_BYTES
    return None


def read_parts(source: ByteRange) -> tuple[Mp3Part, ...]:
    """Read the parts of an MP3 that begins with its first frame: most files are one.

    Raises:
        LoadError: Frames of another kind follow: two files of different rates were put together.
    """
    return tuple(_measure(source.part(walk.start, walk.end - walk.start), walk) for walk in _walk_frames(source))


def _measure(source: ByteRange, walk: _Walk) -> Mp3Part:
    """Measure a part by what its header says, and by the walk from frame to frame.

    A header is believed where the frames agree with it, or else the bytes. One that is of another file, or counts itself, or
    was never filled in, gives way to the frames that are there.
    """
    head = source.read(_SIDE_INFO_BYTES, 0)
    first = _frame(head)
    head = head[: first[1]] if first else head
    per_frame, found = _samples_per_frame(head), _read_header(head)
    header, frames = found or _XingHeader(), walk.frames - (found is not None) - walk.is_cut
    counted, size = header.frames or frames, walk.end - walk.start
    added = header.delay + header.padding
    is_all_there = header.bytes is not None and 0 < header.bytes <= size
    counts_itself = counted == frames + 1 and (is_all_there or (header.bytes is None and not walk.missing))
    too_few_frames = counted > frames and not is_all_there and not counts_itself
    if frames <= 0:
        raise LoadError(error="it holds no sound (0 frames)")
    # FFmpeg believes a header, whatever it says: so it is not shown one, and what the header says is done here.
    sound = source.part(first[1]) if found and first else source
    skip = header.delay + _DECODER_DELAY if header.delay else 0
    if too_few_frames or (walk.missing and header.bytes and not is_all_there):
        return Mp3Part(sound, Length(counted * per_frame - added, skip=skip, is_cut=True))
    notes = []
    if walk.missing and not walk.is_cut:
        notes.append(f"the last frame of its MPEG audio lacks {walk.missing} bytes")
    if counted != frames and not counts_itself:
        notes.append(f"its header counts {counted:,} frames of MPEG audio, and {frames:,} are there and were read")
    if not header.delay:
        notes.append(unaligned("an MP3 without the data of its encoder"))
    # More than a frame behind what the header counts in bytes was put there later: then nothing says what the last one pads.
    is_end_known = added > 0 and (counted >= frames or (is_all_there and size - (header.bytes or 0) <= _MAX_FRAME_BYTES))
    if is_end_known:
        missing = max(_DECODER_DELAY - header.padding, 0)
        length = Length(frames * per_frame - added, is_exact=True, missing=missing, is_cut=walk.is_cut, notes=tuple(notes))
    else:
        length = Length(frames * per_frame - header.delay, missing=SLACK_FRAMES, is_cut=walk.is_cut, notes=tuple(notes))
    return Mp3Part(sound, replace(length, skip=skip))


def _read_header(head: bytes) -> _XingHeader | None:
    """Read the header in the first frame of an MP3; None where there is none."""
    if head[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        return _XingHeader(_number(head, _VBRI_AT + 14, 4), _number(head, _VBRI_AT + 10, 4))
    at = _find_header(head, 0)
    if not at:
        return None
    flags, at, fields = _number(head, at + 7, 1), at + 8, {}
    for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)):  # frames, bytes, a table for seeking, quality
        if flags & bit:
            fields[bit] = _number(head, at, size)
            at += size
    added = _number(head, at + 21, 3) if head[at : at + 4] in _ENCODERS else 0
    return _XingHeader(fields.get(1), fields.get(2), added >> 12, added & 0xFFF)


def _number(head: bytes, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "big")


def _walk_frames(source: ByteRange) -> list[_Walk]:
    """Walk from frame to frame, and over junk between them, as FFmpeg does; a header begins another part."""
    like = _likeness(source.read(4, 0))
    data, base, at, walks = b"", 0, 0, [_Walk(0)]
    while at < source.size:
        if at + _SIDE_INFO_BYTES > base + len(data):
            data, base = source.read(_PIECE_BYTES, at), at
        head = data[at - base : at - base + 8]
        frame = _frame(head)
        if not frame or _likeness(head) != like:
            behind = skip_tags(source, at)
            following = _search_on(source, max(behind, at + 1))
            if following is None:
                break
            if _likeness(source.read(4, following)) != like:
                raise LoadError(error="it is made of files of different kinds, put together")
            if behind > at or source.read(8, following - 32) == b"APETAGEX":
                walks.append(_Walk(following))
            at = following
            continue
        if walks[-1].frames and _find_header(data, at - base):
            if walks[-1].frames == 1 and _find_header(source.read(_SIDE_INFO_BYTES, walks[-1].start), 0):
                walks.pop()  # a header in front of a header
            walks.append(_Walk(at))
        if len(walks) > _MAX_PARTS:
            raise LoadError(error=f"it is made of more than {_MAX_PARTS:,} files put together")
        walk = walks[-1]
        walk.frames, walk.last_bytes = walk.frames + 1, frame[1]
        at += frame[1]
        walk.missing = max(at - source.size, 0)
        walk.end = at - walk.missing
    return walks


def _find_header(data: bytes, at: int) -> int:
    """Return where the Xing or Info header stands in the frame at ``at``: behind the side information; 0 without one."""
    is_mpeg1, is_mono = data[at + 1] >> 3 & 3 == 3, data[at + 3] >> 6 == 3
    at += 4 + ((17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17))
    return next((place for place in (at, at + 2) if data[place : place + 4] in (b"Xing", b"Info")), 0)  # behind a checksum


def _likeness(head: bytes) -> tuple[int, ...]:
    """Return what all frames of one file have in common: version, layer and rate."""
    return (head[1] & 0xFE, head[2] & 0x0C) if len(head) > 3 else ()


def _samples_per_frame(head: bytes) -> int:
    layer, is_mpeg1 = 4 - (head[1] >> 1 & 3), head[1] >> 3 & 3 == 3
    return {1: 384, 2: 1152}.get(layer, 1152 if is_mpeg1 else 576)


def count_frames(source: ByteRange) -> int | None:
    """Count the frames that are sound of an MP3 that begins with its first frame; None where nothing says it exactly."""
    counts = [part.length.frames for part in read_parts(source)]
    return None if None in counts else sum(filter(None, counts))


def read_rate_hz(source: ByteRange) -> int:
    """Return the rate of an MP3 that begins with its first frame."""
    return _rate_hz(source.read(4, 0))


def read_channels(source: ByteRange) -> int:
    """Return the number of channels of an MP3 that begins with its first frame."""
    return 1 if source.read(4, 0)[3] >> 6 == 3 else 2


def is_interrupted(source: ByteRange) -> bool:
    """Return whether something that is no tag stands between the frames of an ADTS stream."""
    at = 0
    while at < source.size:
        frame = _frame(source.read(8, at))
        if frame:
            at += frame[1]
            continue
        behind = skip_tags(source, at)
        if behind == at:
            return _search_on(source, at + 1) is not None
        at = behind
    return False


def is_cut(head: bytes, size: int) -> bool:
    """Return whether a packet of ``size`` bytes holds less than the frame that its ``head`` announces."""
    frame = _frame(head)
    return frame is not None and frame[1] - size > (frame[1] * _RAGGED if frame[0] == "mp3" else 0)


def is_frame(head: bytes) -> bool:
    """Return whether a packet is a frame at all: tags and junk behind the sound come as packets, too."""
    return _frame(head) is not None


def _chain(source: ByteRange, start: int) -> str:
    """Return the kind of two frames alike that follow one another from ``start``, or of the only one; else ""."""
    first = _frame(source.read(8, start))
    if not first:
        return ""
    following = source.read(8, start + first[1])
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
    return "mp3", _samples_per_frame(head) * 125 * kbps // rate + padded


def _rate_hz(head: bytes) -> int:
    """Return the rate of the frame that ``head`` starts with."""
    return (44_100, 48_000, 32_000)[head[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[head[1] >> 3 & 3]
