"""Read a manifest file of any kind as a table of text cells with their lines."""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from schemas.errors import DiskError, ManifestError
from schemas.errors.surroundings_errors import NO_DISK
from schemas.manifest import COLUMNS, PATH_ALIASES, REJECT_SCHEMA, TEXT_SCHEMA, ManifestKind
from schemas.music import AUDIO_EXTENSIONS
from tasks.fs.mojibake import without_marks
from tasks.manifest.formula_guard import GUARDED_COLUMNS, remove_guard
from tasks.manifest.library_names import HYDROGEN
from tasks.manifest.readers.delimited_text import (
    CSV_DELIMITERS,
    TSV_DELIMITERS,
    TXT_DELIMITERS,
    open_delimited,
    read_all_delimited,
)
from tasks.manifest.readers.hydrogen import open_hydrogen
from tasks.manifest.readers.kit_file import NO_PADS_FIX, open_toml, open_yaml
from tasks.manifest.readers.m3u import open_m3u
from tasks.manifest.readers.ndjson import open_ndjson, read_all_ndjson
from tasks.manifest.readers.parquet import open_parquet, read_all_parquet
from tasks.manifest.readers.rekordbox import ROOT, open_rekordbox
from tasks.manifest.readers.source_table import (
    HEAD_BYTES,
    SourceTable,
    no_column_error,
    not_utf8_error,
    path_column_note,
)
from tasks.manifest.readers.xlsx import SAVE_AS_XLSX, open_xlsx

_MAKE_ONE = "Make a manifest of your samples first: sp404 scan {} -o library.csv"


@dataclass(frozen=True)
class RawManifest:
    """A manifest as its reader gives it, before any rule was applied.

    Attributes:
        kind: What the reader read.
        folder: The manifest's folder, to which relative paths belong.
        rows: How many rows were read.
        frame: Rows as text (``TEXT_SCHEMA``), null where a cell is empty.
        rejects: Rows that could not be split into cells (``REJECT_SCHEMA``).
        decimal_comma: Numbers may be written as ``120,5``.
        notes: What a kit file says and a row cannot hold; what was read in another way than it is written.
        kit_tempos: BPM of whole kits by their names, from a kit file.
        keys: What errors call a row that has a number instead of a line: its dotted key in a TOML kit.
        row_word: What the number of a row counts: lines of the file, rows of a sheet.
    """

    kind: ManifestKind
    folder: str
    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()
    kit_tempos: dict[str, float] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    row_word: str = "line"


def read_manifest(path: str) -> RawManifest:
    """Read the manifest at ``path``: a table, a playlist, a collection or a kit, by its extension.

    Raises:
        ManifestError: It is missing, empty, binary or wrongly encoded, or has no ``file_path``, a duplicate column or no rows.
    """
    path = resolve_drumkit(path)
    with _open_manifest(path) as (reader, table):
        frames = [pl.DataFrame(schema=TEXT_SCHEMA | dict.fromkeys(PATH_ALIASES if table.is_named_by_rows else (), pl.String))]
        rejects = []
        rows = 0
        has_paths = False  # also where they are empty, which is a reject for each row
        for chunk in table.chunks:
            has_paths |= chunk.frame["file_path"].null_count() < chunk.frame.height
            frames.append(_select_columns(chunk.frame, frames[0].columns[1:], table.has_formula_guard))
            rejects += chunk.rejects
            rows += chunk.rows
    frame, notes = pl.concat(frames), table.notes
    if table.is_named_by_rows and frame.height:
        frame, notes = _take_path_column(path, frame, has_paths)
    frame = frame.select(TEXT_SCHEMA.keys())
    if not rows:
        raise ManifestError(path=path, what="has no rows", fix="Add one row for each sample.")
    folder = os.path.realpath(os.path.dirname(path) or ".")
    if kits := table.kits:
        broken_rows, notes, tempos, keys = kits.rejects, kits.notes, kits.tempos, kits.keys
    else:
        records = [(reject.line, None, None, reject.column, reject.value, reject.rule, reject.fix, None) for reject in rejects]
        broken_rows, tempos, keys = pl.DataFrame(records, schema=REJECT_SCHEMA, orient="row"), {}, {}
    return RawManifest(reader.kind, folder, rows, frame, broken_rows, table.decimal_comma, notes, tempos, keys, table.row_word)


def _take_path_column(path: str, frame: pl.DataFrame, has_paths: bool) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the rows with their paths in ``file_path``, also where all rows call it by another name; and a note of that.

    Args:
        path: The manifest.
        frame: Its rows.
        has_paths: Whether a row has a ``file_path`` at all.

    Raises:
        ManifestError: No row has a path.
    """
    filled = [name for name in ("file_path", *PATH_ALIASES) if frame[name].null_count() < frame.height]
    filled = filled or (["file_path"] if has_paths else [])
    if not filled:
        raise no_column_error(path, "file_path", [])
    notes = () if filled[0] == "file_path" else (path_column_note(filled[0]),)
    return frame.with_columns(file_path=filled[0]).select(TEXT_SCHEMA.keys()), notes


def check_is_manifest(path: str) -> ManifestKind:
    """Open the manifest and check its header, but none of its rows; return what it is.

    Raises:
        ManifestError: What ``read_manifest`` raises about the file and its header.
    """
    with _open_manifest(resolve_drumkit(path)) as (reader, _):
        return reader.kind


def read_all_columns(path: str) -> tuple[pl.DataFrame, str]:
    """Read every column of a table, the unknown ones too, so that it can be written again.

    Returns:
        The columns as text under the names that they have in the file; and the delimiter of its cells, "" where it has none.

    Raises:
        ManifestError: What ``read_manifest`` raises; and for a kit or a list of another program, and for rows that are not
            as wide as the header.
    """
    with _open_manifest(path) as (reader, _):
        if reader.read_all is None:
            what = "is a kit, not a table" if reader.kind is ManifestKind.KIT else "can be read, but not be brought up to date"
            raise ManifestError(path=path, what=what, fix="Choose another file, such as library.csv.")
        frame, delimiter = reader.read_all(path, _read_head(path))
    return frame.rename({name: without_marks(name) for name in frame.columns}), delimiter


def resolve_drumkit(path: str) -> str:
    """Return ``path``; or the drumkit.xml in it, where it is a folder that has one."""
    inside = os.path.join(path, HYDROGEN)
    return inside if os.path.isdir(path) and os.path.lexists(inside) else path


def guess_kind(path: str | os.PathLike[str]) -> ManifestKind:
    """Return what a manifest is by its name, of XML by its beginning; a file of unknown extension counts as a table."""
    path = resolve_drumkit(os.fspath(path))
    head = b""
    if Path(path).suffix.lower() == ".xml":
        with suppress(ManifestError, OSError):
            head = _read_head(path)
    reader = _find_reader(path, head)
    return reader.kind if reader else ManifestKind.TABLE


class _Reader(NamedTuple):
    """The functions that read the manifests of one extension.

    ``open`` and ``read_all`` take the path and the file's first bytes; ``read_all`` returns the delimiter, too. A kit is not
    read for being written again.
    """

    kind: ManifestKind
    open: Callable[[str, bytes], SourceTable]
    read_all: Callable[[str, bytes], tuple[pl.DataFrame, str]] | None = None


def _reader_of_delimited(delimiters: str) -> _Reader:
    return _Reader(
        ManifestKind.TABLE,
        lambda path, _head: open_delimited(path, delimiters),
        lambda path, _head: read_all_delimited(path, delimiters),
    )


_CSV, _TSV, _TXT = map(_reader_of_delimited, (CSV_DELIMITERS, TSV_DELIMITERS, TXT_DELIMITERS))
_NDJSON = _Reader(ManifestKind.TABLE, open_ndjson, lambda path, _head: (read_all_ndjson(path), ""))
_PARQUET = _Reader(ManifestKind.TABLE, lambda path, _head: open_parquet(path), lambda path, _head: (read_all_parquet(path), ""))
_TOML = _Reader(ManifestKind.KIT, lambda path, _head: open_toml(path))
_YAML = _Reader(ManifestKind.KIT, lambda path, _head: open_yaml(path))
_HYDROGEN = _Reader(ManifestKind.KIT, lambda path, _head: open_hydrogen(path))
_REKORDBOX = _Reader(ManifestKind.TABLE, lambda path, _head: open_rekordbox(path))
_XLSX = _Reader(ManifestKind.TABLE, open_xlsx)
_M3U = _Reader(ManifestKind.TABLE, lambda path, _head: open_m3u(path))
_READERS = {
    ".csv": _CSV,
    ".tsv": _TSV,
    ".tab": _TSV,
    ".txt": _TXT,
    ".xlsx": _XLSX,
    ".xlsm": _XLSX,
    ".ndjson": _NDJSON,
    ".jsonl": _NDJSON,
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".m3u": _M3U,
    ".m3u8": _M3U,
    ".toml": _TOML,
    ".yaml": _YAML,
    ".yml": _YAML,
    ".xml": _HYDROGEN,
}
_OTHER_SPREADSHEETS = (".xls", ".xlsb", ".ods", ".fods", ".numbers")


def _find_reader(path: str, head: bytes) -> _Reader | None:
    reader = _READERS.get(Path(path).suffix.lower())
    return _REKORDBOX if reader is _HYDROGEN and ROOT in head.replace(b"\0", b"") else reader


@contextmanager
def _open_manifest(path: str) -> Iterator[tuple[_Reader, SourceTable]]:
    """Open a manifest, and turn what goes wrong while it is read into a ManifestError."""
    try:
        head = _read_head(path)
        reader = _find_reader(path, head)
        if reader is None:
            extension = Path(path).suffix.lower()
            if extension in _OTHER_SPREADSHEETS:
                what = f"is a spreadsheet of another kind than XLSX: its extension is {extension!r}"
                raise ManifestError(path=path, what=what, fix=SAVE_AS_XLSX)
            if extension in AUDIO_EXTENSIONS:
                raise ManifestError(path=path, what="is an audio file, not a manifest", fix=_MAKE_ONE.format("FOLDER"))
            what = f"is not a manifest file: its extension is {extension!r}" if extension else "has no extension"
            raise ManifestError(path=path, what=what, fix=f"Use one of these extensions: {', '.join(sorted(_READERS))}.")
        yield reader, reader.open(path, head)
    except UnicodeDecodeError as error:
        raise not_utf8_error(path) from error
    except OSError as error:
        if error.errno in NO_DISK:
            raise DiskError(path=path, error=error.strerror, fix="Check the disk; then run the same command again.") from error
        what = f"cannot be read: {error.strerror}"
        raise ManifestError(path=path, what=what, fix="Check the path and its permissions.") from error


def _fix_of_folder(path: str) -> str:
    """Return what to do with a folder that is no manifest: it may hold drumkits, each of which is one."""
    with suppress(OSError):
        drumkits = sorted(name for name in os.listdir(path) if os.path.lexists(os.path.join(path, name, HYDROGEN)))
        if drumkits:
            first = shlex.quote(os.path.join(path, drumkits[0]))
            kits = f"its {len(drumkits)} drumkits" if len(drumkits) > 1 else "its drumkit"
            return f"Export {kits} one by one: sp404 export {first}; or sp404 scan {shlex.quote(path)} -o library.csv --kits"
    return _MAKE_ONE.format(shlex.quote(path))


def _read_head(path: str) -> bytes:
    """Return the first bytes of a regular file. A FIFO or a device is refused before it is opened: it could hang."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise ManifestError(path=path, what="does not exist", fix="Check the manifest's path.") from error
    except ValueError as error:
        raise ManifestError(path=path, what="is not a path", fix="Check the manifest's path.") from error
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise ManifestError(path=path, what="is a folder, not a manifest", fix=_fix_of_folder(path))
        raise ManifestError(path=path, what="is not a regular file", fix="Give the path of a manifest file, not of samples.")
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        reader = _find_reader(path, head)
        fix = (
            NO_PADS_FIX
            if reader and reader.kind is ManifestKind.KIT
            else "Name the columns in its first line; one row per sample."
        )
        raise ManifestError(path=path, what="is empty", fix=fix)
    return head


def _select_columns(frame: pl.DataFrame, names: list[str], has_formula_guard: bool) -> pl.DataFrame:
    """Return the columns of these names, trimmed, null where empty or absent; other columns are ignored."""
    cells = (pl.col(name).str.strip_chars() if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in names)
    trimmed = frame.select("line", *cells)
    if has_formula_guard:
        texts = [name for name in GUARDED_COLUMNS if name in COLUMNS]
        trimmed = trimmed.with_columns(remove_guard(pl.col(texts)))
    return trimmed.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
