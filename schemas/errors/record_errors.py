"""The records cannot be read, written or trusted: exit status 3. Audio that was already written stays."""

import os

from schemas.errors.surroundings_errors import NO_SPACE, DiskFullError, SurroundingsError


class DatabaseBusyError(SurroundingsError):
    """Another program has the database open. Facts: path, waited_seconds."""

    reason = "database_locked"
    http_status = 503
    text = "The database is in use by another program: {path} (waited {waited_seconds:.0f} s)"
    public = "The database is in use by another program (waited {waited_seconds:.0f} s)"
    remedy = "Close the program that has it open (another export, a DuckDB shell), then run the same command again."


class ExportRunningError(DatabaseBusyError):
    """Another export runs with the database. Facts: path, waited_seconds, owner, age."""

    reason = "export_running"
    text = "Another export is running with this database: {owner}, {age} ago (waited {waited_seconds:.0f} s)"
    public = "Another export is running, since {age} (waited {waited_seconds:.0f} s)"
    remedy = "Wait until it is done, then run the same command again."


class QueueError(DatabaseBusyError):
    """The REST API has too much work waiting. Facts: waiting."""

    reason = "queue"
    text = "Too many requests are waiting: {waiting}"
    public = text
    remedy = "Try again later, or send the request with the header Prefer: respond-async."


class DatabaseError(SurroundingsError):
    """The file cannot be opened as a database of ours. Facts: path, error, fix."""

    reason = "database_error"
    text = "The database cannot be used: {path}: {error}"
    remedy = (
        "The file was not changed. If it is damaged, `sp404 repair --db {path}` rebuilds it from what exports left beside it."
    )


class StatementError(DatabaseError):
    """A statement failed in a good database, and was rolled back. Facts: path, error."""

    reason = "statement_failed"
    text = "Database statement failed: {path}: {error}"
    remedy = "Nothing was recorded; audio already written stays. Run the same command again."


class DamagedPartError(SurroundingsError):
    """A file of the ``.runs`` folder is damaged. Facts: path, error."""

    reason = "damaged_part"
    text = "A part of the records cannot be read: {path}: {error}"
    remedy = "Move it away; the samples that it records are then converted again."


class WorkingFolderError(SurroundingsError):
    """The folder for a run's working files cannot be written. Facts: path, error."""

    reason = "working_folder"
    text = "The folder for a run's working files cannot be used: {path}: {error}"
    remedy = "Make room there, or choose another --db FILE: the folder is beside the database."

    @classmethod
    def of(cls, folder: os.PathLike[str], error: OSError) -> "WorkingFolderError | DiskFullError":
        """Return the error of ours for an OSError in ``folder``."""
        if error.errno in NO_SPACE:
            return DiskFullError(path=os.fspath(folder))
        return cls(path=os.fspath(folder), error=error.strerror or str(error))


class AccountingError(SurroundingsError):
    """Rows in must equal exported + unchanged + rejected + failed; a run that cannot show this fails. Facts: rows, counted."""

    reason = "accounting"
    text = "Internal error: {rows} rows went in, but {counted} were accounted for"
    remedy = "Nothing was recorded. Please report this with the manifest."
