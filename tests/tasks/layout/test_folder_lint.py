"""What is said of folders before they are written."""

import polars as pl
import pytest

from schemas.enums import OrganizeBy
from tasks.layout.folder_lint import find_same_genres, find_unsorted, find_without_kit


@pytest.mark.parametrize(
    ("layout", "folder", "unsorted", "rows", "is_said"),
    [
        (OrganizeBy.GENRE, "unknown_genre", 9, 10, True),
        (OrganizeBy.BPM, "unknown_bpm", 81, 100, True),
        (OrganizeBy.BPM, "unknown_bpm", 80, 100, False),
        (OrganizeBy.GENRE, "unknown_genre", 9, 9, False),
        (OrganizeBy.BPM, "unknown_bpm_loops", 20, 20, False),
        (OrganizeBy.GENRE, "unknown_bpm", 20, 20, False),
        (OrganizeBy.KIT, "unknown_kit", 20, 20, False),
        (OrganizeBy.FLAT, "", 20, 20, False),
    ],
)
def test_a_layout_that_sorts_next_to_nothing(layout: OrganizeBy, folder: str, unsorted: int, rows: int, is_said: bool) -> None:
    paths = [f"{folder}/{number}.wav" if number < unsorted else f"x/{number}.wav" for number in range(rows)]
    found = find_unsorted(pl.Series(paths), layout, "Do this.")
    assert [(finding.where, finding.fix) for finding in found] == ([(f"layout {layout}", "Do this.")] if is_said else [])
    if is_said:
        assert found[0].what == f"{unsorted} of {rows} rows have no {layout}, and go to {folder}"


def test_genres_that_a_scan_takes_for_one() -> None:
    known = {"DnB": "drum-and-bass", "Drum & Bass": "drum-and-bass", "House": "house"}
    rows = pl.Series(["House", "Drum & Bass", None, "Mine", "DnB", "House", "Yours", "DnB"])
    (found,) = find_same_genres(rows, lambda name: known.get(name, ""))
    assert found.where == "genre Drum & Bass"
    assert found.what == "A scan takes Drum & Bass, DnB for one genre: drum-and-bass"
    assert find_same_genres(pl.Series([None, None], dtype=pl.String), lambda _: "x") == []


@pytest.mark.parametrize(
    ("unsorted", "rows", "what"),
    [
        (1, 9, "1 of 9 rows has no kit, and goes to unknown_kit"),
        (1200, 2000, "1,200 of 2,000 rows have no kit, and go to unknown_kit"),
    ],
)
def test_rows_without_a_kit(unsorted: int, rows: int, what: str) -> None:
    paths = pl.Series([f"unknown_kit/{n}.wav" if n < unsorted else f"unknown_kit_2/{n}.wav" for n in range(rows)])
    assert [(each.what, each.fix) for each in find_without_kit(paths, "Do this.")] == [(what, "Do this.")]


def test_kits_alone_have_no_rows_without_one() -> None:
    assert find_without_kit(pl.Series(["a/bank_A/pad_01_x.wav"]), "Do this.") == []
