"""Jobs of shards shared among threads: each once, in order, never more at once than there are slots, and no slot idle."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DiskFullError, WorkingFolderError
from tasks.convert.sharing import share_jobs
from tests.support.converting import within


class Crew:
    """Shards that share slots, and a count of the jobs in hand."""

    def __init__(self, slots: int) -> None:
        self.slots = threading.Semaphore(slots)
        self.stopped = threading.Event()
        self.most = self._now = 0
        self._lock = threading.Lock()

    def run(self, job: int) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.0005)
        with self._lock:
            self._now -= 1
        return f"done {job}"

    def share(self, jobs: list[int]) -> list[str]:
        results, error = share_jobs(lambda: jobs, self.run, self.slots, self.stopped)
        assert error is None
        return results


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=12), max_size=5), st.integers(1, 5))
def test_each_job_is_done_once_and_never_more_at_once_than_there_are_slots(shards: list[list[int]], slots: int) -> None:
    crew = Crew(slots)
    with ThreadPoolExecutor(max(len(shards), 1)) as threads:
        answers = list(threads.map(crew.share, shards))
    assert answers == [[f"done {job}" for job in jobs] for jobs in shards]
    assert crew.most <= slots
    assert all(crew.slots.acquire(blocking=False) for _ in range(slots))
    assert not crew.slots.acquire(blocking=False)


def test_a_shard_takes_the_slots_that_no_other_one_uses() -> None:
    """Three jobs that wait for each other end only if all are in hand at once."""
    meeting = threading.Barrier(3)
    results, error = within(
        20, lambda: share_jobs(lambda: [1, 2, 3], lambda _: meeting.wait(10), threading.Semaphore(3), threading.Event())
    )
    assert (sorted(results), error) == ([0, 1, 2], None)


def test_a_shard_waits_for_a_slot_and_takes_more_as_they_come() -> None:
    slots, begun, meeting = threading.Semaphore(2), threading.Event(), threading.Barrier(2)
    slots.acquire()
    slots.acquire()

    def job(number: int) -> int:
        begun.set()
        return meeting.wait(10) if number else number

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(share_jobs, lambda: [0, 1, 2], job, slots, threading.Event())
        assert not begun.wait(0.2)
        slots.release()
        slots.release()
        assert len(future.result(20)[0]) == 3


def test_failing_surroundings_stop_all_threads_and_what_is_done_counts() -> None:
    stopped, begun = threading.Event(), []
    meeting = threading.Barrier(2)

    def job(number: int) -> int:
        begun.append(number)
        if number < 2:
            meeting.wait(10)
            if number:
                raise DiskFullError(path="/full")
            stopped.wait(10)
        return number

    results, error = within(20, lambda: share_jobs(lambda: range(1000), job, threading.Semaphore(2), stopped))
    assert isinstance(error, DiskFullError)
    assert stopped.is_set()
    assert results == [0]
    assert sorted(begun) == [0, 1]


def test_a_plan_that_cannot_be_read_stops_the_run() -> None:
    def unreadable() -> list[int]:
        raise WorkingFolderError(path="/plan", error="gone")

    stopped = threading.Event()
    results, error = share_jobs(unreadable, lambda job: job, threading.Semaphore(2), stopped)
    assert (results, isinstance(error, WorkingFolderError), stopped.is_set()) == ([], True, True)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_job_that_is_not_done_ends_its_thread(slots: int) -> None:
    stopped = threading.Event()

    def job(number: int) -> int | None:
        if number == 3:
            stopped.set()
            return None
        return number

    results, error = share_jobs(lambda: range(100), job, threading.Semaphore(slots), stopped)
    assert error is None
    assert set(results) >= {0, 1, 2}
    assert len(results) < 3 + slots + 1
    assert 3 not in results


@pytest.mark.parametrize("slots", [1, 2])
def test_a_mistake_of_ours_is_not_swallowed(slots: int) -> None:
    """Whichever thread it comes to."""
    free = threading.Semaphore(slots)

    def job(number: int) -> int:
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        share_jobs(lambda: range(slots), job, free, threading.Event())
    with suppress(ZeroDivisionError):
        share_jobs(lambda: range(10), job, free, threading.Event())
    assert all(free.acquire(blocking=False) for _ in range(slots))
