"""Tags in chunks of WAV and AIFF, also behind chunks that lack their pad byte."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.audio.tags.tag_bytes import TagBytes
from tasks.audio.tags.tag_chunks import read_chunk_tags
from tests.support.riff import chunk, smpl
from tests.support.tag_bytes import frame, id3, info, latin1, unpadded

FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 44_100, 44_100, 1, 8))
ODD = b"\x80" * 999
TITLE = [("title", "Kicks")]


def wave(*chunks: bytes, riff: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return riff + struct.pack("<I", len(body)) + body


def fields(tmp_path: Path, data: bytes, start: int = 0) -> list[tuple[str, str]]:
    path = tmp_path / "x"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_chunk_tags(TagBytes(fd, len(data)), start)
    finally:
        os.close(fd)


@pytest.mark.parametrize("pack", [chunk, unpadded])
def test_info_behind_an_odd_chunk(tmp_path: Path, pack: Callable[[bytes, bytes], bytes]) -> None:
    title = info((b"INAM", b"Kicks"))
    assert fields(tmp_path, wave(FMT, pack(b"data", ODD), title)) == TITLE
    assert fields(tmp_path, wave(FMT, pack(b"data", ODD), smpl((0, 9)), title)) == TITLE
    assert fields(tmp_path, wave(pack(b"bext", b"x" * 603), FMT, pack(b"data", ODD), title)) == TITLE
    tag = id3(frame(b"TIT2", latin1("Kicks")))
    assert fields(tmp_path, wave(FMT, pack(b"data", ODD), chunk(b"id3 ", tag))) == TITLE
    assert fields(tmp_path, wave(FMT, pack(b"data", ODD), chunk(b"ID3 ", tag))) == TITLE
    odd = pack(b"LIST", b"INFOINAM\x05\0\0\0Kicks")
    assert fields(tmp_path, wave(FMT, odd, chunk(b"data", ODD), info((b"IBPM", b"92,5")))) == [*TITLE, ("bpm", "92,5")]


def test_a_pad_byte_that_is_not_zero(tmp_path: Path) -> None:
    assert fields(tmp_path, wave(FMT, unpadded(b"data", ODD) + b"\x80", info((b"INAM", b"Kicks")))) == TITLE


def test_texts_of_odd_length_without_a_pad_byte(tmp_path: Path) -> None:
    for pack in (chunk, unpadded):
        texts = pack(b"INAM", b"Kicks") + pack(b"IART", b"x") + pack(b"IGNR", b"House") + pack(b"IBPM", b"128")
        expected = [*TITLE, ("genre", "House"), ("bpm", "128")]
        assert fields(tmp_path, wave(FMT, chunk(b"LIST", b"INFO" + texts))) == expected


def test_id3_comes_before_info_wherever_it_is(tmp_path: Path) -> None:
    tag = chunk(b"id3 ", id3(frame(b"TIT2", latin1("Loop One"))))
    for order in ((tag, info((b"INAM", b"Kicks"))), (info((b"INAM", b"Kicks")), tag)):
        assert fields(tmp_path, wave(FMT, *order)) == [("title", "Loop One"), *TITLE]


def test_text_behind_a_zero_is_what_memory_held(tmp_path: Path) -> None:
    assert fields(tmp_path, wave(FMT, info((b"INAM", b"Kicks\0\x07\x92")))) == TITLE


def test_rf64_and_rifx(tmp_path: Path) -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(ODD) + 1, 0, 0))
    data = struct.pack("<4sI", b"data", 2**32 - 1) + ODD + b"\0"
    assert fields(tmp_path, wave(ds64, FMT, data, info((b"INAM", b"Kicks")), riff=b"RF64")) == TITLE
    text = struct.pack(">4sI", b"INAM", 6) + b"Kicks\0"
    body = b"WAVE" + struct.pack(">4sI", b"LIST", 4 + len(text)) + b"INFO" + text
    assert fields(tmp_path, b"RIFX" + struct.pack(">I", len(body)) + body) == TITLE


@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_names_in_aiff(tmp_path: Path, pad: bytes) -> None:
    body = b"AIFF" + struct.pack(">4sI", b"NAME", 5) + b"Kicks" + pad
    body += struct.pack(">4sI", b"ID3 ", 31) + id3(frame(b"TBPM", latin1("99")))
    data = b"FORM" + struct.pack(">I", len(body)) + body
    assert fields(tmp_path, data) == [("bpm", "99"), *TITLE]
    assert fields(tmp_path, bytes(128) + data, 128) == [("bpm", "99"), *TITLE]


def test_there_is_an_end_to_chunks(tmp_path: Path) -> None:
    """A megabyte of them is read, not all: 64 bytes are counted for each."""
    many = wave(FMT, chunk(b"JUNK", b"") * 20_000, info((b"INAM", b"Kicks")))
    assert fields(tmp_path, many) == []
    assert fields(tmp_path, wave(FMT, chunk(b"JUNK", b"") * 2_000, info((b"INAM", b"Kicks")))) == TITLE
