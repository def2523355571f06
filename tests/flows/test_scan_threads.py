"""Files of a scan in threads: in order, one thread where nothing is waited for, several where something is."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.scan_threads import next_count, work_in_threads


class Counter:
    """Counts how many threads are at work at once."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 5), st.integers(1, 7))
def test_each_item_once_and_in_order(items: list[int], threads: int, at_once: int) -> None:
    assert list(work_in_threads(str, items, threads, at_once)) == [str(item) for item in items]


def test_who_waits_for_a_disk_gets_more_threads() -> None:
    counter = Counter()

    def read(item: int) -> int:
        with counter:
            time.sleep(0.005)
        return item

    assert list(work_in_threads(read, range(60), 4)) == list(range(60))
    assert counter.most == 4


@given(st.integers(1, 8), st.floats(0, 1), st.integers(8, 16))
def test_the_number_of_threads_follows_what_they_wait_for(threads: int, share: float, most: int) -> None:
    """Python's lock is had by one at a time: threads that never wait have it for the same part of their time each."""
    assert 1 <= next_count(threads, share, most) <= most
    assert next_count(1, 1.0, most) == 1
    assert next_count(threads, 1 / threads, most) == max(threads - 1, 1)
    assert next_count(threads, 0.05, most) == min(2 * threads, most)


def test_an_error_ends_it_and_what_is_in_hand_is_finished() -> None:
    done = []

    def work(item: int) -> int:
        if item == 5:
            raise ZeroDivisionError
        time.sleep(0.002)
        done.append(item)
        return item

    with pytest.raises(ZeroDivisionError):
        list(work_in_threads(work, range(1000), 4))
    assert set(done) >= set(range(5))
    assert len(done) < 20
