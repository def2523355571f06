"""Say which files are written again, or renamed, only since other settings are in force than when they were made."""

import json
import shlex
from collections.abc import Sequence

import polars as pl

from config.settings import Settings
from flows.export.repeat import as_options
from flows.export.stages import DecidedPlan, DraftPlan
from schemas.export import SoundConfig
from tasks.layout.actions import Action
from tasks.store import history
from tasks.store.catalog import Catalog

_SHOWN_SETTINGS = 3
_OF_NAMES = ("names", "sanitize_filenames")


def describe_other_sound(plan: DecidedPlan, jobs: pl.DataFrame | None = None) -> str:
    """Return how many files that is, and which settings differ; empty where it is none.

    Args:
        plan: The decided plan.
        jobs: Those of its jobs that count; None: all.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    made_otherwise = pl.col("settings_hash") != pl.col("recorded_settings_hash")
    same_source = pl.col("content_hash") == pl.col("recorded_content_hash")
    written = ~pl.col("action").is_in([Action.UNCHANGED, Action.RETEXT])
    again = (plan.jobs if jobs is None else jobs).filter(pl.col("ours") & same_source & made_otherwise & written)
    if again.is_empty():
        return ""
    before = int(again["recorded_export_id"].mode().max())  # type: ignore[arg-type]
    recorded = Catalog(plan.draft.target.database).export_settings(before)
    changed = _differences(recorded["settings"] if recorded else None, plan.settings, before, tuple(SoundConfig.model_fields))
    why = changed or "--sound, or the settings"
    files = "1 file is" if again.height == 1 else f"{again.height:,} files are"
    return f"{files} converted again: made with other sound settings before ({why})"


def describe_other_names(plan: DecidedPlan) -> str:
    """Return how many files get other names only since other settings of names were in force before; empty where none does.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    moved = plan.jobs.filter(action=Action.MOVE).height
    own = plan.draft.prior_outputs.filter("same_manifest", organized_by=str(plan.settings.organize_by))
    if not moved or own.is_empty():
        return ""
    before = int(own["export_id"].max())  # type: ignore[arg-type]
    recorded = Catalog(plan.draft.target.database).export_settings(before)
    why = _differences(recorded["settings"] if recorded else None, plan.settings, before, _OF_NAMES)
    return f"{moved:,} file{'' if moved == 1 else 's'} to rename: {why}" if why else ""


def describe_last_sound(draft: DraftPlan) -> str:
    """Return the command that checks a manifest with the sound of its last export, where that is another; else nothing.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    manifest = draft.target.manifest
    last = history.last_whole_export(draft.target.database, manifest)
    before = last["settings"] if last else {}
    now = draft.settings.model_dump(mode="json", include=set(SoundConfig.model_fields))
    options = as_options({name: before[name] for name in now if name in before and before[name] != now[name]})
    command = f"sp404 check {shlex.quote(manifest)} {options}"
    return f"The last export was made with other sound settings: {command} checks with those" if options else ""


def _differences(recorded: str | None, settings: Settings, export_id: int, names: Sequence[str]) -> str:
    """Return which of the settings of these names were others in an export; what the records do not know is not said."""
    before = json.loads(recorded) if recorded else {}
    now = settings.model_dump(mode="json", include=set(names))
    changed = [name for name in names if name in before and before[name] != now[name]]
    shown = [f"{name} was {_show(before[name])} in export {export_id}, and is {_show(now[name])} now" for name in changed]
    return "; ".join(shown[:_SHOWN_SETTINGS])


def _show(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
