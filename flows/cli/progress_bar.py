"""The progress of a long command on standard error: phases, counts, rate and time left."""
# ruff: noqa: PLC0415 (rich and polars are imported late: help must come at once)

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.exit_status import restore_ctrl_c
from flows.cli.messages import say, style
from flows.cli.tables import console

if TYPE_CHECKING:
    from rich.progress import Task

    from tasks.convert.progress import Progress

# In a pipe, with --verbose.
_LINE_SECONDS = 10.0


@contextmanager
def progress_bar() -> "Iterator[Progress]":
    """Yield a ``Progress`` that is drawn on standard error when that is a terminal.

    In a pipe it is silent, as programs expect it; with --verbose it prints a line every ten seconds.
    """
    from tasks.convert.progress import Progress

    restore_ctrl_c()
    if style.quiet or not (sys.stderr.isatty() or style.verbose):
        yield Progress(on_note=_say_note)
    elif not sys.stderr.isatty():
        with _lines() as shown:
            yield shown
    else:
        with _bar() as shown:
            yield shown


@contextmanager
def _bar() -> "Iterator[Progress]":
    from rich import progress

    from tasks.convert.progress import Progress

    class RateColumn(progress.ProgressColumn):
        """Samples a second, and the time that is left."""

        def render(self, task: "Task") -> str:
            """Return them as text; nothing before they are known."""
            if not task.total or not task.speed:
                return ""
            return f"{task.speed:,.0f}/s, {describe_rest(task.total - task.completed, task.speed)} left"

    columns = (
        progress.SpinnerColumn("line"),
        progress.TextColumn("{task.description:20}", markup=False),
        progress.BarColumn(18),
        progress.TextColumn("{task.fields[count]}"),
        RateColumn(),
    )
    with progress.Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None, count="")

        def on_change(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done:,} of {total:,}")

        def on_phase(phase: str) -> None:
            bar.reset(task, description=phase, total=None, count="")

        def on_note(text: str) -> None:
            bar.stop()  # which takes it away: else the note stands behind it
            _say_note(text)
            bar.start()

        yield Progress(on_change, on_phase, on_note)


@contextmanager
def _lines() -> "Iterator[Progress]":
    from tasks.convert.progress import Progress

    ended, phases = threading.Event(), ["starting"]

    def on_phase(phase: str) -> None:
        phases[0], began[0] = phase, time.monotonic()

    began = [time.monotonic()]
    shown = Progress(None, on_phase, _say_note)

    def tell() -> None:
        while not ended.wait(_LINE_SECONDS):
            done, total = shown.so_far
            rate = done / max(time.monotonic() - began[0], 1e-3)
            rest = f": {done:,} of {total:,}, {rate:,.0f}/s, {describe_rest(total - done, rate)} left" if done else ""
            say(f"{phases[0]}{rest}", err=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        ended.set()
        thread.join()


def _say_note(text: str) -> None:
    say(f"Note: {text}", err=True)


def describe_rest(samples: float, rate: float) -> str:
    """Return how long ``samples`` take at a rate of so many a second, such as ``3 min``."""
    seconds = samples / max(rate, 1e-6)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"
