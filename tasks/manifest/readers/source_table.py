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
from schemas.manifest import COLUMNS, REQUIRED, TEXT_SCHEMA, Reject
from tasks.manifest.readers.kit_rows import SHOWN_CHARS, KitTable

# Of a file's beginning, by which its format and its header are recognized.
HEAD_BYTES = 1 << 20
_CHUNK_ROWS = 65_536
_KNOWN_BINARIES = (
    (b"PK\x03\x04", "is a ZIP or Excel file", "Save it from the spreadsheet as CSV (UTF-8)."),
    (b"PAR1", "is a Parquet file", "Name it .parquet."),
    (b"RIFF", "is an audio file", "Give a manifest: a table with a file_path column."),
    (codecs.BOM_UTF16_LE, "is UTF-16 text", "Save it as UTF-8."),
    (codecs.BOM_UTF16_BE, "is UTF-16 text", "Save it as UTF-8."),
)

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
    its rows.
    """

    chunks: Iterator[Chunk]
    decimal_comma: bool = False
    has_formula_guard: bool = False
    is_named_by_rows: bool = False
    kits: KitTable | None = None


def normalize_name(cell: str) -> str:
    """Return a header's cell as the name of a column: without spaces around it, in lower case."""
    return cell.strip().lower()


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


def check_is_text(path: str, head: bytes) -> None:
    """Check that the beginning of a file is text with a first line.

    Raises:
        ManifestError: It is binary, in another encoding, or one line of more than ``HEAD_BYTES``.
    """
    for magic, what, fix in _KNOWN_BINARIES:
        if head.startswith(magic):
            raise ManifestError(path=path, what=what, fix=fix)
    first_line = head.splitlines()[0]
    if b"\0" in first_line:
        what = "is binary, not text, or text in a wrong encoding such as UTF-16"
        raise ManifestError(path=path, what=what, fix="Save it as CSV in UTF-8.")
    if len(first_line) == HEAD_BYTES:
        raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.")


def cut_chunks(rows: Iterator[tuple[int, Cells | Reject]], names: list[str]) -> Iterator[Chunk]:
    """Yield rows in chunks of 65,536, so that a large file is never held as Python objects.

    Args:
        rows: Line and cells (in the order of ``names``) of each row, or its reject.
        names: The normalized names of the columns; unknown ones are left out.
    """
    known = {name: names.index(name) for name in COLUMNS if name in names}
    while batch := list(itertools.islice(rows, _CHUNK_ROWS)):
        good = [(line, row) for line, row in batch if not isinstance(row, Reject)]
        data: dict[str, list[int] | list[str | None]] = {"line": [line for line, _ in good]}
        data |= {name: [row[at] for _, row in good] for name, at in known.items()}
        frame = pl.DataFrame(data, schema={name: TEXT_SCHEMA[name] for name in data})
        yield Chunk(frame, [row for _, row in batch if isinstance(row, Reject)], len(batch))


def table_of_kits(kits: KitTable) -> SourceTable:
    """Return what a kit file's reader gives."""
    return SourceTable(iter([Chunk(kits.frame, [], kits.rows)]), kits=kits)


def no_column_error(path: str, name: str, names: list[str]) -> ManifestError:
    """Return the error of a header without ``name``; the fix suggests the most similar of ``names``."""
    near = difflib.get_close_matches(name, names, 1, 0.5)
    fix = f"Rename the column {_shorten(near[0])!r} to {name!r}." if near else "Name the columns in its first line."
    there = f" (it has: {', '.join(filter(None, names))[:200]})" if names else ""
    return ManifestError(path=path, what=f"has no {name!r} column{there}", fix=fix)


def not_utf8_error(path: str) -> ManifestError:
    """Return the error of a text that is not UTF-8, with the first such byte and its line."""
    data = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
        where = "somewhere"
    except UnicodeDecodeError as error:
        line = 1 + len(re.findall(rb"\r\n|\r|\n", data[: error.start]))
        where = f"byte 0x{data[error.start]:02X} on line {line}"
    return ManifestError(path=path, what=f"is not UTF-8: {where}", fix="Save it as CSV in UTF-8.")


def _shorten(name: str) -> str:
    """Return a name that can be shown: what lacks a line's end can be a column of any length."""
    return name if len(name) <= SHOWN_CHARS else f"{name[:SHOWN_CHARS]}..."
