"""Bundle one export as a ZIP: of exactly the files that the records name, or not at all."""

import os
from collections.abc import Iterator
from contextlib import suppress

from config.settings import Settings, real_path
from schemas.errors import RequestError, Sp404Error, SurroundingsError
from schemas.report import BatchExportResult
from tasks.bundle.archive import ArchiveEntry, WrittenZip, write_zip
from tasks.bundle.metadata_file import metadata_path
from tasks.store import export_files
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports


def zip_export(settings: Settings, export_id: int, target: str | None, replace: bool = False) -> WrittenZip:
    """Bundle an export, while no other one runs.

    Args:
        settings: The settings in force.
        export_id: The export.
        target: The file to write; ``default_target`` where None.
        replace: Replace a .zip file that is there.

    Raises:
        RequestError: The export or the target cannot be bundled or written.
        DatabaseBusyError, DatabaseError, SurroundingsError: The records or the disk do not allow it.
    """
    with lock_exports(Database.of(settings)):
        return _zipped(settings, export_id, target, replace)


def with_zip(settings: Settings, batch: BatchExportResult) -> tuple[BatchExportResult, list[Exception]]:
    """Bundle an export that has just ended; the caller holds the lock of exports.

    Returns:
        ``batch`` with the path of its ZIP, or with why there is none; and the errors of the surroundings that ended it.
    """
    try:
        written = _zipped(settings, batch.export_id, None, replace=False)
    except Sp404Error as error:
        errors: list[Exception] = [error] if isinstance(error, SurroundingsError) else []
        return batch.model_copy(update={"no_zip": f"{error}. {error.fix}"}), errors
    return batch.model_copy(update={"zip_path": written.path}), []


def paths_of(settings: Settings, export_id: int) -> list[str]:
    """Return the files that a ZIP of an export is made of. Raises as ``zip_export``."""
    recorded = export_files.read_files(Database.of(settings), export_id)
    return [entry.path for entry in _entries(recorded)]


def _zipped(settings: Settings, export_id: int, target: str | None, replace: bool) -> WrittenZip:
    recorded = export_files.read_files(Database.of(settings), export_id)
    folder = recorded.output_path
    path = _absolute(target) if target else default_target(export_id, folder, settings.db)
    if _is_within(os.path.dirname(path), folder):
        what = f"The ZIP would be among the samples that it is made of: {path}"
        raise RequestError(what=what, fix=f"Choose an -o FILE that is not below {folder}.")
    return write_zip(_entries(recorded), path, replace)


def default_target(export_id: int, folder: str, db: str) -> str:
    """``sp404-export-<id>.zip`` in the current folder; beside the database where that cannot be written or is in ``folder``."""
    places = [os.path.dirname(db)]
    with suppress(OSError):  # it may be gone
        places.insert(0, os.getcwd())
    for place in places:
        if not _is_within(place, folder) and os.access(place, os.W_OK):
            return os.path.join(place, f"sp404-export-{export_id}.zip")
    what = f"There is no place for a ZIP outside of the output folder: {folder}"
    raise RequestError(what=what, fix=f"Name one: `sp404 zip {export_id} -o FILE`.")


def _entries(recorded: export_files.RecordedFiles) -> Iterator[ArchiveEntry]:
    columns = ("path", "output_bytes", "file_hash", "metadata_hash")
    for name, size, file_hash, text_hash in recorded.files.select(columns).iter_rows():
        path = os.path.join(recorded.output_path, name)
        yield ArchiveEntry(name, path, size, file_hash)
        if text_hash:
            yield ArchiveEntry(metadata_path(name), metadata_path(path), None, text_hash)


def _absolute(target: str) -> str:
    """``target`` from the root on; a link that stands there itself is not followed."""
    folder, name = os.path.split(target)
    try:
        path = os.path.join(real_path(os.path.expanduser(folder) or "."), name)
        if name in ("", ".", "..") or "\0" in name or os.path.isdir(path):
            raise ValueError("it is a folder" if name else "it has no name")
        path.encode()
    except ValueError as error:
        raise RequestError(what=f"The ZIP cannot be written to {target!r}: {error}", fix="Choose another -o FILE.") from error
    return path


def _is_within(place: str, folder: str) -> bool:
    return os.path.commonpath([place, folder]) == folder
