"""Read the chunks of WAV, RF64, W64, AIFF, CAF and AU: where the sound lies, and the loops, cue points and tempo beside it.

libsndfile reads what there is of a file that was cut short, and reads nothing where a recorder never filled in the
length; and no library gives ``smpl``, ``cue `` and ``acid``. So the headers are read here.
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tasks.audio.decode.raw_bytes import read_bytes

# More than any real file has: a false one could keep a reader busy for hours.
_MAX_CHUNKS = 4096
_MAX_EXTRA_BYTES = 1 << 20
_UNKNOWN_32 = 0xFFFFFFFF
# What programs that write to a pipe put where the length belongs (SoX: 0x7ffff000 and a little more).
_FROM_A_PIPE = 0x7FFFF000
# The tail of the GUIDs that stand for a WAVE format tag (RFC 2361; Microsoft, WAVEFORMATEXTENSIBLE).
_TAG_GUID = bytes.fromhex("000000001000800000aa00389b71")
_W64 = {name: uuid.UUID(f"{code}-acf3-11d3-8cd1-00c04f8edb8a").bytes_le for name, code in
        {b"fmt ": "20746d66", b"data": "61746164"}.items()}  # fmt: skip
_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_MPEG = (b"\x50\0", b"\x55\0")
_EXTRAS = (b"smpl", b"cue ", b"acid", b"iXML")
_TAGS = (b"LIST", b"id3 ", b"ID3 ")
_AIFC_CODES = {b"NONE": ">i", b"twos": ">i", b"in24": ">i", b"in32": ">i", b"sowt": "<i", b"fl32": ">f", b"FL32": ">f",
               b"fl64": ">f", b"FL64": ">f"}  # fmt: skip


@dataclass(frozen=True)
class SampleFormat:
    """The storage format of plain samples. ``code``: byte order and kind (``<i``, ``>f``, ``<u``); ``bits``: 8 to 64."""

    code: str
    bits: int
    channels: int
    rate_hz: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame, of all channels."""
        return self.bits // 8 * self.channels

    @property
    def subtype(self) -> str:
        """The subtype, as libsndfile names it."""
        if self.code[1] == "f":
            return "FLOAT" if self.bits == 32 else "DOUBLE"
        if self.bits == 8:
            return "PCM_U8" if self.code[1] == "u" else "PCM_S8"
        return f"PCM_{self.bits}"


@dataclass(frozen=True)
class ExtraChunks:
    """Chunks of a WAV file beside its sound, as they stand there without id and length; b"" where there is none."""

    smpl: bytes = b""
    cue: bytes = b""
    acid: bytes = b""
    ixml: bytes = b""


@dataclass(frozen=True)
class ChunkLayout:
    """The place of the sound's bytes in a file.

    Attributes:
        start: The offset of the first.
        there: How many of them the file has.
        promised: How many the header says there are; None where it does not know.
        form: How to unpack them; None where it takes more than unpacking.
        extras: The chunks beside them.
        by_ffmpeg: libsndfile could read them, but prints what it thinks of damage (MPEG in a WAV, ALAC in a CAF).
        tagged: Whether a WAV has chunks for tags.
    """

    start: int
    there: int
    promised: int | None
    form: SampleFormat | None
    extras: ExtraChunks = ExtraChunks()
    by_ffmpeg: bool = False
    tagged: bool = False

    @property
    def whole(self) -> bool:
        """True if all frames are there that the header promises."""
        frame_bytes = self.form.frame_bytes if self.form else 1  # part of a frame was never one
        return self.promised is None or self.there // frame_bytes >= self.promised // frame_bytes


def read_chunk_layout(fd: int, kind: str, size: int) -> ChunkLayout | None:
    """Read the layout of a file of ``size`` bytes, whose container is ``kind``; None when its chunks do not say."""
    readers = {"wav": _wav, "w64": _w64, "aiff": _aiff, "caf": _caf, "au": _au}
    if kind not in readers:
        return None
    try:
        return readers[kind](fd, size)
    except struct.error:  # cut off in the middle of a header
        return None


def _walk(
    fd: int, offset: int, size: int, header: str, *, align: int = 2, counts_header: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's id, the offset of what it holds, and its length. The last may promise too much.

    Chunks are padded to lengths that ``align`` divides. ``counts_header``: the lengths in the file include their header.
    """
    head = struct.Struct(header)
    for _ in range(_MAX_CHUNKS):
        if offset + head.size > size:
            return
        name, length = head.unpack(read_bytes(fd, head.size, offset))
        length -= head.size if counts_header else 0
        yield name, offset + head.size, length
        length = max(length, 0)
        offset += head.size + length + -length % align


def _span(start: int, promised: int | None, size: int, form: SampleFormat | None) -> ChunkLayout:
    rest = max(size - start, 0)
    return ChunkLayout(start, rest if promised is None else min(rest, promised), promised, form)


def _wav(fd: int, size: int) -> ChunkLayout | None:
    riff = read_bytes(fd, 4, 0)
    order = ">" if riff == b"RIFX" else "<"
    whole = struct.unpack(f"{order}I", read_bytes(fd, 4, 4))[0]
    long_data, mpeg, tagged = None, False, False
    form: SampleFormat | None = None
    found: ChunkLayout | None = None
    extras = ExtraChunks()
    for name, start, length in _walk(fd, 12, size, f"{order}4sI"):
        if name == b"ds64":
            long_data = struct.unpack("<8xQ", read_bytes(fd, 16, start))[0]
        elif name == b"fmt " and not found:
            form = _wave_form(read_bytes(fd, min(length, 40), start), order)
            mpeg = order == "<" and read_bytes(fd, 2, start) in _MPEG
        elif name == b"data" and not found:
            promised: int | None = length
            if riff in (b"RF64", b"BW64") and length == _UNKNOWN_32:
                promised = long_data
            elif (length > size and length >= _FROM_A_PIPE) or (not length and (whole + 8 <= start or whole >= _FROM_A_PIPE)):
                promised = None
            found = _span(start, promised, size, form)
            if promised != length:  # whatever follows cannot be found by its length
                break
        elif name in _EXTRAS and length <= _MAX_EXTRA_BYTES and order == "<":
            extras = replace(extras, **{name.decode().strip().lower(): read_bytes(fd, length, start)})
        tagged |= name in _TAGS
    return found and replace(found, extras=extras, by_ffmpeg=mpeg, tagged=tagged)


def _wave_form(fmt: bytes, order: str = "<") -> SampleFormat | None:
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", fmt[:16])
    if tag == _EXTENSIBLE and len(fmt) == 40 and fmt[26:] == _TAG_GUID:
        tag = struct.unpack("<H", fmt[24:26])[0]
    kind = {_INTEGERS: "u" if bits == 8 else "i", _FLOATS: "f"}.get(tag, "")
    return _form(f"{order}{kind}", bits, channels, rate_hz, frame_bytes)


def _form(code: str, bits: int, channels: int, rate_hz: int, frame_bytes: int | None = None) -> SampleFormat | None:
    known = {"u": (8,), "i": (8, 16, 24, 32), "f": (32, 64)}.get(code[1:], ())
    form = SampleFormat(code, bits, channels, rate_hz)
    return form if bits in known and channels and frame_bytes in (None, form.frame_bytes) else None


def _w64(fd: int, size: int) -> ChunkLayout | None:
    form = None
    for name, start, length in _walk(fd, 40, size, "<16sQ", align=8, counts_header=True):
        if name == _W64[b"fmt "]:
            form = _wave_form(read_bytes(fd, min(max(length, 0), 40), start))
        elif name == _W64[b"data"]:
            return _span(start, max(length, 0), size, form)
    return None


def _aiff(fd: int, size: int) -> ChunkLayout | None:
    whole, kind = struct.unpack(">4xI4s", read_bytes(fd, 12, 0))
    form, frames, found = None, 0, None
    for name, start, length in _walk(fd, 12, size, ">4sI"):
        if name == b"COMM":
            channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", read_bytes(fd, 18, start))
            compression = read_bytes(fd, 4, start + 18) if kind == b"AIFC" else b"NONE"
            rate = mantissa * 2.0 ** (exponent - 16383 - 63) if 0 < exponent < 16383 + 32 else 0.0
            code = _AIFC_CODES.get(compression, "")
            if rate == int(rate) and code:
                width = int(compression[2:]) if code[1] == "f" else bits + -bits % 8  # 12 bits stand in 16, on the left
                form = _form(code, width, channels, int(rate))
        elif name == b"SSND" and not found:
            offset = struct.unpack(">I", read_bytes(fd, 4, start))[0]
            unknown = length == _UNKNOWN_32 or (not length and whole + 8 <= start)
            found = _span(start + 8 + offset, None if unknown else max(length - 8 - offset, 0), size, None)
    if not found or not form:
        return found
    if frames and found.promised is not None:
        promised = min(frames * form.frame_bytes, found.promised)
        return replace(found, form=form, there=min(found.there, promised), promised=promised)
    return replace(found, form=form)


def _caf(fd: int, size: int) -> ChunkLayout | None:
    alac = False
    for name, start, length in _walk(fd, 8, size, ">4sq", align=1):
        if name == b"desc":
            alac = read_bytes(fd, 4, start + 8) == b"alac"
        elif name == b"data":
            return replace(_span(start, None if length < 0 else length, size, None), by_ffmpeg=alac)
    return None


def _au(fd: int, size: int) -> ChunkLayout | None:
    _, start, promised = struct.unpack(">4sII", read_bytes(fd, 12, 0))
    return _span(start, None if promised == _UNKNOWN_32 else promised, size, None)
