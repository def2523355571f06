"""A manifest file becomes a table of text cells, with each row's line; a file that is no table is one clear error.

CSV is not read by Polars' own parser: that one pads short rows with nulls in silence, reads a file with CR line ends
as nothing, renames duplicate columns, and does not tell on which line a row with quoted newlines stands. Text without
quotes is split line by line in Polars; all else goes through Python's ``csv`` (docs/decisions/0003).
"""

import codecs
import csv
import difflib
import io
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import polars as pl

from schemas.conversion import Reject
from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, REJECT_SCHEMA, REQUIRED, TEXT_SCHEMA
from tasks.manifest.kit_references import NO_PADS_FIX, Kits, is_kit_file, kit_path, read_kits

if TYPE_CHECKING:
    import _csv

_CHUNK_ROWS = 65_536
_SHOWN_CHARS = 80
_HEADER_BYTES = 1 << 20
_MAX_FIELD = 2**31 - 1
_PARQUET_TO_ARROW = "import sys, polars; polars.read_parquet(sys.argv[1], glob=False).write_ipc(sys.argv[2])"
_KNOWN_BINARIES = (
    (b"PK\x03\x04", "is a ZIP or Excel file", "Save it from the spreadsheet as CSV (UTF-8)."),
    (b"PAR1", "is a Parquet file", "Name it .parquet."),
    (b"RIFF", "is an audio file", "Give a manifest: a table with a file_path column."),
    (codecs.BOM_UTF16_LE, "is UTF-16 text", "Save it as UTF-8."),
    (codecs.BOM_UTF16_BE, "is UTF-16 text", "Save it as UTF-8."),
)

Cells = Sequence[str | None]
# The rows of a table that are rows, as text under `names` and with their line; those that are none; and how many there
# were, counted before they were looked at.
Chunk = tuple[pl.DataFrame, list[Reject], int]


@dataclass(frozen=True)
class RawManifest:
    """``frame``: rows as text (``TEXT_SCHEMA``). ``rejects``: rows that are no rows. ``rows``: how many were read.

    ``notes``: what a kit file says and no row can hold; ``kit_tempos``: the tempos it gives to whole kits, by their names.
    """

    folder: str
    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    decimal_comma: bool
    notes: tuple[str, ...] = ()
    kit_tempos: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Table:
    """A table being read: its header's names, and its rows in chunks whose known columns are still to be picked."""

    names: list[str]
    chunks: Iterator[Chunk]
    decimal_comma: bool = False
    # Its cells may bear the mark that keeps a spreadsheet from running them.
    guarded: bool = False
    # Each row names its own columns, so that only the rows can tell whether a column is there.
    named_by_rows: bool = False
    kits: Kits | None = None


def read_manifest(path: str) -> RawManifest:
    """Read the manifest at ``path``: CSV, TSV, Parquet, NDJSON or a kit file by its extension.

    Raises ManifestError when it is no table: missing, empty, binary, wrongly encoded, without ``file_path``, with a
    duplicate column, or without rows.
    """
    path = kit_path(path)
    with _opened(path) as table:
        frames = [pl.DataFrame(schema=TEXT_SCHEMA)]
        rejects: list[Reject] = []
        rows = 0
        has_paths = not table.named_by_rows
        for frame, broken, count in table.chunks:
            has_paths |= frame["file_path"].null_count() < frame.height
            frames.append(_known_columns(frame, table.guarded))
            rejects += broken
            rows += count
    frame = pl.concat(frames)
    if frame.height and not has_paths:
        raise _no_column(path, "file_path", [])
    if not rows:
        raise ManifestError(path=path, what="has no rows", fix="Add one row for each sample.")
    records = [(r.line, None, None, r.column, r.value, r.rule, r.fix) for r in rejects]
    broken_rows = pl.DataFrame(records, schema=REJECT_SCHEMA, orient="row")
    folder = os.path.realpath(os.path.dirname(path) or ".")
    if kits := table.kits:
        return RawManifest(folder, rows, frame, kits.rejects, False, kits.notes, kits.tempos)
    return RawManifest(folder, rows, frame, broken_rows, table.decimal_comma)


def check_is_table(path: str) -> None:
    """Raise what ``read_manifest`` would raise about the file and its header; rows are not looked at."""
    with _opened(kit_path(path)):
        pass


def read_all(path: str) -> tuple[pl.DataFrame, str]:
    """Every column of the table at ``path`` as text under the name that it has there, for one who writes it again; and what
    separates its cells, "" where nothing does. Raises what ``read_manifest`` raises, and ManifestError for ragged rows.
    """
    with _opened(path) as table:
        if table.kits:
            raise ManifestError(path=path, what="is a kit, and no table", fix="Choose another file, such as library.csv.")
        reader = _READERS[Path(path).suffix.lower()]
        if reader is _opened.parquet:
            return pl.DataFrame([_as_text(path, column) for column in _read_parquet(path)]), ""
        if reader is _opened.ndjson:
            return _all_of_json(path), ""
        return _all_of_text(path, "\t" if reader is _opened.tsv else ",;\t")


def _all_of_text(path: str, delimiters: str) -> tuple[pl.DataFrame, str]:
    delimiter = _sniff(_head(path), delimiters)
    csv.field_size_limit(_MAX_FIELD)
    text = Path(path).read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = next(reader)
    if sum(not name.strip() for name in names) > 1:
        raise ManifestError(path=path, what="has several columns without a name", fix="Name or remove them.")
    rows = []
    for line, row in _csv_rows(path, reader, len(names)):
        if isinstance(row, Reject):
            raise ManifestError(path=path, what=f"line {line} {row.rule}", fix=row.fix)
        rows.append([cell or None for cell in row])
    texts = [name for name in names if _name(name) in GUARDED]
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row").with_columns(unguarded(pl.col(texts))), delimiter


def _all_of_json(path: str) -> pl.DataFrame:
    rows = []
    for line, text in enumerate(Path(path).read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            if not isinstance(row, dict):
                raise ValueError("is not a JSON object")
        except (ValueError, RecursionError) as error:
            raise ManifestError(path=path, what=f"line {line} is not a JSON object", fix="Correct or remove it.") from error
        rows.append({name: _json_text(value) for name, value in row.items()})
    names = dict.fromkeys(name for row in rows for name in row)
    _check_header(path, [_name(name) for name in names])
    return pl.DataFrame([[row.get(name) for name in names] for row in rows], dict.fromkeys(names, pl.String), orient="row")


def _json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return "|".join(value)
    return json.dumps(value)


# In a delimited text these may hold anything; a path gets ./ in front instead, and the others cannot start so.
GUARDED = ("title", "genre", "musical_key", "tags", "kind", "kit")


def guarded(cell: pl.Expr) -> pl.Expr:
    """A cell that no spreadsheet runs: a mark stands before what begins like a formula, or like one that is marked."""
    return cell.str.replace(r"^('*[=+\-@])", "'$1")


def unguarded(cell: pl.Expr) -> pl.Expr:
    return cell.str.replace(r"^'('*[=+\-@])", "$1")


def _known_columns(frame: pl.DataFrame, guarded: bool) -> pl.DataFrame:
    """The manifest's columns, trimmed, null where empty or absent; other columns are left as they are and ignored.

    ``guarded``: without the mark that keeps a spreadsheet from running a cell.
    """
    cells = (
        pl.col(name).str.strip_chars() if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in COLUMNS
    )
    trimmed = frame.select("line", *cells)
    if guarded:
        texts = [name for name in GUARDED if name in COLUMNS]
        trimmed = trimmed.with_columns(unguarded(pl.col(texts)))
    return trimmed.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))


class _opened:
    """Opens a manifest, gives its ``_Table``, and turns what goes wrong on the way into a ManifestError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file: TextIO | None = None

    def __enter__(self) -> _Table:
        try:
            return self._table()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.file:
            self.file.close()
        if isinstance(error, UnicodeDecodeError):
            raise _not_utf8(self.path) from error
        if isinstance(error, OSError):
            what = f"cannot be read: {error.strerror}"
            raise ManifestError(path=self.path, what=what, fix="Check the path and its permissions.") from error

    def _table(self) -> _Table:
        head = _head(self.path)
        extension = Path(self.path).suffix.lower()
        reader = _READERS.get(extension)
        if reader is None:
            known = ", ".join(sorted(_READERS))
            what = f"has the extension {extension!r}, which is none of {known}"
            raise ManifestError(path=self.path, what=what, fix="Save it as CSV, Parquet or NDJSON.")
        return reader(self, head)

    def csv(self, head: bytes) -> _Table:
        return self._delimited(head, ",;\t")

    def tsv(self, head: bytes) -> _Table:
        return self._delimited(head, "\t")

    def _delimited(self, head: bytes, delimiters: str) -> _Table:
        _check_text(self.path, head)
        delimiter = _sniff(head, delimiters)
        data = Path(self.path).read_bytes()
        if b'"' not in data and data.count(b"\r") == data.count(b"\r\n"):
            return _unquoted(self.path, data, delimiter)
        csv.field_size_limit(_MAX_FIELD)
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)
        try:
            names = [_name(cell) for cell in next(reader)]
        except StopIteration as error:
            raise ManifestError(path=self.path, what="has no header line", fix="Name the columns in its first line.") from error
        except csv.Error as error:
            raise _open_quote(self.path, 1) from error
        _check_header(self.path, names)
        return _Table(names, _chunks(_csv_rows(self.path, reader, len(names)), names), delimiter == ";", guarded=True)

    def ndjson(self, head: bytes) -> _Table:
        """Rows may name their columns in any order and leave some out: the header is what is known."""
        _check_text(self.path, head)
        if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            raise ManifestError(path=self.path, what="is a JSON array", fix="Write one object a line (NDJSON).")
        self.file = open(self.path, encoding="utf-8-sig", newline="\n")  # noqa: SIM115  (closed in __exit__)
        return _Table(list(COLUMNS), _chunks(_json_rows(self.file), list(COLUMNS)), named_by_rows=True)

    def parquet(self, head: bytes) -> _Table:
        frame = _read_parquet(self.path)
        names = [_name(name) for name in frame.columns]
        _check_header(self.path, names)
        known = [_as_text(self.path, column.rename(_name(column.name))) for column in frame if _name(column.name) in COLUMNS]
        chunk = pl.DataFrame(known).with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
        return _Table(names, iter([(chunk, [], frame.height)]))

    def kit(self, _head: bytes) -> _Table:
        kits = read_kits(self.path)
        return _Table(list(COLUMNS), iter([(kits.frame, [], kits.rows)]), kits=kits)


_READERS: dict[str, Callable[[_opened, bytes], _Table]] = {
    ".csv": _opened.csv,
    ".tsv": _opened.tsv,
    ".tab": _opened.tsv,
    ".ndjson": _opened.ndjson,
    ".jsonl": _opened.ndjson,
    ".parquet": _opened.parquet,
    ".pq": _opened.parquet,
    ".toml": _opened.kit,
    ".yaml": _opened.kit,
    ".yml": _opened.kit,
    ".xml": _opened.kit,
}


def _head(path: str) -> bytes:
    """The first bytes of a regular file. A FIFO or a device is refused before it is opened: it could hang."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise ManifestError(path=path, what="does not exist", fix="Check the manifest's path.") from error
    except ValueError as error:
        raise ManifestError(path=path, what="is no path", fix="Check the manifest's path.") from error
    if not stat.S_ISREG(mode):
        kind = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
        raise ManifestError(path=path, what=kind, fix="Give the path of a manifest file, not of samples.")
    with open(path, "rb") as file:
        head = file.read(_HEADER_BYTES)
    if not head:
        fix = NO_PADS_FIX if is_kit_file(path) else "Name the columns in its first line; one row per sample."
        raise ManifestError(path=path, what="is empty", fix=fix)
    return head


def _check_text(path: str, head: bytes) -> None:
    for magic, what, fix in _KNOWN_BINARIES:
        if head.startswith(magic):
            raise ManifestError(path=path, what=what, fix=fix)
    first_line = head.splitlines()[0]
    if b"\0" in first_line:
        what = "is binary, not text, or text in a wrong encoding such as UTF-16"
        raise ManifestError(path=path, what=what, fix="Save it as CSV in UTF-8.")
    if len(first_line) == _HEADER_BYTES:
        raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.")


def _not_utf8(path: str) -> ManifestError:
    data = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
        where = "somewhere"
    except UnicodeDecodeError as error:
        line = 1 + len(re.findall(rb"\r\n|\r|\n", data[: error.start]))
        where = f"byte 0x{data[error.start]:02X} on line {line}"
    return ManifestError(path=path, what=f"is not UTF-8: {where}", fix="Save it as CSV in UTF-8.")


def _open_quote(path: str, line: int) -> ManifestError:
    what = f"opens a quote on line {line} that is never closed"
    return ManifestError(path=path, what=what, fix="Close the quote, or double it inside a quoted cell.")


def _name(cell: str) -> str:
    return cell.strip().lower()


def _check_header(path: str, names: list[str]) -> None:
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        what = f"has the column {_short(twice[0])!r} twice"
        raise ManifestError(path=path, what=what, fix="Rename or remove one of them.")
    for name in REQUIRED:
        if name not in names:
            raise _no_column(path, name, names)


def _short(name: str) -> str:
    """A name that can be shown: what lacks a line's end can be a column of any length."""
    return name if len(name) <= _SHOWN_CHARS else f"{name[:_SHOWN_CHARS]}..."


def _no_column(path: str, name: str, names: list[str]) -> ManifestError:
    near = difflib.get_close_matches(name, names, 1, 0.5)
    fix = f"Rename the column {_short(near[0])!r} to {name!r}." if near else "Name the columns in its first line."
    there = f" (it has: {', '.join(filter(None, names))[:200]})" if names else ""
    return ManifestError(path=path, what=f"has no {name!r} column{there}", fix=fix)


def _sniff(head: bytes, delimiters: str) -> str:
    """The delimiter under which the header holds ``file_path``, or else makes the most columns."""
    text = head.decode("utf-8-sig", errors="replace")

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            names = [_name(cell) for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
        except csv.Error:
            return False, 0
        return "file_path" in names, len(names)

    return max(delimiters, key=score)


def _read_parquet(path: str) -> pl.DataFrame:
    """In a process of its own: Polars 2.1 aborts the whole process on some damaged files."""
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


def _unquoted(path: str, data: bytes, delimiter: str) -> _Table:
    """A delimited text without quotes: a line is a row, so that Polars can split it (ten times the speed of csv)."""
    try:
        lines = pl.read_lines(data, name="text", row_index_name="line", row_index_offset=1)
    except pl.exceptions.ComputeError as error:
        raise _not_utf8(path) from error
    text = pl.col("text").str.strip_suffix("\r")
    lines = lines.select(pl.col("line").cast(pl.Int64), text)
    names = [_name(cell) for cell in lines["text"][0].removeprefix("\ufeff").split(delimiter)]
    _check_header(path, names)
    rows = (
        lines[1:].filter(pl.col("text") != "").with_columns(width=pl.col("text").str.count_matches(delimiter, literal=True) + 1)
    )
    ragged = rows.filter(pl.col("width") != len(names))
    rejects = [_wrong_width(line, text.split(delimiter)[0], width, len(names)) for line, text, width in ragged.iter_rows()]
    cells = pl.col("text").str.split_exact(delimiter, len(names) - 1)
    known = {at: name for at, name in enumerate(names) if name in COLUMNS}
    picked = [cells.struct.field(f"field_{at}").alias(name) for at, name in known.items()]
    chunk = rows.filter(pl.col("width") == len(names)).select("line", *picked)
    return _Table(names, iter([(chunk, rejects, rows.height)]), delimiter == ";", guarded=True)


def _chunks(rows: Iterator[tuple[int, Cells | Reject]], names: list[str]) -> Iterator[Chunk]:
    known = {name: names.index(name) for name in COLUMNS if name in names}
    while batch := list(itertools.islice(rows, _CHUNK_ROWS)):
        good = [(line, row) for line, row in batch if not isinstance(row, Reject)]
        data: dict[str, list[int] | list[str | None]] = {"line": [line for line, _ in good]}
        data |= {name: [row[at] for _, row in good] for name, at in known.items()}
        frame = pl.DataFrame(data, schema={name: TEXT_SCHEMA[name] for name in data})
        yield frame, [row for _, row in batch if isinstance(row, Reject)], len(batch)


def _csv_rows(path: str, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, Cells | Reject]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _open_quote(path, line) from error
            rule = f"quotes do not match (the row ends on line {reader.line_num})"
            yield line, Reject(line, "(row)", "", rule, 'Double a quote inside a quoted cell: "12"" kick".')
            continue
        if len(cells) == width:
            yield line, cells
        elif cells:  # a blank line is no row
            yield line, _wrong_width(line, cells[0], len(cells), width)


def _wrong_width(line: int, first_cell: str, width: int, expected: int) -> Reject:
    rule = f"has {width} cells where the header has {expected}"
    fix = "Quote a cell that holds the separator, and fill in missing cells, even empty ones."
    return Reject(line, "(row)", first_cell[:80], rule, fix)


def _json_rows(file: Iterable[str]) -> Iterator[tuple[int, Cells | Reject]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            pairs = json.loads(text, object_pairs_hook=_Pairs)
            if not isinstance(pairs, _Pairs):
                raise ValueError("is not a JSON object")
            yield line, pairs.cells()
        except (ValueError, RecursionError) as error:
            rule = str(error) if type(error) is ValueError else "is not valid JSON"
            yield line, Reject(line, "(row)", text.strip()[:80], rule, 'One object a line: {"file_path": "kick.wav"}.')


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicate keys still there."""

    def cells(self) -> Cells:
        row = {_name(key): value for key, value in self}
        if len(row) < len(self):
            raise ValueError("names a column twice")
        return [_json_cell(name, row.get(name)) for name in COLUMNS]


def _json_cell(name: str, value: object) -> str | None:
    if name == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        value = "|".join(value)
    if isinstance(value, (list, bool)):
        raise ValueError(f"has a {name} that is neither text nor a number")
    text = None if value is None else str(value)
    if text and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"has a {name} with half a surrogate pair") from error
    return text


def _as_text(path: str, column: pl.Series) -> pl.Series:
    try:
        if isinstance(column.dtype, pl.List) and column.dtype.inner == pl.String:
            column = column.list.join("|")
        if column.dtype.is_nested():
            raise pl.exceptions.InvalidOperationError
        return column.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        what = f"has the column {column.name!r} of type {column.dtype}, which is no text or number"
        raise ManifestError(path=path, what=what, fix="Write the column as text or numbers.") from error
