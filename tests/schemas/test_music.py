"""Musical facts that stand once: they agree with the contract, with each other, and with what reads files."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import music
from tasks.layout.paths import bpm_bucket


def test_banks_and_pads_are_those_of_the_device() -> None:
    assert "".join(music.BANKS) == "ABCDEFGHIJ"
    assert (music.PADS_PER_BANK, music.PADS_PER_KIT) == (16, 160)


def test_tempo_ranges_lie_in_each_other_and_hold_every_bound_of_a_bucket() -> None:
    assert (music.BPM_MIN, music.BPM_MAX) == (20, 300)
    assert music.BPM_MIN <= music.LOOP_BPM_MIN < music.LOOP_BPM_MAX <= music.BPM_MAX
    bounds = music.BPM_BUCKET_BOUNDS
    assert list(bounds) == sorted(set(bounds))
    assert music.LOOP_BPM_MIN < bounds[0] < bounds[-1] < music.BPM_MAX
    assert len(music.BPM_BUCKETS) == len(bounds) + 1
    assert music.UNKNOWN_BPM not in music.BPM_BUCKETS


@given(st.floats(music.BPM_MIN, music.BPM_MAX))
def test_a_bucket_that_is_named_by_its_bounds_holds_the_tempo(bpm: float) -> None:
    name = pl.select(bpm_bucket(pl.lit(bpm))).item()
    low, _, high = {"slow": "0-70", "fast": "150-1000"}.get(name, name).partition("-")
    assert float(low) <= bpm < float(high)


@pytest.mark.parametrize("extension", sorted(music.AUDIO_EXTENSIONS))
def test_extensions_are_matched_at_the_end_in_any_case(extension: str) -> None:
    pattern = music.extension_pattern(music.AUDIO_EXTENSIONS)
    assert extension == extension.lower()
    assert re.sub(pattern, "", f"a.b{extension.upper()}") == "a.b"
    assert pl.Series([f"a{extension}", f"a{extension}.txt"]).str.contains(pattern).to_list() == [True, False]


def test_every_extension_is_of_one_sort_and_rex_of_none() -> None:
    sorts = [music.PCM_EXTENSIONS, music.LOSSLESS_EXTENSIONS, music.LOSSY_EXTENSIONS, music.UNPROMISED_EXTENSIONS]
    assert sum(map(len, sorts)) == len(music.AUDIO_EXTENSIONS) == 21
    assert not music.AUDIO_EXTENSIONS & music.REX_EXTENSIONS
    promised = {".wav", ".aif", ".aiff", ".aifc", ".flac", ".mp3", ".m4a", ".ogg", ".opus"}
    assert promised <= set(music.TITLE_EXTENSIONS)


@given(st.sampled_from(music.BEATS), st.floats(60, 200), st.floats(-0.02, 0.02))
def test_a_length_that_is_a_careless_cut_away_from_whole_beats_is_theirs(beats: int, bpm: float, cut: float) -> None:
    counted = music.beats_in(beats * 60 / bpm + cut, bpm)
    assert counted == beats
    assert music.beats_in(beats * 60 / bpm + cut, bpm, beats + 1) == 0


def test_a_length_between_beats_is_none() -> None:
    assert music.beats_in(0.75, 120) == 0
    assert music.beats_in(1.0, 120) == 2


# The wheel of Mixed In Key, as it is printed: the number, the minor key (A), the major key (B).
CAMELOT = """
1 Abm B; 2 Ebm F#; 3 Bbm Db; 4 Fm Ab; 5 Cm Eb; 6 Gm Bb; 7 Dm F; 8 Am C; 9 Em G; 10 Bm D; 11 F#m A; 12 C#m E
"""


@pytest.mark.parametrize("entry", CAMELOT.strip().split("; "))
def test_keys_of_the_camelot_wheel(entry: str) -> None:
    number, minor, major = entry.split()
    for code in (f"{number}A", f"{number}a", f"{int(number):02}A"):
        assert music.normalize_key(code) == minor
    assert music.normalize_key(f"{number}B") == f"{major}maj"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1m", "Am"),
        ("1d", "Cmaj"),
        ("A♭", "Ab"),
        ("A♭ minor", "Abm"),
        ("Db major", "Dbmaj"),
        ("F sharp minor", "F#m"),
        ("a minor", "Am"),
        ("C Maj", "Cmaj"),
        ("H-Moll", "Bm"),
        ("h-moll", "Bm"),
        ("Hm", "Bm"),
        ("B-Dur", "Bbmaj"),
        ("Es-Dur", "Ebmaj"),
        ("As-Dur", "Abmaj"),
        ("fis-Moll", "F#m"),
        ("Cis-Dur", "C#maj"),
        ("Bbm", "Bbm"),
        ("Am", "Am"),
        ("CM", "Cmaj"),
        ("C", "C"),
        ("13A", ""),
        ("0A", ""),
        ("am", ""),
        ("none of these", ""),
        ("", ""),
    ],
)
def test_keys_as_people_write_them(text: str, key: str) -> None:
    assert music.normalize_key(text) == key
    # A tag says the same, but that a root alone is major there.
    assert music.parse_key(text) == (f"{key}maj" if re.fullmatch("[A-G][#b]?", key) else key)


@pytest.mark.parametrize(
    ("text", "key"), [("Dbm", "Dbm"), ("Amin", "Am"), ("Fs min", "F#m"), ("Bb", "Bbmaj"), ("A-flat minor", "Abm"), ("o", "")]
)
def test_keys_of_tags(text: str, key: str) -> None:
    assert music.parse_key(text) == key
