"""Read the boxes of MP4 (ISO/IEC 14496-12): whether they are whole, and what iTunes' gapless data says of the length."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.audio.decode.byte_range import ByteRange

# More boxes in a row than any real file has.
_MAX_BOXES = 10_000
_MAX_TABLE_BYTES = 1 << 20
# What iTunSMPB may leave out of the media: two packets of AAC.
_MAX_UNCOUNTED = 2 * 1024
Part = tuple[int, int]


@dataclass(frozen=True)
class GaplessData:
    """Priming, padding and length in frames at the rate of the media: ``iTunSMPB`` of iTunes, qaac and Nero."""

    priming: int
    padding: int
    frames: int

    def start(self, media_frames: int) -> int | None:
        """Return the first frame that is sound; None where the numbers do not fit media of ``media_frames`` (0: not known).

        What does not add up is held against the length of the media: a start too late by the end, which is counted from there.
        """
        if self.frames <= 0 or self.priming < 0 or self.padding < 0:
            return None
        if media_frames - (self.priming + self.frames + self.padding) > _MAX_UNCOUNTED:  # of another file
            return None
        if not media_frames or self.priming + self.frames <= media_frames:
            return self.priming
        start = media_frames - self.padding - self.frames
        return start if start >= 0 else None


@dataclass(frozen=True)
class Boxes:
    """Length, gapless data and edit list of the first sound track of an MP4.

    Attributes:
        gapless: What ``iTunSMPB`` says; None without it.
        has_edits: Whether an edit list says where the sound starts.
        media_frames: The length of the media before any edit; 0 where the boxes do not say, as in a fragmented file.
        rate_hz: The frames a second of that.
    """

    gapless: GaplessData | None = None
    has_edits: bool = False
    media_frames: int = 0
    rate_hz: int = 0


def is_cut(source: ByteRange) -> bool:
    """Return whether the file ends within a box. Tags behind the boxes are none."""
    last = None
    for name, _, stop in _boxes(source, 0, source.size):
        last = (name, stop)
    return last is not None and last[1] > source.size and last[0] in (b"mdat", b"moov", b"moof")


def read_boxes(source: ByteRange) -> Boxes:
    """Read what the boxes of the first sound track say."""
    whole = (0, source.size)
    gapless = None
    for start, stop in _find(source, whole, b"moov", b"udta", b"meta", b"ilst", b"----"):
        item = source.read(min(stop - start, 1024), start)
        if b"iTunSMPB" in item and (at := item.find(b"data")) >= 0:
            gapless = _parse_gapless(item[at + 12 :])  # behind its type and its language
    for track in _find(source, whole, b"moov", b"trak"):
        if not any(source.read(4, start + 8) == b"soun" for start, _ in _find(source, track, b"mdia", b"hdlr")):
            continue
        media_frames = sum(_sum_times(source, table) for table in _find(source, track, b"mdia", b"minf", b"stbl", b"stts"))
        has_edits = any(True for _ in _find(source, track, b"edts", b"elst"))
        rates = [_time_scale(source.read(24, start)) for start, _ in _find(source, track, b"mdia", b"mdhd")]
        return Boxes(gapless, has_edits, media_frames, *rates[:1])
    return Boxes(gapless)


def _time_scale(header: bytes) -> int:
    at = 20 if header[:1] == b"\x01" else 12  # times of 64 or 32 bits stand in front
    return int.from_bytes(header[at : at + 4], "big")


def _sum_times(source: ByteRange, part: Part) -> int:
    """Sum up a table of how many packets have which length."""
    start, stop = part
    table = source.read(min(stop - start, _MAX_TABLE_BYTES), start)[8:]
    return sum(count * length for count, length in struct.iter_unpack(">II", table[: len(table) // 8 * 8]))


def _parse_gapless(text: bytes) -> GaplessData | None:
    """Parse the text of ``iTunSMPB``: hexadecimal numbers, of which the second to the fourth count frames."""
    try:
        numbers = [int(word, 16) for word in text.decode("ascii", "replace").split()[:4]]
        return GaplessData(*numbers[1:4])
    except (ValueError, TypeError):
        return None


def _find(source: ByteRange, part: Part, *path: bytes) -> Iterator[Part]:
    """Yield where the contents of the boxes stand that have this path below ``part``."""
    if not path:
        yield part
        return
    for name, start, stop in _boxes(source, *part):
        if name == path[0]:
            behind_version = 4 if name == b"meta" else 0
            yield from _find(source, (start + behind_version, min(stop, part[1])), *path[1:])


def _boxes(source: ByteRange, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the boxes in a row. A length of 0 reaches to the end, 1 is followed by a longer one."""
    for _ in range(_MAX_BOXES):
        head = source.read(16, start)
        if start + 8 > stop or len(head) < 8:
            return
        length, name, begin = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:], "big"), start + 16
        if length < 8:  # to the end, or none
            return
        yield name, begin, start + length
        start += length
