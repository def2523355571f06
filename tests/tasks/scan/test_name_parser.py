"""What names tell, judged by a table of what a person reads from them: an empty value may be right, a wrong one never."""

import re
import string
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import genres
from schemas.scan import THRESHOLD, Guess, Header
from tasks.scan.genre_names import GenreVocabulary
from tasks.scan.infer import infer
from tests.support.scan_table import VOCABULARY, Row, rows

ROWS = rows()
FIELDS = ("bpm", "musical_key", "kind")
# Of what a person can tell so much is told at least; the rest is left empty.
LEAST_TOLD = 0.9


def told(stem: str, folders: list[str] | None = None, seconds: float | None = None) -> dict[str, Guess]:
    return infer(Header(seconds=seconds), stem, folders or [], VOCABULARY)


def values(row: Row) -> dict[str, str]:
    found = told(row.stem, row.folders, row.seconds)
    return {name: found[name].value if name in found else "" for name in FIELDS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.path} {row.seconds or ''}")
def test_nothing_wrong_is_read_from_a_name(row: Row) -> None:
    for name, value in values(row).items():
        assert value in ("", row.expected[name]), name


def test_most_of_what_a_person_can_tell_is_told() -> None:
    assert len({row.path for row in ROWS}) >= 150
    expected = Counter(name for row in ROWS for name in FIELDS if row.expected[name])
    found = Counter(name for row in ROWS for name, value in values(row).items() if value)
    for name in FIELDS:
        assert expected[name] >= 30
        assert found[name] >= LEAST_TOLD * expected[name], name


WORDS = st.sampled_from(
    "loop Loop bpm BPM 120 120bpm 92.5 120,5 999bpm 0 30 20bpm Am F#m C minor maj A B - _ . ( ) # 808 kHz 96 vol 2024 break"
    " kick 夜 🔥 ١٢٠ \uff11\uff12\uff10 to -12dB 1e5 inf nan 300bpm 301bpm 00120bpm".split()
)
NAMES = st.one_of(
    st.text(max_size=60),
    st.text(string.ascii_letters + string.digits + "_- .,#()", max_size=40),
    st.lists(WORDS, max_size=8).map(" ".join),
    st.lists(WORDS, max_size=8).map("".join),
)


@settings(max_examples=1500, deadline=None)
@given(NAMES, st.lists(NAMES, max_size=2), st.one_of(st.none(), st.floats(0.001, 900)))
def test_no_name_invents_a_tempo_or_a_number_that_is_not_in_it(stem: str, folders: list[str], seconds: float | None) -> None:
    found = told(stem, folders, seconds)
    assert all(THRESHOLD <= guess.confidence <= 1 and guess.source and guess.value for guess in found.values())
    if bpm := found.get("bpm"):
        assert 30 <= float(bpm.value) <= 300
        text = unicodedata.normalize("NFKC", " ".join([stem, *folders])).replace(",", ".")
        assert float(bpm.value) in {float(number) for number in re.findall(r"\d+(?:\.\d+)?", text, re.ASCII)}
    if key := found.get("musical_key"):
        assert re.fullmatch(r"[A-G][#b]?(m|maj)", key.value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([row for row in ROWS if not row.folders]), st.sampled_from(["夜 ", "Ünder ", "(x) "]))
def test_words_of_other_scripts_change_nothing(row: Row, front: str) -> None:
    found = told(front + row.stem, [], row.seconds)
    for name in ("musical_key", "kind"):
        assert name not in found or found[name].value == row.expected[name]


GENRES = [
    ("Hip Hop", "hip-hop"),
    ("hip-hop", "hip-hop"),
    ("HIPHOP", "hip-hop"),
    ("HipHop Drums Vol 2", "hip-hop"),
    ("Vendor - Deep House Essentials Vol. 3", "deep-house"),
    ("01_DRUM_AND_BASS", "drum-and-bass"),
    ("Drum & Bass Loops", "drum-and-bass"),
    ("D&B", "drum-and-bass"),
    ("DnB Breaks", "drum-and-bass"),
    ("R&B", "r-and-b"),
    ("Lo-Fi Hip Hop Keys", "lo-fi"),
    ("lofi", "lo-fi"),
    ("UK Garage", "garage"),
    ("House", "house"),
    ("House Loops 124 BPM", "house"),
    ("TechHouse One Shots", "tech-house"),
    ("Psytrance Bass", "trance"),
    ("Amapiano Log Drums", "amapiano"),
    # Not to be told: makers, things, two at a time, words within others.
    ("Industrial Strength Samples", ""),
    ("House of Loop", ""),
    ("Soul Surplus", ""),
    ("GarageBand", ""),
    ("Garage Door", ""),
    ("Household", ""),
    ("Warehouse", ""),
    ("Trap Door", ""),
    ("Rock Crusher", ""),
    ("House and Techno", ""),
    ("Metal", ""),
    ("Pop Filter", ""),
    ("Country Road Ambience", ""),
    ("Jungle Birds", ""),
    ("Kicks", ""),
    ("Drums and Bass Guitars", ""),
    ("", ""),
]


@pytest.mark.parametrize(("folder", "genre"), GENRES)
def test_genres_of_folders(folder: str, genre: str) -> None:
    found = told("sample 01", [folder])
    assert (found["genre"].value if "genre" in found else "") == genre
    if genre:
        assert found["genre"].source == "folder"


def test_the_nearest_folder_that_names_a_genre_counts_and_things_are_none() -> None:
    assert told("x", ["Kicks", "Techno", "House"])["genre"].value == "techno"
    assert "genre" not in told("x", ["Garage", "Foley"])
    assert "genre" not in told("door slam", ["Rock", "Sound Effects", "Library"])


def test_genres_of_file_names_by_words_that_mean_nothing_else() -> None:
    assert told("VX_dubstep_wobble_01")["genre"] == Guess("dubstep", "name", 0.65)
    for name in ("elec_pop", "Garage_Door_Slam", "House Keys", "Trap 01", "metal hit", "dnb and techno"):
        assert "genre" not in told(name), name


def test_a_persons_own_genres_take_the_place_of_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "genres.toml").write_text(
        '[genres]\nhouse = []\nfootwork = ["juke"]\n[words_in_names]\nvendors = ["juke joint"]\n'
    )
    own = genres.load({"SP404_CONFIG_DIR": str(tmp_path)})
    vocabulary = GenreVocabulary.build(own.genres, own.words_in_names)
    assert vocabulary.guess_from_folders(["House"]) is None
    assert vocabulary.guess_from_folders(["Techno"]) == Guess("techno", "folder", 0.85)
    assert vocabulary.guess_from_folders(["Juke 160"]) == Guess("footwork", "folder", 0.85)
    assert vocabulary.guess_from_folders(["Juke Joint"]) is None
