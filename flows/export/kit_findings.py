"""Find what deserves a look in the kits of a plan, before anything of them is written."""

from collections.abc import Mapping

import polars as pl

from config.settings import Settings
from flows.export.stages import DraftPlan
from schemas.conversion import MeasuredLevels
from schemas.enums import Guard, OrganizeBy
from schemas.report import Finding
from tasks.layout.kit_lint import lint_kits


def unmeasured_kit_jobs(draft: DraftPlan) -> pl.DataFrame:
    """Return the jobs of kits of whose sound nothing is known yet; none where kits are not laid out."""
    if draft.settings.organize_by is not OrganizeBy.KIT:
        return draft.jobs.clear()
    known = _recorded_peaks(draft)["content_hash"]
    return draft.jobs.filter(pl.col("kit").is_not_null() & ~pl.col("content_hash").is_in(known.implode()).fill_null(False))


def find_in_kits(draft: DraftPlan, measured: Mapping[int, MeasuredLevels]) -> list[Finding]:
    """Check the kits by their rows, the records, and what was measured in this run.

    Args:
        draft: The placed rows.
        measured: Levels that were measured in this run, by job number.
    """
    known = [(job, result.content_hash or None, result.levels and result.levels.peak) for job, result in measured.items()]
    now = pl.DataFrame(
        known, {"job": draft.jobs.schema["job"], "measured_hash": pl.String, "measured_peak": pl.Float64}, orient="row"
    )
    jobs = draft.jobs.select("path", "job", "content_hash").join(now, on="job", how="left")
    jobs = jobs.with_columns(content_hash=pl.coalesce("measured_hash", "content_hash"))
    jobs = jobs.join(_recorded_peaks(draft), on="content_hash", how="left")
    jobs = jobs.with_columns(peak=pl.coalesce("measured_peak", "peak"))
    rows = draft.rows.join(jobs.select("path", "content_hash", "peak"), on="path", how="left", maintain_order="left")
    return lint_kits(rows, draft.rejects, draft.kit_tempos, turns_down(draft.settings), draft.row_word)


def turns_down(settings: Settings) -> bool:
    """Return whether an export turns down what is too loud."""
    return settings.guard is not Guard.NONE or settings.normalize_dbfs != "off"


def _recorded_peaks(draft: DraftPlan) -> pl.DataFrame:
    """Return the recorded peak of each content that was converted with the same settings."""
    alike = pl.col("settings_hash").str.starts_with(draft.settings.sound().recipe()) & pl.col("peak").is_not_null()
    return draft.prior_outputs.filter(alike).select("content_hash", "peak").unique("content_hash")
