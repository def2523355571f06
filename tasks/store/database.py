"""The DuckDB file: short connections that threads and processes share, migrations first, transactions that are checked."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from schemas.errors import DatabaseBusyError, DatabaseError, DiskFullError, StatementError, TooManyFilesError
from tasks.store.database_file import OpenFile, is_there, lost, open_database

# Imported where it is used: it takes 0.3 s; and where a module holds on to it at the process's end, as Prefect makes
# modules do, DuckDB 2.0 prints forty lines about leaks.
if TYPE_CHECKING:
    import duckdb

    from config.settings import Settings

Connection: TypeAlias = "duckdb.DuckDBPyConnection"

# How long threads of one process may hand an open database to each other, and how long others then have to get in.
_SHARED_SECONDS, _PAUSE_SECONDS = 0.5, 0.15
# How long a database that is held stays open though nothing is asked of it: a sample may be converted meanwhile.
_IDLE_SECONDS = 0.25


class _ArrowStream:
    """Shows DuckDB nothing of a Polars frame but its Arrow stream; it would ask for pyarrow otherwise."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


class _SharedConnection:
    """The one connection of this process to a database file, which its threads use in turns.

    DuckDB keeps other processes out of an open file, so it is closed after each turn; but not while another thread waits
    or somebody holds it, since to open and to close it takes longer than most statements. After ``_SHARED_SECONDS`` threads
    that wait, and holds that overlap, give other processes a chance; so does a hold in which nothing is asked for
    ``_IDLE_SECONDS``.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = self._holds = 0
        self._thread = threading.local()  # its ``depth``: holds within holds
        self._yields = False
        self._kept: OpenFile | None = None
        self._file: tuple[int, int] = (0, 0)
        self._since = 0.0
        self._idle: threading.Timer | None = None

    def enter(self, seconds: float) -> bool:
        """Return whether the turn came within ``seconds``."""
        with self._counting:
            self._waiting += 1
        try:
            return self._turn.acquire(timeout=seconds)
        finally:
            with self._counting:
                self._waiting -= 1

    def cursor(self, database: "Database", deadline: float) -> Connection:
        """Return a connection of the caller's own, which the caller closes. Needs the turn."""
        if self._idle:
            self._idle.cancel()
            self._idle = None
        path = database.path
        # Replaced or removed, or something went wrong with another file: what is kept is no longer that file.
        if self._kept and (self._file != _file_at(path) or not self._kept.is_usable):
            self._close()
        if not self._kept:
            self._kept = open_database(path, deadline, database.wait_seconds)
            self._since, self._file = time.monotonic(), _file_at(path)
        return self._kept.cursor()

    def leave(self, is_sound: bool) -> None:
        """End the turn. ``is_sound``: nothing went wrong with the database."""
        with self._counting:
            is_old = time.monotonic() - self._since > _SHARED_SECONDS
            is_wanted = self._holds or (self._waiting and not is_old)
            if not self._kept or (is_sound and is_wanted and not self._yields):
                if self._kept and self._holds:
                    # Python waits for it at its end: a daemon's call of DuckDB would abort the process there.
                    self._idle = threading.Timer(_IDLE_SECONDS, self._close_idle)
                    self._idle.start()
                self._turn.release()  # within the count: the end of a hold sees either the turn taken, or all of its end
                return
            others = self._waiting or (self._yields and self._holds)
            self._yields = False
        try:
            self._close(is_sound)
            if others:
                time.sleep(_PAUSE_SECONDS)
        finally:
            self._turn.release()

    def add_hold(self) -> None:
        """Keep the file open between turns from its next opening on."""
        self._thread.depth = getattr(self._thread, "depth", 0) + 1
        if self._thread.depth > 1:
            return
        with self._counting:
            self._holds += 1

    def end_hold(self) -> None:
        """Let the file be closed: now, or by whoever has the turn."""
        self._thread.depth -= 1
        if self._thread.depth:
            return
        with self._counting:
            self._holds -= 1
            if self._holds:
                if time.monotonic() - self._since <= _SHARED_SECONDS:
                    return
                self._yields = True
            if not self._turn.acquire(blocking=False):
                return
        self.leave(is_sound=True)

    def _close_idle(self) -> None:
        """Let other processes in while a hold asks nothing."""
        if self._turn.acquire(blocking=False):
            try:
                if self._idle is threading.current_thread():
                    self._close()
            finally:
                self._turn.release()

    def _close(self, is_sound: bool = True) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None
        kept, self._kept = self._kept, None
        if kept:
            kept.close(is_sound)


_shared: dict[str, _SharedConnection] = {}
_sharing = threading.Lock()


def _shared_connection(path: str) -> _SharedConnection:
    with _sharing:
        return _shared.setdefault(os.path.realpath(path), _SharedConnection())


@dataclass(frozen=True)
class Database:
    """A DuckDB file and how long to wait for it. Nothing is opened before ``connect()``.

    Attributes:
        path: The file; it and its folder are created by the first ``connect()``.
        wait_seconds: How long to wait while others use the file.
    """

    path: str
    wait_seconds: float

    @classmethod
    def of(cls, settings: "Settings") -> "Database":
        """Return the database that the settings name."""
        return cls(settings.db, settings.lock_wait_seconds)

    def waiting(self, seconds: float) -> "Database":
        """Return a handle of the same file that waits for ``seconds``."""
        return replace(self, wait_seconds=seconds)

    @property
    def exists(self) -> bool:
        """Return whether the file is there, and holds something."""
        return is_there(self.path)

    def revision(self) -> str:
        """Return a word that is another one after every change of the records; within ``connect()`` it is that of what is read.

        It is of the file and its log: a commit writes to one of them. So it can change once without a change, as the log
        goes into the file.
        """
        states = []
        for path in (self.path, f"{self.path}.wal"):
            with suppress(OSError):
                status = os.stat(path)
                states.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return blake2b(repr(states).encode(), digest_size=8).hexdigest()

    def check_not_lost(self) -> None:
        """Raise DatabaseError where the file is not there, but the records of its exports are."""
        if error := lost(self.path):
            raise error

    def require(self) -> None:
        """Raise DatabaseError where the file is not there."""
        self.check_not_lost()
        if not self.exists:
            fix = "Run an export first, or name the file with --db."
            raise DatabaseError(path=self.path, error="there is no such file", fix=fix)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Open the file once for all ``connect()`` of the block, of whichever thread; close it with the block's end.

        Opens nothing itself. Between two ``connect()`` other threads have their turns. A statement that fails, a file that
        was replaced or removed, and 0.25 s in which nothing is asked cause a new opening: so other processes get in
        while audio is converted.
        """
        shared = _shared_connection(self.path)
        shared.add_hold()
        try:
            yield
        finally:
            shared.end_hold()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect to the file, which is created and migrated where needed. Not to be nested: threads take turns.

        Raises:
            DatabaseBusyError: Others use it for longer than ``wait_seconds``.
            StatementError: A statement fails.
            DiskFullError: The disk is full.
            DatabaseError: The file is damaged, not a database of ours, or made by a newer version; or it is gone, while
                the records of its exports are there.
        """
        import duckdb  # noqa: PLC0415

        shared = _shared_connection(self.path)
        deadline = time.monotonic() + self.wait_seconds
        if not shared.enter(self.wait_seconds):
            raise DatabaseBusyError(path=self.path, waited_seconds=self.wait_seconds)
        connection, is_sound = None, False
        try:
            Path(self.path).absolute().parent.mkdir(parents=True, exist_ok=True)
            connection = shared.cursor(self, deadline)
            yield connection
            is_sound = True
        except duckdb.Error as error:
            if "No space left" in str(error):
                raise DiskFullError(path=self.path) from error
            if TooManyFilesError.is_cause(error):
                raise TooManyFilesError from error
            by_kind = isinstance(error, (duckdb.IOException, duckdb.InternalException, duckdb.FatalException))
            damaged = by_kind or "Corrupt database" in str(error)
            kind = StatementError if connection and not damaged else DatabaseError
            raise kind(path=self.path, error=str(error).splitlines()[0]) from error
        except OSError as error:
            if TooManyFilesError.is_cause(error):
                raise TooManyFilesError from error
            raise DatabaseError(path=self.path, error=error.strerror or str(error)) from error
        finally:
            if connection:
                connection.close()
            shared.leave(is_sound)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing. DuckDB's commit returns normally after a failed statement: so an error rolls back here."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@dataclass(frozen=True)
class QueryResult:
    """All rows of a query: DuckDB 2 allows nothing else on a connection before a result is read to its end."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def one(self) -> int:
        """Return the single number of the result; 0 for NULL."""
        return int(self.rows[0][0] or 0)

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run(connection: Connection, query: str, parameters: dict[str, Any] | None = None, **frames: pl.DataFrame) -> QueryResult:
    """Run ``queries/<query>.sql``; ``frames`` are tables in it under their names.

    Answers are fetched as tuples, not by Arrow: DuckDB 2.0 leaks the connection then, and says so at the exit.
    """
    with _registered(connection, frames):
        result = connection.execute(_sql(query), parameters or {})
        return QueryResult([column[0] for column in result.description or ()], result.fetchall())


@contextmanager
def _registered(connection: Connection, frames: dict[str, pl.DataFrame]) -> Iterator[None]:
    for name, table in frames.items():
        connection.register(name, _ArrowStream(table))
    try:
        yield
    finally:
        with suppress(Exception):  # what the statement said counts, not that its transaction is over
            for name in frames:
                connection.unregister(name)


def frame(
    connection: Connection,
    query: str,
    parameters: dict[str, Any],
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
    **frames: pl.DataFrame,
) -> pl.DataFrame:
    """Return the result of ``queries/<query>.sql`` as a frame of ``schema``.

    It is fetched by columns, which for 100,000 rows is thrice as fast.
    """
    with _registered(connection, frames):
        columns = connection.execute(_sql(query), parameters).fetchnumpy()
    return pl.DataFrame([_series(name, columns[name], dtype) for name, dtype in schema.items()])


def _series(name: str, column: Any, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """Convert a column as numpy has it: text and truth as objects, numbers with a mask for the nulls."""
    if column.dtype.kind not in "iuf":
        return pl.Series(name, column.tolist(), dtype)
    values = pl.Series(name, np.ma.getdata(column)).cast(dtype)
    return values.set(pl.Series(np.ma.getmaskarray(column)), None)


def _file_at(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


@cache
def _sql(query: str) -> str:
    return (resources.files(__package__) / "queries" / f"{query}.sql").read_text(encoding="utf-8")
