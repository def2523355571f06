"""Find the row that names the columns, in text and in sheets alike."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from schemas.errors import ManifestError
from tasks.fs.mojibake import without_marks
from tasks.manifest.readers.source_table import (
    check_header,
    choose_path_column,
    near_name,
    normalize_name,
    rename_path_column,
)

# How many rows may be above the header.
MAX_ABOVE = 100


@dataclass(frozen=True)
class HeaderLine:
    """The row that names the columns.

    ``cells`` are as they are written, ``names`` normalized. ``above`` counts the physical lines (of a sheet: rows) above it;
    ``filled`` is the number of cells that are not empty. ``delimiter``: what separates the cells; "" in a sheet.
    """

    cells: list[str]
    names: list[str]
    delimiter: str
    above: int
    filled: int


def read_header_line(cells: Iterable[str], above: int, delimiter: str = "") -> HeaderLine | None:
    """Return a row as if it was the header; None where it is blank."""
    written = [without_marks(cell) for cell in cells]
    names = [normalize_name(cell) for cell in written]
    filled = sum(bool(name) for name in names)
    return HeaderLine(written, names, delimiter, above, filled) if filled else None


def choose_header(tables: Iterable[Iterable[HeaderLine]]) -> HeaderLine | None:
    """Return the first row with ``file_path``; else the first with another name for it that is not a title.

    A title is alone on its line; no other line above a header has as many cells as it.

    Args:
        tables: The first rows of the file, once for each way in which it may be cut into cells.
    """
    found: list[tuple[tuple[bool, bool, int, int], HeaderLine]] = []
    for lines in tables:
        widest = 0
        for line in lines:
            column = choose_path_column(line.names)
            is_own = column == "file_path"
            if is_own or (column and (line.filled > widest or widest == 1)):
                found.append(((is_own, line.filled > 1, -line.above, len(line.names)), line))
            widest = max(widest, line.filled)
    return max(found, key=lambda pair: pair[0])[1] if found else None


def raise_no_header(path: str, tables: Iterable[Iterable[HeaderLine]]) -> NoReturn:
    """Raise the ManifestError of a file without a header; it talks of the row with a near miss, or of the first."""
    lines = [list(itertools.islice(table, 10)) for table in tables]
    first = max((some[0].names for some in lines if some), key=len, default=[])
    near = (line.names for some in lines for line in some if near_name("file_path", line.names))
    check_header(path, max(near, key=len, default=first))
    raise ManifestError(path=path, what="has no header line", fix="Name the columns in its first line.")


def name_columns(path: str, header: HeaderLine) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the columns, the one that holds the path as ``file_path``; and a note if it has another name.

    Raises:
        ManifestError: A name is there twice.
    """
    names, notes = rename_path_column(header.names, header.cells)
    check_header(path, names)
    return names, notes
