"""From placed rows to jobs, and from jobs to shards: ranges of a plan that cost about the same."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.music import LOSSLESS_EXTENSIONS, LOSSY_EXTENSIONS, extension_pattern
from tasks.layout import file_names

# Measured: a task run costs Prefect 6 ms in threads, a short sample 2 ms (docs/decisions/0002).
_SAMPLES_PER_SHARD = 256
_MAX_SHARDS = 512
# Measured: a task run on Dask costs 80 ms, and starts the processes that it decodes in.
LEAST_ON_A_CLUSTER = 1_000
_SMALL_PLAN = 64
# What opening, probing and naming a file costs, in bytes of audio that would take as long.
_FILE_COST_BYTES = 50_000


# What a byte of a compressed format costs in bytes of PCM: about what it unfolds to.
_COMPRESSED = ((extension_pattern(LOSSLESS_EXTENSIONS), 2), (extension_pattern(LOSSY_EXTENSIONS), 8))


def costs_of(sources: pl.Series, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What converting each source costs, in bytes of PCM."""
    costs = sizes
    for pattern, factor in _COMPRESSED:
        costs = np.where(sources.str.contains(pattern).to_numpy(), costs * factor, costs)
    return costs


def jobs_of(placed: pl.DataFrame) -> pl.DataFrame:
    """One job a path, in the order of paths.

    Rows of one sample that share a path are one job. Files are written in the order of their names, since the device
    likely lists them in the order they were written.
    """
    return placed.unique("path", keep="first", maintain_order=True).sort("path").with_row_index("job")


def cut(costs: npt.NDArray[np.int64], workers: int, least: int = 0) -> list[tuple[int, int]]:
    """Ranges ``(start, stop)`` of jobs, balanced by ``costs`` (``costs_of``); every job is in exactly one.

    ``least``: how many jobs are worth a shard, where shards are dear.
    """
    n = len(costs)
    if not n:
        return []
    at_least = 2 * workers if n >= _SMALL_PLAN else 1
    shards = min(max(math.ceil(n / _SAMPLES_PER_SHARD), at_least), _MAX_SHARDS, n)
    if least:
        shards = max(min(shards, n // least), 1)
    cost = np.cumsum(costs + _FILE_COST_BYTES)
    inner = np.searchsorted(cost, cost[-1] * np.arange(1, shards) / shards, side="left") + 1
    bounds = np.unique(np.concatenate([[0], inner.clip(max=n), [n]]))
    return [(int(start), int(stop)) for start, stop in pairwise(bounds)]


def label(number: int, shards: int, first: str, last: str) -> str:
    """A shard's name for the Prefect UI, which wants ASCII: its number, its first and its last sample."""
    ends = file_names.sanitized(pl.Series([first.rsplit("/", 1)[-1], last.rsplit("/", 1)[-1]])).to_list()
    return f"{number + 1:0{len(str(shards))}d} of {shards}: {ends[0]} to {ends[1]}"
