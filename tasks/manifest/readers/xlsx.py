"""Read a workbook of Excel, in a process of its own with bounded memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS
from tasks.manifest.readers.header_line import (
    MAX_ABOVE,
    HeaderLine,
    choose_header,
    name_columns,
    raise_no_header,
    read_header_line,
)
from tasks.manifest.readers.source_table import WHITE_SPACE, Chunk, SourceTable

_ZIP = b"PK"
# Excel's format before XLSX. A workbook with a password is in it, too.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
SAVE_AS_XLSX = "Save it as XLSX (Excel: File > Save As > Excel Workbook), or as CSV UTF-8."
_SAVE_AS_CSV = "Save the sheet of samples as CSV UTF-8, and give that."
_MAX_MEMORY, _MAX_TEXT = 4 << 30, 1 << 30
_MAX_SECONDS = 300
# Writes each visible sheet as Arrow, all cells as text, and prints its name. A workbook of a kilobyte can declare 17 billion
# cells, or unpack to terabytes: the limit of memory ends the process then (on systems that hold it).
_XLSX_TO_ARROW = """
import contextlib, json, resource, sys
path, folder, most_memory, most_text = *sys.argv[1:3], *map(int, sys.argv[3:])
with contextlib.suppress(ValueError, OSError):
    resource.setrlimit(resource.RLIMIT_AS, (most_memory, most_memory))
import fastexcel
reader = fastexcel.read_excel(path)
text = 0
for number in range(len(reader.sheet_names)):
    sheet = reader.load_sheet(number, header_row=None, skip_rows=0, dtypes="string")
    if sheet.visible == "visible":
        frame = sheet.to_polars()
        text += frame.estimated_size()
        if text > most_text:
            raise MemoryError
        frame.write_ipc(f"{folder}/{number}.arrow")
        print(json.dumps([number, sheet.name]))
"""


class _Sheet(NamedTuple):
    """The cells of a sheet as text, from its first row on."""

    name: str
    frame: pl.DataFrame


def open_xlsx(path: str, head: bytes) -> SourceTable:
    """Read the first visible sheet with a ``file_path``; else the first with another name for it. Its rows keep their numbers.

    Args:
        path: The file.
        head: Its first bytes.

    Raises:
        ManifestError: It is not a workbook, is damaged or protected, or no sheet has a usable header.
    """
    _check_is_xlsx(path, head)
    sheets = _read_in_subprocess(path)
    found = [(sheet, header) for sheet in sheets if (header := choose_header([_head_lines(sheet.frame)]))]
    if not found:
        raise_no_header(path, [_head_lines(sheet.frame) for sheet in sheets])
    chosen, header = next((pair for pair in found if "file_path" in pair[1].names), found[0])
    names, notes = name_columns(path, header)
    if len(sheets) > 1:
        others = [sheet.name for sheet, _ in found if sheet is not chosen]
        also = f"; not read: {', '.join(others)}" if others else ""
        notes = (f"read is the sheet {chosen.name!r} of {len(sheets)}{also}", *notes)
    rows = _rows_below(chosen.frame, header, names)
    return SourceTable(iter([Chunk(rows, [], rows.height)]), has_formula_guard=True, notes=notes, row_word="row")


def _check_is_xlsx(path: str, head: bytes) -> None:
    if head.startswith(_OLE):
        if _ENCRYPTED in Path(path).read_bytes():
            fix = "Remove the password (Excel: File > Info > Protect Workbook), or save it as CSV UTF-8."
            raise ManifestError(path=path, what="is protected by a password", fix=fix)
        raise ManifestError(path=path, what="is a workbook of an old Excel, not XLSX", fix=SAVE_AS_XLSX)
    if not head.startswith(_ZIP):
        fix = f"Give it the extension of what it is, such as .csv. {SAVE_AS_XLSX}"
        raise ManifestError(path=path, what="is not an XLSX workbook", fix=fix)


def _read_in_subprocess(path: str) -> list[_Sheet]:
    """Read the visible sheets that have cells. The library ends its process on some damaged files, and where memory ends."""
    with tempfile.TemporaryDirectory(prefix="sp404-") as scratch:
        words = ["-I", "-c", _XLSX_TO_ARROW, path, scratch, str(_MAX_MEMORY), str(_MAX_TEXT)]
        try:
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False, timeout=_MAX_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ManifestError(path=path, what=f"takes more than {_MAX_SECONDS} s to open", fix=_SAVE_AS_CSV) from error
        if done.returncode:
            raise _unreadable(path, done.stderr.decode(errors="replace"))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        frames = [(name, pl.read_ipc(Path(scratch, f"{number}.arrow").read_bytes())) for number, name in found]
    return [_Sheet(name, frame) for name, frame in frames if frame.height]


def _unreadable(path: str, said: str) -> ManifestError:
    """Return the error of a workbook that cannot be read, by what the process said when it ended."""
    if "memory" in said.lower() or "capacity overflow" in said:
        what = f"is too large when it is unpacked: more than {_MAX_MEMORY >> 30} GB"
        return ManifestError(path=path, what=what, fix=f"Delete what is far below or beside the table. Or: {_SAVE_AS_CSV}")
    why = next((line.split("rror: ", 1)[1] for line in said.splitlines() if "rror: " in line), "its parts are damaged")
    fix = f"Open it in a spreadsheet, and save it again as XLSX. Or: {_SAVE_AS_CSV}"
    return ManifestError(path=path, what=f"is not a readable workbook: {why}", fix=fix)


def _head_lines(frame: pl.DataFrame) -> Iterator[HeaderLine]:
    """Yield the first rows of a sheet, as if each was its header; blank ones are left out."""
    for above, row in enumerate(frame.head(MAX_ABOVE + 1).iter_rows()):
        if line := read_header_line((cell or "" for cell in row), above):
            yield line


def _rows_below(frame: pl.DataFrame, header: HeaderLine, names: list[str]) -> pl.DataFrame:
    """Return the rows below the header, the known columns alone, without blank rows."""
    is_blank = pl.all_horizontal(pl.col(pl.String).fill_null("").str.strip_chars(WHITE_SPACE) == "")
    known = [pl.nth(at + 1).alias(name) for at, name in enumerate(names) if name in COLUMNS]
    below = frame.with_row_index("line", 1)[header.above + 1 :].filter(~is_blank)
    return below.select(pl.col("line").cast(pl.Int64), *known)
