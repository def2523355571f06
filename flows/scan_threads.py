"""Map a function over the files of a scan in as many threads as have something to wait for."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# Threads that work for more than this share of their time, all together, have no use for another one.
_BUSY = 0.8


def work_in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], most_threads: int, at_once: int = 1
) -> Iterator[Result]:
    """Yield the results in order, worked out in threads.

    Python works in one thread at a time, so others help only while one waits, for a disk or for another process. Where none
    does, as with headers that the system has in memory, two threads took a third longer than one.

    An interruption waits for the items that are being worked on.

    Args:
        work: What to do with each item.
        items: The items.
        most_threads: The number of threads at the most.
        at_once: How many items a thread takes: threads that take short ones one by one spend their time on handing them over.
    """
    rest = iter(items)

    def do(part: list[Item]) -> tuple[list[Result], float]:
        """Return the results, and for which share of the time it took this thread worked for them."""
        began, worked = time.perf_counter(), time.thread_time()
        results = [work(item) for item in part]
        return results, (time.thread_time() - worked) / max(time.perf_counter() - began, 1e-9)

    threads = 1
    running: deque[Future[tuple[list[Result], float]]] = deque()
    with ThreadPoolExecutor(most_threads) as pool:
        try:
            while True:
                while len(running) < threads and (part := list(islice(rest, at_once))):
                    running.append(pool.submit(do, part))
                if not running:
                    return
                results, share = running.popleft().result()
                threads = next_count(threads, share, most_threads)
                yield from results
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def next_count(threads: int, share: float, most_threads: int) -> int:
    """Return how many threads to use next, after one of so many has worked for a ``share`` of its time (0 to 1)."""
    return max(threads - 1, 1) if share * threads > _BUSY else min(2 * threads, most_threads)
