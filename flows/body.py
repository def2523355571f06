"""The order of an export: read > validate > plan > map shards > record > report.

One body, and two ways to carry out its steps: plain calls and threads (``DIRECT``), or Prefect's tasks
(``flows.export``). The work itself is in ``tasks``.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import polars as pl

from config.settings import Settings
from flows.planning import Plan, check_selection, make_plan, settings_for, with_loudest
from schemas.errors import AccountingError, LostError, StoppedError
from schemas.export import BatchExportResult, ExportRequest, ExportResult
from schemas.jobs import Outcome, Shard, ShardResult
from schemas.words import Guard, Status
from tasks import work
from tasks.layout import shards
from tasks.manifest.read import read_manifest
from tasks.manifest.validate import Manifest, validate
from tasks.sound.convert import failed
from tasks.store import exports, runs
from tasks.store.records import causes, records_of, warnings

log = logging.getLogger("sp404")


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
    check_selection(manifest, request, settings)
    with runs.one_at_a_time(settings.db, settings.lock_wait_seconds):
        plan = steps.plan(manifest, request, settings, started)
        measured: Iterable[object] = ()
        if settings.guard is Guard.FOLDER:
            measured = steps.map_shards(cut(plan, progress, measuring=True), settings, progress)
            plan = with_loudest(plan, _peaks(measured))
        results = steps.map_shards(cut(plan, progress), settings, progress)
        batch = steps.record(plan, results)
    log.info("Export %d: %s", batch.export_id, batch.counts())
    steps.report(plan, batch)
    for result in chain(measured, results):
        if isinstance(result, ShardResult) and result.trouble:
            raise result.trouble
    return batch


def _peaks(measured: Iterable[object]) -> dict[int, float]:
    """The peak of each job that could be measured; why another could not is found again when it is converted."""
    outcomes = chain.from_iterable(result.outcomes for result in measured if isinstance(result, ShardResult))
    return {outcome.index: outcome.levels.peak for outcome in outcomes if outcome.levels}


def cut(plan: Plan, progress: work.Progress, measuring: bool = False) -> list[Shard]:
    """The plan in shards, and its jobs in a file from which each shard reads its range."""
    path = work.write_plan(plan.jobs, plan.working_folder)
    sound = plan.settings.sound()
    ranges = shards.cut(plan.costs, plan.settings.workers)
    progress.expect(plan.jobs.height, len(ranges))
    names = plan.jobs["path"]
    return [
        Shard(
            label=("levels of " if measuring else "") + shards.label(number, len(ranges), names[start], names[stop - 1]),
            plan_path=path,
            start=start,
            stop=stop,
            export_id=plan.export_id or 0,
            sound=sound,
            include_metadata=plan.settings.include_metadata,
            measuring=measuring,
        )
        for number, (start, stop) in enumerate(ranges)
    ]


class Answers:
    """What the shards answered. A class of its own: Prefect walks through lists and dataclasses that a task is given,
    20,000 outcomes deep.
    """

    def __init__(self, answers: list[object]) -> None:
        self._answers = answers

    def __iter__(self) -> Iterator[object]:
        return iter(self._answers)


def map_in_threads(
    shards: list[Shard],
    settings: Settings,
    progress: work.Progress,
    convert: Callable[[Shard, work.Progress], ShardResult] = work.convert_shard,
) -> Answers:
    """Every shard's ShardResult, in order; an exception in the place of one that broke."""
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [pool.submit(convert, shard, progress) for shard in shards]
        return gathered([partial(_answer, future) for future in futures], progress)


def _answer(future: Future[ShardResult]) -> object:
    return future.exception() or future.result()


def gathered(answers: Iterable[Callable[[], object]], progress: work.Progress) -> Answers:
    """What each of ``answers`` gives. Ctrl-C lets the samples in hand be finished, and nothing more be begun."""
    results: list[object] = []
    for answer in answers:
        while True:
            try:
                results.append(answer())
                break
            except KeyboardInterrupt:
                progress.stopped.set()
                results.append(ShardResult(trouble=StoppedError()))
    return Answers(results)


def record_export(plan: Plan, results: Iterable[object]) -> BatchExportResult:
    """Account for every row, write the records, and answer with the counts.

    Raises AccountingError when rows in and rows accounted for differ; nothing is recorded then.
    """
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
    shutil.rmtree(plan.working_folder, ignore_errors=True)
    runs.forget(plan.left_behind, set(plan.jobs["target"]))
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
        causes=causes(rows, plan.rejects),
        warnings=warnings(rows),
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


def _no_report(plan: Plan, batch: BatchExportResult) -> None:
    """Without Prefect the caller shows the result."""


DIRECT = Steps(read_manifest, validate, make_plan, map_in_threads, record_export, _no_report)  # type: ignore[arg-type]
check_in_threads = partial(map_in_threads, convert=work.check_shard)
