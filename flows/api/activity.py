"""Report jobs, the lock and the revision of the records to clients that poll: from memory and a few stats, with an ETag."""

from datetime import UTC, datetime
from importlib import metadata

from config.settings import Settings
from flows.api.jobs import JobQueue, list_briefs
from schemas.page_api import Activity, LockHolder, ServerState
from tasks.store.database import Database
from tasks.store.export_lock import other_holder


class ActivityReport:
    """The activity of one server. It opens no database: it can be asked while an export has that."""

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self._database, self._queue = Database(settings.db, settings.api_wait_seconds), queue
        self._server = ServerState(version=metadata.version("sp404-export"), since=datetime.now(UTC))

    def now(self) -> Activity:
        """Return what goes on now."""
        holder = other_holder(self._database)
        return Activity(
            jobs=list_briefs(self._queue),
            lock=LockHolder(owner=holder.owner, since=holder.since) if holder else None,
            revision=self._database.revision(),
            server=self._server,
        )
