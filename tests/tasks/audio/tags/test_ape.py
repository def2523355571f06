"""APE tags, packed by hand."""

import os
import struct
from pathlib import Path

import pytest

from tasks.audio.tags.ape import read_ape
from tasks.audio.tags.tag_bytes import TagBytes
from tests.support.tag_bytes import BINARY, ape

SOUND = b"\xff" * 1000


def fields(tmp_path: Path, data: bytes) -> list[tuple[str, str]]:
    path = tmp_path / "x"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return list(read_ape(TagBytes(fd, len(data)), len(data)))
    finally:
        os.close(fd)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("version", [1000, 2000])
def test_at_the_end(tmp_path: Path, header: bool, version: int) -> None:
    tag = ape(("Title", "Zé".encode()), ("bpm", b"66"), ("KEY", b"F#m"), ("Artist", b"x"), version=version, header=header)
    assert fields(tmp_path, SOUND + tag) == [("title", "Zé"), ("bpm", "66"), ("musical_key", "F#m")]


def test_in_front(tmp_path: Path) -> None:
    assert fields(tmp_path, ape(("Title", b"Snare"), header=True) + SOUND) == [("title", "Snare")]


def test_several_texts_latin_1_and_pictures(tmp_path: Path) -> None:
    picture = struct.pack("<II", 2_000_000, BINARY) + b"Cover Art (Front)\0" + bytes(2_000_000)
    texts = ape(("Genre", b"House\0Techno"), ("Title", "Zé".encode("latin-1")))
    body = picture + texts[:-32]
    footer = struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(body) + 32, 3, 0)
    assert fields(tmp_path, SOUND + body + footer) == [("genre", "House"), ("genre", "Techno"), ("title", "Zé")]


def test_binary_items_are_no_texts(tmp_path: Path) -> None:
    assert fields(tmp_path, SOUND + ape(("Title", b"x"), flags=BINARY << 0)) == []


@pytest.mark.parametrize("length", [0, 31, 33, 5000, 2**32 - 1])
def test_lengths_that_are_not_true(tmp_path: Path, length: int) -> None:
    whole = bytearray(SOUND + ape(("Title", b"Loop")))
    struct.pack_into("<I", whole, len(whole) - 20, length)
    assert fields(tmp_path, bytes(whole)) in ([], [("title", "Loop")])
