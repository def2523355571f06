"""What is to be looked at in the kits of a plan, before anything of them is written."""

import polars as pl

from flows.export.plan import Plan
from schemas.conversion import MeasuredLevels
from schemas.enums import Guard, OrganizeBy
from schemas.report import Finding
from tasks.layout.kit_lint import lint_kits


def unheard(plan: Plan) -> pl.DataFrame:
    """The jobs of kits of whose sound nothing is known yet."""
    if plan.settings.organize_by is not OrganizeBy.KIT:
        return plan.jobs.clear()
    known = _known(plan)["content_hash"]
    return plan.jobs.filter(pl.col("kit").is_not_null() & ~pl.col("content_hash").is_in(known.implode()).fill_null(False))


def findings(plan: Plan, heard: dict[int, MeasuredLevels]) -> list[Finding]:
    """What the rows say, the records, and ``heard``: the levels by job of those that were measured now."""
    told = [(job, one.content_hash or None, one.levels and one.levels.peak) for job, one in heard.items()]
    now = pl.DataFrame(told, {"job": plan.jobs.schema["job"], "heard_hash": pl.String, "heard_peak": pl.Float64}, orient="row")
    jobs = plan.jobs.select("path", "job", "content_hash").join(now, on="job", how="left")
    jobs = jobs.with_columns(content_hash=pl.coalesce("heard_hash", "content_hash"))
    jobs = jobs.join(_known(plan), on="content_hash", how="left").with_columns(peak=pl.coalesce("heard_peak", "peak"))
    rows = plan.rows.join(jobs.select("path", "content_hash", "peak"), on="path", how="left", maintain_order="left")
    turned_down = plan.settings.guard is not Guard.NONE or plan.settings.normalize_dbfs != "off"
    return lint_kits(rows, plan.rejects, plan.tempos, turned_down)


def _known(plan: Plan) -> pl.DataFrame:
    """The peak of each content that was converted in the same way, as it was recorded."""
    alike = pl.col("settings_hash").str.starts_with(plan.settings.sound().recipe()) & pl.col("peak").is_not_null()
    return plan.outputs.filter(alike).select("content_hash", "peak").unique("content_hash")
