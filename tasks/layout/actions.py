"""Decide what each file of a plan needs, given what earlier exports wrote: nothing, a new name, a copy, or a conversion.

Pure. A file is known by its key: the hash of its source's bytes, and the recipe of its sound (``SoundSettings.recipe``).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

# The columns that say whether a source file is as it was: its size, and its times of modification and of status change.
SOURCE_STAMP = ("source_bytes", "source_mtime_ns", "source_ctime_ns")


# In the recipe of what is padded on its own.
PADDED = "pad="


class Action(StrEnum):
    """The action that a file of the plan needs.

    UNCHANGED: it is there. RETEXT: only its metadata file is written. MOVE, COPY: the audio is there under another path.
    FOLLOW: it will be there when another job, its leader, is done. CONVERT: it is converted.
    """

    UNCHANGED = "unchanged"
    RETEXT = "retext"
    MOVE = "move"
    COPY = "copy"
    FOLLOW = "follow"
    CONVERT = "convert"


@dataclass(frozen=True)
class ActionRules:
    """The rules by which the actions of an export are decided.

    Attributes:
        organized_by: The layout of this export.
        format: Its audio format.
        planned_paths: All paths of the whole manifest, beyond a selection.
        metadata_files: Whether each sample has a metadata file beside it.
        protected_paths: Paths that must stay: output files that a row has as its source, and what a selection has no say in.
        may_move: False where a rejected row can mean one of the finished files.
        only_export_id: With ``--full``: only files of this export count as finished.
    """

    organized_by: str
    format: str
    planned_paths: pl.Series
    metadata_files: bool
    protected_paths: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))
    may_move: bool = True
    only_export_id: int | None = None


def metadata_facts(rows: pl.DataFrame) -> pl.Series:
    """Join what the metadata file says beside the sound: if it changes, only that file has to be written again.

    Args:
        rows: Needs ``title, genre, musical_key, tags, source`` (String), ``bpm`` (Float64) and ``sample_id`` (Int64).

    Returns:
        ``facts``: a String for each row, never null.
    """
    names = ("title", "genre", "bpm", "musical_key", "tags", "sample_id")
    cells = [pl.col(name).cast(pl.String).fill_null("") for name in names]
    return rows.select(facts=pl.concat_str(*cells, pl.col("source").str.extract(r"([^/]*)$"), separator="\x1f"))["facts"]


def sound_recipes(jobs: pl.DataFrame, base: str, seamless: bool) -> pl.Series:
    """Return the recipe of each job: ``base``, and what else its sound depends on.

    Args:
        jobs: Needs ``loudest`` (Float64, linear peak of its group; 0 where levels stay), ``pad_to_ms`` (Int64; 0 where nothing
            is added) and ``bpm`` (Float64).
        base: The recipe that all jobs share.
        seamless: Whether loops are cut to whole beats, so that the tempo matters.

    Returns:
        ``settings_hash``: a String for each job, never null.
    """
    parts = [pl.lit(base), pl.when(pl.col("loudest") > 0).then(pl.format("loudest={}", "loudest"))]
    parts.append(pl.when(pl.col("pad_to_ms") > 0).then(pl.format(f"{PADDED}{{}}", "pad_to_ms")))
    if seamless:
        parts.append(pl.format("bpm={}", pl.col("bpm")))
    return jobs.select(settings_hash=pl.concat_str(parts, separator="/", ignore_nulls=True))["settings_hash"]


def add_known_hashes(jobs: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """Add the recorded ``content_hash`` of each source whose size and times are as recorded.

    Args:
        jobs: Needs ``source`` (String) and ``SOURCE_STAMP`` (Int64) as they are now.
        outputs: Earlier outputs; needs ``source_path``, ``SOURCE_STAMP`` and ``content_hash``.

    Returns:
        ``jobs`` in their order with ``content_hash`` (String, null where it is unknown).
    """
    trusted = outputs.filter(pl.col("content_hash").is_not_null() & (pl.col("source_mtime_ns") > 0))
    recorded = trusted.select(pl.col("source_path").alias("source"), *SOURCE_STAMP, "content_hash")
    recorded = recorded.unique(["source", *SOURCE_STAMP])
    return jobs.join(recorded, on=["source", *SOURCE_STAMP], how="left", maintain_order="left")


def sources_to_hash(jobs: pl.DataFrame, outputs: pl.DataFrame, max_bytes: int) -> pl.Series:
    """List the sources whose content has to be read: those that can equal another, since they are as long.

    Left out are sources of no bytes (files in /proc say so, and can go on for ever) and those of more than ``max_bytes``.

    Args:
        jobs: Needs ``source, source_bytes, content_hash`` (``add_known_hashes``).
        outputs: Earlier outputs; needs ``source_bytes``.
        max_bytes: The longest file that will be read.

    Returns:
        Paths, each once.
    """
    unknown = jobs.filter(pl.col("content_hash").is_null() & pl.col("source_bytes").is_between(1, max_bytes))
    as_recorded = pl.col("source_bytes").is_in(outputs["source_bytes"].drop_nulls().implode())
    return unknown.filter(as_recorded | pl.col("source_bytes").is_duplicated())["source"].unique(maintain_order=True)


def decide_actions(jobs: pl.DataFrame, outputs: pl.DataFrame, rules: ActionRules) -> pl.DataFrame:
    """Decide the action of each job.

    Args:
        jobs: Needs ``job`` (UInt32), ``path, content_hash, settings_hash, facts`` (String), ``ours, has_text`` (Boolean) and
            ``output_size`` (Int64, of a regular file at the target).
        outputs: What the records say of the output folder, one row a path; needs ``path, content_hash, settings_hash,
            facts, file_hash, organized_by, format`` (String), ``export_id, output_bytes`` (Int64) and ``same_manifest``
            (Boolean).
        rules: What the export permits.

    Returns:
        ``jobs`` in their order with ``action`` (an ``Action``), ``key`` (String), ``finished`` (String: the path below the
        output folder of the file to take; for MOVE, COPY and RETEXT), ``leader`` (UInt32: the first job of the same key; for
        MOVE, COPY and FOLLOW) and every other column of ``outputs``, with ``recorded_`` in front, of the job's own path.
    """
    if rules.only_export_id is not None:
        outputs = outputs.filter(export_id=rules.only_export_id)
    recorded = outputs.select("path", pl.exclude("path").name.prefix("recorded_"))
    jobs = jobs.join(recorded, on="path", how="left", maintain_order="left")
    jobs = jobs.with_columns(action=_in_place(rules), key=_key())
    open_jobs = jobs.filter(pl.col("action").is_null() & pl.col("key").is_not_null()).select("job", "path", "key")
    shared = _assign_finished(open_jobs, _finished_files(jobs, outputs, rules))
    jobs = jobs.join(shared, on="job", how="left", maintain_order="left", suffix="_shared")
    return jobs.with_columns(
        action=pl.coalesce("action", "action_shared", pl.lit("convert")),
        finished=pl.when(pl.col("action") == "retext").then("path").otherwise("finished"),
    ).drop("action_shared")


def is_stale(rules: ActionRules) -> pl.Expr:
    """Return whether an output is of this manifest and layout, but no longer in the manifest.

    Returns:
        A Boolean expression for a frame with ``path, organized_by, format, same_manifest``.
    """
    alike = (pl.col("organized_by") == rules.organized_by) & (pl.col("format") == rules.format)
    stays = pl.col("path").is_in(rules.planned_paths.implode()) | pl.col("path").is_in(rules.protected_paths.implode())
    return pl.col("same_manifest") & alike & ~stays


def select_stale(outputs: pl.DataFrame, jobs: pl.DataFrame, rules: ActionRules) -> pl.DataFrame:
    """Return the stale ``outputs`` (``is_stale``), except those that a job of ``decide_actions`` moves."""
    moved = jobs.filter(action="move")["finished"]
    return outputs.filter(is_stale(rules) & ~pl.col("path").is_in(moved.implode()))


def _in_place(rules: ActionRules) -> pl.Expr:
    """Return UNCHANGED or RETEXT for a job whose audio is at its target already; else null."""
    same_audio = (
        pl.col("ours")
        & (pl.col("content_hash") == pl.col("recorded_content_hash"))
        & (pl.col("settings_hash") == pl.col("recorded_settings_hash"))
        & (pl.col("output_size") == pl.col("recorded_output_bytes"))
    ).fill_null(False)
    same_text = ((pl.col("facts") == pl.col("recorded_facts")) & pl.col("has_text")).fill_null(False)
    unchanged = same_audio & (same_text if rules.metadata_files else pl.lit(True))
    return pl.when(unchanged).then(pl.lit("unchanged")).when(same_audio).then(pl.lit("retext"))


def _key() -> pl.Expr:
    return pl.concat_str("content_hash", "settings_hash", separator="/")


def _finished_files(jobs: pl.DataFrame, outputs: pl.DataFrame, rules: ActionRules) -> pl.DataFrame:
    """Return the finished files that no job is about to replace: ``key``, ``finished`` and ``can_move``, in order of path.

    A file can move when its path is no longer in the manifest.
    """
    replaced = jobs.filter(pl.col("action").is_null())["path"]
    usable = outputs.with_columns(key=_key()).filter(pl.col("key").is_not_null() & pl.col("file_hash").is_not_null())
    kept = usable.filter(~pl.col("path").is_in(replaced.implode()))
    return kept.select("key", can_move=is_stale(rules) & pl.lit(rules.may_move), finished="path").sort("finished")


def _assign_finished(jobs: pl.DataFrame, finished: pl.DataFrame) -> pl.DataFrame:
    """Assign a finished file or a leader to each of ``jobs`` (``job, path, key``) that has one.

    Each movable file goes to one job; one steady file can be copied to many; what is left of a key follows its first job.

    Returns:
        ``job``, ``action``, ``finished``, ``leader``.
    """
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
