"""Make jobs of placed rows, and cut jobs into shards: ranges of a plan that cost about the same."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.music import LOSSLESS_EXTENSIONS, LOSSY_EXTENSIONS, extension_pattern
from tasks.layout import file_names

# Measured: a task run costs Prefect 6 ms in threads, a short sample 2 ms (docs/decisions/0002).
_JOBS_PER_SHARD = 256
_MAX_SHARDS = 512
# Measured: a task run on Dask costs 80 ms, and starts the processes that it decodes in.
MIN_JOBS_PER_DASK_SHARD = 1_000
# From so many jobs on, each worker has two shards.
_SMALL_PLAN = 64
# What opening, probing and naming a file costs, in bytes of audio that would take as long.
_FILE_COST_BYTES = 50_000
# What a byte of a compressed format costs in bytes of PCM: about what it unfolds to.
_COMPRESSED = ((extension_pattern(LOSSLESS_EXTENSIONS), 2), (extension_pattern(LOSSY_EXTENSIONS), 8))


def estimate_costs(sources: pl.Series, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Estimate what converting each source costs, in bytes of PCM.

    Args:
        sources: Paths; only the extension counts.
        sizes: Their sizes in bytes, in the same order.
    """
    costs = sizes
    for pattern, factor in _COMPRESSED:
        costs = np.where(sources.str.contains(pattern).to_numpy(), costs * factor, costs)
    return costs


def make_jobs(placed: pl.DataFrame) -> pl.DataFrame:
    """Make one job for each path, in the order of paths.

    Rows of one sample that share a path are one job. Files are written in the order of their names, since the device
    likely lists them in the order they were written.

    Args:
        placed: Rows with ``path`` (``tasks.layout.paths.assign_paths``).

    Returns:
        The first row of each path, with ``job`` (UInt32: 0, 1, 2 ...) in front.
    """
    return placed.unique("path", keep="first", maintain_order=True).sort("path").with_row_index("job")


def cut_shards(costs: npt.NDArray[np.int64], workers: int, min_jobs: int = 0) -> list[tuple[int, int]]:
    """Cut a plan into ranges of jobs that cost about the same.

    Args:
        costs: The cost of each job in bytes of PCM (``estimate_costs``), in the order of jobs.
        workers: How many shards are worked on at once.
        min_jobs: Minimum jobs per shard when task overhead is high; 0 where it is not.

    Returns:
        Ranges ``(start, stop)``; every job is in exactly one.
    """
    n = len(costs)
    if not n:
        return []
    at_least = 2 * workers if n >= _SMALL_PLAN else 1
    shards = min(max(math.ceil(n / _JOBS_PER_SHARD), at_least), _MAX_SHARDS, n)
    if min_jobs:
        shards = max(min(shards, n // min_jobs), 1)
    cost = np.cumsum(costs + _FILE_COST_BYTES)
    inner = np.searchsorted(cost, cost[-1] * np.arange(1, shards) / shards, side="left") + 1
    bounds = np.unique(np.concatenate([[0], inner.clip(max=n), [n]]))
    return [(int(start), int(stop)) for start, stop in pairwise(bounds)]


def label_shard(number: int, shards: int, first: str, last: str) -> str:
    """Return a shard's name for the Prefect UI, which wants ASCII: its number, its first and its last sample.

    Args:
        number: Its number, from 0.
        shards: How many there are.
        first: The path of its first job.
        last: The path of its last job.
    """
    ends = file_names.sanitize_names(pl.Series([first.rsplit("/", 1)[-1], last.rsplit("/", 1)[-1]])).to_list()
    return f"{number + 1:0{len(str(shards))}d} of {shards}: {ends[0]} to {ends[1]}"
