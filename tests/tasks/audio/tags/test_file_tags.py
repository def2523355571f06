"""Tags of whole files: packed by hand, or written by FFmpeg and Python's own struct into files of each format."""

import os
import struct
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.audio.tags.file_tags import read_tags
from tests.support import audio
from tests.support.audio import FORM
from tests.support.riff import chunk, wav
from tests.support.tag_bytes import (
    ape,
    frame,
    id3,
    id3v1,
    info,
    latin1,
    mp4_atom,
    mp4_data,
    mp4_freeform,
    utf16,
    vorbis_comment,
)

RATE = 44_100


def tags(path: Path, kind: str) -> dict[str, Any]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_tags(fd, kind, path.stat().st_size)
    finally:
        os.close(fd)


def sound(path: Path, form: str) -> bytes:
    return FORM[form].save(path, audio.tone(0.5, RATE), RATE).read_bytes()


def flac(path: Path, *comments: bytes) -> Path:
    """A FLAC file whose only tags are ``comments``: its blocks, of which the stream info is the first, are packed anew."""
    data = sound(path, "flac-16")
    at, last = 4, False
    while not last:
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    block = vorbis_comment(*comments)
    path.write_bytes(data[:4] + b"\0" + data[5:42] + bytes([0x84]) + len(block).to_bytes(3, "big") + block + data[at:])
    return path


def m4a(path: Path, *items: bytes) -> Path:
    """An M4A file whose tags are ``items``: `moov`, which FFmpeg puts at the end, gets them."""
    data = sound(path, "m4a-aac")
    at = data.index(b"moov") - 4
    length = struct.unpack(">I", data[at : at + 4])[0]
    assert at + length == len(data)
    moov = data[at + 8 :].replace(b"udta", b"free")
    handler = mp4_atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    udta = mp4_atom(b"udta", mp4_atom(b"meta", bytes(4), handler, mp4_atom(b"ilst", *items)))
    path.write_bytes(data[:at] + mp4_atom(b"moov", moov, udta))
    return path


def tmpo(bpm: int) -> bytes:
    return mp4_atom(b"tmpo", mp4_data(struct.pack(">H", bpm), 21))


def test_a_tempo_of_0_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.m4a"
    key = mp4_freeform("initialkey", b"Ebm")
    assert tags(m4a(path, tmpo(0), mp4_freeform("BPM", b"92,5"), key), "mp4") == {
        "seconds": 0.5, "bpm": "92,5", "musical_key": "Ebm",
    }  # fmt: skip
    assert tags(m4a(path, mp4_freeform("BPM", b"92.5"), tmpo(0)), "mp4")["bpm"] == "92.5"
    assert tags(m4a(path, tmpo(93), mp4_freeform("BPM", b"0")), "mp4")["bpm"] == "93"
    assert tags(m4a(path, mp4_freeform("TEMPO", b"141 BPM"), mp4_freeform("KEY", b"A minor")), "mp4") == {
        "seconds": 0.5, "bpm": "141 BPM", "musical_key": "A minor",
    }  # fmt: skip
    assert "bpm" not in tags(m4a(path, tmpo(0)), "mp4")
    both = frame(b"TBPM", latin1("0 Bpm")) + frame(b"TXXX", latin1("TEMPO\x00128"))
    (tmp_path / "x.mp3").write_bytes(id3(both) + sound(tmp_path / "y.mp3", "mp3-cbr"))
    assert tags(tmp_path / "x.mp3", "mp3") == {"bpm": "128"}


def test_text_that_is_not_utf8_in_vorbis_comments_and_mp4(tmp_path: Path) -> None:
    latin = "Zé Köln".encode("latin-1")
    path = flac(tmp_path / "x.flac", b"ARTIST=Z", b"Title=" + latin, b"GENRE=" + "Música".encode("latin-1"), b"BPM=1\xb22")
    assert tags(path, "flac") == {"seconds": 0.5, "title": "Zé Köln", "genre": "Música"}
    path = m4a(tmp_path / "x.m4a", mp4_atom(b"\xa9nam", mp4_data(latin, 1)), mp4_atom(b"\xa9gen", mp4_data(b"M\xfasica", 1)))
    assert tags(path, "mp4") == {"seconds": 0.5, "title": "Zé Köln", "genre": "Música"}
    lost = flac(tmp_path / "x.flac", b"TITLE=Caf\xef\xbf\xbd", b"GENRE=\x81\x8d")  # lost before; and neither encoding
    assert tags(lost, "flac") == {"seconds": 0.5}


def test_vorbis_comments_of_other_names(tmp_path: Path) -> None:
    for text, expected in (
        (b"TEMPO=141", {"bpm": "141"}),
        (b"TBPM=93", {"bpm": "93"}),
        (b"InitialKey=Cmin", {"musical_key": "Cmin"}),
        (b"KEY=Gm", {"musical_key": "Gm"}),
        (b"TKEY=Dm", {"musical_key": "Dm"}),
        (b"INITIALKEY=8A", {"musical_key": "8A"}),
    ):
        assert tags(flac(tmp_path / "x.flac", text), "flac") == {"seconds": 0.5} | expected
    several = flac(tmp_path / "x.flac", b"GENRE=House", b"GENRE=Techno", b"BPM=0", b"TEMPO=99", b"KEY=o", b"INITIALKEY=Am")
    assert tags(several, "flac") == {"seconds": 0.5, "genre": "House; Techno", "bpm": "99", "musical_key": "Am"}


def test_a_length_stands_beside_damaged_tags(tmp_path: Path) -> None:
    path = flac(tmp_path / "x.flac", b"TITLE=Loop")
    data = path.read_bytes()
    at = data.index(b"by hand") + 7
    path.write_bytes(data[:at] + struct.pack("<I", 2**31) + data[at + 4 :])
    assert tags(path, "flac") == {"seconds": 0.5}


def test_wavpack(tmp_path: Path) -> None:
    data = sound(tmp_path / "x.wv", "wavpack")
    data = data[: data.rindex(b"APETAGEX") - 10] if b"APETAGEX" in data else data
    path = tmp_path / "y.wv"
    for tail in (b"", id3v1(b"Old", 17)):
        path.write_bytes(data + ape(("BPM", b"66"), ("Title", "Zé".encode()), ("InitialKey", b"Bbm"), header=True) + tail)
        expected = {"title": "Zé", "bpm": "66", "musical_key": "Bbm"}
        assert tags(path, "wavpack") == expected | ({"genre": "Rock"} if tail else {})
    path.write_bytes(data + id3v1("Café".encode("latin-1")))
    assert tags(path, "wavpack") == {"title": "Café"}


def test_mp3_with_tags_of_every_kind(tmp_path: Path) -> None:
    data, path = sound(tmp_path / "x.mp3", "mp3-cbr"), tmp_path / "y.mp3"
    behind = ape(("Title", b"Ape"), ("BPM", b"66")) + id3v1(b"Old", 17)
    path.write_bytes(data + behind)
    assert tags(path, "mp3") == {"title": "Ape", "bpm": "66", "genre": "Rock"}
    path.write_bytes(id3(frame(b"TIT2", utf16("New")), frame(b"TCON", latin1("(18)Dub Techno"))) + data + behind)
    assert tags(path, "mp3") == {"title": "New", "bpm": "66", "genre": "Dub Techno; Techno; Rock"}
    path.write_bytes(ape(("Title", b"Front"), header=True) + data)
    assert tags(path, "mp3") == {"title": "Front"}


@pytest.mark.parametrize(
    ("genre", "names"),
    [("17", "Rock"), ("(17)", "Rock"), ("(4)(31)", "Disco; Trance"), ("(200)", ""), ("7\0(35)x", "Hip-Hop; x; House")],
)
def test_genres_by_number(tmp_path: Path, genre: str, names: str) -> None:  # the numbers: id3.org, "ID3v1", appendix A
    tag = chunk(b"id3 ", id3(frame(b"TCON", latin1(genre))))
    found = tags(wav(tmp_path / "x.wav", np.zeros(100), RATE, after=tag), "wav")
    assert found.get("genre", "") == names


@pytest.mark.parametrize(
    ("form", "kind"), [("flac-16", "flac"), ("ogg-vorbis", "ogg"), ("m4a-aac", "mp4"), ("wav-16", "wav"), ("aiff-16", "aiff")]
)
def test_id3_in_front_of_other_containers(tmp_path: Path, form: str, kind: str) -> None:
    data, path = sound(tmp_path / "x", form) if form != "m4a-aac" else sound(tmp_path / "x.m4a", form), tmp_path / "y"
    front = id3(frame(b"TIT2", latin1("Kick1")), padding=500)
    path.write_bytes(front + data)
    assert tags(path, kind) == {"title": "Kick1"} | ({"seconds": pytest.approx(0.5)} if kind in ("flac", "ogg", "mp4") else {})
    path.write_bytes(front + front + data)
    assert tags(path, kind)["title"] == "Kick1"


def test_macbinary_in_front_of_wav(tmp_path: Path) -> None:
    whole = wav(tmp_path / "x.wav", np.zeros(100), RATE, after=info((b"INAM", b"Kicks"))).read_bytes()
    (tmp_path / "x.wav").write_bytes(b"\0\x04Kick".ljust(128, b"\0") + whole)
    assert tags(tmp_path / "x.wav", "wav") == {"title": "Kicks"}


def test_accents_are_composed(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Café")
    path = wav(tmp_path / "x.wav", np.zeros(100), RATE, after=info((b"INAM", apart.encode())))
    assert tags(path, "wav") == {"title": "Café"}
    assert tags(flac(tmp_path / "x.flac", b"TITLE=" + apart.encode()), "flac")["title"] == "Café"


def test_damage_is_no_error_and_takes_no_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(404)
    texts = [frame(b"TIT2", utf16("Düster")), frame(b"TBPM", latin1("92,5")), frame(b"TXXX", latin1("KEY\0Am"))]
    after = chunk(b"id3 ", id3(*texts)) + info((b"INAM", b"Caf\xe9"), (b"IBPM", b"99"))
    whole = {
        "wav": wav(tmp_path / "x.wav", np.zeros(100), RATE, after=after).read_bytes(),
        "mp3": id3(*texts) + bytes(200) + ape(("Title", b"Ape"), ("BPM", b"66"), header=True) + id3v1(b"Old"),
        "wavpack": bytes(200) + ape(("Title", b"Ape"), ("BPM", b"66")),
        "flac": flac(tmp_path / "x.flac", b"TITLE=Caf\xe9", b"BPM=99").read_bytes()[:400],
        "mp4": m4a(tmp_path / "x.m4a", tmpo(0), mp4_freeform("BPM", b"92.5")).read_bytes()[-2500:],
    }
    started = time.perf_counter()
    for kind, data in whole.items():
        for _ in range(200):
            damaged = bytearray(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data)
            for at in rng.integers(0, len(damaged), rng.integers(1, 6)):
                damaged[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
            path = tmp_path / "damaged"
            path.write_bytes(damaged)
            found = tags(path, kind)
            assert found.keys() <= {"title", "genre", "bpm", "musical_key", "seconds"}
            assert not any("\ufffd" in str(text) for text in found.values())
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("kind", ["wav", "mp3", "wavpack"])
def test_a_file_of_nothing_but_chunks_and_frames_takes_no_time(tmp_path: Path, kind: str) -> None:
    data = {
        "wav": b"RIFF\xff\xff\xff\xffWAVE" + (b"LIST\x0c\0\0\0INFOIBPM\0\0\0\0") * 400_000,
        "mp3": b"ID3\3\0\0\x7f\x7f\x7f\x7f" + (b"TIT2" + bytes(6)) * 800_000,
        "wavpack": b"x" + bytes(8_000_000) + struct.pack("<8sIIII8x", b"APETAGEX", 2000, 8_000_000, 2**32 - 1, 0),
    }[kind]
    (tmp_path / "x").write_bytes(data)
    started = time.perf_counter()
    assert tags(tmp_path / "x", kind) == {}
    assert time.perf_counter() - started < 5
