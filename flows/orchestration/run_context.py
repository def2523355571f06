"""What a caller hands to a flow beside its one parameter, which is the form in Prefect's UI.

In a module of its own, for the flow itself has to travel to a cluster, and a context variable cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from flows.export.stages import ResolvedRequest
from tasks.convert.progress import Progress


@dataclass(frozen=True)
class RunContext:
    """The resolved request of a run that starts in this context, and who watches it."""

    resolved: ResolvedRequest
    progress: Progress


_context: ContextVar[RunContext | None] = ContextVar("run_context", default=None)


@contextmanager
def running(context: RunContext) -> Iterator[None]:
    """Hand ``context`` to the flow that is run within the block."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def current() -> RunContext | None:
    """Return what the caller of this flow run handed over; None where a server started it."""
    return _context.get()
