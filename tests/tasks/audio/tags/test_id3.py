"""ID3 tags, packed by hand: what the standard says, and what programs make of it."""

import os
import struct
import zlib
from pathlib import Path

import pytest

from tasks.audio.tags.id3 import read_id3v1, read_id3v2, split_genre
from tasks.audio.tags.tag_bytes import TagBytes
from tests.support.tag_bytes import frame, id3, id3v1, latin1, utf16

SET = [("title", "Düster"), ("bpm", "92,5"), ("musical_key", "Am")]


def fields(tmp_path: Path, data: bytes) -> list[tuple[str, str]]:
    path = tmp_path / "x"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return list(read_id3v2(TagBytes(fd, len(data)), 0))
    finally:
        os.close(fd)


def frames(version: int, title: bytes = utf16("Düster")) -> list[bytes]:
    names = (b"TT2", b"TBP", b"TKE") if version == 2 else (b"TIT2", b"TBPM", b"TKEY")
    return [frame(name, text, version) for name, text in zip(names, (title, latin1("92,5"), latin1("Am")), strict=True)]


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("padding", [0, 300])
def test_every_version(tmp_path: Path, version: int, padding: int) -> None:
    assert fields(tmp_path, id3(*frames(version), version=version, padding=padding) + b"sound") == SET


@pytest.mark.parametrize(
    "title",
    [
        b"\0" + "Düster".encode("latin-1"),
        b"\0" + "Düster".encode(),  # UTF-8 under the name of Latin-1
        b"\1\xff\xfe" + "Düster".encode("utf-16-le"),
        b"\1\xfe\xff" + "Düster".encode("utf-16-be"),
        b"\1" + "Düster".encode("utf-16-le"),  # without a byte order mark
        b"\1" + "Düster".encode("utf-16-be"),
        b"\2" + "Düster".encode("utf-16-be"),
        b"\2" + "Düster".encode("utf-16-le"),
        b"\3" + "Düster".encode(),
        b"\3" + "Düster".encode("latin-1"),  # Latin-1 under the name of UTF-8
        "Düster".encode(),  # without a word about its encoding
    ],
)
def test_every_encoding_and_what_is_taken_for_it(tmp_path: Path, title: bytes) -> None:
    assert fields(tmp_path, id3(*frames(4, title), version=4)) == SET


def test_ascii_under_the_name_of_utf16_is_ascii(tmp_path: Path) -> None:
    assert fields(tmp_path, id3(frame(b"TKEY", b"\1Am"), frame(b"TBPM", b"\x01128"))) == [("musical_key", "Am"), ("bpm", "128")]


def test_several_texts_in_a_frame(tmp_path: Path) -> None:
    both = [("genre", "House"), ("genre", "Techno")]
    assert fields(tmp_path, id3(frame(b"TCON", latin1("House\0Techno")))) == both
    assert fields(tmp_path, id3(frame(b"TCON", b"\1\xff\xfe" + "House\0\ufeffTechno".encode("utf-16-le")))) == both


def test_frames_with_names_of_their_own(tmp_path: Path) -> None:
    tag = id3(
        frame(b"TXXX", latin1("MusicBrainz Album Id\0" + "0" * 36)),
        frame(b"TXXX", latin1("INITIALKEY\0F#m")),
        frame(b"TXXX", utf16("fBPM\0\ufeff127.99")),
        frame(b"TXXX", latin1("title\0of something else")),
        frame(b"COMM", b"\0eng\0Am - Energy 7"),
        frame(b"COMM", b"\0engiTunNORM\0 000001 000002"),
        frame(b"COMM", b"\0engTempo\x0099"),
    )
    assert fields(tmp_path, tag) == [("musical_key", "F#m"), ("bpm", "127.99"), ("bpm", "99")]


def test_a_picture_in_front_is_passed_over(tmp_path: Path) -> None:
    picture = b"\0image/jpeg\0\3\0" + bytes(3_000_000)
    assert fields(tmp_path, id3(frame(b"APIC", picture), *frames(3))) == SET


def test_lengths_of_the_wrong_kind(tmp_path: Path) -> None:
    long = latin1("x" * 299)
    for version, length in ((4, struct.pack(">I", 300)), (3, bytes([0, 0, 2, 44]))):
        odd = b"TPE1" + length + bytes(2) + long
        assert fields(tmp_path, id3(odd, *frames(version), version=version)) == SET
        assert fields(tmp_path, id3(frame(b"TPE1", long, version), *frames(version), version=version)) == SET


def test_unsynchronisation(tmp_path: Path) -> None:
    def stuff(data: bytes) -> bytes:
        return data.replace(b"\xff", b"\xff\0")

    assert fields(tmp_path, id3(stuff(b"".join(frames(3))), flags=0x80)) == SET
    title = frame(b"TIT2", stuff(utf16("Düster")), 4, 0x02)
    for flags in (0, 0x80):
        assert fields(tmp_path, id3(title, *frames(4)[1:], version=4, flags=flags)) == SET


def test_extended_headers(tmp_path: Path) -> None:
    assert fields(tmp_path, id3(struct.pack(">IHI", 6, 0, 0), *frames(3), flags=0x40)) == SET
    assert fields(tmp_path, id3(b"\0\0\0\6\1\0", *frames(4), version=4, flags=0x40)) == SET
    assert fields(tmp_path, id3(*frames(3), flags=0x40)) == SET  # promised, and not there


def test_frames_that_are_compressed_grouped_or_encrypted(tmp_path: Path) -> None:
    text = latin1("Loop One")
    small = zlib.compress(text)
    one = [("title", "Loop One")]
    length = bytes([0, 0, 0, len(text)])
    assert fields(tmp_path, id3(frame(b"TIT2", length + small, 3, 0x80))) == one
    assert fields(tmp_path, id3(frame(b"TIT2", b"\x07" + text, 3, 0x20))) == one
    assert fields(tmp_path, id3(frame(b"TIT2", b"\x07" + length + small, 4, 0x49), version=4)) == one
    assert fields(tmp_path, id3(frame(b"TIT2", length + text, 4, 0x01), version=4)) == one
    for content, version, flags in ((b"?" * 20, 4, 0x04), (b"?" * 20, 3, 0x40), (length + b"junk", 3, 0x80)):
        assert [text for _, text in fields(tmp_path, id3(frame(b"TIT2", content, version, flags), version=version))] in (
            [],
            [""],
        )


def test_what_is_no_tag(tmp_path: Path) -> None:
    for data in (b"", b"ID3", b"RIFF" + bytes(40), b"ID3\x05\0\0\0\0\0\x20" + bytes(40), id3(b"\xff" * 40)):
        assert fields(tmp_path, data) == []


def test_the_end_of_a_tag_that_was_cut(tmp_path: Path) -> None:
    whole = id3(*frames(3))
    for end in range(len(whole)):
        found = fields(tmp_path, whole[:end])
        assert found == SET[: len(found)]


def test_version_1() -> None:
    assert list(read_id3v1(id3v1("Café".encode("latin-1"), 17))) == [("title", "Café"), ("genre", "17")]
    assert list(read_id3v1(id3v1(b"Loop\0junk"))) == [("title", "Loop")]
    assert list(read_id3v1(bytes(128))) == list(read_id3v1(b"TAG")) == []


@pytest.mark.parametrize(
    ("text", "words", "numbers"),
    [
        ("House", "House", []),
        ("17", "", [17]),
        ("(17)", "", [17]),
        ("(17)(18)", "", [17, 18]),
        ("(17)Hard Rock", "Hard Rock", [17]),
        ("((Foo)", "(Foo)", []),
        ("(RX)", "(RX)", []),
        ("1234", "", []),
        ("2 Step", "2 Step", []),
        ("", "", []),
    ],
)
def test_numbers_of_genres(text: str, words: str, numbers: list[int]) -> None:
    assert split_genre(text) == (words, numbers)
