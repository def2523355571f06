"""Put exports into the records again, from what each left beside the database: all for a repair, or those that are missing."""

import logging
from dataclasses import replace

import polars as pl

from schemas.errors import DamagedPartError
from tasks.store import run_folder
from tasks.store.checkpoints import read_checkpoint
from tasks.store.database import Connection, Database, frame, run, transaction
from tasks.store.export_records import ExportSpec, add_parts_in, finish_in, read_export_spec, start_in
from tasks.store.identity import GIVEN, KITS, identify_kits
from tasks.store.renames import RENAMES, Renamed, follow

log = logging.getLogger("sp404")
_NOTHING_DONE = pl.DataFrame(schema={"manifest_line": pl.Int64})


def catch_up(database: Database) -> None:
    """Replay the exports that an older copy of the database, restored from a backup, does not know; the caller has the lock.

    Their ids would be given out again otherwise.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read or written, or are gone.
    """
    database.check_not_lost()
    ids = run_folder.export_ids(database)
    if not ids or not database.exists:
        return
    losses: list[str] = []
    with database.connect() as connection:
        last = run(connection, "last_export_id").one()
        missing = [export_id for export_id in ids if export_id > last]
        rows = sum(replay_export(connection, database, export_id, losses) for export_id in missing)
        if missing:
            run(connection, "skip_export_ids", {"taken": ids[-1] - last})
    if rows:
        what = "The database is older than the records beside it: exports %d to %d are in it again"
        log.warning(what, missing[0], missing[-1])
    for loss in losses:
        log.warning("%s", loss)


def replay_export(connection: Connection, database: Database, export_id: int, losses: list[str]) -> int:
    """Put one export into the records again; return how many rows it has. What is damaged is added to ``losses``."""
    try:
        with transaction(connection):
            _replay_given(connection, run_folder.read_given(database, export_id))
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
    spec = _with_recorded_kits(connection, spec)
    with transaction(connection):
        start_in(connection, spec, _NOTHING_DONE)
        for part in parts:
            try:
                add_parts_in(connection, spec, {run_folder.name_of(part): read_checkpoint(part)})
            except DamagedPartError as error:
                losses.append(f"Of export {export_id}: {error}. {error.fix}")
        if ending:
            finish_in(connection, spec, ending)
        if gone is not None:
            run(connection, "forget_outputs", {"output_path": spec.export["output_path"]}, gone=gone)
        return run(connection, "count_export_samples", {"export_id": export_id}).one()


def _replay_given(connection: Connection, given: list[tuple[str, pl.DataFrame]]) -> None:
    """Give ids and kits as before, but none twice.

    Earlier versions began anew, with id 1, where a database was gone. What they gave to another file meanwhile it does not
    keep: its next export gives it a new one.
    """
    sources = [table.filter(kind=str(Renamed.SOURCE)) for name, table in given if name == "renames"]
    moved = pl.concat([pl.DataFrame(schema=RENAMES), *sources]).select(file_path="new", old="old")
    for name, table in given:
        if name == "ids":
            ids = table.select(*GIVEN)
            run(connection, "forget_given_ids", new_given_ids=ids)
            holders = frame(connection, "given_ids", {}, GIVEN).rename({"file_path": "old"})
            own = ids.join(holders.join(moved, on="old"), on=["file_path", "id"], how="semi")
            free = ids.join(holders, on="id", how="anti")
            run(connection, "add_given_ids", new_given_ids=pl.concat([free, own]))
        elif name == "samples":
            run(connection, "put_samples", {"now": table["updated_at"][0]}, new_samples=table.drop("updated_at"))
        elif name == "new-kits":
            _replay_kits(connection, table)
        else:
            follow(connection, table)


def _replay_kits(connection: Connection, new: pl.DataFrame) -> None:
    known = frame(connection, "kits", {}, KITS)
    new = new.filter(~pl.col("name").is_in(known["name"].implode()))
    is_taken = pl.col("id").is_in(known["id"].implode())
    above = pl.concat([known["id"], new["id"]]).max()
    renumbered = pl.lit(above if isinstance(above, int) else 0) + is_taken.cum_sum()
    run(connection, "add_kits", new_kits=new.with_columns(id=pl.when(is_taken).then(renumbered).otherwise("id")))


def _with_recorded_kits(connection: Connection, spec: ExportSpec) -> ExportSpec:
    """Return ``spec`` with the ids that its kits have in the records."""
    known = frame(connection, "kits", {}, KITS)
    tables = []
    for table in (spec.rows, spec.kit_rows):
        named, _ = identify_kits(table["kit"].drop_nulls().unique(maintain_order=True), known)
        ids = pl.col("kit").replace_strict(named["name"], named["id"], default=None, return_dtype=pl.Int64)
        tables.append(table.with_columns(kit_id=ids))
    return replace(spec, rows=tables[0], kit_rows=tables[1])
