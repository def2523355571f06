"""Wait for a condition: the one loop of this kind that tests have."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# More tests run than there are cores, and what is to come may have to wait for all of them.
_PATIENCE = 3


def until(
    condition: Callable[[], T],
    seconds: float,
    *,
    every: float = 0.05,
    unless: Callable[[], object] = lambda: False,
    why: Callable[[], object] = lambda: "it took too long",
) -> T:
    """Return the answer of ``condition`` as soon as it is true; fail the test when that takes too long.

    Args:
        condition: Asked again and again, the first time at once.
        seconds: How long it takes at the most on a quiet machine.
        every: Seconds between two questions.
        unless: As soon as this is true, the condition is asked once more, and its answer returned, true or not.
        why: The text of the failure.
    """
    deadline = time.monotonic() + _PATIENCE * seconds
    while not (answer := condition()):
        if unless():
            return condition()
        assert time.monotonic() < deadline, why()
        time.sleep(every)
    return answer


def comes_true(condition: Callable[[], object], seconds: float, *, every: float = 0.05) -> bool:
    """Return whether ``condition`` becomes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
