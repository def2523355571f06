"""An apostrophe in front of cells that a spreadsheet would run as a formula."""

import polars as pl

# In a delimited text these may hold anything; a path gets ./ in front instead, and the others cannot start so.
GUARDED_COLUMNS = ("title", "genre", "musical_key", "tags", "kind", "kit")


def add_guard(cell: pl.Expr) -> pl.Expr:
    """Put an apostrophe before what begins like a formula, or like a cell that has the apostrophe already."""
    return cell.str.replace(r"^('*[=+\-@])", "'$1")


def remove_guard(cell: pl.Expr) -> pl.Expr:
    """Take away one apostrophe that ``add_guard`` has put there."""
    return cell.str.replace(r"^'('*[=+\-@])", "$1")
