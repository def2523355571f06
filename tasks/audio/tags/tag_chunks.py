"""Read the tags in chunks of WAV and AIFF: INFO lists, names, and ID3 tags.

Chunks are padded to even lengths; some programs leave the byte out. So the next chunk is looked for at both places.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress

from tasks.audio.tags.id3 import read_id3v2
from tasks.audio.tags.tag_bytes import MAX_TEXT_BYTES, TagBytes
from tasks.audio.tags.tag_text import split_texts

_HEAD_BYTES = 8
_UNKNOWN_32 = 0xFFFFFFFF
# Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", and what programs have added (IBPM, TITL).
_INFO_FIELDS = {b"INAM": "title", b"TITL": "title", b"IGNR": "genre", b"IBPM": "bpm"}


def read_chunk_tags(file: TagBytes, start: int) -> list[tuple[str, str]]:
    """Read the fields and texts of the WAV or AIFF file that begins at ``start``; those of ID3 tags come first."""
    head = file.read(12, start)
    order = "<" if head[:4] in (b"RIFF", b"RF64", b"BW64") else ">"
    id3: list[tuple[str, str]] = []
    texts: list[tuple[str, str]] = []
    with suppress(ValueError, struct.error, OSError):
        for name, offset, length in _walk(file, start + 12, file.size, order):
            if name.lower() == b"id3 ":
                with suppress(ValueError):
                    id3.extend(read_id3v2(file, offset))
            elif name == b"LIST" and file.read(4, offset) == b"INFO":
                texts.extend(_read_info(file, offset + 4, min(offset + length, file.size), order))
            elif name == b"NAME" and head[:4] == b"FORM":
                texts += _read_text(file, "title", offset, length)
    return id3 + texts


def _read_info(file: TagBytes, offset: int, end: int, order: str) -> Iterator[tuple[str, str]]:
    for name, start, length in _walk(file, offset, end, order):
        if name in _INFO_FIELDS:
            yield from _read_text(file, _INFO_FIELDS[name], start, min(length, end - start))


def _read_text(file: TagBytes, field: str, offset: int, length: int) -> list[tuple[str, str]]:
    """Return the field with the text up to the first zero: behind it programs leave what their memory held."""
    return [(field, split_texts(file.read(length, offset))[0])] if length <= MAX_TEXT_BYTES else []


def _walk(file: TagBytes, offset: int, end: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, the offset of what it holds, and its length. The last may promise too much."""
    header = struct.Struct(f"{order}4sI")
    long_data = 0
    while offset + _HEAD_BYTES <= end:
        name, length = header.unpack(file.read(_HEAD_BYTES, offset))
        offset += _HEAD_BYTES
        if name == b"ds64":  # the length of `data` in an RF64 file (EBU Tech 3306)
            long_data = int.from_bytes(file.read(8, offset + 8), "little")
        elif name == b"data" and length == _UNKNOWN_32 and long_data:
            length = long_data
        yield name, offset, length
        offset += length
        if length % 2 and not _begins_chunk(file, offset, end, header):
            offset += 1


def _begins_chunk(file: TagBytes, offset: int, end: int, header: struct.Struct) -> bool:
    """Return whether a chunk begins here, and not one byte later: by its name, and if need be by its length."""
    head = file.read(_HEAD_BYTES, offset)
    if len(head) < _HEAD_BYTES or not _is_name(head[:4]):
        return False
    return not _is_name(head[1:5]) or offset + _HEAD_BYTES + header.unpack(head)[1] <= end


def _is_name(data: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in data)
