"""Read CSV and TSV.

CSV is not read by Polars' own parser: that one pads short rows with nulls in silence, reads a file with CR line ends
as nothing, renames duplicate columns, and does not tell on which line a row with quoted newlines stands. Text without
quotes is split line by line in Polars; all else goes through Python's ``csv`` (docs/decisions/0003).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, Reject
from tasks.manifest.formula_guard import GUARDED_COLUMNS, remove_guard
from tasks.manifest.readers.source_table import (
    SHOWN_CHARS,
    Cells,
    Chunk,
    SourceTable,
    check_header,
    check_is_text,
    cut_chunks,
    normalize_name,
    not_utf8_error,
)

if TYPE_CHECKING:
    import _csv

CSV_DELIMITERS, TSV_DELIMITERS = ",;\t", "\t"
_MAX_FIELD = 2**31 - 1


def open_delimited(path: str, head: bytes, delimiters: str) -> SourceTable:
    """Open a delimited text.

    Args:
        path: The file.
        head: Its first bytes.
        delimiters: Those that may separate its cells; the header decides.

    Raises:
        ManifestError: It is not text, or has no usable header.
    """
    check_is_text(path, head)
    delimiter = _detect_delimiter(head, delimiters)
    data = Path(path).read_bytes()
    if b'"' not in data and data.count(b"\r") == data.count(b"\r\n"):
        return _open_without_quotes(path, data, delimiter)
    reader = _csv_reader(data, delimiter)
    try:
        names = [normalize_name(cell) for cell in next(reader)]
    except StopIteration as error:
        raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.") from error
    except csv.Error as error:
        raise _open_quote_error(path, 1) from error
    check_header(path, names)
    chunks = cut_chunks(_csv_rows(path, reader, len(names)), names)
    return SourceTable(chunks, delimiter == ";", has_formula_guard=True)


def read_all_delimited(path: str, head: bytes, delimiters: str) -> tuple[pl.DataFrame, str]:
    """Read every column as text under its own name.

    Args:
        path: The file; its header was checked by ``open_delimited``.
        head: Its first bytes.
        delimiters: Those that may separate its cells.

    Returns:
        The table, null where a cell is empty; and the delimiter.

    Raises:
        ManifestError: A row has more or fewer cells than the header, or several columns have no name.
    """
    delimiter = _detect_delimiter(head, delimiters)
    reader = _csv_reader(Path(path).read_bytes(), delimiter)
    names = next(reader)
    if sum(not name.strip() for name in names) > 1:
        raise ManifestError(path=path, what="has several columns without a name", fix="Name or remove them.")
    rows = []
    for line, row in _csv_rows(path, reader, len(names)):
        if isinstance(row, Reject):
            raise ManifestError(path=path, what=f"line {line} {row.rule}", fix=row.fix)
        rows.append([cell or None for cell in row])
    guarded = [name for name in names if normalize_name(name) in GUARDED_COLUMNS]
    frame = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
    return frame.with_columns(remove_guard(pl.col(guarded))), delimiter


def _csv_reader(data: bytes, delimiter: str) -> "_csv.Reader":
    csv.field_size_limit(_MAX_FIELD)
    return csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)


def _detect_delimiter(head: bytes, delimiters: str) -> str:
    """Return the delimiter under which the header has ``file_path``, or else the most columns."""
    text = head.decode("utf-8-sig", errors="replace")

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return False, 0
        names = [normalize_name(cell) for cell in cells]
        return "file_path" in names, len(names)

    return max(delimiters, key=score)


def _open_without_quotes(path: str, data: bytes, delimiter: str) -> SourceTable:
    """Open a text without quotes: a line is a row, so that Polars can split it (ten times the speed of csv)."""
    try:
        lines = pl.read_lines(data, name="text", row_index_name="line", row_index_offset=1)
    except pl.exceptions.ComputeError as error:
        raise not_utf8_error(path) from error
    text = pl.col("text").str.strip_suffix("\r")
    lines = lines.select(pl.col("line").cast(pl.Int64), text)
    names = [normalize_name(cell) for cell in lines["text"][0].removeprefix("\ufeff").split(delimiter)]
    check_header(path, names)
    rows = (
        lines[1:].filter(pl.col("text") != "").with_columns(width=pl.col("text").str.count_matches(delimiter, literal=True) + 1)
    )
    ragged = rows.filter(pl.col("width") != len(names))
    rejects = [_reject_width(line, text.split(delimiter)[0], width, len(names)) for line, text, width in ragged.iter_rows()]
    cells = pl.col("text").str.split_exact(delimiter, len(names) - 1)
    known = {at: name for at, name in enumerate(names) if name in COLUMNS}
    picked = [cells.struct.field(f"field_{at}").alias(name) for at, name in known.items()]
    frame = rows.filter(pl.col("width") == len(names)).select("line", *picked)
    return SourceTable(iter([Chunk(frame, rejects, rows.height)]), delimiter == ";", has_formula_guard=True)


def _csv_rows(path: str, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, Cells | Reject]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _open_quote_error(path, line) from error
            rule = f"quotes do not match (the row ends on line {reader.line_num})"
            yield line, Reject(line, "(row)", "", rule, 'Double a quote inside a quoted cell: "12"" kick".')
            continue
        if len(cells) == width:
            yield line, cells
        elif cells:  # a blank line is not a row
            yield line, _reject_width(line, cells[0], len(cells), width)


def _reject_width(line: int, first_cell: str, width: int, expected: int) -> Reject:
    rule = f"has {width} cells where the header has {expected}"
    fix = "Quote a cell that holds the separator, and fill in missing cells, even empty ones."
    return Reject(line, "(row)", first_cell[:SHOWN_CHARS], rule, fix)


def _open_quote_error(path: str, line: int) -> ManifestError:
    what = f"opens a quote on line {line} that is never closed"
    return ManifestError(path=path, what=what, fix="Close the quote, or double it inside a quoted cell.")
