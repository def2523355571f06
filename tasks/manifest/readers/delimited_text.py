"""Read CSV, TSV and other delimited text.

CSV is not read by Polars' own parser: that one pads short rows with nulls in silence, reads a file with CR line ends
as nothing, renames duplicate columns, and does not tell on which line a row with quoted newlines stands. Text without
quotes is split line by line in Polars; all else goes through Python's ``csv`` (docs/decisions/0003).
"""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, Reject
from tasks.manifest.formula_guard import GUARDED_COLUMNS, remove_guard
from tasks.manifest.readers.source_table import (
    HEAD_BYTES,
    SHOWN_CHARS,
    WHITE_SPACE,
    Cells,
    Chunk,
    SourceTable,
    check_has_short_line,
    check_header,
    choose_path_column,
    cut_chunks,
    near_name,
    normalize_name,
    rename_path_column,
)
from tasks.manifest.readers.text_encoding import UTF_8, WINDOWS_1252, to_utf8

if TYPE_CHECKING:
    import _csv

CSV_DELIMITERS, TSV_DELIMITERS, TXT_DELIMITERS = ",;\t", "\t", ",;\t|"
_MAX_FIELD = 2**31 - 1
# How many rows may be above the header.
_MAX_ABOVE = 100
_LINE_END = re.compile("\r\n|\r|\n")
# Excel's own first line, which says what separates the cells: any sign but a quote.
_SEPARATOR_LINE = re.compile(r'(?i)"?sep=(?P<delimiter>[!#-/:-@\[-`{-~\t ])"?[,;\t]*(?=[\r\n]|$)')


@dataclass(frozen=True)
class _HeaderLine:
    """The line that names the columns.

    ``cells`` are as they are written, ``names`` normalized. ``above`` counts the physical lines above it; ``filled`` is the
    number of cells that are not empty.
    """

    cells: list[str]
    names: list[str]
    delimiter: str
    above: int
    filled: int


def open_delimited(path: str, delimiters: str) -> SourceTable:
    """Open a delimited text.

    Args:
        path: The file.
        delimiters: Those that may separate its cells; the header decides.

    Raises:
        ManifestError: It is not text, or has no usable header.
    """
    data, encoding = to_utf8(path, Path(path).read_bytes())
    header = _find_header(path, data, delimiters)
    names, notes = rename_path_column(header.names, header.cells)
    if encoding == WINDOWS_1252:
        notes = ("the table is not UTF-8, and is read as Windows-1252 (Western European)", *notes)
    if b'"' not in data and data.count(b"\r") == data.count(b"\r\n"):
        chunks = iter([_split_lines(data, header, names)])
    else:
        chunks = cut_chunks(_csv_rows(path, _text_below(data, header), header), names)
    return SourceTable(chunks, header.delimiter == ";", has_formula_guard=True, notes=notes)


def read_all_delimited(path: str, delimiters: str) -> tuple[pl.DataFrame, str]:
    """Read every column as text under its own name.

    Args:
        path: The file; its header was checked by ``open_delimited``.
        delimiters: Those that may separate its cells.

    Returns:
        The table, null where a cell is empty; and the delimiter.

    Raises:
        ManifestError: A row has more cells than the header, several columns have no name, ``file_path`` has another name, or
            the file has what would be lost if it was written again: lines above its header, another encoding.
    """
    data, encoding = to_utf8(path, Path(path).read_bytes())
    header = _find_header(path, data, delimiters)
    names = header.cells
    check_header(path, header.names)
    if sum(not name.strip() for name in names) > 1:
        raise ManifestError(path=path, what="has several columns without a name", fix="Name or remove them.")
    if encoding != UTF_8:
        raise ManifestError(path=path, what=f"is {encoding} text, and would be written as UTF-8", fix="Save it as UTF-8 first.")
    if header.above:
        what = f"has {header.above} lines above its header, which would be lost"
        raise ManifestError(path=path, what=what, fix="Remove them, so that the first line names the columns.")
    rows = []
    for line, row in _csv_rows(path, _text_below(data, header), header, keep_blank=True):
        if isinstance(row, Reject):
            raise ManifestError(path=path, what=f"line {line} {row.rule}", fix=row.fix)
        rows.append([cell or None for cell in row])
    guarded = [name for name in names if normalize_name(name) in GUARDED_COLUMNS]
    frame = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
    return frame.with_columns(remove_guard(pl.col(guarded))), header.delimiter


def _csv_reader(text: str, delimiter: str, strict: bool) -> "_csv.Reader":
    csv.field_size_limit(_MAX_FIELD)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def _find_header(path: str, data: bytes, delimiters: str) -> _HeaderLine:
    """Find the line that names the columns, and what separates its cells; lines above it are not rows.

    Raises:
        ManifestError: There is none, or it has a name twice.
    """
    head = data[:HEAD_BYTES]
    check_has_short_line(path, head)
    text = head.decode("utf-8-sig", errors="ignore")
    separator = _SEPARATOR_LINE.match(text)
    header = separator and _choose_header(text, separator["delimiter"])
    header = header or _choose_header(text, delimiters)
    if not header:
        _check_quotes(path, data, delimiters)
        check_header(path, _most_like_header(text[separator.end() :] if separator else text, delimiters))
        raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.")
    check_header(path, rename_path_column(header.names, header.cells)[0])
    return header


def _choose_header(text: str, delimiters: str) -> _HeaderLine | None:
    """Return the first line with ``file_path``; else the first with another name for it that is not a title.

    A title is alone on its line; no other line above a header has as many cells as it.
    """
    found: list[tuple[tuple[bool, bool, int, int], _HeaderLine]] = []
    for delimiter in delimiters:
        widest = 0
        for line in _head_lines(text, delimiter):
            column = choose_path_column(line.names)
            is_own = column == "file_path"
            if is_own or (column and (line.filled > widest or widest == 1)):
                found.append(((is_own, line.filled > 1, -line.above, len(line.names)), line))
            widest = max(widest, line.filled)
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _head_lines(text: str, delimiter: str) -> Iterator[_HeaderLine]:
    """Yield the first rows of a text, as if each was its header; blank ones are left out."""
    reader = _csv_reader(text, delimiter, strict=False)
    for _ in range(_MAX_ABOVE + 1):
        above = reader.line_num
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            return
        names = [normalize_name(cell) for cell in cells]
        if filled := sum(bool(name) for name in names):
            yield _HeaderLine(cells, names, delimiter, above, filled)


def _most_like_header(text: str, delimiters: str) -> list[str]:
    """Return the names of the line that an error about a missing header talks of: one with a near miss, or the first."""
    lines = [list(itertools.islice(_head_lines(text, delimiter), 10)) for delimiter in delimiters]
    first = max((some[0].names for some in lines if some), key=len, default=[])
    near = (line.names for some in lines for line in some if near_name("file_path", line.names))
    return max(near, key=len, default=first)


def _check_quotes(path: str, data: bytes, delimiters: str) -> None:
    """Check that the first row ends.

    Raises:
        ManifestError: A quote in it is never closed.
    """
    reader = _csv_reader(data.decode("utf-8-sig"), delimiters[0], strict=True)
    try:
        next(reader, None)
    except csv.Error as error:
        raise _open_quote_error(path, 1) from error


def _split_lines(data: bytes, header: _HeaderLine, names: Sequence[str]) -> Chunk:
    """Split a text without quotes: a line is a row, so that Polars can split it (ten times the speed of csv)."""
    lines = pl.read_lines(data, name="text", row_index_name="line", row_index_offset=1)
    delimiter, width = header.delimiter, len(names)
    blank = delimiter + WHITE_SPACE
    text = pl.col("text")
    rows = (
        lines[header.above + 1 :]
        .select(pl.col("line").cast(pl.Int64), text.str.strip_suffix("\r"))
        .filter(text.str.strip_chars(blank) != "")
        .with_columns(width=text.str.count_matches(delimiter, literal=True) + 1)
    )
    beyond = text.str.splitn(delimiter, width + 1).struct.field(f"field_{width}")
    is_wide = rows.filter(pl.col("width") > width).filter(beyond.str.strip_chars(blank) != "")
    rejects = [_reject_width(line, text.split(delimiter)[0], cells, width) for line, text, cells in is_wide.iter_rows()]
    cells = text.str.split_exact(delimiter, width - 1)
    known = {at: name for at, name in enumerate(names) if name in COLUMNS}
    picked = [cells.struct.field(f"field_{at}").alias(name) for at, name in known.items()]
    frame = rows.filter(~pl.col("line").is_in(is_wide["line"].implode())).select("line", *picked)
    return Chunk(frame, rejects, rows.height)


def _text_below(data: bytes, header: _HeaderLine) -> str:
    """Return the text from the header on."""
    text = data.decode("utf-8-sig")
    if not header.above:
        return text
    return text[next(itertools.islice(_LINE_END.finditer(text), header.above - 1, None)).end() :]


def _csv_rows(
    path: str, text: str, header: _HeaderLine, keep_blank: bool = False
) -> Iterator[tuple[int, list[str] | Cells | Reject]]:
    reader = _csv_reader(text, header.delimiter, strict=True)
    width = len(header.names)
    for number in itertools.count():
        line = header.above + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or not number:
                raise _open_quote_error(path, line) from error
            rule = f"quotes do not match (the row ends on line {header.above + reader.line_num})"
            yield line, Reject(line, "(row)", "", rule, 'Double a quote inside a quoted cell: "12"" kick".')
            continue
        # A blank line is not a row, nor is one of separators and spaces.
        if number and (any(cell.strip(WHITE_SPACE) for cell in cells) or (keep_blank and cells)):
            yield line, _fit_cells(line, cells, width)


def _fit_cells(line: int, cells: list[str], width: int) -> list[str] | Reject:
    """Return as many cells as the header has: missing ones are empty, and empty ones beyond it do not count."""
    if any(cell.strip(WHITE_SPACE) for cell in cells[width:]):
        return _reject_width(line, cells[0], len(cells), width)
    return cells[:width] + [""] * (width - len(cells))


def _reject_width(line: int, first_cell: str, width: int, expected: int) -> Reject:
    rule = f"has {width} cells where the header has {expected}"
    fix = "Quote a cell that holds the separator, or name the columns of the cells beyond the header."
    return Reject(line, "(row)", first_cell[:SHOWN_CHARS], rule, fix)


def _open_quote_error(path: str, line: int) -> ManifestError:
    what = f"opens a quote on line {line} that is never closed"
    return ManifestError(path=path, what=what, fix="Close the quote, or double it inside a quoted cell.")
