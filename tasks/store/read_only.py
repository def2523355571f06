"""Ask the records a question in SQL, without a way to change them, or any file."""

import time
from typing import Any

from schemas.errors import DatabaseBusyError, DatabaseError, RequestError
from tasks.store.database import Database
from tasks.store.database_file import LOCKED, POLL_SECONDS


def ask_read_only(database: Database, statement: str, most: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Carry out one statement on a database that is opened for reading alone; it can reach no other file.

    Args:
        database: The records.
        statement: SQL.
        most: Return at most so many rows; None: all.

    Returns:
        The names of the columns, and the rows.

    Raises:
        RequestError: The statement is wrong, or would change something.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    import duckdb  # noqa: PLC0415

    database.require()
    deadline = time.monotonic() + database.wait_seconds
    while True:
        try:
            connection = duckdb.connect(database.path, read_only=True, config={"enable_external_access": "false"})
            break
        except duckdb.IOException as error:
            if LOCKED not in str(error):
                raise DatabaseError(path=database.path, error=str(error).splitlines()[0]) from error
            if time.monotonic() >= deadline:
                raise DatabaseBusyError(path=database.path, waited_seconds=database.wait_seconds) from error
            time.sleep(POLL_SECONDS)
        except duckdb.Error as error:
            raise DatabaseError(path=database.path, error=str(error).splitlines()[0]) from error
    with connection:
        try:
            found = connection.execute(statement)
            columns = [column[0] for column in found.description or ()]
            return columns, found.fetchall() if most is None else found.fetchmany(most)
        except duckdb.Error as error:
            what = str(error).splitlines()[0] if str(error) else "The statement is not valid"
            fix = '`sp404 sql "SHOW TABLES"` lists the tables. Nothing can be changed here.'
            raise RequestError(what=what, fix=fix) from error
