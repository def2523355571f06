"""What has to be done for each file of a plan, given what earlier exports made: nothing, a new name, a copy, or a conversion.

Pure. A file is known by its key: the hash of its source's bytes, and the recipe of its sound (``SoundSettings.recipe``).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

TIMES = ("source_bytes", "source_mtime_ns", "source_ctime_ns")


class Action(StrEnum):
    """UNCHANGED: it is there. RETEXT: but for its metadata file. MOVE, COPY: it is there under another path. FOLLOW: it will
    be, when another job is done. CONVERT: it is not.
    """

    UNCHANGED = "unchanged"
    RETEXT = "retext"
    MOVE = "move"
    COPY = "copy"
    FOLLOW = "follow"
    CONVERT = "convert"


@dataclass(frozen=True)
class Asked:
    """``planned``: every path that the whole manifest has, beyond a selection. ``spared``: paths that must stay, as files
    that a row has as its source; ``movable``: no row was rejected that can mean one of the others. ``only``: what counts is
    this export's alone, since all else is to be converted again.
    """

    organized_by: str
    format: str
    planned: pl.Series
    texts: bool
    spared: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))
    movable: bool = True
    only: int | None = None


def facts_of(rows: pl.DataFrame) -> pl.Series:
    """What the metadata file says that is not of the sound: if it changes, only that file has to be written again."""
    names = ("title", "genre", "bpm", "musical_key", "tags", "sample_id")
    told = [pl.col(name).cast(pl.String).fill_null("") for name in names]
    return rows.select(facts=pl.concat_str(*told, pl.col("source").str.extract(r"([^/]*)$"), separator="\x1f"))["facts"]


def recipes(jobs: pl.DataFrame, base: str, seamless: bool) -> pl.Series:
    """The recipe of each job: ``base``, and what else its sound depends on (``loudest``, and the tempo of a loop)."""
    told = [pl.lit(base), pl.when(pl.col("loudest") > 0).then(pl.format("loudest={}", "loudest"))]
    if seamless:
        told.append(pl.format("bpm={}", pl.col("bpm")))
    return jobs.select(settings_hash=pl.concat_str(told, separator="/", ignore_nulls=True))["settings_hash"]


def known_contents(jobs: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """``jobs`` (with ``TIMES`` as they are now) with ``content_hash``, where size and times are those that are recorded."""
    trusted = outputs.filter(pl.col("content_hash").is_not_null() & (pl.col("source_mtime_ns") > 0))
    seen = trusted.select(pl.col("source_path").alias("source"), *TIMES, "content_hash").unique(["source", *TIMES])
    return jobs.join(seen, on=["source", *TIMES], how="left", maintain_order="left")


def worth_hashing(jobs: pl.DataFrame, outputs: pl.DataFrame, most_bytes: int) -> pl.Series:
    """The sources whose content must be looked at: those that can be the same as another, since they are as long.

    Not those that have no bytes by their account (in /proc they can go on for ever), or more than will be read.
    """
    unknown = jobs.filter(pl.col("content_hash").is_null() & pl.col("source_bytes").is_between(1, most_bytes))
    as_recorded = pl.col("source_bytes").is_in(outputs["source_bytes"].drop_nulls().implode())
    return unknown.filter(as_recorded | pl.col("source_bytes").is_duplicated())["source"].unique(maintain_order=True)


def decided(jobs: pl.DataFrame, outputs: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """``jobs`` with ``action``, ``finished`` (a path below the output folder), ``leader`` (a job), and what is recorded of
    their path.

    ``jobs`` needs ``job, path, ours, content_hash, settings_hash, facts, output_size`` (of a regular file at the target)
    and ``has_text``. The result has the order of ``jobs``.
    """
    if asked.only is not None:
        outputs = outputs.filter(export_id=asked.only)
    recorded = outputs.select("path", pl.exclude("path").name.prefix("recorded_"))
    jobs = jobs.join(recorded, on="path", how="left", maintain_order="left")
    same = (
        pl.col("ours")
        & (pl.col("content_hash") == pl.col("recorded_content_hash"))
        & (pl.col("settings_hash") == pl.col("recorded_settings_hash"))
        & (pl.col("output_size") == pl.col("recorded_output_bytes"))
    ).fill_null(False)
    told = ((pl.col("facts") == pl.col("recorded_facts")) & pl.col("has_text")).fill_null(False)
    action = pl.when(same & (told if asked.texts else pl.lit(True))).then(pl.lit("unchanged")).when(same).then(pl.lit("retext"))
    jobs = jobs.with_columns(action=action, key=_key())
    open_jobs = jobs.filter(pl.col("action").is_null() & pl.col("key").is_not_null()).select("job", "path", "key")
    found = _found(open_jobs, _finished(jobs, outputs, asked))
    jobs = jobs.join(found, on="job", how="left", maintain_order="left", suffix="_found")
    return jobs.with_columns(
        action=pl.coalesce("action", "action_found", pl.lit("convert")),
        finished=pl.when(pl.col("action") == "retext").then("path").otherwise("finished"),
    ).drop("action_found")


def _key() -> pl.Expr:
    return pl.concat_str("content_hash", "settings_hash", separator="/")


def _finished(jobs: pl.DataFrame, outputs: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """Finished files that are not about to be replaced: ``key``, ``finished``, and whether they ``can_move``: nothing in the
    manifest asks for their path any more.
    """
    replaced = jobs.filter(pl.col("action").is_null())["path"]
    told = outputs.with_columns(key=_key()).filter(pl.col("key").is_not_null() & pl.col("file_hash").is_not_null())
    kept = told.filter(~pl.col("path").is_in(replaced.implode()))
    return kept.select("key", can_move=unasked(asked) & pl.lit(asked.movable), finished="path").sort("finished")


def unasked(asked: Asked) -> pl.Expr:
    """Of what the records know: what was written from this manifest in this layout, and no row asks for any more."""
    alike = (pl.col("organized_by") == asked.organized_by) & (pl.col("format") == asked.format)
    stays = pl.col("path").is_in(asked.planned.implode()) | pl.col("path").is_in(asked.spared.implode())
    return pl.col("same_manifest") & alike & ~stays


def _found(jobs: pl.DataFrame, finished: pl.DataFrame) -> pl.DataFrame:
    """Where each of ``jobs`` (``job, path, key``) gets its file from: ``action``, ``finished``, ``leader``."""
    ranked = jobs.sort("path").with_columns(rank=pl.int_range(pl.len()).over("key"))
    movable = finished.filter("can_move").with_columns(rank=pl.int_range(pl.len()).over("key"))
    steady = finished.filter(~pl.col("can_move")).unique("key", keep="first", maintain_order=True)
    ranked = ranked.join(movable.select("key", "rank", moved="finished"), on=["key", "rank"], how="left")
    ranked = ranked.join(steady.select("key", copied="finished"), on="key", how="left")
    leader = pl.col("job").sort_by("rank").first().over("key")
    action = (
        pl.when(pl.col("moved").is_not_null())
        .then(pl.lit("move"))
        .when(pl.col("copied").is_not_null())
        .then(pl.lit("copy"))
        .when(pl.col("rank") > 0)
        .then(pl.lit("follow"))
    )
    chosen = ranked.select("job", action=action, finished=pl.coalesce("moved", "copied"), leader=leader)
    return chosen.filter(pl.col("action").is_not_null())


def stale(outputs: pl.DataFrame, jobs: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """What is ``unasked``, but for what moves."""
    moved = jobs.filter(action="move")["finished"]
    return outputs.filter(unasked(asked) & ~pl.col("path").is_in(moved.implode()))
