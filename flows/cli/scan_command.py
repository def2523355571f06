"""``sp404 scan``: folders become a manifest."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from flows.cli.exit_status import ALL_DONE, SOME_FAILED
from flows.cli.messages import MOST_LINES, count_of, print_json, say
from flows.cli.options import ExampleCommand, db_option, json_option, load_settings, workers_option
from flows.cli.progress_bar import progress_bar
from flows.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.scan_report import ChangedCell, ScanResult

_MOST_KITS = 40
_MOST_KINDS = 5


@click.command(cls=ExampleCommand, example="sp404 scan ~/Samples -o library.csv")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option(
    "-o",
    "manifest",
    required=True,
    metavar="MANIFEST",
    help="The manifest to write or to bring up to date: .csv, .tsv, .ndjson or .parquet.",
)
@click.option("--kits", is_flag=True, help="Propose a kit for each folder of one-shots.")
@click.option("--new-pads", is_flag=True, help="With --kits: put samples on pads anew, also those that have one.")
@click.option("--analyze", is_flag=True, help="Listen, too: tempo, root note, duplicates, silence, clipping.")
@click.option("--provenance", is_flag=True, help="Write beside each value where it came from, and how sure it is: 18 columns.")
@click.option("--restore", is_flag=True, help="Bring back rows that you removed from MANIFEST.")
@click.option(
    "--drop-missing",
    is_flag=True,
    help="Drop rows whose files are gone also where these are many, or folders empty now; not those that you edited.",
)
@workers_option
@db_option
@json_option
def scan(as_json: bool, db: str | None, workers: int | None, **options: Any) -> int:
    """Make a manifest of all samples in folders.

    It fills in tempo, key, genre and kind, and prints where they came from. What you edit in the manifest stays when you
    scan again.
    """
    from flows.scan import scan as scan_folders
    from schemas.scan_report import ScanRequest

    settings = load_settings(db).settings
    settings = settings.model_copy(update={"workers": workers}) if workers else settings
    with progress_bar() as progress:
        result = scan_folders(ScanRequest(**options), settings, progress)
    if as_json:
        print_json(result.model_dump_json())
    else:
        _print_result(result)
    return SOME_FAILED if result.lacking or result.unseen else ALL_DONE


def _print_result(result: "ScanResult") -> None:
    print_left_out(result)
    if len(result.added) < result.rows:
        _print_changes(result)
    rows = []
    for column, sources in result.filled.items():
        counts = ", ".join(f"{count:,} by {source}" for source, count in sources.items())
        rows.append([column, f"{sum(sources.values()):,}", counts])
    print_table(["column", "files", "where from"], rows)
    _print_missing(result)
    if result.kept_out:
        say(f"Rows that you removed stay out: {len(result.kept_out):,} (--restore brings them back)", err=True)
    _print_totals(result)


def print_left_out(result: "ScanResult") -> None:
    """Print which files did not get into the manifest: those that cannot be read by name, others by their kind."""
    for file in result.lacking[:MOST_LINES]:
        say(file.text, err=True)
    if len(result.lacking) > MOST_LINES:
        say(f"Left out: {len(result.lacking) - MOST_LINES:,} more; --json lists all", err=True)
    for path in result.empty[:MOST_LINES]:
        say(f"Empty: {path}: get it again from its pack", err=True)
    if len(result.empty) > MOST_LINES:
        say(f"Empty: {len(result.empty) - MOST_LINES:,} more; --json lists all", err=True)
    if result.skipped:
        said = (f"{count:,} x {why}{_kinds(result) if why == 'not audio' else ''}" for why, count in result.skipped.items())
        say(f"Skipped: {', '.join(said)}", err=True)


def _kinds(result: "ScanResult") -> str:
    """Return which kinds of files are not audio, the most frequent of them."""
    kinds = [f"{count:,} {extension}" for extension, count in list(result.not_audio.items())[:_MOST_KINDS]]
    more = len(result.not_audio) - len(kinds)
    others = f" and {count_of(more, 'other kind')}" if more > 0 else ""
    return f" ({', '.join(kinds)}{others})" if kinds else ""


def _print_missing(result: "ScanResult") -> None:
    for folder in result.unseen[:MOST_LINES]:
        what = f"Not seen: {folder.path} has no audio file now: is its disk there? {count_of(folder.rows, 'row')}"
        say(f"{what} of it stay{'s' if folder.rows == 1 else ''} (--drop-missing drops what you did not edit)", err=True)
    if len(result.unseen) > MOST_LINES:
        say(f"Not seen: {len(result.unseen) - MOST_LINES:,} more folders; --json lists all", err=True)
    if result.missing:
        what = "row names a file that does" if len(result.missing) == 1 else "rows name files that do"
        stays = len(result.missing) > sum(folder.rows for folder in result.unseen)
        hint = ". What you edited stays: put the file back, or delete the row" if stays else ""
        say(f"{len(result.missing):,} {what} not exist, such as {result.missing[0]}{hint}", err=True)
        for path in result.missing[1:MOST_LINES] if stays else ():
            say(f"  and {path}", err=True)
    if result.garbled:
        cell, meant = result.garbled[0]
        what = f"Garbled letters in {count_of(len(result.garbled), 'path')}: {cell} was {meant}"
        say(f"{what}. The program that saved the table did not read it as UTF-8: import it as UTF-8 there", err=True)
    for path in result.conflicts[:MOST_LINES]:
        say(f"Conflict copy of a sync program, kept: {path}", err=True)
    if len(result.conflicts) > MOST_LINES:
        say(f"Conflict copy: {len(result.conflicts) - MOST_LINES:,} more; --json lists all", err=True)


def _print_changes(result: "ScanResult") -> None:
    moved = [f"{before} -> {after}" for before, after in result.moved]
    by_file: dict[str, list[ChangedCell]] = {}
    for cell in result.changes:
        by_file.setdefault(cell.file_path, []).append(cell)
    if len(by_file) > MOST_LINES:
        cells = _count_changes(by_file.values())
    else:
        cells = [f"{file}: {', '.join(map(_describe_change, changed))}" for file, changed in by_file.items()]
    for sign, lines in (("+", result.added), ("-", result.gone), (">", moved), ("~", cells)):
        for line in lines[:MOST_LINES]:
            say(f"{sign} {line}")
        if len(lines) > MOST_LINES:
            say(f"{sign} {len(lines) - MOST_LINES:,} more")


def _describe_change(cell: "ChangedCell") -> str:
    return f"{cell.column} {cell.before or '-'} -> {cell.after or '-'}"


def _describe_folders(samples: dict[str, int]) -> str:
    """Return how many folders got no kit, why that is, and the first of them with their samples."""
    shown = [f"{folder} ({count:,})" for folder, count in list(samples.items())[:_MOST_KINDS]]
    others = f" and {len(samples) - len(shown):,} more" if len(samples) > len(shown) else ""
    what = f"{count_of(len(samples), 'folder')}, with loops, one instrument, or names that tell none"
    return f"{what}: {', '.join(shown)}{others}"


def _count_changes(rows: "Iterable[Sequence[ChangedCell]]") -> list[str]:
    """Return how many rows changed in the same columns, the most frequent first."""
    counts: Counter[str] = Counter()
    for changed in rows:
        is_new = not any(cell.before for cell in changed)
        counts[f"{', '.join(cell.column for cell in changed)} {'filled in' if is_new else 'changed'}"] += 1
    return [f"{count_of(count, 'row')}: {what}" for what, count in counts.most_common()]


def _print_totals(result: "ScanResult") -> None:
    notes = [f"{len(result.gone):,} dropped"] if result.gone else []
    notes += [f"{result.edited:,} with values of yours"] if result.edited else []
    notes += [count_of(result.duplicates, "duplicate")] if result.duplicates else []
    notes += [f"{result.kits:,} kits proposed"] if result.kits else []
    listened = f", {result.listened:,} listened to," if result.listened else ""
    say(
        f"{count_of(result.rows, 'row')}, {len(result.added):,} of them new"
        + "".join(f", {note}" for note in notes)
        + f"; {result.read:,} of {count_of(result.files, 'file')} read{listened} in {result.seconds:.1f} s"
    )
    if result.changed_files:
        others = ", ..." if len(result.changed_files) > 1 else ""
        what = f"{count_of(len(result.changed_files), 'file')} changed since the last scan: {result.changed_files[0]}{others}"
        say(f"{what}. The next export takes what is there now")
    if result.table_kits:
        shown = [f"{kit} ({rows:,})" for kit, rows in list(result.table_kits.items())[:_MOST_KITS]]
        more = f" and {len(result.table_kits) - len(shown):,} more" if len(result.table_kits) > len(shown) else ""
        say(f"Kits in the table: {', '.join(shown)}{more}")
    drumkits = count_of(len(result.drumkits), "Hydrogen drumkit")
    if result.kits and result.drumkits:
        fix = f"sp404 export {shlex.quote(result.drumkits[0])} takes the pads from there"
        say(f"{drumkits} laid out otherwise, by drumkit.xml: {fix}; not both into one folder", err=True)
    if result.without_kit:
        say(f"No kit of {_describe_folders(result.without_kit)}", err=True)
    elif result.drumkits and len(result.added) == result.rows:
        own = f"sp404 export {shlex.quote(result.drumkits[0])} takes the drumkit's own"
        say(f"{drumkits} among them: with --kits a scan puts folders of one-shots on pads; {own}", err=True)
    if result.without_pad:
        what = (
            "new sample lies in the folder of a kit" if len(result.without_pad) == 1 else "new samples lie in folders of kits"
        )
        say(f"{len(result.without_pad):,} {what}, and got no pad (--kits gives pads): {result.without_pad[0]}", err=True)
    if result.short_hits:
        what = "sample is" if result.short_hits == 1 else "samples are"
        pads = f", {result.short_in_kits:,} of them in kits" if result.short_in_kits else ""
        sound = f"--sound pad_to_ms={result.least_ms}"
        fix = f"an export refuses them. sp404 export {shlex.quote(result.manifest)} {sound} adds silence"
        fix += " (with the other options of your export)"
        if result.short_padded:
            fix = f"the last export had silence added to them ({sound})"
        say(f"{result.short_hits:,} {what} shorter than {result.least_ms} ms{pads}: {fix}", err=True)
    say(f"  {result.manifest}" + ("" if result.written else " (nothing to change)"))
    if result.added and len(result.added) == result.rows:
        say(f"  sp404 check {shlex.quote(result.manifest)} finds what is damaged inside", err=True)
