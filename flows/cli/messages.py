"""Lines that the commands print beside their tables: errors, notes, findings and counts."""

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from schemas.errors import OutputError

if TYPE_CHECKING:
    from schemas.report import Finding

# Lines of one kind that a command prints; the rest is counted.
MOST_LINES = 20
# Within words of some languages and within emoji.
_JOINERS = "\u200c\u200d"
# What JSON leaves as it is, and a terminal obeys: C1 controls, and marks that turn the direction of writing.
_ACTIVE = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def say(text: str, *, err: bool = False) -> None:
    """Print one line to standard output or standard error, without control characters. All that is printed comes by here.

    Raises:
        OutputError: It cannot be written.
    """
    with writing():
        click.echo(printable(text), err=err)


def print_json(document: str) -> None:
    """Print a JSON document; characters that a terminal takes for commands are escaped.

    Raises:
        OutputError: It cannot be written.
    """
    with writing():
        click.echo(_ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", document))


@contextmanager
def writing() -> Iterator[None]:
    """Turn the failure to write to a standard stream into an OutputError. A pipe whose reader has left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error=error.strerror or str(error)) from error


def printable(text: str) -> str:
    """Return ``text`` fit for a terminal: one line, control characters and bytes that are not UTF-8 escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable, text)).encode(errors="backslashreplace").decode()


def _printable(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def print_error(what: str, fix: str) -> None:
    """Print what went wrong and, on a second line, what to do about it, to standard error."""
    say(f"sp404: {_one_line(what)}", err=True)
    if fix:
        say(f"  {_one_line(fix)}", err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text else text


def print_notes(notes: Sequence[str]) -> None:
    """Print notes to standard error."""
    for note in notes[:MOST_LINES]:
        say(f"Note: {note}", err=True)
    if len(notes) > MOST_LINES:
        say(f"Note: {len(notes) - MOST_LINES:,} more", err=True)


def print_findings(findings: "Sequence[Finding]") -> None:
    """Print findings about kits, which stop nothing, to standard error."""
    for finding in findings[:MOST_LINES]:
        say(f"Worth a look: {finding.where}: {finding.what}. {finding.fix}", err=True)
    if len(findings) > MOST_LINES:
        say(f"Worth a look: {len(findings) - MOST_LINES:,} more; sp404 check shows all", err=True)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def db_hint(db: str | None) -> str:
    """Return the ``--db`` option that a command in a hint needs to find the same records, with a space before it."""
    return f" --db {shlex.quote(db)}" if db else ""
