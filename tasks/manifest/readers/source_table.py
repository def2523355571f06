"""The result of every reader: the rows of a manifest file in chunks; and the checks and errors that readers share."""

import codecs
import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, PATH_ALIASES, REQUIRED, TEXT_SCHEMA, Reject
from tasks.fs.mojibake import without_marks
from tasks.manifest.readers.kit_rows import SHOWN_CHARS, KitTable

# Of a file's beginning, by which its format and its header are recognized.
HEAD_BYTES = 1 << 20
# Unicode's White_Space, which Polars strips, too; Python's own ``strip`` takes some control characters as well.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_CHUNK_ROWS = 65_536
# How alike a column's name is to a known one, of 1, to be taken for a slip: titel, genres, tag.
_LIKE = 0.8
# What other programs call our columns.
_OTHER_NAMES = {
    "tempo": "bpm",
    "style": "genre",
    "category": "genre",
    "key": "musical_key",
    "scale": "musical_key",
    "name": "title",
}
SAVE_AS_UTF8 = (
    "Save it as UTF-8. Excel: File > Save As > CSV UTF-8. Numbers: File > Export To > CSV, Text Encoding: Unicode (UTF-8)."
    " Google Sheets: File > Download > Comma Separated Values."
)
_KNOWN_BINARIES = (
    (b"PK\x03\x04", "is a ZIP or Excel file", "Give it the extension .xlsx if it is a workbook, or save it as CSV UTF-8."),
    (b"\xd0\xcf\x11\xe0", "is a file of an old Excel", "Save it as XLSX or as CSV UTF-8."),
    (b"PAR1", "is a Parquet file", "Name it .parquet."),
    (b"RIFF", "is an audio file", "Give a manifest: a table with a file_path column."),
)
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Cells = Sequence[str | None]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    ``frame`` has ``line`` and the known columns, as text. ``rejects`` are rows that could not be split into cells. ``rows``
    is the number of rows read, counted before any of them was looked at.
    """

    frame: pl.DataFrame
    rejects: list[Reject]
    rows: int


@dataclass(frozen=True)
class SourceTable:
    """A manifest file whose header was checked and whose rows are still to be read.

    ``has_formula_guard``: its cells may bear the apostrophe of ``tasks.manifest.formula_guard``. ``is_named_by_rows``: each
    row names its own columns, so that only the rows tell whether a column is there. ``kits``: what a kit file says beyond
    its rows. ``notes``: what was read in another way than it is written. ``row_word``: what the number of a row counts.
    """

    chunks: Iterator[Chunk]
    decimal_comma: bool = False
    has_formula_guard: bool = False
    is_named_by_rows: bool = False
    kits: KitTable | None = None
    notes: tuple[str, ...] = ()
    row_word: str = "line"


def normalize_name(cell: str) -> str:
    """Return a header's cell as the name of a column: without byte order marks and spaces around it, in lower case."""
    return without_marks(cell).strip().lower()


def choose_path_column(names: Sequence[str]) -> str | None:
    """Return which of the normalized ``names`` holds the path: ``file_path``, or else what other programs call it."""
    return next((name for name in ("file_path", *PATH_ALIASES) if name in names), None)


def rename_path_column(names: list[str], written: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the normalized ``names`` with ``file_path`` for the one that holds the path; and notes of odd names.

    A note says which column is read as the path, where it has another name, and which unknown columns look like a known one.

    Args:
        names: The normalized names of a header.
        written: The same names as they are written.
    """
    chosen = choose_path_column(names)
    if chosen is None:
        return names, ()
    misspelt = tuple(_notes_of_near_misses(names, written, chosen))
    if chosen == "file_path":
        return names, misspelt
    at = names.index(str(chosen))
    return [*names[:at], "file_path", *names[at + 1 :]], (path_column_note(written[at]), *misspelt)


def _notes_of_near_misses(names: list[str], written: Sequence[str], path_column: str) -> Iterator[str]:
    absent = [name for name in COLUMNS if name not in names]
    for name, cell in zip(names, written, strict=True):
        if name not in (*COLUMNS, path_column) and (close := _like(name, absent)):
            yield f"the column {_shorten(cell.strip())!r} is not known, and is ignored: did you mean {close!r}?"


def _like(name: str, absent: list[str]) -> str:
    """Return the known column that a name may mean, of those that are not there: by a slip, or in another program's word."""
    swapped = [known for known in absent if sorted(known) == sorted(name)]
    near = difflib.get_close_matches(name, absent, 1, _LIKE)
    other = [known for known in absent if _OTHER_NAMES.get(name) == known]
    return next(iter([*swapped, *near, *other]), "")


def path_column_note(name: str) -> str:
    """Return the note that a column of another name holds the paths."""
    return f"the column {_shorten(name.strip())!r} is read as 'file_path'"


def check_header(path: str, names: list[str]) -> None:
    """Check the normalized names of a header.

    Raises:
        ManifestError: A name is there twice, or a required one is missing.
    """
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        what = f"has the column {_shorten(twice[0])!r} twice"
        raise ManifestError(path=path, what=what, fix="Rename or remove one of them.")
    for name in REQUIRED:
        if name not in names:
            raise no_column_error(path, name, names)


def check_can_be_updated(path: str, written: Sequence[str]) -> None:
    """Check the names of the columns of a table that is to be written again.

    Raises:
        ManifestError: A name is there twice, or ``file_path`` is missing or has another name.
    """
    names = [normalize_name(name) for name in written]
    chosen = choose_path_column(names)
    if chosen not in (None, "file_path"):
        name = _shorten(written[names.index(str(chosen))].strip())
        what = f"has its paths in the column {name!r}, which cannot be brought up to date"
        raise ManifestError(path=path, what=what, fix="Rename the column to 'file_path', or choose another file with -o.")
    check_header(path, names)


def check_has_short_line(path: str, head: bytes) -> None:
    """Check that the first line ends within ``head``, a file's first ``HEAD_BYTES``.

    Raises:
        ManifestError: It does not: no header is so long.
    """
    if len(next(iter(head.splitlines()), b"")) >= HEAD_BYTES:
        raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.")


def check_is_not_binary(path: str, head: bytes) -> None:
    """Check that a file begins like text; UTF-16 is let pass.

    Raises:
        ManifestError: It is a known binary file, or its first line has a NUL.
    """
    for magic, what, fix in _KNOWN_BINARIES:
        if head.startswith(magic):
            raise ManifestError(path=path, what=what, fix=fix)
    if not head.startswith(UTF_16_MARKS) and b"\0" in head.splitlines()[0]:
        what = "is binary, not text, or text in a wrong encoding such as UTF-16"
        raise ManifestError(path=path, what=what, fix=SAVE_AS_UTF8)


def cut_chunks(rows: Iterator[tuple[int, Cells | Reject]], names: list[str]) -> Iterator[Chunk]:
    """Yield rows in chunks of 65,536, so that a large file is never held as Python objects.

    Args:
        rows: Line and cells (in the order of ``names``) of each row, or its reject.
        names: The normalized names of the columns; unknown ones are left out.
    """
    known = {name: names.index(name) for name in (*COLUMNS, *PATH_ALIASES) if name in names}
    while batch := list(itertools.islice(rows, _CHUNK_ROWS)):
        good = [(line, row) for line, row in batch if not isinstance(row, Reject)]
        data: dict[str, list[int] | list[str | None]] = {"line": [line for line, _ in good]}
        data |= {name: [row[at] for _, row in good] for name, at in known.items()}
        frame = pl.DataFrame(data, schema={name: TEXT_SCHEMA.get(name, pl.String) for name in data})
        yield Chunk(frame, [row for _, row in batch if isinstance(row, Reject)], len(batch))


def table_of_kits(kits: KitTable) -> SourceTable:
    """Return what a kit file's reader gives."""
    return SourceTable(iter([Chunk(kits.frame, [], kits.rows)]), kits=kits, row_word=kits.row_word)


def no_column_error(path: str, name: str, names: list[str]) -> ManifestError:
    """Return the error of a header without ``name``; the fix suggests the most similar of ``names``."""
    near = near_name(name, names)
    fix = f"Rename the column {_shorten(near)!r} to {name!r}." if near else "Name the columns in its first line."
    there = f" (it has: {', '.join(filter(None, names))[:200]})" if names else ""
    return ManifestError(path=path, what=f"has no {name!r} column{there}", fix=fix)


def near_name(name: str, names: Sequence[str]) -> str:
    """Return the one of ``names`` that is most like ``name``; "" where none is."""
    return next(iter(difflib.get_close_matches(name, names, 1, 0.5)), "")


def not_utf8_error(path: str, fix: str = SAVE_AS_UTF8) -> ManifestError:
    """Return the error of a text that is not UTF-8, with the first such byte and its line."""
    data = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
        where = "somewhere"
    except UnicodeDecodeError as error:
        line = 1 + len(re.findall(rb"\r\n|\r|\n", data[: error.start]))
        where = f"byte 0x{data[error.start]:02X} on line {line}"
    return ManifestError(path=path, what=f"is not UTF-8: {where}", fix=fix)


def _shorten(name: str) -> str:
    """Return a name that can be shown: what lacks a line's end can be a column of any length."""
    return name if len(name) <= SHOWN_CHARS else f"{name[:SHOWN_CHARS]}..."
