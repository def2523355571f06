"""Queries of the records: exports, their samples, preferences."""

from typing import Any

import polars as pl

from schemas.spellings import fold_kits
from tasks.store.database import Database, frame, run


def exports(database: Database, *, user_id: int | None, export_id: int | None, most: int | None) -> list[dict[str, Any]]:
    """Return exports, newest first, with their counts by status. Raises DatabaseError when there is no database."""
    parameters = {"user_id": user_id, "export_id": export_id, "most": most}
    return _ask(database, "history", parameters)


def export_samples(
    database: Database,
    *,
    user_id: int | None,
    export_id: int | None,
    sample_id: int | None,
    failed_only: bool,
    most: int | None,
) -> list[dict[str, Any]]:
    """Return what became of samples, newest export first, in the order of the manifest."""
    parameters = {"user_id": user_id, "export_id": export_id, "sample_id": sample_id, "failed_only": failed_only}
    return _ask(database, "history_samples", parameters | {"most": most})


def trend(database: Database, *, user_id: int | None, most: int) -> list[dict[str, Any]]:
    """Return the newest finished exports, oldest first, each with its counts, bytes and seconds."""
    return _ask(database, "trend", {"user_id": user_id, "most": most})


def outputs(database: Database, export_id: int | None) -> pl.DataFrame:
    """Return the files that the records know; ``wanted`` are the files of one export, or all."""
    database.require()
    with database.connect() as connection:
        return frame(connection, "standing", {"export_id": export_id}, _STANDING)


_STANDING = {
    "output_path": pl.String,
    "path": pl.String,
    "output_bytes": pl.Int64,
    "file_hash": pl.String,
    "metadata_hash": pl.String,
    "manifest_path": pl.String,
    "wanted": pl.Boolean,
}
_SAMPLES = {"id": pl.Int64, "file_path": pl.String, "title": pl.String, "genre": pl.String, "bpm": pl.Float64}
_SAMPLES |= {"musical_key": pl.String, "tags": pl.String}


def known_samples(database: Database, ids: list[int], paths: pl.Series) -> pl.DataFrame:
    """Return what the records say of samples of these ids, or of these files (``_SAMPLES``)."""
    if not database.exists:
        return pl.DataFrame(schema=_SAMPLES)
    wanted = pl.concat([pl.DataFrame({"id": ids}, {"id": pl.Int64}), paths.alias("file_path").to_frame()], how="diagonal")
    with database.connect() as connection:
        return frame(connection, "known_samples", {}, _SAMPLES, wanted=wanted)


def kit_pads(database: Database, kit: str) -> list[dict[str, Any]]:
    """Return the pads of a kit, in whatever spelling, and the ``file`` of each, None where none stands."""
    names = pl.Series(kit_names(database), dtype=pl.String)
    same = names.filter(fold_kits(names) == fold_kits(pl.Series([kit]))[0])
    pads = (_ask(database, "kit_pads", {"kit": name}) for name in sorted(same, key=lambda name: name != kit))
    return next(filter(None, pads), [])


def kit_names(database: Database) -> list[str]:
    """Return the names of all kits."""
    return [row["name"] for row in _ask(database, "kits", {})]


def preferences(database: Database) -> dict[str, Any]:
    """Return the ``user_preferences`` row: only what is set, by the settings' names; empty where there is no database."""
    if not database.exists:
        return {}
    return {name: value for row in _ask(database, "preferences", {}) for name, value in row.items() if value is not None}


def preferences_at(path: str, wait_seconds: float) -> dict[str, Any]:
    """Return ``preferences`` of the database at ``path``: for ``config.settings.load``, which knows no ``Database``."""
    return preferences(Database(path, wait_seconds))


def _ask(database: Database, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    database.require()
    with database.connect() as connection:
        return run(connection, query, parameters).dicts()
