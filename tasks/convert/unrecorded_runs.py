"""Tell what runs have written that the records do not know yet: runs that were interrupted, and those newer than the database.

The next export puts it into the records (``tasks.store.export_records.begin``, ``tasks.store.replay.catch_up``).
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from schemas.enums import Status
from schemas.errors import DamagedPartError
from tasks.bundle.metadata_file import metadata_path
from tasks.convert.staged_files import noted_files
from tasks.store import run_folder
from tasks.store.checkpoints import read_checkpoint
from tasks.store.database import Connection, Database, run

_COLUMNS = ("path", "output_bytes", "file_hash", "metadata_hash", "moved_from")


@dataclass(frozen=True)
class UnrecordedRun:
    """The files of a run that are not in the records.

    Attributes:
        export_id: Its id.
        manifest: Its manifest.
        folder: Its output folder.
        ended: It came to its end, and the database is older.
        done: What it wrote: ``path`` below the folder, ``output_bytes``, ``file_hash``, ``metadata_hash``, and ``moved_from``,
            where the file was before. NULL or empty where there is nothing.
        begun: What it was about to give its name, with the same columns: it stands there, or not.
        gone: Paths below the folder that it removed.
    """

    export_id: int
    manifest: str
    folder: str
    ended: bool
    done: pl.DataFrame
    begun: pl.DataFrame
    gone: list[str]

    @property
    def fix(self) -> str:
        """Return what puts its files into the records."""
        name = Path(self.manifest).name
        why = (
            f"The records are older than export {self.export_id}" if self.ended else f"Export {self.export_id} was interrupted"
        )
        return f"{why}: the next export of {name} (the night's, too) records them."

    @cached_property
    def hashes(self) -> dict[str, set[str]]:
        """Return what may stand at each absolute path, by its hash."""
        found: dict[str, set[str]] = defaultdict(set)
        for path, _, file_hash, text_hash, _ in (*self.done.iter_rows(), *self.begun.iter_rows()):
            audio = f"{self.folder}/{path}"
            found[audio].add(file_hash)
            if text_hash:
                found[metadata_path(audio)].add(text_hash)
        return dict(found)

    @cached_property
    def removed(self) -> set[str]:
        """Return the absolute paths that it emptied: of what moved or was pruned, and of metadata files that went with it."""
        begun = [row for row in self.begun.iter_rows() if os.path.lexists(f"{self.folder}/{row[0]}")]
        rows = [*self.done.iter_rows(), *begun]
        gone = {f"{self.folder}/{path}" for path in (*self.gone, *(row[4] for row in rows)) if path}
        bare = {metadata_path(f"{self.folder}/{row[0]}") for row in rows if not row[3]}
        return gone | {metadata_path(path) for path in gone} | bare


def read_unrecorded_runs(database: Database) -> list[UnrecordedRun]:
    """Read what the records do not know yet; nothing is written. Raises DatabaseError."""
    with database.connect() as connection:
        return list(_read_in(connection, database))


def with_unrecorded(outputs: pl.DataFrame, runs: Sequence[UnrecordedRun], export_id: int | None) -> pl.DataFrame:
    """Add to recorded files (``tasks.store.history.outputs``) those that ``runs`` made besides, which are not ``recorded``.

    ``export_id``: of this run they are ``wanted``; None: of all.
    """
    known = outputs.with_columns(recorded=pl.lit(True))
    for unrecorded in runs:
        made = unrecorded.done.drop("moved_from").with_columns(
            output_path=pl.lit(unrecorded.folder),
            manifest_path=pl.lit(unrecorded.manifest),
            export_id=pl.lit(unrecorded.export_id, pl.Int64),
            wanted=pl.lit(export_id in (None, unrecorded.export_id)),
            options=pl.lit(""),
            recorded=pl.lit(False),
        )
        new = made.unique("path", keep="last", maintain_order=True).join(known, on=["output_path", "path"], how="anti")
        known = known.vstack(new.select(known.columns))
    return known


def _read_in(connection: Connection, database: Database) -> Iterator[UnrecordedRun]:
    last = run(connection, "last_export_id").one()
    unfinished = {number for (number,) in run(connection, "unfinished_exports").rows}
    for export_id in run_folder.export_ids(database):
        if export_id not in unfinished and export_id <= last:
            continue
        merged = {name for (name,) in run(connection, "parts", {"export_id": export_id}).rows}
        try:
            spec = run_folder.read_spec(database, export_id)
            ended, gone = run_folder.read_ending(database, export_id), run_folder.read_gone(database, export_id)
        except DamagedPartError:
            continue  # of which a repair tells
        if spec is None:
            continue
        parts = [part for part in run_folder.parts(database, export_id) if run_folder.name_of(part) not in merged]
        yield UnrecordedRun(
            export_id,
            str(spec[0]["manifest_path"]),
            str(spec[0]["output_path"]),
            bool(ended),
            _outcomes(parts),
            _outcomes(noted_files(database, export_id)),
            gone["path"].to_list() if gone is not None else [],
        )


def _outcomes(checkpoints: list[Path]) -> pl.DataFrame:
    """Return those of the outcomes whose files are ours (``_COLUMNS``)."""
    schema: dict[str, Any] = dict.fromkeys(_COLUMNS, pl.String) | {"output_bytes": pl.Int64}
    found = [pl.DataFrame(schema=schema)]
    for path in checkpoints:
        try:
            outcomes = read_checkpoint(path)
        except DamagedPartError:
            continue
        ours = outcomes.filter(pl.col("status") == str(Status.EXPORTED), pl.col("file_hash").is_not_null())
        found.append(ours.select(_COLUMNS))
    return pl.concat(found)
