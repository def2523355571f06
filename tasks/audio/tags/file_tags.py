"""Read the tags of any audio file: by tinytag where that reads them whole, else by the readers beside this module."""

import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader, BytesIO, FileIO
from itertools import islice
from typing import Any

import tinytag

from schemas.music import parse_key, parse_tempo
from tasks.audio.tags.ape import read_ape
from tasks.audio.tags.id3 import V1_BYTES, read_id3v1, read_id3v2, split_genre, tag_length
from tasks.audio.tags.tag_bytes import TagBytes
from tasks.audio.tags.tag_chunks import read_chunk_tags
from tasks.audio.tags.tag_text import NAMES, REPLACEMENT, clean_text, decode_bytes

_BETWEEN_GENRES, _MAX_GENRES = "; ", 8
_CHUNKED = frozenset(["wav", "aiff"])
_BY_LIBRARY = frozenset(["flac", "ogg", "mp4", "asf"])
_TAGGED_BEHIND = frozenset(["mp3", "adts", "wavpack"])
# tinytag knows their length by a header; of the others it would have to look through the whole file.
_LENGTH_BY_LIBRARY = frozenset(["ogg", "mp4"])
_DAMAGED = (tinytag.TinyTagException, struct.error, ValueError, OSError, RecursionError, OverflowError, MemoryError)
_MACBINARY_BYTES = 128
# The names of a Vorbis comment and of an MP4 atom, where their texts are not UTF-8.
_RAW_NAMES = {"title": (b"title=", b"\xa9nam"), "genre": (b"genre=", b"\xa9gen")}
_RECOVERED_BYTES = 1 << 19

_Fields = Iterable[tuple[str, str]]


def read_tags(fd: int, kind: str, size: int) -> dict[str, Any]:
    """Return what the tags of a file say, and its length: ``read_facts`` without the form of its sound."""
    return {name: value for name, value in read_facts(fd, kind, size).items() if name != "channels"}


def read_facts(fd: int, kind: str, size: int) -> dict[str, Any]:
    """Return what the tags of a file say, its length and its channels, by the names of ``schemas.scan_values.Header``.

    Damaged tags are passed over and never an error: the file counts without them.

    Args:
        fd: The open file.
        kind: Its container, as ``tasks.audio.decode.detect.find_sound`` names it.
        size: Its bytes.
    """
    file = TagBytes(fd, size)
    facts: dict[str, Any] = {}
    fields: list[tuple[str, str]] = []
    start = 0
    with suppress(*_DAMAGED):
        start = _find_container(file, kind)
        if kind in _CHUNKED:
            fields += read_chunk_tags(file, start)
        elif kind == "flac":
            facts |= _flac_facts(file, start)
    if kind in _BY_LIBRARY and (tag := _read_by_library(fd, kind, start)):
        fields += _library_fields(fd, size, tag)
        if kind in _LENGTH_BY_LIBRARY and tag.duration:
            facts |= {"seconds": tag.duration, "channels": tag.channels or 0}
    fields += _collect(read_id3v2(file, 0))
    if kind in _TAGGED_BEHIND:
        fields += _collect(_read_tail(file))
    return facts | _choose(fields)


def _collect(fields: _Fields) -> list[tuple[str, str]]:
    """Return the fields up to where their tag is damaged."""
    found: list[tuple[str, str]] = []
    with suppress(*_DAMAGED):
        found.extend(fields)
    return found


def _find_container(file: TagBytes, kind: str) -> int:
    """Return where the container begins: behind ID3 tags or the header of an old Macintosh, where it has them in front."""
    start = 0
    while length := tag_length(head := file.read(10, start)):
        start += length
    is_old = kind in _CHUNKED and head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
    return start + _MACBINARY_BYTES if is_old else start


def _flac_facts(file: TagBytes, start: int) -> dict[str, Any]:
    """Return length and channels by STREAMINFO (RFC 9639, 8.2): 20 bits of rate, 3 of channels, 5 of depth, 36 of samples."""
    head = file.read(26, start)
    bits = int.from_bytes(head[18:], "big") if head[:4] == b"fLaC" else 0
    rate_hz, samples = bits >> 44, bits & (1 << 36) - 1
    if not (rate_hz and samples):
        return {}
    return {"seconds": samples / rate_hz, "channels": (bits >> 41 & 7) + 1}


def _read_tail(file: TagBytes) -> Iterator[tuple[str, str]]:
    tail = file.read(V1_BYTES, file.size - V1_BYTES)
    old = [*read_id3v1(tail)]
    with suppress(ValueError):
        yield from read_ape(file, file.size - V1_BYTES if old else file.size)
    yield from old


class _FromContainer(FileIO):
    """An open file from the ``start`` of its container on."""

    def __init__(self, fd: int, start: int) -> None:
        super().__init__(fd, closefd=False)
        self._start = start
        self.seek(0)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(offset + (0 if whence else self._start), whence) - self._start

    def tell(self) -> int:
        return super().tell() - self._start


def _read_by_library(fd: int, kind: str, start: int) -> tinytag.TinyTag | None:
    """Read tags and length; the length alone where the tags are damaged."""
    wants_length = kind in _LENGTH_BY_LIBRARY
    for tags in (True, False):
        with suppress(*_DAMAGED), BufferedReader(_FromContainer(fd, start)) as file:
            if tags or wants_length:
                return tinytag.TinyTag.get(file_obj=file, tags=tags, duration=wants_length)
    return None


def _library_fields(fd: int, size: int, tag: tinytag.TinyTag) -> Iterator[tuple[str, str]]:
    """Yield each field and text that tinytag read; a text that it could not decode is looked for and decoded once more."""
    own = {"title": tag.title, "genre": tag.genre}
    for field, names in NAMES.items():
        texts = [own.get(field), *(text for name in names for text in tag.other.get(name, ()))]
        for text in filter(None, texts):
            whole = _recover(fd, size, field, text) if REPLACEMENT in text else text
            yield from ((field, part) for part in whole.split("\0"))


def _recover(fd: int, size: int, field: str, text: str) -> str:
    """Find the bytes of a text in which tinytag replaced what is not UTF-8, and decode them; "" where they are not found."""
    file = TagBytes(fd, size)
    for offset in (0, max(size - _RECOVERED_BYTES, 0)):
        with suppress(ValueError, OSError):
            for data in _raw_texts(file.read(_RECOVERED_BYTES, offset), field):
                if data.decode(errors="replace") == text:
                    return decode_bytes(data)
    return ""


def _raw_texts(data: bytes, field: str) -> Iterator[bytes]:
    """Yield what may be the texts of a field in Vorbis comments (length, name, text) and MP4 atoms (name, length, text)."""
    if field not in _RAW_NAMES:
        return
    name, atom = _RAW_NAMES[field]
    for match in re.finditer(rb"(?is)(.{4})" + name, data):
        length = int.from_bytes(match[1], "little") - len(name)
        yield data[match.end() : match.end() + max(length, 0)]
    for match in re.finditer(rb"(?s)" + atom + rb"(.{4})data.{8}", data):
        length = int.from_bytes(match[1], "big") - 16
        yield data[match.end() : match.end() + max(length, 0)]


def _choose(fields: _Fields) -> dict[str, str]:
    """Return for each field the first text that says something: a tempo of 0 hides no other one."""
    texts: dict[str, list[str]] = {}
    for field, text in fields:
        for part in _genre_names(text) if field == "genre" else [text]:
            if cleaned := clean_text(part):
                texts.setdefault(field, []).append(cleaned)
    chosen = {
        "title": next(iter(texts.get("title", ())), ""),
        "genre": _BETWEEN_GENRES.join(islice(dict.fromkeys(texts.get("genre", ())), _MAX_GENRES)),
        "bpm": next(filter(parse_tempo, texts.get("bpm", ())), ""),
        "musical_key": next(filter(parse_key, texts.get("musical_key", ())), ""),
    }
    return {field: text for field, text in chosen.items() if text}


def _genre_names(text: str) -> list[str]:
    words, numbers = split_genre(text)
    return [words, *map(_name_genre, numbers)]


@lru_cache
def _name_genre(number: int) -> str:
    """Return the genre of a number of ID3v1, as tinytag's list has it; "" if that has none."""
    text = b"\0" + str(number).encode()
    frame = b"TCON" + struct.pack(">IH", len(text), 0) + text
    tag = tinytag.TinyTag.get(file_obj=BytesIO(b"ID3\3\0\0" + struct.pack(">I", len(frame)) + frame), duration=False)
    return tag.genre if tag.genre and not tag.genre.isdecimal() else ""
