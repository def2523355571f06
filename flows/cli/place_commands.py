"""``sp404 relocate`` and ``forget``: tell the records where things are now."""
# ruff: noqa: PLC0415 (Polars and DuckDB are imported late: help must come at once)

import json
import os

import click

from flows.cli.exit_status import ALL_DONE
from flows.cli.messages import count_of, print_json, say
from flows.cli.options import ExampleCommand, db_option, json_option, load_settings
from schemas.errors import RequestError

_NOUNS = {"source": "sample", "manifest": "manifest", "folder": "output folder"}


@click.command(cls=ExampleCommand, example="sp404 relocate /media/old-disk /media/new-disk")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@db_option
@json_option
def relocate(old: str, new: str, db: str | None, as_json: bool) -> int:
    """Tell the records that what was at OLD is at NEW now.

    OLD is a library, a drive, a manifest or an output folder that was moved or renamed. No file is touched. An export finds
    out most moves by itself; this is for those that it cannot see, such as a library whose files were edited, too.
    """
    from tasks.store import renames
    from tasks.store.database import Database

    database = Database.of(load_settings(db).settings)
    database.require()
    before, now = _path(old), os.path.realpath(_path(new))
    if not os.path.lexists(now):
        raise RequestError(what=f"{new} is not there", fix="Give the path under which it is found now.")
    counts = renames.relocate(database, before, now)
    if not counts:
        raise RequestError(
            what=f"The records know nothing at {before}", fix="`sp404 history` shows the folders that they know."
        )
    if as_json:
        print_json(json.dumps({"old": before, "new": now, "moved": counts}))
    else:
        found = ", ".join(count_of(counts[kind], noun) for kind, noun in _NOUNS.items() if kind in counts)
        say(f"In the records: {found} moved to {now}")
    return ALL_DONE


@click.command(cls=ExampleCommand, example="sp404 forget ~/old-export")
@click.argument("folder", metavar="FOLDER")
@db_option
@json_option
def forget(folder: str, db: str | None, as_json: bool) -> int:
    """Take an output FOLDER out of the records.

    No file is touched, and what was exported stays in the history. `sp404 verify` and `--prune` no longer look there.
    """
    from tasks.store import renames
    from tasks.store.database import Database

    database = Database.of(load_settings(db).settings)
    database.require()
    path = _path(folder)
    files = renames.forget(database, path)
    if not files:
        raise RequestError(what=f"The records know no output folder {path}", fix="`sp404 verify` names those that they know.")
    if as_json:
        print_json(json.dumps({"folder": path, "files": files}))
    else:
        say(f"{count_of(files, 'file')} below {path} taken out of the records. The files stay.")
    return ALL_DONE


def _path(path: str) -> str:
    """Return an absolute path as the records have it; its end may be gone."""
    return os.path.realpath(os.path.expanduser(path))
