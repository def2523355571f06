"""Tables and the progress bar, drawn by rich."""
# ruff: noqa: PLC0415 (rich and polars are imported late: help must come at once)

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.cli.exit_status import restore_ctrl_c
from flows.cli.messages import printable, writing

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.convert.progress import Progress

_PIPE_COLUMNS = 250


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table to standard output; long cells are folded, never cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    with writing():
        _console().print(table)


@contextmanager
def progress_bar(title: str) -> "Iterator[Progress]":
    """Yield a ``Progress`` that is drawn on standard error when that is a terminal, and nowhere else."""
    from tasks.convert.progress import Progress

    restore_ctrl_c()
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich import progress

    columns = progress.TextColumn(title), progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn()
    with progress.Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield Progress(lambda done, total: bar.update(task, completed=done, total=total))


def local_time(utc: datetime) -> str:
    """Return a naive UTC time of the records as local time, to the minute."""
    return f"{utc.replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    # In a pipe a table is as wide as it needs to be, for grep and awk.
    return Console(stderr=stderr, width=None if file.isatty() else _PIPE_COLUMNS)
