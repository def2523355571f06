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
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, Reject
from tasks.fs.mojibake import without_marks
from tasks.manifest.formula_guard import GUARDED_COLUMNS, remove_guard
from tasks.manifest.readers.header_line import (
    MAX_ABOVE,
    HeaderLine,
    choose_header,
    name_columns,
    raise_no_header,
    read_header_line,
)
from tasks.manifest.readers.kit_rows import count_noun
from tasks.manifest.readers.source_table import (
    HEAD_BYTES,
    SHOWN_CHARS,
    WHITE_SPACE,
    Cells,
    Chunk,
    SourceTable,
    check_can_be_updated,
    check_has_short_line,
    cut_chunks,
    normalize_name,
)
from tasks.manifest.readers.text_encoding import UTF_8, encoding_notes, to_utf8

if TYPE_CHECKING:
    import _csv

CSV_DELIMITERS, TSV_DELIMITERS, TXT_DELIMITERS = ",;\t", "\t", ",;\t|"
_MAX_FIELD = 2**31 - 1
# Files that have such an extension by mistake, by how they begin.
_OTHER_TEXTS = (
    ("#EXTM3U", "is an M3U playlist, not a table", "Give it the extension .m3u8 (.m3u if it is not UTF-8)."),
    ("<?xml", "is XML, not a table", "Give it the extension .xml if it comes from rekordbox or Hydrogen; else save it as CSV."),
)
_LINE_END = re.compile("\r\n|\r|\n")
# Excel's own first line, which says what separates the cells: any sign but a quote.
_SEPARATOR_LINE = re.compile(r'(?i)"?sep=(?P<delimiter>[!#-/:-@\[-`{-~\t ])"?[,;\t]*(?=[\r\n]|$)')


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
    names, notes = name_columns(path, header)
    notes = (*encoding_notes(encoding), *notes)
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
    check_can_be_updated(path, names)
    if sum(not name.strip() for name in names) > 1:
        raise ManifestError(path=path, what="has several columns without a name", fix="Name or remove them.")
    if encoding != UTF_8:
        raise ManifestError(path=path, what=f"is {encoding} text, and would be written as UTF-8", fix="Save it as UTF-8 first.")
    if header.above:
        what = f"has {count_noun(header.above, 'line', 'lines')} above its header, which would be lost"
        fix = "Remove what is above the names of the columns, or choose another file with -o."
        raise ManifestError(path=path, what=what, fix=fix)
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


def _find_header(path: str, data: bytes, delimiters: str) -> HeaderLine:
    """Find the line that names the columns, and what separates its cells; lines above it are not rows.

    Raises:
        ManifestError: There is none.
    """
    head = data[:HEAD_BYTES]
    check_has_short_line(path, head)
    text = without_marks(head.decode(errors="ignore"))
    separator = _SEPARATOR_LINE.match(text)
    header = separator and choose_header([_head_lines(text, separator["delimiter"])])
    header = header or choose_header(_head_lines(text, delimiter) for delimiter in delimiters)
    if not header:
        for start, what, fix in _OTHER_TEXTS:
            if text.lstrip().startswith(start):
                raise ManifestError(path=path, what=what, fix=fix)
        _check_quotes(path, data, delimiters)
        below = text[separator.end() :] if separator else text
        raise_no_header(path, (_head_lines(below, delimiter) for delimiter in delimiters))
    return header


def _head_lines(text: str, delimiter: str) -> Iterator[HeaderLine]:
    """Yield the first rows of a text, as if each was its header; blank ones are left out."""
    reader = _csv_reader(text, delimiter, strict=False)
    for _ in range(MAX_ABOVE + 1):
        above = reader.line_num
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            return
        if line := read_header_line(cells, above, delimiter):
            yield line


def _check_quotes(path: str, data: bytes, delimiters: str) -> None:
    """Check that the first row ends.

    Raises:
        ManifestError: A quote in it is never closed.
    """
    reader = _csv_reader(without_marks(data.decode()), delimiters[0], strict=True)
    try:
        next(reader, None)
    except csv.Error as error:
        raise _open_quote_error(path, 1) from error


def _split_lines(data: bytes, header: HeaderLine, names: Sequence[str]) -> Chunk:
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


def _text_below(data: bytes, header: HeaderLine) -> str:
    """Return the text from the header on."""
    text = without_marks(data.decode())
    if not header.above:
        return text
    return text[next(itertools.islice(_LINE_END.finditer(text), header.above - 1, None)).end() :]


def _csv_rows(
    path: str, text: str, header: HeaderLine, keep_blank: bool = False
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
