"""Ask DuckDB itself, without the project's code."""

from pathlib import Path

import duckdb


def query(db: Path, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """Return the rows that a query gives; the database is opened for reading only."""
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql, parameters).fetchall()
