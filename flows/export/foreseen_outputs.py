"""Foresee the files that an export will make: byte for byte where the records know them, else about how large they get."""

from enum import StrEnum

import polars as pl

from config.device import BITS, RATE_HZ
from flows.export.output_folder import costs_of
from flows.export.stages import DraftPlan
from schemas.enums import Mono
from tasks.layout import actions
from tasks.layout.actions import Action
from tasks.store import scan_memory
from tasks.store.recorded_results import results_of_sources

_FRAME_BYTES, _HEADER_BYTES = BITS // 8, 44


class Sized(StrEnum):
    """The ways in which a size is known: to the byte; by the header of the source; as the most it can get; as a guess."""

    EXACTLY = "exactly"
    BY_HEADER = "by_header"
    AT_MOST = "at_most"
    GUESSED = "guessed"


def foresee_outputs(draft: DraftPlan, jobs: pl.DataFrame) -> pl.DataFrame:
    """Foresee the file of each of ``jobs``, without reading a sound.

    Equal sources make equal files with equal settings, so that what any export made of a content is known, wherever it stands.

    Args:
        draft: The placed rows.
        jobs: Decided jobs of it.

    Returns:
        In the order of ``jobs``: ``path``, ``source``, ``file_hash`` (null where nobody knows it yet), ``bytes``, ``sized``
        (``Sized``), and ``alike``: the hashes of what exports made of the same content with any settings; or null.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    made = results_of_sources(draft.target.database, jobs["source"].unique(), jobs["content_hash"].drop_nulls().unique())
    recorded = actions.add_known_hashes(jobs.drop("content_hash"), made)["content_hash"]
    jobs = jobs.with_columns(content_hash=pl.coalesce("content_hash", recorded), guess=pl.Series(costs_of(jobs)))
    made = made.filter(pl.col("format") == str(draft.settings.format), pl.col("file_hash").is_not_null())
    same = made.unique(["content_hash", "settings_hash"], keep="first", maintain_order=True)
    alike = made.group_by("content_hash").agg(alike_bytes=pl.col("output_bytes").first(), alike="file_hash")
    finished = draft.prior_outputs.select(finished="path", its_hash="file_hash", its_bytes="output_bytes")
    for other, keys in (
        (finished, ["finished"]),
        (same.select("content_hash", "settings_hash", same_hash="file_hash", same_bytes="output_bytes"), None),
        (alike, ["content_hash"]),
        (_most_bytes(draft, jobs["source"].unique()), ["source", "source_bytes"]),
    ):
        jobs = jobs.join(other, on=keys or ["content_hash", "settings_hash"], how="left", maintain_order="left")
    is_there = pl.col("action") == Action.UNCHANGED
    file_hash = pl.when(is_there).then("recorded_file_hash").otherwise(pl.coalesce("its_hash", "same_hash"))
    exact = pl.when(is_there).then("recorded_output_bytes").otherwise(pl.coalesce("its_bytes", "same_bytes"))
    sized = pl.when(exact.is_not_null()).then(pl.lit(Sized.EXACTLY)).otherwise(pl.col("most_sized").fill_null(Sized.GUESSED))
    return jobs.select(
        "path",
        "source",
        "alike",
        file_hash=file_hash,
        bytes=pl.coalesce(exact, "most_bytes", "alike_bytes", "guess"),
        sized=sized,
    )


def _most_bytes(draft: DraftPlan, sources: pl.Series) -> pl.DataFrame:
    """Return how large the files of those ``sources`` can get whose length a scan has read: ``most_bytes``, ``most_sized``."""
    settings = draft.settings
    lengths = scan_memory.lengths_of(draft.target.database, sources).filter(pl.col("seconds") > 0)
    channels = pl.lit(1) if settings.mono is Mono.ALL else pl.col("channels").fill_null(2).clip(1, 2)
    seconds = pl.max_horizontal("seconds", pl.lit(settings.sound().pad_to_ms / 1000))
    size = (seconds * RATE_HZ).ceil() * channels * _FRAME_BYTES + _HEADER_BYTES
    # Silence is cut off and channels that are the same become one: how much that is, only the sound tells.
    is_whole = pl.lit(settings.sound().trim_dbfs is None)
    is_known = (channels == 1) | (pl.lit(settings.mono is Mono.KEEP) & pl.col("channels").is_not_null())
    return lengths.select(
        source="path",
        source_bytes="bytes",
        most_bytes=size.cast(pl.Int64),
        most_sized=pl.when(is_known & is_whole).then(pl.lit(Sized.BY_HEADER)).otherwise(pl.lit(Sized.AT_MOST)),
    ).unique("source")
