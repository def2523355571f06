"""Outcomes as rows of a table: what a shard hands to the records, and what the records hand to a later run."""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

import polars as pl

from schemas.conversion import Levels, Outcome, SourceInfo
from schemas.enums import Status

# The columns of Levels in the order of its fields; the database says "overs" for clipped samples.
_LEVELS = {
    "overs" if field.name == "clipped_samples" else field.name: pl.Int64 if field.name == "clipped_samples" else pl.Float64
    for field in fields(Levels)
}
# The columns that say what became of a file; levels are linear. NULL where there is nothing to say.
OUTCOME_SCHEMA: dict[str, type[pl.DataType]] = {
    "status": pl.String,
    "error_message": pl.String,
    "reason": pl.String,
    "fix": pl.String,
    "output_bytes": pl.Int64,
    "output_frames": pl.Int64,
    "output_channels": pl.Int64,
    "conversion_seconds": pl.Float64,
    "sound_changes": pl.String,
    "warning": pl.String,
    "content_hash": pl.String,
    "source_hash": pl.String,
    "output_hash": pl.String,
    "file_hash": pl.String,
    "metadata_hash": pl.String,
    "moved_from": pl.String,
    "source_format": pl.String,
    "source_subtype": pl.String,
    "source_rate_hz": pl.Int64,
    "source_channels": pl.Int64,
    "source_bytes": pl.Int64,
    "source_mtime_ns": pl.Int64,
    "source_ctime_ns": pl.Int64,
    "source_frames": pl.Int64,
    **_LEVELS,
}
# Not dataclasses.astuple, which looks into each value and takes as long as all the rest of a row.
_levels_of = attrgetter(*(field.name for field in fields(Levels)))
_NO_LEVELS = (None,) * len(_LEVELS)
_SEPARATOR = "; "


def frame_of(outcomes: Iterable[tuple[str, Outcome]]) -> pl.DataFrame:
    """Return a row for each outcome: its ``path`` below the output folder, and ``OUTCOME_SCHEMA``."""
    schema: dict[str, type[pl.DataType]] = {"path": pl.String, **OUTCOME_SCHEMA}
    columns = list(zip(*((path, *_row(outcome)) for path, outcome in outcomes), strict=True)) or [()] * len(schema)
    return pl.DataFrame([pl.Series(name, values, dtype) for (name, dtype), values in zip(schema.items(), columns, strict=True)])


def outcome_of(index: int, row: dict[str, Any]) -> Outcome:
    """Return the outcome that a row of ``OUTCOME_SCHEMA`` stands for, now of the job ``index``."""
    levels = Levels(*(row[name] for name in _LEVELS)) if row["peak"] is not None else None
    source = SourceInfo(
        row["source_format"], row["source_subtype"], row["source_rate_hz"], row["source_channels"], row["source_frames"]
    )
    return Outcome(
        index,
        Status(row["status"]),
        bytes=row["output_bytes"],
        frames=row["output_frames"],
        channels=row["output_channels"],
        source=source,
        source_frames=row["source_frames"],
        source_bytes=row["source_bytes"],
        source_mtime_ns=row["source_mtime_ns"] or 0,
        source_ctime_ns=row["source_ctime_ns"] or 0,
        levels=levels,
        done=tuple(split_changes(row["sound_changes"])),
        warning=row["warning"] or "",
        content_hash=row["content_hash"] or "",
        source_hash=row["source_hash"] or "",
        output_hash=row["output_hash"] or "",
        file_hash=row["file_hash"] or "",
        metadata_hash=row["metadata_hash"] or "",
    )


def split_changes(sound_changes: str | None) -> list[str]:
    """Return what was done to a sound, in plain words, of its column."""
    return sound_changes.split(_SEPARATOR) if sound_changes else []


def _row(outcome: Outcome) -> tuple[object, ...]:
    source = outcome.source
    return (
        str(outcome.status),
        outcome.error or None,
        outcome.reason or None,
        outcome.fix or None,
        outcome.bytes,
        outcome.frames,
        outcome.channels,
        outcome.seconds,
        _SEPARATOR.join(outcome.done) or None,
        outcome.warning or None,
        outcome.content_hash or None,
        outcome.source_hash or None,
        outcome.output_hash or None,
        outcome.file_hash or None,
        outcome.metadata_hash or None,
        outcome.moved_from or None,
        source and source.container,
        source and source.subtype,
        source and source.rate_hz,
        source and source.channels,
        outcome.source_bytes or None,
        outcome.source_mtime_ns or None,
        outcome.source_ctime_ns or None,
        outcome.source_frames or None,
        *(_levels_of(outcome.levels) if outcome.levels else _NO_LEVELS),
    )
