"""The jobs table of a plan: one row for each file that an export writes, the widest frame of the program.

It is made in two stages. The draft (``DRAFT_JOBS``) says where each file goes and what is known of its source and its
target. The decided plan (``DECIDED_JOBS``) says besides what the file needs, and what earlier exports recorded of its path.
Both have exactly these columns, in any order. A source is the file of a sample, a target the file to be written.
"""

import pandera.polars as pa
import polars as pl

from schemas.quick_validation import validate_quickly


def _column(dtype: type[pl.DataType], description: str) -> pa.Column:
    return pa.Column(dtype, nullable=False, description=description)


def _optional(dtype: type[pl.DataType], description: str) -> pa.Column:
    return pa.Column(dtype, nullable=True, description=description)


# From tasks.manifest.validate: the first manifest row that asks for the path.
_MANIFEST = {
    "line": _column(pl.Int64, "The physical line of the manifest on which the row starts, from 1."),
    "file_path": _column(pl.String, "The source as the manifest writes it."),
    "title": _column(pl.String, "The title, else the stem of the file; may be empty."),
    "genre": _optional(pl.String, "The genre."),
    "bpm": _optional(pl.Float64, "The tempo in BPM, 20 to 300."),
    "musical_key": _optional(pl.String, "The key, such as F#m."),
    "tags": _optional(pl.String, "Tags, separated by a vertical bar."),
    "kit": _optional(pl.String, "The kit's name. Kit, bank and pad are set together."),
    "bank": _optional(pl.String, "A to J."),
    "pad": _optional(pl.Int64, "1 to 16."),
}
# From flows.export and tasks.store.identity.
_IDENTITY = {
    "source": _column(pl.String, "The absolute path of the source."),
    "sample_id": _column(pl.Int64, "The manifest's id, else the one that the database gave to the source; above 0."),
    "id_given": _column(pl.Boolean, "Whether the manifest gave the id."),
    "kit_id": _optional(pl.Int64, "The database's id of the kit."),
}
# From tasks.layout.paths and tasks.layout.sharding.
_LAYOUT = {
    "job": _column(pl.UInt32, "The number of the job in the order of paths, from 0."),
    "bpm_bucket": _column(pl.String, "A name of schemas.music.BPM_BUCKETS, or unknown_bpm."),
    "path": _column(pl.String, "The target below the output folder, with /; unique without regard to case."),
    "target": _column(pl.String, "The absolute path of the target."),
}
# From flows.export: what stands at the target before the export.
_TARGET = {
    "ours": _column(
        pl.Boolean, "Whether a file at the target may be replaced: recorded or left by a killed run, and no source."
    ),
    "ours_text": _column(pl.Boolean, "The same of its metadata file."),
    "text_hash": _optional(pl.String, "The recorded BLAKE3 hash of its metadata file."),
    "free": _column(pl.Boolean, "Whether nothing stands at the target."),
    "output_size": _optional(pl.Int64, "Bytes of the regular file at the target."),
    "has_text": _column(pl.Boolean, "Whether a metadata file stands there; true where none is wanted."),
}
# From flows.export and tasks.layout.actions: the source as it is now.
_SOURCE = {
    "source_bytes": _optional(pl.Int64, "Size of the source; null where it is not a regular file."),
    "source_mtime_ns": _optional(pl.Int64, "Its modification time, in ns since 1970."),
    "source_ctime_ns": _optional(pl.Int64, "Its status change time, in ns since 1970."),
    "content_hash": _optional(pl.String, "BLAKE3 of its bytes, where it is recorded for this size and times, or was read now."),
    "source_peak": _optional(pl.Float64, "Linear peak before gain, full scale 1.0; measured for guard=folder only."),
    "pad_to_ms": _column(pl.Int64, "The length up to which a drum hit that is too short gets silence; else 0."),
    "loudest": _column(pl.Float64, "Largest source_peak of the job's kit or folder; 0.0 where levels stay as they are."),
}
# From flows.export, before the actions are decided.
_RECIPE = {
    "settings_hash": _column(pl.String, "The recipe of the sound (tasks.layout.actions.sound_recipes)."),
    "facts": _optional(pl.String, "What the metadata file says beside the sound; null where none is wanted."),
}
# From tasks.layout.actions.
_DECISION = {
    "action": _column(pl.String, "A tasks.layout.actions.Action."),
    "key": _optional(pl.String, "content_hash/settings_hash: equal keys mean equal audio."),
    "finished": _optional(pl.String, "Path below the output folder of the file to take; for move, copy and retext."),
    "leader": _optional(pl.UInt32, "The first job of the same key; for move, copy and follow."),
}
# From tasks.layout.actions: what the database records of the path; all null where no earlier export wrote it.
_RECORDED = {
    "recorded_export_id": _optional(pl.Int64, "The export that wrote the file."),
    "recorded_same_manifest": _optional(pl.Boolean, "Whether it was an export of this manifest."),
    "recorded_organized_by": _optional(pl.String, "The layout of that export."),
    "recorded_format": _optional(pl.String, "Its audio format."),
    "recorded_sample_id": _optional(pl.Int64, "The sample in the file."),
    "recorded_source_path": _optional(pl.String, "The source of that sample."),
    "recorded_settings_hash": _optional(pl.String, "The recipe of its sound."),
    "recorded_facts": _optional(pl.String, "The facts in its metadata file."),
    "recorded_source_peak": _optional(pl.Float64, "Linear peak of its source before gain."),
    "recorded_output_bytes": _optional(pl.Int64, "Size of the file."),
    "recorded_output_frames": _optional(pl.Int64, "Its length in frames of 48 kHz."),
    "recorded_content_hash": _optional(pl.String, "BLAKE3 of its source."),
    "recorded_file_hash": _optional(pl.String, "BLAKE3 of the file; null where an early version wrote it."),
    "recorded_metadata_hash": _optional(pl.String, "BLAKE3 of its metadata file."),
    "recorded_source_bytes": _optional(pl.Int64, "Size of its source."),
    "recorded_source_mtime_ns": _optional(pl.Int64, "Modification time of its source, in ns since 1970."),
    "recorded_source_ctime_ns": _optional(pl.Int64, "Status change time of its source, in ns since 1970."),
    "recorded_peak": _optional(pl.Float64, "Linear peak of its sound at 48 kHz before the last rounding, full scale 1.0."),
}
_DRAFT = _IDENTITY | _MANIFEST | _LAYOUT | _TARGET | _SOURCE

DRAFT_JOBS = pa.DataFrameSchema(_DRAFT, strict=True, name="draft jobs")
DECIDED_JOBS = pa.DataFrameSchema(_DRAFT | _RECIPE | _DECISION | _RECORDED, strict=True, name="decided jobs")


def validate_draft_jobs(jobs: pl.DataFrame) -> pl.DataFrame:
    """Check the jobs of a draft plan against ``DRAFT_JOBS``.

    Returns:
        ``jobs`` as they are.

    Raises:
        SchemaError: A column is missing, is not of the schema, has another dtype, or has nulls where none may be.
    """
    validate_quickly(jobs, DRAFT_JOBS)
    return jobs


def validate_decided_jobs(jobs: pl.DataFrame) -> pl.DataFrame:
    """Check the jobs of a decided plan against ``DECIDED_JOBS``.

    Returns:
        ``jobs`` as they are.

    Raises:
        SchemaError: A column is missing, is not of the schema, has another dtype, or has nulls where none may be.
    """
    validate_quickly(jobs, DECIDED_JOBS)
    return jobs
