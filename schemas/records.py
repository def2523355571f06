"""The rows that go to DuckDB: what a run must be able to say of each manifest row."""

import pandera.polars as pa
import polars as pl

from schemas.enums import Status

# A requested row as it was planned: what the records need of it to say what became of it. ``status`` is set where that is
# known before the work begins (a file that is there already); ``facts`` are those of the metadata file, None if none is
# wanted; ``settings_hash`` is the recipe of the sound; ``source_peak`` the level that a gain for all of a kit goes by.
REQUESTED_ROWS: dict[str, type[pl.DataType]] = {
    "line": pl.Int64,
    "sample_id": pl.Int64,
    "id_given": pl.Boolean,
    "path": pl.String,
    "owns_output": pl.Boolean,
    "source": pl.String,
    "title": pl.String,
    "genre": pl.String,
    "bpm": pl.Float64,
    "bpm_bucket": pl.String,
    "musical_key": pl.String,
    "tags": pl.String,
    "kit": pl.String,
    "kit_id": pl.Int64,
    "bank": pl.String,
    "pad": pl.Int64,
    "settings_hash": pl.String,
    "facts": pl.String,
    "source_peak": pl.Float64,
    "status": pl.String,
    "output_bytes": pl.Int64,
    "output_frames": pl.Int64,
}
_TEXT = pa.Column(pl.String, nullable=True)
_LEVEL = pa.Column(pl.Float64, nullable=True)
_COUNT = pa.Column(pl.Int64, pa.Check.ge(0))

EXPORT_SAMPLES = pa.DataFrameSchema(
    {
        "sample_id": pa.Column(pl.Int64, nullable=True),
        "output_filename": _TEXT,
        "output_subfolder": _TEXT,
        "conversion_successful": pa.Column(pl.Boolean),
        "error_message": _TEXT,
        "status": pa.Column(pl.String, pa.Check.isin([str(status) for status in Status])),
        "reason": _TEXT,
        "fix": _TEXT,
        "manifest_line": pa.Column(pl.Int64, pa.Check.ge(1)),
        "source_path": _TEXT,
        "genre": _TEXT,
        "bpm_bucket": _TEXT,
        "kit": _TEXT,
        "bank": _TEXT,
        "pad": pa.Column(pl.Int64, nullable=True),
        "output_bytes": _COUNT,
        "output_frames": _COUNT,
        "conversion_seconds": pa.Column(pl.Float64, pa.Check.ge(0)),
        "owns_output": pa.Column(pl.Boolean),
        "sound_changes": _TEXT,
        "warning": _TEXT,
        "source_hash": _TEXT,
        "output_hash": _TEXT,
        "peak_dbfs": _LEVEL,
        "true_peak_dbfs": _LEVEL,
        "overs": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "rms_dbfs": _LEVEL,
        "dc_offset": _LEVEL,
        "leading_silence_ms": _LEVEL,
        "content_hash": _TEXT,
        "settings_hash": _TEXT,
        "file_hash": _TEXT,
    },
    strict=True,
    ordered=True,
)
SAMPLES = pa.DataFrameSchema(
    {
        "id": pa.Column(pl.Int64, pa.Check.gt(0), unique=True),
        "file_path": pa.Column(pl.String),
        "title": pa.Column(pl.String),
        "genre": _TEXT,
        "bpm": pa.Column(pl.Float64, nullable=True),
        "musical_key": _TEXT,
        "tags": _TEXT,
        "source_format": _TEXT,
        "source_subtype": _TEXT,
        "source_rate_hz": pa.Column(pl.Int64, nullable=True),
        "source_channels": pa.Column(pl.Int64, nullable=True),
        "source_bytes": pa.Column(pl.Int64, nullable=True),
        "source_mtime_ns": pa.Column(pl.Int64, nullable=True),
        "source_frames": pa.Column(pl.Int64, nullable=True),
    },
    strict=True,
    ordered=True,
)
# A file that stands below an output folder: who asked for it, and its outcome.
OUTPUTS = [
    *("path", "sample_id", "source_path", "settings_hash", "facts", "source_peak", "status", "error_message", "reason"),
    *("fix", "output_bytes", "output_frames", "output_channels", "conversion_seconds", "sound_changes", "warning"),
    *("content_hash", "source_hash", "output_hash", "file_hash", "metadata_hash", "moved_from", "source_format"),
    *("source_subtype", "source_rate_hz", "source_channels", "source_bytes", "source_mtime_ns", "source_ctime_ns"),
    *("source_frames", "peak", "true_peak", "overs", "rms", "dc", "leading_silence_ms"),
]
