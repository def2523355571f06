"""The order of an export: read > validate > plan > map shards > record > report.

One body, and two ways to carry out its steps: plain calls and threads (``DIRECT``), or Prefect's tasks
(``flows.orchestration.flow``). The work itself is in ``tasks``.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from os.path import lexists
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import polars as pl

from config.settings import Settings
from flows.export.kit_findings import findings, unheard
from flows.export.output_folder import check_room, costs_of, has_room
from flows.export.plan import (
    Plan,
    begun,
    check_selection,
    decided,
    make_plan,
    resolved,
    settings_for,
    with_files,
    with_finished,
    with_loudest,
    with_nothing_finished,
)
from flows.export.sd_card import check_card, with_card
from flows.export.zip_archive import with_zip
from schemas.conversion import JobResult, MeasuredLevels, Outcome, Shard, ShardResult, SizeEstimate
from schemas.enums import Guard, OrganizeBy, Runner, Status, Verb
from schemas.errors import (
    AccountingError,
    DatabaseBusyError,
    NotConvertedError,
    StoppedError,
    SurroundingsError,
    TerminatedError,
)
from schemas.export import ExportRequest
from schemas.report import BatchExportResult, ExportResult
from tasks.convert import shard
from tasks.convert.plan_file import write_plan
from tasks.convert.progress import Progress
from tasks.convert.prune import prune
from tasks.layout import sharding
from tasks.manifest.table import RawManifest, read_manifest
from tasks.manifest.validate import Manifest, validate
from tasks.store import export_records, run_folder
from tasks.store.database import Database
from tasks.store.outcome_table import frame_of
from tasks.store.record_rows import causes, done_rows, lost_rows, rejected_rows, warnings

log = logging.getLogger("sp404")
Result = TypeVar("Result", bound=JobResult)
Merge: TypeAlias = Callable[[ShardResult], None]
_MERGE_SECONDS = 1.0
_LABELS = {Verb.MEASURE: "levels of ", Verb.SIZE: "sizes of "}


@dataclass(frozen=True)
class Steps:
    """The steps of an export, each with the same arguments and answer whoever carries it out."""

    read: Callable[[str], RawManifest]
    validate: Callable[[RawManifest], Manifest]
    plan: Callable[[Manifest, ExportRequest, Settings, float], Plan]
    map_shards: Callable[[list[Shard], Settings, Progress, Merge], Iterable[object]]
    record: Callable[[Plan, Iterable[object]], BatchExportResult]
    report: Callable[[Plan, BatchExportResult], object]


def run_export(request: ExportRequest, steps: Steps, progress: Progress | None = None) -> BatchExportResult:
    """Export a manifest.

    Raises RequestError or ManifestError when nothing can be done, and SurroundingsError when the surroundings end the
    export early; what was finished is recorded then.
    """
    started = time.perf_counter()
    request = resolved(request)
    settings = settings_for(request)
    manifest = steps.validate(with_files(steps.read(request.manifest), request, settings))
    check_selection(manifest, request, settings)
    place = check_card(request.card, request.init_card)
    with run_folder.one_at_a_time(Database.of(settings)), progress or Progress() as watched:
        export = _Run(steps, watched, steps.plan(manifest, request, settings, started))
        plan, done = export.carried_out()
        batch = steps.record(plan, Answers(done))
        troubles = _troubles([*export.before, *done])
        if request.prune and not troubles:
            batch = pruned(plan, batch)
        if request.zip and not troubles:
            batch, unzipped = with_zip(plan.settings, batch)
            troubles += unzipped
        if place and not _troubles([*export.before, *done]):
            batch, uncarded = with_card(plan, place, batch)
            troubles += uncarded
    log.info("Export %d: %s", batch.export_id, batch.counts())
    steps.report(plan, batch)
    for trouble in troubles:
        raise trouble
    return batch


class _Run:
    """The passes over the samples of one export. ``before``: what those answered that only read them."""

    def __init__(self, steps: Steps, watched: Progress, plan: Plan) -> None:
        self._steps, self._watched, self._plan = steps, watched, plan
        self._waiting: list[Path] = []
        self.before: list[object] = []

    def carried_out(self) -> tuple[Plan, list[object]]:
        """The plan as it was begun, and what the shards answered that carried it out."""
        self._listen()
        self._plan = decided(self._plan)
        if not has_room(self._plan.to_do, self._plan.settings):
            sized = self._pass(self._plan.to_do, verb=Verb.SIZE)
            self.before += sized
            check_room(
                self._plan.to_do, self._plan.settings, {size.index: size.bytes for size in results_of(SizeEstimate, sized)}
            )
        plan = self._plan = begun(self._plan)
        done = self._pass(with_finished(plan, plan.to_do), self._merge)
        # To copy what was just made is not worth another machine.
        done += self._pass(with_finished(plan, plan.to_follow, made_by(plan, done)), self._merge, here=True)
        self._merge_waiting(plan.settings.lock_wait_seconds)
        return plan, done

    def _listen(self) -> None:
        """What has to be heard before anything is decided: how loud the samples of a group are, and what a kit is made of."""
        keeps_balance = self._plan.settings.guard is Guard.FOLDER
        unknown = unheard(self._plan)
        if keeps_balance:
            self._plan = with_loudest(self._plan, {})
            to_measure = pl.col("source_peak").is_null() | pl.col("job").is_in(unknown["job"].implode())
            unknown = self._plan.jobs.filter(to_measure)
        measured = self._pass(unknown, verb=Verb.MEASURE)
        self.before += measured
        if keeps_balance:
            self._plan = with_loudest(self._plan, _peaks(measured))
        if self._plan.settings.organize_by is OrganizeBy.KIT:
            found = findings(self._plan, {levels.index: levels for levels in results_of(MeasuredLevels, measured)})
            self._plan = replace(self._plan, findings=tuple(found))
            for finding in found:
                log.info("%s: %s. %s", finding.where, finding.what, finding.fix)

    def _pass(
        self, jobs: pl.DataFrame, merge: Merge = lambda _: None, verb: Verb = Verb.CONVERT, here: bool = False
    ) -> list[object]:
        if jobs.is_empty() or self._watched.stopped.is_set():
            return []
        settings = self._plan.settings
        if here:
            settings = settings.model_copy(update={"runner": Runner.THREADS})
        if settings.runner is Runner.THREADS:
            self._watched.executor(settings.limits(), ahead=min(settings.workers, jobs.height))
        shards_of_jobs = cut(self._plan, jobs, self._watched, verb)
        return list(self._steps.map_shards(shards_of_jobs, settings, self._watched, merge))

    def _merge(self, result: ShardResult) -> None:
        """Who reads the records may keep us out: what is done stands in its part, and has time until the end."""
        self._waiting += [Path(result.part)] if result.part else []
        with suppress(DatabaseBusyError):
            self._merge_waiting(_MERGE_SECONDS)

    def _merge_waiting(self, wait_seconds: float) -> None:
        place = replace(self._plan.place, database=self._plan.place.database.waiting(wait_seconds))
        while self._waiting and self._plan.asked:
            export_records.add_part(place, self._plan.asked, self._waiting[0])
            del self._waiting[0]


def _troubles(results: Iterable[object]) -> list[Exception]:
    return [result.error for result in results if isinstance(result, ShardResult) and result.error]


def _peaks(measured: Iterable[object]) -> dict[int, float]:
    """The peak of each job that could be measured; why another could not is found again when it is converted."""
    return {one.index: one.levels.peak for one in results_of(MeasuredLevels, measured) if one.levels}


def pruned(plan: Plan, batch: BatchExportResult) -> BatchExportResult:
    """``batch``, after what no row names any more was removed.

    Not what a failed row wrote under another name: it may be all that there is of a sample. And nothing at all if rows were
    rejected: what they mean is not known.
    """
    if plan.stale is None or plan.stale.is_empty():
        return batch
    if plan.rejected:
        return batch.model_copy(update={"not_pruned": "rows were rejected, and it is not known which files are theirs"})
    failed = [result.sample_id for result in batch.results if not result.success] if batch.failed else []
    stale = plan.stale.filter(~pl.col("sample_id").is_in(failed))
    removed = prune(plan.place.output, stale, partial(export_records.forget_outputs, plan.place, batch.export_id))
    left = [path for path in batch.stale if path not in set(removed)]
    return batch.model_copy(update={"pruned": len(removed), "stale": left})


def results_of(kind: type[Result], shards: Iterable[object]) -> Iterator[Result]:
    """Return the results of a kind from all shards, of the jobs that were reached."""
    results = chain.from_iterable(shard.results for shard in shards if isinstance(shard, ShardResult))
    return (result for result in results if isinstance(result, kind))


def made_by(plan: Plan, results: Iterable[object]) -> pl.DataFrame:
    """What the shards made, by ``path`` (``tasks.store.outcome_table.frame_of``)."""
    paths = plan.jobs["path"]
    return frame_of((paths[outcome.index], outcome) for outcome in results_of(Outcome, results))


def cut(
    plan: Plan, jobs: pl.DataFrame, progress: Progress, verb: Verb = Verb.CONVERT, folder: Path | None = None
) -> list[Shard]:
    """``jobs`` in shards, and in a file in ``folder`` (a new one of the run's) from which each shard reads its range."""
    if verb is not Verb.CONVERT:
        jobs = with_nothing_finished(jobs)
    path = write_plan(jobs, folder or run_folder.new_pass(Database.of(plan.settings), plan.export_id or 0), plan.token)
    sound, limits = plan.settings.sound(), plan.settings.limits()
    least = sharding.MIN_JOBS_PER_DASK_SHARD if plan.settings.runner is Runner.DASK else 0
    ranges = sharding.cut_shards(costs_of(jobs), plan.settings.workers, least)
    progress.expect(jobs.height, verb)
    names = jobs["path"]
    return [
        Shard(
            label=_LABELS.get(verb, "") + sharding.label_shard(number, len(ranges), names[start], names[stop - 1]),
            plan_path=path,
            start=start,
            stop=stop,
            export_id=plan.export_id or 0,
            output=plan.settings.output_base_path,
            device=plan.device,
            token=plan.token,
            sound=sound,
            include_metadata=plan.settings.include_metadata,
            limits=limits,
            verb=verb,
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


def map_in_threads(shards: list[Shard], settings: Settings, progress: Progress, merge: Merge) -> Answers:
    """Every shard's ShardResult, in order; an exception in the place of one that broke."""
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [pool.submit(shard.convert_shard, one, progress) for one in shards]
        return gathered([partial(_answer, future) for future in futures], progress, merge)


def _answer(future: Future[ShardResult]) -> object:
    return future.exception() or future.result()


def gathered(answers: Iterable[Callable[[], object]], progress: Progress, merge: Merge) -> Answers:
    """What each of ``answers`` gives, merged into the records as it comes.

    Ctrl-C, a SIGTERM or a run that is cancelled let the samples in hand be finished, and nothing more be begun.
    """
    results: list[object] = []
    for answer in answers:
        while True:
            try:
                result = answer()
                if isinstance(result, ShardResult):
                    merge(result)
                results.append(result)
                break
            except SurroundingsError as trouble:  # of the records
                progress.stopped.set()
                results.append(ShardResult(error=trouble))
                break
            except Exception:
                progress.stopped.set()
                raise
            except KeyboardInterrupt:
                progress.stopped.set()
                results.append(ShardResult(error=StoppedError()))
            except BaseException:  # noqa: BLE001  (a SIGTERM, as the command line or Prefect raise it)
                progress.stopped.set()
                results.append(ShardResult(error=TerminatedError()))
    return Answers(results)


def record_export(plan: Plan, results: Iterable[object]) -> BatchExportResult:
    """Account for every row, end the export in the records, and answer with the counts.

    Raises AccountingError when rows in and rows accounted for differ; the export is not ended then.
    """
    if plan.asked is None:
        raise AccountingError(rows=plan.requested, counted="none")
    rows = account(plan, results)
    counts = dict(rows.group_by("status").len().iter_rows())
    if sum(counts.get(str(status), 0) for status in Status) != plan.requested:
        raise AccountingError(rows=plan.requested, counted=counts)
    troubles = [str(trouble) for trouble in _troubles(results)]
    if NotConvertedError.reason in rows["reason"]:
        troubles.append(str(StoppedError()))
    trouble = troubles[0] if troubles else None
    seconds = time.perf_counter() - plan.started
    ending = {"seconds": seconds, "trouble": trouble, "warning": plan.warning, "why": why_not_reached(results)}
    export_records.finish(plan.place, plan.asked, ending)
    run_folder.forget(plan.left_behind, plan.jobs["target"])
    if not trouble:  # else there may be files in the making that could not be removed: the next run does it
        run_folder.forget_own(plan.place.database, plan.asked.id)
    return _batch(plan, rows, counts, seconds)


def account(plan: Plan, results: Iterable[object]) -> pl.DataFrame:
    """A record (``EXPORT_SAMPLES``) for every requested row, also for those of shards that broke or were never reached."""
    if plan.asked is None:
        return rejected_rows(plan.rejects)
    settled = plan.asked.settled
    done = done_rows(plan.asked.rows, made_by(plan, results))
    lines = pl.concat([settled["manifest_line"], done["manifest_line"]])
    return pl.concat([settled, done, lost_rows(plan.asked.rows, lines, why_not_reached(results)), rejected_rows(plan.rejects)])


def why_not_reached(results: Iterable[object]) -> str:
    """Why jobs were not reached."""
    why = "the run was stopped before its turn came"
    for result in results:
        if not isinstance(result, ShardResult):
            why = f"its worker broke ({result or 'it said nothing'})"
            log.error("A shard broke: %r", result)
        elif result.error:
            why = str(result.error)
    return why


def _batch(plan: Plan, rows: pl.DataFrame, counts: dict[str, int], seconds: float) -> BatchExportResult:
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
        total_size_bytes=int(rows.filter("owns_output")["output_bytes"].sum()),
        total_time_seconds=seconds,
        output_base_path=plan.settings.output_base_path,
        organized_by=plan.settings.organize_by,
        format=plan.settings.format,
        errors=list(dict.fromkeys(errors)),
        causes=causes(rows, plan.rejects),
        resumed=plan.resumed,
        findings=list(plan.findings),
        notes=[*plan.notes, *_gaps(rows)],
        warnings=({plan.warning: 1} if plan.warning else {}) | warnings(rows),
        stale=[] if plan.stale is None else [path for path in plan.stale["path"] if lexists(f"{plan.place.output}/{path}")],
    ).with_results_from(
        lambda: [_result(plan, row) for row in rows.sort("manifest_line", maintain_order=True).iter_rows(named=True)]
    )


def _gaps(rows: pl.DataFrame) -> Iterator[str]:
    """The kits that are without some of their samples."""
    for (kit,), of_kit in rows.filter(pl.col("kit").is_not_null()).group_by("kit", maintain_order=True):
        missing = of_kit.filter(~pl.col("conversion_successful")).sort("bank", "pad", "manifest_line")
        if missing.height:
            pads = [f"{bank}{pad}" if bank else f"line {line}" for bank, pad, line in missing.select(_SLOT).iter_rows()]
            shown = ", ".join(pads[:_SHOWN_PADS]) + (", ..." if len(pads) > _SHOWN_PADS else "")
            yield f"Kit {kit} is without {missing.height:,} of its {of_kit.height:,} samples: {shown}"


_SLOT = ("bank", "pad", "manifest_line")
_SHOWN_PADS = 8


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


DIRECT = Steps(read_manifest, validate, make_plan, map_in_threads, record_export, _no_report)
