"""The order of an export: read > validate > plan > map shards > record > report.

One body, and two ways to carry out its steps: plain calls and threads (``DIRECT``), or Prefect's tasks
(``flows.export``). The work itself is in ``tasks``.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from config.device import MAX_FRAMES
from config.settings import Settings, load
from config.settings import absolute as absolute_path
from schemas.errors import AccountingError, LostError, OutputNotWritableError, RequestError
from schemas.export import BatchExportResult, ExportRequest, ExportResult
from schemas.jobs import Outcome, Shard, ShardResult, SoundSettings
from schemas.words import ExportType, OrganizeBy, Status
from tasks import work
from tasks.layout import shards
from tasks.layout.plan import NOBODY_HERE, Layout, place
from tasks.manifest.paths import absolute
from tasks.manifest.read import read_manifest
from tasks.manifest.validate import Manifest, validate
from tasks.sound.convert import failed
from tasks.store import exports, history
from tasks.store.records import records_of

log = logging.getLogger("sp404")


@dataclass(frozen=True)
class Plan:
    """What an export will do. ``rows``: every requested row with ``path`` and ``job``; ``jobs``: one a file;
    ``kit_rows``: all rows of the kits that are touched.

    ``export_id`` is None in a dry run. ``rejects`` are those of the requested rows.
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
    started: float

    @property
    def rejected(self) -> int:
        return self.rejects["line"].n_unique()

    @property
    def requested(self) -> int:
        return self.rows.height + self.rejected


@dataclass(frozen=True)
class Steps:
    """The steps of an export, each with the same arguments and answer whoever carries it out."""

    read: Callable[[str], object]
    validate: Callable[[object], Manifest]
    plan: Callable[[Manifest, ExportRequest, Settings, float], Plan]
    map_shards: Callable[[list[Shard], Settings, work.Progress], Iterable[object]]
    record: Callable[[Plan, Iterable[object]], BatchExportResult]
    report: Callable[[Plan, BatchExportResult], object]


def run_export(request: ExportRequest, steps: Steps, progress: work.Progress | None = None) -> BatchExportResult:
    """Export a manifest.

    Raises RequestError or ManifestError when nothing can be done, and SurroundingsError when the surroundings end the
    export early; what was finished is recorded then.
    """
    started = time.perf_counter()
    progress = progress or work.Progress()
    settings = settings_for(request)
    manifest = steps.validate(steps.read(request.manifest))
    plan = steps.plan(manifest, request, settings, started)
    results = list(steps.map_shards(cut(plan, progress), settings, progress))
    batch = steps.record(plan, results)
    log.info("Export %d: %s", batch.export_id, batch.counts())
    steps.report(plan, batch)
    for result in results:
        if isinstance(result, ShardResult) and result.trouble:
            raise result.trouble
    return batch


def settings_for(request: ExportRequest) -> Settings:
    """The settings in force for a request: what it leaves open comes from the layers below."""
    try:
        absolute_path(request.manifest)
    except ValueError as error:
        raise RequestError(what=f"manifest {request.manifest!r}: {error}", fix="Then run the same command again.") from error
    asked = request.config.model_dump(exclude_none=True) | request.model_dump(
        include={"db", "workers", "runner"}, exclude_none=True
    )
    if request.kits:
        asked.setdefault("organize_by", OrganizeBy.KIT)
    return load(asked, history.preferences).settings


def make_plan(manifest: Manifest, request: ExportRequest, settings: Settings, started: float = 0.0, dry: bool = False) -> Plan:
    """Where every requested row goes. A dry run writes nothing, and takes no export id."""
    target = exports.Place(settings.db, absolute_path(request.manifest), settings.output_base_path, settings.lock_wait_seconds)
    rows = manifest.frame.with_columns(source=absolute(manifest.frame["file_path"], manifest.folder))
    layout = Layout(settings.organize_by, settings.format, settings.sanitize_filenames)
    if dry:
        known = exports.look(target, rows)
    else:
        if request.sample_ids or request.kits:  # a wrong selection must write nothing, not even ids
            _selected(exports.look(target, rows).rows, manifest.rejects, request)
        _check_writable(settings.output_base_path)
        known = exports.begin(target, rows)
    # Names are given to the whole manifest, so that a selection has the names that all of it has.
    held = _holders(known.held, rows=known.rows)
    every_row = place(known.rows, layout, held)
    placed, rejects = _selected(every_row, manifest.rejects, request)
    jobs, job_of_row = shards.jobs_of(placed)
    jobs = jobs.with_columns(target=pl.concat_str(pl.lit(settings.output_base_path + "/"), "path"))
    jobs = jobs.with_columns(ours=_ours(jobs, held, rows["source"]))
    return Plan(
        request=request,
        settings=settings,
        place=target,
        export_id=known.export_id,
        export_type=_export_type(request, settings),
        rows=placed.with_columns(job=job_of_row),
        kit_rows=every_row.filter(pl.col("kit_id").is_in(placed["kit_id"].drop_nulls().implode())),
        jobs=jobs,
        costs=shards.costs_of(jobs["source"], np.array([_size(source) for source in jobs["source"]], np.int64)),
        rejects=rejects,
        started=started,
    )


def cut(plan: Plan, progress: work.Progress) -> list[Shard]:
    """The plan in shards, and its jobs in a file from which each shard reads its range."""
    path = work.write_plan(plan.jobs, working_folder(plan))
    sound = SoundSettings(plan.settings.format, plan.settings.min_duration_ms, MAX_FRAMES)
    ranges = shards.cut(plan.costs, plan.settings.workers)
    progress.expect(plan.jobs.height, len(ranges))
    names = plan.jobs["path"]
    return [
        Shard(
            label=shards.label(number, len(ranges), names[start], names[stop - 1]),
            plan_path=path,
            start=start,
            stop=stop,
            export_id=plan.export_id or 0,
            sound=sound,
            include_metadata=plan.settings.include_metadata,
        )
        for number, (start, stop) in enumerate(ranges)
    ]


def map_in_threads(
    shards: list[Shard],
    settings: Settings,
    progress: work.Progress,
    convert: Callable[[Shard, work.Progress], ShardResult] = work.convert_shard,
) -> list[object]:
    """Every shard's ShardResult, in order; an exception in the place of one that broke."""
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [pool.submit(convert, shard, progress) for shard in shards]
        return [future.exception() or future.result() for future in futures]


def record(plan: Plan, results: Iterable[object]) -> BatchExportResult:
    """Account for every row, write the records, and answer with the counts.

    Raises AccountingError when rows in and rows accounted for differ; nothing is recorded then.
    """
    results = list(results)
    outcomes = account(plan, results)
    records = records_of(plan.rows, plan.rejects, plan.kit_rows, outcomes)
    counts = dict(records.export_samples.group_by("status").len().iter_rows())
    if sum(counts.get(str(status), 0) for status in Status) != plan.requested:
        raise AccountingError(rows=plan.requested, counted=counts)
    troubles = [str(result.trouble) for result in results if isinstance(result, ShardResult) and result.trouble]
    size = sum(outcome.bytes for outcome in outcomes.values())
    seconds = time.perf_counter() - plan.started
    export = {
        "id": plan.export_id,
        "user_id": plan.request.user_id,
        "export_type": str(plan.export_type),
        "sample_count": plan.requested,
        "output_path": plan.settings.output_base_path,
        "organized_by": str(plan.settings.organize_by),
        "format": str(plan.settings.format),
        "total_size_bytes": size,
        "export_duration_seconds": seconds,
        "manifest_path": plan.place.manifest,
        "label": plan.request.label,
        "run_by": "sp404",
        "trouble": troubles[0] if troubles else None,
    }
    exports.record(plan.place, export, records, plan.requested)
    shutil.rmtree(working_folder(plan), ignore_errors=True)
    return _batch(plan, records.export_samples, counts, size, seconds)


def account(plan: Plan, results: Iterable[object]) -> dict[int, Outcome]:
    """An outcome for every job, also for those of shards that broke or were never reached."""
    outcomes: dict[int, Outcome] = {}
    why = "the run was stopped before its turn came"
    for result in results:
        if isinstance(result, ShardResult):
            outcomes |= {outcome.index: outcome for outcome in result.outcomes}
            why = str(result.trouble) if result.trouble else why
        else:
            why = f"its worker broke ({result or 'it said nothing'})"
            log.error("A shard broke: %r", result)
    for job in plan.jobs["job"]:
        if job not in outcomes:
            outcomes[job] = failed(job, LostError(error=why))
    return outcomes


def _batch(plan: Plan, rows: pl.DataFrame, counts: dict[str, int], size: int, seconds: float) -> BatchExportResult:
    unchanged = counts.get(Status.UNCHANGED, 0)
    troubled = rows.filter(~pl.col("conversion_successful")).sort("manifest_line")
    errors = [
        error if status == Status.REJECTED else f"Sample {sample_id}: {error}"
        for status, sample_id, error in troubled.select("status", "sample_id", "error_message").iter_rows()
    ]
    return BatchExportResult(
        export_id=plan.export_id or 0,
        export_type=plan.export_type,
        total_requested=plan.requested,
        successful=counts.get(Status.EXPORTED, 0) + unchanged,
        unchanged=unchanged,
        failed=counts.get(Status.FAILED, 0),
        rejected=counts.get(Status.REJECTED, 0),
        total_size_bytes=size,
        total_time_seconds=seconds,
        output_base_path=plan.settings.output_base_path,
        organized_by=plan.settings.organize_by,
        format=plan.settings.format,
        results=[_result(plan, row) for row in rows.sort("manifest_line", maintain_order=True).iter_rows(named=True)],
        errors=list(dict.fromkeys(errors)),
    )


def _result(plan: Plan, row: dict[str, Any]) -> ExportResult:
    success = bool(row["conversion_successful"])
    folder = (plan.settings.output_base_path, row["output_subfolder"], row["output_filename"])
    return ExportResult.model_construct(
        success=success,
        sample_id=row["sample_id"],
        output_path="/".join(str(part) for part in folder if part) if success else None,
        output_filename=row["output_filename"] if success else None,
        format=plan.settings.format,
        file_size_bytes=row["output_bytes"],
        conversion_time_seconds=row["conversion_seconds"],
        status=Status(str(row["status"])),
        error=row["error_message"],
    )


def _selected(rows: pl.DataFrame, rejects: pl.DataFrame, request: ExportRequest) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The requested rows and rejects. Raises RequestError for a sample or a kit that the manifest does not name."""
    for column, wanted, noun in (("sample_id", request.sample_ids, "Sample"), ("kit", request.kits, "Kit")):
        if not wanted:
            continue
        there = {*rows[column].unique(), *rejects[column].unique()}
        missing = [name for name in wanted if name not in there]
        if missing:
            shown = ", ".join(sorted(str(name) for name in there if name is not None)[:10])
            raise RequestError(what=f"{noun} {missing[0]} not found", fix=f"The manifest has: {shown or 'none'}.")
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


def _ours(jobs: pl.DataFrame, held: pl.DataFrame, sources: pl.Series) -> pl.Series:
    """Whether a file that stands at a job's target may be replaced: it is recorded, and no original of this manifest."""
    by_us = held.filter(pl.col("sample_id") != NOBODY_HERE)["path"]
    return jobs.select(ours=pl.col("path").is_in(by_us.implode()) & ~pl.col("target").is_in(sources.implode())).to_series()


def _check_writable(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputNotWritableError(path=folder, error=error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputNotWritableError(path=folder, error="permission denied")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def working_folder(plan: Plan) -> Path:
    """Where the plan file is; a dry run leaves nothing beside the database."""
    if plan.export_id is None:
        return Path(tempfile.gettempdir()) / f"sp404-{os.getpid()}"
    return exports.runs_folder(plan.place.db) / f"export-{plan.export_id}"


def _no_report(plan: Plan, batch: BatchExportResult) -> None:
    """Without Prefect the caller shows the result."""


DIRECT = Steps(read_manifest, validate, make_plan, map_in_threads, record, _no_report)  # type: ignore[arg-type]
check_in_threads = partial(map_in_threads, convert=work.check_shard)
