"""Disk, server, workers or a person ended the run: exit status 3 (or that of a signal). What was finished stays."""

import errno
import os

from schemas.errors.base_error import Sp404Error

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_FILES = (errno.EMFILE, errno.ENFILE)
NO_DISK = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN)
_TOO_MANY_FILES = "Too many open files"


class SurroundingsError(Sp404Error):
    """Disk, permissions, database or server fail. The same command resumes. Facts: what, fix."""

    reason = "surroundings"
    exit_code = 3
    http_status = 500


_OF_CARD = "Free some space on the card, take a larger one, or export less (--kit, --sample); then run the same command again."


class DiskFullError(SurroundingsError):
    """There is not enough space. Facts: path; needed_mb and free_mb where the need was computed before the export.

    Also prune_mb, where ``--prune`` would free space, and is_card, where it is a card that is full.
    """

    reason = "disk_full"
    http_status = 507
    text = "Not enough disk space for export: {path}"
    public = "Not enough disk space for export"
    remedy = "Free some space or choose another --out; then run the same command again."
    public_remedy = "Free some space or choose another output folder; then export it again."

    @property
    def fix(self) -> str:
        """Return what to do about it, with the need in MB where it is known."""
        prune_mb = self.facts.get("prune_mb", 0)
        amount = f"{prune_mb:,.0f}" if prune_mb >= 10 else f"{prune_mb:.2g}"
        prune = f"--prune would free {amount} MB. " if prune_mb else ""
        return self._need() + prune + (_OF_CARD if self.facts.get("is_card") else self.remedy)

    @property
    def public_fix(self) -> str:
        """Return the same for clients of the REST API, who cannot prune so."""
        return self._need() + self.public_remedy

    def _need(self) -> str:
        needed = "It needs {needed_mb:,.0f} MB, and {free_mb:,.0f} MB are free. " if "needed_mb" in self.facts else ""
        return needed.format(**self.facts)


class DiskError(SurroundingsError):
    """A disk fails. Facts: path, error."""

    reason = "disk_error"
    text = "The disk reports an error: {path} ({error})"
    remedy = "Check the disk, or choose another --out; then run the same command again."
    public_remedy = "Check the disk, or choose another output folder; then export it again."


class OutputGoneError(SurroundingsError):
    """The output folder went away during the export. Facts: path."""

    reason = "output_gone"
    text = "The output folder is no longer there: {path}"
    remedy = "If it is on a card, put the card back; then run the same command again. What was finished is on it."
    public_remedy = "If it is on a card, put the card back; then export it again. What was finished is on it."


class OutputNotWritableError(SurroundingsError):
    """There is no permission to write. Facts: path, error."""

    reason = "output_not_writable"
    text = "Output folder is not writable: {path} ({error})"
    remedy = "Choose another --out, or give yourself write permission there."
    public_remedy = "Choose another output folder, or give yourself write permission there."


class KitFolderError(SurroundingsError):
    """A kit file cannot be written or removed. Facts: path, error."""

    reason = "kit_folder"
    text = "The kit file cannot be written: {path} ({error})"
    remedy = "Check its permissions and those of its folder, or set kits_folder to another one."

    @classmethod
    def of(cls, path: str, error: OSError) -> "KitFolderError | DiskFullError":
        """Return the error of ours for an OSError with a kit file."""
        if error.errno in NO_SPACE:
            return DiskFullError(path=os.path.dirname(path))
        return cls(path=path, error=error.strerror or str(error))


class TooManyFilesError(SurroundingsError):
    """This process, or the machine, may open no more files."""

    reason = "too_many_files"
    http_status = 503
    text = "Too many files are open"
    remedy = "Try again in a moment. If that does not help, raise the limit of open files (ulimit -n)."

    @classmethod
    def is_cause(cls, error: BaseException | None) -> bool:
        """Return whether ``error`` goes back to this; DuckDB's errors say it in their text alone."""
        while error:
            by_text = "duckdb" in type(error).__module__ and _TOO_MANY_FILES in str(error)
            if by_text or (isinstance(error, OSError) and error.errno in NO_FILES):
                return True
            error = error.__cause__ or error.__context__
        return False


class BatchError(SurroundingsError):
    """An export fails as a whole. Facts: error, fix."""

    reason = "batch_failed"
    text = "Batch export failed: {error}"


class OutputError(SurroundingsError):
    """Standard output or standard error cannot be written, such as to a full disk."""

    reason = "output"
    text = "The output cannot be written: {error}"
    remedy = "What the command did stays done, and exports are in the records: sp404 history."


class StoppedError(SurroundingsError):
    """Somebody pressed Ctrl-C."""

    reason = "stopped"
    exit_code = 130
    http_status = 503
    text = "Stopped"
    public = "Stopped before it was done"
    remedy = "What was finished stays and is recorded. The same command resumes."


class TerminatedError(StoppedError):
    """Somebody sent a SIGTERM, or closed the terminal."""

    reason = "terminated"
    exit_code = 143


class CancelledError(StoppedError):
    """Somebody pressed Cancel in Prefect's UI."""

    reason = "cancelled"
    exit_code = 143
    text = public = "Cancelled"


class ServerError(SurroundingsError):
    """There is no Prefect server. Facts: error."""

    reason = "prefect_server"
    text = "No Prefect server could be reached or started: {error}"
    remedy = "Run the same command with --direct to export without Prefect."


class RemoteShardError(SurroundingsError):
    """A shard ended on another machine; the facts are that machine's words. Facts: what, fix."""

    reason = "elsewhere"


class LostWorkersError(SurroundingsError):
    """Every worker that took a slice of the export died. Facts: name, attempts."""

    reason = "workers_lost"
    text = "The workers that took {name} died, {attempts} times"
    remedy = "Look at their logs; then run the same command again. It resumes where they stopped."


class AlreadyUpError(SurroundingsError):
    """``sp404 up`` runs with this home already. Facts: path, owner."""

    reason = "already_up"
    text = "sp404 up is running already: {owner}, with {path}"
    remedy = "Stop that one first, or use another --home, --port and --api-port."


class PortTakenError(SurroundingsError):
    """Another process listens at the port. Facts: port, owner, options (those with which ``sp404 up`` finds free ports)."""

    reason = "port_taken"
    text = "Port {port} is taken by {owner}"
    remedy = "Stop it, or choose another one: sp404 up {options}"


class ServicePartError(SurroundingsError):
    """A process of ``sp404 up`` does not start, or ended. Facts: name, what, log, last."""

    reason = "part_not_up"
    text = "The {name} {what}: {last}"
    remedy = "Its log has more: {log}"


class WorkerError(SurroundingsError):
    """No worker process can be started. Facts: error."""

    reason = "worker_not_started"
    text = "No process could be started to decode files: {error}"
    remedy = "Close other programs if memory is short, or install sp404-export again; then run the same command again."
