"""Read titles, genres, tempi and keys of ID3 tags: versions 2.2, 2.3 and 2.4, and the old one at a file's end.

Real tags break the standard: lengths that are not synchsafe or wrongly are, UTF-8 under the name of Latin-1, UTF-16 without a
byte order mark. A frame that cannot be read is passed over; those around it count.
"""

import re
import zlib
from collections.abc import Callable, Iterator

from tasks.audio.tags.tag_bytes import MAX_TEXT_BYTES, TagBytes
from tasks.audio.tags.tag_text import decode_utf16, field_of, split_texts

V1_BYTES = 128
_HEADER_BYTES = 10
# id3.org, "ID3 tag version 2.4.0 - Native Frames", and those of three letters in version 2.2.
_FIELDS = {
    b"TIT2": "title", b"TT2": "title", b"TCON": "genre", b"TCO": "genre",
    b"TBPM": "bpm", b"TBP": "bpm", b"TKEY": "musical_key", b"TKE": "musical_key",
}  # fmt: skip
# Frames that have a name of their own in front of the text, and the bytes of a language before that.
_NAMED = {b"TXXX": 0, b"TXX": 0, b"COMM": 3, b"COM": 3}
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{2,3}")
# "(17)(4)Text": genres of version 1 by number, and what refines them.
_GENRE = re.compile(r"((?:\(\d{1,3}\))*)(.*)", re.DOTALL)
_NO_GENRE = 255
# It has to be read as a whole.
_MAX_UNSYNCHRONISED_BYTES = 1 << 19

_Read = Callable[[int, int], bytes]


def tag_length(head: bytes) -> int:
    """Return how many bytes an ID3v2 tag has, which begins with ``head`` (10 bytes); 0 if it does not."""
    if len(head) < _HEADER_BYTES or head[:3] != b"ID3":
        return 0
    return _HEADER_BYTES + _synchsafe(head[6:10]) + (_HEADER_BYTES if head[5] & 0x10 else 0)


def read_id3v2(file: TagBytes, start: int) -> Iterator[tuple[str, str]]:
    """Yield each field and text of the ID3v2 tag at ``start``, in their order; nothing if there is none.

    Raises:
        ValueError: It is damaged. What was yielded before can be used.
    """
    head = file.read(_HEADER_BYTES, start)
    if not (length := tag_length(head)) or not 2 <= (version := head[3]) <= 4:
        return
    flags, begin, end = head[5], start + _HEADER_BYTES, min(start + length, file.size)
    read: _Read = file.read
    if flags & 0x80 and version < 4:  # lengths in it are those without the zeros that were put in
        whole = _without_zeros(file.read(min(end - begin, _MAX_UNSYNCHRONISED_BYTES), begin))
        read, begin, end = (lambda count, offset: whole[offset : offset + count]), 0, len(whole)
    if flags & 0x40:
        if version == 2:  # compressed, in a way that nobody ever defined
            return
        begin = _skip_extended_header(read, version, begin)
    for name, kind, content in _frames(read, version, begin, end):
        yield from _fields(name, _frame_content(content, version, kind, bool(flags & 0x80)))


def read_id3v1(tail: bytes) -> Iterator[tuple[str, str]]:
    """Yield each field and text of the last 128 bytes of a file, if they are an ID3v1 tag."""
    if len(tail) != V1_BYTES or tail[:3] != b"TAG":
        return
    yield "title", split_texts(tail[3:33])[0]
    if tail[127] != _NO_GENRE:
        yield "genre", str(tail[127])


def split_genre(text: str) -> tuple[str, list[int]]:
    """Return what a genre's text says in words, and the numbers of version 1 in it: `17`, `(17)`, `(17)Hard Rock`."""
    match = _GENRE.fullmatch(text.strip())
    numbers, words = (match[1], match[2]) if match else ("", text)
    if words.isascii() and words.isdecimal():
        return "", [int(words)] if len(words) <= 3 else []
    return words.removeprefix("(") if words.startswith("((") else words, [int(n) for n in re.findall(r"\d+", numbers)]


def _synchsafe(data: bytes) -> int:
    """Return the number in seven bits of each byte."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=False))


def _without_zeros(data: bytes) -> bytes:
    """Undo unsynchronisation, which puts a zero behind each 0xFF that could be taken for the start of a frame of MPEG audio."""
    return data.replace(b"\xff\0", b"\xff")


def _skip_extended_header(read: _Read, version: int, begin: int) -> int:
    head = read(4, begin)
    if _FRAME_ID.fullmatch(head):  # it was promised, and is not there
        return begin
    return begin + (_synchsafe(head) if version == 4 else 4 + int.from_bytes(head, "big"))


def _frames(read: _Read, version: int, begin: int, end: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield name, format flags and content of the frames that are looked for."""
    id_bytes, head_bytes = (3, 6) if version == 2 else (4, 10)
    while begin + head_bytes < end:
        head = read(head_bytes, begin)
        name = head[:id_bytes]
        if len(head) < head_bytes or not _FRAME_ID.fullmatch(name):
            return
        begin += head_bytes
        length = int.from_bytes(head[3:6], "big") if version == 2 else _frame_length(read, version, head[4:8], begin, end)
        if (name in _FIELDS or name in _NAMED) and 0 < length <= min(MAX_TEXT_BYTES, end - begin):
            yield name, head[9] if version > 2 else 0, read(length, begin)
        begin += length


def _frame_length(read: _Read, version: int, data: bytes, begin: int, end: int) -> int:
    """Return a frame's length: synchsafe in version 2.4 alone, but programs mixed that up. What follows tells."""
    plain, synchsafe = int.from_bytes(data, "big"), _synchsafe(data)
    first, second = (synchsafe, plain) if version == 4 else (plain, synchsafe)
    if first == second or _may_end(read, begin + first, end) or not _may_end(read, begin + second, end):
        return first
    return second


def _may_end(read: _Read, offset: int, end: int) -> bool:
    """Return whether a frame can end here: another one, zeros or the end of the tag follow."""
    if offset >= end:
        return offset == end
    following = read(4, offset)
    return _FRAME_ID.fullmatch(following) is not None or not any(following)


def _frame_content(data: bytes, version: int, flags: int, all_unsynchronised: bool) -> bytes:
    """Return what stands in a frame, behind what its format flags announce; b"" where it is encrypted."""
    if version == 2:
        return data
    if flags & (0x04 if version == 4 else 0x40):
        return b""
    if version == 4:
        compressed = flags & 0x08
        data = data[bool(flags & 0x40) + 4 * (flags & 1) :]
        data = _without_zeros(data) if flags & 0x02 or all_unsynchronised else data
    else:
        compressed = flags & 0x80
        data = data[4 * bool(compressed) + bool(flags & 0x20) :]
    if compressed:
        try:
            return zlib.decompressobj().decompress(data, MAX_TEXT_BYTES)
        except zlib.error:
            return b""
    return data


def _fields(name: bytes, content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the field and each text of a frame."""
    if name in _FIELDS:
        yield from ((_FIELDS[name], text) for text in _texts(content))
        return
    description, *texts = _texts(content[:1] + content[1 + _NAMED[name] :]) or [""]
    field = field_of(description)
    if field in ("bpm", "musical_key"):  # a title of that name is one of something else
        yield from ((field, text) for text in texts)


def _texts(content: bytes) -> list[str]:
    """Decode the texts of a frame, the first byte of which says how."""
    encoding, data = content[:1], content[1:]
    is_wide = encoding in (b"\1", b"\2") and (b"\0" in data or not data.isascii())  # ASCII under that name is just ASCII
    if is_wide:
        return decode_utf16(data, "le" if encoding == b"\1" else "be").split("\0")
    return split_texts(data if encoding < b"\4" else content)
