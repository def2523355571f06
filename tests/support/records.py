"""Ask DuckDB itself, without the project's code."""

from pathlib import Path

import duckdb


def query(db: Path, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """Return the rows that a query gives; the database is opened for reading only."""
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql, parameters).fetchall()


# Rows of ``last_status`` that are not what grouping all history says, and the other way round.
WRONG_LAST_STATUS = """
WITH grouped AS (
    SELECT sample_id, max(id) AS row_id, max_by(export_id, id) AS export_id, max_by(status, id) AS status
    FROM sp404_export_samples WHERE sample_id IS NOT NULL GROUP BY sample_id
)
(FROM grouped EXCEPT ALL SELECT sample_id, row_id, export_id, status FROM last_status)
UNION ALL
(SELECT sample_id, row_id, export_id, status FROM last_status EXCEPT ALL FROM grouped)
"""
