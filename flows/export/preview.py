"""Dry runs: plan, check, verify. ``plan`` places everything and ``check`` reads everything; none of them writes."""

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from config.settings import Settings
from flows.export import other_layouts, passes, sd_card
from flows.export.card_forecast import PlannedCopy, foresee_card
from flows.export.decide import decide
from flows.export.folder_findings import describe_common_folder, find_in_folders, find_shared_pads
from flows.export.foreseen_failures import ForeseenFailure, foresee_failures
from flows.export.foreseen_outputs import foresee_outputs
from flows.export.kit_findings import find_in_kits, turns_down
from flows.export.other_sound import describe_last_sound, describe_other_names, describe_other_sound
from flows.export.plan import draft_dry_run
from flows.export.removals import FolderRemovals, find_removals
from flows.export.repeat import export_command
from flows.export.request import fill_kit_from_records, resolve
from flows.export.results import results_of, why_not_reached
from flows.export.stages import DecidedPlan, DraftPlan
from flows.export.threads import map_in_threads
from schemas.conversion import TOO_LOUD, CheckResult, JobResult, MeasuredLevels, clips
from schemas.enums import Verb
from schemas.errors import AudioNotFoundError, CardError, NotConvertedError, RequestError
from schemas.export import ExportRequest
from schemas.report import DETAILS, Finding, LayoutFiles, RowFinding
from schemas.sample_api import ExportForecast, ForecastReason
from tasks.bundle.card import IMPORT, INITIALIZE, Card
from tasks.convert import verify as verification
from tasks.convert.progress import Progress
from tasks.convert.unrecorded_runs import read_unrecorded_runs, with_unrecorded
from tasks.fs.file_status import free_bytes, nearest_folder
from tasks.fs.foreign_paths import why_missing
from tasks.fs.stat_table import stat_files
from tasks.layout.actions import Action
from tasks.layout.kit_lint import describe_clipping
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate
from tasks.store import history
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports
from tasks.store.record_rows import place_and_text, reject_cause, reject_text

_MOST_REASONS = 5
# What fails with its source: the other actions take what was converted before.
_NEEDING_SOUND = (Action.CONVERT, Action.FOLLOW)


class PlannedFile(BaseModel):
    """A file that an export would write.

    Attributes:
        path: Below the output folder.
        in_the_way: Something stands there that is not ours, and stays unless it holds the very same sound.
        unchanged: It is there already.
        renamed: It is there already, under another name.
    """

    sample_id: int
    source: str
    path: str
    in_the_way: bool
    unchanged: bool
    renamed: bool


class PlannedRemovals(BaseModel):
    """The files that ``prune`` or ``prune_layout`` would remove below a folder.

    Attributes:
        option: ``--prune``, or ``--prune-layout`` with the name of the layout.
        folder: The output folder, or the card's IMPORT.
        paths: Below ``folder``.
        lost: Those of them whose sample is no longer in the manifest. The others have another file now.
        refused: Why the export would refuse it without ``yes``; empty where it would not.
    """

    option: str
    folder: str
    paths: list[str]
    lost: list[str]
    refused: str


class KeptLayout(LayoutFiles):
    """Files of another layout or format that would stay in ``folder``: the output folder, or the card's IMPORT."""

    folder: str


class PlanPreview(BaseModel):
    """The files that an export would write and remove, and the rows that it would leave out.

    ``troubles`` are the rejected rows, those whose file is not there, and those that by an earlier scan or export
    cannot be converted, ``failing`` of them. No sound is read.
    """

    output_base_path: str
    total_requested: int
    rejected: int
    files: list[PlannedFile]
    removals: list[PlannedRemovals]
    card: PlannedCopy | None
    other_layouts: list[KeptLayout]
    errors: list[str]
    troubles: list[RowFinding]
    failing: int
    worth_a_look: list[Finding]
    notes: list[str]


class CheckReport(BaseModel):
    """The findings of ``check``: rows = good + rejected + failing. ``worth_a_look`` is about kits and names."""

    total_requested: int
    good: int
    rejected: int
    failing: int
    troubles: list[RowFinding]
    worth_a_look: list[Finding]
    notes: list[str]


class DamageEntry(BaseModel):
    """A file that is not as it was written, and what to do about it; or a folder, with how many ``files`` of it are meant."""

    path: str
    damage: str
    fix: str
    files: int = 1


class VerifyReport(BaseModel):
    """The findings of ``verify``: files = good + missing + changed + not yet in the records; what is not ours comes on top.

    ``texts`` of the files are metadata files, the others samples. ``system_files`` are those of operating systems and sync
    programs, such as .DS_Store; they are not among the findings. ``commands`` write the damaged files again.
    """

    files: int
    texts: int
    good: int
    counts: dict[str, int]
    findings: list[DamageEntry]
    commands: list[str]
    system_files: int = 0

    @property
    def failed(self) -> bool:
        """Return whether something is wrong with our own files; others among them are only named."""
        return any(finding.damage not in verification.HARMLESS for finding in self.findings)


def plan(request: ExportRequest, *, take_empty_card: bool = False) -> PlanPreview:
    """Place every row as the next export would. Raises what ``run_export`` raises before it writes.

    ``take_empty_card``: say of a card without IMPORT what an export needs there, and raise nothing, also without ``init_card``.
    """
    decided = decide(_draft(request), {})
    draft = decided.draft
    place, no_card = _find_card(request, draft.target.database, take_empty_card or request.init_card)
    removals = find_removals(decided, place)
    missing = _find_missing(draft)
    failing = _foresee(decided) | missing
    fails = pl.col("source").is_in(list(missing)) | (
        pl.col("action").is_in(_NEEDING_SOUND) & pl.col("source").is_in(list(failing))
    )
    actions = decided.jobs.select("path", "action")
    lost = draft.rows.join(actions, on="path", how="left", maintain_order="left").filter(fails)
    in_the_way = (~(pl.col("ours") | pl.col("free"))).alias("in_the_way")
    unchanged = (pl.col("action") == Action.UNCHANGED).alias("unchanged")
    renamed = (pl.col("action") == Action.MOVE).alias("renamed")
    there = decided.jobs.filter(~fails)
    files = there.select("sample_id", "source", "path", in_the_way, unchanged, renamed).iter_rows(named=True)
    changes = [draft.other_folder or describe_common_folder(draft), describe_other_names(decided)]
    changes += [describe_other_sound(decided, there), no_card, "" if request.prune else _describe_stale(decided)]
    return PlanPreview(
        output_base_path=draft.settings.output_base_path,
        total_requested=draft.requested,
        rejected=draft.rejected,
        files=[PlannedFile.model_construct(**file) for file in files],
        removals=[
            PlannedRemovals(
                option=found.option,
                folder=found.folder,
                paths=found.paths,
                lost=found.lost,
                refused=found.warning if found.is_much else "",
            )
            for found in removals
        ],
        card=foresee_card(decided, place, there, removals) if place else None,
        other_layouts=_kept_layouts(decided, place, removals),
        errors=draft.rejects.select(place_and_text(draft.row_word, reject_text())).to_series().to_list(),
        troubles=_in_order(
            [*_rejects(draft), *(_finding(row, failing[row["source"]], draft.row_word) for row in lost.iter_rows(named=True))]
        ),
        failing=lost.height,
        worth_a_look=[
            *draft.spellings,
            *find_in_folders(draft),
            *find_shared_pads(draft, place),
            *(find_in_kits(draft, {}) if draft.has_kits else []),
        ],
        notes=[*draft.notes, *filter(None, changes)],
    )


def _describe_stale(decided: DecidedPlan) -> str:
    """Return how many files in the output folder are no longer in the manifest and stay; empty where there are none."""
    draft = decided.draft
    gone = decided.stale.filter(~pl.col("source_path").is_in(draft.rows["source"].implode()))["path"]
    there = [path for path in gone if os.path.lexists(f"{draft.target.output}/{path}")]
    stay = "1 file, which stays" if len(there) == 1 else f"{len(there):,} files, which stay"
    why = "some may be of the rejected rows" if draft.rejected else "--prune removes such files"
    return f"No longer in the manifest: {stay} ({why}), such as {there[0]}" if there else ""


def forecast(request: ExportRequest) -> ExportForecast:
    """Count what the next export would do, and the bytes that it needs. Raises what ``run_export`` raises before it writes."""
    decided = decide(_draft(request), {})
    draft, jobs = decided.draft, decided.jobs
    is_gone = pl.Series([not os.path.exists(source) for source in jobs["source"]], dtype=pl.Boolean)
    failures = _foresee(decided)
    fails = is_gone | (jobs["action"].is_in(_NEEDING_SOUND) & jobs["source"].is_in(list(failures)))
    counts = Counter(jobs.filter(~fails)["action"])
    moves = sum(counts[action] for action in (Action.MOVE, Action.COPY, Action.RETEXT, Action.FOLLOW))
    reasons = Counter(text for (text,) in draft.rejects.select(reject_text()).iter_rows())
    reasons["Audio file not found"] += int(is_gone.sum())
    reasons += Counter(failures[source].error.partition(":")[0] for source in jobs.filter(fails & ~is_gone)["source"])
    folder = draft.settings.output_base_path
    earlier = history.newest_folder(draft.target.database, draft.rows["sample_id"].unique())
    is_other = earlier is not None and earlier != draft.target.output and os.path.isdir(earlier)
    return ExportForecast(
        convert=counts[Action.CONVERT],
        rename=moves,
        unchanged=counts[Action.UNCHANGED],
        fail=draft.rejected + int(fails.sum()),
        reasons=[ForecastReason(what=what, samples=count) for what, count in reasons.most_common(_MOST_REASONS) if count],
        bytes_needed=int(foresee_outputs(draft, jobs.filter((pl.col("action") == Action.CONVERT) & ~fails))["bytes"].sum()),
        bytes_free=free_bytes(nearest_folder(folder)),
        output_base_path=folder,
        earlier_base_path=earlier if is_other else None,
    )


def _foresee(plan: DecidedPlan) -> dict[str, ForeseenFailure]:
    draft = plan.draft
    padded = set(draft.jobs.filter(pl.col("pad_to_ms") > 0)["source"])
    return foresee_failures(draft.target.database, plan.jobs["source"], draft.settings.sound(), padded)


def check(request: ExportRequest, progress: Progress) -> CheckReport:
    """Validate the rows and read every file to its end. Raises what ``run_export`` raises before it writes."""
    progress.enter("planning")
    draft = _draft(request)
    answers = _read_all(draft, progress)
    levels = {result.index: result for result in results_of(MeasuredLevels, answers)}
    checked = {result.index: result for result in results_of(JobResult, answers)}
    lost = NotConvertedError(error=why_not_reached(answers))
    findings = []
    jobs = draft.rows.join(draft.jobs.select("path", "job"), on="path", how="left", maintain_order="left")
    for row in jobs.iter_rows(named=True):
        result = checked.get(row["job"]) or CheckResult.from_error(row["job"], lost)
        if result.error:
            findings.append(_finding(row, result, draft.row_word))
    worth_a_look = [
        *draft.spellings,
        *find_in_folders(draft),
        *find_in_kits(draft, levels),
        *_find_clipping(draft, jobs, levels),
    ]
    notes = list(draft.notes)
    if findings and any(finding.what.startswith(TOO_LOUD) for finding in worth_a_look):
        are = "is" if len(findings) == 1 else "are"
        notes.append(f"{len(findings):,} that would fail {are} not measured: more may be louder than full scale")
    if findings or worth_a_look:
        notes += filter(None, [describe_last_sound(draft)])
    return CheckReport(
        total_requested=draft.requested,
        good=draft.requested - draft.rejected - len(findings),
        rejected=draft.rejected,
        failing=len(findings),
        troubles=_in_order([*_rejects(draft), *findings]),
        worth_a_look=worth_a_look,
        notes=notes,
    )


def _find_clipping(draft: DraftPlan, rows: pl.DataFrame, levels: Mapping[int, MeasuredLevels]) -> Iterator[Finding]:
    """Yield what will clip outside of kits, by what was measured of each of ``rows`` (with its ``job``)."""
    for row in rows.filter(pl.col("kit").is_null()).iter_rows(named=True):
        result = levels.get(row["job"])
        if result and result.levels and clips(result.levels.peak) and not turns_down(draft.settings):
            where = f"{draft.row_word} {row['line']}, {row['file_path']}"
            yield Finding(where=where, what=describe_clipping(result.levels.peak), fix="--sound guard=file turns it down.")


def _rejects(draft: DraftPlan) -> list[RowFinding]:
    texts = draft.rejects.select("line", "sample_id", "file_path", "column", "fix", what=reject_text(), cause=reject_cause())
    return [
        RowFinding(
            where=f"{draft.row_word} {row['line']}",
            reason=f"rejected_{row.pop('column').strip('()')}",
            **row,
        )
        for row in texts.iter_rows(named=True)
    ]


def _finding(row: dict[str, Any], result: JobResult | ForeseenFailure, row_word: str) -> RowFinding:
    return RowFinding(
        where=f"{row_word} {row['line']}, sample {row['sample_id']}",
        what=result.error,
        cause=re.sub(DETAILS, "", result.error),
        fix=result.fix,
        reason=result.reason,
        line=row["line"],
        sample_id=row["sample_id"],
        file_path=row["source"],
    )


def _in_order(findings: list[RowFinding]) -> list[RowFinding]:
    return sorted(findings, key=lambda finding: finding.line)


def _find_missing(draft: DraftPlan) -> dict[str, JobResult]:
    """Return for each source file that is not there what an export would say of it."""
    missing = stat_files(draft.jobs["source"].unique(maintain_order=True)).filter(pl.col("kind").is_null())["path"]
    return {
        path: JobResult.from_error(0, AudioNotFoundError(path=path, fix=why_missing(path)))
        for path in missing
        if not os.path.lexists(path)
    }


def verify(settings: Settings, export_id: int | None, workers: int | None) -> VerifyReport:
    """Read the files that the records know of, and find what is missing, changed, or not ours.

    Args:
        settings: The settings in force.
        export_id: Only the files of this export; None: of all.
        workers: Files to read at a time; None: as the settings say.

    Raises:
        RequestError: There is no such export.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    database = Database.of(settings)
    with lock_exports(database):
        with database.hold():
            recorded = history.outputs(database, export_id)
            runs = read_unrecorded_runs(database)
            exports = history.exports(database, user_id=None, export_id=export_id, most=None)
        if export_id and not exports:
            raise RequestError(what=f"Export {export_id} not found", fix="`sp404 history` lists all exports.")
        everything = with_unrecorded(recorded, runs, export_id)
        outputs = everything.filter("wanted")
        result = verification.verify(outputs, everything, [settings.db], workers or settings.workers, runs)
    counts: Counter[str] = Counter()
    for file in result.damaged:
        counts[str(file.damage)] += file.files
    listed = [DamageEntry(path=file.path, damage=file.damage, fix=file.fix, files=file.files) for file in result.damaged]
    known = {name: getattr(result, name) for name in ("files", "texts", "good", "system_files")}
    return VerifyReport(**known, counts=counts, findings=listed, commands=_mending_commands(result.damaged, settings))


def _mending_commands(damaged: Sequence[verification.DamagedFile], settings: Settings) -> list[str]:
    """Return the exports, as one types them, that write damaged files again: one for each set of options."""
    database = Database.of(settings)
    changed: dict[verification.WrittenBy, bool] = {}
    for file in damaged:
        if file.written_by:
            is_changed = file.damage is verification.Damage.CHANGED
            changed[file.written_by] = changed.get(file.written_by, False) or is_changed
    commands: dict[str, bool] = {}
    for (export_id, manifest, folder), is_changed in changed.items():
        if command := export_command(database, export_id, manifest, settings, folder):
            commands[command] = commands.get(command, False) or is_changed
    return [f"{command}{' --verify-outputs' * is_changed}" for command, is_changed in commands.items()]


def _kept_layouts(plan: DecidedPlan, place: Card | None, removals: list[FolderRemovals]) -> list[KeptLayout]:
    draft = plan.draft
    files = {draft.target.output: plan.other_layouts}
    if place:
        files[place.folder] = sd_card.read_state(draft, place, compare=False).others
    kept = other_layouts.ROWS_REJECTED if draft.may_lack_files else other_layouts.CHANGED_OR_FAILED
    found = []
    for folder, of_others in files.items():
        removed = [path for removal in removals if removal.folder == folder for path in removal.paths]
        stays = of_others.filter(~pl.col("path").is_in(removed))
        described = other_layouts.describe(stays, draft, folder, kept)
        found += [KeptLayout(folder=folder, **layout.model_dump()) for layout in described]
    return found


def _find_card(request: ExportRequest, database: Database, take_empty: bool) -> tuple[Card | None, str]:
    """Return the requested card; or where it is still to be initialized, so that nothing of ours is on it, that in words."""
    if request.card is None:
        return None, ""
    try:
        return sd_card.find_card(request.card, False, database), ""
    except CardError as error:
        if INITIALIZE not in error.fix or not take_empty:
            raise
        needs = "" if request.init_card else f" with {INITIALIZE}"
        return None, f"The card {error}: an export{needs} makes {IMPORT} there, and copies all files"


def _draft(request: ExportRequest) -> DraftPlan:
    started = time.perf_counter()
    resolved = resolve(request)
    raw = fill_kit_from_records(read_manifest(resolved.request.manifest), resolved.target.database)
    return draft_dry_run(resolved, validate(raw), started)


def _read_all(draft: DraftPlan, progress: Progress) -> list[object]:
    """Read every source to its end; measure the levels, too, of those in kits and where they would clip."""
    measured = pl.col("kit").is_not_null() | pl.lit(not turns_down(draft.settings))
    answers: list[object] = []
    with tempfile.TemporaryDirectory(prefix="sp404-") as folder, progress:
        progress.start_workers(draft.settings.limits(), draft.settings.workers, draft.jobs.height)
        for verb, jobs in ((Verb.MEASURE, draft.jobs.filter(measured)), (Verb.CHECK, draft.jobs.filter(~measured))):
            shards = passes.cut(draft, jobs, progress, verb, Path(folder) / verb)
            answers += map_in_threads(shards, draft.settings, progress, lambda _: None)
    return answers
