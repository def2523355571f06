"""Every error the project raises: what happened, where, and what to do about it.

Each class states its text once, as a template over named facts, so that the command line, the REST API, the
record in DuckDB and the Prefect UI all say the same words. The texts are those of the contract.
"""

import errno
import os
from typing import Any, ClassVar


class Sp404Error(Exception):
    """Base of all errors here. ``str(error)`` is what happened; ``error.fix`` is what to do.

    ``reason`` is the short key under which such errors are counted; ``exit_code`` and ``http_status`` are how the
    command line and the REST API report it. Errors cross process borders, so they pickle by their facts.
    """

    reason: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422
    text: ClassVar[str] = "{what}"
    remedy: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.facts = facts

    def __str__(self) -> str:
        return self.text.format(**self.facts)

    @property
    def fix(self) -> str:
        return str(self.facts.get("fix") or self.remedy.format(**self.facts))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.facts)


def _rebuild(kind: type[Sp404Error], facts: dict[str, Any]) -> Sp404Error:
    return kind(**facts)


# ---- the request or the manifest cannot be used: exit 2, nothing written ----


class RequestError(Sp404Error):
    """An option, a setting or a selection that cannot be carried out. Facts: what, fix."""

    reason = "bad_request"


class ManifestError(Sp404Error):
    """The manifest is no table at all. Facts: path, what, fix."""

    reason = "bad_manifest"
    text = "{path}: {what}"


# ---- the surroundings failed: exit 3, what was finished stays ----


class SurroundingsError(Sp404Error):
    """Disk, permissions, database or server. Facts: what, fix. The same command resumes."""

    reason = "surroundings"
    exit_code = 3
    http_status = 500


class DiskFullError(SurroundingsError):
    reason = "disk_full"
    http_status = 507
    text = "Not enough disk space for export: {path}"
    remedy = "Free some space or choose another --out; then run the same command again."


class OutputNotWritableError(SurroundingsError):
    reason = "output_not_writable"
    text = "Output folder is not writable: {path} ({error})"
    remedy = "Choose another --out, or give yourself write permission there."


class DatabaseBusyError(SurroundingsError):
    reason = "database_locked"
    http_status = 503
    text = "The database is in use by another program: {path} (waited {waited_seconds:.0f} s)"
    remedy = "Close what has it open (another export, a DuckDB shell), then run the same command again."


class ExportRunningError(DatabaseBusyError):
    """Facts: path, waited_seconds, owner."""

    reason = "export_running"
    text = "Another export is running with this database: {owner} (waited {waited_seconds:.0f} s)"
    remedy = "Wait until it is done, then run the same command again."


class DatabaseError(SurroundingsError):
    """The file cannot be opened as a database of ours. Facts: path, error, fix."""

    reason = "database_error"
    text = "The database cannot be used: {path}: {error}"
    remedy = "Choose another --db FILE. The file was left as it is; audio already written is not affected."


class StatementError(DatabaseError):
    """A good database, and a statement that failed: rolled back. Facts: path, error."""

    reason = "statement_failed"
    text = "The database did not take this: {path}: {error}"
    remedy = "Nothing was recorded; audio already written stays. Run the same command again."


class WorkingFolderError(SurroundingsError):
    """Facts: path, error."""

    reason = "working_folder"
    text = "The folder for a run's working files cannot be used: {path}: {error}"
    remedy = "Make room or move what stands there away, or choose another --db FILE: it lies beside the database."


class StoppedError(SurroundingsError):
    """Somebody pressed Ctrl-C."""

    reason = "stopped"
    exit_code = 130
    text = "Stopped"
    remedy = "What was finished stays and is recorded; the same command goes on."


class ServerError(SurroundingsError):
    reason = "prefect_server"
    text = "No Prefect server could be reached or started: {error}"
    remedy = "Run the same command with --direct to export without Prefect."


class AccountingError(SurroundingsError):
    """Rows in must equal exported + unchanged + rejected + failed; a run that cannot show this fails."""

    reason = "accounting"
    text = "Internal error: {rows} rows went in, but {counted} were accounted for"
    remedy = "Nothing was recorded. Please report this with the manifest."


# ---- one sample cannot be exported: a failed row, the others go on ----


class SampleError(Sp404Error):
    """One sample fails; never raised past ``convert``, which turns it into an Outcome."""

    reason = "failed"
    exit_code = 1


class AudioNotFoundError(SampleError):
    reason = "not_found"
    text = "Audio file not found: {path}"
    remedy = "Correct file_path (it is relative to the manifest's folder), or put the file back."


class UnsupportedFormatError(SampleError):
    reason = "unsupported_format"
    text = "Unsupported format: {ext}"
    remedy = "Save it as WAV, AIFF, FLAC, MP3, M4A, OGG or Opus, or take the row out of the manifest."


class LoadError(SampleError):
    """Facts: error, fix."""

    reason = "load_failed"
    text = "Failed to load audio: {error}"
    remedy = "Get the file again from its pack, or open it in an audio editor and save it as WAV."


class TooShortError(SampleError):
    reason = "too_short"
    text = "Duration too short: {duration_ms}ms (minimum: {minimum_ms}ms)"
    remedy = "Add silence at its end in an audio editor, or take the row out of the manifest."


class TooLongError(SampleError):
    reason = "too_long"
    text = "Duration too long: {duration_s:.1f}s (maximum: {maximum_s:.1f}s)"
    remedy = "The device holds samples of up to 16 minutes: cut the file in parts."


class ResampleError(SampleError):
    reason = "resample_failed"
    text = "Failed to resample audio: {error}"
    remedy = "Run the same command again; if it fails again, convert this file in an audio editor."


class WriteError(SampleError):
    """Facts: path, error."""

    reason = "write_failed"
    http_status = 500
    text = "Failed to write output file"
    remedy = "{path}: {error}. Choose another --out or free the name, then run the same command again."


class TargetTakenError(SampleError):
    """The planned path holds a file that is not ours to replace. Facts: path."""

    reason = "target_taken"
    http_status = 409
    text = "Another file stands in the way: {path}"
    remedy = "It was not written from this manifest, so it was left as it is: move it away, or choose another --out."


class LostError(SampleError):
    """A worker ended without saying what became of its samples. Facts: error."""

    reason = "not_reached"
    text = "Not converted: {error}"
    remedy = "Run the same command again."


def write_failure(target: str, error: OSError) -> SampleError | SurroundingsError:
    """What an OSError means that came up while ``target`` was being written."""
    folder = os.path.dirname(target)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(path=folder)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputNotWritableError(path=folder, error=error.strerror)
    return WriteError(path=target, error=error.strerror or str(error))
