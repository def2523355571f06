"""``sp404``: the command line. It asks the same questions of the same models as the UI form and REST.

Prefect, Polars and DuckDB are imported inside the commands that need them: help must come at once.
"""
# ruff: noqa: PLC0415

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from schemas.enums import AudioFormat, Names, OrganizeBy, Runner
from schemas.errors import RequestError, Sp404Error, StoppedError, TerminatedError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from config.settings import InForce
    from flows.export.preview import Findings
    from flows.export.sd_card import CardReport
    from flows.scan import ScanResult
    from schemas.export import BatchExportResult, CardResult, ExportRequest, Finding
    from tasks.convert.shard import Progress

ALL_DONE, SOME_FAILED, UNUSABLE = 0, 1, 2
_SHOWN_TROUBLES = 20
_IN_THE_WAY = "what stands there is another's, or was changed since. It stays; remove it there to have ours."
_SPOILED = "it was changed in the output folder since it was written. --verify-outputs writes it again."
_PIPE_WIDTH = 250
_SHOWN_EXPORTS = 30
_BAR = 20
# A year that datetime knows.
_MOST_DAYS = 365_000
_DAYS = {"d": 1, "w": 7, "y": 365}


def main() -> NoReturn:
    """The console script: runs a command, and turns errors into one or two lines and an exit status."""
    for number in (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        signal.signal(number, _terminated)
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        status = UNUSABLE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        fix = f"See `{context.command_path} --help`." if context else ""
        status = _complain(error.format_message(), fix, UNUSABLE)
    except Sp404Error as error:
        status = _complain(str(error), error.fix, error.exit_code)
    except (click.Abort, KeyboardInterrupt, _Terminated) as stop:
        stopped = TerminatedError() if isinstance(stop, _Terminated) else StoppedError()
        status = _complain(str(stopped), stopped.fix, stopped.exit_code)
    sys.exit(status if isinstance(status, int) else ALL_DONE)


class _Terminated(BaseException):
    """A SIGTERM or a SIGHUP: no error, and like Ctrl-C nothing that is caught on the way by mistake."""


def _terminated(_number: int, _frame: object) -> NoReturn:
    raise _Terminated


def _complain(what: str, fix: str, status: int) -> int:
    click.echo(f"sp404: {_one_line(what)}", err=True)
    if fix:
        click.echo(f"  {_one_line(fix)}", err=True)
    return status


def _one_line(text: str) -> str:
    """The text for a terminal: one line, no control characters, and names that are not UTF-8 shown as such."""
    printable = "".join(c if c.isprintable() or c.isspace() else "?" for c in text)
    return " ".join(printable.split()).encode(errors="backslashreplace").decode()


class _Command(click.Command):
    """A command whose help ends with an example that can be typed as it stands."""

    def __init__(self, name: str | None, *, example: str, **kwargs: Any) -> None:
        kwargs["epilog"] = f"\b\nExample:\n  {example}"
        super().__init__(name, **kwargs)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sp404-export", prog_name="sp404")
def cli() -> None:
    """Put a whole sample library where a Roland SP-404MKII can play it.

    \b
    Example:
      sp404 demo
      sp404 check library.csv
      sp404 scan ~/Samples -o library.csv
      sp404 export library.csv --organize-by bpm --card /media/card
    """


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _one_of(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([str(word) for word in words])


_MANIFEST = click.argument("manifest")
_DB = click.option("--db", metavar="FILE", help="The DuckDB file of the records.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_DIRECT = click.option("--direct", is_flag=True, help="The same steps without Prefect.")
_ID = click.IntRange(1, 2**63 - 1)
_WORKERS = click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Files at a time; one a core.")
_SOUND = click.option(
    "--sound",
    metavar="NAME=VALUE",
    multiple=True,
    help="What is done to the sound, such as guard=file; `sp404 config` shows all; repeatable.",
)
_SELECTION_AND_LAYOUT = _options(
    click.option("--out", "output_base_path", metavar="DIR", help="The output folder."),
    click.option("--organize-by", type=_one_of(OrganizeBy), help="Folders of the output."),
    click.option("--format", type=_one_of(AudioFormat), help="Both are 48 kHz, 16-bit PCM."),
    click.option("--sample", "sample_ids", type=_ID, metavar="ID", multiple=True, help="Only this sample; repeatable."),
    click.option("--kit", "kits", metavar="NAME", multiple=True, help="Only this kit, pad by pad; repeatable."),
    click.option("--metadata/--no-metadata", "include_metadata", default=None, help="Write name_metadata.txt files."),
    click.option("--sanitize/--no-sanitize", "sanitize_filenames", default=None, help="Names of a-z, 0-9, _ and -."),
    click.option("--names", type=_one_of(Names), help="screen: 23 characters, tempo and key in front."),
    _SOUND,
    click.option("--full", is_flag=True, help="Convert again even what is unchanged."),
    click.option("--verify-outputs", is_flag=True, help="Tell what is unchanged by all bytes of the output."),
    click.option("--runner", type=_one_of(Runner), help="Where sounds are converted: here, or on several machines."),
    click.option("--work-pool", metavar="NAME", help="Prefect's work pool for --runner pool."),
    click.option("--dask-address", metavar="ADDRESS", help="Of a scheduler for --runner dask, such as tcp://studio:8786."),
    _WORKERS,
    _DB,
)


@cli.command("export", cls=_Command, example="sp404 export library.csv --organize-by genre --card /media/card")
@_MANIFEST
@_SELECTION_AND_LAYOUT
@click.option("--prune", is_flag=True, help="Remove what earlier exports wrote and no row names any more.")
@click.option("--card", metavar="PATH", help="Put the sounds on the card mounted here, too, and read them back.")
@click.option("--init-card", is_flag=True, help="Make the folder IMPORT on an empty card.")
@click.option("--zip", is_flag=True, help="Make a ZIP of the files, too: sp404-export-N.zip in this folder.")
@click.option("--label", default="", metavar="TEXT", help="A note of your own, kept with the run.")
@_DIRECT
@_JSON
def export_command(manifest: str, direct: bool, as_json: bool, **options: Any) -> int:
    """Convert the samples of MANIFEST to 48 kHz, 16 bits, and lay them out in folders."""
    batch = _export(_request(manifest, options), direct)
    if as_json:
        click.echo(batch.model_dump_json())
        _show_not_done(batch)
    else:
        _show_batch(batch, options["db"])
    _show_not_done(batch)
    return ALL_DONE if batch.complete else SOME_FAILED


@cli.command(cls=_Command, example="sp404 scan ~/Samples -o library.csv")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option(
    "-o", "manifest", required=True, metavar="MANIFEST", help="Made, or brought up to date: .csv, .tsv, .ndjson, .parquet."
)
@click.option("--kits", is_flag=True, help="Propose a kit for each folder of one-shots.")
@click.option("--analyze", is_flag=True, help="Listen, too: tempo, root note, duplicates, silence, clipping.")
@click.option("--restore", is_flag=True, help="Bring back rows that you removed from MANIFEST.")
@_WORKERS
@_DB
@_JSON
def scan(as_json: bool, db: str | None, workers: int | None, **asked: Any) -> int:
    """Make a manifest of all samples below FOLDER: tempo, key, genre and kind, and where each came from.

    What you edit in it stays when you scan again.
    """
    from flows import scan

    settings = _settings(db).settings
    settings = settings.model_copy(update={"workers": workers}) if workers else settings
    with _progress_bar("Scanning") as progress:
        done = scan.scan(scan.ScanRequest(**asked), settings, progress)
    if as_json:
        click.echo(done.model_dump_json())
    else:
        _show_scan(done)
    return SOME_FAILED if done.lacking else ALL_DONE


@cli.command(cls=_Command, example="sp404 check library.csv")
@_MANIFEST
@_SOUND
@_WORKERS
@_DB
@_JSON
def check(manifest: str, as_json: bool, **options: Any) -> int:
    """Check MANIFEST and every file that it names, and say for each trouble what to do. Writes nothing."""
    from flows.export import preview

    with _progress_bar("Checking") as progress:
        findings = preview.check(_request(manifest, options), progress)
    if as_json:
        click.echo(findings.model_dump_json())
    else:
        _show_findings(findings)
    return SOME_FAILED if findings.troubles else ALL_DONE


@cli.command(cls=_Command, example="sp404 plan library.csv --organize-by kit")
@_MANIFEST
@_SELECTION_AND_LAYOUT
@_JSON
def plan(manifest: str, as_json: bool, **options: Any) -> int:
    """Print what an export would write, and where, without writing."""
    from flows.export import preview

    planned = preview.plan(_request(manifest, options))
    if as_json:
        click.echo(planned.model_dump_json())
    else:
        for file in planned.files:
            note = "  (another file stands there, and stays)" if file.in_the_way else "  (unchanged)" if file.unchanged else ""
            click.echo(f"{file.path}  <-  {_one_line(file.source)}{note}")
        for reject in planned.errors:
            click.echo(f"Not exported: {_one_line(reject)}", err=True)
        _show_worth_a_look(planned.worth_a_look)
        _show_notes(planned.notes)
        to_write = sum(not file.unchanged for file in planned.files)
        what = f"{_files(to_write)} to write below {planned.output_base_path}"
        click.echo(f"{planned.total_requested:,} rows: {what}, {len(planned.files) - to_write:,} unchanged", err=True)
    return SOME_FAILED if planned.rejected else ALL_DONE


@cli.command(cls=_Command, example="sp404 history --export 12 --failed")
@click.option("--user", "user_id", type=_ID, metavar="N", help="Only this user's exports.")
@click.option("--sample", "sample_id", type=_ID, metavar="ID", help="What became of this sample, export by export.")
@click.option("--export", "export_id", type=_ID, metavar="ID", help="This export, sample by sample.")
@click.option("--failed", "failed_only", is_flag=True, help="Only samples that were rejected or failed.")
@click.option("--most", type=_ID, metavar="N", help="Lines at the most; the newest.")
@click.option("--trend", is_flag=True, help="Exports as a chart over time: samples, bytes, seconds, failures.")
@click.option("--prune-older-than", "age", metavar="AGE", help="Remove records older than 90d, 12w or 2y; never any audio.")
@_DB
@_JSON
def history(db: str | None, as_json: bool, age: str | None, trend: bool, **which: Any) -> int:
    """Print the records of exports, newest first; with --sample, --export or --failed, those of samples; or a --trend."""
    from tasks.store import history as records

    settings = _settings(db).settings
    place = settings.db, settings.lock_wait_seconds
    if age is not None:
        return _forget(place, age, as_json, trend or any(which.values()))
    if trend:
        return _trend(place, as_json, which)
    of_exports = {"user_id": which["user_id"], "export_id": which["export_id"], "most": which["most"]}
    if which["export_id"] and not records.exports(*place, **of_exports):
        raise RequestError(what=f"Export {which['export_id']} not found", fix="`sp404 history` lists them.")
    of_samples = any(which[name] for name in ("sample_id", "export_id", "failed_only"))
    found = records.export_samples(*place, **which) if of_samples else records.exports(*place, **of_exports)
    if as_json:
        click.echo(json.dumps(found, default=str))
    elif not found:
        click.echo("Nothing in the records.", err=True)
    else:
        _console().print(_samples_table(found) if of_samples else _exports_table(found))
    return ALL_DONE


@cli.command("zip", cls=_Command, example="sp404 zip 12 -o kit.zip")
@click.argument("export_id", type=_ID)
@click.option(
    "-o", "target", metavar="FILE", help="The ZIP, outside of the export's folder; else sp404-export-ID.zip in this folder."
)
@click.option("--force", is_flag=True, help="Replace a .zip file that is there.")
@_DB
@_JSON
def zip_command(export_id: int, target: str | None, force: bool, db: str | None, as_json: bool) -> int:
    """Bundle one export: exactly its files, and only if they are as they were written."""
    from flows.export import zip_archive

    written = zip_archive.zip_export(_settings(db).settings, export_id, target, force)
    if as_json:
        click.echo(json.dumps({"export_id": export_id, "path": written.path, "files": written.files, "bytes": written.bytes}))
    else:
        click.echo(f"Export {export_id}: {_files(written.files)} in {written.bytes / 1e6:,.1f} MB")
        click.echo(f"  {written.path}")
    return ALL_DONE


@cli.command(cls=_Command, example="sp404 verify 12")
@click.argument("export_id", type=_ID, required=False)
@_WORKERS
@_DB
@_JSON
def verify(export_id: int | None, workers: int | None, db: str | None, as_json: bool) -> int:
    """Read what exports wrote (or one export), and find what is missing, changed, or not ours. Writes nothing."""
    from flows.export import preview

    found = preview.verify(_settings(db).settings, export_id, workers)
    if as_json:
        click.echo(found.model_dump_json())
    else:
        if found.findings:
            rows = [[finding.damage, finding.path, finding.fix] for finding in found.findings]
            _console().print(_table(["what", "where", "what to do"], rows))
        damages = ", ".join(f"{count:,} {damage}" for damage, count in found.counts.items())
        click.echo(f"{_files(found.files)}: {found.good:,} as they were written" + (f", {damages}" if damages else ""))
    return SOME_FAILED if found.findings else ALL_DONE


@cli.command("card", cls=_Command, example="sp404 card /media/card --files")
@click.argument("path", metavar="PATH")
@click.option("--files", "every_file", is_flag=True, help="List every file, not only those that deserve a look.")
@_DB
@_JSON
def card_command(path: str, every_file: bool, db: str | None, as_json: bool) -> int:
    """Say what is on the card at PATH: from which export and source, and what is missing, changed or stale. Writes nothing."""
    from flows.export import sd_card

    report = sd_card.report(_settings(db).settings, path)
    if as_json:
        click.echo(report.model_dump_json())
    else:
        _show_card(report, every_file)
    return ALL_DONE if report.as_recorded else SOME_FAILED


@cli.command(cls=_Command, example="sp404 project 'My Kit' --slot 3 --experimental --out /tmp/try")
@click.argument("kit")
@click.option("--slot", type=int, required=True, metavar="N", help="Which of the device's projects: 1 to 16.")
@click.option("--out", metavar="DIR", help="Where EXPORT/PROJECT/PROJECT_NN is made; the current folder.")
@click.option("--card", metavar="PATH", help="The same on the card mounted here.")
@click.option("--experimental", is_flag=True, help="I know that no device has confirmed such a project yet.")
@_DB
def project(kit: str, slot: int, experimental: bool, db: str | None, **where: str | None) -> int:
    """Make a project of the device from the exported KIT, so that it loads itself. Not confirmed on hardware."""
    if not experimental:
        what = "A project made by this program was never confirmed on hardware"
        raise RequestError(what=what, fix="Read docs/device-project.md, back up the card, then add --experimental.")
    from flows import device_project

    made = device_project.make(_settings(db).settings, kit, slot, **where)
    pads = "1 pad" if made.pads == 1 else f"{made.pads:,} pads"
    click.echo(f"{pads} at {made.tempo:g} BPM, read back as they were meant: {made.folder}")
    if made.missing:
        click.echo(f"  Not in it, as they are not exported: {', '.join(made.missing)}", err=True)
    click.echo("  Experimental: not confirmed on hardware. docs/device-project.md says how to try it, and how to report.")
    return ALL_DONE


@cli.command(cls=_Command, example="SP404_LIBRARY=~/library.csv sp404 up")
@click.option("--port", type=click.IntRange(1, 65_535), default=4200, show_default=True, help="Of Prefect's server and UI.")
@click.option("--home", metavar="DIR", help="Where Prefect keeps its data: PREFECT_HOME, else ~/.prefect.")
@click.option("--install-service", is_flag=True, help="Print a systemd unit that does this, and start nothing.")
@_DB
def up(port: int, home: str | None, install_service: bool, db: str | None) -> int:
    """Run a Prefect server, the scheduled exports and the REST API, until Ctrl-C."""
    from flows.service import supervisor as desk

    folder = str(Path(home or os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser().absolute())
    if install_service:
        click.echo(desk.unit(folder, port, _settings(db).settings.db), nl=False)
        click.echo("Save it as ~/.config/systemd/user/sp404.service, then: systemctl --user enable --now sp404", err=True)
        return ALL_DONE
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(KeyboardInterrupt, _Terminated):
        desk.up(_settings(db), folder, port, lambda line: click.echo(line, err=True))
    click.echo("Stopped.", err=True)
    return ALL_DONE


@cli.command(cls=_Command, example="sp404 repair --db ~/.sp404/sp404.duckdb")
@click.option("--force", is_flag=True, help="Even when the database is whole.")
@_DB
def repair(force: bool, db: str | None) -> int:
    """Make a damaged database anew from what exports left beside it. The damaged file is kept."""
    from tasks.store import repair as store

    settings = _settings(db, stored=False).settings
    made = store.repair(settings.db, settings.lock_wait_seconds, force)
    for trouble in made.troubles:
        click.echo(f"sp404: {_one_line(trouble)}", err=True)
    click.echo(f"{made.exports:,} exports with {made.rows:,} rows are in the records again: {settings.db}")
    if made.kept:
        click.echo(f"  The old file is {made.kept}")
    return SOME_FAILED if made.troubles else ALL_DONE


@cli.command("config", cls=_Command, example="SP404_WORKERS=4 sp404 config")
@_DB
@_JSON
def config_command(db: str | None, as_json: bool) -> int:
    """Print the settings in force and where each came from."""
    in_force = _settings(db)
    values = in_force.settings.model_dump(mode="json")
    if as_json:
        said = {name: {"value": value, "from": in_force.sources[name]} for name, value in values.items()}
        click.echo(json.dumps(said))
    else:
        rows = [[name, str(value), in_force.sources[name]] for name, value in values.items()]
        _console().print(_table(["setting", "value", "from"], rows))
    return ALL_DONE


@cli.command(cls=_Command, example="sp404 demo --out /tmp/sp404-demo")
@click.option("--out", default="sp404-demo", show_default=True, metavar="DIR", help="Where all of it goes.")
@_DIRECT
def demo(out: str, direct: bool) -> int:
    """Make a small sample library, export it by BPM and as a kit, and say what happened."""
    from flows import demo as show

    requests = show.prepare(Path(out).absolute())
    batches = [_export(request, direct) for request in requests]
    click.echo(show.summary(requests[0], batches))
    return ALL_DONE


def _trend(place: tuple[str, float], as_json: bool, which: dict[str, Any]) -> int:
    from tasks.store import history as records

    if which["export_id"] or which["sample_id"] or which["failed_only"]:
        raise RequestError(what="--trend is of whole exports", fix="It goes with --user, --most and --json alone.")
    found = records.trend(*place, user_id=which["user_id"], most=which["most"] or _SHOWN_EXPORTS)
    if as_json:
        click.echo(json.dumps(found, default=str))
    elif not found:
        click.echo("Nothing in the records.", err=True)
    else:
        _console().print(_trend_table(found))
    return ALL_DONE


def _forget(place: tuple[str, float], age: str, as_json: bool, also_asked: bool) -> int:
    from datetime import UTC, datetime, timedelta

    from tasks.store import history as records
    from tasks.store import retention

    number, unit = age[:-1], age[-1:]
    if unit not in _DAYS or not (number.isascii() and number.isdigit()) or len(number) > 4 or also_asked:
        what = f"--prune-older-than {age} " + ("goes with no other option" if also_asked else "is no age")
        raise RequestError(what=what, fix="Write 90d, 12w or 2y, for days, weeks or years.")
    days = min(int(number) * _DAYS[unit], _MOST_DAYS)
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    records.check_there(place[0])
    gone = retention.forget_before(*place, before)
    if as_json:
        click.echo(json.dumps({"before": before, "export_ids": gone}, default=str))
    else:
        count = f"{len(gone):,} export{'' if len(gone) == 1 else 's'}"
        click.echo(f"Removed the records of {count} from before {_local(before)}; no audio was touched")
    return ALL_DONE


def _request(manifest: str, options: dict[str, Any]) -> "ExportRequest":
    """The options as the one request model; a value that it refuses is a RequestError."""
    from pydantic import ValidationError

    from schemas.export import ExportConfig, ExportRequest

    config = {name: options.pop(name, None) for name in ExportConfig.model_fields}
    sound = _sound(options.pop("sound", ()))
    try:
        return ExportRequest.model_validate({"manifest": manifest, "config": config, "sound": sound, **options})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RequestError(what=f"{name} {first['input']!r}: {first['msg']}", fix="Choose another.") from error


def _sound(given: tuple[str, ...]) -> dict[str, str]:
    from schemas.export import SoundConfig

    pairs = [pair.partition("=") for pair in given]
    for name, equals, _ in pairs:
        if not equals or name not in SoundConfig.model_fields:
            fix = f"Write NAME=VALUE, with a name of: {', '.join(SoundConfig.model_fields)}."
            raise RequestError(what=f"--sound {name}{equals} is no setting of the sound", fix=fix)
    return {name: value for name, _, value in pairs}


def _settings(db: str | None, stored: bool = True) -> "InForce":
    """``stored``: also those in the database."""
    from config.settings import load
    from tasks.store.history import preferences

    return load({"db": db} if db else {}, preferences if stored else lambda _path, _seconds: {})


def _export(request: "ExportRequest", direct: bool) -> "BatchExportResult":
    from flows.orchestration import prefect_server

    # A server that has to be started takes seconds, in which the rest can begin.
    temporary = None if direct else prefect_server.prepare(quiet=True)
    from flows.export import pipeline, plan
    from tasks.manifest.table import check_is_table

    # What makes a request unusable is said before what is done for it.
    plan.settings_for(request)
    check_is_table(request.manifest)
    if temporary:
        click.echo("sp404: no Prefect server is running: starting a temporary one (--direct does without)", err=True)
    with _progress_bar("Exporting") as progress:
        if direct:
            return pipeline.run_export(request, pipeline.DIRECT, progress)
        from flows.orchestration import flow  # imports prefect, which reads its settings then

        prefect_server.leave_verdicts_to_us()
        if temporary:
            temporary.wait()
        return flow.export(request, progress)


@contextmanager
def _progress_bar(what: str) -> "Iterator[Progress]":
    """Progress to standard error, and only to a terminal."""
    from tasks.convert.shard import Progress

    # Polars takes Ctrl-C for itself when it is imported; a thread that waits would then not hear of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich import progress

    columns = progress.TextColumn(what), progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn()
    with progress.Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield Progress(lambda done, total: bar.update(task, completed=done, total=total))


def _show_batch(batch: "BatchExportResult", db: str | None) -> None:
    if len(batch.errors) <= _SHOWN_TROUBLES:
        shown = batch.errors
    else:
        shown = [f"{count:,} x {cause}" for cause, count in batch.causes.items()][:_SHOWN_TROUBLES]
    for line in shown:
        click.echo(_one_line(line), err=True)
    _show_worth_a_look(batch.findings)
    _show_notes(batch.notes)
    if batch.errors:
        click.echo(f"  What to do: sp404 history --export {batch.export_id} --failed{_db_option(db)}", err=True)
    for what, count in batch.warnings.items():
        click.echo(f"{count:,} x {what}; sp404 history --export {batch.export_id}{_db_option(db)} shows which", err=True)
    if batch.pruned:
        click.echo(f"Removed, as no row names them any more: {_files(batch.pruned)}")
    if batch.stale:
        why = f"not removed, since {batch.kept}" if batch.kept else "--prune removes them"
        click.echo(f"Named by no row any more: {_files(len(batch.stale))} ({why}), such as {batch.stale[0]}")
    size, seconds = batch.total_size_bytes / 1e6, batch.total_time_seconds
    begun = ", taken up where it had stopped" if batch.resumed else ""
    click.echo(f"Export {batch.export_id}{begun}: {batch.counts()}; {size:,.1f} MB in {seconds:.1f} s")
    click.echo(f"  {batch.output_base_path}")
    if batch.zip_path:
        click.echo(f"  {batch.zip_path}")
    if batch.card:
        _show_put(batch.card)


def _show_not_done(batch: "BatchExportResult") -> None:
    if batch.no_card:
        click.echo(f"Not on the card: {_one_line(batch.no_card)}", err=True)
    if batch.no_zip:
        click.echo(f"No ZIP: {_one_line(batch.no_zip)}", err=True)


def _show_put(card: "CardResult") -> None:
    for paths, why in ((card.in_the_way, _IN_THE_WAY), (card.spoiled, _SPOILED)):
        for path in paths[:_SHOWN_TROUBLES]:
            click.echo(f"Not on the card: {_one_line(path)}: {why}", err=True)
        if len(paths) > _SHOWN_TROUBLES:
            click.echo(f"  and {len(paths) - _SHOWN_TROUBLES:,} more", err=True)
    if card.removed:
        click.echo(f"Removed from the card, as no row names them any more: {_files(card.removed)}")
    if card.stale:
        click.echo(f"On the card, but named by no row any more: {_files(len(card.stale))}, such as {card.stale[0]}")
    size = card.written_bytes / 1e6
    click.echo(
        f"Card {card.root}: {_files(card.written)} written and read back ({size:,.1f} MB), {card.unchanged:,} there already"
    )


def _show_card(report: "CardReport", every_file: bool) -> None:
    rows = []
    for file in report.files:
        if every_file or file.stale or file.state != "there":
            state = "stale" if file.stale and file.state == "there" else file.state
            rows.append([state, file.path, str(file.export_id), file.settings_hash or "", file.source_path])
    if rows:
        _console().print(_table(["state", "below IMPORT", "export", "settings", "from"], rows))
    for manifest, count in report.manifests.items():
        click.echo(f"{_files(count)} from {manifest}")
    counts = ", ".join(f"{count:,} {state}" for state, count in report.counts.items() if count)
    others = f"; {_files(len(report.unknown))} from elsewhere" if report.unknown else ""
    click.echo(f"{report.root}: {counts}{others}")


def _show_scan(done: "ScanResult") -> None:
    for file in done.lacking[:_SHOWN_TROUBLES]:
        click.echo(f"Left out: {_one_line(f'{file.path}: {file.why}. {file.fix}')}", err=True)
    if len(done.lacking) > _SHOWN_TROUBLES:
        click.echo(f"Left out: {len(done.lacking) - _SHOWN_TROUBLES:,} more; --json lists all", err=True)
    if len(done.added) < done.rows:
        moved = [f"{before} -> {after}" for before, after in done.moved]
        cells = [f"{cell.file_path}: {cell.column} {cell.before or '-'} -> {cell.after or '-'}" for cell in done.changes]
        for sign, lines in (("+", done.added), ("-", done.gone), (">", moved), ("~", cells)):
            for line in lines[:_SHOWN_TROUBLES]:
                click.echo(f"{sign} {_one_line(line)}")
            if len(lines) > _SHOWN_TROUBLES:
                click.echo(f"{sign} {len(lines) - _SHOWN_TROUBLES:,} more")
    rows = []
    for column, sources in done.filled.items():
        told = ", ".join(f"{count:,} by {source}" for source, count in sources.items())
        rows.append([column, f"{sum(sources.values()):,}", told])
    _console().print(_table(["column", "rows", "where from"], rows))
    if done.skipped:
        click.echo(f"Skipped: {', '.join(f'{count:,} x {why}' for why, count in done.skipped.items())}", err=True)
    if done.kept_out:
        click.echo(f"Rows that you removed stay out: {len(done.kept_out):,} (--restore brings them back)", err=True)
    notes = [f"{done.edited:,} with values of yours"] if done.edited else []
    notes += [f"{done.duplicates:,} duplicates"] if done.duplicates else []
    notes += [f"{done.kits:,} kits proposed"] if done.kits else []
    click.echo(
        f"{done.rows:,} rows, {len(done.added):,} of them new"
        + "".join(f", {note}" for note in notes)
        + f"; {done.read:,} of {_files(done.files)} read in {done.seconds:.1f} s"
    )
    click.echo(f"  {done.manifest}" + ("" if done.written else " (nothing to change)"))


def _show_worth_a_look(findings: "list[Finding]") -> None:
    for finding in findings[:_SHOWN_TROUBLES]:
        click.echo(f"Worth a look: {_one_line(f'{finding.where}: {finding.what}. {finding.fix}')}", err=True)
    if len(findings) > _SHOWN_TROUBLES:
        click.echo(f"Worth a look: {len(findings) - _SHOWN_TROUBLES:,} more; sp404 check shows all", err=True)


def _show_notes(notes: list[str]) -> None:
    for note in notes[:_SHOWN_TROUBLES]:
        click.echo(f"Note: {_one_line(note)}", err=True)
    if len(notes) > _SHOWN_TROUBLES:
        click.echo(f"Note: {len(notes) - _SHOWN_TROUBLES:,} more", err=True)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _db_option(db: str | None) -> str:
    return f" --db {shlex.quote(db)}" if db else ""


def _show_findings(findings: "Findings") -> None:
    for found in (findings.troubles, findings.worth_a_look):
        if found:
            rows = [[finding.where, finding.what, finding.fix] for finding in found]
            _console().print(_table(["where", "what", "what to do"], rows))
    _show_notes(findings.notes)
    counts = f"{findings.good:,} good, {findings.rejected:,} rejected, {findings.failing:,} would fail"
    click.echo(f"{findings.total_requested:,} rows: {counts}")


def _exports_table(found: list[dict[str, Any]]) -> "Table":
    columns = ["export", "when", "what", "rows", "exported", "unchanged", "rejected", "failed", "MB", "s", "where", "note"]
    rows = []
    for row in found:
        counts = [f"{row[count]:,}" for count in ("sample_count", "exported", "unchanged", "rejected", "failed")]
        what = f"{row['export_type']}, {row['organized_by']}, {row['format']}"
        note = ". ".join(filter(None, (row["trouble"], row["label"])))
        measures = [f"{row['total_size_bytes'] / 1e6:,.1f}", f"{row['export_duration_seconds']:.1f}"]
        rows.append([str(row["id"]), _local(row["created_at"]), what, *counts, *measures, row["output_path"], note])
    return _table(columns, rows)


def _trend_table(found: list[dict[str, Any]]) -> "Table":
    longest = max(row["export_duration_seconds"] for row in found) or 1.0
    rows = []
    for row in found:
        seconds = row["export_duration_seconds"]
        counts = [f"{row[count]:,}" for count in ("samples", "exported", "failed")]
        bar = "\u2588" * max(round(_BAR * seconds / longest), 1)
        measures = [f"{row['total_size_bytes'] / 1e6:,.1f}", f"{seconds:.1f}", bar]
        rows.append([str(row["id"]), _local(row["created_at"]), *counts, *measures, row["output_path"]])
    return _table(["export", "when", "rows", "exported", "not", "MB", "s", "", "where"], rows)


def _samples_table(found: list[dict[str, Any]]) -> "Table":
    columns = ["export", "sample", "line", "status", "where, or why not and what to do"]
    rows = []
    for row in found:
        place = "/".join(filter(None, (row["output_subfolder"], row["output_filename"])))
        why = ". ".join(filter(None, (row["error_message"], row["fix"])))
        place += f" ({row['warning']})" if row["warning"] else ""
        rows.append(
            [str(row["export_id"]), str(row["sample_id"] or ""), str(row["manifest_line"]), row["status"], why or place]
        )
    return _table(columns, rows)


def _table(columns: list[str], rows: list[list[str]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_one_line(cell), overflow="fold") for cell in row))
    return table


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    # In a pipe a table is as wide as it needs to be, for grep and awk.
    return Console(stderr=stderr, width=None if file.isatty() else _PIPE_WIDTH)


def _local(utc: Any) -> str:
    from datetime import UTC

    return f"{utc.replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"
