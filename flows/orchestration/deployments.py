"""The deployments of ``sp404 up``: the nightly library, a manifest or a kit on demand, the weekly verification.

``config/prefect.yaml`` says the same for a work pool; a test compares the two.
"""

import os
from pathlib import Path
from typing import Any

from prefect import flow, serve
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.exceptions import FailedRun
from prefect.schedules import Cron
from prefect.states import Completed, Failed, State
from prefect.types.entrypoint import EntrypointType

from config.settings import Settings, load
from flows.export import preview
from flows.orchestration import automations, run_form
from flows.orchestration.flow import NIGHTLY_TAG, export_library
from flows.orchestration.prefect_server import KIT, MANIFEST, NIGHTLY, VERIFY, VERIFY_FLOW
from schemas.errors import Sp404Error
from schemas.report import SHOWN_FILES
from tasks.convert.verify import Damage
from tasks.store.history import preferences_at

_ANY_MANIFEST = "Export any manifest: the library, if no other path is filled in."
_ANY_KIT = "Export a kit file pad by pad, or the library's kits, if no other path is filled in."
# The UI's page of a deployment lists only runs whose state has a name of Prefect's own.
_NIGHTLY = (
    "The whole library, by the settings in force; only what changed is converted. "
    "All its nights are at [Runs, tag nightly](/runs?tag=nightly): the tab Runs here leaves out *CompletedWithFailures*."
)
_MOST_ROWS = 500
# A run that is to begin while another one runs is cancelled: of five that a sleeping machine missed, one runs.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


@flow(name=VERIFY_FLOW, persist_result=False)
def verify_outputs(export_id: int | None = None, db: str | None = None) -> State[dict[str, int]]:
    """Read all that exports wrote (or one export), and fail if anything is missing or changed.

    Args:
        export_id: The export; empty: all.
        db: The DuckDB file of the records; empty: that of the settings.
    """
    try:
        settings = load({"db": db} if db else {}, preferences_at).settings
        report = preview.verify(settings, export_id, None)
    except Sp404Error as error:
        return Failed(message=f"{error}. {error.fix}", data=error)
    counts = {"files": report.files, "good": report.good, **report.counts}
    message = f"{report.good:,} of {report.files:,} files as they were written"
    if not report.failed:
        waiting = {found.fix for found in report.findings if found.damage == Damage.UNRECORDED}
        message += f", {counts[Damage.UNRECORDED]:,} {Damage.UNRECORDED}. {' '.join(sorted(waiting))}" if waiting else ""
        return Completed(message=message, data=counts)
    rows: list[dict[str, Any]] = [finding.model_dump() for finding in report.findings[:_MOST_ROWS]]
    again = "".join(f"\n\nTo have them written again: `{command}`" for command in report.commands)
    create_table_artifact(rows, key="damages", description=f"Found by sp404 verify: {len(report.findings):,}{again}")
    damages = ", ".join(_describe_damage(report, damage, count) for damage, count in report.counts.items())
    message = f"{message}, {damages}: see the artifact `damages`, or type sp404 verify"
    return Failed(message=message, data=FailedRun(message))  # Prefect raises what a failed state holds


def _describe_damage(report: preview.VerifyReport, damage: str, count: int) -> str:
    """Return how many files have a damage, and the names of the first ones."""
    if damage == Damage.UNRECORDED:  # a folder, with how many files of it
        return f"{count:,} {damage}"
    names = [os.path.basename(found.path) for found in report.findings if found.damage == damage][:SHOWN_FILES]
    return f"{count:,} {damage} ({', '.join([*names, *(['...'] if count > len(names) else [])])})"


def build_deployments(settings: Settings) -> list[Any]:
    """Build all deployments (``RunnerDeployment``); the nightly one only where the settings name a library."""
    zone = settings.timezone or machine_timezone()
    library: dict[str, Any] = {"manifest": settings.library} if settings.library else {}
    deployments = [
        _on_demand(MANIFEST, library, _ANY_MANIFEST),
        _on_demand(KIT, library | {"config": {"organize_by": "kit"}}, _ANY_KIT),
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
        nightly: Any = export_library.to_deployment(
            NIGHTLY,
            schedule=Cron(settings.nightly_cron, timezone=zone),
            parameters={"request": {"manifest": settings.library}},
            concurrency_limit=_ONE_AT_A_TIME,
            description=_NIGHTLY,
            tags=["sp404", NIGHTLY_TAG],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        _with_short_form(nightly)
        deployments.insert(0, nightly)
    return deployments


def _on_demand(name: str, request: dict[str, Any], description: str) -> Any:
    """Build a deployment without a concurrency limit: a run waits until the exports before it end (``lock_wait_seconds``)."""
    deployment: Any = export_library.to_deployment(
        name,
        parameters={"request": request} if request else {},
        description=description,
        tags=["sp404"],
        entrypoint_type=EntrypointType.MODULE_PATH,
        enforce_parameter_schema=True,
    )
    _with_short_form(deployment)
    return deployment


def _with_short_form(deployment: Any) -> None:
    deployment._parameter_openapi_schema = run_form.form_schema()  # Prefect has no argument for it


def machine_timezone() -> str:
    """Return the name of the machine's own time zone; UTC where it is not known."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and not named.startswith("/"):
        return named
    _, separator, zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    if separator:
        return zone
    listed = Path("/etc/timezone")
    return (listed.read_text(encoding="utf-8").strip() if listed.is_file() else "") or "UTC"


def main() -> None:
    """Register the deployments and serve them until stopped: the runner process of ``sp404 up``."""
    settings = load({}, preferences_at).settings
    automations.set_up_automations(settings.notify_url)
    serve(*build_deployments(settings), pause_on_shutdown=False, print_starting_message=False)
