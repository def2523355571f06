"""A manifest and a new scan as one, judged cell by cell: what a person wrote stays, all else follows the scan."""

import itertools

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.scan_values import CELLS
from tasks.scan import merge
from tasks.scan.rows import COLUMNS

NOTHING = merge.MergeRequest(frozenset(), {}, restore=False, kits=False)
KITS = merge.MergeRequest(frozenset(), {}, restore=False, kits=True)
Cells = dict[str, str | None]


def scanned(**files: Cells) -> pl.DataFrame:
    rows = [{"path": f"/m/{name}", "file_path": name} | cells for name, cells in files.items()]
    return pl.DataFrame(rows, dict.fromkeys(("path", *COLUMNS), pl.String))


def base(new: pl.DataFrame) -> pl.DataFrame:
    return new.select("path", *CELLS)


def merged(
    old: pl.DataFrame, last: pl.DataFrame, new: pl.DataFrame, asked: merge.MergeRequest = NOTHING
) -> merge.MergedManifest:
    return merge.merge_manifest(old, "/m/" + old["file_path"], base(last), new, asked)


def cell(frame: pl.DataFrame, name: str, column: str) -> str | None:
    return frame.filter(file_path=name)[column].item()


def test_an_untouched_manifest_follows_the_scan() -> None:
    last = scanned(a={"bpm": "90", "bpm_source": "name"}, b={"genre": "house"})
    new = scanned(a={"bpm": "91", "bpm_source": "tag"}, b={}, c={"bpm": "100"})
    done = merged(merge.start_manifest(last).frame, last, new)
    assert done.frame.equals(merge.start_manifest(new).frame)
    assert done.added == ["c"]
    assert [(change.file_path, change.column, change.before, change.after) for change in done.changes] == [
        ("a", "bpm", "90", "91"),
        ("b", "genre", "house", None),
    ]
    assert merged(done.frame, new, new).frame.equals(done.frame)
    assert merged(done.frame, new, new).changes == []


def test_accents_in_one_letter_or_in_two_are_no_edit() -> None:
    """An older scan wrote titles as their tags had them, and some programs compose what they save."""
    last, new = scanned(a={"title": "Cafe\u0301"}), scanned(a={"title": "Caf\xe9"})
    for before in (last, new):
        done = merged(merge.start_manifest(before).frame, last, new)
        assert cell(done.frame, "a", "title") == "Caf\xe9"
        assert (done.changes, done.edited) == ([], 0)


def test_what_a_person_wrote_or_emptied_stays() -> None:
    last = scanned(a={"bpm": "90", "title": "A", "bpm_source": "name"}, b={"bpm": "70", "bpm_source": "name"})
    old = merge.start_manifest(last).frame.with_columns(
        bpm=pl.when(pl.col("file_path") == "a").then(pl.lit("180,0")).otherwise(pl.lit(None, pl.String)), mine=pl.lit("note")
    )
    new = scanned(a={"bpm": "91", "title": "B", "bpm_source": "tag"}, b={"bpm": "71", "bpm_source": "tag"}, c={"bpm": "9"})
    first = merged(old, last, new)
    for done in (first, merged(first.frame, new, new)):
        assert cell(done.frame, "a", "bpm") == "180,0"
        assert cell(done.frame, "a", "bpm_source") == merge.YOU
        assert cell(done.frame, "a", "title") == "B"
        assert cell(done.frame, "b", "bpm") is None
        assert done.frame["mine"].to_list() == ["note", "note", None]
        assert done.edited == 2


def test_what_a_spreadsheet_makes_of_numbers_is_no_edit() -> None:
    last = scanned(a={"bpm": "90", "pad": "3", "kit": "K", "bank": "A"}, b={"bpm": "92.5"})
    old = merge.start_manifest(last).frame.with_columns(bpm=pl.Series(["90.0", "92,5"]), pad=pl.Series(["3.0", None]))
    done = merged(old, last, scanned(a={"bpm": "91"}, b={"bpm": "93"}))
    assert done.frame["bpm"].to_list() == ["91", "93"]
    assert done.edited == 0


def test_a_manifest_that_no_scan_wrote_keeps_its_values_and_gets_the_missing_ones() -> None:
    old = pl.DataFrame({"File_Path": ["a", "gone"], "BPM": ["100", None], "sample_id": ["7", "8"]})
    new = scanned(a={"bpm": "90", "genre": "house"}, b={"bpm": "80"})
    done = merge.merge_manifest(
        old, pl.Series(["/m/a", "/m/gone"]), base(scanned()), new, merge.MergeRequest(frozenset(["/m/gone"]), {}, False, False)
    )
    assert done.frame["File_Path"].to_list() == ["a", "gone", "b"]
    assert done.frame["BPM"].to_list() == ["100", None, "80"]
    assert done.frame["genre"].to_list() == ["house", None, None]
    assert done.frame["sample_id"].to_list() == ["7", "8", None]


def test_a_persons_own_columns_stay_whatever_their_names() -> None:
    last = scanned(a={"bpm": "1"}, b={}, c={})
    own = {
        name: [f"{name} {row}" if row != "b" else " " for row in "abc"]
        for name in ("path", "line", "was", "found", "bpm_new", "kit_base", " Bpm note")
    }
    old = pl.concat([merge.start_manifest(last).frame, pl.DataFrame(own)], how="horizontal")
    asked = merge.MergeRequest(frozenset(["/m/b"]), {}, restore=False, kits=True)
    done = merged(old, last, scanned(a={"bpm": "2"}, c={}, d={}), asked)
    assert done.frame.columns == old.columns
    for name in own:
        assert done.frame[name].to_list() == [f"{name} a", f"{name} c", None]
    assert done.frame["bpm"].to_list() == ["2", None, None]


def test_a_filled_cell_in_a_persons_own_column_keeps_the_row_of_a_file_that_is_gone() -> None:
    last = scanned(a={}, b={}, c={})
    old = merge.start_manifest(last).frame.with_columns(note=pl.Series(["mine", " ", None]))
    asked = merge.MergeRequest(frozenset(["/m/a", "/m/b"]), {}, restore=False, kits=False)
    done = merged(old, last, scanned(c={}), asked)
    assert done.frame["file_path"].to_list() == ["a", "c"]
    assert done.paths.to_list() == ["/m/a", "/m/c"]
    assert done.gone == ["b"]


def test_rows_that_a_person_removed_stay_out_until_they_are_asked_for() -> None:
    last = scanned(a={}, b={})
    old = merge.start_manifest(last).frame.filter(file_path="a")
    done = merged(old, last, last)
    assert (done.frame["file_path"].to_list(), done.kept_out) == (["a"], ["b"])
    back = merged(old, last, last, merge.MergeRequest(frozenset(), {}, restore=True, kits=False))
    assert (back.frame["file_path"].to_list(), back.kept_out) == (["a", "b"], [])


def test_files_that_are_gone_leave_unless_a_person_edited_their_rows() -> None:
    last = scanned(a={"bpm": "1"}, b={"bpm": "2"}, c={})
    old = merge.start_manifest(last).frame.with_columns(bpm=pl.Series(["1", "99", None]))
    asked = merge.MergeRequest(frozenset(["/m/a", "/m/b"]), {}, restore=False, kits=False)
    done = merged(old, last, scanned(c={}), asked)
    assert done.frame["file_path"].to_list() == ["b", "c"]
    assert done.gone == ["a"]


def test_a_file_that_was_moved_takes_its_edits_along() -> None:
    last = scanned(a={"bpm": "90"}, b={})
    old = merge.start_manifest(last).frame.with_columns(bpm=pl.Series(["120", None]))
    asked = merge.MergeRequest(frozenset(["/m/a"]), {"/m/a": "/m/new"}, restore=False, kits=False)
    done = merged(old, last, scanned(b={}, new={"bpm": "91"}), asked)
    assert done.frame.select("file_path", "bpm").rows() == [("new", "120"), ("b", None)]
    assert done.moved == [("/m/a", "/m/new")]
    assert (done.added, done.gone) == ([], [])


def slot(kit: str, pad: int) -> Cells:
    return {"kit": kit, "bank": "A", "pad": str(pad), "kit_source": "folder"}


def test_a_kit_that_a_person_touched_is_theirs() -> None:
    last = scanned(a=slot("K", 1), b=slot("K", 2), c=slot("L", 1))
    old = merge.start_manifest(last).frame.with_columns(pad=pl.Series(["2", "1", "1"]))
    new = scanned(a=slot("K", 3), b=slot("K", 4), c=slot("L", 5), d=slot("K", 1), e=slot("L", 1))
    done = merged(old, last, new, KITS)
    assert done.frame.select("file_path", "kit", "pad").rows() == [
        ("a", "K", "2"),
        ("b", "K", "1"),
        ("c", "L", "5"),
        ("d", None, None),
        ("e", "L", "1"),
    ]
    # Without --kits nothing about kits is said anew.
    plain = merged(old, last, scanned(a={}, b={}, c={}))
    assert plain.frame["pad"].to_list() == ["2", "1", "1"]


def test_a_file_on_two_pads_has_two_rows() -> None:
    last = scanned(a={"bpm": "90"})
    old = pl.concat([merge.start_manifest(last).frame] * 2).with_columns(kit=pl.Series(["K", "K"]), pad=pl.Series(["1", "2"]))
    done = merged(old, last, scanned(a={"bpm": "91"}))
    assert done.frame.select("bpm", "pad").rows() == [("91", "1"), ("91", "2")]


VALUES = (None, "1", "2", "3")
VALUE = st.sampled_from(VALUES)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=6))
@example(list(itertools.product(VALUES, repeat=3)))
def test_three_ways(cells: list[tuple[str | None, str | None, str | None]]) -> None:
    """What was written last, what stands there, what is found now: an edit wins, else the scan; and again the same."""
    names = [f"f{n}" for n in range(len(cells))]
    last = scanned(**{name: {"genre": was} for name, (was, _, _) in zip(names, cells, strict=True)})
    new = scanned(**{name: {"genre": found} for name, (_, _, found) in zip(names, cells, strict=True)})
    old = merge.start_manifest(last).frame.with_columns(genre=pl.Series([now for _, now, _ in cells], dtype=pl.String))
    done = merged(old, last, new)
    assert done.frame["genre"].to_list() == [found if now == was else now for was, now, found in cells]
    assert merged(done.frame, new, new).frame.equals(done.frame)
