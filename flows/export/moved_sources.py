"""Find the samples of a manifest that stood elsewhere before, and say in words what moved."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from flows.export.stages import ResolvedRequest
from tasks.fs.hashing import hash_with_times
from tasks.fs.moved_files import find_moved, is_missing
from tasks.fs.stat_table import stat_files
from tasks.store import renames
from tasks.store.renames import FolderState, Renamed


def find_moved_sources(resolved: ResolvedRequest, sources: pl.Series) -> pl.DataFrame:
    """Find which of ``sources`` were exported from another path that is gone now.

    Only new files are read, and of those only the ones that are as long as a recorded file that is gone.

    Args:
        resolved: The request: its records, and the settings in force.
        sources: The absolute paths of the manifest's files, each once.

    Returns:
        ``tasks.store.renames.MOVED``: a row for each file that moved.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    database, settings = resolved.target.database, resolved.settings
    if not database.exists:
        return renames.NOTHING_MOVED
    with database.hold():
        files = stat_files(renames.unknown_sources(database, sources)).filter(
            (pl.col("kind") == stat.S_IFREG) & pl.col("bytes").is_between(1, settings.sound().max_file_bytes)
        )
        if files.is_empty():
            return renames.NOTHING_MOVED
        recorded = renames.recorded_contents(database, sources, files["bytes"].unique())
    gone = recorded.filter(pl.Series([is_missing(path) for path in recorded["path"]], dtype=pl.Boolean))
    alike = files.filter(pl.col("bytes").is_in(gone["bytes"].implode()))["path"].sort()
    with ThreadPoolExecutor(settings.workers) as pool:
        found = [(path, hit[0]) for path, hit in zip(alike, pool.map(hash_with_times, alike), strict=True) if hit]
    moved = find_moved(gone["path"], dict(gone.select("path", "content_hash").iter_rows()), found)
    ids = dict(gone.select("path", "id").iter_rows())
    return pl.DataFrame([(old, new, ids[old]) for old, new in moved.items()], renames.MOVED, orient="row")


def notes_of_moves(found: pl.DataFrame, folder: FolderState) -> Iterator[str]:
    """Say what has another path than in the records (``tasks.store.renames.RENAMES``), and what is done about it."""
    sources = found.filter(kind=Renamed.SOURCE)
    if sources.height:
        old, new = _differing(*sources.select("old", "new").row(0))
        samples = "1 sample" if sources.height == 1 else f"{sources.height:,} samples"
        yield f"{samples} moved (from {old} to {new}): ids, names and history stay"
    for old, new in found.filter(kind=Renamed.MANIFEST).select("old", "new").iter_rows():
        yield f"The manifest {old} is gone, and {new} has its samples: the files that were exported for it are this one's now"
    for (old,) in found.filter(kind=Renamed.FOLDER).select("old").iter_rows():
        yield f"The output folder was {old} before: its files stay"
    if folder.is_of_others:
        yield (
            "The output folder has files of exports that these records know nothing of: they stay, and the names they have are"
            " taken. To go on with them, give the database that knows them: --db FILE"
        )
    if not folder.is_as_left:
        copy_of = found.filter(kind=Renamed.COPY)["old"]
        why = f"is a copy of {copy_of[0]}" if len(copy_of) else "is not as the last export left it: it was restored or replaced"
        yield f"The output folder {why}. All bytes of its files are compared"


def _differing(old: str, new: str) -> tuple[str, str]:
    """Return two paths without the end that both have: the folders that were renamed."""
    before, after = old.split(os.sep), new.split(os.sep)
    while len(before) > 2 and len(after) > 2 and before[-1] == after[-1]:
        before.pop()
        after.pop()
    return os.sep.join(before), os.sep.join(after)
