"""The results of earlier scans, and the cells that they wrote into manifests."""

import polars as pl

from schemas.scan_values import CELLS, FILES
from tasks.store.database import Database, frame, run, transaction

_NUMBERS = ("bytes", "mtime_ns", "ctime_ns")
FILES_SCHEMA = {name: pl.Int64 if name in _NUMBERS else pl.String for name in FILES}
ROWS_SCHEMA = dict.fromkeys(("path", "signature", *CELLS), pl.String)


def known(database: Database, manifest_path: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what is known of files (``FILES_SCHEMA``), and what was written into the manifest last (``ROWS_SCHEMA``)."""
    if not database.exists:
        return pl.DataFrame(schema=FILES_SCHEMA), pl.DataFrame(schema=ROWS_SCHEMA)
    with database.connect() as connection:
        files = frame(connection, "scanned_files", {}, FILES_SCHEMA)
        return files, frame(connection, "scanned_rows", {"manifest_path": manifest_path}, ROWS_SCHEMA)


def put_files(database: Database, files: pl.DataFrame) -> None:
    """Keep ``files`` (``FILES_SCHEMA``), in the place of what was known of their paths."""
    if files.is_empty():
        return
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_scanned_files", gone=files.select("path"))
        run(connection, "add_scanned_files", new_scanned_files=files)


def put_rows(database: Database, manifest_path: str, rows: pl.DataFrame, gone: pl.Series) -> None:
    """``rows`` (``ROWS_SCHEMA``) are all that is written into the manifest; the files ``gone`` are forgotten."""
    with database.connect() as connection, transaction(connection):
        run(connection, "forget_scanned_rows", {"manifest_path": manifest_path})
        run(connection, "add_scanned_rows", {"manifest_path": manifest_path}, new_scanned_rows=rows)
        if len(gone):
            run(connection, "forget_scanned_files", gone=gone.rename("path").to_frame())


def add_roots(database: Database, manifest_path: str, roots: list[str]) -> None:
    """Record that these folders were scanned for the manifest."""
    with database.connect() as connection, transaction(connection):
        new = pl.DataFrame({"root": roots}, {"root": pl.String})
        run(connection, "add_scanned_roots", {"manifest_path": manifest_path}, new_scanned_roots=new)


def roots_around(database: Database, folder: str) -> list[str]:
    """Return the scanned folders that ``folder`` lies in."""
    if not database.exists:
        return []
    with database.connect() as connection:
        return [root for (root,) in run(connection, "scanned_roots_around", {"folder": folder}).rows]


def roots_of(database: Database, manifest_path: str) -> list[str]:
    """Return the folders that were scanned for the manifest; none where no scan made it."""
    if not database.exists:
        return []
    with database.connect() as connection:
        return [root for (root,) in run(connection, "scanned_roots_of", {"manifest_path": manifest_path}).rows]


def lengths_of(database: Database, sources: pl.Series) -> pl.DataFrame:
    """Return what scans read of the files ``sources``: ``path, bytes, seconds, channels``; null if unknown."""
    schema = {"path": pl.String, "bytes": pl.Int64, "header": pl.String}
    read = pl.DataFrame(schema=schema)
    if database.exists:
        with database.connect() as connection:
            read = frame(connection, "scanned_lengths", {}, schema, wanted=sources.rename("path").to_frame())
    said = {"seconds": pl.Float64, "channels": pl.Int64}
    facts = {name: pl.col("header").str.json_path_match(f"$.{name}").cast(dtype) for name, dtype in said.items()}
    return read.select("path", "bytes", **facts)


def was_heard(database: Database, manifest_path: str) -> bool:
    """Return whether a scan has listened to any sample of the manifest (``--analyze``)."""
    if not database.exists:
        return False
    with database.connect() as connection:
        return bool(run(connection, "scanned_by_ear", {"manifest_path": manifest_path}).rows[0][0])
