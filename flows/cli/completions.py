"""Complete the names of kits and of settings in a shell."""
# ruff: noqa: PLC0415 (pydantic and DuckDB are imported late: help must come at once)

import click
from click.shell_completion import CompletionItem

_WAIT_SECONDS = 1.0


def complete_kit(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kits of the records whose names begin with what was typed; none where the records cannot be read."""
    try:
        from config.settings import load
        from tasks.store import history
        from tasks.store.database import Database

        db = ctx.params.get("db")
        settings = load({"db": db} if db else {}, lambda _path, _seconds: {}).settings
        names = history.kit_names(Database(settings.db, _WAIT_SECONDS))
    except Exception:  # noqa: BLE001  (a completion that fails completes nothing)
        return []
    return [CompletionItem(name) for name in names if name.casefold().startswith(incomplete.casefold())]


def complete_sound(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the settings of the sound that begin with what was typed, each with its ``=``."""
    from schemas.export import SoundConfig

    return [CompletionItem(f"{name}=") for name in SoundConfig.model_fields if name.startswith(incomplete)]
