"""What files say of themselves. Judges: chunks packed by hand, and tags written by libsndfile and FFmpeg."""

import unicodedata
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
from tests.support.tag_bytes import ape, frame, id3, info, latin1

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


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_channels_are_told_with_the_length(tmp_path: Path, form: Form) -> None:
    """Both, or neither: a size is foretold by them."""
    rate = form.rates[-1]
    for channels in (1, 2):
        path = tmp_path / f"{channels}{form.extension}"
        form.save(path, audio.tone(1.5, rate, channels=channels), rate)
        found = header(path)
        assert found.channels == (channels if found.seconds is not None else 0)


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
    # Of a one-shot, too; but not where nobody chose it, and not of a drum.
    one_shot = ONE_SHOT | HAS_ROOT
    assert told(wav(path, TWO_SECONDS, RATE, acid(0, 0.0, one_shot, 57)))["musical_key"] == Guess("A", "acid", 0.65)
    assert "musical_key" not in told(wav(path, TWO_SECONDS, RATE, acid(0, 0.0, one_shot)))
    assert "musical_key" not in told(wav(path, TWO_SECONDS, RATE, acid(0, 0.0, ONE_SHOT, 57)))
    for name in ("snare.wav", "CP.wav"):
        assert "musical_key" not in told(wav(tmp_path / name, TWO_SECONDS, RATE, acid(0, 0.0, one_shot, 57)))


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
    tag_by_ffmpeg(path, **tags)


def tag_by_ffmpeg(path: Path, **tags: str) -> None:
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


def info_tags(path: Path, *texts: tuple[bytes, bytes]) -> Path:
    return wav(path, TWO_SECONDS, RATE, after=info(*texts))


def id3_tags(path: Path, **texts: str) -> Path:
    tag = id3(*(frame(name.encode(), latin1(text)) for name, text in texts.items()))
    return wav(path, TWO_SECONDS, RATE, after=chunk(b"id3 ", tag))


TEMPI = [
    ("128", "128"),
    ("92,5", "92.5"),
    ("92.5", "92.5"),
    ("120.00", "120"),
    ("128 BPM", "128"),
    ("128bpm", "128"),
    ("128,0 Bpm", "128"),
    ("BPM: 128", "128"),
    ("099", "99"),
]


@pytest.mark.parametrize(("tag", "bpm"), TEMPI)
def test_spellings_of_a_tempo(tmp_path: Path, tag: str, bpm: str) -> None:
    path = tmp_path / "x.wav"
    assert told(id3_tags(path, TBPM=tag))["bpm"] == Guess(bpm, "tag", 0.85)
    assert told(info_tags(path, (b"IBPM", tag.encode())))["bpm"] == Guess(bpm, "tag", 0.85)
    assert told(id3_tags(path, TXXX=f"Tempo\0{tag}"))["bpm"] == Guess(bpm, "tag", 0.85)


def test_a_tag_of_no_tempo_hides_no_other_source(tmp_path: Path) -> None:
    ixml = chunk(b"iXML", b"<BWFXML><TEMPO>96,5</TEMPO></BWFXML>")
    zero = chunk(b"id3 ", id3(frame(b"TBPM", latin1("0 Bpm"))))
    path = wav(tmp_path / "loop 100bpm.wav", TWO_SECONDS, RATE, ixml, zero)
    assert told(path)["bpm"] == Guess("96.5", "tag", 0.85)
    assert (
        told(wav(path, TWO_SECONDS, RATE, ixml.replace(b"96,5", b"0000"), zero + info((b"IBPM", b"99"))))["bpm"].value == "99"
    )
    assert told(wav(path, TWO_SECONDS, RATE, after=zero))["bpm"] == Guess("100", "name", 0.95)


@pytest.mark.parametrize(("folder", "encoding"), [("a", "latin-1"), ("b", "utf-8"), ("c", "cp1252")])
def test_a_title_in_latin_1_keeps_its_letters(tmp_path: Path, folder: str, encoding: str) -> None:
    path = info_tags(tmp_path / "noir.wav", (b"INAM", "Café Noir".encode(encoding)), (b"IGNR", b"House"))
    assert told(path, folder)["title"] == Guess("Café Noir", "tag", 0.8)


@pytest.mark.parametrize("text", [b"Caf\x81 Noir", "Caf\ufffd Noir".encode()])
def test_a_title_with_a_letter_that_is_lost_gives_way_to_the_name(tmp_path: Path, text: bytes) -> None:
    assert told(info_tags(tmp_path / "noir.wav", (b"INAM", text)))["title"] == Guess("noir", "name", 0.7)
    assert infer(Header(title="Caf\ufffd Noir"), "noir", [], VOCABULARY)["title"].value == "noir"
    assert infer(Header(), "Caf\ufffd Noir", [], VOCABULARY)["title"].value == "Caf Noir"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_the_same_in_one_letter_or_in_two(tmp_path: Path, form: str) -> None:
    """macOS takes the letters of file names apart."""
    name, title = "Café Köln", "Café Köln (Röhre)"
    for other in ("NFC", "NFD"):
        path = tmp_path / f"{unicodedata.normalize(form, name)}.wav"  # type: ignore[arg-type]
        info_tags(path, (b"INAM", unicodedata.normalize(other, title).encode()))  # type: ignore[arg-type]
        assert told(path)["title"] == Guess(title, "tag", 0.8)
        assert infer(Header(title=unicodedata.normalize(other, title)), path.stem, [], VOCABULARY)["title"].value == title  # type: ignore[arg-type]
        assert infer(Header(), path.stem, [], VOCABULARY)["title"].value == name
        path.unlink()


def test_tags_behind_odd_sound_without_a_pad_byte(tmp_path: Path) -> None:
    tags = info((b"INAM", b"Dusty Keys (Warm)"), (b"IBPM", b"92,5"))
    path = wav(tmp_path / "dusty_keys.wav", np.zeros((99, 1)), RATE)
    data = bytearray(path.read_bytes())
    data[32:36] = b"\1\0\x08\0"  # 8 bits, one byte a frame
    for pad in (b"", b"\0"):
        odd = bytes(data[:40]) + b"\x63\0\0\0" + b"\x80" * 99 + pad + tags
        path.write_bytes(odd[:4] + (len(odd) - 8).to_bytes(4, "little") + odd[8:])
        found = told(path)
        assert (found["title"].value, found["bpm"].value) == ("Dusty Keys (Warm)", "92.5")


def test_wavpack_tags_by_ffmpeg(tmp_path: Path) -> None:
    by_ffmpeg(tmp_path / "zé.wv", "wavpack", BPM="66", title="Zé", INITIALKEY="Bbm", genre="Dub")
    found = told(tmp_path / "zé.wv")
    assert {name: found[name].value for name in ("bpm", "musical_key", "genre")} == {
        "bpm": "66", "musical_key": "Bbm", "genre": "dub",
    }  # fmt: skip
    (tmp_path / "zé.wv").write_bytes((tmp_path / "zé.wv").read_bytes() + b"TAG" + bytes(124) + b"\xff")
    assert told(tmp_path / "zé.wv")["bpm"].value == "66"


@pytest.mark.parametrize("form", ["mp3-lame", "flac-16", "ogg-vorbis", "opus", "m4a-aac", "wavpack", "wav-16"])
def test_tags_by_ffmpeg_with_accents(tmp_path: Path, form: str) -> None:
    path = FORM[form].save(tmp_path / f"röhre{FORM[form].extension}", audio.tone(1, 48_000), 48_000)
    tag_by_ffmpeg(path, title="Röhre 日本", genre="Techno")
    assert told(path)["title"] == Guess("Röhre 日本", "tag", 0.8)
    assert told(path)["genre"].value == "techno"


def test_the_first_genre_that_is_known_counts(tmp_path: Path) -> None:
    for text, genre in (
        ("House\0Techno", "house"),
        ("Other\0Techno", "techno"),
        ("(17)", "rock"),
        ("(18)", "techno"),
        ("(0)Dub Techno", "techno"),
        ("Hip-Hop/Rap", "hip-hop"),
        ("Soundtrack; Drum & Bass", "drum-and-bass"),
        ("R&B/Soul", "r-and-b"),
    ):
        assert told(id3_tags(tmp_path / "x.wav", TCON=text))["genre"] == Guess(genre, "tag", 0.8)
    for text in ("(0)", "(255)", "Other", "(12)"):
        assert "genre" not in told(id3_tags(tmp_path / "x.wav", TCON=text))


def test_a_file_with_no_more_than_an_ape_tag_in_an_mp3(tmp_path: Path) -> None:
    path = FORM["mp3-cbr"].save(tmp_path / "x.mp3", audio.tone(1, RATE), RATE)
    path.write_bytes(path.read_bytes() + ape(("BPM", b"128 BPM"), ("Key", b"A minor")))
    found = told(path)
    assert (found["bpm"].value, found["musical_key"].value) == ("128", "Am")


@pytest.mark.parametrize(
    "tag", ["0", "", "abc", "1e9", "nan", "-5", "301", "29", "0 Bpm", "0,0", "120/60", "90-100", "1,128", "12800"]
)
def test_tags_of_no_tempo(tmp_path: Path, tag: str) -> None:
    by_ffmpeg(tmp_path / "x.mp3", "libmp3lame", TBPM=tag)
    assert "bpm" not in told(tmp_path / "x.mp3")


KEYS = [
    ("Am", "Am"),
    ("Amin", "Am"),
    ("A minor", "Am"),
    ("A Minor", "Am"),
    ("A-min", "Am"),
    ("F#m", "F#m"),
    ("F♯ minor", "F#m"),
    ("F sharp minor", "F#m"),
    ("Fsmin", "F#m"),
    ("Ebm", "Ebm"),
    ("E♭ Maj", "Ebmaj"),
    ("B flat", "Bbmaj"),
    ("Cmin", "Cm"),
    ("Bbm", "Bbm"),
    ("Bb", "Bbmaj"),
    ("CM", "Cmaj"),
    ("C", "Cmaj"),
    ("8A", "Am"),
    ("1m", "Am"),
    ("h-Moll", "Bm"),
]


@pytest.mark.parametrize(("tag", "key"), KEYS)
def test_spellings_of_a_key(tag: str, key: str) -> None:
    assert infer(Header(musical_key=tag), "x", [], VOCABULARY)["musical_key"] == Guess(key, "tag", 0.85)


def test_a_key_with_odd_bytes_is_none_and_hides_no_other(tmp_path: Path) -> None:
    assert "musical_key" not in told(id3_tags(tmp_path / "x.wav", TKEY="F\xe9m"))
    assert told(id3_tags(tmp_path / "x.wav", TKEY="o", TXXX="INITIALKEY\0F#m"))["musical_key"].value == "F#m"


@pytest.mark.parametrize("key", ["o", "13A", "X", "Cmaj7", "Am/C", "c", "A#b", "F\xe9m", "A min 7", "Fs", "0m", "A B", "all"])
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
