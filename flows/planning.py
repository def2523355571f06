"""From a valid manifest to a plan: who is who, where everything goes, and whose file stands there already."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from config.settings import Settings, load
from config.settings import absolute as absolute_path
from schemas.errors import AccountingError, OutputNotWritableError, RequestError
from schemas.export import ExportRequest
from schemas.words import ExportType, OrganizeBy
from tasks.files import sweep
from tasks.layout import shards
from tasks.layout.plan import NOBODY_HERE, Layout, place
from tasks.manifest.paths import absolute
from tasks.manifest.validate import Manifest
from tasks.store import exports, history, runs


@dataclass(frozen=True)
class Plan:
    """What an export will do.

    ``rows``: every requested row, with its ``path`` and ``job``; ``rejects``: those of the requested rows.
    ``kit_rows``: all rows of the kits that are touched. ``jobs``: one a file; of its target they say whether it is
    ``free``, and whether what may stand there is ``ours`` to replace. ``export_id`` is None in a dry run.
    ``left_behind``: folders of killed runs, and what those may have written.
    """

    request: ExportRequest
    settings: Settings
    place: exports.Place
    export_id: int | None
    export_type: ExportType
    rows: pl.DataFrame
    kit_rows: pl.DataFrame
    jobs: pl.DataFrame
    costs: npt.NDArray[np.int64]
    rejects: pl.DataFrame
    left_behind: dict[Path, set[str]]
    working_folder: Path
    started: float

    @property
    def rejected(self) -> int:
        return self.rejects["line"].n_unique()

    @property
    def requested(self) -> int:
        return self.rows.height + self.rejected


def settings_for(request: ExportRequest) -> Settings:
    """The settings in force for a request: what it leaves open comes from the layers below."""
    try:
        absolute_path(request.manifest)
    except ValueError as error:
        raise RequestError(what=f"manifest {request.manifest!r}: {error}", fix="Then run the same command again.") from error
    asked = request.model_dump(include={"db", "workers", "runner"}, exclude_none=True)
    asked |= request.config.model_dump(exclude_none=True) | request.sound.model_dump(exclude_none=True)
    if request.kits:
        asked.setdefault("organize_by", OrganizeBy.KIT)
    return load(asked, history.preferences).settings


def check_selection(manifest: Manifest, request: ExportRequest, settings: Settings) -> None:
    """Raise RequestError for a selection that cannot be: before anything is written, ids included."""
    if request.sample_ids or request.kits:
        _selected(exports.look(_place(request, settings), _rows(manifest)).rows, manifest.rejects, request)


def make_plan(manifest: Manifest, request: ExportRequest, settings: Settings, started: float = 0.0, dry: bool = False) -> Plan:
    """Where every requested row goes. A dry run writes nothing, and takes no export id.

    Raises AccountingError when the manifest has more rows, or fewer, than were accepted and rejected.
    """
    _check_accounts(manifest.rows, manifest.frame, manifest.rejects)
    target, rows = _place(request, settings), _rows(manifest)
    if dry:
        known = exports.look(target, rows)
    else:
        _check_writable(settings.output_base_path)
        known = exports.begin(target, rows)
    layout = Layout(settings.organize_by, settings.format, settings.sanitize_filenames)
    held = _holders(known.held, known.rows)
    # Names are given to the whole manifest, so that a selection has the names that all of it has.
    every_row = place(known.rows, layout, held)
    _check_accounts(manifest.rows, every_row, manifest.rejects)
    placed, rejects = _selected(every_row, manifest.rejects, request)
    jobs, job_of_row = shards.jobs_of(placed)
    jobs = jobs.with_columns(target=pl.concat_str(pl.lit(settings.output_base_path + "/"), "path"))
    left_behind = runs.unfinished(settings.db)
    sources = _statuses(rows["source"].unique())
    jobs = _with_ownership(jobs, held, left_behind, sources).with_columns(loudest=0.0)
    if not dry:
        for folder in {os.path.dirname(path) for paths in left_behind.values() for path in paths}:
            sweep(folder)
    sizes = np.array([status.st_size if (status := sources[path]) else 0 for path in jobs["source"]], np.int64)
    return Plan(
        request=request,
        settings=settings,
        place=target,
        export_id=known.export_id,
        export_type=_export_type(request, settings),
        rows=placed.with_columns(job=job_of_row),
        kit_rows=every_row.filter(pl.col("kit_id").is_in(placed["kit_id"].drop_nulls().implode())),
        jobs=jobs,
        costs=shards.costs_of(jobs["source"], sizes),
        rejects=rejects,
        left_behind=left_behind,
        working_folder=_working_folder(settings.db, known.export_id),
        started=started,
    )


def _place(request: ExportRequest, settings: Settings) -> exports.Place:
    return exports.Place(settings.db, absolute_path(request.manifest), settings.output_base_path, settings.lock_wait_seconds)


def _rows(manifest: Manifest) -> pl.DataFrame:
    return manifest.frame.with_columns(source=absolute(manifest.frame["file_path"], manifest.folder))


def _check_accounts(rows: int, accepted: pl.DataFrame, rejects: pl.DataFrame) -> None:
    counted = accepted.height + rejects["line"].n_unique()
    if counted != rows:
        raise AccountingError(rows=rows, counted=counted)


def _selected(rows: pl.DataFrame, rejects: pl.DataFrame, request: ExportRequest) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The requested rows and rejects. Raises RequestError for a sample or a kit that the manifest does not name."""
    wishes = [("sample_id", request.sample_ids, "Sample"), ("kit", request.kits, "Kit")]
    for column, wanted, noun in wishes:
        there = {*rows[column].unique(), *rejects[column].unique()} if wanted else set()
        missing = [name for name in wanted if name not in there]
        if missing:
            shown = ", ".join(sorted(str(name) for name in there if name is not None)[:10])
            raise RequestError(what=f"{noun} {missing[0]} not found", fix=f"The manifest has: {shown or 'none'}.")
    for column, wanted, _ in wishes:
        if wanted:
            rows = rows.filter(pl.col(column).is_in(list(wanted)))
            rejects = rejects.filter(pl.col(column).is_in(list(wanted)))
    return rows, rejects


def _export_type(request: ExportRequest, settings: Settings) -> ExportType:
    if request.kits or settings.organize_by is OrganizeBy.KIT:
        return ExportType.KIT
    return ExportType.SINGLE if len(request.sample_ids) == 1 else ExportType.BATCH


def _holders(held: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """``held`` in this manifest's ids, for ``place``.

    A path that was last written from this manifest is its holder's; one from another manifest is that of the sample
    of the same source file here, if there is one, and else NOBODY_HERE: its file is not ours to replace.
    """
    here = rows.select("source", here="sample_id").unique("source", keep="first", maintain_order=True)
    found = held.join(here, on="source", how="left", maintain_order="left")
    holder = pl.when("same_manifest").then("sample_id").otherwise("here").fill_null(NOBODY_HERE)
    return found.select("path", sample_id=holder)


def _with_ownership(
    jobs: pl.DataFrame,
    held: pl.DataFrame,
    left_behind: dict[Path, set[str]],
    sources: dict[str, os.stat_result | None],
) -> pl.DataFrame:
    """``jobs`` with ``free`` (nothing stands at the target) and ``ours`` (what stands there may be replaced).

    It may if it is recorded for this manifest or was left by a killed run, and is no original of the manifest: by its
    inode, for a path can be spelt in many ways.
    """
    recorded = set(held.filter(pl.col("sample_id") != NOBODY_HERE)["path"])
    unrecorded = set().union(*left_behind.values())
    originals = {(status.st_dev, status.st_ino) for status in sources.values() if status}

    def is_foreign(status: os.stat_result) -> bool:
        return stat.S_ISLNK(status.st_mode) or (status.st_dev, status.st_ino) in originals

    standing = list(_statuses(jobs["target"], os.lstat).values())
    ours = [
        (path in recorded or target in unrecorded) and not (status and is_foreign(status))
        for path, target, status in zip(jobs["path"], jobs["target"], standing, strict=True)
    ]
    free = [status is None for status in standing]
    return jobs.with_columns(ours=pl.Series(ours, dtype=pl.Boolean), free=pl.Series(free, dtype=pl.Boolean))


def with_loudest(plan: Plan, peaks: dict[int, float]) -> Plan:
    """The plan whose jobs know the peak of the loudest sample that is to keep its balance with them.

    Those of a kit where kits are laid out, else those that lie in one folder: the same drum, played at four strengths.
    ``peaks`` is by job; without a job that cannot be measured.
    """
    folder = pl.col("source").str.extract(r"^(.*)/")
    in_kit = pl.lit(plan.settings.organize_by is OrganizeBy.KIT) & pl.col("kit_id").is_not_null()
    group = pl.when(in_kit).then(pl.format("{}", "kit_id")).otherwise(pl.format("/{}", folder))
    peak = pl.col("job").replace_strict(list(peaks), list(peaks.values()), default=0.0, return_dtype=pl.Float64)
    return replace(plan, jobs=plan.jobs.with_columns(loudest=peak.max().over(group)))


def _check_writable(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputNotWritableError(path=folder, error=error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputNotWritableError(path=folder, error="permission denied")


def _statuses(paths: Iterable[str], ask: Callable[[str], os.stat_result] = os.stat) -> dict[str, os.stat_result | None]:
    """Each path's status, None where nothing is. A folder that is not there is asked for once, not for each file."""

    def status(path: str) -> os.stat_result | None:
        try:
            return ask(path)
        except (OSError, ValueError):
            return None

    has_folder: dict[str, bool] = {}
    found: dict[str, os.stat_result | None] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder not in has_folder:
            has_folder[folder] = os.path.isdir(folder or "/")
        found[path] = status(path) if has_folder[folder] else None
    return found


def _working_folder(db: str, export_id: int | None) -> Path:
    """Where the plan file is; a dry run leaves nothing beside the database."""
    if export_id is None:
        return Path(tempfile.mkdtemp(prefix="sp404-"))
    return runs.runs_folder(db) / f"export-{export_id}"
