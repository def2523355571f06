"""``sp404 export``, ``plan``, ``check`` and ``demo``: what converts a manifest, or says what that would do."""
# ruff: noqa: PLC0415 (Prefect, Polars and pydantic are imported late: help must come at once)

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.exit_status import ALL_DONE, SOME_FAILED
from flows.cli.export_output import print_batch, print_checked, print_planned
from flows.cli.messages import print_json, say
from flows.cli.options import (
    ExampleCommand,
    all_option,
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
from flows.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from schemas.export import ExportRequest
    from schemas.report import BatchExportResult


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
    """Convert the samples of MANIFEST and put them in folders.

    The files are 48 kHz, 16 bits. A second run does only what changed.
    """
    if dry_run:
        return _plan(manifest, as_json, False, options, is_dry_run=True)
    batch = _run_export(export_request(manifest, options), direct)
    if as_json:
        print_json(batch.to_json())
    else:
        print_batch(batch, manifest, options["db"], options["prune"])
    if batch.no_card:
        say(f"Not on the card: {batch.no_card}", err=True)
    if batch.no_zip:
        say(f"No ZIP: {batch.no_zip}", err=True)
    return ALL_DONE if batch.complete else SOME_FAILED


@click.command(cls=ExampleCommand, example="sp404 plan library.csv --organize-by kit")
@manifest_argument
@layout_options
@prune_options
@click.option("--card", metavar="PATH", help="Also what would be copied to the card mounted here, renamed and removed there.")
@click.option("--init-card", is_flag=True, help="With --card: plan for an empty card; nothing is made there.")
@all_option
@json_option
def plan(manifest: str, as_json: bool, every: bool, **options: Any) -> int:
    """Print what an export would write, and where.

    It writes nothing. With --prune or --prune-layout it prints what the export would remove, too.
    """
    return _plan(manifest, as_json, every, options)


@click.command(cls=ExampleCommand, example="sp404 check library.csv")
@manifest_argument
@sound_option
@workers_option
@db_option
@all_option
@json_option
def check(manifest: str, as_json: bool, every: bool, **options: Any) -> int:
    """Read MANIFEST and all its files, and say what would fail.

    It writes nothing. Failures are grouped by their cause, with what to do about each.
    """
    from flows.export import preview

    with progress_bar() as progress:
        findings = preview.check(export_request(manifest, options), progress)
    if as_json:
        print_json(findings.model_dump_json())
    else:
        print_checked(findings, manifest, every)
    return SOME_FAILED if findings.troubles else ALL_DONE


@click.command(cls=ExampleCommand, example="sp404 demo --out /tmp/sp404-demo")
@click.option("--out", default="sp404-demo", show_default=True, metavar="DIR", help="The folder for all that the demo writes.")
@direct_option
@json_option
def demo(out: str, direct: bool, as_json: bool) -> int:
    """Make a small library and export it, to see how it works.

    It is exported by BPM and as a kit. A second demo in the same folder has nothing left to do.
    """
    from flows import demo as demo_library

    requests = demo_library.prepare(Path(out).absolute())
    batches = [_run_export(request, direct) for request in requests]
    if as_json:
        exports = [json.loads(batch.to_json()) for batch in batches]
        print_json(json.dumps({"manifest": requests[0].manifest, "db": requests[0].db, "exports": exports}))
        return ALL_DONE
    for line in demo_library.format_summary(requests[0], batches, direct).splitlines():
        say(line)
    return ALL_DONE


def _plan(manifest: str, as_json: bool, every: bool, options: dict[str, Any], is_dry_run: bool = False) -> int:
    from flows.export import preview

    request = export_request(manifest, options)
    planned = preview.plan(request, take_empty_card=not is_dry_run)  # of which the export itself would be refused
    if as_json:
        print_json(planned.model_dump_json())
    else:
        print_planned(planned, request, every)
    return SOME_FAILED if planned.troubles else ALL_DONE


def _run_export(request: "ExportRequest", direct: bool) -> "BatchExportResult":
    from flows.orchestration import prefect_server

    named = os.environ.get("PREFECT_API_URL")
    # A server that has to be started takes seconds, in which the rest can begin.
    temporary = None if direct else prefect_server.use_or_start_server(quiet=True)
    from flows.export import sd_card
    from flows.export.request import resolve
    from tasks.manifest.table import check_is_manifest

    # An unusable request is refused before anything is started or written for it.
    resolved = resolve(request)
    check_is_manifest(resolved.request.manifest)
    if not request.init_card:
        sd_card.find_card(request.card, False, resolved.target.database)
    if temporary:
        why = f"the server of PREFECT_API_URL ({named}) does not answer" if named else "no Prefect server is running"
        say(f"sp404: {why}: starting a temporary one, some 10 s (--direct does without)", err=True)
    with progress_bar() as progress:
        if direct:
            from flows.export.pipeline import run_export
            from flows.export.threads import DIRECT

            return run_export(resolved, DIRECT, progress)
        progress.enter("starting Prefect")
        from flows.orchestration import flow  # imports prefect, which reads its settings then

        prefect_server.hide_final_state_logs()
        if temporary:
            temporary.wait()
        return flow.run_flow_and_wait(resolved, progress)
