"""Jobs and shards: every row has one job, every job is in one shard, and shards cost about the same."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.layout.sharding import cut_shards, label_shard, make_jobs

# ---- cut ----


def most_shards(n: int, workers: int) -> int:
    """The formula that was measured: clamp(ceil(n/256), 2 x workers if n >= 64 else 1, 512)."""
    return min(max(math.ceil(n / 256), 2 * workers if n >= 64 else 1), 512)


def assert_covers(ranges: list[tuple[int, int]], n: int) -> None:
    """Every job once, in order, and no shard without a job."""
    assert all(start < stop for start, stop in ranges)
    assert [job for start, stop in ranges for job in range(start, stop)] == list(range(n))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.just(0), st.integers(0, 10**6), st.integers(0, 2 * 10**9)), max_size=300), st.integers(1, 64))
def test_every_job_is_in_exactly_one_shard(sizes: list[int], workers: int) -> None:
    ranges = cut_shards(np.array(sizes, np.int64), workers)
    assert_covers(ranges, len(sizes))
    assert len(ranges) <= most_shards(len(sizes), workers)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 200_000), st.integers(1, 256), st.sampled_from([0, 1, 200_000, 2 * 10**9]))
def test_equal_samples_make_equal_shards(n: int, workers: int, size: int) -> None:
    ranges = cut_shards(np.full(n, size, np.int64), workers)
    lengths = [stop - start for start, stop in ranges]
    assert sum(lengths) == n
    assert len(ranges) == min(most_shards(n, workers), n)
    assert not n or max(lengths) - min(lengths) <= 1


@settings(max_examples=100, deadline=None)
@given(st.integers(64, 5_000), st.integers(1, 8), st.integers(0, 1000))
def test_no_shard_has_much_more_than_its_share(n: int, workers: int, seed: int) -> None:
    sizes = np.random.default_rng(seed).lognormal(12, 2, n).astype(np.int64)
    ranges = cut_shards(sizes, workers)
    share = (sizes.sum() + 50_000 * n) / most_shards(n, workers)
    assert_covers(ranges, n)
    assert max(sizes[start:stop].sum() for start, stop in ranges) <= share + sizes.max() + 50_000


@pytest.mark.parametrize(
    ("n", "workers", "shards"),
    [(0, 2, 0), (1, 2, 1), (63, 8, 1), (64, 2, 4), (64, 64, 64), (256, 2, 4), (1025, 2, 5), (4000, 2, 16), (10**6, 2, 512)],
)
def test_the_number_of_shards(n: int, workers: int, shards: int) -> None:
    assert len(cut_shards(np.full(n, 1000, np.int64), workers)) == shards


def test_one_giant_does_not_stop_the_rest_from_being_cut() -> None:
    sizes = np.array([1000] * 500 + [10**10] + [1000] * 500, np.int64)
    ranges = cut_shards(sizes, 4)
    assert_covers(ranges, len(sizes))
    assert any(start == 501 for start, _ in ranges)


# ---- jobs_of ----

PLACED = st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), max_size=12)


@settings(max_examples=100, deadline=None)
@given(PLACED)
def test_one_job_a_path(pairs: list[tuple[int, str]]) -> None:
    """Paths of different samples are distinct, as ``assign_paths`` makes them."""
    rows = [{"line": line, "sample_id": number, "path": f"{name}{number}.wav"} for line, (number, name) in enumerate(pairs, 2)]
    placed = pl.DataFrame(rows, {"line": pl.Int64, "sample_id": pl.Int64, "path": pl.String})
    jobs = make_jobs(placed)
    assert jobs["path"].to_list() == sorted(set(placed["path"]))
    assert jobs["job"].to_list() == list(range(jobs.height))
    sample_of = dict(jobs.select("path", "sample_id").iter_rows())
    assert all(sample_of[row["path"]] == row["sample_id"] for row in placed.iter_rows(named=True))
    firsts = placed.unique("path", keep="first").sort("path")["line"].to_list()
    assert jobs["line"].to_list() == firsts


# ---- label ----


@pytest.mark.parametrize(
    ("number", "shards", "start"), [(0, 1, "1 of 1"), (0, 12, "01 of 12"), (11, 12, "12 of 12"), (8, 512, "009 of 512")]
)
def test_labels_sort_as_they_run(number: int, shards: int, start: str) -> None:
    assert label_shard(number, shards, "genre/kick.wav", "genre/snare.wav") == f"{start}: kick to snare"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_labels_are_ascii(first: str, last: str) -> None:
    shown = label_shard(0, 2, f"{first}.wav", f"x/{last}.wav")
    assert shown.isascii()
    assert shown.isprintable()
