"""``sp404 zip``, ``verify`` and ``repair``: what is done with an export that is in the records."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
import sys
from typing import TYPE_CHECKING

import click

from flows.cli.exit_status import ALL_DONE, SOME_FAILED
from flows.cli.grouped import UNRECORDED_OPTIONS
from flows.cli.messages import count_of, print_json, say
from flows.cli.options import RECORD_ID, ExampleCommand, db_option, json_option, load_settings, workers_option
from flows.cli.tables import print_table

if TYPE_CHECKING:
    from flows.export.preview import DamageEntry

# How many damaged files `verify` lists in a terminal, and how many of each kind where there are more.
_MOST_FILES, _FILES_OF_EACH = 12, 3


@click.command("zip", cls=ExampleCommand, example="sp404 zip 12 -o kit.zip")
@click.argument("export_id", type=RECORD_ID)
@click.option(
    "-o",
    "target",
    metavar="FILE",
    help="The ZIP, outside of the export's folder; sp404-export-ID.zip in the current folder if not given.",
)
@click.option("--force", is_flag=True, help="Replace a .zip file that is there.")
@db_option
@json_option
def zip_command(export_id: int, target: str | None, force: bool, db: str | None, as_json: bool) -> int:
    """Bundle one export in a ZIP file.

    The ZIP has exactly the files of the export. It is made only if they are as they were written.
    """
    from flows.export import zip_archive

    written = zip_archive.zip_export(load_settings(db).settings, export_id, target, force)
    if as_json:
        print_json(json.dumps({"export_id": export_id, "path": written.path, "files": written.files, "bytes": written.bytes}))
    else:
        say(f"Export {export_id}: {count_of(written.files, 'file')} in {written.bytes / 1e6:,.1f} MB")
        say(f"  {written.path}")
    return ALL_DONE


@click.command(cls=ExampleCommand, example="sp404 verify 12")
@click.argument("export_id", type=RECORD_ID, required=False)
@click.option("--all", "every", is_flag=True, help="In a terminal, too, list every file, not only some of each kind.")
@workers_option
@db_option
@json_option
def verify(export_id: int | None, every: bool, workers: int | None, db: str | None, as_json: bool) -> int:
    """Find missing, changed and unknown files in the output.

    It reads what all exports wrote, or what EXPORT_ID wrote, and compares it with the records. Writes nothing. Unknown
    files are named, but do not make it fail; nor does what an interrupted run wrote that the next export records.
    """
    from flows.export import preview

    verified = preview.verify(load_settings(db).settings, export_id, workers)
    if as_json:
        print_json(verified.model_dump_json())
    else:
        if verified.findings:
            every = every or not sys.stdout.isatty() or len(verified.findings) <= _MOST_FILES
            rows = [[finding.damage, _where(finding), finding.fix] for finding in verified.findings]
            by_damage = [[row for row in rows if row[0] == damage] for damage in verified.counts]
            shown = rows if every else [row for of_one in by_damage for row in of_one[:_FILES_OF_EACH]]
            print_table(["what", "where", "what to do"], shown)
            if len(shown) < len(rows):
                say(f"... and {len(rows) - len(shown):,} more (sp404 verify --all names every one)")
            for command in verified.commands:
                say(f"  > {command}   ({UNRECORDED_OPTIONS})")
        damages = "".join(f", {count:,} {damage}" for damage, count in verified.counts.items())
        if verified.system_files:
            damages += f", {count_of(verified.system_files, 'system file')} passed over"
        texts = f", {count_of(verified.texts, 'metadata file')}" if verified.texts else ""
        kinds = f"{count_of(verified.files - verified.texts, 'sample')}{texts}"
        say(f"{count_of(verified.files, 'file')} ({kinds}): {verified.good:,} as they were written{damages}")
    return SOME_FAILED if verified.failed else ALL_DONE


def _where(finding: "DamageEntry") -> str:
    from tasks.convert.verify import Damage

    if finding.damage == Damage.UNRECORDED:
        return f"{count_of(finding.files, 'file')} in {finding.path}"
    return finding.path if finding.files == 1 else f"{finding.path} (the folder, of {finding.files:,} files)"


@click.command(cls=ExampleCommand, example="sp404 repair --db ~/.sp404/sp404.duckdb")
@click.option("--force", is_flag=True, help="Rebuild the database also when it is not damaged.")
@db_option
@json_option
def repair(force: bool, db: str | None, as_json: bool) -> int:
    """Rebuild a damaged database.

    It is made of the files that exports left beside it. The damaged file is kept.
    """
    from tasks.store import repair as store
    from tasks.store.database import Database

    settings = load_settings(db, stored=False).settings
    rebuilt = store.repair(Database.of(settings), force)
    if as_json:
        counts = {"exports": rebuilt.exports, "rows": rebuilt.rows, "losses": list(map(str, rebuilt.losses))}
        kept = str(rebuilt.kept) if rebuilt.kept else None
        print_json(json.dumps({"db": settings.db, **counts, "kept": kept}))
        return SOME_FAILED if rebuilt.losses else ALL_DONE
    for loss in rebuilt.losses:
        say(f"sp404: {loss}", err=True)
    say(f"In the records again: {count_of(rebuilt.exports, 'export')} with {count_of(rebuilt.rows, 'row')}, {settings.db}")
    if rebuilt.kept:
        say(f"  The old file is {rebuilt.kept}")
    return SOME_FAILED if rebuilt.losses else ALL_DONE
