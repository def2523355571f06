"""Open the DuckDB file for a moment: one writer, short connections, migrations first, transactions that are checked."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from schemas.errors import DatabaseBusyError, DatabaseError, DiskFullError, StatementError

# Imported where it is used: it takes 0.3 s; and where a module holds on to it at the process's end, as Prefect makes
# modules do, DuckDB 2.0 prints forty lines about leaks.
if TYPE_CHECKING:
    import duckdb

Connection: TypeAlias = "duckdb.DuckDBPyConnection"

# A database of ours is not to be had from elsewhere: DuckDB would fetch an extension to open, say, an SQLite file.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_LOCKED = "Could not set lock"
_POLL_SECONDS = 0.1
# How long threads of one process may hand an open database to each other, and how long others then have to get in.
_HELD_SECONDS, _LEFT_SECONDS = 0.5, 0.15


class _ArrowStream:
    """Shows DuckDB nothing of a Polars frame but its Arrow stream; it would ask for pyarrow otherwise."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


class _Door:
    """DuckDB keeps other processes out; threads of this one must take turns too, from the first read to the commit.

    While one of them waits the database stays open for it, since to open it takes longer than most questions; but not for
    long, and then others get a chance.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._kept: Connection | None = None
        self._file: tuple[int, int] = (0, 0)
        self._since = 0.0

    def enter(self, seconds: float) -> bool:
        """Whether the turn came in time."""
        with self._counting:
            self._waiting += 1
        try:
            return self._turn.acquire(timeout=seconds)
        finally:
            with self._counting:
                self._waiting -= 1

    def connection(self, path: str, wait_seconds: float, deadline: float) -> Connection:
        """A connection of one's own, which the caller closes."""
        if self._kept and self._file != _file_at(path):
            self._close()
        if not self._kept:
            _check_kind(path)
            self._kept, self._since = _open(path, wait_seconds, deadline), time.monotonic()
            _migrate(path, self._kept)
            self._file = _file_at(path)
        return self._kept.cursor()

    def leave(self, is_sound: bool) -> None:
        """``is_sound``: nothing went wrong with the database."""
        is_old = time.monotonic() - self._since > _HELD_SECONDS
        if self._kept and (is_old or not self._waiting or not is_sound):
            self._close()
            if self._waiting:
                time.sleep(_LEFT_SECONDS)
        self._turn.release()

    def _close(self) -> None:
        kept, self._kept = self._kept, None
        if kept:
            kept.close()


_doors: defaultdict[str, _Door] = defaultdict(_Door)


@contextmanager
def connected(path: str, wait_seconds: float) -> Iterator[Connection]:
    """A connection to the database at ``path``, made and migrated where needed.

    Raises DatabaseBusyError when another process holds it for longer than ``wait_seconds``, DatabaseError when the
    file is no database of ours or a statement fails.
    """
    import duckdb  # noqa: PLC0415

    door = _doors[os.path.realpath(path)]
    deadline = time.monotonic() + wait_seconds
    if not door.enter(wait_seconds):
        raise DatabaseBusyError(path=path, waited_seconds=wait_seconds)
    connection, is_sound = None, False
    try:
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
        connection = door.connection(path, wait_seconds, deadline)
        yield connection
        is_sound = True
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise DiskFullError(path=path) from error
        by_kind = isinstance(error, (duckdb.IOException, duckdb.InternalException, duckdb.FatalException))
        damaged = by_kind or "Corrupt database" in str(error)
        kind = StatementError if connection and not damaged else DatabaseError
        raise kind(path=path, error=str(error).splitlines()[0]) from error
    except OSError as error:
        raise DatabaseError(path=path, error=error.strerror or str(error)) from error
    finally:
        if connection:
            connection.close()
        door.leave(is_sound)


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
class Answer:
    """All rows of a query: DuckDB 2 allows nothing else on a connection before a result is read to its end."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def one(self) -> int:
        """The single number that was asked for; 0 for NULL."""
        return int(self.rows[0][0] or 0)

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run(connection: Connection, query: str, parameters: dict[str, Any] | None = None, **frames: pl.DataFrame) -> Answer:
    """Run ``queries/<query>.sql``; ``frames`` are tables in it under their names.

    Answers are fetched as tuples, not by Arrow: DuckDB 2.0 leaks the connection then, and says so at the exit.
    """
    with _registered(connection, frames):
        result = connection.execute(_sql(query), parameters or {})
        return Answer([column[0] for column in result.description or ()], result.fetchall())


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
    """The answer to ``queries/<query>.sql`` as a frame of ``schema``: by columns, which for 100,000 rows is thrice as fast."""
    with _registered(connection, frames):
        columns = connection.execute(_sql(query), parameters).fetchnumpy()
    return pl.DataFrame([_series(name, columns[name], dtype) for name, dtype in schema.items()])


def _series(name: str, column: Any, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """A column as numpy has it: text and truth as objects, numbers with a mask for the nulls."""
    if column.dtype.kind not in "iuf":
        return pl.Series(name, column.tolist(), dtype)
    values = pl.Series(name, np.ma.getdata(column)).cast(dtype)
    return values.set(pl.Series(np.ma.getmaskarray(column)), None)


def _check_kind(path: str) -> None:
    """DuckDB makes a database in memory of a CSV file, and more: what is recorded there would be gone."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as file:
        head = file.read(12)
    if head and head[8:] != b"DUCK":
        raise DatabaseError(path=path, error="it is no DuckDB database")


def _open(path: str, wait_seconds: float, deadline: float) -> Connection:
    import duckdb  # noqa: PLC0415

    while True:
        try:
            return duckdb.connect(path, config=_CONFIG)
        except duckdb.IOException as error:
            if _LOCKED not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseBusyError(path=path, waited_seconds=wait_seconds) from error
        time.sleep(_POLL_SECONDS)


def _file_at(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


@cache
def _sql(query: str) -> str:
    return (resources.files(__package__) / "queries" / f"{query}.sql").read_text(encoding="utf-8")


def _migrations() -> list[tuple[int, str]]:
    files = (resources.files(__package__) / "migrations").iterdir()
    return sorted((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".sql"))


def _migrate(path: str, connection: Connection) -> None:
    done = _schema_version(path, connection)
    migrations = _migrations()
    if done > migrations[-1][0]:
        error = f"its schema is version {done}, made by a newer sp404-export"
        raise DatabaseError(path=path, error=error, fix="Update sp404-export, or choose another --db FILE.")
    pending = [(number, sql) for number, sql in migrations if number > done]
    for number, sql in pending:
        with transaction(connection):
            connection.execute(sql)
            connection.execute("INSERT INTO schema_version VALUES (?)", [number])
    if pending:
        connection.execute("CHECKPOINT")


def _schema_version(path: str, connection: Connection) -> int:
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if "schema_version" not in tables:
        error = "it is the database of another program"
        raise DatabaseError(path=path, error=error, fix="It was left as it is: choose another --db FILE.")
    found = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    return found[0][0] or 0
