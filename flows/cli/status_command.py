"""``sp404 status``: how things stand, on one screen."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import os
import re
import shlex
from typing import TYPE_CHECKING

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.history_output import short_path
from flows.cli.messages import GOOD, WARN, count_of, db_hint, print_json, say
from flows.cli.options import ExampleCommand, db_option, json_option, load_settings
from flows.cli.times import ago, local_clock

if TYPE_CHECKING:
    from datetime import datetime

    from flows.status import PrefectRunStatus, RunStatus, StatusReport

_MOST_CAUSES = 4
_SHOWN_FILES = 3


@click.command(cls=ExampleCommand, example="sp404 status")
@db_option
@json_option
def status(db: str | None, as_json: bool) -> int:
    """Print how things stand: last and next runs, failures, disk.

    It writes nothing. With --json programs can watch it.
    """
    from flows.status import report_status

    report = report_status(load_settings(db))
    if as_json:
        print_json(report.model_dump_json())
    else:
        _print_status(report, db)
    return ALL_DONE


def _print_status(report: "StatusReport", db: str | None) -> None:
    if report.library and report.library_exists:
        say(f"Library   {short_path(report.library)}")
    elif report.library:
        say(f"Library   {short_path(report.library)} is not there", color=WARN)
    else:
        library = shlex.quote(report.manifest) if report.manifest else "library.csv"
        say(f"Library   none is set for the night. For this one: SP404_LIBRARY={library} sp404 up")
    if report.last:
        _print_run(report.last, report.manifest, db)
    else:
        say("Last run  none so far")
    if report.server:
        _print_server(report, db)
    else:
        say("Prefect   no server runs, so nothing happens at night: sp404 up")
        say("          (if that has just begun: its server answers after some 10 s)")
    named = os.environ.get("PREFECT_API_URL")
    if named and named != report.server:
        say(f"          {named} of PREFECT_API_URL does not answer", color=WARN)
    say(f"Output    {short_path(report.output_base_path)}, where no --out is given, {report.bytes_free / 1e9:,.1f} GB free")
    if report.card:
        where = "" if report.card.mounted else " (not mounted now)"
        files = count_of(report.card.files, "file")
        behind = f"; behind: {count_of(report.card.behind, 'file')}" if report.card.behind else ""
        current = "" if behind else "; current, by the records"
        last = f"last of export {report.card.export_id}"
        say(f"Card      {report.card.root}{where}, {files}, {last}{behind}{current}", color=WARN if behind else None)
        if behind and report.card.mounted:
            say(f"          What brings it up to date: sp404 card {shlex.quote(report.card.root)}{db_hint(db)}")
    if report.library and report.no_nightly_card:
        say(f"Nights    {report.no_nightly_card}; the nights export without it", color=WARN)
    say(f"Records   {short_path(report.db)}, {report.db_bytes / 1e6:,.1f} MB")
    shown = [f"{name} {report.versions[name]}" for name in ("sp404-export", "prefect", "duckdb", "python")]
    say(f"Versions  {', '.join(shown)}")


def _print_server(report: "StatusReport", db: str | None) -> None:
    say(f"Prefect   {report.server} answers")
    if report.served_library and report.served_library != report.library:
        say(f"Nightly   the server exports {short_path(report.served_library)}, not this library", color=WARN)
    elif report.next_nightly:
        if report.open_nightly:
            since = ago(report.open_nightly.since)
            what = f"one runs now, begun {since}" if report.open_nightly.runs else f"one is due, {since}, and begins at once"
            is_above = report.last and report.last.trouble  # the records have what runs now
            say(f"Nightly   {what}" + ("" if is_above else "; what stands above is of the run before"))
        _print_schedule("Nightly", report.next_nightly, report.last_nightly, report.last)
        if report.unread_schedules:
            names = " and ".join(report.unread_schedules)
            say(f"          {names}: changed since the server started; start sp404 up anew for it", color=WARN)
    if report.next_verify:
        _print_schedule("Verify", report.next_verify, report.last_verify, None)
        if report.last_verify and not report.last_verify.is_good:
            from flows.orchestration.prefect_server import VERIFY, run_command

            ended = report.last_verify.ended_at
            if report.last and ended and report.last.created_at > ended:
                say(f"          Export {report.last.export_id} has written since then")
            say(f"          What mends it: sp404 verify{db_hint(db)}")
            say(f"          Then once more: {run_command(str(report.server), VERIFY)}")


def _print_schedule(name: str, due: "datetime", last: "PrefectRunStatus | None", shown: "RunStatus | None") -> None:
    """Print when it is next and how the last one ended, with its message: the records may know nothing of it.

    Of the export that is ``shown`` already only the end of the message, which tells of files in no manifest; of one before that
    one its counts and its number.
    """
    ended = f"; last: {last.state}{', ' + ago(last.ended_at) if last.ended_at else ''}" if last else ""
    say(f"{name:9} next: {due:%a %d %b %H:%M %Z}{ended}", color=None if last is None or last.is_good else WARN)
    message = last.message.splitlines()[0] if last and last.message else ""
    found = re.search(r"sp404 history --export ([0-9]+) --failed(?:\. )?", message) if shown else None
    if not (shown and found):
        text = message
    elif int(found[1]) == shown.export_id:
        text = message[found.end() :]
    else:
        text = f"That was export {found[1]}: {message.partition('. ')[0]}"
    if text:
        say(f"          {text}", color=None if last is None or last.is_good else WARN)


def _print_run(run: "RunStatus", manifest: str, db: str | None) -> None:
    good = f"{run.exported:,} exported, {run.unchanged:,} unchanged"
    say(f"Last run  export {run.export_id} of {short_path(manifest)}, {ago(run.created_at)} ({local_clock(run.created_at)})")
    if run.trouble:
        say(f"          {run.trouble}", color=WARN)
    if run.exported or run.unchanged or run.failing:  # of one that was killed the records know nothing yet
        left = f", {run.not_reached:,} not reached" if run.not_reached else ""
        failed = run.failing - run.not_reached
        say(f"          {good}, {failed:,} not exported{left}", color=WARN if run.failing else GOOD)
        say(f"          to {short_path(run.output_path)}")
    if run.comparison:
        say(f"          {run.comparison}")
    if run.new_files:
        say(f"          new since the run before: {_names(run.new_files, run.new)}")
    if run.mended:
        right_again = "" if run.exported else " (what an earlier export made of it is right again)"
        say(f"          mended since the run before: {_names(run.mended, len(run.mended))}{right_again}", color=GOOD)
    if run.failing:
        if run.again is not None and run.failing > run.not_reached:
            say(f"          {_describe_again(run, run.again)}")
        for cause, count in list(run.causes.items())[:_MOST_CAUSES]:
            say(f"          {count:,} x {cause}")
        if len(run.causes) > _MOST_CAUSES:
            say(f"          and {count_of(len(run.causes) - _MOST_CAUSES, 'other cause')}")
        if run.examples:
            names = [os.path.basename(path) for path in run.examples]
            say(f"          such as {', '.join(names)}")
        say(f"          Which, and what to do: sp404 history --export {run.export_id} --failed{db_hint(db)}")
    if run.exported:
        say(f"          What it wrote: sp404 history {run.export_id} --status exported{db_hint(db)}")


def _describe_again(run: "RunStatus", again: int) -> str:
    """Say how much of what failed is news: what one looks for on the morning after."""
    if not again:
        return "none of them failed in the run before"
    failed = run.failing - run.not_reached
    new = run.examples[: failed - again]
    how_many = f"{again:,}" if new else "all"
    return f"{how_many} of them failed in the run before, too" + (f"; new: {_names(new, failed - again)}" if new else "")


def _names(files: list[str], number: int) -> str:
    """Return the names of the first of ``number`` files, and how many more there are."""
    names = [os.path.basename(path) for path in files[:_SHOWN_FILES]]
    return ", ".join(names) + (f" and {number - len(names):,} more" if number > len(names) else "")
