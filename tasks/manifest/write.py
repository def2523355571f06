"""Write a manifest file: beside its place and then renamed, in the format of its extension, and safe in a spreadsheet."""

import io
import os
from pathlib import Path
from typing import TypeAlias

import polars as pl

from schemas.errors import DiskFullError, ManifestError, OutputNotWritableError, RequestError, write_failure
from tasks.fs.atomic import create_exclusively, part_name, remove, write_all
from tasks.manifest.formula_guard import GUARDED_COLUMNS, add_guard

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LINES = (".ndjson", ".jsonl")
_PARQUET = (".parquet", ".pq")
EXTENSIONS = (*_DELIMITERS, *_LINES, *_PARQUET)
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
    """Write a manifest in place of the file that was there before.

    Args:
        frame: Text columns.
        path: The file; its extension decides the format.
        delimiter: That of the delimited text that was there; "" for the one of the extension.
        before: ``state_of`` the file when it was read; None where there was none.

    Raises:
        RequestError: The file was changed meanwhile.
        SurroundingsError: The disk is full, or the folder cannot be written.
        ManifestError: It cannot be written for another reason.
    """
    data = _as_bytes(frame, path, delimiter)
    part = os.path.join(os.path.dirname(path), part_name(f"{os.getpid():x}", 0, "manifest"))
    try:
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


def _as_bytes(frame: pl.DataFrame, path: str, delimiter: str) -> bytes:
    extension = Path(path).suffix.lower()
    target = io.BytesIO()
    if extension in _PARQUET:
        frame.write_parquet(target)
    elif extension in _LINES:
        frame.write_ndjson(target)
    else:
        texts = [name for name in frame.columns if name.strip().lower() in GUARDED_COLUMNS]
        frame.with_columns(add_guard(pl.col(texts))).write_csv(target, separator=delimiter or _DELIMITERS[extension])
    return target.getvalue()
