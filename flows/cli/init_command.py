"""``sp404 init``: some questions, then a manifest, settings and, on request, a service."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.schedules import next_time
from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import count_of, print_json, printable, say
from flows.cli.options import ExampleCommand, choice_of, db_option, json_option, load_settings
from flows.cli.progress_bar import progress_bar
from flows.cli.scan_command import print_left_out
from schemas.enums import OrganizeBy
from schemas.errors import RequestError, StoppedError

if TYPE_CHECKING:
    from config.settings import Settings
    from flows.first_steps import Answers

_MANIFEST = "library.csv"


class TimeOfDay(click.ParamType[tuple[int, int]]):
    """A time of the day, as ``3`` or ``23:30``: its hour and minute."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return hour and minute; fail with what to write."""
        if isinstance(value, tuple):
            return value
        if not (found := re.fullmatch(r"([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?", str(value).strip(), re.ASCII)):
            self.fail(f"{value!r} is not a time of the day: write one such as 3 or 23:30", param, ctx)
        return int(found[1]), int(found[2] or 0)


@click.command(cls=ExampleCommand, example="sp404 init --samples ~/Samples --out ~/sp404")
@click.option("--samples", metavar="DIR", help="The folder of your samples.")
@click.option("--out", metavar="DIR", help="The folder to export to.")
@click.option("--card", metavar="PATH", help="Where the card of the device is mounted, also for the nights; empty: none.")
@click.option("--nightly/--no-nightly", default=None, help="Export the library every night, while `sp404 up` runs.")
@click.option("--hour", type=TimeOfDay(), metavar="H[:MM]", help="The time of that, such as 3 or 23:30; 3 if not set.")
@click.option("--service", is_flag=True, help="Write a systemd unit that starts `sp404 up`, too; start nothing.")
@db_option
@json_option
def init(samples: str | None, service: bool, db: str | None, as_json: bool, **given: Any) -> int:
    """Set up a library: where samples are and should go.

    What is not given as an option is asked. It writes library.csv and config/sp404.toml in the current folder. A library.csv
    that is there already is taken as it is, or brought up to date with --samples; config/sp404.toml is not replaced.
    """
    from flows import first_steps
    from flows.scan import scan
    from schemas.scan_report import ScanRequest
    from tasks.manifest.table import read_all_columns

    manifest = Path(_MANIFEST).absolute()
    first_steps.check_is_free(first_steps.SETTINGS_FILE)
    if samples:
        first_steps.check_is_folder(samples)
    with _asking():
        if not samples and not manifest.exists():
            samples = _ask_until("Where are your samples", "--samples", "", first_steps.check_is_folder)
        elif not samples and sys.stdin.isatty():
            say(f"{manifest} is taken as it is: its samples are what is exported", err=True)
        answers = _ask_rest(manifest, samples, given)
    settings = load_settings(db).settings
    result = None
    if samples:
        with progress_bar() as progress:
            result = scan(ScanRequest(folders=[os.path.expanduser(samples)], manifest=str(manifest)), settings, progress)
    rows = result.rows if result else read_all_columns(str(manifest))[0].height
    first_steps.write_settings(answers)
    settings = load_settings(db).settings
    unit = str(first_steps.write_unit(_render_unit(db))) if service else ""
    if as_json:
        files = {"manifest": str(manifest), "settings": str(first_steps.SETTINGS_FILE.absolute()), "unit": unit}
        print_json(json.dumps(files | {"rows": rows}))
    else:
        if result:
            print_left_out(result)
        _print_next(answers, rows, unit, settings)
        if note := first_steps.describe_unsorted(answers.manifest, settings.organize_by):
            say(note, err=True)
    return ALL_DONE


@contextmanager
def _asking() -> Iterator[None]:
    """Say of a question that was not answered that nothing is written yet."""
    try:
        yield
    except click.Abort as stop:
        options = "--samples, --out, --card, --no-nightly, or --nightly and --hour"
        fix = f"Nothing was written. What is given as an option is not asked: {options}."
        raise StoppedError(fix=fix) from stop


def _ask_rest(manifest: Path, samples: str | None, given: dict[str, Any]) -> "Answers":
    from flows.first_steps import Answers, check_is_beside

    def check(out: str) -> None:
        if samples:
            check_is_beside(out, samples)

    if out := given["out"]:
        check(out)
    else:
        out = _ask_until("Where should they go", "--out", "~/sp404", check)
    card = given["card"]
    card = _ask("Where is the card (empty: none)", "--card", "", may_lack=True) if card is None else card
    nightly = given["nightly"]
    nightly = _confirm("Export what changed every night, while `sp404 up` runs") if nightly is None else nightly
    time, layout = given["hour"], None
    if nightly and sys.stdin.isatty():
        time = click.prompt("At what time", default="3:00", type=TimeOfDay(), err=True) if time is None else time
        say("flat: all in one folder; kit: pad by pad; folder: as your samples lie", err=True)
        layout = click.prompt("In which folders", default="flat", type=choice_of(OrganizeBy), err=True)
    return Answers(str(manifest), _path(out), card and _path(card), nightly, time, layout)


def _print_next(answers: "Answers", rows: int, unit: str, settings: "Settings") -> None:
    say(f"{count_of(rows, 'sample')} in {answers.manifest}")
    say("Settings in config/sp404.toml: they count where sp404 is run in this folder")
    if answers.nightly:
        due = next_time("nightly_cron", settings.nightly_cron, settings.timezone)
        say(f"Exported every night while `sp404 up` runs, next: {due:%a %d %b %H:%M %Z}")
    if unit:
        say(f"Service in {unit}")
        say("  Start it: systemctl --user enable --now sp404")
        say("  It runs while you are logged in; with `loginctl enable-linger`, always")
    say("Next:")
    say(f"  sp404 check {_MANIFEST}")
    card = f" --card {shlex.quote(answers.card)}" if answers.card else ""
    if answers.card and not os.path.isdir(answers.card):
        say(f"  Mount the card: {answers.card} is not there now")
    elif answers.card and not os.listdir(answers.card):
        card += " --init-card"
    say(f"  sp404 export {_MANIFEST}{card}")
    if answers.nightly and not unit:
        say("  sp404 up")


def _ask_until(question: str, option: str, default: str, check: Callable[[str], None]) -> str:
    """Ask, and ask again as long as the answer will not do: ``check`` raises RequestError."""
    while True:
        answer = _ask(question, option, default)
        try:
            check(answer)
        except RequestError as error:
            say(f"{error}. {error.fix}", err=True)
        else:
            return answer


def _ask(question: str, option: str, default: str, *, may_lack: bool = False) -> str:
    if not sys.stdin.isatty():
        if may_lack:
            return ""
        raise RequestError(what=f"{option} is needed where nobody can be asked", fix=f"Add {option} DIR.")
    return str(click.prompt(printable(question), default=default or None if not may_lack else "", err=True, show_default=True))


def _confirm(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question, default=False, err=True)


def _path(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _render_unit(db: str | None) -> str:
    from flows.service import systemd

    home = os.environ.get("PREFECT_HOME") or "~/.prefect"
    return systemd.render_unit(_path(home), 4200, load_settings(db).settings.db)
