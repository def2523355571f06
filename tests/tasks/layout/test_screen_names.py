"""Names for the device's screen: 23 characters, what tells samples apart, tempo and key in front."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.enums import AudioFormat, Names, OrganizeBy
from schemas.instruments import find_instrument_word
from tasks.layout.paths import PathRules, assign_paths
from tests.support.scan_table import instrument_rows

_DTYPES = {"sample_id": pl.Int64, "bpm": pl.Float64, "kit_id": pl.Int64, "pad": pl.Int64}
_COLUMNS = ("sample_id", "title", "genre", "bpm", "musical_key", "kit", "kit_id", "bank", "pad", "source")


def rows(*given_rows: dict[str, object]) -> pl.DataFrame:
    blank: dict[str, object] = dict.fromkeys(_COLUMNS)
    whole = [blank | {"sample_id": number, "source": f"/p/{row['title']}"} | row for number, row in enumerate(given_rows, 1)]
    return pl.DataFrame(whole, {name: _DTYPES.get(name, pl.String) for name in _COLUMNS})


def stems(*given_rows: dict[str, object], organize_by: OrganizeBy = OrganizeBy.FLAT) -> list[str]:
    placed = assign_paths(rows(*given_rows), PathRules(organize_by, AudioFormat.WAV, True, names=Names.SCREEN))
    return [path.rsplit("/", 1)[-1].removesuffix(".wav") for path in placed["path"]]


@pytest.mark.parametrize(
    ("titles", "wanted"),
    [
        (["Splice_Dusty_Drums_Kick_01", "Splice_Dusty_Drums_Snare_02"], ["kick_01", "snare_02"]),
        # Numbers alone say nothing: a word stays in front of them.
        (["Vendor Pack Kick 01", "Vendor Pack Kick 02"], ["kick_01", "kick_02"]),
        (["Mellotron Strings C1", "Mellotron Strings D#1"], ["strings_c1", "strings_dsharp1"]),
        # The instrument stays, whatever else is in common, and what tells layers apart.
        (["Kick Hard", "Kick Soft"], ["kick_hard", "kick_soft"]),
        (["PearlKick-Hard", "PearlKick-Soft"], ["pearlkick-hard", "pearlkick-soft"]),
        (["Vendor - Dusty Kick Hard", "Vendor - Dusty Kick Soft"], ["kick_hard", "kick_soft"]),
        (["hatclosed_soft", "hatclosed_hard"], ["hatclosed_soft", "hatclosed_hard"]),
        (["Grand Vintage Snare Brushed With Plates 7"], ["snare_with_plates_7"]),
        (["The Big Acoustic PearlSnareRimshot Hardest"], ["rimshot_hardest"]),
        (["Extraordinarily Long Name Behind HiHat With Much Closed Foot 12"], ["hihat_closed_foot_12"]),
        (["tr808-bd 001", "tr808-bd 002"], ["bd_001", "bd_002"]),
        # Glued to a name, too, and behind a tempo and a key, which go before the instrument does.
        (["SabianCrashFlink-Hardest", "SabianCrashFlink-Softest"], ["crashflink-hardest", "crashflink-softest"]),
        (["PaisteRide-Hard", "PaisteRide-Soft"], ["paisteride-hard", "paisteride-soft"]),
        # One file has nothing in common with others.
        (["Vendor Pack Kick 01"], ["vendor_pack_kick_01"]),
        (["kick", "kick"], ["kick", "kick__2"]),
        (["kick", "kick 01"], ["kick", "kick_01"]),
        (["Pack - Con", "Pack - Snare"], ["x_con", "snare"]),
        (["🔥", "💧"], ["fire", "droplet"]),
        (["A very long title that no screen of any sampler shows 01"], ["of_any_sampler_shows_01"]),
    ],
)
def test_what_tells_samples_apart_stays(titles: list[str], wanted: list[str]) -> None:
    assert stems(*({"title": title} for title in titles)) == wanted


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"title": "Dusty loop 92bpm", "bpm": 92}, "92_dusty_loop"),
        ({"title": "92 BPM dusty loop", "bpm": 92}, "92_dusty_loop"),
        ({"title": "Dusty loop 1992", "bpm": 92}, "92_dusty_loop_1992"),
        ({"title": "Pad 90.5 BPM", "bpm": 90.5}, "90_5_pad"),
        ({"title": "Pad F#m 120", "bpm": 120, "musical_key": "F#m"}, "120_fsm_pad"),
        ({"title": "Bass in Am", "musical_key": "Am"}, "am_bass_in"),
        ({"title": "AMinor 00", "musical_key": "Am"}, "am_00"),
        ({"title": "Amaj amajor 00", "musical_key": "Amaj"}, "amaj_00"),
        ({"title": "B flat major up", "musical_key": "Bbmaj"}, "bbmaj_up"),
        ({"title": "F sharp min pad", "musical_key": "F#m"}, "fsm_pad"),
        ({"title": "A minority amino", "musical_key": "Am"}, "am_a_minority_amino"),
        ({"title": "120", "bpm": 120, "source": "/p/loop"}, "120_120"),
        ({"title": "The longest bassline there ever was 7", "bpm": 128.5, "musical_key": "Ebmaj"}, "128_5_ebmaj_ever_was_7"),
    ],
)
def test_tempo_and_key_stand_in_front_and_are_said_once(row: dict[str, object], wanted: str) -> None:
    assert stems(row) == [wanted]


def test_a_prefix_is_that_of_its_folder() -> None:
    titles = [("/a/Pack A Kick", "kick"), ("/a/Pack A Snare", "snare"), ("/b/Other B Clap", "clap"), ("/b/Other B Hat", "hat")]
    given_rows = [{"title": path.rsplit("/")[-1], "source": path} for path, _ in titles]
    assert stems(*given_rows) == [wanted for _, wanted in titles]


def test_in_a_kit_the_pad_stands_in_front() -> None:
    row = {"title": "The deepest kick of them all", "bpm": 90, "kit": "K", "kit_id": 1, "bank": "A", "pad": 3}
    assert stems(row, organize_by=OrganizeBy.KIT) == ["pad_03_90_kick_them_all"]


def test_no_name_loses_its_instrument() -> None:
    """By the table of names, alone, behind a vendor with tempo and key, and on a pad."""
    words = {word for row in instrument_rows() if (word := find_instrument_word(row.stem)) and word.isascii()}
    assert len(words) >= 60
    titles = [row.stem for row in instrument_rows() if find_instrument_word(row.stem).isascii()]
    heard = {"bpm": 128.5, "musical_key": "Ebmaj"}
    slot = {"kit": "K", "kit_id": 1, "bank": "A", "pad": 3}
    for front, facts, by in (
        ("", {}, OrganizeBy.FLAT),
        ("Vendor of Grand Things - ", heard, OrganizeBy.FLAT),
        ("", heard | slot, OrganizeBy.KIT),
    ):
        given_rows = [{"title": front + title, "source": f"/{number}/x"} | facts for number, title in enumerate(titles)]
        found = stems(*given_rows, organize_by=by)
        assert all(find_instrument_word(title) in name for title, name in zip(titles, found, strict=True))
        assert max(map(len, found)) <= 23


_WORDS = r"(Vendor |Pack_|Kick|Snare|loop|[0-9]{1,3}| |bpm){1,8}"
_TITLES = st.one_of(st.text(max_size=60), st.from_regex(_WORDS, fullmatch=True))
_ROW = st.fixed_dictionaries(
    {
        "title": _TITLES,
        "bpm": st.none() | st.floats(20, 300),
        "musical_key": st.none() | st.sampled_from(["Am", "F#m", "Fm", "Bb maj", "C sharp minor", "?"]),
        "source": st.sampled_from(["/a/x", "/a/y", "/b/x"]),
        "sample_id": st.integers(1, 10**17),
    }
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(_ROW, min_size=1, max_size=12, unique_by=lambda row: row["sample_id"]))
def test_every_name_fits_and_none_is_given_twice(given_rows: list[dict[str, object]]) -> None:
    found = stems(*given_rows)
    assert len(set(found)) == len(found)
    for name in found:
        assert len(name) <= 23
        assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]*", name)
