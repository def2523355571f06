"""``sp404 export``, ``plan``, ``check`` and ``demo``: what converts a manifest, or says what that would do."""
# ruff: noqa: PLC0415 (Prefect, Polars and pydantic are imported late: help must come at once)

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.exit_status import ALL_DONE, SOME_FAILED
from flows.cli.messages import MOST_LINES, count_of, db_hint, print_findings, print_json, print_notes, say
from flows.cli.options import (
    ExampleCommand,
    db_option,
    direct_option,
    export_request,
    json_option,
    layout_options,
    manifest_argument,
    prune_options,
    sound_option,
    workers_option,
)
from flows.cli.tables import print_table, progress_bar

if TYPE_CHECKING:
    from flows.export.preview import CheckReport, PlanPreview
    from schemas.export import ExportRequest
    from schemas.report import BatchExportResult, CardResult

_IN_THE_WAY = "another file is there, or ours was changed since. It stays; remove it there to have ours."
_MODIFIED = "it was changed in the output folder since it was written. --verify-outputs writes it again."


@click.command(cls=ExampleCommand, example="sp404 export library.csv --organize-by genre --card /media/card")
@manifest_argument
@layout_options
@prune_options
@click.option("--yes", is_flag=True, help="Let pruning remove more than a tenth of the files, and more than 20.")
@click.option("--dry-run", is_flag=True, help="Print what would be written and removed, and write nothing.")
@click.option("--card", metavar="PATH", help="Copy the samples to the card mounted here, too, and read them back.")
@click.option("--init-card", is_flag=True, help="With --card: make the folder IMPORT on an empty card.")
@click.option("--zip", is_flag=True, help="Bundle the files, too: sp404-export-N.zip in the current folder.")
@click.option("--label", default="", metavar="TEXT", help="A note of your own, kept with the run; 80 characters at most.")
@direct_option
@json_option
def export(manifest: str, direct: bool, as_json: bool, dry_run: bool, **options: Any) -> int:
    """Convert the samples of MANIFEST to 48 kHz, 16 bits, and lay them out in folders."""
    if dry_run:
        return _plan(manifest, as_json, options)
    batch = _run_export(export_request(manifest, options), direct)
    if as_json:
        print_json(batch.model_dump_json())
    else:
        _print_batch(batch, options["db"], options["prune"])
    if batch.no_card:
        say(f"Not on the card: {batch.no_card}", err=True)
    if batch.no_zip:
        say(f"No ZIP: {batch.no_zip}", err=True)
    return ALL_DONE if batch.complete else SOME_FAILED


@click.command(cls=ExampleCommand, example="sp404 plan library.csv --organize-by kit")
@manifest_argument
@layout_options
@prune_options
@click.option("--card", metavar="PATH", help="Also what would be removed from the card mounted here, and what stays there.")
@json_option
def plan(manifest: str, as_json: bool, **options: Any) -> int:
    """Print what an export would write, and where, without writing.

    With --prune or --prune-layout it prints what the export would remove, too.
    """
    return _plan(manifest, as_json, options)


@click.command(cls=ExampleCommand, example="sp404 check library.csv")
@manifest_argument
@sound_option
@workers_option
@db_option
@json_option
def check(manifest: str, as_json: bool, **options: Any) -> int:
    """Check MANIFEST and all its files, without writing.

    For every row that would be rejected or fail it prints what is wrong and what to do.
    """
    from flows.export import preview

    with progress_bar("Checking") as progress:
        findings = preview.check(export_request(manifest, options), progress)
    if as_json:
        print_json(findings.model_dump_json())
    else:
        _print_checked(findings)
    return SOME_FAILED if findings.troubles else ALL_DONE


@click.command(cls=ExampleCommand, example="sp404 demo --out /tmp/sp404-demo")
@click.option("--out", default="sp404-demo", show_default=True, metavar="DIR", help="The folder for all that the demo writes.")
@direct_option
def demo(out: str, direct: bool) -> int:
    """Make a small sample library, export it by BPM and as a kit, and say what happened."""
    from flows import demo as demo_library

    requests = demo_library.prepare(Path(out).absolute())
    batches = [_run_export(request, direct) for request in requests]
    for line in demo_library.format_summary(requests[0], batches).splitlines():
        say(line)
    return ALL_DONE


def _plan(manifest: str, as_json: bool, options: dict[str, Any]) -> int:
    from flows.export import preview

    request = export_request(manifest, options)
    planned = preview.plan(request)
    if as_json:
        print_json(planned.model_dump_json())
    else:
        _print_planned(planned, request)
    return SOME_FAILED if planned.rejected else ALL_DONE


def _run_export(request: "ExportRequest", direct: bool) -> "BatchExportResult":
    from flows.orchestration import prefect_server

    # A server that has to be started takes seconds, in which the rest can begin.
    temporary = None if direct else prefect_server.use_or_start_server(quiet=True)
    from flows.export.request import resolve
    from tasks.manifest.table import check_is_manifest

    # An unusable request is refused before anything is started or written for it.
    resolved = resolve(request)
    check_is_manifest(resolved.request.manifest)
    if temporary:
        say("sp404: no Prefect server is running: starting a temporary one (--direct does without)", err=True)
    with progress_bar("Exporting") as progress:
        if direct:
            from flows.export.pipeline import run_export
            from flows.export.threads import DIRECT

            return run_export(resolved, DIRECT, progress)
        from flows.orchestration import flow  # imports prefect, which reads its settings then

        prefect_server.hide_final_state_logs()
        if temporary:
            temporary.wait()
        return flow.run_flow_and_wait(resolved, progress)


def _print_batch(batch: "BatchExportResult", db: str | None, prune: bool) -> None:
    _print_failures(batch, db)
    if batch.pruned:
        say(f"Removed, as no longer in the manifest: {count_of(batch.pruned, 'file')}")
    if batch.layout_pruned:
        say(f"Removed, as of another layout or format: {count_of(batch.layout_pruned, 'file')}")
    if batch.stale:
        why = f"not removed, since {batch.not_pruned}" if batch.not_pruned else "--prune removes them"
        say(f"No longer in the manifest: {count_of(len(batch.stale), 'file')} ({why}), such as {batch.stale[0]}")
    for layout in batch.other_layouts:
        say(layout.text)
    size, seconds = batch.total_size_bytes / 1e6, batch.total_time_seconds
    resumed = ", resumed" if batch.resumed else ""
    say(f"Export {batch.export_id}{resumed}: {batch.counts()}; {size:,.1f} MB in {seconds:.1f} s")
    say(f"  {batch.output_base_path}")
    if batch.zip_path:
        say(f"  {batch.zip_path}")
    if batch.card:
        _print_card_result(batch.card, prune)


def _print_failures(batch: "BatchExportResult", db: str | None) -> None:
    if len(batch.errors) <= MOST_LINES:
        lines = batch.errors
    else:
        lines = [f"{count:,} x {cause}" for cause, count in batch.causes.items()][:MOST_LINES]
    for line in lines:
        say(line, err=True)
    print_findings(batch.findings)
    print_notes(batch.notes)
    if batch.errors:
        say(f"  What to do: sp404 history --export {batch.export_id} --failed{db_hint(db)}", err=True)
    for what, count in batch.warnings.items():
        say(f"{count:,} x {what}; sp404 history --export {batch.export_id}{db_hint(db)} shows which", err=True)


def _print_card_result(card: "CardResult", prune: bool) -> None:
    for paths, why in ((card.in_the_way, _IN_THE_WAY), (card.modified, _MODIFIED)):
        for path in paths[:MOST_LINES]:
            say(f"Not on the card: {path}: {why}", err=True)
        if len(paths) > MOST_LINES:
            say(f"  and {len(paths) - MOST_LINES:,} more", err=True)
    if card.removed:
        say(f"Removed from the card, as no longer in the manifest: {count_of(card.removed, 'file')}")
    if card.layout_removed:
        say(f"Removed from the card, as of another layout or format: {count_of(card.layout_removed, 'file')}")
    if card.stale:
        stale = count_of(len(card.stale), "file")
        hint = "" if prune else " (--prune removes them)"
        say(f"On the card, but no longer in the manifest: {stale}{hint}, such as {card.stale[0]}")
    for layout in card.other_layouts:
        say(f"On the card, {layout.text}")
    written, size = count_of(card.written, "file"), card.written_bytes / 1e6
    renamed = f" {card.renamed:,} renamed there," if card.renamed else ""
    done = f"{written} written and read back ({size:,.1f} MB),{renamed} {card.unchanged:,} there already"
    say(f"Card {card.root}: {done}")


def _print_planned(planned: "PlanPreview", request: "ExportRequest") -> None:
    for file in planned.files:
        note = "  (another file is there, and stays)" if file.in_the_way else "  (unchanged)" if file.unchanged else ""
        say(f"{file.path}  <-  {file.source}{note}")
    for removals in planned.removals:
        why = "no longer in the manifest" if removals.option == "--prune" else "of another layout or format"
        for path in removals.paths:
            say(f"- {removals.folder}/{path}  (removed, as {why})")
    for reject in planned.errors:
        say(f"Not exported: {reject}", err=True)
    if (request.prune or request.prune_layout) and planned.rejected and not planned.removals:
        say("Nothing would be removed: rows are rejected, and it is not known which files are theirs", err=True)
    for removals in planned.removals:
        if removals.refused and not request.yes:
            say(f"{removals.refused}: the export needs --yes for that", err=True)
    for layout in planned.other_layouts:
        say(f"Below {layout.folder}, {layout.text}", err=True)
    print_findings(planned.worth_a_look)
    print_notes(planned.notes)
    to_write = sum(not file.unchanged for file in planned.files)
    files = f"{count_of(to_write, 'file')} to write below {planned.output_base_path}"
    gone = "".join(f", {count_of(len(found.paths), 'file')} to remove below {found.folder}" for found in planned.removals)
    say(f"{planned.total_requested:,} rows: {files}, {len(planned.files) - to_write:,} unchanged{gone}", err=True)


def _print_checked(findings: "CheckReport") -> None:
    for found in (findings.troubles, findings.worth_a_look):
        if found:
            print_table(["where", "what", "what to do"], [[finding.where, finding.what, finding.fix] for finding in found])
    print_notes(findings.notes)
    counts = f"{findings.good:,} good, {findings.rejected:,} rejected, {findings.failing:,} would fail"
    say(f"{findings.total_requested:,} rows: {counts}")
