"""Lines that the commands print beside their tables: errors, notes, findings and counts."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from schemas.report import Finding

# Lines of one kind that a command prints; the rest is counted.
MOST_LINES = 20


def print_error(what: str, fix: str) -> None:
    """Print what went wrong and, on a second line, what to do about it, to standard error."""
    click.echo(f"sp404: {one_line(what)}", err=True)
    if fix:
        click.echo(f"  {one_line(fix)}", err=True)


def one_line(text: str) -> str:
    """Return ``text`` fit for a terminal: one line, without control characters, names that are not UTF-8 escaped."""
    printable = "".join(c if c.isprintable() or c.isspace() else "?" for c in text)
    return " ".join(printable.split()).encode(errors="backslashreplace").decode()


def print_notes(notes: Sequence[str]) -> None:
    """Print notes to standard error."""
    for note in notes[:MOST_LINES]:
        click.echo(f"Note: {one_line(note)}", err=True)
    if len(notes) > MOST_LINES:
        click.echo(f"Note: {len(notes) - MOST_LINES:,} more", err=True)


def print_findings(findings: "Sequence[Finding]") -> None:
    """Print findings about kits, which stop nothing, to standard error."""
    for finding in findings[:MOST_LINES]:
        click.echo(f"Worth a look: {one_line(f'{finding.where}: {finding.what}. {finding.fix}')}", err=True)
    if len(findings) > MOST_LINES:
        click.echo(f"Worth a look: {len(findings) - MOST_LINES:,} more; sp404 check shows all", err=True)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def db_hint(db: str | None) -> str:
    """Return the ``--db`` option that a command in a hint needs to find the same records, with a space before it."""
    return f" --db {shlex.quote(db)}" if db else ""
