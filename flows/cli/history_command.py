"""``sp404 history``: the records of exports and samples, a chart of exports over time, and removing old records."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import count_of, print_json, say
from flows.cli.options import RECORD_ID, ExampleCommand, db_option, json_option, load_settings
from flows.cli.tables import local_time, print_table
from schemas.errors import RequestError

if TYPE_CHECKING:
    from tasks.store.database import Database

_MOST_TREND_LINES = 30
_BAR_COLUMNS = 20
# A thousand years: more than any record is old, and a date that datetime can hold.
_MOST_DAYS = 365_000
_DAYS_OF_UNIT = {"d": 1, "w": 7, "y": 365}

Records = list[dict[str, Any]]


@click.command(cls=ExampleCommand, example="sp404 history --export 12 --failed")
@click.option("--user", "user_id", type=RECORD_ID, metavar="N", help="Only this user's exports.")
@click.option("--sample", "sample_id", type=RECORD_ID, metavar="ID", help="This sample, export by export.")
@click.option("--export", "export_id", type=RECORD_ID, metavar="ID", help="This export, sample by sample.")
@click.option("--failed", "failed_only", is_flag=True, help="Only samples that were rejected or failed.")
@click.option("--most", type=RECORD_ID, metavar="N", help="Only the newest N records; --trend shows 30 if not set.")
@click.option("--trend", is_flag=True, help="Draw exports over time: samples, bytes, seconds, failures.")
@click.option("--prune-older-than", "age", metavar="AGE", help="Remove records older than 90d, 12w or 2y; never any audio.")
@db_option
@json_option
def history(db: str | None, as_json: bool, age: str | None, trend: bool, **which: Any) -> int:
    """Print the records of exports, newest first.

    With --sample, --export or --failed it prints those of samples.
    """
    from tasks.store import history as records
    from tasks.store.database import Database

    database = Database.of(load_settings(db).settings)
    if age is not None:
        return _prune(database, age, as_json, trend or any(which.values()))
    if trend:
        return _trend(database, as_json, which)
    of_exports = {"user_id": which["user_id"], "export_id": which["export_id"], "most": which["most"]}
    if which["export_id"] and not records.exports(database, **of_exports):
        raise RequestError(what=f"Export {which['export_id']} not found", fix="`sp404 history` lists all exports.")
    of_samples = any(which[name] for name in ("sample_id", "export_id", "failed_only"))
    found = records.export_samples(database, **which) if of_samples else records.exports(database, **of_exports)
    if as_json:
        print_json(json.dumps(found, default=str))
    elif not found:
        say("Nothing in the records.", err=True)
    elif of_samples:
        _print_samples(found)
    else:
        _print_exports(found)
    return ALL_DONE


def _trend(database: "Database", as_json: bool, which: dict[str, Any]) -> int:
    from tasks.store import history as records

    if which["export_id"] or which["sample_id"] or which["failed_only"]:
        raise RequestError(what="--trend is of whole exports", fix="Use it with --user, --most, --json and --db alone.")
    found = records.trend(database, user_id=which["user_id"], most=which["most"] or _MOST_TREND_LINES)
    if as_json:
        print_json(json.dumps(found, default=str))
    elif not found:
        say("Nothing in the records.", err=True)
    else:
        _print_trend(found)
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


def _print_exports(found: Records) -> None:
    columns = ["export", "when", "what", "rows", "exported", "unchanged", "rejected", "failed", "MB", "s", "where", "note"]
    rows = []
    for row in found:
        counts = [f"{row[count]:,}" for count in ("sample_count", "exported", "unchanged", "rejected", "failed")]
        what = f"{row['export_type']}, {row['organized_by']}, {row['format']}"
        note = ". ".join(filter(None, (row["trouble"], row["label"])))
        measures = [f"{row['total_size_bytes'] / 1e6:,.1f}", f"{row['export_duration_seconds']:.1f}"]
        rows.append([str(row["id"]), local_time(row["created_at"]), what, *counts, *measures, row["output_path"], note])
    print_table(columns, rows)


def _print_trend(found: Records) -> None:
    longest = max(row["export_duration_seconds"] for row in found) or 1.0
    rows = []
    for row in found:
        seconds = row["export_duration_seconds"]
        counts = [f"{row[count]:,}" for count in ("samples", "exported", "failed")]
        bar = "\u2588" * max(round(_BAR_COLUMNS * seconds / longest), 1)
        measures = [f"{row['total_size_bytes'] / 1e6:,.1f}", f"{seconds:.1f}", bar]
        rows.append([str(row["id"]), local_time(row["created_at"]), *counts, *measures, row["output_path"]])
    print_table(["export", "when", "rows", "exported", "not", "MB", "s", "", "where"], rows)


def _print_samples(found: Records) -> None:
    rows = []
    for row in found:
        path = "/".join(filter(None, (row["output_subfolder"], row["output_filename"])))
        path += f" ({row['warning']})" if row["warning"] else ""
        error = ". ".join(filter(None, (row["error_message"], row["fix"])))
        ids = str(row["export_id"]), str(row["sample_id"] or ""), str(row["manifest_line"])
        rows.append([*ids, row["status"], error or path])
    print_table(["export", "sample", "line", "status", "where, or why not and what to do"], rows)
