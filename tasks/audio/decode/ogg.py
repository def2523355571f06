"""Read the pages of Ogg (RFC 3533): the streams that a file chains, their codecs, and their lengths by granule positions."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from schemas.errors import LoadError
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.track import Length

_HEADER = struct.Struct("<4sBBqIIIB")
_BEGINS, _ENDS = 2, 4
_NO_GRANULE = -1
_PIECE_BYTES, _FIRST_PIECE_BYTES = 1 << 16, 1 << 9
_MAX_LINKS = 1_000
# How the first packet of a stream begins, by codec.
_CODECS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"Speex   ": "speex", b"PCM     ": "pcm"}
# The longest packet, in frames: so many a decoder may give behind the end that a granule position sets.
_PACKET_FRAMES = {"vorbis": 8192, "opus": 5760, "speex": 640, "flac": 65_536}
# Opus counts in 48 kHz (RFC 7845), whatever the rate was before it was encoded, which is that of libsndfile.
_OPUS_HZ = 48_000
_BIT_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Stream:
    """One logical stream: its codec, what its encoder put in front, its last granule position, and whether that is its end.

    ``pages`` counts those on which sound ends; ``goes_back``: one of their positions is not behind the one before.
    """

    codec: str
    skip: int
    granule: int = 0
    is_ended: bool = False
    pages: int = 0
    goes_back: bool = False


@dataclass
class Link:
    """One of the streams that a file chains, with those that are multiplexed with it.

    Attributes:
        start: The offset of its first page.
        stop: The offset behind its last.
        is_cut: Whether its last page is not whole.
        streams: The logical streams, by serial number.
    """

    start: int
    stop: int = 0
    is_cut: bool = False
    streams: dict[int, _Stream] = field(default_factory=dict)

    @property
    def audio(self) -> _Stream | None:
        """Return the first stream of a codec that is known to be sound."""
        return next((stream for stream in self.streams.values() if stream.codec), None)

    @property
    def codec(self) -> str:
        """Return the codec of the sound; "" where there is none that is known."""
        return self.audio.codec if self.audio else ""

    @property
    def is_long(self) -> bool:
        """Return whether there is more than one page of sound."""
        return bool(self.audio and self.audio.pages > 1)

    @property
    def is_one_page(self) -> bool:
        """Return whether all sound stands on one page, and its granule position counts no more than a page can hold."""
        stream = self.audio
        return bool(stream and stream.pages <= 1 and stream.granule <= 255 * _PACKET_FRAMES.get(stream.codec, 0))

    @property
    def is_alone(self) -> bool:
        """Return whether there is nothing but the sound."""
        return len(self.streams) == 1

    def length(self) -> Length:
        """Return the length by the last granule position, which counts frames; of Opus those that are skipped, too."""
        stream = self.audio
        if not stream:
            return Length(is_cut=self.is_cut)
        notes = () if stream.is_ended or self.is_cut else ("its last page does not say that it is the last",)
        expected = max(stream.granule - stream.skip, 0)
        rate_hz = _OPUS_HZ if stream.codec == "opus" else 0
        surplus = _PACKET_FRAMES.get(stream.codec)
        return Length(expected, is_exact=True, surplus=surplus, is_cut=self.is_cut, notes=notes, rate_hz=rate_hz)


def read_links(source: ByteRange) -> list[Link]:
    """Read which streams an Ogg file chains, one behind the other: most files are one link, of one stream."""
    links: list[Link] = []
    is_beginning = False
    for offset, head, size in _pages(source):
        _, _, flags, granule, serial, _, _, _ = head
        if flags & _BEGINS:
            if not is_beginning:
                links.append(Link(offset))
            if len(links) > _MAX_LINKS:
                raise LoadError(error=f"it is made of more than {_MAX_LINKS:,} files put together")
            is_beginning = True
            first = source.read(12, offset + _HEADER.size + head[-1])
            codec = next((name for magic, name in _CODECS.items() if first.startswith(magic)), "")
            skip = int.from_bytes(first[10:12], "little") if codec == "opus" else 0
            links[-1].streams.setdefault(serial, _Stream(codec, skip))
        else:
            is_beginning = False
        if not links:  # the file begins in the middle of a stream
            links.append(Link(offset))
        link = links[-1]
        link.stop = min(offset + size, source.size)
        link.is_cut = offset + size > source.size
        stream = link.streams.get(serial)
        if stream and not link.is_cut:
            if granule > 0:
                stream.goes_back |= granule <= stream.granule
                stream.granule = max(granule, stream.granule)
                stream.pages += 1
            stream.is_ended |= bool(flags & _ENDS)
    return links


def write_alone(source: ByteRange, link: Link, write: Callable[[bytes], object]) -> None:
    """Write the pages of a link's sound without those of the streams beside it."""
    serial = next(number for number, stream in link.streams.items() if stream is link.audio)
    for offset, head, size in _pages(source):
        if head[4] == serial:
            write(source.read(size, offset))


def is_damaged(source: ByteRange) -> bool:
    """Return whether a page's checksum is wrong: libsndfile passes over such a page, and FFmpeg decodes it."""
    pages = ((source.read(size, offset), head[6]) for offset, head, size in _pages(source) if offset + size <= source.size)
    return any(_checksum(page) != crc for page, crc in pages)


def _pages(source: ByteRange) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """Yield each page's offset, the fields of its header, and its length; over junk between pages."""
    offset = 0
    while offset < source.size:
        data = source.read(_HEADER.size + 255, offset)
        if data[:4] != b"OggS":
            found = _find_page(source, offset)
            if found is None:
                return
            offset = found
            continue
        if len(data) < _HEADER.size or len(data) < _HEADER.size + data[26]:  # cut in its header
            yield offset, (0, 0, 0, _NO_GRANULE, 0, 0, 0, 0), source.size - offset + 1
            return
        segments = data[_HEADER.size : _HEADER.size + data[26]]
        size = _HEADER.size + len(segments) + sum(segments)
        yield offset, _HEADER.unpack_from(data), size
        offset += size


def _find_page(source: ByteRange, offset: int) -> int | None:
    """Find the next page's offset behind junk."""
    size = _FIRST_PIECE_BYTES
    while offset < source.size:
        data = source.read(size, offset)
        size = _PIECE_BYTES
        if (at := data.find(b"OggS\0")) >= 0:
            return offset + at
        offset += max(len(data) - 4, 1)
    return None


def _checksum(page: bytes) -> int:
    """Return a page's CRC (RFC 3533, 6), whose bits run the other way round than those of zlib."""
    page = page[:22] + bytes(4) + page[26:]
    reversed_crc = zlib.crc32(page.translate(_BIT_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_crc:032b}"[::-1], 2)
