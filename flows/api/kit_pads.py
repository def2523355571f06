"""The pads of a kit as REST clients see them, each with the name that its file gets on the device."""

import os

import polars as pl

from config.settings import Settings
from schemas.api import Pad
from schemas.enums import OrganizeBy
from tasks.layout.paths import PathRules, assign_paths


def describe_pads(rows: pl.DataFrame, settings: Settings) -> list[Pad]:
    """Describe pads, in the order of ``rows``.

    Args:
        rows: Of one kit, as ``assign_paths`` takes them; ``bank, pad`` are null where a sample has no pad, ``sample_id`` is
            where the records do not know it.
        settings: By which it would be exported. The name that is told is that of a first export: a sample that was
            exported before keeps its name.
    """
    rules = PathRules(OrganizeBy.KIT, settings.format, settings.sanitize_filenames, names=settings.names)
    known = rows.with_row_index().filter(pl.col("pad").is_not_null())
    known = known.with_columns(
        sample_id=pl.coalesce("sample_id", -1 - pl.col("index").cast(pl.Int64)), kit_id=pl.lit(1, pl.Int64)
    )
    paths = dict(zip(known["index"], assign_paths(known, rules)["path"], strict=True)) if known.height else {}
    return [
        Pad(
            **{name: row[name] for name in ("bank", "pad", "sample_id", "title", "bpm")},
            file=os.path.basename(row["file_path"]),
            name=os.path.splitext(os.path.basename(paths[at]))[0] if at in paths else None,
        )
        for at, row in enumerate(rows.iter_rows(named=True))
    ]
