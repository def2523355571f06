"""Samples that a scan found, put into the records with their ids before any export has them."""

import polars as pl

from schemas.quick_validation import validate_quickly
from schemas.records import SAMPLES
from tasks.store import run_folder
from tasks.store.database import Connection, Database, frame, run, transaction
from tasks.store.export_records import next_export_id
from tasks.store.identity import assign_recorded_ids
from tasks.store.renames import MOVED, NOTHING_MOVED, Renamed, follow
from tasks.store.timestamps import utc_now

_FACTS = ["file_path", "title", "genre", "bpm", "musical_key", "tags"]
_NEW = {name: column.dtype.type for name, column in SAMPLES.columns.items() if name in ("id", *_FACTS)}


def add_found_samples(database: Database, rows: pl.DataFrame, moved: list[tuple[str, str]]) -> int:
    """Put samples into the records that are not there, and bring those up to date that no export has had; in one transaction.

    What an export recorded of a sample stays until the next one. The same is written beside the database, for ``repair``.

    Args:
        database: Its lock (``tasks.store.export_lock``) is the caller's.
        rows: The rows of a manifest (``schemas.manifest.TYPED_SCHEMA``) with ``source``, the absolute path of each file.
        moved: Absolute paths before and after, of files that stand elsewhere now.

    Returns:
        How many samples are new.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read or written, or are gone.
        WorkingFolderError: The folder beside the database cannot be written.
    """
    database.check_not_lost()
    with database.connect() as connection:
        export_id = 0
        try:
            with transaction(connection):
                here = _moved_samples(connection, moved)
                renames = here.select(pl.lit(str(Renamed.SOURCE)).alias("kind"), "old", "new")
                follow(connection, renames)
                identified, ids, _ = assign_recorded_ids(connection, rows, here)
                samples, count = _changed(connection, identified)
                if samples.is_empty() and renames.is_empty():
                    return 0
                ids = ids.filter(pl.col("id").is_in(pl.concat([samples["id"], here["id"]]).implode()))
                if ids.height:
                    run(connection, "forget_given_ids", new_given_ids=ids)
                    run(connection, "add_given_ids", new_given_ids=ids)
                validate_quickly(samples, SAMPLES)
                now = utc_now()
                run(connection, "put_samples", {"now": now}, new_samples=samples)
                export_id = next_export_id(connection, database)
                run_folder.write_found(database, export_id, ids, renames, samples.with_columns(updated_at=pl.lit(now)))
        except BaseException:
            if export_id:
                run_folder.drop(database, export_id)
            raise
    return count


def _moved_samples(connection: Connection, moved: list[tuple[str, str]]) -> pl.DataFrame:
    """Return the samples that stand elsewhere now (``tasks.store.renames.MOVED``).

    Where the records know the new path, too, that is another sample by now.
    """
    if not moved:
        return NOTHING_MOVED
    known = dict(run(connection, "sample_paths").rows)
    rows = [(old, new, known[old]) for old, new in moved if old in known and new not in known]
    return pl.DataFrame(rows, MOVED, orient="row")


def _changed(connection: Connection, identified: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return those samples (``SAMPLES``) that are new or, as far as no export had them, changed; and how many are new.

    A file that the records have under another id, which a manifest gave it, is not new.
    """
    recorded = frame(connection, "recorded_samples", {}, _NEW | {"exported": pl.Boolean})
    found = identified.unique("sample_id", keep="first", maintain_order=True).select(
        id="sample_id", file_path="source", **{name: pl.col(name) for name in _FACTS[1:]}
    )
    found = found.cast(_NEW)
    new = found.join(recorded, on="id", how="anti", maintain_order="left")
    new = new.join(recorded, on="file_path", how="anti", maintain_order="left")
    unexported = recorded.filter(~pl.col("exported")).drop("exported")
    same_id = found.join(unexported, on="id", how="semi", maintain_order="left")
    changed = same_id.join(unexported, on=["id", *_FACTS], how="anti", nulls_equal=True, maintain_order="left")
    samples = pl.concat([new, changed])
    blank = [pl.lit(None, column.dtype.type).alias(name) for name, column in SAMPLES.columns.items() if name not in _NEW]
    return samples.with_columns(blank).select(list(SAMPLES.columns)), new.height
