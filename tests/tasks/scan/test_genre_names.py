"""Genres as folders and file names spell them: by hand, and never a maker's name or a thing's."""

from pathlib import Path

import pytest

from config import genres
from schemas.scan_values import Guess
from tasks.scan.genre_names import GenreVocabulary
from tests.support.scan_table import told

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
    ("gabba", "hardcore"),
    ("gabbaloud", ""),
    ("Gabber Kicks", "hardcore"),
    ("Hardcore", "hardcore"),
    ("rave2", "rave"),
    ("Old Skool Rave Stabs", "rave"),
    ("Breakcore Loops 180", "breakcore"),
    ("Ragga Jungle Breaks", "jungle"),
    ("Nu Skool Breaks", "breakbeat"),
    ("Jersey Club Kit", "jersey-club"),
    ("Schranz Loops", "techno"),
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
    ("Breaks", ""),  # what is cut out of records, of any genre
    ("breaks125", ""),
    ("Hardcore Gamer Voices", ""),
    ("Rave Crowd", ""),
    ("Juke Box", ""),
    ("Club Kicks", ""),
    ("Footwork on Gravel", ""),
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


def test_a_key_is_not_the_genre_that_is_spelt_alike() -> None:
    assert {"genre", "musical_key"} & told("128-Ebm-Bass Loop").keys() == {"musical_key"}
    assert "genre" not in told("x", ["Loops Ebm"])
    for name in ("EBM bass 120bpm", "ebm_stab"):
        assert told(name)["genre"].value == "industrial"


def test_a_persons_own_genres_take_the_place_of_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "genres.toml").write_text(  # with a byte order mark, as Windows' Notepad writes it
        '\ufeff[genres]\nhouse = []\nfootwork = ["juke"]\n[words_in_names]\nvendors = ["juke joint"]\n'
    )
    own = genres.load({"SP404_CONFIG_DIR": str(tmp_path)})
    vocabulary = GenreVocabulary.build(own.genres, own.words_in_names)
    assert vocabulary.guess_from_folders(["House"]) is None
    assert vocabulary.guess_from_folders(["Techno"]) == Guess("techno", "folder", 0.85)
    assert vocabulary.guess_from_folders(["Juke 160"]) == Guess("footwork", "folder", 0.85)
    assert vocabulary.guess_from_folders(["Juke Joint"]) is None
