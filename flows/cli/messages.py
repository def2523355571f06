"""Lines that the commands print beside their tables: errors, notes, findings and counts."""

import logging
import os
import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.errors import OutputError

if TYPE_CHECKING:
    from schemas.report import Finding

# Lines of one kind that a command prints; the rest is counted.
MOST_LINES = 20
_MOST_FINDINGS = 5
_SHOWN_PLACES = 3
# What alone differs where many sounds are too loud.
_LEVEL = re.compile(r": [-+][0-9.]+ dBFS$")
# Within words of some languages and within emoji.
_JOINERS = "\u200c\u200d"
# What JSON leaves as it is, and a terminal obeys: C1 controls, and marks that turn the direction of writing.
_ACTIVE = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# The colours of errors, of results that are not all good, of those that are, and of what to do.
ERROR, WARN, GOOD, FIX = "red", "yellow", "green", "cyan"
log = logging.getLogger("sp404")


@dataclass
class OutputStyle:
    """Amount and colour of the output: the options that every command has.

    Attributes:
        quiet: Print results and errors only.
        verbose: Print the log, and in a pipe how far a command is.
        colored: Colour is allowed: no --no-color, NO_COLOR or dumb terminal.
    """

    quiet: bool = False
    verbose: bool = False
    colored: bool = True


style = OutputStyle()


def set_style(quiet: bool, verbose: bool, no_color: bool, log_file: str | None) -> None:
    """Set how much is printed, and where the log goes, for the command that is about to run.

    Raises:
        OutputError: The log file cannot be written.
    """
    style.quiet, style.verbose = quiet, verbose
    style.colored = not (no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
    for handler in [handler for handler in log.handlers if handler.name == "sp404-cli"]:
        log.removeHandler(handler)
        handler.close()
    if verbose:
        _add_log_handler(logging.StreamHandler(), "%(message)s")
    if log_file:
        try:
            _add_log_handler(logging.FileHandler(Path(log_file).expanduser(), encoding="utf-8"), "%(asctime)s %(message)s")
        except OSError as error:
            raise OutputError(error=f"{log_file}: {error.strerror}") from error


def _add_log_handler(handler: logging.Handler, line: str) -> None:
    handler.name = "sp404-cli"
    formatter = logging.Formatter(line)
    handler.format = lambda record: printable(formatter.format(record))  # type: ignore[method-assign]
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def say(text: str, *, err: bool = False, color: str | None = None) -> None:
    """Print one line to standard output or standard error, without control characters. All that is printed comes by here.

    Args:
        text: The line.
        err: Print it to standard error. With --quiet only errors get there.
        color: ``ERROR``, ``WARN`` or ``GOOD``, for a terminal.

    Raises:
        OutputError: It cannot be written.
    """
    if style.quiet and err and color not in (ERROR, FIX):
        return
    line = printable(text)
    with writing():
        click.echo(click.style(line, fg=color) if color and style.colored else line, err=err)


def print_text(text: str) -> None:
    """Print a text of ours as it is, such as help or a script.

    Raises:
        OutputError: It cannot be written.
    """
    with writing():
        click.echo(text)


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


@dataclass
class LastError:
    """The last error that was printed, for the JSON of a command that ends with it."""

    what: str = ""
    fix: str = ""


last_error = LastError()


def print_error(what: str, fix: str) -> None:
    """Print what went wrong and, on a second line, what to do about it, to standard error."""
    last_error.what, last_error.fix = _one_line(what), _one_line(fix)
    say(f"sp404: {_one_line(what)}", err=True, color=ERROR)
    if fix:
        say(f"  {_one_line(fix)}", err=True, color=FIX)


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text else text


def print_notes(notes: Sequence[str], where_all: str = "--json lists all") -> None:
    """Print notes to standard error; of many, only some, and then ``where_all`` are to be seen."""
    for note in notes[:_MOST_FINDINGS]:
        say(f"Note: {note}", err=True)
    if len(notes) > _MOST_FINDINGS:
        say(f"Note: {len(notes) - _MOST_FINDINGS:,} more; {where_all}", err=True)


def print_findings(findings: "Sequence[Finding]", manifest: str, every: bool = False) -> None:
    """Print findings, which stop nothing, to standard error: a line for each, one for all that differ in their level."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((_LEVEL.sub("", finding.what), finding.fix), []).append(finding)
    shown = list(groups.items())[: None if every else _MOST_FINDINGS]
    for (what, fix), members in shown:
        if every or len(members) == 1:
            for finding in members:
                say(f"Worth a look: {finding.where}: {finding.what}. {finding.fix}", err=True)
        else:
            places = "; ".join(finding.where for finding in members[:_SHOWN_PLACES])
            more = "; ..." if len(members) > _SHOWN_PLACES else ""
            say(f"Worth a look: {len(members):,} x {what} ({places}{more}). {fix}", err=True)
    if not every and (len(findings) > len(groups) or len(shown) < len(groups)):
        say(f"  sp404 check {shlex.quote(manifest)} --all names every one", err=True)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def db_hint(db: str | None) -> str:
    """Return the ``--db`` option that a command in a hint needs to find the same records, with a space before it."""
    return f" --db {shlex.quote(db)}" if db else ""
