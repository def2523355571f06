"""Rebuild the database from what the exports left beside it: their plans, and the parts that their shards wrote."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from schemas.errors import DamagedPartError, DatabaseError, RequestError
from tasks.store import run_folder
from tasks.store.checkpoints import read_checkpoint
from tasks.store.database import Connection, Database, run, transaction
from tasks.store.export_lock import lock_exports
from tasks.store.export_records import add_part_in, finish_in, read_export_spec, start_in
from tasks.store.renames import follow


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
            rows = sum(_replay_export(connection, database, export_id, losses) for export_id in ids)
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


def _replay_export(connection: Connection, database: Database, export_id: int, losses: list[str]) -> int:
    """Put one export into the records again; return how many rows it has."""
    try:
        with transaction(connection):
            for name, frame in run_folder.read_given(database, export_id):
                if name == "ids":
                    run(connection, "forget_given_ids", new_given_ids=frame)
                    run(connection, "add_given_ids", new_given_ids=frame)
                elif name == "new-kits":
                    run(connection, "add_kits", new_kits=frame)
                else:
                    follow(connection, frame)
        spec = read_export_spec(database, export_id)
        ending, gone = run_folder.read_ending(database, export_id), run_folder.read_gone(database, export_id)
    except DamagedPartError as error:
        losses.append(f"Export {export_id} is lost: {error}")
        return 0
    if spec is None:  # killed before it was begun
        return 0
    parts = run_folder.parts(database, export_id)
    if ending and len(parts) < ending["parts"]:
        losses.append(f"Export {export_id} has {len(parts)} parts, and had {ending['parts']}")
    with transaction(connection):
        start_in(connection, spec, pl.DataFrame({"manifest_line": []}, {"manifest_line": pl.Int64}))
        for part in parts:
            try:
                add_part_in(connection, spec, run_folder.name_of(part), read_checkpoint(part))
            except DamagedPartError as error:
                losses.append(f"Of export {export_id}: {error}. {error.fix}")
        if ending:
            finish_in(connection, spec, ending)
        if gone is not None:
            run(connection, "forget_outputs", {"output_path": spec.export["output_path"]}, gone=gone)
        return run(connection, "count_export_samples", {"export_id": export_id}).one()


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
