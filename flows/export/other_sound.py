"""Say which files are written again only since other settings of the sound are in force than when they were made."""

import json

import polars as pl

from config.settings import Settings
from flows.export.stages import DecidedPlan
from schemas.export import SoundConfig
from tasks.layout.actions import Action
from tasks.store.catalog import Catalog

_SHOWN_SETTINGS = 3


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
    why = _differences(recorded["settings"] if recorded else None, plan.settings, before)
    files = "1 file is" if again.height == 1 else f"{again.height:,} files are"
    return f"{files} converted again: made with other sound settings before ({why})"


def _differences(recorded: str | None, settings: Settings, export_id: int) -> str:
    """Return which settings of the sound were others in an export; those that the records do not know are not said."""
    before = json.loads(recorded) if recorded else {}
    now = settings.model_dump(mode="json", include=set(SoundConfig.model_fields))
    changed = [name for name in SoundConfig.model_fields if name in before and before[name] != now[name]]
    shown = [f"{name} was {_show(before[name])} in export {export_id}, and is {_show(now[name])} now" for name in changed]
    return "; ".join(shown[:_SHOWN_SETTINGS]) or "--sound, or the settings"


def _show(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
