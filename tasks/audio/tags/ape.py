"""Read APE tags, which WavPack files and some MP3 files have at their end, or seldom at their start."""

import struct
from collections.abc import Iterator

from tasks.audio.tags.tag_bytes import MAX_TEXT_BYTES, TagBytes
from tasks.audio.tags.tag_text import field_of, split_texts

# Hydrogenaudio, "APE Tags Header" and "APE Tag Item": magic, version, bytes without the header, items, flags.
_FRAME = struct.Struct("<8sIIII8x")
_ITEM = struct.Struct("<II")
_IS_HEADER = 1 << 29
_MAX_KEY_BYTES = 255
_MAX_ITEMS = 1000


def read_ape(file: TagBytes, end: int) -> Iterator[tuple[str, str]]:
    """Yield each field and text of the APE tag that ends at ``end``, or of the one at the file's start.

    Raises:
        ValueError: It is damaged. What was yielded before can be used.
    """
    for offset in (end - _FRAME.size, 0):
        frame = file.read(_FRAME.size, offset)
        if len(frame) < _FRAME.size:
            continue
        magic, _, length, count, flags = _FRAME.unpack(frame)
        if magic == b"APETAGEX":
            start = _FRAME.size + offset - (0 if flags & _IS_HEADER else length)
            yield from _items(file, start, min(count, _MAX_ITEMS))


def _items(file: TagBytes, start: int, count: int) -> Iterator[tuple[str, str]]:
    for _ in range(count):
        head = file.read(_ITEM.size + _MAX_KEY_BYTES + 1, start)
        if len(head) <= _ITEM.size:
            return
        length, flags = _ITEM.unpack_from(head)
        key, zero, _ = head[_ITEM.size :].partition(b"\0")
        if not zero or not key.isascii():
            return
        start += _ITEM.size + len(key) + 1
        is_text = not flags >> 1 & 3
        if is_text and length <= MAX_TEXT_BYTES and (field := field_of(key.decode())):
            yield from ((field, text) for text in split_texts(file.read(length, start)))
        start += length
