"""The records of the files of one export, for a bundle of them."""

from dataclasses import dataclass

import polars as pl

from schemas.errors import FilesGoneError, NotAsRecordedError, NothingExportedError, RecordNotFoundError
from tasks.store.database import Database, frame, run

_SCHEMA = {
    "path": pl.String,
    "output_bytes": pl.Int64,
    "file_hash": pl.String,
    "metadata_hash": pl.String,
    "replaced_by": pl.Int64,
    "gone": pl.Boolean,
}

_SOURCES = {"path": pl.String, "source_path": pl.String, "manifest_path": pl.String}


@dataclass(frozen=True)
class RecordedFiles:
    """The files that an export wrote or found unchanged below ``output_path``, each once.

    ``files``: ``path, output_bytes, file_hash, metadata_hash``; the last is null where no metadata file stands beside it, and
    ``file_hash`` where another's file of the same sound was there already, or the record is older than hashes.
    """

    output_path: str
    files: pl.DataFrame


def read_files(database: Database, export_id: int) -> RecordedFiles:
    """Read which files an export has.

    Raises:
        RequestError: The export is not known, not finished or without files, or a later one replaced some.
    """
    database.require()
    with database.connect() as connection:
        found = run(connection, "bundled_export", {"export_id": export_id}).rows
        if not found:
            raise RecordNotFoundError(noun="Export", id=export_id, fix="`sp404 history` lists all exports.")
        output_path, finished = found[0]
        if not finished:
            what = f"Export {export_id} was not finished"
            raise NotAsRecordedError(what=what, fix="Run the same export again. It resumes under the same number.")
        files = frame(connection, "bundled_files", {"export_id": export_id, "output_path": output_path}, _SCHEMA)
    if files.is_empty():
        fix = f"`sp404 history --export {export_id} --failed` says why."
        raise NothingExportedError(what=f"Export {export_id} has no files: nothing of it was exported", fix=fix)
    _check_current(export_id, files)
    return RecordedFiles(output_path, files.drop("replaced_by", "gone"))


def read_sources(database: Database, export_id: int) -> pl.DataFrame:
    """Return ``path``, ``source_path`` and ``manifest_path`` of the files of an export."""
    with database.connect() as connection:
        return frame(connection, "export_sources", {"export_id": export_id}, _SOURCES)


def _check_current(export_id: int, files: pl.DataFrame) -> None:
    """Of each path the records know what stands there now, and not what stood there before."""
    replaced = files.filter(pl.col("replaced_by").is_not_null())
    gone = files.filter("gone")
    if replaced.height:
        path, later = replaced.select("path", "replaced_by").row(0)
        what = f"Export {export_id} is no longer whole: export {later} has replaced {path}{_more(replaced)}"
        if gone.height:
            what += f"; a later one has moved or removed {gone['path'][0]}{_more(gone)}"
        raise NotAsRecordedError(what=what, fix=f"Take export {later}, or run this one again.")
    if gone.height:
        what = f"Export {export_id} is no longer whole: a later export has moved or removed {gone['path'][0]}{_more(gone)}"
        raise FilesGoneError(what=what, fix="Run the export again, and take that one.")


def _more(files: pl.DataFrame) -> str:
    return f" and {files.height - 1:,} more" if files.height > 1 else ""
