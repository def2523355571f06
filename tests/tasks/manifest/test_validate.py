"""Each rule of a row: what it lets pass, what it rejects, and that a row is rejected alone, with all it broke."""

import csv
import io
import itertools
from pathlib import Path, PurePosixPath

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.manifest.validate import Manifest
from tests.support.lanes import examples
from tests.support.manifest_judges import checked, reject_of, saved

Cells = dict[str, str]
SLOT = ("kit", "bank", "pad")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


def manifest_of(folder: Path, *rows: Cells) -> Manifest:
    """The rows as a CSV file, read and validated; the first row stands on line 2."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(itertools.chain(*rows))), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return checked(saved(folder, text.getvalue()))


def sample(number: int, **cells: str) -> Cells:
    return {"sample_id": str(number), "file_path": f"{number}.wav"} | cells


def slot(number: int, kit: str = "k", bank: str = "A", pad: str = "1", **cells: str) -> Cells:
    return sample(number, kit=kit, bank=bank, pad=pad, **cells)


# ---- one cell ----

GOOD: dict[str, dict[str, object]] = {
    "sample_id": {
        "1": 1,
        " 12 ": 12,
        "7.0": 7,
        "007": 7,
        "1000000000": 10**9,
        str(2**53 + 1): 2**53 + 1,
        str(2**63 - 1): 2**63 - 1,
    },
    "file_path": {"kick.wav": "kick.wav", "/abs/kick.wav": "/abs/kick.wav", "../é 🔥,;.wav": "../é 🔥,;.wav"},
    "title": {"Kick": "Kick", "  Kick\t": "Kick"},
    "genre": {"Hip-Hop": "Hip-Hop", "": None, "  ": None},
    "bpm": {"20": 20.0, "300": 300.0, "119.999": 119.999, "": None, "1.2e2": 120.0, "90.0": 90.0},
    "musical_key": {"F#m": "F#m", "": None},
    "tags": {"dry|short": "dry|short", "": None},
}
BAD = {
    "sample_id": [
        "-1",
        "1.5",
        "abc",
        "NaN",
        "inf",
        "٣",
        "1 2",
        "0x1F",
        "1_000",
        "1,000",
        "99999999999999999999",
        "true",
    ],
    "file_path": ["", " ", "\t"],
    "bpm": [
        "19.999",
        "300.001",
        "0.5",
        "-120",
        "1e9",
        "1e999",
        "NaN",
        "inf",
        "Infinity",
        "120/60",
        "~120",
        "120?",
        "1_20",
        "٣٠",
        "0x78",
        "120,5",
        "--90",
    ],
}
BAD_SLOT = {
    "bank": ["K", "AA", "1", "@", "Ä", "A B"],
    "pad": ["0", "17", "-1", "1.5", "x", "B1", "K1", "Pad 1", "1e1", "NaN", str(10**19 - 1), str(2**63), str(10**20)],
}


@pytest.mark.parametrize(("column", "cell"), [(column, cell) for column, cells in GOOD.items() for cell in cells])
def test_a_good_cell_is_kept(folder: Path, column: str, cell: str) -> None:
    manifest = manifest_of(folder, sample(1, **{column: cell}))
    assert manifest.rejects.is_empty()
    assert manifest.frame[column].to_list() == [GOOD[column][cell]]


@pytest.mark.parametrize(("column", "cell"), [(column, cell) for column, cells in BAD.items() for cell in cells])
def test_a_bad_cell_rejects_its_row_alone(folder: Path, column: str, cell: str) -> None:
    manifest = manifest_of(folder, sample(1), sample(2) | {column: cell}, sample(3))
    assert manifest.frame["sample_id"].to_list() == [1, 3]
    reject = reject_of(manifest, 3)
    assert (reject["column"], reject["value"]) == (column, cell.strip())


@pytest.mark.slow
@pytest.mark.parametrize(("column", "cell"), [(column, cell) for column, cells in BAD_SLOT.items() for cell in cells])
def test_a_bad_slot_rejects_its_row_alone(folder: Path, column: str, cell: str) -> None:
    manifest = manifest_of(folder, slot(1), slot(2, **{column: cell}), slot(3, pad="2"))
    assert manifest.frame["sample_id"].to_list() == [1, 3]
    reject = reject_of(manifest, 3)
    assert (reject["column"], reject["value"], reject["sample_id"], reject["kit"]) == (column, cell, 2, "k")


def test_every_slot_of_the_device_is_taken(folder: Path) -> None:
    slots = list(itertools.product("ABCDEFGHIJ", range(1, 17)))
    manifest = manifest_of(folder, *(slot(n, bank=bank, pad=str(pad)) for n, (bank, pad) in enumerate(slots, 1)))
    assert manifest.rejects.is_empty()
    assert manifest.frame.select("bank", "pad").rows() == slots


@pytest.mark.parametrize(("cell", "pad"), [("01", 1), ("16.0", 16), (" 7 ", 7)])
def test_a_pad_may_be_written_as_spreadsheets_do(folder: Path, cell: str, pad: int) -> None:
    assert manifest_of(folder, slot(1, pad=cell)).frame["pad"].to_list() == [pad]


@pytest.mark.parametrize("column", ["title", "genre", "musical_key", "tags", "kit"])
def test_an_endless_cell_is_rejected_and_shown_short(folder: Path, column: str) -> None:
    manifest = manifest_of(folder, slot(1, **{column: "é" * 100_000}), slot(2, pad="2"))
    reject = reject_of(manifest, 2)
    assert reject["column"] == column
    assert 0 < len(str(reject["value"])) < 200


@pytest.mark.parametrize("path", ["kick.wav", "a/b.c/snare.01.wav", "/x/hat", "é/🔥 fire.flac", "a/.hidden"])
def test_an_empty_title_is_the_stem_of_the_file(folder: Path, path: str) -> None:
    manifest = manifest_of(folder, {"sample_id": "1", "file_path": path, "title": " "})
    assert manifest.frame["title"].to_list() == [PurePosixPath(path).stem]


# ---- ids that are not given ----


def test_without_an_id_column_every_file_is_a_sample(folder: Path) -> None:
    manifest = manifest_of(folder, {"file_path": "a.wav"}, {"file_path": "b.wav"}, {"file_path": "a.wav"})
    assert manifest.rejects.is_empty()
    assert manifest.frame["sample_id"].to_list() == [None] * 3


def test_empty_ids_do_not_stand_for_one_file(folder: Path) -> None:
    rows = [
        {"file_path": f"{name}.wav", "sample_id": number} for name, number in [("a", ""), ("b", "5"), ("c", ""), ("d", " ")]
    ]
    manifest = manifest_of(folder, *rows)
    assert manifest.rejects.is_empty()
    assert manifest.frame["sample_id"].to_list() == [None, 5, None, None]


# ---- kit, bank and pad ----


@pytest.mark.parametrize("given_columns", [c for n in (1, 2) for c in itertools.combinations(SLOT, n)], ids="-".join)
def test_kit_bank_and_pad_go_together(folder: Path, given_columns: tuple[str, ...]) -> None:
    cells = {"kit": "k", "bank": "B", "pad": "2"}
    partial = {name: cells[name] for name in given_columns}
    manifest = manifest_of(folder, slot(1), sample(2, **partial), sample(3))
    assert manifest.frame["sample_id"].to_list() == [1, 3]
    assert set(manifest.rejects["column"]) == set(SLOT) - set(given_columns)
    assert manifest.rejected_lines == [3]


def test_a_sample_may_sit_on_many_pads_and_in_many_kits(folder: Path) -> None:
    one = {"sample_id": "1", "file_path": "1.wav"}
    places = [
        {},
        {"kit": "k", "bank": "A", "pad": "1"},
        {"kit": "k", "bank": "A", "pad": "2"},
        {"kit": "l", "bank": "A", "pad": "1"},
    ]
    manifest = manifest_of(folder, *(one | place for place in places[1:]), one)
    assert manifest.rejects.is_empty()
    assert manifest.rows == 4


def test_of_two_samples_in_a_slot_the_first_line_stays(folder: Path) -> None:
    rows = [slot(9), slot(1), slot(2, pad="2"), slot(3, bank="B"), slot(4, kit="l"), slot(5), sample(6), sample(7)]
    manifest = manifest_of(folder, *rows)
    assert manifest.frame["sample_id"].to_list() == [9, 2, 3, 4, 6, 7]
    for line, number in ((3, 1), (7, 5)):
        reject = reject_of(manifest, line)
        assert (reject["column"], reject["value"], reject["sample_id"], reject["kit"]) == ("pad", "1", number, "k")


def test_the_same_slot_written_in_two_ways_is_one_slot(folder: Path) -> None:
    manifest = manifest_of(folder, slot(1, pad="1"), slot(2, pad="01"), slot(3, pad="1.0"), slot(4, bank=" A ", pad=" 1"))
    assert manifest.rejected_lines == [3, 4, 5]


# ---- one id, one file ----


def test_an_id_that_stands_for_another_file_is_rejected(folder: Path) -> None:
    rows = [sample(1), sample(2), sample(1, file_path="other.wav"), sample(1), sample(2, file_path="1.wav")]
    manifest = manifest_of(folder, *rows)
    assert manifest.frame.select("line", "file_path").rows() == [(2, "1.wav"), (3, "2.wav"), (5, "1.wav")]
    for line, number in ((4, 1), (6, 2)):
        reject = reject_of(manifest, line)
        assert (reject["column"], reject["value"], reject["sample_id"]) == ("sample_id", str(number), number)


def test_one_file_may_have_two_ids(folder: Path) -> None:
    assert manifest_of(folder, sample(1), sample(2, file_path="1.wav")).rejects.is_empty()


@pytest.mark.parametrize(
    "broken",
    [slot(2, bpm="x"), slot(2, file_path=""), slot(-2), slot(1, file_path="other.wav")],
    ids=["tempo", "no file", "id", "id of another file"],
)
def test_a_rejected_row_takes_no_slot_from_others(folder: Path, broken: Cells) -> None:
    manifest = manifest_of(folder, sample(1, kit="", bank="", pad="", bpm=""), broken, slot(3))
    assert manifest.rejected_lines == [3]
    assert manifest.frame["sample_id"].to_list() == [1, 3]


def test_a_rejected_row_does_not_hold_its_id(folder: Path) -> None:
    manifest = manifest_of(folder, sample(1, file_path="broken.wav", bpm="x"), sample(1))
    assert manifest.rejected_lines == [2]


# ---- several at once ----


def test_all_broken_rules_of_a_row_are_told_and_the_row_counts_once(folder: Path) -> None:
    broken = {
        "sample_id": "-1",
        "file_path": "",
        "bpm": "junk",
        "kit": "k",
        "bank": "Z",
        "pad": "99",
        "title": "\0",
        "genre": "g",
    }
    manifest = manifest_of(folder, slot(1, bpm="", title="", genre=""), broken, slot(2, pad="2"))
    assert manifest.rows == 3
    assert manifest.rejected_lines == [3]
    assert sorted(manifest.rejects["column"]) == ["bank", "bpm", "file_path", "pad", "sample_id", "title"]
    assert set(manifest.rejects["kit"]) == {"k"}


def test_both_rules_between_rows_are_told_at_once(folder: Path) -> None:
    manifest = manifest_of(folder, slot(1), slot(1, file_path="other.wav"))
    assert manifest.rejected_lines == [3]
    assert sorted(manifest.rejects["column"]) == ["pad", "sample_id"]


def test_when_every_row_is_rejected_there_is_still_an_answer(folder: Path) -> None:
    manifest = manifest_of(folder, sample(-2), sample(-1))
    assert manifest.frame.is_empty()
    assert manifest.rejected_lines == [2, 3]


ROWS = st.fixed_dictionaries(
    {
        "sample_id": st.sampled_from(["1", "2", "3", "4", "", "x"]),
        "file_path": st.sampled_from(["a.wav", "b.wav", "c.wav", ""]),
        "bpm": st.sampled_from(["", "90", "junk"]),
        "kit": st.sampled_from(["k", "l", ""]),
        "bank": st.sampled_from(["A", "A", "B", "", "Z"]),
        "pad": st.sampled_from(["1", "1", "2", "", "17"]),
    }
)


@pytest.mark.thorough
@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ROWS, min_size=1, max_size=8))
def test_what_is_accepted_holds_together(folder: Path, rows: list[Cells]) -> None:
    """Accepted rows are free of conflict, and no row is rejected without a reason in itself or in an earlier line."""
    manifest = manifest_of(folder, *rows)
    frame = manifest.frame
    slots = frame.filter(pl.col("kit").is_not_null()).select(SLOT)
    assert not slots.is_duplicated().any()
    files = frame.drop_nulls("sample_id").group_by("sample_id").agg(pl.col("file_path").n_unique())["file_path"]
    assert set(files) <= {1}
    by_line = dict(enumerate(rows, 2))
    for line, column, rule in manifest.rejects.select("line", "column", "rule").iter_rows():
        row, earlier = by_line[line], [by_line[other] for other in range(2, line)]
        if "already belongs to another file" in rule:
            assert any(e["sample_id"] == row["sample_id"] and e["file_path"] != row["file_path"] for e in earlier)
        elif "already taken" in rule:
            assert any(all(e[name] == row[name] for name in SLOT) for e in earlier)
        else:
            assert row[column] in ("", "x", "junk", "Z", "17")
