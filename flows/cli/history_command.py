"""``sp404 history``: the records of exports and samples, a chart of exports over time, and removing old records."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.history_output import print_exports, print_samples, print_trend
from flows.cli.messages import MOST_LINES, count_of, print_json, say
from flows.cli.options import RECORD_ID, ExampleCommand, all_option, db_option, json_option, load_settings
from flows.cli.times import local_time
from schemas.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.store.database import Database

_MOST_TREND_LINES = 30
_SHOWN_KEPT = 3
# A thousand years: more than any record is old, and a date that datetime can hold.
_MOST_DAYS = 365_000
_DAYS_OF_UNIT = {"d": 1, "w": 7, "y": 365}

# These select samples: the records of exports do not have them.
_OF_SAMPLES = ("sample_id", "export_id", "failed_only", "status", "reason", "warning", "file")


@click.command(cls=ExampleCommand, example="sp404 history 12 --failed")
@click.argument("one_export", metavar="[EXPORT_ID]", type=RECORD_ID, required=False)
@click.option("--user", "user_id", type=RECORD_ID, metavar="N", help="Only this user's exports.")
@click.option("--sample", "sample_id", type=RECORD_ID, metavar="ID", help="This sample, export by export.")
@click.option("--export", "export_id", type=RECORD_ID, metavar="ID", help="This export, sample by sample.")
@click.option("--failed", "failed_only", is_flag=True, help="Only samples that were rejected or failed.")
@click.option(
    "--status", type=click.Choice(["exported", "unchanged", "rejected", "failed"]), help="Only samples of this status."
)
@click.option("--reason", metavar="WORD", help="Only samples that failed for this reason, such as too_short.")
@click.option("--warning", metavar="TEXT", help="Only samples with a warning that has this text in it.")
@click.option("--file", metavar="TEXT", help="Only samples whose file has this text in its path.")
@click.option("--library", metavar="TEXT", help="Only exports of manifests that have this text in their path.")
@click.option("--most", type=RECORD_ID, metavar="N", help="Only the newest N records; --trend shows 30 if not set.")
@click.option("--trend", is_flag=True, help="Draw exports over time: samples, bytes, seconds, failures.")
@click.option("--prune-older-than", "age", metavar="AGE", help="Remove records older than 90d, 12w or 2y; never any audio.")
@db_option
@all_option
@json_option
def history(db: str | None, as_json: bool, every: bool, age: str | None, trend: bool, **which: Any) -> int:
    """Print what earlier exports did, newest first.

    With an EXPORT_ID, --sample, --export, --failed, --status, --reason, --warning or --file it prints what became of
    samples. Samples that were not exported are grouped by their cause; with --failed only those that are still to be mended.
    """
    from flows.export.repeat import options_of_export
    from tasks.store import history as records
    from tasks.store.database import Database

    if (number := which.pop("one_export")) and which["export_id"]:
        raise RequestError(what=f"Export {number} and --export {which['export_id']}", fix="Name one of them.")
    which["export_id"] = number or which["export_id"]
    settings = load_settings(db).settings
    database = Database.of(settings)

    def options_of(export_id: int) -> str:
        return options_of_export(database, export_id, settings) or ""

    if age is not None:
        return _prune(database, age, as_json, trend or any(which.values()))
    if trend:
        return _trend(database, as_json, which)
    of_exports = {"user_id": which["user_id"], "export_id": which["export_id"], "most": which["most"]}
    of_exports["library"] = which["library"]
    named = records.exports(database, **of_exports) if which["export_id"] else []
    if which["export_id"] and not named:
        raise RequestError(what=f"Export {which['export_id']} not found", fix="`sp404 history` lists all exports.")
    of_samples = any(which[name] for name in _OF_SAMPLES)
    found = records.export_samples(database, **which) if of_samples else records.exports(database, **of_exports)
    if as_json:
        print_json(json.dumps(found, default=str))
    elif not found and which["export_id"]:
        is_open = f": {named[0]['trouble']}" if named[0]["trouble"] else ""
        say(f"Export {which['export_id']} has no such samples{is_open}.", err=True)
    elif not found:
        say("The records have no such samples." if of_samples else "Nothing in the records.", err=True)
    elif of_samples:
        if not which["failed_only"] or (every and not named):
            print_samples(found, every, options_of)
            return ALL_DONE
        if named:
            to_mend = found if every else _mark_lasting(database, named[0], found)
            print_samples(to_mend, every, options_of)
        else:
            to_mend = _print_to_mend(found, options_of)
        told = {row["source_path"] for row in to_mend}
        _print_kept(database, found, {row["source_path"] for row in to_mend if not row["exported_since"]})
        _print_left_out(database, found, told)
        _print_new(to_mend)
    else:
        print_exports(found)
    return ALL_DONE


def _mark_lasting(database: "Database", export: dict[str, Any], failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the failures of an export, each with whether the export of its manifest before it had it, too: ``lasting``."""
    from tasks.store import history as records

    same = records.newest_export_of(database, export["manifest_path"], export["id"])
    before = records.failures_before(database, export["id"], [same["id"]] if same else [])
    lasting = {row["source_path"] for row in before}
    return [row | {"lasting": row["source_path"] in lasting} for row in failures]


def _print_to_mend(failures: list[dict[str, Any]], options_of: "Callable[[int], str]") -> list[dict[str, Any]]:
    """Print the failures that are still to be mended, and how many are not; return the former."""
    from flows.past_failures import sort_failures

    to_mend, exported, exported_files, gone, corrected, not_reached = sort_failures(failures)
    print_samples(to_mend, False, options_of)
    if not to_mend:
        say("Nothing is left to mend.", err=True)
    if exported:
        of_files = f", of {exported_files:,} files" if 1 < exported_files < exported else ""
        say(f"{count_of(exported, 'failure')} of before{of_files}: exported since then (--all shows them, too)")
    if gone:
        say(f"{count_of(gone, 'failure')} of before: no longer in the manifest (--all shows them, too)")
    if corrected:
        say(f"{count_of(corrected, 'failure')} of before: corrected in the manifest; an export is due (--all shows them, too)")
    if not_reached:
        files = count_of(not_reached, "file")
        say(f"{files}: not reached by a run that was interrupted; the next export does so (--all shows them, too)")
    return to_mend


def _print_new(failures: list[dict[str, Any]]) -> None:
    """Print in the end, where the eye rests, how many failures are new, if others are not."""
    waiting = [row for row in failures if not row["exported_since"] and "lasting" in row]
    new = sum(not row["lasting"] for row in waiting)
    if 0 < new < len(waiting):
        say(f"{new:,} new, named first above; {len(waiting) - new:,} failed before that, too")


def _print_kept(database: "Database", failures: list[dict[str, Any]], told: set[str]) -> None:
    """Print which files earlier exports made of samples that fail now and were ``told``: they stay, and play."""
    from tasks.store import history as records

    for manifest in dict.fromkeys(row["manifest_path"] for row in failures):
        sources = {row["source_path"] for row in failures if row["manifest_path"] == manifest} & told
        found = records.kept_files(database, manifest, sorted(sources - {None}))
        kept = [(source, path) for source, path in found if os.path.exists(path)]
        if kept:
            number = len({source for source, _ in kept})
            whose = "1 of these still has its file" if number == 1 else f"{number:,} of these still have their files"
            shown = ", ".join(path for _, path in kept[:_SHOWN_KEPT]) + (", ..." if len(kept) > _SHOWN_KEPT else "")
            say(f"{whose} of an earlier export, which stays as it is: {shown}")


def _print_left_out(database: "Database", failures: list[dict[str, Any]], told: set[str]) -> None:
    """Print the files that a scan of the manifests could not read and left out, but for those that were ``told``."""
    from flows.past_failures import find_left_out

    for manifest in dict.fromkeys(row["manifest_path"] for row in failures):
        found = [entry for entry in find_left_out(database, manifest) if entry[0] not in told]
        if found:
            say(f"Not in {manifest}, since the scan could not read {'it' if len(found) == 1 else 'them'}: {len(found):,}")
        for path, why in found[:MOST_LINES]:
            say(f"  {path}: {why}")
        if len(found) > MOST_LINES:
            say(f"  ... and {len(found) - MOST_LINES:,} more; sp404 scan names every one")


def _trend(database: "Database", as_json: bool, which: dict[str, Any]) -> int:
    from tasks.store import history as records

    if any(which[name] for name in _OF_SAMPLES):
        fix = "Use it with --user, --library, --most, --json and --db alone."
        raise RequestError(what="--trend is of whole exports", fix=fix)
    most = which["most"] or _MOST_TREND_LINES
    found = records.trend(database, user_id=which["user_id"], most=most, library=which["library"])
    if as_json:
        print_json(json.dumps(found, default=str))
    elif not found:
        say("Nothing in the records.", err=True)
    else:
        print_trend(found)
    return ALL_DONE


def _prune(database: "Database", age: str, as_json: bool, has_other_options: bool) -> int:
    from tasks.store import retention
    from tasks.store.timestamps import utc_now

    if has_other_options:
        what = "--prune-older-than cannot be combined with other options"
        raise RequestError(what=what, fix="Use it with --db and --json alone.")
    before = utc_now() - timedelta(days=_days(age))
    database.require()
    removed = retention.forget_before(database, before)
    if as_json:
        print_json(json.dumps({"before": before, "export_ids": removed}, default=str))
    else:
        exports = count_of(len(removed), "export")
        say(f"Removed the records of {exports} from before {local_time(before)}; no audio was touched")
    return ALL_DONE


def _days(age: str) -> int:
    number, unit = age[:-1], age[-1:]
    if unit not in _DAYS_OF_UNIT or not (number.isascii() and number.isdigit()) or len(number) > 4:
        what = f"--prune-older-than {age} is not an age"
        raise RequestError(what=what, fix="Write 90d, 12w or 2y, for days, weeks or years.")
    return min(int(number) * _DAYS_OF_UNIT[unit], _MOST_DAYS)
