"""Find the drum hits of a plan that are too short for the device, where the settings say that they get silence."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import polars as pl

from config.settings import Settings
from schemas.enums import PadShortHits
from schemas.errors import SampleError
from tasks.layout.actions import PADDED
from tasks.scan.kinds import is_drum_hit

# What lasts a tenth of a second is smaller, with all its tags.
_MOST_BYTES = 1 << 20


def with_padding(jobs: pl.DataFrame, outputs: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Add ``pad_to_ms`` to the jobs: the shortest length for drum hits that do not have it, else 0.

    Only files of which no export has made an output with these settings are opened: of others it is known.

    Args:
        jobs: Needs ``source, title, tags, content_hash`` (String) and ``source_bytes`` (Int64).
        outputs: Earlier outputs; needs ``content_hash`` and ``settings_hash``.
        settings: The settings in force.
    """
    sound = settings.sound()
    if settings.pad_short_hits is not PadShortHits.YES or sound.pad_to_ms >= sound.min_duration_ms:
        return jobs.with_columns(pad_to_ms=pl.lit(0, pl.Int64))
    of_recipe = outputs.filter(pl.col("settings_hash").str.starts_with(sound.recipe()) & pl.col("content_hash").is_not_null())
    known = of_recipe.group_by("content_hash").agg(padded=pl.col("settings_hash").str.contains(f"/{PADDED}").any())
    jobs = jobs.join(known, on="content_hash", how="left", maintain_order="left")
    may_be = pl.col("padded").fill_null(pl.col("source_bytes").is_between(1, _MOST_BYTES)).fill_null(False)
    words = ("source", "title", "tags")
    rows = jobs.filter(may_be).select("padded", *(pl.col(name).fill_null("") for name in words)).unique(maintain_order=True)
    hits = rows.filter(pl.Series([is_drum_hit(*row) for row in rows.select(words).iter_rows()], dtype=pl.Boolean))
    with ThreadPoolExecutor(settings.workers) as pool:
        new = hits.filter(pl.col("padded").is_null())
        seconds = pl.Series(list(pool.map(_read_seconds, new["source"])), dtype=pl.Float64)
    short = new.filter((seconds > 0) & (seconds * 1000 < sound.min_duration_ms))
    padded = pl.concat([hits.filter("padded"), short]).select(words).with_columns(pad_to_ms=pl.lit(sound.min_duration_ms))
    named = jobs.drop("padded").with_columns(pl.col(words).fill_null("").name.prefix("its_"))
    keys = [f"its_{name}" for name in words]
    named = named.join(padded, left_on=keys, right_on=words, how="left", maintain_order="left")
    return named.drop(keys).with_columns(pl.col("pad_to_ms").cast(pl.Int64).fill_null(0))


def _read_seconds(path: str) -> float:
    """Return the length by the header; 0 where it does not say."""
    from tasks.audio.header import read_header  # noqa: PLC0415 (brings PyAV, a tenth of the start of an export)

    with suppress(SampleError):
        header = read_header(path)
        return (header.seconds if header else None) or 0.0
    return 0.0
