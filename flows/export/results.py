"""Account for every row of an export, end it in the records, and answer with the counts."""

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from os.path import lexists
from typing import TypeVar

import polars as pl

from flows.export.other_layouts import describe
from flows.export.other_sound import describe_other_sound
from flows.export.stages import DecidedPlan, RunningExport
from schemas.conversion import CLIPS_ABOVE_DB, JobResult, Outcome, ShardResult
from schemas.enums import Status
from schemas.errors import AccountingError, NotConvertedError, StoppedError
from schemas.report import SHOWN_FILES, BatchExportResult
from tasks.store import export_records, run_folder
from tasks.store.outcome_table import frame_of
from tasks.store.record_rows import causes, records_of_done, records_of_rejects, records_of_unreached, warnings

log = logging.getLogger("sp404")
Result = TypeVar("Result", bound=JobResult)
_SLOT = ("bank", "pad", "manifest_line")
_SHOWN_PADS = 8


def record_export(running: RunningExport, answers: Iterable[object]) -> BatchExportResult:
    """Account for every row, end the export in the records, and answer with the counts.

    Args:
        running: The export.
        answers: What its shards gave: a ``ShardResult`` each, or the exception that broke the shard.

    Raises:
        AccountingError: Rows in and rows accounted for differ; the export is not ended then.
        DatabaseBusyError, DatabaseError: The records cannot be written.
    """
    draft, spec = running.draft, running.spec
    rows = account(running, answers)
    counts = dict(rows.group_by("status").len().iter_rows())
    if sum(counts.get(str(status), 0) for status in Status) != draft.requested:
        raise AccountingError(rows=draft.requested, counted=counts)
    errors = [str(error) for error in errors_of(answers)]
    if NotConvertedError.reason in rows["reason"]:
        errors.append(str(StoppedError()))
    error = errors[0] if errors else None
    seconds = time.perf_counter() - draft.started
    ending = {"seconds": seconds, "trouble": error, "warning": draft.warning, "why": why_not_reached(answers)}
    export_records.finish(running.target, spec, ending)
    run_folder.forget(draft.left_behind, draft.jobs["target"])
    if not error:  # else there may be unfinished files that could not be removed: the next run does it
        run_folder.forget_own(running.target.database, spec.id)
    return _batch(running, rows, counts, seconds)


def account(running: RunningExport, answers: Iterable[object]) -> pl.DataFrame:
    """Return a record (``EXPORT_SAMPLES``) for every requested row, also for those of shards that broke or were not reached."""
    settled, rows, rejects = running.spec.settled, running.spec.rows, running.draft.rejects
    done = records_of_done(rows, made_by(running.plan, answers))
    lines = pl.concat([settled["manifest_line"], done["manifest_line"]])
    unreached = records_of_unreached(rows, lines, why_not_reached(answers))
    return pl.concat([settled, done, unreached, records_of_rejects(rejects, running.draft.row_word)])


def results_of(kind: type[Result], answers: Iterable[object]) -> Iterator[Result]:
    """Return the results of a kind from all shards, of the jobs that were reached."""
    results = chain.from_iterable(answer.results for answer in answers if isinstance(answer, ShardResult))
    return (result for result in results if isinstance(result, kind))


def made_by(plan: DecidedPlan, answers: Iterable[object]) -> pl.DataFrame:
    """Return what the shards made, by ``path`` (``outcome_table.frame_of``)."""
    paths = plan.jobs["path"]
    return frame_of((paths[outcome.index], outcome) for outcome in results_of(Outcome, answers))


def errors_of(answers: Iterable[object]) -> list[Exception]:
    """Return the errors of the surroundings that ended shards early."""
    return [answer.error for answer in answers if isinstance(answer, ShardResult) and answer.error]


def why_not_reached(answers: Iterable[object]) -> str:
    """Return why jobs were not reached, for the records."""
    why = "the run was stopped before its turn came"
    for answer in answers:
        if not isinstance(answer, ShardResult):
            why = f"its worker failed ({answer or 'without a message'})"
            log.error("A shard failed: %r", answer)
        elif answer.error:
            why = str(answer.error)
    return why


def _batch(running: RunningExport, rows: pl.DataFrame, counts: dict[str, int], seconds: float) -> BatchExportResult:
    draft, settings = running.draft, running.settings
    unchanged = counts.get(Status.UNCHANGED, 0)
    return BatchExportResult(
        export_id=running.spec.id,
        export_type=draft.resolved.export_type,
        total_requested=draft.requested,
        successful=counts.get(Status.EXPORTED, 0) + unchanged,
        unchanged=unchanged,
        failed=counts.get(Status.FAILED, 0),
        not_reached=rows.filter(reason=NotConvertedError.reason).height,
        rejected=counts.get(Status.REJECTED, 0),
        total_size_bytes=int(rows.filter("owns_output")["output_bytes"].sum()),
        total_time_seconds=seconds,
        output_base_path=settings.output_base_path,
        organized_by=settings.organize_by,
        format=settings.format,
        errors=_error_texts(rows),
        causes=causes(rows, draft.rejects, draft.row_word),
        resumed=draft.reservation.resumed,
        findings=list(running.plan.findings),
        notes=[
            *draft.notes,
            *_describe_earlier_files(running, rows),
            *_describe_turned_down(rows),
            *(_incomplete_kits(rows, draft.row_word) if draft.has_kits else ()),
        ],
        other_folder=draft.other_folder,
        other_sound=describe_other_sound(running.plan),
        warnings=({draft.warning: 1} if draft.warning else {}) | warnings(_warned(running, rows)),
        stale=[path for path in running.plan.stale["path"] if lexists(f"{running.target.output}/{path}")],
        outdated=running.plan.stale.filter(pl.col("source_path").is_in(draft.rows["source"].implode()))["path"].to_list(),
        other_layouts=describe(running.plan.other_layouts, draft, running.target.output, ""),
    ).with_results_from(lambda: _results(running, rows))


def _warned(running: RunningExport, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a ``warning``; of a resumed export also those that its earlier runs exported, from the records."""
    if not running.draft.reservation.resumed:
        return rows
    return export_records.read_warnings(running.target, running.spec.id)


def _error_texts(rows: pl.DataFrame) -> list[str]:
    """Return why rows were not exported, each text once, in the order of the manifest."""
    columns = ("status", "sample_id", "error_message")
    errors = rows.filter(~pl.col("conversion_successful")).sort("manifest_line").select(columns).iter_rows()
    texts = (error if status == Status.REJECTED else f"Sample {sample_id}: {error}" for status, sample_id, error in errors)
    return list(dict.fromkeys(texts))


def _describe_earlier_files(running: RunningExport, rows: pl.DataFrame) -> Iterator[str]:
    """Say which failed samples still have the file that an earlier export made of them, under the name that they have now."""
    failed = rows.filter((pl.col("status") == Status.FAILED) & (pl.col("reason") != NotConvertedError.reason))
    of_failed = running.draft.rows.filter(pl.col("line").is_in(failed["manifest_line"].implode()))["path"]
    ours = running.plan.jobs.filter(pl.col("ours") & pl.col("path").is_in(of_failed.implode()))["path"]
    there = [path for path in ours if lexists(f"{running.target.output}/{path}")]
    if there:
        shown = ", ".join(there[:SHOWN_FILES]) + (", ..." if len(there) > SHOWN_FILES else "")
        files = (
            "1 failed sample still has its file" if len(there) == 1 else f"{len(there):,} failed samples still have their files"
        )
        yield f"{files} of an earlier export, which stays as it is: {shown}"


def _describe_turned_down(rows: pl.DataFrame) -> Iterator[str]:
    """Say how many samples this run turned down (``guard``), and by how much at the most."""
    decibels = pl.col("sound_changes").str.extract(r"turned down by ([0-9.]+) dB").cast(pl.Float64)
    turned = rows.filter(status=Status.EXPORTED).select(decibels).to_series().drop_nulls()
    if not turned.is_empty():
        are = "1 sample is" if len(turned) == 1 else f"{len(turned):,} samples are"
        slight = int((turned <= CLIPS_ABOVE_DB).sum())
        of_them = f", {slight:,} of them by {CLIPS_ABOVE_DB} dB at most" if 0 < slight < len(turned) else ""
        yield f"{are} turned down so that nothing clips, by up to {float(turned.max()):.1f} dB{of_them}"  # type: ignore[arg-type]


def _incomplete_kits(rows: pl.DataFrame, row_word: str) -> Iterator[str]:
    """Name the kits that lack some of their samples."""
    for (kit,), of_kit in rows.filter(pl.col("kit").is_not_null()).group_by("kit", maintain_order=True):
        missing = of_kit.filter(~pl.col("conversion_successful")).sort("bank", "pad", "manifest_line")
        if missing.height:
            pads = [f"{bank}{pad}" if bank else f"{row_word} {line}" for bank, pad, line in missing.select(_SLOT).iter_rows()]
            shown = ", ".join(pads[:_SHOWN_PADS]) + (", ..." if len(pads) > _SHOWN_PADS else "")
            yield f"Kit {kit} is without {missing.height:,} of its {of_kit.height:,} samples: {shown}"


def _results(running: RunningExport, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``BatchExportResult.results``, in the order of the manifest."""
    settings, success = running.settings, pl.col("conversion_successful")
    parts = (pl.lit(settings.output_base_path), pl.col("output_subfolder").replace("", None), "output_filename")
    columns: dict[str, pl.Expr | str] = {
        "success": success,
        "sample_id": "sample_id",
        "output_path": pl.when(success).then(pl.concat_str(parts, separator="/", ignore_nulls=True)),
        "output_filename": pl.when(success).then("output_filename"),
        "format": pl.lit(str(settings.format)),
        "file_size_bytes": "output_bytes",
        "conversion_time_seconds": "conversion_seconds",
        "status": "status",
        "error": "error_message",
    }
    return rows.sort("manifest_line", maintain_order=True).select(**columns)
