"""What files say of themselves. Judges: chunks packed by hand, and tags written by libsndfile and FFmpeg."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from schemas.errors import LoadError
from schemas.scan_values import Guess, Header
from tasks.audio.header import read_header
from tasks.scan.infer import Guesses, infer
from tests.support import audio
from tests.support.audio import FORM, FORMS, Form
from tests.support.riff import ONE_SHOT, acid, chunk, smpl, wav
from tests.support.scan_table import VOCABULARY

RATE = 44_100
TWO_SECONDS = np.zeros(2 * RATE, np.int16)
HAS_ROOT = 2


def header(path: Path) -> Header:
    found = read_header(str(path))
    assert found
    return found


def told(path: Path, *folders: str) -> Guesses:
    return infer(header(path), path.stem, list(folders), VOCABULARY)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_format_is_known_by_its_content_and_its_length_is_exact_or_not_told(tmp_path: Path, form: Form) -> None:
    rate = form.rates[-1]
    path = tmp_path / f"x{form.extension}"
    form.save(path, audio.tone(1.5, rate), rate)
    found = header(path)
    if found.seconds is not None:
        assert found.seconds == pytest.approx(1.5, abs=0.03 if not form.exact else 1 / rate)
    assert found.seconds is not None or not (form.exact and found.container in ("wav", "aiff", "w64", "flac", "mp4"))


def test_a_wav_named_mp3_is_a_wav(tmp_path: Path) -> None:
    path = FORM["wav-16"].save(tmp_path / "loop.mp3", audio.tone(1, RATE), RATE)
    assert header(path).container == "wav"
    path = FORM["wav-16"].save(tmp_path / "loop", audio.tone(1, RATE), RATE)
    assert header(path).container == "wav"


def test_what_is_no_audio_and_what_only_claims_to_be(tmp_path: Path) -> None:
    for name, data in (
        ("read.me", b"Hello"),
        ("cover.jpg", b"\xff\xd8\xff\xe0" * 99),
        ("clip.mov", b"\0\0\0\x14ftypqt  " + bytes(99)),
    ):
        (tmp_path / name).write_bytes(data)
        assert read_header(str(tmp_path / name)) is None
    (tmp_path / "x.wav").write_bytes(b"no sound" * 9)
    with pytest.raises(LoadError):
        read_header(str(tmp_path / "x.wav"))
    whole = FORM["wav-16"].save(tmp_path / "y.wav", audio.tone(1, RATE), RATE).read_bytes()
    (tmp_path / "y.wav").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LoadError, match="truncated"):
        read_header(str(tmp_path / "y.wav"))


@pytest.mark.parametrize(
    ("before", "bpm", "kind"),
    [
        (acid(4, 120.0), "120", "loop"),
        (acid(4, 119.0), "119", "loop"),  # 17 ms off
        (acid(4, 117.0), "", ""),  # 51 ms off
        (acid(8, 120.0), "", ""),
        (acid(4, 120.0, ONE_SHOT), "", "one-shot"),
        (acid(0, 120.0), "", ""),
        (acid(100, 3000.0), "", ""),
        (acid(1, 29.99), "", ""),
    ],
)
def test_acid_is_believed_if_its_tempo_agrees_with_the_length(tmp_path: Path, before: bytes, bpm: str, kind: str) -> None:
    found = told(wav(tmp_path / "x.wav", TWO_SECONDS, RATE, before))
    assert (found["bpm"].value if "bpm" in found else "") == bpm
    assert (found["kind"].value if "kind" in found else "") == kind
    if bpm:
        assert found["bpm"].source == found["kind"].source == "acid"


def test_the_order_of_trust(tmp_path: Path) -> None:
    ixml = chunk(b"iXML", b"<?xml version='1.0'?><BWFXML><TEMPO>96.5</TEMPO></BWFXML>")
    path = wav(tmp_path / "drum loop 100bpm.wav", TWO_SECONDS, RATE, acid(4, 120.0) + ixml)
    assert told(path, "80 BPM")["bpm"] == Guess("120", "acid", 0.95)
    wav(path, TWO_SECONDS, RATE, ixml)
    assert told(path, "80 BPM")["bpm"] == Guess("96.5", "tag", 0.85)
    wav(path, TWO_SECONDS, RATE)
    assert told(path, "80 BPM")["bpm"] == Guess("100", "name", 0.95)
    assert told(wav(tmp_path / "x.wav", TWO_SECONDS, RATE), "80 BPM")["bpm"] == Guess("80", "folder", 0.8)
    # A tag that the length contradicts, where it agrees with the name: what a program writes that was told nothing.
    wav(tmp_path / "loop 90bpm.wav", np.zeros(round(8 * 60 / 90 * RATE), np.int16), RATE, ixml.replace(b"96.5", b" 120"))
    assert told(tmp_path / "loop 90bpm.wav")["bpm"].value == "90"


def test_roots_of_chunks_are_asked_last(tmp_path: Path) -> None:
    path = wav(tmp_path / "synth.wav", TWO_SECONDS, RATE, acid(4, 120.0, HAS_ROOT))
    assert told(path)["musical_key"] == Guess("C", "acid", 0.65)
    assert told(path, "Things in Am")["musical_key"] == Guess("Am", "folder", 0.7)
    assert "musical_key" not in told(wav(path, TWO_SECONDS, RATE, acid(4, 120.0)))
    assert told(wav(path, TWO_SECONDS, RATE, smpl((5, 9), note=57)))["musical_key"] == Guess("A", "smpl", 0.6)
    assert "musical_key" not in told(wav(path, TWO_SECONDS, RATE, smpl((5, 9), note=60)))  # which is what nobody chose
    assert "musical_key" not in told(wav(tmp_path / "kick.wav", TWO_SECONDS, RATE, smpl((5, 9), note=57)))


def test_a_smpl_loop_over_all_of_it_is_a_loop(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    assert told(wav(path, TWO_SECONDS, RATE, smpl((0, 2 * RATE - 1))))["kind"] == Guess("loop", "smpl", 0.7)
    assert "kind" not in told(wav(path, TWO_SECONDS, RATE, smpl((100, 2 * RATE - 1))))
    assert "kind" not in told(wav(path, TWO_SECONDS[:600], RATE, smpl((0, 599))))  # a single cycle


def riff_info(path: Path, **tags: str) -> None:
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(np.zeros(RATE))


def by_ffmpeg(path: Path, codec: str, **tags: str) -> None:
    audio.write_av(path, codec, RATE, audio.tone(1, RATE))
    plain = path.with_name(f"plain{path.suffix}")
    path.rename(plain)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata.update(tags)
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)


def test_riff_info_tags(tmp_path: Path) -> None:
    path = tmp_path / "dusty_keys.wav"
    riff_info(path, title="Dusty Keys (Warm)", genre="Lo-Fi")
    found = told(path)
    assert found["title"] == Guess("Dusty Keys (Warm)", "tag", 0.8)
    assert found["genre"] == Guess("lo-fi", "tag", 0.8)
    # A title of the whole pack says less than the name; a genre that is none says nothing.
    riff_info(path, title="Samples of Doom", genre="www.example.com")
    found = told(path)
    assert found["title"] == Guess("dusty keys", "name", 0.7)
    assert "genre" not in found


def test_id3_tags(tmp_path: Path) -> None:
    by_ffmpeg(tmp_path / "x.mp3", "libmp3lame", TBPM="93", TKEY="Dbm", genre="Techno", title="x")
    found = told(tmp_path / "x.mp3")
    assert found["bpm"] == Guess("93", "tag", 0.85)
    assert found["musical_key"] == Guess("Dbm", "tag", 0.85)
    assert found["genre"].value == "techno"


@pytest.mark.parametrize("tag", ["0", "", "abc", "1e9", "nan", "-5", "301", "29"])
def test_tags_of_no_tempo(tmp_path: Path, tag: str) -> None:
    by_ffmpeg(tmp_path / "x.mp3", "libmp3lame", TBPM=tag)
    assert "bpm" not in told(tmp_path / "x.mp3")


@pytest.mark.parametrize("key", ["o", "8A", "H", "Cmaj7", "Am/C", "c", "A#b"])
def test_tags_of_no_key(key: str) -> None:
    assert "musical_key" not in infer(Header(musical_key=key), "x", [], VOCABULARY)


def test_the_signature_is_that_of_the_content(tmp_path: Path) -> None:
    path = FORM["wav-16"].save(tmp_path / "a.wav", audio.tone(1, RATE), RATE)
    before = header(path).signature
    path.rename(tmp_path / "b.wav")
    assert header(tmp_path / "b.wav").signature == before
    data = bytearray((tmp_path / "b.wav").read_bytes())
    data[-1] ^= 1
    (tmp_path / "b.wav").write_bytes(data)
    assert header(tmp_path / "b.wav").signature != before


def test_damaged_tags_are_no_reason_to_leave_a_file_out(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    rng = np.random.default_rng(404)
    for size in (1, 3, 4, 7, 40, 4000):
        junk = b"INFO" + rng.bytes(size)
        wav(path, TWO_SECONDS, RATE, chunk(b"LIST", junk) + chunk(b"id3 ", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + rng.bytes(size)))
        assert header(path).seconds == 2
