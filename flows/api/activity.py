"""Report jobs, the lock and the revision of the records to clients that poll: from memory and a few stats, with an ETag."""

import os
from datetime import UTC, datetime
from importlib import metadata
from urllib.parse import urlsplit

from config.settings import CONFIG_FOLDER, Settings, load
from flows.api.jobs import JobQueue, list_briefs
from flows.orchestration import prefect_server
from schemas.page_api import Activity, LockHolder, ServerState
from tasks.store.database import Database
from tasks.store.export_lock import other_holder


class ActivityReport:
    """The activity of one server. It opens no database: it can be asked while an export has that."""

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self._database, self._queue = Database(settings.db, settings.api_wait_seconds), queue
        version, command = metadata.version("sp404-export"), command_of(settings)
        self._server = ServerState(version=version, since=datetime.now(UTC), command=command)

    def now(self) -> Activity:
        """Return what goes on now."""
        holder = other_holder(self._database)
        return Activity(
            jobs=list_briefs(self._queue),
            lock=LockHolder(owner=holder.owner, since=holder.since) if holder else None,
            revision=self._database.revision(),
            server=self._server,
        )


def command_of(settings: Settings) -> str:
    """Return the command that starts this server at its ports, which are named where it would choose other ones."""
    command = ["sp404 up"]
    prefect = urlsplit(os.environ.get("PREFECT_API_URL", ""))
    if prefect.hostname == prefect_server.HOST and prefect.port not in (None, prefect_server.PORT):
        command.append(f"--port {prefect.port}")
    # ``sp404 up`` hands the port on as a variable, so that what it would be without one is in the files alone.
    files = {name: value for name, value in os.environ.items() if name == CONFIG_FOLDER}
    if settings.api_port != load({}, lambda _db, _seconds: {}, files).settings.api_port:
        command.append(f"--api-port {settings.api_port}")
    return " ".join(command)
