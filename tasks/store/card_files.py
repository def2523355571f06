"""The records of cards: where each is mounted, the last run that wrote to it, and which files it holds."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tasks.store.database import Database, frame, run, transaction
from tasks.store.timestamps import utc_now

_SCHEMA = {
    "path": pl.String,
    "file_hash": pl.String,
    "output_bytes": pl.Int64,
    "export_id": pl.Int64,
    "output_path": pl.String,
    "manifest_path": pl.String,
    "source_path": pl.String,
    "settings_hash": pl.String,
    "organized_by": pl.String,
    "format": pl.String,
    "stale": pl.Boolean,
}


def was_card_at(database: Database, root: str) -> bool:
    """Return whether a card was mounted at ``root`` when an export wrote to it."""
    with database.connect() as connection:
        return bool(run(connection, "card_at", {"root": root}).dicts())


def files_on(database: Database, card_id: str) -> pl.DataFrame:
    """Return what was put on a card: each ``path`` below IMPORT, its hash and size, its export, source and layout.

    ``stale``: the export's own file is another by now, or gone.
    """
    if not database.exists:
        return pl.DataFrame(schema=_SCHEMA)
    with database.connect() as connection:
        return frame(connection, "card_files", {"card_id": card_id}, _SCHEMA)


def samples_on(database: Database, card_id: str) -> pl.DataFrame:
    """Return, for each ``path`` on a card, ``sample_id`` and ``title`` of its sample, null where it is not in the records.

    ``is_gone``: its output folder has no file of this name any more.
    """
    schema = {"path": pl.String, "sample_id": pl.Int64, "title": pl.String, "is_gone": pl.Boolean}
    if not database.exists:
        return pl.DataFrame(schema=schema)
    with database.connect() as connection:
        return frame(connection, "card_samples", {"card_id": card_id}, schema)


def last_run(database: Database, card_id: str) -> int:
    """Return the number of the last run that is known to have written to a card; 0 if none is known."""
    if not database.exists:
        return 0
    with database.connect() as connection:
        rows = run(connection, "card_run", {"card_id": card_id}).rows
    return rows[0][0] or 0 if rows else 0


def layouts_behind(database: Database, card_id: str) -> list[dict[str, Any]]:
    """Return the layouts on a card that are of before the newest export of their manifest (``layouts_behind.sql``).

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    if not database.exists:
        return []
    with database.connect() as connection:
        return run(connection, "layouts_behind", {"card_id": card_id}).dicts()


def currency(database: Database, card_id: str, manifest: str | None) -> list[dict[str, Any]]:
    """Return what a card lacks of what stands in the output folders, by manifest, layout and format (``card_currency.sql``).

    ``manifest``: Of this one alone; None: of all that the card has files of.
    """
    if not database.exists:
        return []
    with database.connect() as connection:
        return run(connection, "card_currency", {"card_id": card_id, "manifest_path": manifest}).dicts()


def last_card_of(database: Database, manifest: str) -> tuple[str, str] | None:
    """Return id and root of the card that was written last of those with files of a manifest; None where there is none."""
    if not database.exists:
        return None
    with database.connect() as connection:
        rows = run(connection, "last_card_of", {"manifest_path": manifest}).rows
    return (rows[0][0], rows[0][1]) if rows else None


def record_card(database: Database, card_id: str, root: str, last_run: int) -> None:
    """Record where a card is mounted now, and the last run that is known to have written to it."""
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card", {"card_id": card_id})
        run(connection, "add_card", {"card_id": card_id, "root": root, "now": utc_now(), "run": last_run})


def record_files(database: Database, export: dict[str, object], files: pl.DataFrame, vacated: Sequence[str]) -> None:
    """Record ``files`` (``path, file_hash, output_bytes``) that are on a card now; those at the ``vacated`` paths are not.

    ``export``: ``card_id, export_id, output_path``.
    """
    gone = pl.concat([files["path"], pl.Series(vacated, dtype=pl.String)]).alias("path").to_frame()
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card_files", {"card_id": export["card_id"]}, gone=gone)
        run(connection, "add_card_files", export | {"now": utc_now()}, new_card_files=files)


def correct(database: Database, card_id: str, wrong: Sequence[str], adopted: pl.DataFrame) -> None:
    """Forget the files at the ``wrong`` paths of a card, and record ``adopted`` (as of ``written_to``) in their place."""
    gone = pl.concat([pl.Series(wrong, dtype=pl.String), adopted["path"]]).alias("path").to_frame()
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card_files", {"card_id": card_id}, gone=gone)
        run(connection, "adopt_card_files", {"card_id": card_id, "now": utc_now()}, adopted=adopted)


def forget(database: Database, card_id: str, paths: Sequence[str]) -> None:
    """Remove files from the records of a card."""
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card_files", {"card_id": card_id}, gone=pl.DataFrame({"path": list(paths)}))


def written_to(database: Database, output_path: str, paths: Sequence[str]) -> pl.DataFrame:
    """Return every file that an export ever wrote to one of ``paths`` below an output folder, by its bytes.

    Returns:
        A frame as ``files_on`` gives it: a row for each path and hash; if several exports wrote it, that of the last one to
        ``output_path``.
    """
    if not database.exists:
        return pl.DataFrame(schema=_SCHEMA)
    wanted = pl.DataFrame({"path": paths}, {"path": pl.String})
    with database.connect() as connection:
        return frame(connection, "written_files", {"output_path": output_path}, _SCHEMA, wanted=wanted)
