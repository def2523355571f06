"""Looking before leaping: ``check`` reads everything and ``plan`` places everything; neither writes."""

import shutil
import time

import polars as pl
from pydantic import BaseModel

from flows import body, planning
from schemas.export import ExportRequest
from schemas.words import Status
from tasks.manifest.read import read_manifest
from tasks.manifest.validate import validate
from tasks.store.records import reject_text
from tasks.work import Progress


class PlannedFile(BaseModel):
    """A file that an export would write: ``path`` below the output folder.

    ``in_the_way``: something stands there that is not ours, and stays unless it holds the very same sound.
    """

    sample_id: int
    source: str
    path: str
    in_the_way: bool


class Planned(BaseModel):
    output_base_path: str
    total_requested: int
    rejected: int
    files: list[PlannedFile]
    errors: list[str]


class Trouble(BaseModel):
    where: str
    what: str
    fix: str


class Findings(BaseModel):
    """What ``check`` found: rows = good + rejected + failing."""

    total_requested: int
    good: int
    rejected: int
    failing: int
    troubles: list[Trouble]


def plan(request: ExportRequest) -> Planned:
    """Raises what ``run_export`` raises before it writes."""
    made = _plan(request)
    shutil.rmtree(made.working_folder, ignore_errors=True)
    in_the_way = (~(pl.col("ours") | pl.col("free"))).alias("in_the_way")
    files = made.jobs.select("sample_id", "source", "path", in_the_way).iter_rows(named=True)
    return Planned(
        output_base_path=made.settings.output_base_path,
        total_requested=made.requested,
        rejected=made.rejected,
        files=[PlannedFile.model_construct(**file) for file in files],
        errors=made.rejects.select(pl.format("Line {}: {}", "line", reject_text())).to_series().to_list(),
    )


def check(request: ExportRequest, progress: Progress) -> Findings:
    """Validate the rows and read every file to its end. Raises what ``run_export`` raises before it writes."""
    made = _plan(request)
    try:
        results = body.check_in_threads(body.cut(made, progress), made.settings, progress)
    finally:
        shutil.rmtree(made.working_folder, ignore_errors=True)
    outcomes = body.account(made, results)
    rejects = made.rejects.select("line", "fix", what=reject_text()).iter_rows(named=True)
    troubles = [(row["line"], Trouble(where=f"line {row['line']}", what=row["what"], fix=row["fix"])) for row in rejects]
    failing = 0
    for line, sample_id, job in made.rows.select("line", "sample_id", "job").iter_rows():
        outcome = outcomes[job]
        if outcome.status is Status.FAILED:
            failing += 1
            where = f"line {line}, sample {sample_id}"
            troubles.append((line, Trouble(where=where, what=outcome.error, fix=outcome.fix)))
    return Findings(
        total_requested=made.requested,
        good=made.requested - made.rejected - failing,
        rejected=made.rejected,
        failing=failing,
        troubles=[trouble for _, trouble in sorted(troubles, key=lambda found: found[0])],
    )


def _plan(request: ExportRequest) -> planning.Plan:
    settings = planning.settings_for(request)
    return planning.make_plan(validate(read_manifest(request.manifest)), request, settings, time.perf_counter(), dry=True)
