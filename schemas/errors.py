"""Every error the project raises: what happened, where, and what to do about it.

Each class states its text once, as a template over named facts, so that the command line, the REST API, the
record in DuckDB and the Prefect UI all say the same words. The texts are those of the contract.
"""

import errno
import os
from typing import Any, ClassVar

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_DISK = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN)


class Sp404Error(Exception):
    """Base of all errors here. ``str(error)`` is what happened; ``error.fix`` is what to do.

    ``reason`` is the short key under which such errors are counted; ``exit_code`` and ``http_status`` are how the
    command line and the REST API report it. Errors cross process borders, so they pickle by their facts.
    """

    reason: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422
    text: ClassVar[str] = "{what}"
    # What somebody is told who asks over a network, where that is not all of the text.
    public: ClassVar[str] = ""
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


class UnknownError(RequestError):
    """What has this number is in no record. Facts: noun, id, fix."""

    reason = "unknown"
    http_status = 404
    text = "{noun} {id} not found"


class NothingExportedError(RequestError):
    reason = "nothing_exported"
    http_status = 404


class NotAsRecordedError(RequestError):
    """The files of an export are no longer those that it wrote."""

    reason = "not_as_recorded"
    http_status = 409


class FilesGoneError(RequestError):
    """The files of an export are no longer where it wrote them."""

    reason = "files_gone"
    http_status = 410


class ForbiddenError(RequestError):
    """What this program may do, but not at the wish of who asks over a network."""

    reason = "forbidden"
    http_status = 403


class UnauthorizedError(RequestError):
    reason = "unauthorized"
    http_status = 401
    text = "A token is needed"
    remedy = "Send it in the header: Authorization: Bearer TOKEN."


class BodyTooLargeError(RequestError):
    reason = "body_too_large"
    http_status = 413
    text = "The request is too large (maximum: {maximum:,} bytes)"
    remedy = "Ask for less at once."


class RangeError(RequestError):
    """Facts: size, in bytes."""

    reason = "range"
    http_status = 416
    text = "The range lies outside of the file ({size:,} bytes)"
    remedy = "Ask for bytes that it has."


class ManifestError(Sp404Error):
    """The manifest is no table at all. Facts: path, what, fix."""

    reason = "bad_manifest"
    text = "{path}: {what}"


class ProjectError(Sp404Error):
    """A device project that cannot be read, or not be written as it was asked for. Facts: path, what, fix."""

    reason = "bad_project"
    text = "{path}: {what}"


class CardError(Sp404Error):
    """What was named as a card is none, or not one to write to. Facts: path, what, fix."""

    reason = "bad_card"
    text = "{path} {what}"


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
    public = "Not enough disk space for export"
    remedy = "Free some space or choose another --out; then run the same command again."

    @property
    def fix(self) -> str:
        needed = "It needs {needed_mb:,.0f} MB, and {free_mb:,.0f} MB are free. " if "needed_mb" in self.facts else ""
        return needed.format(**self.facts) + self.remedy


class DiskError(SurroundingsError):
    """Facts: path, error."""

    reason = "disk_error"
    text = "The disk reports an error: {path} ({error})"
    remedy = "Check it, or choose another --out; then run the same command again."


class OutputGoneError(SurroundingsError):
    reason = "output_gone"
    text = "The output folder is no longer where it was: {path}"
    remedy = "Was the card pulled? Put it back, then run the same command again; what was finished is on it."


class OutputNotWritableError(SurroundingsError):
    reason = "output_not_writable"
    text = "Output folder is not writable: {path} ({error})"
    remedy = "Choose another --out, or give yourself write permission there."


class DatabaseBusyError(SurroundingsError):
    reason = "database_locked"
    http_status = 503
    text = "The database is in use by another program: {path} (waited {waited_seconds:.0f} s)"
    public = "The database is in use by another program (waited {waited_seconds:.0f} s)"
    remedy = "Close what has it open (another export, a DuckDB shell), then run the same command again."


class ExportRunningError(DatabaseBusyError):
    """Facts: path, waited_seconds, owner, age."""

    reason = "export_running"
    text = "Another export is running with this database: {owner}, {age} ago (waited {waited_seconds:.0f} s)"
    public = "Another export is running, since {age} (waited {waited_seconds:.0f} s)"
    remedy = "Wait until it is done, then run the same command again."


class QueueError(DatabaseBusyError):
    """Facts: waiting."""

    reason = "queue"
    text = "Too much is waiting already: {waiting}"
    public = text
    remedy = "Try again later, or ask for an answer that can wait (Prefer: respond-async)."


class BatchError(SurroundingsError):
    """Facts: error, fix."""

    reason = "batch_failed"
    text = "Batch export failed: {error}"


class DatabaseError(SurroundingsError):
    """The file cannot be opened as a database of ours. Facts: path, error, fix."""

    reason = "database_error"
    text = "The database cannot be used: {path}: {error}"
    remedy = (
        "The file was left as it is. If it is damaged, `sp404 repair --db FILE` makes it anew from what exports left beside it."
    )


class StatementError(DatabaseError):
    """A good database, and a statement that failed: rolled back. Facts: path, error."""

    reason = "statement_failed"
    text = "The database did not take this: {path}: {error}"
    remedy = "Nothing was recorded; audio already written stays. Run the same command again."


class DamagedPartError(SurroundingsError):
    """Facts: path, error."""

    reason = "damaged_part"
    text = "A part of the records cannot be used: {path}: {error}"
    remedy = "Move it away; what it stood for is then converted again."


class WorkingFolderError(SurroundingsError):
    """Facts: path, error."""

    reason = "working_folder"
    text = "The folder for a run's working files cannot be used: {path}: {error}"
    remedy = "Make room or move what stands there away, or choose another --db FILE: it lies beside the database."

    @classmethod
    def of(cls, folder: os.PathLike[str], error: OSError) -> "WorkingFolderError | DiskFullError":
        """What an OSError in ``folder`` means."""
        if error.errno in _NO_SPACE:
            return DiskFullError(path=os.fspath(folder))
        return cls(path=os.fspath(folder), error=error.strerror or str(error))


class StoppedError(SurroundingsError):
    """Somebody pressed Ctrl-C."""

    reason = "stopped"
    exit_code = 130
    text = "Stopped"
    remedy = "What was finished stays and is recorded; the same command goes on."


class TerminatedError(StoppedError):
    """Somebody sent a SIGTERM, or closed the terminal."""

    reason = "terminated"
    exit_code = 143


class CancelledError(StoppedError):
    """Somebody pressed Cancel in Prefect's UI."""

    reason = "cancelled"
    exit_code = 143
    text = "Cancelled"


class ServerError(SurroundingsError):
    reason = "prefect_server"
    text = "No Prefect server could be reached or started: {error}"
    remedy = "Run the same command with --direct to export without Prefect."


class ElsewhereError(SurroundingsError):
    """What ended a shard on another machine, in its words. Facts: what, fix."""

    reason = "elsewhere"


class LostWorkersError(SurroundingsError):
    """Facts: name, attempts."""

    reason = "workers_lost"
    text = "The workers that took {name} died, {attempts} times"
    remedy = "Look at their logs; then run the same command again: it goes on where they stopped."


class RunningError(SurroundingsError):
    """Facts: path, owner."""

    reason = "already_up"
    text = "sp404 up is running already: {owner}, with {path}"
    remedy = "Stop that one first, or give this one another --home and --port."


class PortTakenError(SurroundingsError):
    """Facts: port, owner."""

    reason = "port_taken"
    text = "Port {port} is taken by {owner}"
    remedy = "Stop it, or choose another --port."


class PartError(SurroundingsError):
    """Facts: name, what, log, last."""

    reason = "part_not_up"
    text = "The {name} {what}: {last}"
    remedy = "Its log has more: {log}"


class WorkerError(SurroundingsError):
    """Facts: error."""

    reason = "worker_not_started"
    text = "No process could be started to decode files: {error}"
    remedy = "Close other programs if memory is short, or install sp404-export again; then run the same command again."


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
    remedy = "Have silence added (--sound pad_to_ms={minimum_ms}), or take the row out of the manifest."


class TooLongError(SampleError):
    reason = "too_long"
    text = "Duration too long: {duration_s:.1f}s (maximum: {maximum_s:.1f}s)"
    remedy = "The device holds samples of up to 16 minutes: cut the file in parts."


class TooLargeError(SampleError):
    """Facts: what, bytes, maximum, setting."""

    reason = "too_large"
    text = "{what} is too large: {bytes:,} bytes (maximum: {maximum:,})"
    remedy = "Cut it in parts, or raise the setting {setting}."


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


class OutsideError(SampleError):
    """Facts: path, real."""

    reason = "outside"
    http_status = 409
    text = "A link leads out of the output folder: {path}"
    remedy = "It points to {real}, and nothing was written there: remove the link, or choose another --out."


class LostError(SampleError):
    """A worker ended without saying what became of its samples. Facts: error."""

    reason = "not_reached"
    text = "Not converted: {error}"
    remedy = "Run the same command again."


class CrashedError(SampleError):
    """Facts: error."""

    reason = "decoder_crashed"
    text = "The decoder crashed on this file: {error}"
    remedy = "Open it in an audio editor and save it as WAV, or take the row out of the manifest. Please report it, too."


class TooSlowError(SampleError):
    """Facts: seconds."""

    reason = "took_too_long"
    text = "Not done after {seconds:g} s"
    remedy = "Raise seconds_per_sample if it is very long or lies on a slow disk; else save it as WAV in an audio editor."


class TooMuchMemoryError(SampleError):
    """Facts: memory_mb."""

    reason = "too_much_memory"
    text = "More memory is needed for this file than there is for one ({memory_mb} MB)"
    remedy = "Raise memory_mb, or save the file as WAV in an audio editor."


def write_failure(target: str, error: OSError) -> SampleError | SurroundingsError:
    """What an OSError means that came up while ``target`` was being written."""
    folder = os.path.dirname(target)
    if error.errno in _NO_SPACE:
        return DiskFullError(path=folder)
    if error.errno in _NO_DISK:
        return DiskError(path=folder, error=error.strerror)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputNotWritableError(path=folder, error=error.strerror)
    return WriteError(path=target, error=error.strerror or str(error))


def statuses_by_reason() -> dict[str, int]:
    """The HTTP status of each reason that a sample can fail for."""
    kinds: list[type[SampleError]] = [SampleError, *SampleError.__subclasses__()]
    return {kind.reason: kind.http_status for kind in kinds}
