"""Rows of a manifest are called what the user counts there: lines of a text, rows of a sheet or of Parquet."""

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.support.audio import tone
from tests.support.command_line import Run
from tests.support.riff import wav
from tests.support.workbooks import write_workbook

ROWS = [
    ["file_path", "bpm", "kit", "bank", "pad"],
    ["hat.wav", "", "K", "A", "1"],
    ["hat.wav", "fast", "K", "A", "2"],
    ["gone.wav", "", "K", "B", "3"],
    ["hat.wav", "", "L", "Z", "1"],
]
# The word, and the numbers of the second and the last row.
KINDS = {"m.csv": ("line", 3, 5), "m.parquet": ("row", 2, 4), "m.xlsx": ("row", 3, 5), "m.toml": ("row", 2, 4)}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    wav(tmp_path / "hat.wav", (tone(0.2, 44_100, 1) * 30_000).astype("int16"), 44_100)
    return tmp_path


def save(path: Path) -> None:
    header, *rows = ROWS
    if path.suffix == ".csv":
        path.write_text("".join(",".join(row) + "\n" for row in ROWS))
    elif path.suffix == ".parquet":
        pl.DataFrame(rows, header, orient="row").write_parquet(path)
    elif path.suffix == ".xlsx":
        write_workbook(path, {"S": ROWS})
    else:
        pads = [f'{bank}{pad} = {{file = "{file}", bpm = "{bpm}"}}\n' for file, bpm, _, bank, pad in rows]
        path.write_text("".join(["[[kits]]\nname = 'K'\n", *pads[:3], "[[kits]]\nname = 'L'\n", pads[3]]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["m.csv", "m.parquet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("m.toml", "m.xlsx"))]
)
def test_a_row_has_the_number_that_its_reader_counts(library: Path, sp404: Run, name: str) -> None:
    word, second, last = KINDS[name]
    save(library / name)
    options = (library / name, "--db", library / "r.duckdb", "--out", library / "out", "--organize-by", "kit", "--json")
    plan = json.loads(sp404("plan", *options).out)
    assert [text.split(":")[0] for text in plan["errors"]] == [f"{word.title()} {second}", f"{word.title()} {last}"]
    assert [finding["where"] for finding in plan["worth_a_look"]] == [f"kit L, {word} {last}"]
    check = json.loads(sp404("check", library / name, "--db", library / "r.duckdb", "--json").out)
    where = [trouble["where"].split(",")[0] for trouble in check["troubles"]]
    assert where == [f"{word} {second}", f"{word} {second + 1}", f"{word} {last}"]
    said = sp404("export", *options[:-1], "--direct")
    assert f"Kit K is without 2 of its 3 samples: {word} {second}, B3" in said.out + said.err
    with duckdb.connect(str(library / "r.duckdb"), read_only=True) as records:
        texts = records.execute(
            "SELECT error_message FROM sp404_export_samples WHERE reason LIKE 'rejected%' ORDER BY 1"
        ).fetchall()
    assert [text.split(":")[0] for (text,) in texts] == [f"{word.title()} {second}", f"{word.title()} {last}"]
