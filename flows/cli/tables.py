"""Tables, drawn by rich."""
# ruff: noqa: PLC0415 (rich is imported late: help must come at once)

import sys
from typing import TYPE_CHECKING

from flows.cli.messages import printable, style, writing

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_COLUMNS = 250


def print_table(columns: list[str], rows: list[list[str]], keep_empty: bool = False) -> None:
    """Print a table to standard output. Long cells are folded, never cut; columns without a value are left out, if not kept."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    filled = [number for number in range(len(columns)) if keep_empty or any(row[number] for row in rows)]
    table = Table(*(columns[number] for number in filled), box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in (row[number] for number in filled)))
    with writing():
        console().print(table)


def console(stderr: bool = False) -> "Console":
    """Return a console for tables and bars. In a pipe it is as wide as a table needs to be, for grep and awk."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else _PIPE_COLUMNS
    return Console(stderr=stderr, width=width, no_color=not style.colored, highlight=False)
