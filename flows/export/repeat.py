"""The options with which an export is repeated, as one types them: those that the settings in force do not give anyway."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from config.settings import Settings
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from tasks.store.catalog import Catalog
from tasks.store.database import Database

# What an export of the same samples needs to be the same.
REPEATABLE = (*ExportConfig.model_fields, *SoundConfig.model_fields)
_OPTIONS = {"output_base_path": "--out", "sample_ids": "--sample", "kits": "--kit"}
_SWITCHES = {"include_metadata": "metadata", "sanitize_filenames": "sanitize"}


def as_options(values: Mapping[str, Any]) -> str:
    """Return values of a request, its ``ExportConfig`` and ``SoundConfig`` as options of ``sp404 export``, quoted for a shell.

    Those that are None are left out.
    """
    given = {name: value for name, value in values.items() if value is not None}
    return shlex.join(word for name, value in given.items() for word in _option(name, value))


def _option(name: str, value: Any) -> list[str]:
    if name in _SWITCHES:
        return [f"--{'' if value else 'no-'}{_SWITCHES[name]}"]
    if name in SoundConfig.model_fields:
        return ["--sound", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    if value is True:
        return [option]
    return [word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))]


def options_of_request(request: ExportRequest) -> str:
    """Return all options with which a request was made, and which the settings do not give, quoted for a shell."""
    own = request.model_dump(mode="json", exclude={"manifest", "config", "sound"}, exclude_defaults=True)
    return as_options(own | request.config.model_dump(mode="json") | request.sound.model_dump(mode="json"))


def options_of_export(database: Database, export_id: int, settings: Settings, folder: str | None = None) -> str | None:
    """Return the options that an export needs to be as an earlier one was; not which samples, and no card.

    Args:
        database: The records.
        export_id: The earlier export; None is returned where it is not in the records.
        settings: The settings in force: what they give is left out.
        folder: Where its files are now, if that may be another folder than it wrote to.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    recorded = Catalog(database).export_settings(export_id)
    if not recorded:
        return None
    was = json.loads(recorded["settings"] or "{}")  # NULL: an earlier version wrote it
    was |= {"organize_by": recorded["organized_by"], "format": recorded["format"]}
    was["output_base_path"] = folder or recorded["output_path"]
    now = settings.model_dump(mode="json", include=set(REPEATABLE))
    return as_options({name: was[name] for name in REPEATABLE if name in was and was[name] != now[name]})


def export_command(database: Database, export_id: int, manifest: str, settings: Settings, folder: str | None) -> str | None:
    """Return the command that exports a manifest as an earlier export did; None where the records do not know that.

    The arguments are those of ``options_of_export``.
    """
    options = options_of_export(database, export_id, settings, folder)
    return None if options is None else " ".join(filter(None, ("sp404 export", shlex.quote(manifest), options)))
