"""Delete records of old exports: never a file of theirs, and nothing that the next run goes by."""

from datetime import datetime

import polars as pl

from tasks.store import run_folder
from tasks.store.database import Database, run, transaction
from tasks.store.export_lock import lock_exports
from tasks.store.history_rows import clear_history_rows

_NONE_KEPT = pl.DataFrame(schema={"manifest_line": pl.Int64})


def forget_before(database: Database, before: datetime) -> list[int]:
    """Remove the records of exports that were made before a time (UTC); return their numbers.

    What stands in the output folders stays in the records, and so do all ids. What exports left beside the database goes
    as well, but for what ``repair`` still needs.
    """
    with lock_exports(database), database.connect() as connection:
        old = [export_id for (export_id,) in run(connection, "old_exports", {"before": before}).rows]
        with transaction(connection):
            clear_history_rows(connection, dict.fromkeys(old, _NONE_KEPT))
            for export_id in old:
                parameters = {"export_id": export_id}
                for query in ("clear_rejects", "clear_parts", "drop_export"):
                    run(connection, query, parameters)
        first_standing = run(connection, "first_standing").one()
        for export_id in old:
            # What was moved or removed must be known beside what was written before.
            if export_id < first_standing or not run_folder.has_changed_anything(database, export_id):
                run_folder.thin(database, export_id)
    return old
