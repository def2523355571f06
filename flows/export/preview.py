"""Looking before leaping: ``check`` reads everything and ``plan`` places everything; neither writes."""

import tempfile
import time
from collections import Counter
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from config.settings import Settings
from flows.export import pipeline
from flows.export import plan as planning
from flows.export.kit_findings import findings
from schemas.conversion import CheckResult, JobResult, MeasuredLevels
from schemas.enums import Verb
from schemas.errors import NotConvertedError, RequestError
from schemas.export import ExportRequest
from schemas.report import Finding
from tasks.convert import verify as verification
from tasks.convert.progress import Progress
from tasks.layout.actions import Action
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate
from tasks.store import history, run_folder
from tasks.store.database import Database
from tasks.store.record_rows import reject_text


class PlannedFile(BaseModel):
    """A file that an export would write: ``path`` below the output folder.

    ``in_the_way``: something stands there that is not ours, and stays unless it holds the very same sound. ``unchanged``: it
    is there already.
    """

    sample_id: int
    source: str
    path: str
    in_the_way: bool
    unchanged: bool


class Planned(BaseModel):
    output_base_path: str
    total_requested: int
    rejected: int
    files: list[PlannedFile]
    errors: list[str]
    worth_a_look: list[Finding]
    notes: list[str]


class Findings(BaseModel):
    """What ``check`` found: rows = good + rejected + failing. ``worth_a_look``: what it found about the kits."""

    total_requested: int
    good: int
    rejected: int
    failing: int
    troubles: list[Finding]
    worth_a_look: list[Finding]
    notes: list[str]


def plan(request: ExportRequest) -> Planned:
    """Raises what ``run_export`` raises before it writes."""
    made = planning.decided(_plan(request))
    in_the_way = (~(pl.col("ours") | pl.col("free"))).alias("in_the_way")
    unchanged = (pl.col("action") == Action.UNCHANGED).alias("unchanged")
    files = made.jobs.select("sample_id", "source", "path", in_the_way, unchanged).iter_rows(named=True)
    return Planned(
        output_base_path=made.settings.output_base_path,
        total_requested=made.requested,
        rejected=made.rejected,
        files=[PlannedFile.model_construct(**file) for file in files],
        errors=made.rejects.select(pl.format("Line {}: {}", "line", reject_text())).to_series().to_list(),
        worth_a_look=findings(made, {}),
        notes=list(made.notes),
    )


def check(request: ExportRequest, progress: Progress) -> Findings:
    """Validate the rows and read every file to its end. Raises what ``run_export`` raises before it writes."""
    made = _plan(request)
    in_kit = pl.col("kit").is_not_null()
    with tempfile.TemporaryDirectory(prefix="sp404-") as folder, progress:
        progress.executor(made.settings.limits(), ahead=min(made.settings.workers, made.jobs.height))
        results: list[object] = []
        for verb, jobs in ((Verb.MEASURE, made.jobs.filter(in_kit)), (Verb.CHECK, made.jobs.filter(~in_kit))):
            shards = pipeline.cut(made, jobs, progress, verb, Path(folder) / verb)
            results += pipeline.map_in_threads(shards, made.settings, progress, lambda _: None)
    levels = {levels.index: levels for levels in pipeline.results_of(MeasuredLevels, results)}
    checked = {result.index: result for result in pipeline.results_of(JobResult, results)}
    lost = NotConvertedError(error=pipeline.why_not_reached(results))
    rejects = made.rejects.select("line", "fix", what=reject_text()).iter_rows(named=True)
    troubles = [(row["line"], Finding(where=f"line {row['line']}", what=row["what"], fix=row["fix"])) for row in rejects]
    failing = 0
    jobs = made.rows.join(made.jobs.select("path", "job"), on="path", how="left", maintain_order="left")
    for line, sample_id, job in jobs.select("line", "sample_id", "job").iter_rows():
        result = checked.get(job) or CheckResult.from_error(job, lost)
        if result.error:
            failing += 1
            where = f"line {line}, sample {sample_id}"
            troubles.append((line, Finding(where=where, what=result.error, fix=result.fix)))
    return Findings(
        total_requested=made.requested,
        good=made.requested - made.rejected - failing,
        rejected=made.rejected,
        failing=failing,
        troubles=[trouble for _, trouble in sorted(troubles, key=lambda found: found[0])],
        worth_a_look=findings(made, levels),
        notes=list(made.notes),
    )


class Damaged(BaseModel):
    path: str
    damage: str
    fix: str


class Verified(BaseModel):
    """What ``verify`` found: files = good + missing + changed; those that are not ours come on top."""

    files: int
    good: int
    counts: dict[str, int]
    findings: list[Damaged]


def verify(settings: Settings, export_id: int | None, workers: int | None) -> Verified:
    """Read the files that the records know of. Raises RequestError and what the database raises."""
    database = Database.of(settings)
    with run_folder.one_at_a_time(database):
        everything = history.outputs(database, export_id)
        exports = history.exports(database, user_id=None, export_id=export_id, most=None)
        if export_id and not exports:
            raise RequestError(what=f"Export {export_id} not found", fix="`sp404 history` lists all exports.")
        outputs = everything.filter("wanted")
        result = verification.verify(outputs, everything, [settings.db], workers or settings.workers)
    counts = Counter(str(finding.damage) for finding in result.damaged)
    listed = [
        Damaged(path=finding.path, damage=finding.damage, fix=verification.FIXES[finding.damage]) for finding in result.damaged
    ]
    return Verified(files=result.files, good=result.good, counts=counts, findings=listed)


def _plan(request: ExportRequest) -> planning.Plan:
    request = planning.resolved(request)
    settings = planning.settings_for(request)
    raw = planning.with_files(read_manifest(request.manifest), request, settings)
    return planning.make_plan(validate(raw), request, settings, time.perf_counter(), dry=True)
