"""Workbooks: what another program wrote is what is read, and what is not a workbook is one clear error."""

import datetime
import resource
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from tasks.manifest.readers import xlsx
from tasks.manifest.table import check_is_manifest, read_all_columns, read_manifest
from tests.support.lanes import examples
from tests.support.manifest_judges import WHITE_SPACE, checked, refusal, reject_of, saved
from tests.support.processes import forget_peak, memory_bytes
from tests.support.workbooks import ENCRYPTED, OLD_EXCEL, raw_cell, write_raw_workbook, write_workbook

HEADER = ["file_path", "title", "bpm", "sample_id", "kit", "bank", "pad"]


def test_cells_are_read_as_a_person_sees_them(tmp_path: Path) -> None:
    rows = [
        [],
        [None, "My drums"],
        [" File_Path ", "title", "bpm", "sample_id", "kit", "bank", "pad", "date", "ok"],
        ["a.wav", 808, 120, 7.0, "Night Bus", "A", 1, datetime.datetime(2026, 2, 1), True],
        [],
        ["b.wav", "007", 92.5, 8, None, None, None, None, False, None, "beside"],
        [" ", "", "\xa0"],
        ["Café/ビート.wav", datetime.datetime(2026, 2, 1), "fast"],
        ["c.wav", "two\nlines", 0.1 + 0.2],
        [None, "Total", 212.5],
    ]
    path = write_workbook(tmp_path / "library.xlsx", {"Samples": rows})
    manifest = checked(path)
    assert manifest.frame.select("line", *HEADER).rows() == [
        (4, "a.wav", "808", 120.0, 7, "Night Bus", "A", 1),
        (6, "b.wav", "007", 92.5, 8, None, None, None),
    ]
    assert manifest.rejected_lines == [8, 9, 10]
    assert manifest.notes == ()
    assert reject_of(manifest, 8)["column"] == "bpm"
    assert reject_of(manifest, 9)["value"] == "0.3"
    raw = read_manifest(path)
    assert raw.row_word == "row"
    assert raw.frame.filter(line=8)["title"].item().startswith("2026-02-01")
    check_is_manifest(path)


@pytest.mark.slow
def test_the_first_visible_sheet_with_paths_is_read_and_said(tmp_path: Path) -> None:
    table = [["title", "Location"], ["Kick", "kick.wav"]]
    sheets = {
        "Old": [["file_path"], ["old.wav"]],
        "Read me": [["These are my drums"]],
        "Places": table,
        "Samples": [["file_path"], ["own.wav"]],
        "Empty": [],
        "More": [["file_path"], ["more.wav"]],
    }
    manifest = checked(write_workbook(tmp_path / "m.xlsx", sheets, hidden=["Old"]))
    assert manifest.frame["file_path"].to_list() == ["own.wav"]
    assert manifest.notes == ("read is the sheet 'Samples' of 4; not read: Places, More",)
    only_alias = {name: sheets[name] for name in ("Old", "Places", "Empty")}
    manifest = checked(write_workbook(tmp_path / "m.xlsm", only_alias, hidden=["Old"]))
    assert manifest.frame.select("line", "file_path").rows() == [(2, "kick.wav")]
    assert manifest.notes == ("the column 'Location' is read as 'file_path'",)


@pytest.mark.slow
def test_a_workbook_without_a_usable_header_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "m.xlsx"
    missing = refusal(write_workbook(path, {"A": [["hello"]], "B": [["title", "file path"], ["Kick", "kick.wav"]]}))
    assert "no 'file_path' column" in missing.what
    assert missing.fix == "Rename the column 'file path' to 'file_path'."
    assert "'title' twice" in refusal(write_workbook(path, {"A": [["file_path", "Title", "title"], ["a.wav"]]})).what
    assert "has no rows" in refusal(write_workbook(path, {"A": [["file_path", "title"], [" "]]})).what
    assert "no 'file_path' column" in refusal(write_workbook(path, {"A": []})).what
    with pytest.raises(ManifestError, match="not be brought up to date"):
        read_all_columns(write_workbook(path, {"A": [["file_path"], ["a.wav"]]}))


@pytest.mark.parametrize(
    ("name", "data", "what", "fix"),
    [
        ("m.xlsx", ENCRYPTED, "is protected by a password", "Remove the password"),
        ("m.xlsx", OLD_EXCEL, "old Excel", "Save it as XLSX"),
        ("m.xlsx", b"file_path\na.wav\n", "is not an XLSX workbook", ".csv"),
        ("m.xls", OLD_EXCEL, "extension is '.xls'", "Save it as XLSX"),
        ("m.ods", b"PK\x03\x04", "extension is '.ods'", "Save it as XLSX"),
        ("m.csv", OLD_EXCEL, "old Excel", "Save it as XLSX"),
        ("m.csv", b"PK\x03\x04" + bytes(30), "ZIP or Excel file", ".xlsx"),
    ],
)
def test_what_is_not_a_workbook_is_refused_with_what_to_do(tmp_path: Path, name: str, data: bytes, what: str, fix: str) -> None:
    refused = refusal(saved(tmp_path, data, name))
    assert what in refused.what
    assert fix in refused.fix


@pytest.mark.slow
def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    whole = Path(write_workbook(tmp_path / "whole.xlsx", {"A": [["file_path"], ["a.wav"]]})).read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-30], b"PK\x03\x04", b"PK\x03\x04" + bytes(5000)):
        assert "is not a readable workbook" in refusal(saved(tmp_path, data, "m.xlsx")).what
    with zipfile.ZipFile(tmp_path / "m.xlsx", "w") as parts:
        parts.writestr("readme.txt", "no workbook")
    assert "is not a readable workbook" in refusal(str(tmp_path / "m.xlsx")).what


@pytest.mark.slow
@pytest.mark.parametrize("case", ["far", "bomb"])
def test_a_workbook_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cell at the far corner makes 17 billion; a text of 1.5 GB is 1.5 MB in the file. Neither reaches this process."""
    if case == "bomb":
        monkeypatch.setattr(xlsx, "_MAX_MEMORY", 1 << 30)
    rows = {
        "far": [raw_cell("A1", "file_path"), raw_cell("XFD1048576", "a.wav")],
        "bomb": ['<row r="1"><c r="A1" t="inlineStr"><is><t>', *["A" * (1 << 20)] * 1_500, "</t></is></c></row>"],
    }
    path = write_raw_workbook(tmp_path / "m.xlsx", rows[case])
    assert Path(path).stat().st_size < 2_000_000
    forget_peak()
    before = memory_bytes()
    refused = refusal(path)
    assert "too large" in refused.what
    assert "CSV" in refused.fix
    assert memory_bytes() - before < 204_800_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4_400_000


def test_a_row_at_the_end_of_the_sheet_is_read(tmp_path: Path) -> None:
    """A million blank rows between are not rows."""
    path = write_raw_workbook(tmp_path / "m.xlsx", [raw_cell("A1", "file_path"), raw_cell("A1048576", "a.wav")])
    assert checked(path).frame.select("line", "file_path").rows() == [(1048576, "a.wav")]


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\n\t"), max_size=12
)
NUMBERS = st.integers(-(10**12), 10**12) | st.integers(-(10**6), 10**6).map(lambda number: number / 8)


@st.composite
def grids(draw: st.DrawFn) -> tuple[list[list[object]], int, list[str], list[list[object]]]:
    """Rows above the header, its place, the header and the rows of a sheet."""
    above = draw(st.lists(st.lists(st.sampled_from(["", "My drums", 3]), max_size=2), max_size=3))
    names = draw(st.permutations(["file_path", "title", "tags", "note", ""]))
    rows = draw(st.lists(st.lists(TEXTS | NUMBERS | st.none() | st.booleans(), max_size=7), min_size=1, max_size=12))
    return [*above, names, *rows], len(above), names, rows


def seen(cell: object) -> str | None:
    """Return a cell as it is seen: whole numbers have no point, and blank cells are empty."""
    if cell is None or isinstance(cell, bool):
        return None if cell is None else str(cell).lower()
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return text.strip(WHITE_SPACE) or None


@pytest.mark.thorough
@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grid=grids())
@pytest.mark.slow
def test_what_another_program_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, grid: tuple[list[list[object]], int, list[str], list[list[object]]]
) -> None:
    sheet, above, names, rows = grid
    path = write_workbook(tmp_path_factory.mktemp("x") / "m.xlsx", {"S": sheet})  # type: ignore[arg-type]
    expected = [(above + 2 + at, [seen(cell) for cell in row]) for at, row in enumerate(rows)]
    expected = [(line, cells) for line, cells in expected if any(cells)]
    if not expected:
        refusal(path)
        return
    raw = read_manifest(path)
    assert raw.rows == len(expected) == raw.frame.height
    assert raw.frame["line"].to_list() == [line for line, _ in expected]
    for column in ("file_path", "title", "tags"):
        at = names.index(column)
        cells = [cells[at] if at < len(cells) else None for _, cells in expected]
        guarded = [
            cell and (cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(tuple("=+-@")) else cell)
            for cell in cells
        ]
        assert raw.frame[column].to_list() == (cells if column == "file_path" else guarded)


def test_no_other_manifest_pays_for_workbooks(tmp_path: Path) -> None:
    assert checked(saved(tmp_path, "file_path\na.wav\n")).frame.height == 1
    assert "fastexcel" not in sys.modules
