"""``sp404 card`` and ``project``: what is on a card, and a project of the device to put on one."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
from typing import TYPE_CHECKING

import click

from flows.cli.exit_status import ALL_DONE, SOME_FAILED
from flows.cli.messages import WARN, count_of, db_hint, print_json, say
from flows.cli.options import ExampleCommand, db_option, json_option, load_settings
from flows.cli.tables import print_table
from schemas.errors import RequestError

if TYPE_CHECKING:
    from flows.export.card_currency import CardLag, OldLayout
    from flows.export.card_report import CardReport


@click.command(cls=ExampleCommand, example="sp404 card /media/card --files")
@click.argument("path", required=False)
@click.option("--files", "every_file", is_flag=True, help="List every file, not only missing, changed and stale ones.")
@click.option("--clean-junk", is_flag=True, help="Remove the .DS_Store, ._*, Thumbs.db and desktop.ini files that it lists.")
@db_option
@json_option
def card(path: str | None, every_file: bool, clean_junk: bool, db: str | None, as_json: bool) -> int:
    """Print what is on the card at PATH, and whether it is current.

    Without PATH it is the card that is plugged in, where there is one alone, or the one that was written last.
    For each file it says from which export and source it is, and whether it is missing, changed or stale: its output folder
    has another one by now, or none. It says how many files of the library are not on the card yet, and the command that copies
    them; of a kit or sample that was put there alone, only whether it is current. It lists the files that Finder and Explorer
    left there. It writes nothing, unless you add --clean-junk, which works on any card.
    """
    from flows.export import card_report

    settings = load_settings(db).settings
    report = card_report.report(settings, path or card_report.find_card(settings), clean_junk)
    if path is None:
        say(f"The card at {report.root}:", err=True)
    if as_json:
        print_json(report.model_dump_json())
    else:
        _print_card(report, every_file, db)
    return ALL_DONE if report.is_current else SOME_FAILED


@click.command(cls=ExampleCommand, example="sp404 project 'My Kit' --slot 3 --experimental --out /tmp/try")
@click.argument("kit")
@click.option("--slot", type=int, required=True, metavar="N", help="The number of the project on the device: 1 to 16.")
@click.option("--out", metavar="DIR", help="The folder to make EXPORT/PROJECT/PROJECT_NN in; the current one if not given.")
@click.option("--card", metavar="PATH", help="Make it on the card mounted here, in place of --out.")
@click.option("--experimental", is_flag=True, help="Confirm that you know: no device has loaded such a project yet.")
@db_option
@json_option
def project(kit: str, slot: int, experimental: bool, db: str | None, as_json: bool, **where: str | None) -> int:
    """Make a project of the device from an exported KIT.

    The device then loads the kit by itself. This was not confirmed on hardware yet.
    """
    if not experimental:
        what = "A project made by this program was never confirmed on hardware"
        raise RequestError(what=what, fix="Read docs/device-project.md, back up the card, then add --experimental.")
    from flows import device_project

    made = device_project.write_kit_project(load_settings(db).settings, kit, slot, **where)
    if as_json:
        facts = {"folder": str(made.folder), "pads": made.pads, "tempo": made.tempo, "missing": list(made.missing)}
        print_json(json.dumps(facts))
        return ALL_DONE
    say(f"{count_of(made.pads, 'pad')} at {made.tempo:g} BPM, written and read back: {made.folder}")
    if made.missing:
        say(f"  Left out, because they are not exported: {', '.join(made.missing)}", err=True)
    say("  Experimental: not confirmed on hardware. docs/device-project.md says how to try it, and how to report.")
    return ALL_DONE


def _print_card(report: "CardReport", every_file: bool, db: str | None) -> None:
    rows = []
    for file in report.files:
        if every_file or file.stale or file.state != "there":
            state = "stale" if file.stale and file.state == "there" else file.state
            rows.append([state, file.path, str(file.export_id), file.source_path])
    if rows:
        print_table(["state", "below IMPORT", "export", "from"], rows)
    for path in report.cleaned:
        say(f"Removed: {path}")
    for path in report.junk:
        say(f"Junk: {path} (--clean-junk removes it)")
    _print_sources(report, db)
    for lag in report.lags:
        _print_lag(lag, db)
    for old in report.old_layouts:
        _print_old_layout(old, db)
    for manifest in report.edited:
        say(f"{manifest} was written to since its last export: what is new there is not on the card", color=WARN)
        for command in (last.command for last in report.last_exports if last.manifest_path == manifest):
            say(f"  > {command}{db_hint(db)}")
    counts = ", ".join(f"{count:,} {state}" for state, count in report.counts.items() if count) or "nothing in the records"
    unknown = f"; {count_of(len(report.unknown), 'file')} from elsewhere" if report.unknown else ""
    say(f"{report.root}: {counts}{unknown}")


def _print_sources(report: "CardReport", db: str | None) -> None:
    """Print which manifests the files are from, and how many of their samples failed in the last export."""
    last_exports = {(last.manifest_path, last.organized_by): last for last in report.last_exports}
    for (manifest, layout), count in report.sources.items():
        say(f"{count_of(count, 'file')} from {manifest}{f', by {layout}' if layout else ''}")
        last = last_exports.get((manifest, layout or ""))
        if last and last.not_exported:
            which = f"sp404 history --export {last.export_id} --failed{db_hint(db)}"
            say(f"  {count_of(last.not_exported, 'sample')} of it could not be exported last: {which}", color=WARN)


def _print_old_layout(old: "OldLayout", db: str | None) -> None:
    """Print how a layout on a card differs from the newest export of its library, and the command that mends it."""
    differs = [f"{count_of(old.more, 'sample')} more"] if old.more else []
    differs += [f"{old.fewer:,} of these no longer"] if old.fewer else []
    newest = f"by export {old.newest_export_id} the library has {', and '.join(differs)}"
    say(f"By {old.organized_by}, {old.format}: as of export {old.export_id}; {newest}", color=WARN)
    if old.command:
        say(f"  > {old.command}{db_hint(db)}")
    if old.fewer:
        say("  --prune with the export removes what is gone from the folder and from the card")


def _print_lag(lag: "CardLag", db: str | None) -> None:
    """Print what a card lacks of a manifest, and the command that copies it."""
    if lag.behind:
        verb = "is" if lag.behind == 1 else "are"
        state = "not on it yet" if lag.missing else "on it in an older version"
        state += ", or in an older version" if lag.missing and lag.older else ""
        state += "" if lag.is_whole else " (of those that were chosen for it)"
        say(f"{count_of(lag.behind, 'file')} of the library {verb} {state}, such as {lag.example}", color=WARN)
    if lag.command:
        say(f"  > {lag.command}{db_hint(db)}")
    if lag.gone:
        verb = "is" if lag.gone == 1 else "are"
        say(f"{count_of(lag.gone, 'file')} on it {verb} of samples no longer in the library, such as {lag.gone_example}")
        say("  --prune with the export removes what is gone from the folder and from the card")
