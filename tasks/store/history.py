"""What the records say: exports, their samples, preferences."""

import os
from typing import Any

import polars as pl

from schemas.errors import DatabaseError
from tasks.store.database import connected, frame, run


def exports(
    db: str, wait_seconds: float, *, user_id: int | None, export_id: int | None, most: int | None
) -> list[dict[str, Any]]:
    """Exports, newest first, with their counts by status. Raises DatabaseError when there is no database."""
    parameters = {"user_id": user_id, "export_id": export_id, "most": most}
    return _ask(db, wait_seconds, "history", parameters)


def export_samples(
    db: str,
    wait_seconds: float,
    *,
    user_id: int | None,
    export_id: int | None,
    sample_id: int | None,
    failed_only: bool,
    most: int | None,
) -> list[dict[str, Any]]:
    """What became of samples, newest export first, in the order of the manifest."""
    parameters = {"user_id": user_id, "export_id": export_id, "sample_id": sample_id, "failed_only": failed_only}
    return _ask(db, wait_seconds, "history_samples", parameters | {"most": most})


def trend(db: str, wait_seconds: float, *, user_id: int | None, most: int) -> list[dict[str, Any]]:
    """The newest finished exports, oldest first, each with its counts, bytes and seconds."""
    return _ask(db, wait_seconds, "trend", {"user_id": user_id, "most": most})


def outputs(db: str, wait_seconds: float, export_id: int | None) -> pl.DataFrame:
    """What stands where by the records; ``wanted`` are the files of one export, or all."""
    check_there(db)
    schema = {"output_path": pl.String, "path": pl.String, "output_bytes": pl.Int64, "file_hash": pl.String}
    with connected(db, wait_seconds) as connection:
        parameters = {"export_id": export_id}
        return frame(connection, "standing", parameters, schema | {"metadata_hash": pl.String, "wanted": pl.Boolean})


_SAMPLES = {"id": pl.Int64, "file_path": pl.String, "title": pl.String, "genre": pl.String, "bpm": pl.Float64}
_SAMPLES |= {"musical_key": pl.String, "tags": pl.String}


def known_samples(db: str, wait_seconds: float, ids: list[int], paths: pl.Series) -> pl.DataFrame:
    """What the records say of samples of these ids, or of these files (``_SAMPLES``)."""
    if not os.path.exists(db):
        return pl.DataFrame(schema=_SAMPLES)
    wanted = pl.concat([pl.DataFrame({"id": ids}, {"id": pl.Int64}), paths.alias("file_path").to_frame()], how="diagonal")
    with connected(db, wait_seconds) as connection:
        return frame(connection, "known_samples", {}, _SAMPLES, wanted=wanted)


def kit_pads(db: str, wait_seconds: float, kit: str) -> list[dict[str, Any]]:
    """The pads of a kit and the ``file`` of each, None where none stands."""
    return _ask(db, wait_seconds, "kit_pads", {"kit": kit})


def kit_names(db: str, wait_seconds: float) -> list[str]:
    return [row["name"] for row in _ask(db, wait_seconds, "kits", {})]


def preferences(db: str, wait_seconds: float) -> dict[str, Any]:
    """The ``user_preferences`` row: only what is set, by the settings' names; empty where there is no database."""
    if not os.path.exists(db):
        return {}
    return {
        name: value for row in _ask(db, wait_seconds, "preferences", {}) for name, value in row.items() if value is not None
    }


def _ask(db: str, wait_seconds: float, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    check_there(db)
    with connected(db, wait_seconds) as connection:
        return run(connection, query, parameters).dicts()


def check_there(db: str) -> None:
    """Raise DatabaseError when there is no database."""
    if not os.path.exists(db):
        raise DatabaseError(path=db, error="there is no such file", fix="Run an export first, or name the file with --db.")
