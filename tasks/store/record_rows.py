"""Make the rows of the database from the requested rows and their outcomes. Pure."""

import polars as pl

from schemas.conversion import Outcome
from schemas.enums import Status
from schemas.errors import NotConvertedError
from schemas.records import EXPORT_SAMPLES, OUTPUTS, REQUESTED_ROWS, SAMPLES
from schemas.report import DETAILS, SHOWN_FILES, Cause
from tasks.store.outcome_table import OUTCOME_SCHEMA, frame_of

_LEVELS = {"peak": "peak_dbfs", "true_peak": "true_peak_dbfs", "rms": "rms_dbfs"}


def records_of_done(requested: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the records of the rows of ``requested`` (``REQUESTED_ROWS``) whose files have an outcome (``frame_of``)."""
    rows = requested.drop("status", "output_bytes", "output_frames")
    return _rows(rows.join(outcomes, on="path", how="inner", maintain_order="left"))


def records_of_settled(requested: pl.DataFrame) -> pl.DataFrame:
    """Return the records of the rows of ``requested`` whose files are there already: those that have a status."""
    settled = requested.filter(pl.col("status").is_not_null())
    blank = {name: pl.lit(None, dtype) for name, dtype in OUTCOME_SCHEMA.items() if name not in settled.columns}
    return _rows(settled.with_columns(**blank).with_columns(conversion_seconds=pl.lit(0.0)))


def records_of_unreached(requested: pl.DataFrame, done: pl.Series, why: str) -> pl.DataFrame:
    """Return the records of the rows of ``requested`` that were never reached: all but the lines in ``done``."""
    left = requested.filter(~pl.col("line").is_in(done.implode()))
    error = NotConvertedError(error=why)
    lost = Outcome(0, Status.FAILED, error=str(error), reason=error.reason, fix=error.fix)
    return records_of_done(left, frame_of([(path, lost) for path in left["path"].unique(maintain_order=True)]))


def _rows(joined: pl.DataFrame) -> pl.DataFrame:
    named = {
        "output_filename": pl.col("path").str.extract(r"([^/]*)$"),
        "output_subfolder": pl.col("path").str.extract(r"(?s)^(.*)/[^/]*$").fill_null(""),
        "conversion_successful": pl.col("status").is_in([Status.EXPORTED, Status.UNCHANGED]),
        "manifest_line": pl.col("line"),
        "source_path": pl.col("source"),
        "dc_offset": pl.col("dc"),
        **{name: pl.when(pl.col(level) > 0).then(20 * pl.col(level).log10()) for level, name in _LEVELS.items()},
    }
    return joined.select(named.get(name, pl.col(name)).alias(name) for name in EXPORT_SAMPLES.columns)


def sample_rows(requested: pl.DataFrame, outcomes: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return ``SAMPLES``: the manifest's values of each sample, and those of its file where there are outcomes."""
    samples = requested.unique("sample_id", keep="first", maintain_order=True)
    if outcomes is not None:  # of whichever of its rows; what the manifest says is that of the first
        files = requested.select("sample_id", "path").join(outcomes, on="path", how="inner", maintain_order="left")
        files = files.unique("sample_id", keep="first", maintain_order=True).select("sample_id", *_FROM_FILES)
        samples = samples.join(files, on="sample_id", how="inner", maintain_order="left")
    read = {name: pl.col(name) if name in samples.columns else pl.lit(None, OUTCOME_SCHEMA[name]) for name in _FROM_FILES}
    given = {name: pl.col(name) for name in list(SAMPLES.columns)[2:] if name not in _FROM_FILES}
    return samples.select(id="sample_id", file_path="source", **given, **read)


_FROM_FILES = [name for name in SAMPLES.columns if name in OUTCOME_SCHEMA]


def output_rows(requested: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return ``OUTPUTS``: the files that now stand below the output folder, and are ours."""
    rows = requested.unique("path", keep="first", maintain_order=True).drop("status", "output_bytes", "output_frames")
    ours = outcomes.filter(pl.col("status") == str(Status.EXPORTED), pl.col("file_hash").is_not_null())
    there = rows.join(ours, on="path", how="inner", maintain_order="left")
    return there.rename({"source": "source_path"}).select(OUTPUTS)


def causes(export_samples: pl.DataFrame, rejects: pl.DataFrame, row_word: str) -> list[Cause]:
    """Count why rows were not exported, the most frequent cause first: texts without what differs from row to row."""
    failed = export_samples.filter(status=str(Status.FAILED))
    file = pl.col("file_path") if "file_path" in rejects.columns else pl.lit(None, pl.String)  # of a version before, resumed
    every = pl.concat(
        [
            failed.select(text=pl.col("error_message").str.replace(DETAILS, ""), file="source_path", error="error_message"),
            rejects.select(text=reject_cause(), file=file, error=place_and_text(row_word, reject_text())),
        ]
    )
    found = every.group_by("text", maintain_order=True).agg(
        samples=pl.len(),
        files=pl.col("file").drop_nulls().unique(maintain_order=True).head(SHOWN_FILES),
        example=pl.col("error").first(),
    )
    found = found.sort("samples", descending=True, maintain_order=True)
    return [Cause.model_validate(cause) for cause in found.iter_rows(named=True)]


def warnings(export_samples: pl.DataFrame) -> dict[str, int]:
    """Count the warnings of exported rows, the most frequent first: texts without their figures."""
    texts = export_samples["warning"].drop_nulls().str.replace(": .*", "")
    return dict(texts.value_counts(sort=True).iter_rows())


def reject_cause() -> pl.Expr:
    """Return the rule that a reject broke, without its value: ``bpm must be a number``."""
    return pl.format("{} {}", "column", "rule")


def reject_text() -> pl.Expr:
    """Return a reject in words, as one line: ``bpm 'fast': must be a number``."""
    value = pl.when(pl.col("value") != "").then(pl.format(" '{}'", "value")).otherwise(pl.lit(""))
    return pl.format("{}{}: {}", "column", value, "rule").str.replace_all(r"\s+", " ")


def place_and_text(row_word: str, text: pl.Expr) -> pl.Expr:
    """Return what is wrong with a row behind its place: ``Line 5: bpm 'fast': must be a number``."""
    return pl.format("{} {}: {}", pl.lit(row_word.capitalize()), "line", text)


def records_of_rejects(rejects: pl.DataFrame, row_word: str) -> pl.DataFrame:
    """Return one record for each rejected line, however many rules it broke; ``row_word``: what the lines count."""
    if "file_path" not in rejects.columns:  # the plan of a run of an older version, which is resumed
        rejects = rejects.with_columns(file_path=pl.lit(None, pl.String))
    lines = rejects.group_by("line", maintain_order=True).agg(
        pl.col("sample_id", "kit", "file_path").first(),
        text=reject_text().str.join("; "),
        reason=pl.col("column").first(),
        fix=pl.col("fix").first(),
    )
    given: dict[str, pl.Expr] = {
        "sample_id": pl.when(pl.col("sample_id") > 0).then("sample_id"),
        "conversion_successful": pl.lit(False),
        "error_message": place_and_text(row_word, pl.col("text")),
        "status": pl.lit(str(Status.REJECTED)),
        "reason": pl.format("rejected_{}", pl.col("reason").str.strip_chars("()")),
        "fix": pl.col("fix"),
        "manifest_line": pl.col("line"),
        "kit": pl.col("kit"),
        "source_path": pl.col("file_path"),
        "output_bytes": pl.lit(0, pl.Int64),
        "output_frames": pl.lit(0, pl.Int64),
        "conversion_seconds": pl.lit(0.0),
        "owns_output": pl.lit(False),
    }
    levels = dict.fromkeys((*_LEVELS.values(), "dc_offset"), pl.Float64)
    dtypes: dict[str, type[pl.DataType]] = {**REQUESTED_ROWS, **OUTCOME_SCHEMA, **levels}
    return lines.select(
        given.get(name, pl.lit(None, dtypes.get(name, pl.String))).alias(name) for name in EXPORT_SAMPLES.columns
    )
