"""Prefect's automations of ``sp404 up``: mark silent runs as *Crashed*, and notify a web address of runs that failed."""

from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.orchestration.flow_monitor import HEARTBEAT, HEARTBEAT_SECONDS
from flows.orchestration.prefect_server import EXPORT_FLOW, VERIFY_FLOW

# Automations are found by these names in Prefect homes of older versions, too: a new name would make a second one.
CRASH_SILENT_RUNS = "sp404: a run that gives no sign of life has crashed"
NOTIFY = "sp404: tell of runs that failed or crashed"
_BLOCK = "sp404-notify"
# Three heartbeats that did not come.
_SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
# Events that may follow in place of another heartbeat: each state has one by its name; CompletedWithFailures is ours.
_ENDS = ("Completed", "CompletedWithFailures", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")
_OUR_FLOWS = ResourceSpecification(
    {"prefect.resource.role": "flow", "prefect.resource.name": [EXPORT_FLOW, "export-slice", VERIFY_FLOW]}
)
# `text` is what Slack, Mattermost and the like show.
_PAYLOAD = """{
  "text": {{ ("sp404: " ~ (deployment.name ~ ", " if deployment else "")
            ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". " ~ (flow_run.state.message or "")
            ~ " " ~ ((flow_run | ui_url) or "")) | tojson }},
  "url": {{ ((flow_run | ui_url) or "") | tojson }},
  "deployment": {{ (deployment.name if deployment else "") | tojson }},
  "flow_run": {{ flow_run.name | tojson }},
  "id": {{ (flow_run.id ~ "") | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "message": {{ (flow_run.state.message or "") | tojson }}
}"""


def set_up_automations(notify_url: str) -> None:
    """Create the automations that are missing; what a person changed in the UI stays.

    Args:
        notify_url: Where failures are posted. Empty: the automation that does so is deleted.
    """
    if not _read(CRASH_SILENT_RUNS):
        _crash_silent_runs().create()
    existing = _read(NOTIFY)
    if not notify_url:
        if existing:
            existing.delete()
        return
    block = webhook(notify_url).save(_BLOCK, overwrite=True)
    if not existing:
        _notify_by(block).create()


def webhook(notify_url: str) -> Webhook:
    """Return the block that posts to an address: it follows no redirects, gives up after 5 s, and hides it."""
    return Webhook(url=notify_url, headers={"Content-Type": "application/json"})


def _read(name: str) -> Any:
    try:
        return Automation.read(name=name)
    except ValueError:  # as Prefect reports that there is none
        return None


def _crash_silent_runs() -> Automation:
    ends = {f"prefect.flow-run.{state}" for state in _ENDS}
    return Automation(
        name=CRASH_SILENT_RUNS,
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ends},
            match=_RUNS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_SILENCE_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"No sign of life for {_SILENCE_SECONDS:.0f} s: its process died."
            )
        ],
    )


def _notify_by(block_id: object) -> Automation:
    return Automation(
        name=NOTIFY,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUNS,
            match_related=_OUR_FLOWS,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=_PAYLOAD)],
    )
