"""``sp404 sql``: a question to the records in SQL."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
import sys
from shutil import get_terminal_size

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import count_of, print_json, say
from flows.cli.options import RECORD_ID, ExampleCommand, db_option, json_option, load_settings
from flows.cli.tables import print_table

# A column that is narrower cannot be read.
_LEAST_COLUMN = 9


@click.command(cls=ExampleCommand, example='sp404 sql "FROM export_stats"')
@click.argument("statement")
@click.option("--most", type=RECORD_ID, default=100, show_default=True, metavar="N", help="Print at most N rows.")
@db_option
@json_option
def sql(statement: str, most: int, db: str | None, as_json: bool) -> int:
    """Ask the records a question in SQL; nothing can be changed.

    docs/usage/records.md has the tables and examples.
    """
    from tasks.store.database import Database
    from tasks.store.read_only import ask_read_only

    columns, rows = ask_read_only(Database.of(load_settings(db).settings), statement, None if as_json else most)
    if as_json:
        print_json(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str))
        return ALL_DONE
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if texts and sys.stdout.isatty() and len(columns) * _LEAST_COLUMN > get_terminal_size().columns:
        _print_records(columns, texts)
    elif texts:
        print_table(columns, texts, keep_empty=True)
    end = f" (the first {most:,}; --most N prints more)" if len(rows) == most else ""
    say(f"{count_of(len(rows), 'row')}{end}", err=True)
    return ALL_DONE


def _print_records(columns: list[str], rows: list[list[str]]) -> None:
    """Print each row as lines of name and value: as columns they would not fit into the terminal."""
    width = max(map(len, columns))
    for number, row in enumerate(rows, 1):
        say(f"row {number}")
        for name, cell in zip(columns, row, strict=True):
            if cell:
                say(f"  {name:{width}}  {cell}")
