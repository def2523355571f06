"""Decide for each file of a draft what it needs: nothing, a new name, a copy, or a conversion."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import polars as pl

from flows.export.kit_findings import find_in_kits
from flows.export.other_layouts import find_other_layouts
from flows.export.stages import DecidedPlan, DraftPlan
from schemas.conversion import MeasuredLevels
from schemas.enums import Guard, OrganizeBy
from schemas.jobs_frame import validate_decided_jobs
from tasks.bundle.metadata_file import metadata_path_of
from tasks.fs.hashing import is_unmodified
from tasks.fs.stat_table import stat_files
from tasks.layout import actions


def decide(draft: DraftPlan, measured: Mapping[int, MeasuredLevels]) -> DecidedPlan:
    """Decide on the action of every job, and find the files that are no longer in the manifest.

    Args:
        draft: The placed rows.
        measured: What was measured of jobs in this run, by job number; see ``unmeasured_jobs``.
    """
    settings = draft.settings
    sound, texts = settings.sound(), settings.include_metadata
    jobs = draft.jobs
    if settings.guard is Guard.FOLDER:
        jobs = with_loudest(draft, {job: result.levels.peak for job, result in measured.items() if result.levels})
    jobs = jobs.with_columns(
        settings_hash=actions.sound_recipes(jobs, sound.recipe(), sound.seamless),
        facts=actions.metadata_facts(jobs) if texts else pl.lit(None, pl.String),
        source_peak=pl.when(pl.col("loudest") > 0).then("source_peak"),
    )
    rules = actions.ActionRules(
        organized_by=str(settings.organize_by),
        format=str(settings.format),
        planned_paths=draft.all_paths,
        may_move=not draft.may_lack_files,
        metadata_files=texts,
        only_export_id=draft.reservation.export_id if draft.request.full else None,
    )
    stale_paths = draft.prior_outputs.filter(actions.is_stale(rules))["path"]
    protected = pl.concat([_sources_among(draft, stale_paths), _beyond_selection(draft)])
    rules = replace(rules, protected_paths=protected)
    outputs = draft.prior_outputs
    if draft.compares_bytes:
        damaged, damaged_texts = _damaged(draft)
        outputs = outputs.filter(~pl.col("path").is_in(damaged.implode()))
        jobs = jobs.with_columns(has_text=pl.col("has_text") & ~pl.col("path").is_in(damaged_texts.implode()))
    jobs = validate_decided_jobs(actions.decide_actions(jobs, outputs, rules))
    stale = actions.select_stale(draft.prior_outputs, jobs, rules)
    in_kits = find_in_kits(draft, measured) if settings.organize_by is OrganizeBy.KIT else []
    return DecidedPlan(draft, jobs, stale, find_other_layouts(draft), (*draft.spellings, *in_kits))


def with_loudest(draft: DraftPlan, peaks: Mapping[int, float]) -> pl.DataFrame:
    """Add to the jobs ``loudest``, the peak of the loudest sample that each has to keep its balance with.

    Those are the samples of a kit where kits are laid out, else those of one source folder: the same drum, played at four
    strengths.

    Args:
        draft: The placed rows.
        peaks: Peaks measured in this run, by job number (linear, full scale is 1.0). The others are known from earlier
            runs, or cannot be measured.
    """
    folder = pl.col("source").str.extract(r"(?s)^(.*)/")
    in_kit = pl.lit(draft.settings.organize_by is OrganizeBy.KIT) & pl.col("kit_id").is_not_null()
    group = pl.when(in_kit).then(pl.format("{}", "kit_id")).otherwise(pl.format("/{}", folder))
    measured = pl.col("job").replace_strict(list(peaks), list(peaks.values()), default=None, return_dtype=pl.Float64)
    jobs = with_recorded_peaks(draft).with_columns(source_peak=pl.coalesce(measured, "source_peak"))
    return jobs.with_columns(loudest=pl.col("source_peak").fill_null(0.0).max().over(group))


def with_recorded_peaks(draft: DraftPlan) -> pl.DataFrame:
    """Add to the jobs ``source_peak``, where an earlier run has measured this sound with these settings."""
    recipe = draft.settings.sound().recipe()
    known = draft.prior_outputs.filter(pl.col("settings_hash").str.starts_with(recipe) & pl.col("source_peak").is_not_null())
    known = known.select("content_hash", "source_peak").unique("content_hash")
    return draft.jobs.drop("source_peak").join(known, on="content_hash", how="left", maintain_order="left")


def _sources_among(draft: DraftPlan, paths: pl.Series) -> pl.Series:
    """Return those of ``paths`` below the output folder that are a row's source now."""
    standing = stat_files((draft.target.output + "/" + paths).alias("path"))
    return standing.with_columns(path=paths).join(draft.originals, on=["device", "inode"], how="inner")["path"]


def _beyond_selection(draft: DraftPlan) -> pl.Series:
    """Return the paths of files of rows beyond a selection.

    Under other settings, such as other names, those that stand there are not those that the rows would have now. If such rows
    are rejected, they may mean any file that no accepted row means.
    """
    is_theirs = pl.col("source_path").is_in(draft.unselected.sources.implode())
    if draft.unselected.are_rejected:
        is_theirs |= ~pl.col("source_path").is_in(draft.rows["source"].implode())
    return draft.prior_outputs.filter(is_theirs)["path"]


def _damaged(draft: DraftPlan) -> tuple[pl.Series, pl.Series]:
    """Find outputs that are not, byte for byte, what was written.

    Returns:
        The paths whose audio file is not, and the paths whose metadata file is not.
    """
    files = draft.jobs.select("path", "target").join(draft.prior_outputs, on="path", how="left", maintain_order="left")
    files = files.with_columns(text=metadata_path_of("target"))
    with ThreadPoolExecutor(draft.settings.workers) as pool:
        whole = list(pool.map(is_unmodified, files["target"], files["file_hash"]))
        whole_texts = list(pool.map(is_unmodified, files["text"], files["metadata_hash"]))
    return (
        files["path"].filter(~pl.Series(whole, dtype=pl.Boolean)),
        files["path"].filter(~pl.Series(whole_texts, dtype=pl.Boolean)),
    )
