"""Add and remove rows of the history, and keep the last status of each sample right: within the caller's transaction."""

import polars as pl

from tasks.store.database import Connection, run


def put_history_rows(connection: Connection, export_id: int, rows: pl.DataFrame) -> None:
    """Add rows (``schemas.records.EXPORT_SAMPLES``) in the place of those of the same manifest lines."""
    parameters = {"export_id": export_id}
    removed = run(connection, "clear_lines", parameters, new_export_samples=rows).one()
    run(connection, "add_export_samples", parameters, new_export_samples=rows)
    run(connection, "update_last_status")
    if removed:  # another line of the sample may be the last now
        run(connection, "clear_last_status", parameters)
        run(connection, "restore_last_status")


def clear_history_rows(connection: Connection, kept: dict[int, pl.DataFrame]) -> None:
    """Remove the rows of these exports but for the lines that are ``kept`` of each (``manifest_line``)."""
    removed = 0
    for export_id, lines in kept.items():
        removed += run(connection, "clear_export", {"export_id": export_id}, kept=lines).one()
        run(connection, "clear_last_status", {"export_id": export_id})
    if removed:
        run(connection, "restore_last_status")
