"""The database's file: what stands in its place, how DuckDB opens it, and how it is made and brought up to date."""

import atexit
import logging
import os
import re
import shlex
import stat
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import DatabaseBusyError, DatabaseError
from tasks.fs.atomic import own_part_name, remove, remove_left_parts

if TYPE_CHECKING:
    import duckdb

# A database of ours is not to be had from elsewhere: DuckDB would fetch an extension to open, say, an SQLite file.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# Every commit goes into the file itself.
_WITHOUT_LOG = CONFIG | {"auto_checkpoint_skip_wal_threshold": 0, "wal_autocheckpoint": "0b"}
log = logging.getLogger("sp404")
# What DuckDB says of a file that another process has open.
LOCKED = "Could not set lock"
# What it says of a file that this process has detached, while a query on another file still runs that began before.
_IN_USE = "Unique file handle conflict"
# What DuckDB says of who has the lock.
_HOLDER = re.compile(r"is held in (.*? \(PID [0-9]+\))")
# Who waits for longer is told for whom.
_SAY_SECONDS = 2.0
POLL_SECONDS, _IN_USE_SECONDS = 0.1, 0.005
_MAGIC, _MAGIC_AT = b"DUCK", 8
# DuckDB's file begins with three headers of 4,096 bytes: in fewer there is no table.
_HEADER_BYTES = 12_288
_KIND = "db"
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


class _Engine:
    """The one DuckDB of this process, which has no file of its own: to start one takes 20 ms, to attach a file to it 2."""

    def __init__(self) -> None:
        self._changing = threading.Lock()  # also while a cursor is made: DuckDB 2.0 refuses a second thread
        self._root: duckdb.DuckDBPyConnection | None = None
        self._attached = 0

    def start(self) -> "tuple[duckdb.DuckDBPyConnection, str]":
        """Return the connection of which others are made, and a name for a file that was not used before."""
        with self._changing:
            if self._root is None:
                self._root = _connect(":memory:", CONFIG)
                atexit.register(self.drop, self._root)  # what is alive at the exit DuckDB 2.0 complains of
            self._attached += 1
            return self._root, f"file_{self._attached}"

    def cursor(self, root: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
        with self._changing:
            return root.cursor()

    def is_current(self, root: "duckdb.DuckDBPyConnection") -> bool:
        return self._root is root

    def try_out(self, root: "duckdb.DuckDBPyConnection") -> None:
        """Start anew next time if it does not answer: after a fatal error on one file DuckDB refuses all."""
        import duckdb  # noqa: PLC0415

        try:
            with closing(self.cursor(root)) as cursor:
                cursor.execute("SELECT 1").fetchall()
        except duckdb.Error:
            self.drop(root)

    def drop(self, root: "duckdb.DuckDBPyConnection") -> None:
        """Start anew next time."""
        import duckdb  # noqa: PLC0415

        with self._changing:
            if self._root is root:
                self._root = None
                atexit.unregister(self.drop)
            with suppress(duckdb.Error):  # another thread uses it: then it ends with what that thread does
                root.close()


_ENGINE = _Engine()


@dataclass(frozen=True)
class OpenFile:
    """A database file that this process has open, which keeps other processes out.

    Attributes:
        root: The connection of which others are made.
        name: Under which the file is attached to it; "" where it is the connection's own.
    """

    root: "duckdb.DuckDBPyConnection"
    name: str

    @property
    def is_usable(self) -> bool:
        """Return whether its DuckDB is still there."""
        return not self.name or _ENGINE.is_current(self.root)

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection of the caller's own, in which the tables of the file go by their names."""
        if not self.name:
            return self.root.cursor()
        cursor = _ENGINE.cursor(self.root)
        cursor.execute(f"USE {self.name}")
        return cursor

    def close(self, is_sound: bool = True) -> None:
        """Let other processes in. No cursor of it can be used after that. ``is_sound``: nothing went wrong with it."""
        import duckdb  # noqa: PLC0415

        if not self.name:
            self.root.close()
            return
        try:
            with closing(_ENGINE.cursor(self.root)) as cursor:
                cursor.execute(f"DETACH {self.name}")
        except duckdb.Error:
            _ENGINE.drop(self.root)
        else:
            if not is_sound:
                _ENGINE.try_out(self.root)


def is_there(path: str) -> bool:
    """Return whether something stands at ``path``. A file that holds nothing counts as none: a full disk may have left it."""
    return os.path.exists(path) and not _holds_nothing(path)


def lost(path: str) -> DatabaseError | None:
    """Return the error of a database that is gone while the records of its exports stand beside it; else None."""
    if is_there(path) or not any(Path(f"{path}.runs").glob("export-*/**/*.parquet")):
        return None
    error = f"it {'is empty' if os.path.exists(path) else 'is gone'}, but what its exports recorded is in {path}.runs"
    runs = f"{os.path.basename(path)}.runs"
    fix = f"`sp404 repair --db {shlex.quote(path)}` rebuilds it from there. To begin anew, move {runs} away."
    return DatabaseError(path=path, error=error, fix=fix)


def open_database(path: str, deadline: float, wait_seconds: float) -> OpenFile:
    """Open the database at ``path``, made where there is none, with the newest schema.

    Args:
        path: The file.
        deadline: Until when to wait for others, by ``time.monotonic``.
        wait_seconds: How long that is in all, for the error.

    Raises:
        DatabaseBusyError: Others use it for longer.
        DatabaseError: It is gone, not a database of ours, or made by a newer version.
        duckdb.Error, OSError: It cannot be read or written.
    """
    real = os.path.realpath(path)
    if "\\" in real:  # and opens another file
        raise DatabaseError(path=path, error=r"DuckDB takes a \ in a path for a /", fix="Choose another --db FILE.")
    if not is_there(path):
        if error := lost(path):
            raise error
        _make(real)
    _check_kind(path)
    file = _open(path, deadline, wait_seconds)
    try:
        with closing(file.cursor()) as connection:
            _migrate(path, connection)
    except BaseException:
        file.close(is_sound=False)
        raise
    return file


def _holds_nothing(path: str) -> bool:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size >= _HEADER_BYTES:
            return False
        with open(path, "rb") as file:
            head = file.read(_MAGIC_AT + len(_MAGIC))
    except OSError:
        return False
    return not head or head[_MAGIC_AT:] == _MAGIC


def _check_kind(path: str) -> None:
    """DuckDB makes a database in memory of a CSV file, and more: what is recorded there would be gone. A pipe it waits for."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")
        raise DatabaseError(path=path, error=f"it is {kind}, not a file", fix="Choose another --db FILE.")
    with open(path, "rb") as file:
        head = file.read(_MAGIC_AT + len(_MAGIC))
    if head[_MAGIC_AT:] != _MAGIC:
        raise DatabaseError(path=path, error="it is not a DuckDB database")


def remove_unfinished(path: str) -> None:
    """Remove what processes that were killed left beside the database ``path`` when they made one."""
    remove_left_parts(os.path.dirname(path), _KIND)


def _make(path: str) -> None:
    """Make a database beside ``path`` and give it its name when it is whole; if another process was first, take that one."""
    folder, name = os.path.split(path)
    remove_unfinished(path)
    part = os.path.join(folder, own_part_name(name, _KIND))
    remove(part)
    try:
        connection = _connect(part, _WITHOUT_LOG)
        try:
            _migrate(path, connection)
        finally:
            connection.close()
        _rename_into_place(part, path)
    finally:
        remove(part)


def _rename_into_place(part: str, path: str) -> None:
    if _holds_nothing(path):
        os.replace(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # FAT has no second names for a file
        if not os.path.lexists(path):
            os.rename(part, path)


def _open(path: str, deadline: float, wait_seconds: float) -> OpenFile:
    import duckdb  # noqa: PLC0415

    began, is_said = time.monotonic(), False
    while True:
        try:
            return _attach(path)
        except duckdb.Error as error:
            if LOCKED not in str(error) and _IN_USE not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseBusyError(path=path, waited_seconds=wait_seconds) from error
            if not is_said and time.monotonic() > began + _SAY_SECONDS:
                is_said = True
                holder = _HOLDER.search(str(error))
                log.warning("Waiting for the database, held by %s", holder[1] if holder else "another program")
            pause = POLL_SECONDS if LOCKED in str(error) else _IN_USE_SECONDS
        time.sleep(pause)


def _attach(path: str) -> OpenFile:
    import duckdb  # noqa: PLC0415

    if "?" in os.path.realpath(path):  # DuckDB 2.0 puts ".wal" before it: into a folder that does not exist
        return OpenFile(_connect(path, _WITHOUT_LOG), "")
    root, name = _ENGINE.start()
    quoted = path.replace("'", "''")
    try:
        with closing(_ENGINE.cursor(root)) as cursor:
            cursor.execute(f"ATTACH '{quoted}' AS {name} (TYPE duckdb)")
    except duckdb.Error:
        _ENGINE.try_out(root)
        raise
    return OpenFile(root, name)


def _connect(path: str, config: dict[str, str | bool | int | float | list[str]]) -> "duckdb.DuckDBPyConnection":
    import duckdb  # noqa: PLC0415

    return duckdb.connect(path, config=config)


@cache
def _migrations() -> list[tuple[int, str]]:
    files = (resources.files(__package__) / "migrations").iterdir()
    return sorted((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".sql"))


def _migrate(path: str, connection: "duckdb.DuckDBPyConnection") -> None:
    done = _schema_version(path, connection)
    migrations = _migrations()
    if done > migrations[-1][0]:
        error = f"its schema is version {done}, made by a newer sp404-export"
        raise DatabaseError(path=path, error=error, fix="Update sp404-export, or choose another --db FILE.")
    pending = [(number, sql) for number, sql in migrations if number > done]
    if not pending:
        return
    # Each alone, for an index cannot be made beside updates; in a new file, where there is nothing to update, all at once.
    for group in [pending] if not done else [[one] for one in pending]:
        connection.begin()  # what fails is undone: the connection is closed then
        for number, sql in group:
            connection.execute(sql)
            connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.commit()
        connection.execute("CHECKPOINT")


def _schema_version(path: str, connection: "duckdb.DuckDBPyConnection") -> int:
    import duckdb  # noqa: PLC0415

    with suppress(duckdb.CatalogException):  # a new file, or another program's
        return connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0] or 0
    sql = "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()"
    if not connection.execute(sql).fetchall()[0][0]:
        return 0
    error = "it is the database of another program"
    raise DatabaseError(path=path, error=error, fix="It was not changed. Choose another --db FILE.")
