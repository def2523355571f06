"""Fill a kit file's rows from the records: files of samples named by id, and facts that the file leaves out."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from schemas.manifest import TEXT_SCHEMA, whole
from tasks.manifest.source_paths import resolve_sources
from tasks.manifest.table import RawManifest


def ids_without_file(raw: RawManifest) -> list[int]:
    """Return the ids of rows that name a sample but no file: what ``fill_files`` needs to know."""
    ids = raw.frame.filter(pl.col("file_path").is_null()).select(whole("sample_id")).to_series()
    return ids.filter(ids > 0).unique().sort().to_list()


def fill_files(raw: RawManifest, files: Mapping[int, str]) -> RawManifest:
    """Fill in the files of samples that are named by their id alone.

    Args:
        raw: A kit file.
        files: Paths by the id of their sample; a row of another id is rejected.
    """
    by_id_alone = pl.col("file_path").is_null() & (pl.col("id") > 0)
    frame = raw.frame.with_columns(id=whole("sample_id"))
    known = pl.DataFrame({"id": files.keys(), "known": files.values()}, schema={"id": pl.Int64, "known": pl.String})
    frame = frame.join(known, on="id", how="left", maintain_order="left")
    filled = frame.with_columns(file_path=pl.when(by_id_alone).then("known").otherwise("file_path"))
    lost = (by_id_alone & pl.col("known").is_null()).fill_null(False)
    rejects = frame.filter(lost).select(
        "line",
        pl.col("id").alias("sample_id"),
        "kit",
        column=pl.lit("sample_id"),
        value=pl.col("id").cast(pl.String),
        rule=pl.format("sample {} is not in the records", "id"),
        fix=pl.lit("`sp404 history --export N` shows the ids of samples; or name the file instead."),
        file_path=pl.lit(None, pl.String),
    )
    rest = filled.filter(~frame.select(lost).to_series()).select(TEXT_SCHEMA.keys())
    return replace(raw, frame=rest, rejects=pl.concat([raw.rejects, rejects]))


def fill_facts(raw: RawManifest, samples: pl.DataFrame) -> RawManifest:
    """Fill in what the records know of files where the kit file says nothing: a kit is not a reason to forget a tempo.

    Args:
        raw: A kit file.
        samples: Of the records: ``file_path`` (absolute), ``title``, ``genre``, ``bpm``, ``musical_key`` and ``tags``.
    """
    facts = ("title", "genre", "bpm", "musical_key", "tags")
    known = samples.unique("file_path", keep="first").select(
        source="file_path", **{f"known_{name}": pl.col(name).cast(pl.String) for name in facts}
    )
    frame = raw.frame.with_columns(source=resolve_sources(raw.frame["file_path"].fill_null(""), raw.folder))
    frame = frame.join(known, on="source", how="left", maintain_order="left")
    filled = frame.with_columns(pl.coalesce(name, f"known_{name}").alias(name) for name in facts)
    return replace(raw, frame=filled.select(TEXT_SCHEMA.keys()))
