"""From a plan's rows, its rejects and its outcomes to the rows of the database. Pure."""

import math
from collections.abc import Mapping

import polars as pl

from schemas.jobs import Outcome
from schemas.records import EXPORT_SAMPLES, SAMPLES
from schemas.words import Status
from tasks.store.exports import Records

# What an outcome says of the sound, by the names of the records.
_SOUND_SCHEMA: dict[str, type[pl.DataType]] = {
    "sound_changes": pl.String,
    "warning": pl.String,
    "source_hash": pl.String,
    "output_hash": pl.String,
    "peak_dbfs": pl.Float64,
    "true_peak_dbfs": pl.Float64,
    "overs": pl.Int64,
    "rms_dbfs": pl.Float64,
    "dc_offset": pl.Float64,
    "leading_silence_ms": pl.Float64,
}
_OUTCOME_SCHEMA: dict[str, type[pl.DataType]] = {
    "job": pl.Int64,
    "status": pl.String,
    "error_message": pl.String,
    "reason": pl.String,
    "fix": pl.String,
    "output_bytes": pl.Int64,
    "output_frames": pl.Int64,
    "conversion_seconds": pl.Float64,
    **_SOUND_SCHEMA,
    "source_format": pl.String,
    "source_subtype": pl.String,
    "source_rate_hz": pl.Int64,
    "source_channels": pl.Int64,
    "source_bytes": pl.Int64,
    "source_mtime_ns": pl.Int64,
    "source_frames": pl.Int64,
}


def records_of(rows: pl.DataFrame, rejects: pl.DataFrame, kit_rows: pl.DataFrame, outcomes: Mapping[int, Outcome]) -> Records:
    """``rows``: placed rows with their ``job``; ``outcomes``: by job. One record a row and one a rejected line.

    ``kit_rows`` are all rows of the kits that the export touches, also those that were not asked for.
    """
    done = pl.DataFrame([_outcome_row(outcome) for outcome in outcomes.values()], _OUTCOME_SCHEMA, orient="row")
    joined = rows.with_columns(pl.col("job").cast(pl.Int64)).join(done, on="job", how="left", maintain_order="left")
    successful = pl.col("status").is_in([Status.EXPORTED, Status.UNCHANGED])
    export_samples = joined.select(
        "sample_id",
        output_filename=pl.col("path").str.extract(r"([^/]*)$"),
        output_subfolder=pl.col("path").str.extract(r"^(.*)/[^/]*$").fill_null(""),
        conversion_successful=successful,
        error_message=pl.col("error_message"),
        status=pl.col("status"),
        reason=pl.col("reason"),
        fix=pl.col("fix"),
        manifest_line=pl.col("line"),
        source_path=pl.col("source"),
        genre=pl.col("genre"),
        bpm_bucket=pl.col("bpm_bucket"),
        kit=pl.col("kit"),
        bank=pl.col("bank"),
        pad=pl.col("pad"),
        output_bytes=pl.col("output_bytes"),
        output_frames=pl.col("output_frames"),
        conversion_seconds=pl.col("conversion_seconds"),
        owns_output=pl.col("job").is_first_distinct(),
        **{name: pl.col(name) for name in _SOUND_SCHEMA},
    )
    samples = pl.concat([joined, kit_rows.drop("job", strict=False)], how="diagonal").unique(
        "sample_id", keep="first", maintain_order=True
    )
    samples = samples.select(pl.col("sample_id").alias("id"), pl.col("source").alias("file_path"), *list(SAMPLES.columns)[2:])
    kit_samples = kit_rows.select("kit_id", "sample_id", "bank", "pad")
    return Records(samples, pl.concat([export_samples, _rejected(rejects)]), kit_samples, rejects)


def causes(export_samples: pl.DataFrame, rejects: pl.DataFrame) -> dict[str, int]:
    """Why rows were not exported and how many, the most frequent first: texts without what differs from row to row."""
    failed = export_samples.filter(status=str(Status.FAILED))["error_message"]
    details = r"(: /.*|: [0-9.]+m?s \(.*)$"
    broken = rejects.select(cause=pl.format("{} {}", "column", "rule"))
    every = pl.concat([failed.str.replace(details, "").alias("cause").to_frame(), broken])
    return dict(every["cause"].value_counts(sort=True).iter_rows())


def warnings(export_samples: pl.DataFrame) -> dict[str, int]:
    """What exported rows were warned of and how many, the most frequent first: texts without their figures."""
    texts = export_samples["warning"].drop_nulls().str.replace(": .*", "")
    return dict(texts.value_counts(sort=True).iter_rows())


def reject_text() -> pl.Expr:
    """A reject in words, as one line: ``bpm 'fast': must be a number``."""
    value = pl.when(pl.col("value") != "").then(pl.format(" '{}'", "value")).otherwise(pl.lit(""))
    return pl.format("{}{}: {}", "column", value, "rule").str.replace_all(r"\s+", " ")


def _rejected(rejects: pl.DataFrame) -> pl.DataFrame:
    """One row a rejected line, however many rules it broke."""
    lines = rejects.group_by("line", maintain_order=True).agg(
        pl.col("sample_id", "kit").first(),
        text=reject_text().str.join("; "),
        reason=pl.col("column").first(),
        fix=pl.col("fix").first(),
    )
    given: dict[str, pl.Expr] = {
        "sample_id": pl.when(pl.col("sample_id") > 0).then("sample_id"),
        "conversion_successful": pl.lit(False),
        "error_message": pl.format("Line {}: {}", "line", "text"),
        "status": pl.lit(str(Status.REJECTED)),
        "reason": pl.format("rejected_{}", pl.col("reason").str.strip_chars("()")),
        "fix": pl.col("fix"),
        "manifest_line": pl.col("line"),
        "kit": pl.col("kit"),
        "output_bytes": pl.lit(0, pl.Int64),
        "output_frames": pl.lit(0, pl.Int64),
        "conversion_seconds": pl.lit(0.0),
        "owns_output": pl.lit(False),
    }
    dtypes: dict[str, type[pl.DataType]] = {"pad": pl.Int64, **_SOUND_SCHEMA}
    return lines.select(
        given.get(name, pl.lit(None, dtypes.get(name, pl.String))).alias(name) for name in EXPORT_SAMPLES.columns
    )


def _outcome_row(outcome: Outcome) -> tuple[object, ...]:
    source = outcome.source
    return (
        outcome.index,
        str(outcome.status),
        outcome.error or None,
        outcome.reason or None,
        outcome.fix or None,
        outcome.bytes,
        outcome.frames,
        outcome.seconds,
        *_sound_row(outcome),
        source and source.container,
        source and source.subtype,
        source and source.rate_hz,
        source and source.channels,
        outcome.source_bytes or None,
        outcome.source_mtime_ns or None,
        outcome.source_frames or None,
    )


def _sound_row(outcome: Outcome) -> tuple[object, ...]:
    words = "; ".join(outcome.done) or None, outcome.warning or None, outcome.source_hash or None, outcome.output_hash or None
    levels = outcome.levels
    if levels is None:
        return *words, *[None] * (len(_SOUND_SCHEMA) - len(words))
    peak, true_peak, rms = (_dbfs(level) for level in (levels.peak, levels.true_peak, levels.rms))
    return *words, peak, true_peak, levels.overs, rms, levels.dc, levels.leading_silence_ms


def _dbfs(level: float) -> float | None:
    return 20 * math.log10(level) if level > 0 else None
