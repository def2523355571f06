"""The order of an export: read > validate > plan > map shards > record > report. Start reading here."""

import logging
import time
from functools import partial

import polars as pl

from flows.export import other_layouts, passes, sd_card, zip_archive
from flows.export.begin import begin
from flows.export.decide import decide
from flows.export.folder_findings import find_shared_pads, find_unsorted
from flows.export.other_sound import describe_other_names, describe_other_sound
from flows.export.removals import check_removals
from flows.export.request import check_selection, fill_kit_from_records
from flows.export.results import errors_of, results_of
from flows.export.stages import ResolvedRequest, RunningExport
from flows.export.steps import Steps
from schemas.conversion import MeasuredLevels
from schemas.report import BatchExportResult
from tasks.bundle.card import Card
from tasks.convert.progress import Progress
from tasks.convert.prune import prune
from tasks.layout.actions import Action
from tasks.store import export_records
from tasks.store.export_lock import lock_exports
from tasks.store.replay import catch_up

log = logging.getLogger("sp404")
_LOGGED_CAUSES = 8
# What the files of a plan need, as the log says it.
_IN_WORDS: dict[str, str] = {
    Action.UNCHANGED: "unchanged",
    Action.RETEXT: "with a new metadata file",
    Action.MOVE: "to rename",
    Action.COPY: "to copy",
    Action.FOLLOW: "with the sound of another",
    Action.CONVERT: "to convert",
}


def run_export(resolved: ResolvedRequest, steps: Steps, progress: Progress | None = None) -> BatchExportResult:
    """Export a manifest.

    Args:
        resolved: What to export (``flows.export.request.resolve``).
        steps: What carries out each step: ``flows.export.threads.DIRECT`` or Prefect.
        progress: Counts finished samples, and stops the run when its ``stopped`` is set.

    Raises:
        RequestError, ManifestError: Nothing can be done, or ``prune`` would remove much; and nothing was written.
        SurroundingsError: The surroundings ended the export early; what was finished is recorded.
    """
    started = time.perf_counter()
    watched = progress or Progress()
    watched.enter("reading the manifest")
    raw = fill_kit_from_records(steps.read(resolved.request.manifest), resolved.target.database)
    manifest = steps.validate(raw)
    log.info("Read %s: %s rows, %s rejected", resolved.request.manifest, manifest.rows, len(manifest.rejected_lines))
    check_selection(manifest, resolved)
    card = sd_card.find_card(resolved.request.card, resolved.request.init_card, resolved.target.database)
    database = resolved.target.database
    watched.enter("waiting for the database")
    # Opened once for all that is asked of it in short succession; other processes get in while audio is converted.
    with lock_exports(database), database.hold(), watched:
        watched.enter("planning")
        catch_up(database)
        draft = steps.plan(resolved, manifest, started)
        if draft.other_folder:  # a person can still stop it
            watched.note(draft.other_folder)
        runner = passes.PassRunner(steps, watched, draft)
        measured = runner.measure()
        plan = decide(draft, {levels.index: levels for levels in results_of(MeasuredLevels, measured)})
        check_removals(plan, card)
        actions = plan.jobs["action"].value_counts(sort=True).iter_rows()
        planned = ", ".join(f"{count:,} {_IN_WORDS[action]}" for action, count in actions)
        log.info("Planned for %s: %s", draft.target.output, planned)
        for finding in plan.findings:
            log.info("%s: %s. %s", finding.where, finding.what, finding.fix)
        for finding in [*find_unsorted(draft), *find_shared_pads(draft, card)]:  # a person can still stop it
            watched.note(f"{finding.what}. {finding.fix}")
        for why in filter(None, [describe_other_names(plan), describe_other_sound(plan)]):
            watched.note(why)
        sized = runner.check_room(plan)
        running = begin(plan)
        converted = runner.convert(running)
        watched.enter("recording")
        batch = steps.record(running, converted)
        batch, errors = _deliver(running, batch, card, errors_of([*measured, *sized, *converted]))
    log.info("Export %d: %s", batch.export_id, batch.counts())
    for cause in batch.causes[:_LOGGED_CAUSES]:
        log.info("%s", cause)
    if batch.card:
        log.info(
            "Card %s: %d written and read back, %d there already", batch.card.root, batch.card.written, batch.card.unchanged
        )
    elif batch.no_card:
        log.info("Not on the card: %s", batch.no_card)
    steps.report(running, batch)
    for error in errors:
        raise error
    return batch


def _deliver(
    running: RunningExport, batch: BatchExportResult, card: Card | None, errors: list[Exception]
) -> tuple[BatchExportResult, list[Exception]]:
    """Prune, bundle and copy to the card, as far as the export had no ``errors``; return those of the surroundings."""
    if errors:
        return batch, errors
    batch = _prune(running, batch)
    if running.request.zip:
        batch, zip_errors = zip_archive.with_zip(running.settings, batch)
        errors = errors + zip_errors
    if card:
        batch, card_errors = sd_card.with_card(running, card, batch)
        errors = errors + card_errors
    return batch, errors


def _prune(running: RunningExport, batch: BatchExportResult) -> BatchExportResult:
    """Remove the files that are no longer in the manifest, or of the layout that is to be removed, as far as that is requested.

    Not what a failed row wrote under another name, for it may be all that there is of a sample; and nothing at all if
    rejected rows may mean some of the files.
    """
    plan, request = running.plan, running.request
    stale = plan.stale if request.prune else plan.stale.clear()
    of_layout = other_layouts.select_to_remove(plan.other_layouts, request)
    candidates = pl.concat([stale, of_layout])
    if candidates.is_empty():
        return batch
    left, removed, kept = plan.other_layouts, set[str](), other_layouts.ROWS_REJECTED
    if not running.draft.may_lack_files:
        failed = [result.sample_id for result in batch.results if not result.success] if batch.failed else []
        candidates = candidates.filter(~pl.col("sample_id").is_in(failed))
        forget = partial(export_records.forget_outputs, running.target, batch.export_id)
        removed = set(prune(running.target.output, candidates, forget))
        left, kept = left.filter(~pl.col("path").is_in(sorted(removed))), other_layouts.CHANGED_OR_FAILED
    return batch.model_copy(
        update={
            "pruned": len(removed.intersection(stale["path"])),
            "pruned_outdated": len(removed.intersection(batch.outdated)),
            "not_pruned": kept if running.draft.may_lack_files and not stale.is_empty() else "",
            "stale": [path for path in batch.stale if path not in removed],
            "other_layouts": other_layouts.describe(left, running.draft, running.target.output, kept),
            "layout_pruned": len(removed.intersection(of_layout["path"])),
        }
    )
