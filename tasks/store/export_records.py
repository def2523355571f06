"""One export's way through the database: ids before it starts, each shard's records when it is done, and the end."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from schemas.errors import AccountingError, DamagedPartError
from schemas.quick_validation import validate_quickly
from schemas.records import EXPORT_SAMPLES, SAMPLES
from tasks.fs.place_mark import PlaceMark, read_mark
from tasks.store import run_folder
from tasks.store.checkpoints import read_checkpoint
from tasks.store.database import Connection, Database, frame, run, transaction
from tasks.store.history_rows import clear_history_rows, put_history_rows
from tasks.store.identity import GIVEN, KITS, assign_ids, assign_recorded_ids, other_spellings
from tasks.store.outcome_table import frame_of
from tasks.store.record_rows import (
    output_rows,
    records_of_done,
    records_of_rejects,
    records_of_settled,
    records_of_unreached,
    sample_rows,
)
from tasks.store.renames import (
    NOTHING_MOVED,
    RENAMES,
    FolderState,
    Renamed,
    find_folder,
    find_manifests,
    follow,
    put_folder,
)
from tasks.store.timestamps import utc_now

log = logging.getLogger("sp404")
_MARK = ("folder_id", "folder_run")
KILLED = "the run was killed before its turn came"

_OUTPUTS_SCHEMA = {
    "path": pl.String,
    "export_id": pl.Int64,
    "same_manifest": pl.Boolean,
    "organized_by": pl.String,
    "format": pl.String,
    "sample_id": pl.Int64,
    "source_path": pl.String,
    "settings_hash": pl.String,
    "facts": pl.String,
    "source_peak": pl.Float64,
    "output_bytes": pl.Int64,
    "output_frames": pl.Int64,
    "content_hash": pl.String,
    "file_hash": pl.String,
    "metadata_hash": pl.String,
    "source_bytes": pl.Int64,
    "source_mtime_ns": pl.Int64,
    "source_ctime_ns": pl.Int64,
    "peak": pl.Float64,
}


@dataclass(frozen=True)
class ExportTarget:
    """The database of an export, its manifest and its output folder: absolute paths."""

    database: Database
    manifest: str
    output: str


@dataclass(frozen=True)
class Reservation:
    """The place of an export in the records.

    Attributes:
        export_id: Its id; that of a killed run of the same command, where there is one.
        identity: What two runs of the same command have in common (``flows.export.request.identity_of``).
        resumed: It goes on with a killed run.
        killed: The other killed runs on this manifest and folder.
    """

    export_id: int
    identity: str
    resumed: bool
    killed: tuple[int, ...]


# A dry run takes no id: no export has this one.
DRY_RUN = Reservation(export_id=0, identity="", resumed=False, killed=())


@dataclass(frozen=True)
class PriorState:
    """The state of the records before an export.

    Attributes:
        rows: The manifest's rows with ``sample_id`` and ``kit_id``.
        outputs: What earlier exports wrote below the output folder (``_OUTPUTS_SCHEMA``).
        renames: What has another path than in the records (``tasks.store.renames.RENAMES``).
        folder: The output folder, by its mark.
        reservation: The place of the export in the records; ``DRY_RUN`` where none was taken.
    """

    rows: pl.DataFrame
    outputs: pl.DataFrame
    renames: pl.DataFrame
    folder: FolderState
    reservation: Reservation


@dataclass(frozen=True)
class ExportSpec:
    """The work of an export: ``export`` by the columns of ``sp404_exports``, ``rows`` by ``REQUESTED_ROWS``.

    ``export`` has the mark of the output folder, too: ``folder_id`` and ``folder_run``.
    ``kit_rows`` are all rows of the kits that it touches, also those that were not requested. ``refreshed`` (``path``,
    ``sample_id``, ``source`` and its size and times): unchanged files that are known by another source from now on.
    ``row_word``: what the lines of rejects count, "line" or "row".
    """

    export: dict[str, Any]
    rows: pl.DataFrame
    rejects: pl.DataFrame
    kit_rows: pl.DataFrame
    refreshed: pl.DataFrame
    row_word: str = "line"

    @property
    def id(self) -> int:
        """The export's id."""
        return int(self.export["id"])

    @property
    def mark(self) -> PlaceMark | None:
        """The mark of the output folder from this export on; None where earlier versions began it."""
        return PlaceMark(self.export["folder_id"], self.export["folder_run"]) if self.export.get("folder_id") else None

    @cached_property
    def settled(self) -> pl.DataFrame:
        """The records of what is there already."""
        return records_of_settled(self.rows)


def begin(target: ExportTarget, rows: pl.DataFrame, identity: str, moved: pl.DataFrame = NOTHING_MOVED) -> PriorState:
    """Follow what moved, give ids to samples and kits that have none, and take an export id: one transaction.

    The id is that of a killed run of the same ``identity``, if there is one; what killed runs finished is put into the
    records first. ``moved``: files that stand elsewhere now (``tasks.store.renames.MOVED``).
    """
    with target.database.connect() as connection:
        run_folder.sweep(target.database)  # while no other process can be within a transaction, and write there
        _recover(connection, target.database)
        before = run_folder.export_ids(target.database)
        try:
            with transaction(connection):
                return _begin_in(connection, target, rows, identity, moved)
        except Exception:
            for export_id in set(run_folder.export_ids(target.database)).difference(before):
                run_folder.drop(target.database, export_id)  # the ids that it was to give will be given to other files
            raise


def _begin_in(
    connection: Connection, target: ExportTarget, rows: pl.DataFrame, identity: str, moved: pl.DataFrame
) -> PriorState:
    """Do what ``begin`` does, within a transaction."""
    renames, folder = _follow_moves(connection, target, rows, moved)
    identified, new_ids, new_kits = assign_recorded_ids(connection, rows, moved)
    if new_ids.height:
        run(connection, "forget_given_ids", new_given_ids=new_ids)
        run(connection, "add_given_ids", new_given_ids=new_ids)
    new_kits = new_kits.with_columns(created_at=pl.lit(utc_now()))
    if new_kits.height:
        run(connection, "add_kits", new_kits=new_kits)
    place = {"manifest_path": target.manifest, "output_path": target.output}
    killed = run(connection, "killed_exports", place).rows
    resumed = [export_id for export_id, its_identity in killed if its_identity == identity]
    export_id = resumed[-1] if resumed else next_export_id(connection, target.database)
    outputs = _outputs(connection, target)
    run_folder.write_given(target.database, export_id, new_ids, new_kits, renames)
    others = tuple(number for number, _ in killed if number != export_id)
    return PriorState(identified, outputs, renames, folder, Reservation(export_id, identity, bool(resumed), others))


def _follow_moves(
    connection: Connection, target: ExportTarget, rows: pl.DataFrame, moved: pl.DataFrame
) -> tuple[pl.DataFrame, FolderState]:
    """Put into the records, within a transaction, what sources, manifest and output folder are called now."""
    found, folder = find_folder(connection, target.output)
    renames = pl.concat([found, moved.select(kind=pl.lit(str(Renamed.SOURCE)), old="old", new="new")])
    follow(connection, renames)
    manifests = find_manifests(connection, target.database, target.manifest, rows["source"])
    follow(connection, manifests)
    return renames.vstack(manifests), folder


def next_export_id(connection: Connection, database: Database) -> int:
    """Return an id that no other export has, nor those whose files are still there after their database was removed."""
    taken = max(run_folder.export_ids(database), default=0)
    while (export_id := run(connection, "next_export_id").one()) <= taken:
        continue
    return export_id


def read_prior_state(target: ExportTarget, rows: pl.DataFrame, moved: pl.DataFrame = NOTHING_MOVED) -> PriorState:
    """Do what ``begin`` does without writing: ids and paths as the next export would have them.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read, or are gone.
    """
    target.database.check_not_lost()
    if not target.database.exists:
        return PriorState(
            assign_ids(rows, pl.DataFrame(schema=GIVEN), pl.DataFrame(schema=KITS), 0)[0],
            pl.DataFrame(schema=_OUTPUTS_SCHEMA),
            pl.DataFrame(schema=RENAMES),
            FolderState(None, is_as_left=True, is_of_others=read_mark(target.output) is not None),
            DRY_RUN,
        )
    with target.database.connect() as connection:
        connection.begin()
        try:
            renames, folder = _follow_moves(connection, target, rows, moved)
            identified, _, _ = assign_recorded_ids(connection, rows, moved)
            return PriorState(identified, _outputs(connection, target), renames, folder, DRY_RUN)
        finally:
            connection.rollback()


def outputs_at(target: ExportTarget, paths: pl.Series) -> pl.DataFrame:
    """Return the outcomes (``tasks.store.outcome_table.frame_of``) of the files at these ``paths``."""
    if paths.is_empty():
        return frame_of([])
    with target.database.connect() as connection:
        parameters = {"output_path": target.output}
        return frame(connection, "outputs_at", parameters, frame_of([]).schema, wanted=paths.alias("path").to_frame())


def written_before(target: ExportTarget, paths: pl.Series) -> pl.DataFrame:
    """Return every hash that any export ever wrote to these ``paths``: ``path``, ``file_hash``, ``metadata_hash``."""
    schema = {"path": pl.String, "file_hash": pl.String, "metadata_hash": pl.String}
    if paths.is_empty() or not target.database.exists:
        return pl.DataFrame(schema=schema)
    with target.database.connect() as connection:
        return frame(connection, "written_before", {}, schema, wanted=paths.alias("path").to_frame())


def last_mount_point(target: ExportTarget) -> str | None:
    """Return where the file system of the last export to this folder was mounted; None if it was that of the machine."""
    if not target.database.exists:
        return None
    with target.database.connect() as connection:
        rows = run(connection, "last_mount_point", {"output_path": target.output}).rows
    return str(rows[0][0]) if rows and rows[0][0] not in (None, "/") else None


def start(target: ExportTarget, spec: ExportSpec, done: pl.DataFrame) -> None:
    """Record what is to be done, and what of it is there already.

    ``done`` (``manifest_line``): the lines that an export which is resumed keeps as they are.
    """
    export = spec.export | {"row_word": spec.row_word}
    run_folder.write_spec(target.database, export, (spec.rows, spec.rejects, spec.kit_rows, spec.refreshed))
    with target.database.connect() as connection, transaction(connection):
        start_in(connection, spec, done)


def start_in(connection: Connection, spec: ExportSpec, done: pl.DataFrame) -> None:
    """Write what ``start`` writes, within a transaction."""
    export_id = {"export_id": spec.id}
    run(connection, "drop_export", export_id)
    clear_history_rows(connection, {spec.id: done})
    run(connection, "clear_rejects", export_id)
    run(connection, "add_user", {"id": spec.export["user_id"]})
    # What earlier versions wrote has no settings.
    row = {"settings": None} | spec.export
    run(connection, "add_export", {name: value for name, value in row.items() if name not in _MARK})
    folder = {name: spec.export[name] for name in ("output_path", "manifest_path")}
    if spec.mark:
        put_folder(connection, folder["output_path"], spec.mark)
    run(connection, "refresh_outputs", folder, refreshed=spec.refreshed)
    _put_samples(connection, spec, sample_rows(pl.concat([spec.rows, spec.kit_rows], how="diagonal")))
    if spec.kit_rows.height:
        kits = spec.kit_rows.select("kit_id", "sample_id", "bank", "pad")
        names = spec.kit_rows.select("kit", "kit_id").unique().select(name="kit", id="kit_id")
        run(connection, "clear_kit_samples", new_kit_samples=kits, other_spellings=other_spellings(connection, names))
        run(connection, "add_kit_samples", new_kit_samples=kits)
        if "kit_tempo" in spec.kit_rows.columns:  # not in what earlier versions wrote
            run(connection, "put_kit_tempos", kit_tempos=spec.kit_rows.select("kit_id", "kit_tempo").unique("kit_id"))
    run(connection, "add_rejects", export_id, new_rejects=spec.rejects)
    kept = pl.col("manifest_line").is_in(done["manifest_line"].implode())
    _add_rows(connection, spec, pl.concat([spec.settled.filter(~kept), records_of_rejects(spec.rejects, spec.row_word)]))


def add_parts(target: ExportTarget, spec: ExportSpec, parts: Iterable[Path]) -> None:
    """Put the outcomes of shards into the records, in one transaction with the names of their parts."""
    outcomes = {run_folder.name_of(part): read_checkpoint(part) for part in parts}
    with target.database.connect() as connection, transaction(connection):
        add_parts_in(connection, spec, outcomes)


def add_parts_in(connection: Connection, spec: ExportSpec, parts: Mapping[str, pl.DataFrame]) -> None:
    """Write what ``add_parts`` writes, within a transaction; of the ``parts``, by name, those that are not there already."""
    known = {name for (name,) in run(connection, "parts", {"export_id": spec.id}).rows}
    new = [name for name in parts if name not in known]
    if not new:
        return
    outcomes = pl.concat([parts[name] for name in new])
    _put_samples(connection, spec, sample_rows(spec.rows, outcomes))
    _add_rows(connection, spec, records_of_done(spec.rows, outcomes))
    new_outputs = output_rows(spec.rows, outcomes)
    gone = pl.concat([new_outputs["path"], outcomes["moved_from"].drop_nulls()]).alias("path").to_frame()
    facts = {name: spec.export[name] for name in ("output_path", "manifest_path", "organized_by", "format")}
    run(connection, "forget_outputs", {"output_path": facts["output_path"]}, gone=gone)
    run(connection, "add_outputs", facts | {"export_id": spec.id}, new_outputs=new_outputs)
    for name in new:
        run(connection, "add_part", {"export_id": spec.id, "part": name})


def finish(target: ExportTarget, spec: ExportSpec, ending: dict[str, Any]) -> None:
    """Account for what was never reached, and end the export: ``seconds``, ``trouble``, ``warning``, and ``why`` for the rest.

    Raises AccountingError when the rows in the table are not as many as those that went into the export.
    """
    ending = ending | {"finished_at": utc_now(), "parts": len(run_folder.parts(target.database, spec.id))}
    with target.database.connect() as connection:
        with transaction(connection):
            finish_in(connection, spec, ending)
            _check_count(connection, spec)
        _check_count(connection, spec)
    run_folder.write_ending(target.database, spec.id, ending)


def finish_in(connection: Connection, spec: ExportSpec, ending: dict[str, Any]) -> None:
    """Write what ``finish`` writes, within a transaction."""
    done = frame(connection, "export_lines", {"export_id": spec.id}, {"manifest_line": pl.Int64})["manifest_line"]
    _add_rows(connection, spec, records_of_unreached(spec.rows, done, ending["why"]))
    facts = {name: ending[name] for name in ("seconds", "trouble", "warning", "finished_at")}
    run(connection, "finish_export", facts | {"export_id": spec.id})


def _recover(connection: Connection, database: Database) -> None:
    """Put what killed runs have finished into the records.

    One on this manifest and folder that is not resumed is ended by ``end_killed``.
    """
    for (export_id,) in run(connection, "unfinished_exports").rows:
        spec = read_export_spec(database, export_id)
        if spec is None:
            continue
        for part in run_folder.parts(database, export_id):
            try:
                outcomes = read_checkpoint(part)
            except DamagedPartError as error:
                log.warning("%s. %s", error, error.fix)
                continue
            with transaction(connection):
                add_parts_in(connection, spec, {run_folder.name_of(part): outcomes})


def end_killed(target: ExportTarget, killed: tuple[int, ...]) -> None:
    """End these runs: they are not resumed."""
    for number in killed:
        spec = read_export_spec(target.database, number)
        if spec:
            finish(target, spec, {"seconds": 0.0, "trouble": "Killed", "warning": None, "why": KILLED})


def forget_outputs(target: ExportTarget, export_id: int, paths: list[str]) -> None:
    """Take files that an export removed out of the records of what stands below the output folder."""
    if paths:
        gone = pl.DataFrame({"path": paths})
        with target.database.connect() as connection, transaction(connection):
            run(connection, "forget_outputs", {"output_path": target.output}, gone=gone)
        run_folder.write_gone(target.database, export_id, gone)


def read_export_spec(database: Database, export_id: int) -> ExportSpec | None:
    """Read what an export was to do, from its own files; None where they are gone."""
    found = run_folder.read_spec(database, export_id)
    if not found:
        return None
    export, frames = found
    row_word = export.pop("row_word", "line")  # not in what earlier versions wrote
    return ExportSpec(export, *frames, row_word)


def _put_samples(connection: Connection, spec: ExportSpec, samples: pl.DataFrame) -> None:
    validate_quickly(samples, SAMPLES)
    run(connection, "put_samples", {"now": spec.export["created_at"]}, new_samples=samples)


def _add_rows(connection: Connection, spec: ExportSpec, rows: pl.DataFrame) -> None:
    validate_quickly(rows, EXPORT_SAMPLES)
    put_history_rows(connection, spec.id, rows)


def _check_count(connection: Connection, spec: ExportSpec) -> None:
    counted = run(connection, "count_export_samples", {"export_id": spec.id}).one()
    if counted != spec.export["sample_count"]:
        raise AccountingError(rows=spec.export["sample_count"], counted=counted)


def _outputs(connection: Connection, target: ExportTarget) -> pl.DataFrame:
    parameters = {"manifest_path": target.manifest, "output_path": target.output}
    return frame(connection, "outputs", parameters, _OUTPUTS_SCHEMA)


def read_warnings(target: ExportTarget, export_id: int) -> pl.DataFrame:
    """Return ``warning`` of each sample of an export that has one. Raises DatabaseError."""
    with target.database.connect() as connection:
        return frame(connection, "warnings_of_export", {"export_id": export_id}, {"warning": pl.String})
