"""Follow what was moved: a source, a manifest or an output folder that has another path now is still the same one."""

import os
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from schemas.errors import write_failure
from tasks.fs.place_mark import MARK_FILE, PlaceMark, read_mark, read_mark_strictly
from tasks.store.database import Connection, Database, frame, run, transaction
from tasks.store.run_folder import runs_folder

RENAMES = {"kind": pl.String, "old": pl.String, "new": pl.String}
CONTENTS = {"path": pl.String, "bytes": pl.Int64, "content_hash": pl.String, "id": pl.Int64}
# Sources that stand elsewhere now, and the sample id that each keeps.
MOVED = {"old": pl.String, "new": pl.String, "id": pl.Int64}
NOTHING_MOVED = pl.DataFrame(schema=MOVED)
_PATHS = {"path": pl.String}


class Renamed(StrEnum):
    """The kinds of things that are renamed. COPY: an output folder of which there are two now."""

    SOURCE = "source"
    MANIFEST = "manifest"
    FOLDER = "folder"
    COPY = "copy"


_QUERIES = {
    Renamed.SOURCE: ("rename_sources_of_outputs", "rename_sources_of_card_files", "rename_sources_of_samples"),
    Renamed.MANIFEST: ("rename_manifests_of_outputs", "rename_manifests_of_card_files", "rename_manifests_of_sp404_exports"),
    Renamed.FOLDER: (
        "rename_folders_of_outputs",
        "rename_folders_of_card_files",
        "rename_folders_of_sp404_exports",
        "rename_folders_of_output_folders",
    ),
}


@dataclass(frozen=True)
class FolderState:
    """The state of an output folder by its mark.

    Attributes:
        mark: The folder's own mark, before this export; None where it has none yet, or that of the folder it was copied from.
        is_as_left: Nothing else wrote there since the last export, as far as the mark tells.
        is_of_others: Exports wrote there, and these records know of none.
    """

    mark: PlaceMark | None
    is_as_left: bool
    is_of_others: bool = False


def unknown_sources(database: Database, sources: pl.Series) -> pl.Series:
    """Return those of ``sources`` (absolute paths) that no export has written a file of."""
    with database.connect() as connection:
        return frame(connection, "unknown_sources", {}, _PATHS, wanted=sources.rename("path").to_frame())["path"]


def recorded_contents(database: Database, sources: pl.Series, sizes: pl.Series) -> pl.DataFrame:
    """Return what the records know of other sources than ``sources``, of these sizes in bytes (``CONTENTS``)."""
    with database.connect() as connection:
        wanted, of_size = sources.rename("path").to_frame(), sizes.rename("bytes").to_frame()
        return frame(connection, "recorded_contents", {}, CONTENTS, wanted=wanted, sizes=of_size)


def follow(connection: Connection, renames: pl.DataFrame) -> None:
    """Put ``renames`` (``RENAMES``) into the records, within a transaction."""
    for (kind,), of_kind in renames.group_by("kind", maintain_order=True):
        if kind in (Renamed.FOLDER, Renamed.COPY):
            _forget(connection, of_kind.select(path="new"))  # what stood there before is no longer there
        if kind == Renamed.COPY:
            for old, new in of_kind.select("old", "new").iter_rows():
                run(connection, "copy_outputs", {"old": old, "new": new})
        else:
            for query in _QUERIES[Renamed(str(kind))]:
                run(connection, query, renames=of_kind)


def find_folder(connection: Connection, output: str) -> tuple[pl.DataFrame, FolderState]:
    """Find out by its mark where an output folder was before (``RENAMES``), and whether it is as it was left there.

    Raises:
        DiskError, DiskFullError, OutputNotWritableError, WriteError: The mark cannot be read: to go on would be to begin anew.
    """
    try:
        mark = read_mark_strictly(output)
    except OSError as error:
        raise write_failure(os.path.join(output, MARK_FILE), error) from error
    by_id = run(connection, "output_folder", {"id": mark.id, "path": None}).rows if mark else []
    if not mark or not by_id:
        # An export before this one may have known the folder by its path alone.
        is_other = bool(run(connection, "output_folder", {"id": None, "path": output}).rows)
        return pl.DataFrame(schema=RENAMES), FolderState(mark, not is_other, bool(mark) and not is_other)
    ((_, old, last_run),) = by_id
    if old == output:
        return pl.DataFrame(schema=RENAMES), FolderState(mark, mark.run == last_run)
    there = read_mark(old)
    if there and there.id == mark.id:
        return _rename(Renamed.COPY, old, output), FolderState(None, False)
    return _rename(Renamed.FOLDER, old, output), FolderState(mark, mark.run == last_run)


def find_manifests(connection: Connection, database: Database, manifest: str, sources: pl.Series) -> pl.DataFrame:
    """Find the manifests that are gone and whose samples are those of ``manifest`` now (``RENAMES``).

    So they are where at least half of those are that its last export had.
    """
    others = run(connection, "other_manifests", {"manifest_path": manifest}, wanted=sources.rename("path").to_frame()).rows
    own_requests = os.path.join(runs_folder(database), "")  # of the REST API: each is removed when it is done
    renamed = [
        _rename(Renamed.MANIFEST, other, manifest)
        for other, samples, shared in others
        if shared * 2 >= samples and not other.startswith(own_requests) and not os.path.lexists(other)
    ]
    return pl.concat([pl.DataFrame(schema=RENAMES), *renamed])


def relocate(database: Database, old: str, new: str) -> dict[str, int]:
    """Record that everything at ``old`` or below it is at ``new`` now: sources, manifests and output folders.

    An output folder that an export has written to under its new path is left as it is there.

    Returns:
        How many of each kind (``source``, ``manifest``, ``folder``) have a new path.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be changed.
    """
    with database.connect() as connection, transaction(connection):
        paths = frame(connection, "recorded_paths", {"root": old}, {"kind": pl.String, **_PATHS})
        found = paths.select("kind", old="path", new=pl.lit(new) + pl.col("path").str.slice(pl.lit(old).str.len_chars()))
        there = frame(connection, "recorded_paths", {"root": new}, {"kind": pl.String, **_PATHS})
        known = found.join(there.filter(kind=Renamed.FOLDER), left_on=["kind", "new"], right_on=["kind", "path"], how="semi")
        _forget(connection, known.select(path="old"))
        found = found.join(known, on=["kind", "old"], how="anti", maintain_order="left")
        follow(connection, found)
        run(connection, "keep_given_ids", renames=found.filter(kind=Renamed.SOURCE))
    return dict(found["kind"].value_counts().iter_rows())


def forget(database: Database, folder: str) -> int:
    """Take an output folder, and those below it, out of the records; return how many files these knew there.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be changed.
    """
    with database.connect() as connection, transaction(connection):
        paths = frame(connection, "recorded_paths", {"root": folder}, {"kind": pl.String, **_PATHS})
        folders = paths.filter(kind=Renamed.FOLDER).select("path")
        files = run(connection, "count_outputs", folders=folders).one()
        _forget(connection, folders)
    return files


def put_folder(connection: Connection, output: str, mark: PlaceMark) -> None:
    """Record where the folder with this mark is, and the number that an export writes into it."""
    run(connection, "forget_output_folders", {"id": mark.id, "path": output})
    run(connection, "add_output_folder", {"id": mark.id, "path": output, "run": mark.run})


def _forget(connection: Connection, folders: pl.DataFrame) -> None:
    run(connection, "forget_folders", folders=folders)
    run(connection, "forget_marks", folders=folders)


def _rename(kind: Renamed, old: str, new: str) -> pl.DataFrame:
    return pl.DataFrame([(str(kind), old, new)], RENAMES, orient="row")
