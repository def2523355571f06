"""One export's way through the database: ids before it starts, its records when it is done."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from schemas.errors import AccountingError, RequestError
from schemas.records import EXPORT_SAMPLES, SAMPLES
from tasks.store.database import Connection, connected, run, transaction

_HIGHEST_ID = 2**63 - 1
_HELD_SCHEMA = {"path": pl.String, "sample_id": pl.Int64, "source": pl.String, "same_manifest": pl.Boolean}


@dataclass(frozen=True)
class Place:
    """Which database, for which manifest and output folder; absolute paths."""

    db: str
    manifest: str
    output: str
    wait_seconds: float


@dataclass(frozen=True)
class Known:
    """``rows`` with ``sample_id`` and ``kit_id``; ``held``: who wrote which path; ``export_id``: None in a dry run."""

    rows: pl.DataFrame
    held: pl.DataFrame
    export_id: int | None


@dataclass(frozen=True)
class Records:
    """Frames for one export: ``samples`` and ``export_samples`` by ``schemas.records``, ``kits``, ``rejects``."""

    samples: pl.DataFrame
    export_samples: pl.DataFrame
    kit_samples: pl.DataFrame
    rejects: pl.DataFrame


def begin(place: Place, rows: pl.DataFrame) -> Known:
    """Give ids to samples and kits that have none, keep them, and take the next export id: one transaction."""
    with connected(place.db, place.wait_seconds) as connection, transaction(connection):
        identified, new_ids, new_kits = _identified(connection, rows)
        if new_ids.height:
            run(connection, "forget_given_ids", new_given_ids=new_ids)
            run(connection, "add_given_ids", new_given_ids=new_ids)
        if new_kits.height:
            run(connection, "add_kits", {"now": _now()}, new_kits=new_kits)
        export_id = run(connection, "next_export_id").one()
        return Known(identified, _held(connection, place), export_id)


def look(place: Place, rows: pl.DataFrame) -> Known:
    """The same without writing: ids and paths as the next export would have them."""
    if not os.path.exists(place.db):
        return Known(*_with_ids(rows, {}, {}, 0)[:1], pl.DataFrame(schema=_HELD_SCHEMA), None)
    with connected(place.db, place.wait_seconds) as connection:
        identified, _, _ = _identified(connection, rows)
        return Known(identified, _held(connection, place), None)


def record(place: Place, export: dict[str, Any], records: Records, rows: int) -> None:
    """Write an export's records in one transaction.

    ``export`` has the columns of ``sp404_exports``. Raises AccountingError when the rows that arrive in the table are
    not as many as ``rows``, those that went into the export.
    """
    EXPORT_SAMPLES.validate(records.export_samples)
    SAMPLES.validate(records.samples)
    with connected(place.db, place.wait_seconds) as connection:
        with transaction(connection):
            run(connection, "add_user", {"id": export["user_id"]})
            run(connection, "put_samples", {"now": _now()}, new_samples=records.samples)
            if records.kit_samples.height:
                run(connection, "clear_kit_samples", new_kit_samples=records.kit_samples)
                run(connection, "add_kit_samples", new_kit_samples=records.kit_samples)
            run(connection, "add_export", export | {"created_at": _now()})
            run(connection, "add_export_samples", {"export_id": export["id"]}, new_export_samples=records.export_samples)
            run(connection, "add_rejects", {"export_id": export["id"]}, new_rejects=records.rejects)
            _check_count(connection, export["id"], rows)
        _check_count(connection, export["id"], rows)


def _check_count(connection: Connection, export_id: int, rows: int) -> None:
    counted = run(connection, "count_export_samples", {"export_id": export_id}).one()
    if counted != rows:
        raise AccountingError(rows=rows, counted=counted)


def _identified(connection: Connection, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    given = dict(run(connection, "given_ids").rows) if rows["sample_id"].null_count() else {}
    kits = dict(run(connection, "kits").rows)
    return _with_ids(rows, given, kits, run(connection, "highest_id").one())


def _with_ids(
    rows: pl.DataFrame, given: dict[str, int], kits: dict[str, int], highest: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """``rows`` (``source``, ``sample_id``, ``kit``) with all ids, and the ids that are new, in the order of lines."""
    named = rows.filter(pl.col("sample_id").is_null())["source"].unique(maintain_order=True)
    own = rows["sample_id"].max()
    # An id that the manifest now writes beside another file is that file's; the one it was given to gets a new one.
    written = set(rows["sample_id"].drop_nulls())
    given = {path: given_id for path, given_id in given.items() if given_id not in written}
    start = max(highest, own if isinstance(own, int) else 0) + 1
    new_paths = named.filter(~named.is_in(list(given)))
    if start + len(new_paths) > _HIGHEST_ID:
        raise RequestError(what=f"No sample_id is left above {start - 1}", fix="Give smaller ids in the manifest.")
    new_ids = pl.DataFrame({"file_path": new_paths, "id": np.arange(start, start + len(new_paths))})
    all_ids = pl.DataFrame({"file_path": list(given), "id": list(given.values())}, schema=new_ids.schema).vstack(new_ids)
    kit_names = rows["kit"].drop_nulls().unique(maintain_order=True)
    new_names = kit_names.filter(~kit_names.is_in(list(kits)))
    kit_start = max(kits.values(), default=0) + 1
    new_kits = pl.DataFrame({"name": new_names, "id": np.arange(kit_start, kit_start + len(new_names))})
    all_kits = pl.DataFrame({"name": list(kits), "id": list(kits.values())}, schema=new_kits.schema).vstack(new_kits)
    identified = rows.with_columns(
        sample_id=pl.col("sample_id").fill_null(_looked_up("source", all_ids["file_path"], all_ids["id"])),
        kit_id=_looked_up("kit", all_kits["name"], all_kits["id"]),
    )
    return identified, new_ids, new_kits


def _looked_up(column: str, keys: pl.Series, values: pl.Series) -> pl.Expr:
    return pl.col(column).replace_strict(keys, values, default=None, return_dtype=pl.Int64)


def _held(connection: Connection, place: Place) -> pl.DataFrame:
    parameters = {"manifest_path": place.manifest, "output_path": place.output}
    return pl.DataFrame(run(connection, "held_paths", parameters).rows, _HELD_SCHEMA, orient="row")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
