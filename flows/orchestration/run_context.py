"""Hand a resolved request and a progress to a flow that is run in this process.

They are not parameters of the flow: its one parameter is the form in Prefect's UI. They are in a module of their own, because
the flow has to travel to a cluster, and a context variable cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from flows.export.stages import ResolvedRequest
from tasks.convert.progress import Progress


@dataclass(frozen=True)
class RunContext:
    """The resolved request of a run that starts in this context, and the progress that it reports to."""

    resolved: ResolvedRequest
    progress: Progress


_context: ContextVar[RunContext | None] = ContextVar("run_context", default=None)


@contextmanager
def use_context(context: RunContext) -> Iterator[None]:
    """Hand ``context`` to the flow that is run within the block."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def current_context() -> RunContext | None:
    """Return what the caller of this flow run handed over; None where a Prefect runner or worker started it."""
    return _context.get()
