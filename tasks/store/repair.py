"""Rebuild the database from what the exports left beside it: their plans, and the parts that their shards wrote."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import DatabaseError, RequestError
from tasks.store import run_folder
from tasks.store.database import Database, run
from tasks.store.export_lock import lock_exports
from tasks.store.replay import replay_export


@dataclass(frozen=True)
class RepairResult:
    """The result of a repair. ``kept``: the path of the old file now; ``losses``: what could not be restored."""

    exports: int
    rows: int
    kept: str | None
    losses: list[str]


def repair(database: Database, force: bool = False) -> RepairResult:
    """Rebuild the database; the old file is kept under another name.

    Raises RequestError when it is whole (unless ``force``), or when nothing is there to make it from.
    """
    with lock_exports(database):
        ids = run_folder.export_ids(database)
        if not ids:
            raise RequestError(
                what=f"No export left anything beside {database.path}", fix="There is nothing to repair it from."
            )
        if not force and _is_whole(database):
            raise RequestError(what=f"The database is not damaged: {database.path}", fix="--force rebuilds it all the same.")
        new = replace(database, path=f"{database.path}.repaired")
        _remove(new.path)
        losses: list[str] = []
        with new.connect() as connection:
            rows = sum(replay_export(connection, database, export_id, losses) for export_id in ids)
            run(connection, "skip_export_ids", {"taken": ids[-1]})
        kept = _set_aside(database.path)
        os.replace(new.path, database.path)
        return RepairResult(len(ids), rows, kept, losses)


def _is_whole(database: Database) -> bool:
    if not database.exists:
        return False
    try:
        with database.connect() as connection:
            run(connection, "read_all")
    except DatabaseError:
        return False
    return True


def _set_aside(db: str) -> str | None:
    """Rename the old file, if there is one, and its log; return the new name."""
    if not os.path.lexists(db):
        return None
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    kept = next(name for n in range(100) if not os.path.lexists(name := f"{db}.damaged-{stamp}" + (f"-{n}" if n else "")))
    for suffix in ("", ".wal"):
        if os.path.lexists(db + suffix):
            os.replace(db + suffix, kept + suffix)
    return kept


def _remove(path: str) -> None:
    for suffix in ("", ".wal"):
        Path(path + suffix).unlink(missing_ok=True)
