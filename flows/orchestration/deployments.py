"""What the Prefect runner of ``sp404 up`` serves: the nightly library, a manifest or a kit on demand, the weekly verification.

``main`` serves them until it is stopped.
"""

import os
from pathlib import Path
from typing import Any

from prefect import flow, serve
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.schedules import Cron
from prefect.states import Completed, Failed, State
from prefect.types.entrypoint import EntrypointType

from config.settings import Settings, load
from flows.export import preview
from flows.orchestration import automations
from flows.orchestration.flow import export_library
from schemas.errors import Sp404Error
from tasks.store.history import preferences_at

NIGHTLY, MANIFEST, KIT, VERIFY = "library-nightly", "manifest", "kit", "verify-weekly"
_MOST_ROWS = 500
# One that is to begin while another runs is cancelled: so of five that a sleeping machine missed, one runs.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


@flow(name="verify-outputs", persist_result=False)
def verify_outputs(export_id: int | None = None, db: str | None = None) -> State[dict[str, int]]:
    """Read all that exports wrote (or one export), and fail if anything is missing, changed, or not ours.

    ``db``: the DuckDB file of the records; empty: that of the settings.
    """
    try:
        settings = load({"db": db} if db else {}, preferences_at).settings
        found = preview.verify(settings, export_id, None)
    except Sp404Error as error:
        return Failed(message=f"{error}. {error.fix}")
    counts = {"files": found.files, "good": found.good, **found.counts}
    message = f"{found.good:,} of {found.files:,} files as they were written"
    if not found.findings:
        return Completed(message=message, data=counts)
    rows: list[dict[str, Any]] = [finding.model_dump() for finding in found.findings[:_MOST_ROWS]]
    create_table_artifact(rows, key="damages", description=f"{len(found.findings):,} findings of sp404 verify")
    damages = ", ".join(f"{count:,} {damage}" for damage, count in found.counts.items())
    return Failed(message=f"{message}, {damages}: see the artifact `damages`, or type sp404 verify", data=counts)


def deployments(settings: Settings) -> list[Any]:
    """All of them (``RunnerDeployment``); the nightly one only where the settings name a library."""
    zone = settings.timezone or machine_timezone()
    found = [
        _on_demand(MANIFEST, {}, "Export any manifest: fill in its path."),
        _on_demand(KIT, {"config": {"organize_by": "kit"}}, "Export a kit file, or a manifest's kits, pad by pad."),
        verify_outputs.to_deployment(
            VERIFY,
            schedule=Cron(settings.verify_cron, timezone=zone),
            concurrency_limit=_ONE_AT_A_TIME,
            description="Read all that was exported: is it still what was written?",
            tags=["sp404"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        ),
    ]
    if settings.library:
        nightly = export_library.to_deployment(
            NIGHTLY,
            schedule=Cron(settings.nightly_cron, timezone=zone),
            parameters={"request": {"manifest": settings.library}},
            concurrency_limit=_ONE_AT_A_TIME,
            description="The whole library, by the settings in force; only what changed is converted.",
            tags=["sp404", "nightly"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        found.insert(0, nightly)
    return found


def _on_demand(name: str, request: dict[str, Any], description: str) -> Any:
    """Without a limit of its own: a run waits until the exports before it are done (``lock_wait_seconds``)."""
    return export_library.to_deployment(
        name,
        parameters={"request": request} if request else {},
        description=description,
        tags=["sp404"],
        entrypoint_type=EntrypointType.MODULE_PATH,
        enforce_parameter_schema=True,
    )


def machine_timezone() -> str:
    """The machine's own zone by its name; UTC where it does not say."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and not named.startswith("/"):
        return named
    _, found, zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    if found:
        return zone
    listed = Path("/etc/timezone")
    return (listed.read_text(encoding="utf-8").strip() if listed.is_file() else "") or "UTC"


def main() -> None:
    settings = load({}, preferences_at).settings
    automations.set_up(settings.notify_url)
    serve(*deployments(settings), pause_on_shutdown=False, print_starting_message=False)
