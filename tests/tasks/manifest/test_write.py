"""A manifest is written as it is read: whatever its cells hold, and never as something that a spreadsheet runs."""

import csv
import os
import stat
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError, OutputNotWritableError, RequestError
from tasks.manifest.table import read_all_columns, read_manifest
from tasks.manifest.write import state_of, write_manifest
from tests.support.lanes import long_examples
from tests.support.tools import not_root, open_folder

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=20).map(str.strip)
NAMES = ("m.csv", "m.tsv", "m.ndjson", "m.parquet")


def table(title: str) -> pl.DataFrame:
    cells = {"file_path": ["kick.wav"], "title": [title or None], "mine": [title or None]}
    return pl.DataFrame(cells, dict.fromkeys(cells, pl.String))


@pytest.mark.slow
@settings(max_examples=long_examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, st.sampled_from(NAMES), st.sampled_from(["", ";"]))
@example("=1+1", "m.csv", "")
@example("'=1+1", "m.csv", ";")
@example("''''@", "m.tsv", "")
@example('-"a;b",', "m.csv", ";")
def test_what_is_written_is_read(tmp_path: Path, title: str, name: str, delimiter: str) -> None:
    path = str(tmp_path / name)
    delimiter = delimiter if name == "m.csv" else ""
    write_manifest(table(title), path, delimiter, state_of(path))
    assert read_manifest(path).frame["title"].to_list() == [title.strip() or None]
    frame, found = read_all_columns(path)
    assert frame["title"].to_list() == [title or None]
    assert frame.columns == ["file_path", "title", "mine"]
    if name.endswith(("csv", "tsv")):
        assert found == (delimiter or {"m.csv": ",", "m.tsv": "\t"}[name])
        with open(path, newline="", encoding="utf-8") as file:
            cell = list(csv.reader(file, delimiter=found))[1][1]
        assert not cell.startswith(("=", "+", "-", "@"))


def test_a_manifest_written_by_hand_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file_path,title,tags\n'-kick.wav,'Til Dawn,'80s\n")
    frame = read_manifest(str(tmp_path / "m.csv")).frame
    assert frame.select("file_path", "title", "tags").rows() == [("'-kick.wav", "'Til Dawn", "'80s")]


def test_a_file_is_replaced_whole_with_its_mode_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("file_path\nold.wav\n")
    path.chmod(0o640)
    before = state_of(str(path))
    write_manifest(table("x"), str(path), "", before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(RequestError, match="was changed"):
        write_manifest(table("y"), str(path), "", before)
    assert read_manifest(str(path)).frame["title"].to_list() == ["x"]
    assert sorted(os.listdir(tmp_path)) == ["home", "m.csv"]


def test_a_folder_that_cannot_be_written() -> None:
    with open_folder() as folder:
        folder.chmod(0o555)
        with not_root(), pytest.raises(OutputNotWritableError):
            write_manifest(table("x"), str(folder / "m.csv"), "", None)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.ndjson", b'{"file_path": "a.wav"}\n{"file_path": "caf\xe9.wav"}\n'),
        ("m.ndjson", b'{"title": "a"}\n'),
        ("m.ndjson", b"\n"),
        ("m.ndjson", b'{"file_path": "a.wav", "Title": "a", "title": "b"}\n'),
        ("m.ndjson", b'{"file_path": "a.wav"}\n[1]\n'),
        ("m.csv", b"file_path,title\na.wav,caf\xe9\n"),
        ("m.csv", b'file_path,title\na.wav,"open\n'),
        ("m.csv", b"file_path,,\na.wav,1,2\n"),
        ("m.csv", b"file_path,title\na.wav,A,B\n"),
        ("m.toml", b'name = "Kit"\nA1 = "a.wav"\n'),
        ("m.parquet", b"PAR1 no"),
        ("m.csv", b"PK\x03\x04"),
    ],
)
def test_what_is_no_table_to_write_again_is_one_clear_error(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ManifestError):
        read_all_columns(str(tmp_path / name))
