"""The records of cards: where each is mounted, and which files it holds."""

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
    "stale": pl.Boolean,
}


def files_on(database: Database, card_id: str) -> pl.DataFrame:
    """Return what was put on a card: each ``path`` below IMPORT, its hash and size, and its export and source.

    ``stale``: the export's own file is another by now, or gone.
    """
    if not database.exists:
        return pl.DataFrame(schema=_SCHEMA)
    with database.connect() as connection:
        return frame(connection, "card_files", {"card_id": card_id}, _SCHEMA)


def record_mount(database: Database, card_id: str, root: str) -> None:
    """Record where a card is mounted now."""
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card", {"card_id": card_id})
        run(connection, "add_card", {"card_id": card_id, "root": root, "now": utc_now()})


def record_files(database: Database, export: dict[str, object], files: pl.DataFrame) -> None:
    """Record ``files`` (``path, file_hash, output_bytes``) that are on a card now.

    ``export``: ``card_id, export_id, output_path``.
    """
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card_files", {"card_id": export["card_id"]}, gone=files.select("path"))
        run(connection, "add_card_files", export | {"now": utc_now()}, new_card_files=files)


def forget(database: Database, card_id: str, paths: list[str]) -> None:
    """Remove files from the records of a card."""
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_card_files", {"card_id": card_id}, gone=pl.DataFrame({"path": paths}))
