"""Find what exports made of sources, in whichever output folder: by it a plan foretells files without reading a sound."""

from collections.abc import Sequence

import polars as pl

from tasks.store.database import Database, frame, run

_RESULTS = {
    "source_path": pl.String,
    "source_bytes": pl.Int64,
    "source_mtime_ns": pl.Int64,
    "source_ctime_ns": pl.Int64,
    "content_hash": pl.String,
    "settings_hash": pl.String,
    "format": pl.String,
    "file_hash": pl.String,
    "output_bytes": pl.Int64,
}


def results_of_sources(database: Database, sources: pl.Series, contents: pl.Series) -> pl.DataFrame:
    """Return what exports made of these sources, or of the same content: what stands in any output folder first.

    What no longer stands there has no source.

    Args:
        database: The records.
        sources: Paths.
        contents: Hashes of content.
    """
    if not database.exists:
        return pl.DataFrame(schema=_RESULTS)
    with database.connect() as connection:
        wanted = {"wanted": sources.rename("path").to_frame(), "contents": contents.rename("content_hash").to_frame()}
        return frame(connection, "results_of_sources", {}, _RESULTS, **wanted)


def other_folders(database: Database, manifests: Sequence[str], output_path: str, layouts: Sequence[str]) -> list[str]:
    """Return the output folders that a manifest was exported to, the last one first; none where this one is among them.

    Args:
        database: The records.
        manifests: The manifest's path, and those that it had before.
        output_path: The output folder in force.
        layouts: Only folders with exports in one of these layouts count.
    """
    if not database.exists:
        return []
    with database.connect() as connection:
        parameters = {"output_path": output_path, "layouts": list(layouts)}
        wanted = pl.DataFrame({"path": list(manifests)}, {"path": pl.String})
        found = run(connection, "folders_of_manifests", parameters, wanted=wanted).rows
    if any(folder == output_path for folder, _ in found):
        return []
    return [folder for folder, is_alike in found if is_alike]
