"""The rows that go to DuckDB: what a run must be able to say of each manifest row."""

import pandera.polars as pa
import polars as pl

from schemas.words import Status

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
