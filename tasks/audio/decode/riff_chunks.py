"""Read the chunks of WAV, RF64, W64, AIFF, CAF and AU: where the sound lies, and the loops, cue points and tempo beside it.

libsndfile reads what there is of a file that was cut short, and reads nothing where a recorder never filled in the
length; and no library gives ``smpl``, ``cue `` and ``acid``. So the headers are read here.
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from schemas.errors import LoadError
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.chunk_layout import ChunkLayout, ExtraChunks, PacketTable, SampleFormat
from tasks.audio.decode.speakers import speakers_of_mask

# More than any real file has: a false one could keep a reader busy for hours.
_MAX_CHUNKS = 4096
_MAX_EXTRA_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
_UNKNOWN_32 = 0xFFFFFFFF
# A length of so many bytes, of which the file has less than one in so many, is none: it holds the place of one.
_IMPLAUSIBLE_BYTES, _IMPLAUSIBLE_TIMES = 1 << 29, 16
# A header that is written again, by a program that cannot seek in a pipe, is no longer than this.
_MAX_HEADER_BYTES = 1 << 14
# The tail of the GUIDs that stand for a WAVE format tag (RFC 2361; Microsoft, WAVEFORMATEXTENSIBLE).
_TAG_GUID = bytes.fromhex("000000001000800000aa00389b71")
_W64 = {name: uuid.UUID(f"{code}-acf3-11d3-8cd1-00c04f8edb8a").bytes_le for name, code in
        {b"fmt ": "20746d66", b"data": "61746164", b"fact": "74636166"}.items()}  # fmt: skip
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
# Chunks that often stand behind the sound: they are that also where their end is missing.
_KNOWN_CHUNKS = frozenset(
    [
        b"LIST",
        b"id3 ",
        b"ID3 ",
        b"smpl",
        b"cue ",
        b"acid",
        b"bext",
        b"iXML",
        b"fact",
        b"PEAK",
        b"inst",
        b"JUNK",
        b"junk",
        b"cart",
    ]
)
_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_MPEG = (0x50, 0x55)
# The Ogg Vorbis of ACM codecs: modes 1 to 3, each with and without its headers beside; FL Studio writes them.
_OGG = (0x674F, 0x6750, 0x6751, 0x676F, 0x6770, 0x6771)
# Codecs of blocks (Microsoft and IMA ADPCM, GSM 6.10): the last block is filled up, and ``fact`` counts the frames.
_IN_BLOCKS = (0x02, 0x11, 0x31)
# Codecs in a CAF whose encoders put silence in front.
_PADDED_CODECS = (b"aac ", b"aach", b"aacl", b"aacp", b".mp3", b"opus", b"ac-3")
# Tags that programs put behind a file, by their first bytes.
_TAGS = (b"TAG", b"ID3", b"APE", b"LYRI")
_EXTRAS = (b"smpl", b"cue ", b"acid", b"iXML")
_AIFC_CODES = {b"NONE": ">i", b"twos": ">i", b"in24": ">i", b"in32": ">i", b"sowt": "<i", b"fl32": ">f", b"FL32": ">f",
               b"fl64": ">f", b"FL64": ">f"}  # fmt: skip


def read_chunk_layout(source: ByteRange, kind: str) -> ChunkLayout | None:
    """Read the layout of a file whose container is ``kind``; None when its chunks do not say. Raises LoadError."""
    readers = {"wav": _wav, "w64": _w64, "aiff": _aiff, "caf": _caf, "au": _au}
    if kind not in readers:
        return None
    try:
        found = readers[kind](source)
    except (struct.error, OverflowError, ValueError):  # cut off in the middle of a header; or a rate that is no number
        return None
    return found and _finish(source, found)


def _finish(source: ByteRange, found: ChunkLayout) -> ChunkLayout:
    """Leave out copies of the header around sound of unknown length. Say how the length was found, and what is left out."""
    if found.promised is not None:
        rest = _describe_rest(source, found)
        return replace(found, note="; ".join(filter(None, [found.note, rest]))) if rest else found
    start, stop, header = found.start, found.start + found.there, source.read(found.start, 0)
    if 16 <= len(header) <= _MAX_HEADER_BYTES:
        while start < stop and _is_header(source.read(16, start), header):
            start += len(header)
        if stop - len(header) > start and _is_header(source.read(16, stop - len(header)), header):
            stop -= len(header)
    note = "read to the end of the file, since its header gives no length"
    return replace(found, start=start, there=stop - start, note=note)


def _describe_rest(source: ByteRange, found: ChunkLayout) -> str:
    """Say what stands behind the sound, if it is neither chunks nor tags: it may be sound that the header does not count."""
    stop = found.start + found.there
    behind = source.size - stop
    if behind < (found.form.frame_bytes if found.form else 16) or _chunk_follows(source, stop):
        return ""
    if source.read(4, stop).startswith(_TAGS) or _is_zero(source, stop):
        return ""
    return f"its header counts {found.there:,} bytes of sound; {behind:,} bytes behind them were left out"


def _is_zero(source: ByteRange, offset: int) -> bool:
    """Return whether nothing but zeros stands from ``offset`` on."""
    while data := source.read(_PIECE_BYTES, offset):
        if data.strip(b"\0"):
            return False
        offset += len(data)
    return True


def _is_header(data: bytes, header: bytes) -> bool:
    return data[:4] == header[:4] and data[8:16] == header[8:16]  # between stands a length


def _walk(
    source: ByteRange, offset: int, header: str, *, align: int = 2, counts_header: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's id, the offset of what it holds, and its length. The last may promise too much.

    Chunks are padded to lengths that ``align`` divides; some programs forget it. ``counts_header``: the lengths in the file
    include their header.
    """
    head = struct.Struct(header)
    for _ in range(_MAX_CHUNKS):
        if offset + head.size > source.size:
            return
        name, length = head.unpack(source.read(head.size, offset))
        length -= head.size if counts_header else 0
        yield name, offset + head.size, length
        offset += head.size + max(length, 0)
        padding = -max(length, 0) % align
        if not padding or not _is_unpadded(source, offset, padding, head):
            offset += padding


def _is_unpadded(source: ByteRange, offset: int, padding: int, head: struct.Struct) -> bool:
    """Return whether a chunk begins at ``offset``, where ``padding`` bytes belong."""
    if source.read(1, offset) == b"\0" or not _is_chunk(source, offset):
        return False
    if not _is_chunk(source, offset + padding):
        return True
    data = source.read(head.size, offset)
    return len(data) == head.size and offset + head.size + head.unpack(data)[1] <= source.size


def _is_chunk(source: ByteRange, offset: int) -> bool:
    """Return whether the id of a chunk stands at ``offset``: four printable characters, of which the first is no space.

    The id of the file itself is none: there its header stands again.
    """
    name = source.read(4, offset)
    return len(name) == 4 and name[0] > 0x20 and all(0x20 <= byte < 0x7F for byte in name) and name != source.read(4, 0)


def _chunk_follows(source: ByteRange, offset: int) -> bool:
    """Return whether a chunk begins at ``offset`` or a byte behind, and not sound that looks like one: its length must fit."""
    for at in (offset, offset + 1):
        head = source.read(16, at)
        if _is_chunk(source, at) and len(head) >= 8:
            lengths = (int.from_bytes(head[4:8], "little"), int.from_bytes(head[4:8], "big"))
            if head[:4] in _KNOWN_CHUNKS or head[4:] == _W64_TAIL or min(lengths) <= source.size - at - 8:
                return True
    return False


def _span(source: ByteRange, start: int, length: int | None, form: SampleFormat | None) -> ChunkLayout:
    """Return the layout of sound that begins at ``start``, with ``length`` bytes by its header.

    A length that cannot be one is unknown: less than 0, or so large that nearly nothing of it would be there.
    """
    rest = max(source.size - start, 0)
    if length is not None and (length < 0 or (length >= _IMPLAUSIBLE_BYTES and rest < length // _IMPLAUSIBLE_TIMES)):
        length = None
    return ChunkLayout(start, rest if length is None else min(rest, length), length, form)


@dataclass(frozen=True)
class _WaveFormat:
    """The ``fmt `` chunk of WAV and W64."""

    tag: int
    channels: int
    form: SampleFormat | None
    speakers: tuple[str, ...]
    block_bytes: int
    block_frames: int
    note: str

    def complete(self, found: ChunkLayout, counted: int, **more: Any) -> ChunkLayout:
        """Return the layout with what the format says, and ``more`` of its fields; ``counted`` is what ``fact`` counts."""
        frames = self._frames_of(found.there, counted)
        note = "; ".join(filter(None, [found.note, self.note]))
        return replace(found, speakers=self.speakers, counted=frames, block_frames=self.block_frames, note=note, **more)

    def _frames_of(self, sound_bytes: int, counted: int) -> int | None:
        """Return what ``fact`` counts, if it is within the last block of so many bytes; else it counts something else."""
        if not self.block_frames or not self.block_bytes:
            return None
        whole = -(-sound_bytes // self.block_bytes) * self.block_frames
        if self.channels > 1 and counted == whole // self.channels:  # as libsndfile writes it of IMA ADPCM
            return None
        return counted if whole - self.block_frames < counted <= whole else None


def _wav(source: ByteRange) -> ChunkLayout | None:
    riff = source.read(4, 0)
    order = ">" if riff == b"RIFX" else "<"
    end = struct.unpack(f"{order}I", source.read(4, 4))[0] + 8
    long_data = counted = None
    form: _WaveFormat | None = None
    found: ChunkLayout | None = None
    extras = ExtraChunks()
    for name, start, length in _walk(source, 12, f"{order}4sI"):
        if name == b"ds64":
            end, long_data = struct.unpack("<QQ", source.read(16, start))
            end += 8
        elif name == b"fmt " and not found:
            form = _wave_format(source.read(min(length, 40), start), order)
        elif name == b"fact" and length >= 4 and not found:
            counted = struct.unpack(f"{order}I", source.read(4, start))[0]
        elif name == b"data" and not found:
            if riff in (b"RF64", b"BW64") and length == _UNKNOWN_32 and long_data is not None:
                length = long_data  # noqa: PLW2901
            found = _wav_span(source, start, length, end, form.form if form else None)
            if found.promised != length:  # whatever follows cannot be found by its length
                break
        elif name == b"data" and found and length:
            found = replace(found, note=f"its second chunk of sound ({length:,} bytes) was left out")
        elif name in _EXTRAS and length <= _MAX_EXTRA_BYTES and order == "<":
            extras = replace(extras, **{name.decode().strip().lower(): source.read(length, start)})
    if not found or not form:
        return found
    by_ffmpeg = form.tag in _MPEG and order == "<"
    return form.complete(found, counted or 0, extras=extras, by_ffmpeg=by_ffmpeg, is_ogg=form.tag in _OGG)


def _wav_span(source: ByteRange, start: int, length: int, end: int, form: SampleFormat | None) -> ChunkLayout:
    """Return the layout of a WAV's sound: by the length of ``data``, unless the bytes and the length of the RIFF contradict it.

    Args:
        source: The file.
        start: The offset of the sound.
        length: Its bytes, as ``data`` says.
        end: The offset of the file's end, as the RIFF says.
        form: How to unpack it.
    """
    rest, plain = source.size - start, _span(source, start, length, form)
    is_whole = end in (source.size, source.size - 1) and start < source.size
    if plain.promised is None:
        return plain
    if is_whole and length > rest:
        note = (
            f"read to the end of the file, as the length of its RIFF says; that of its sound says {length - rest:,} bytes more"
        )
        return replace(_span(source, start, rest, form), note=note)
    follows = _chunk_follows(source, start + length)
    if not length:
        # Empty, with other chunks behind; or never filled in.
        return _span(source, start, 0 if follows or not rest else None, form)
    frame_bytes = form.frame_bytes if form else rest + 1
    if is_whole and not follows and rest - length >= frame_bytes and not _is_zero(source, start + length):
        note = (
            f"read to the end of the file, as the length of its RIFF says; that of its sound leaves out {rest - length:,} bytes"
        )
        return replace(_span(source, start, rest, form), note=note)
    return plain


def _wave_format(fmt: bytes, order: str = "<") -> _WaveFormat:
    tag, channels, rate_hz, byte_rate, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", fmt[:16])
    speakers: tuple[str, ...] = ()
    if tag == _EXTENSIBLE and len(fmt) == 40:
        speakers = speakers_of_mask(struct.unpack(f"{order}I", fmt[20:24])[0], channels)
        if fmt[26:] == _TAG_GUID:
            tag = struct.unpack(f"{order}H", fmt[24:26])[0]
    kind = {_INTEGERS: "u" if bits == 8 else "i", _FLOATS: "f"}.get(tag, "")
    whole_bytes = -(-bits // 8) * channels
    note = ""
    if kind and bits and frame_bytes not in (0, whole_bytes):
        said = f"{channels} channels of {bits} bits are {whole_bytes} bytes a frame, and it says {frame_bytes}"
        note = f"its header contradicts itself: {said}"
        if byte_rate != rate_hz * whole_bytes:
            raise LoadError(error=note)
    block_frames = struct.unpack(f"{order}H", fmt[18:20])[0] if tag in _IN_BLOCKS and len(fmt) >= 20 else 0
    return _WaveFormat(
        tag, channels, _form(f"{order}{kind}", bits, channels, rate_hz), speakers, frame_bytes, block_frames, note
    )


def _form(code: str, bits: int, channels: int, rate_hz: int) -> SampleFormat | None:
    known = {"u": (8,), "i": (8, 16, 24, 32), "f": (32, 64)}.get(code[1:], ())
    return SampleFormat(code, bits, channels, rate_hz) if bits in known and channels else None


def _w64(source: ByteRange) -> ChunkLayout | None:
    form, counted = None, 0
    for name, start, length in _walk(source, 40, "<16sQ", align=8, counts_header=True):
        if name == _W64[b"fmt "]:
            form = _wave_format(source.read(min(max(length, 0), 40), start))
        elif name == _W64[b"fact"]:
            counted = int.from_bytes(source.read(8, start), "little")
        elif name == _W64[b"data"]:
            unknown = not length and start < source.size and not _is_chunk(source, start)
            found = _span(source, start, None if unknown else length, form.form if form else None)
            return form.complete(found, counted) if form else found
    return None


def _aiff(source: ByteRange) -> ChunkLayout | None:
    whole, kind = struct.unpack(">4xI4s", source.read(12, 0))
    form, frames, found = None, 0, None
    for name, start, length in _walk(source, 12, ">4sI"):
        if name == b"COMM":
            channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", source.read(18, start))
            compression = source.read(4, start + 18) if kind == b"AIFC" else b"NONE"
            rate = mantissa * 2.0 ** (exponent - 16383 - 63) if 0 < exponent < 16383 + 32 else 0.0
            code = _AIFC_CODES.get(compression, "")
            if rate == int(rate) and code:
                width = int(compression[2:]) if code[1] == "f" else bits + -bits % 8  # 12 bits stand in 16, on the left
                form = _form(code, width, channels, int(rate))
        elif name == b"SSND" and not found:
            offset = struct.unpack(">I", source.read(4, start))[0]
            unknown = not length and whole + 8 <= start
            found = _span(source, start + 8 + offset, None if unknown else max(length - 8 - offset, 0), None)
    if not found or not form:
        return found
    return _compare_counts(source, replace(found, form=form), frames * form.frame_bytes)


def _compare_counts(source: ByteRange, found: ChunkLayout, counted: int) -> ChunkLayout:
    """Return the layout of an AIFF whose ``COMM`` counts so many bytes: where it and ``SSND`` disagree, the bytes decide."""
    frame_bytes = found.form.frame_bytes if found.form else 1
    if found.promised is None or not counted or abs(counted - found.promised) < frame_bytes:
        return found
    note = f"the two lengths in its header, {counted:,} and {found.promised:,} bytes, disagree: {{}} agrees with the file"
    stop = found.start + found.promised
    follows = _chunk_follows(source, stop)
    if counted > found.promised and found.start + counted <= source.size and not follows:
        return replace(_span(source, found.start, counted, found.form), note=note.format("the first"))
    if counted < found.promised and not found.whole:
        return replace(found, there=min(found.there, counted), promised=counted, note=note.format("the first"))
    return replace(found, note=note.format("the second"))


def _caf(source: ByteRange) -> ChunkLayout | None:
    codec, form, packets, found, packet_frames, note = b"", None, None, None, 0, ""
    for name, start, length in _walk(source, 8, ">4sq", align=1):
        if name == b"desc":
            rate, codec, flags, packet_bytes, packet_frames, channels, bits = struct.unpack(">d4sIIIII", source.read(32, start))
            if codec == b"lpcm" and rate == int(rate) and packet_bytes == bits // 8 * channels:
                form = _form(f"{'<' if flags & 2 else '>'}{'f' if flags & 1 else 'i'}", bits, channels, int(rate))
        elif name == b"pakt":
            count, frames, priming, remainder = struct.unpack(">qqii", source.read(24, start))
            whole = count * packet_frames - priming - remainder
            if packet_frames and whole - frames > packet_frames:  # the packets say more
                frames, note = whole, f"its header counts {frames:,} frames, and its packets {whole:,}, which were read"
            packets = PacketTable(frames, priming, remainder, packet_frames)
        elif name == b"data" and not found:
            unknown = length < 0 or (length == 4 and start + 4 < source.size and not _is_chunk(source, start + 4))
            found = _span(source, start + 4, None if unknown else length - 4, form)  # behind a counter of edits
            if unknown:
                break
    by_ffmpeg = codec not in (b"lpcm", b"alaw", b"ulaw")
    is_unaligned = codec in _PADDED_CODECS and not (packets and packets.priming)
    return found and replace(found, by_ffmpeg=by_ffmpeg, packets=packets, is_unaligned=is_unaligned, note=note)


def _au(source: ByteRange) -> ChunkLayout | None:
    start, promised, code, rate_hz, channels = struct.unpack(">4x5I", source.read(24, 0))
    kind, bits = {2: (">i", 8), 3: (">i", 16), 4: (">i", 24), 5: (">i", 32), 6: (">f", 32), 7: (">f", 64)}.get(code, ("", 0))
    return _span(source, start, promised, _form(kind, bits, channels, rate_hz) if bits else None)
