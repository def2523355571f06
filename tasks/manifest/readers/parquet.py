"""Read Parquet, in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS
from tasks.manifest.readers.source_table import (
    Chunk,
    SourceTable,
    check_can_be_updated,
    check_header,
    normalize_name,
    rename_path_column,
)

_PARQUET_TO_ARROW = "import sys, polars; polars.read_parquet(sys.argv[1], glob=False).write_ipc(sys.argv[2])"


def open_parquet(path: str) -> SourceTable:
    """Read a Parquet file. Its rows are numbered from 1.

    Raises:
        ManifestError: It is damaged, has no usable header, or a known column is neither text nor numbers.
    """
    frame = _read_in_subprocess(path)
    names, notes = rename_path_column([normalize_name(name) for name in frame.columns], frame.columns)
    check_header(path, names)
    renamed = [column.rename(name) for name, column in zip(names, frame, strict=True)]
    known = [_as_text(path, column) for column in renamed if column.name in COLUMNS]
    is_row = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    rows = pl.DataFrame(known).with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64)).filter(is_row)
    return SourceTable(iter([Chunk(rows, [], rows.height)]), notes=notes, row_word="row")


def read_all_parquet(path: str) -> pl.DataFrame:
    """Read every column as text under its own name.

    Raises:
        ManifestError: It is damaged, ``file_path`` has another name, or a column is neither text nor numbers.
    """
    frame = _read_in_subprocess(path)
    check_can_be_updated(path, frame.columns)
    return pl.DataFrame([_as_text(path, column) for column in frame])


def _read_in_subprocess(path: str) -> pl.DataFrame:
    """Read the file in a process of its own: Polars 2.1 aborts the whole process on some damaged files."""
    with tempfile.TemporaryDirectory(prefix="sp404-") as scratch:
        arrow = os.path.join(scratch, "manifest.arrow")
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PARQUET_TO_ARROW, path, arrow],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "Error: " in line]
            why = said[-1].split("Error: ", 1)[1] if said else "its pages are damaged"
            what = f"is not a readable Parquet file: {why}"
            raise ManifestError(path=path, what=what, fix="Write it again, or save it as CSV.")
        return pl.read_ipc(Path(arrow).read_bytes())


def _as_text(path: str, column: pl.Series) -> pl.Series:
    try:
        if isinstance(column.dtype, pl.List) and column.dtype.inner == pl.String:
            column = column.list.join("|")
        if column.dtype.is_nested():
            raise pl.exceptions.InvalidOperationError
        return column.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        what = f"has the column {column.name!r} of type {column.dtype}, which is neither text nor a number"
        raise ManifestError(path=path, what=what, fix="Write the column as text or numbers.") from error
