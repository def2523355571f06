"""Files of a shard that are about to get their final names: of a run that is killed just then, none is unknown."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from schemas.conversion import Outcome
from schemas.errors import DamagedPartError
from tasks.bundle.metadata_file import metadata_path
from tasks.fs.atomic import remove, remove_empty_folders
from tasks.fs.hashing import is_unmodified
from tasks.fs.place_mark import read_mark
from tasks.store import run_folder
from tasks.store.checkpoints import checkpoint_paths, read_checkpoint, write_checkpoint
from tasks.store.database import Database
from tasks.store.outcome_table import frame_of

_NAME = "staged"


def note_staged(outcomes: list[tuple[str, Outcome]], folder: Path, start: int) -> Path:
    """Write down what the shard that begins at ``start`` is about to name, in its pass's folder. Raises WorkingFolderError."""
    return write_checkpoint(frame_of(outcomes), folder, f"{_NAME}-{start:07d}")


def write_part(outcomes: pl.DataFrame, folder: Path, start: int) -> Path:
    """Write the result part of the shard that begins at ``start``, for the records. Raises WorkingFolderError."""
    return write_checkpoint(outcomes, folder, _part_name(start))


def _part_name(start: int) -> str:
    return f"part-{start:07d}"


def forget_staged(folder: Path, start: int) -> None:
    """Remove what ``note_staged`` wrote for a shard: its part says the same."""
    for path in checkpoint_paths(folder, f"{_NAME}-{start:07d}"):
        remove(str(path))


def recover_staged(database: Database, output: str) -> None:
    """Make, for killed runs, the parts that their last shards did not come to write: of the files that have their names.

    Those of a folder that is not there now, by its mark, are left for later.

    Args:
        database: The records; ``tasks.store.export_records.begin`` puts the parts into them.
        output: The output folder of the next export. A killed run's folder may have become this one by a rename.

    Raises:
        WorkingFolderError: A part cannot be written.
    """
    for export_id in run_folder.export_ids(database):
        noted = noted_files(database, export_id)
        try:
            spec = run_folder.read_spec(database, export_id) if noted else None
            if spec is None or run_folder.read_ending(database, export_id):
                continue
            if folder := _folder_now(spec[0], output):
                for path in noted:
                    _make_part(path, folder)
        except DamagedPartError:
            continue  # of which the records warn


def unrecorded_files(database: Database) -> pl.DataFrame:
    """Return what killed runs may have written that no record knows: ``path``, ``file_hash`` and ``metadata_hash``."""
    names = ("path", "file_hash", "metadata_hash")
    found = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))]
    for export_id in run_folder.export_ids(database):
        for path in noted_files(database, export_id):
            with suppress(DamagedPartError):  # or gone meanwhile
                found.append(read_checkpoint(path).select(names))
    return pl.concat(found)


def noted_files(database: Database, export_id: int) -> list[Path]:
    """Return what ``note_staged`` wrote for the shards of an export that did not come to write their parts."""
    return run_folder.checkpoints_of(database, export_id, _NAME)


def _folder_now(export: dict[str, Any], output: str) -> str | None:
    """Return where the output folder of a killed run is; None if it cannot be seen now."""
    for folder in (export["output_path"], output):
        mark = read_mark(folder)
        if mark and mark.id == export.get("folder_id"):
            return str(folder)
    return None


def _make_part(noted: Path, folder: str) -> None:
    start = int(noted.name.split("-")[1])
    if not any(checkpoint_paths(noted.parent, _part_name(start))):  # else the run was killed before it forgot the note
        done = _with_names(read_checkpoint(noted), folder)
        if done.height:
            write_part(done, noted.parent, start)
    remove(str(noted))


def _with_names(staged: pl.DataFrame, folder: str) -> pl.DataFrame:
    """Return those of ``staged`` that have their names in ``folder``. Remove metadata files that came without their audio.

    Where the audio was there before, the metadata file tells: it alone was to get its name.
    """
    has_name = []
    for path, file_hash, metadata_hash in staged.select("path", "file_hash", "metadata_hash").iter_rows():
        target = os.path.join(folder, path)
        has_audio = is_unmodified(target, file_hash)
        has_text = bool(metadata_hash) and is_unmodified(metadata_path(target), metadata_hash)
        has_name.append(has_audio and (has_text or not metadata_hash))
        if has_text and not has_audio:
            remove(metadata_path(target))
    there = staged.filter(pl.Series(has_name, dtype=pl.Boolean))
    stays = [bool(old) and os.path.lexists(os.path.join(folder, old)) for old in there["moved_from"]]
    there = there.with_columns(moved_from=pl.when(~pl.Series(stays, dtype=pl.Boolean)).then("moved_from"))
    for old in there["moved_from"].drop_nulls():
        remove_empty_folders(os.path.dirname(os.path.join(folder, old)), folder)
    return there
