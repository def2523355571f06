"""Write a manifest file: beside its place and then renamed, in the format of its extension, and safe in a spreadsheet."""

import io
import os
from pathlib import Path
from typing import TypeAlias

import polars as pl

from schemas.errors import DiskFullError, ManifestError, OutputNotWritableError, RequestError, write_failure
from tasks.fs.atomic import create_exclusively, own_part_name, remove, remove_left_parts, write_all
from tasks.fs.mojibake import without_marks
from tasks.manifest.formula_guard import GUARDED_COLUMNS, add_guard

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LINES = (".ndjson", ".jsonl")
_PARQUET = (".parquet", ".pq")
EXTENSIONS = (*_DELIMITERS, *_LINES, *_PARQUET)
# With it Excel takes a new .csv for UTF-8, as every program does that knows no other text.
_WITH_BOM = (".csv",)
_HEAD_BYTES = 1 << 20
# What programs put beside a file that they have open: LibreOffice and Excel.
_LOCKS = (".~lock.{}#", "~${}")
_KIND = "manifest"
# What changes when somebody else writes a file; None where there is none.
State: TypeAlias = tuple[int, int, int] | None


def state_of(path: str) -> State:
    """Return what changes when somebody else writes the file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def write_manifest(frame: pl.DataFrame, path: str, delimiter: str, before: State) -> None:
    """Write a manifest in place of the file that was there before, with its byte order mark and line ends.

    Args:
        frame: Text columns.
        path: The file; its extension decides the format.
        delimiter: That of the delimited text that was there; "" for the one of the extension.
        before: ``state_of`` the file when it was read; None where there was none.

    Raises:
        RequestError: The file was changed meanwhile, or is open in a spreadsheet.
        SurroundingsError: The disk is full, or the folder cannot be written.
        ManifestError: It cannot be written for another reason.
    """
    _check_not_open(path)
    data = _as_bytes(frame, path, delimiter)
    folder, name = os.path.split(path)
    part = os.path.join(folder, own_part_name(name, _KIND))
    try:
        remove_left_parts(folder, _KIND)
        remove(part)
        with create_exclusively(part) as file:
            write_all(file, data)
            os.fsync(file.fileno())
            if before:
                os.fchmod(file.fileno(), os.stat(path).st_mode & 0o7777)
        if state_of(path) != before:
            raise RequestError(what=f"{path} was changed while folders were scanned", fix="Save it, then scan again.")
        os.replace(part, path)
    except OSError as error:
        failure = write_failure(path, error)
        if isinstance(failure, (DiskFullError, OutputNotWritableError)):
            raise failure from error
        what = f"cannot be written: {error.strerror}"
        raise ManifestError(path=path, what=what, fix="Choose another file with -o.") from error
    finally:
        remove(part)


def _check_not_open(path: str) -> None:
    """Raise RequestError where a spreadsheet has the file open: what is saved there later would undo what is written now."""
    folder, name = os.path.split(path)
    for pattern in _LOCKS:
        lock = os.path.join(folder, pattern.format(name))
        if os.path.lexists(lock):
            fix = f"Save and close it there, then scan again. If no program has it open, remove {lock}"
            raise RequestError(what=f"{path} is open in a spreadsheet", fix=fix)


def _text_style(path: str) -> tuple[bool, str]:
    """Return whether a delimited text has a byte order mark, and its line ends; for a new file what spreadsheets read best.

    A garbled mark counts: the program that garbled it reads the table well if it gets a whole one.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        head = b""
    if not head:
        return Path(path).suffix.lower() in _WITH_BOM, "\n"
    windows = head.count(b"\r\n")
    start = head[:64].decode(errors="ignore")
    return without_marks(start) != start, "\r\n" if windows * 2 > head.count(b"\n") else "\n"


def _as_bytes(frame: pl.DataFrame, path: str, delimiter: str) -> bytes:
    extension = Path(path).suffix.lower()
    target = io.BytesIO()
    if extension in _PARQUET:
        frame.write_parquet(target)
    elif extension in _LINES:
        frame.write_ndjson(target)
    else:
        texts = [name for name in frame.columns if name.strip().lower() in GUARDED_COLUMNS]
        has_bom, line_end = _text_style(path)
        separator = delimiter or _DELIMITERS[extension]
        guarded = frame.with_columns(add_guard(pl.col(texts)))
        guarded.write_csv(target, separator=separator, include_bom=has_bom, line_terminator=line_end)
    return target.getvalue()
