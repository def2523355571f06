"""Prefect servers for tests, as processes of their own."""

import importlib.metadata
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flows.orchestration import prefect_server
from tests.support import ROOT
from tests.support.waiting import until

_START_SECONDS = 300  # a new home is migrated first, beside all other tests
_DATABASE = "prefect.db"
# The database of a new home, behind the migrations of this version: they take 9 s, and each home would go through them.
_MIGRATED = ROOT / f".pytest_cache/prefect-{importlib.metadata.version('prefect')}.db"


def give_migrated_database(home: Path) -> None:
    """Put the database of a migrated home into a new one, if a server of an earlier test has left one."""
    home.mkdir(parents=True, exist_ok=True)
    if _MIGRATED.exists():
        shutil.copyfile(_MIGRATED, home / _DATABASE)


def keep_migrated_database(home: Path) -> None:
    """Keep the database of a server that has just become healthy, for ``give_migrated_database``."""
    if _MIGRATED.exists():
        return
    _MIGRATED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_MIGRATED.parent) as folder:
        made = Path(folder, _DATABASE)
        with closing(sqlite3.connect(home / _DATABASE)) as source, closing(sqlite3.connect(made)) as copy:
            source.backup(copy)
        made.replace(_MIGRATED)


@contextmanager
def session_server(home: Path) -> Iterator[str]:
    """Start a whole server and let this process use it; yields its address.

    Its home becomes the ``PREFECT_HOME`` of this process, so import nothing of Prefect before.
    """
    os.environ["PREFECT_HOME"] = str(home)
    give_migrated_database(home)
    prefect_server.set_defaults()
    port = prefect_server.free_port()
    api = f"http://127.0.0.1:{port}/api"
    settings = {"API_HOST": "127.0.0.1", "API_PORT": str(port), "SERVICES_SCHEDULER_LOOP_SECONDS": "1"}
    environment = os.environ | {f"PREFECT_SERVER_{name}": value for name, value in settings.items()}
    log_path = home / "server.log"
    with log_path.open("w") as log:
        command = [sys.executable, "-m", "prefect", "server", "start"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            until(lambda: prefect_server.is_healthy(api) or process.poll() is not None, _START_SECONDS, why=log_path.read_text)
            assert process.poll() is None, f"no Prefect server: {log_path.read_text()[-2000:]}"
            keep_migrated_database(home)
            from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

            with temporary_settings({PREFECT_API_URL: api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                yield api
                # Prefect sends log lines in batches; without this, the rest fails behind pytest's last line.
                from prefect.logging.handlers import APILogHandler

                APILogHandler().flush()
        finally:
            process.terminate()
            process.wait(30)
