"""Queries of the records: exports, their samples, preferences."""

import json
from typing import Any

import polars as pl

from schemas.spellings import fold_kits
from tasks.store.database import Database, frame, run


def exports(
    database: Database, *, user_id: int | None, export_id: int | None, most: int | None, library: str | None = None
) -> list[dict[str, Any]]:
    """Return exports, newest first, with their counts by status. Raises DatabaseError when there is no database.

    ``library`` is a part of the manifest's path, in any case.
    """
    parameters = {"user_id": user_id, "export_id": export_id, "most": most, "library": library}
    return _ask(database, "history", parameters)


def export_samples(
    database: Database,
    *,
    user_id: int | None,
    export_id: int | None,
    sample_id: int | None,
    failed_only: bool,
    most: int | None,
    **which: str | None,
) -> list[dict[str, Any]]:
    """Return what became of samples, newest export first, in the order of the manifest.

    ``which`` selects by ``status`` and ``reason``, and by parts of ``warning``, ``file`` and ``library``, in any case. With
    ``failed_only``, ``exported_since`` is the last export of the same manifest that had the file, if that was later.
    """
    parameters = {"user_id": user_id, "export_id": export_id, "sample_id": sample_id, "failed_only": failed_only}
    parameters |= dict.fromkeys(("status", "reason", "warning", "file", "library")) | which
    return _ask(database, "history_samples", parameters | {"most": most})


def failures_before(database: Database, export_id: int, compared: list[int]) -> list[dict[str, Any]]:
    """Return the files (``source_path``) that the runs ``compared``, the newest first, did not export.

    Of what a run did not reach the next of them counts. ``mended``: the export ``export_id`` has the file.
    """
    ages = pl.DataFrame({"export_id": compared, "age": range(len(compared))}, {"export_id": pl.Int64, "age": pl.Int64})
    database.require()
    with database.connect() as connection:
        return run(connection, "failures_before", {"export_id": export_id}, compared=ages).dicts()


def trend(database: Database, *, user_id: int | None, most: int, library: str | None = None) -> list[dict[str, Any]]:
    """Return the newest finished exports, oldest first, each with its counts, bytes and seconds."""
    return _ask(database, "trend", {"user_id": user_id, "most": most, "library": library})


def outputs(database: Database, export_id: int | None) -> pl.DataFrame:
    """Return the files that the records know; ``wanted`` are the files of one export, or all."""
    database.require()
    with database.connect() as connection:
        return frame(connection, "standing", {"export_id": export_id}, _STANDING)


def newest_folder(database: Database, sample_ids: pl.Series) -> str | None:
    """Return the output folder that the newest export of any of these samples wrote to; None where none was exported."""
    found = _frame(database, "newest_folder", {}, {"output_path": pl.String}, wanted=sample_ids.alias("id").to_frame())
    return found["output_path"][0] if len(found) else None


def newest_export_of(database: Database, manifest: str, before: int | None = None) -> dict[str, Any] | None:
    """Return ``id`` and ``created_at`` of the newest export of a manifest, or of the newest before that one; None: none is."""
    found = _ask(database, "newest_export_of", {"manifest_path": manifest, "before": before})
    return found[0] if found else None


def last_whole_export(database: Database, manifest: str, organized_by: str | None = None) -> dict[str, Any] | None:
    """Return the newest finished export of a whole manifest, in any layout or in that one; None where none is known.

    Returns:
        ``export_id``, its ``settings`` by their names, and how many rows it did ``not_exported``.
    """
    if not database.exists:
        return None
    found = _ask(database, "last_whole_export", {"manifest_path": manifest, "organized_by": organized_by})
    return found[0] | {"settings": json.loads(found[0]["settings"])} if found else None


def kept_files(database: Database, manifest: str, sources: list[str]) -> list[tuple[str, str]]:
    """Return the source and the path of each file that exports of a manifest made of these sources, if it is recorded still."""
    wanted = pl.DataFrame({"source": sources}, {"source": pl.String})
    schema = {"source": pl.String, "path": pl.String}
    return _frame(database, "kept_files", {"manifest_path": manifest}, schema, wanted=wanted).rows()


def last_failures(database: Database) -> pl.DataFrame:
    """Return the sources whose last export failed by the file itself (``_FAILURES``); ``ended_s``: seconds since 1970."""
    return _frame(database, "last_failures", {}, _FAILURES)


def short_sources(database: Database, minimum_ms: int) -> pl.DataFrame:
    """Return the sources that are known to be shorter than so many milliseconds (``_SHORT``), as the files that they were."""
    return _frame(database, "short_sources", {"minimum_ms": minimum_ms}, _SHORT)


_FAILURES = dict.fromkeys(("source", "reason", "error", "fix"), pl.String) | {"ended_s": pl.Float64}
_SHORT = {"source": pl.String, "milliseconds": pl.Int64, "bytes": pl.Int64, "mtime_ns": pl.Int64}


_STANDING = {
    "output_path": pl.String,
    "path": pl.String,
    "output_bytes": pl.Int64,
    "file_hash": pl.String,
    "metadata_hash": pl.String,
    "manifest_path": pl.String,
    "export_id": pl.Int64,
    "wanted": pl.Boolean,
    "options": pl.String,
}
_SAMPLES = {"id": pl.Int64, "file_path": pl.String, "title": pl.String, "genre": pl.String, "bpm": pl.Float64}
_SAMPLES |= {"musical_key": pl.String, "tags": pl.String}


def known_samples(database: Database, ids: list[int], paths: pl.Series) -> pl.DataFrame:
    """Return what the records say of samples of these ids, or of these files (``_SAMPLES``)."""
    wanted = pl.concat([pl.DataFrame({"id": ids}, {"id": pl.Int64}), paths.alias("file_path").to_frame()], how="diagonal")
    return _frame(database, "known_samples", {}, _SAMPLES, wanted=wanted)


_SOUNDS = {"id": pl.Int64, "content_hash": pl.String, "peak": pl.Float64}


def known_sounds(database: Database, ids: list[int], recipe: str) -> pl.DataFrame:
    """Return what the records know of the sound of samples (``_SOUNDS``); ``peak``: by exports with this recipe alone."""
    if not ids:
        return pl.DataFrame(schema=_SOUNDS)
    return _frame(database, "kit_sounds", {"recipe": recipe}, _SOUNDS, wanted=pl.DataFrame({"id": ids}, {"id": pl.Int64}))


def kit_results(database: Database, kit: str) -> pl.DataFrame:
    """Return what became of the pads of a kit in the last export that each was in (``_RESULTS``)."""
    return _frame(database, "kit_results", {"kit": kit}, _RESULTS)


_RESULTS = {"bank": pl.String, "pad": pl.Int64, "sample_id": pl.Int64, "success": pl.Boolean, "error": pl.String}


def kit_manifest(database: Database, kit: str) -> str | None:
    """Return the manifest that a kit of this spelling was exported from last."""
    rows = _ask(database, "kit_manifest", {"kit": kit}) if database.exists else []
    return rows[0]["manifest_path"] if rows else None


def kit_pads(database: Database, kit: str) -> list[dict[str, Any]]:
    """Return the pads of a kit, in whatever spelling, and the ``file`` of each, None where none stands."""
    names = pl.Series(kit_names(database), dtype=pl.String)
    same = names.filter(fold_kits(names) == fold_kits(pl.Series([kit]))[0])
    pads = (_ask(database, "kit_pads", {"kit": name}) for name in sorted(same, key=lambda name: name != kit))
    return next(filter(None, pads), [])


def kit_names(database: Database) -> list[str]:
    """Return the names of all kits."""
    return [row["name"] for row in _ask(database, "kits", {})]


def last_cards(database: Database) -> list[dict[str, Any]]:
    """Return the card that was written last, in a list: ``card_id``, ``root``, ``seen_at``, ``export_id`` and ``files``."""
    return _ask(database, "last_cards", {})


def preferences(database: Database) -> dict[str, Any]:
    """Return the ``user_preferences`` row: only what is set, by the settings' names; empty where there is no database."""
    if not database.exists:
        return {}
    return {name: value for row in _ask(database, "preferences", {}) for name, value in row.items() if value is not None}


def preferences_at(path: str, wait_seconds: float) -> dict[str, Any]:
    """Return ``preferences`` of the database at ``path``: for ``config.settings.load``, which knows no ``Database``."""
    return preferences(Database(path, wait_seconds))


def _frame(
    database: Database, query: str, parameters: dict[str, Any], schema: dict[str, Any], **frames: pl.DataFrame
) -> pl.DataFrame:
    """Return what ``database.frame`` returns; no rows where there are no records yet."""
    if not database.exists:
        return pl.DataFrame(schema=schema)
    with database.connect() as connection:
        return frame(connection, query, parameters, schema, **frames)


def _ask(database: Database, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    database.require()
    with database.connect() as connection:
        return run(connection, query, parameters).dicts()
