"""Prefect's automations of ``sp404 up``: a run that died does not stay *Running*, and failures are told to somebody."""

from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.orchestration.flow_monitor import HEARTBEAT, HEARTBEAT_SECONDS

CRASHED = "sp404: a run that gives no sign of life has crashed"
TELL = "sp404: tell of runs that failed or crashed"
_BLOCK = "sp404-notify"
# Three signs of life that did not come.
_SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
# What a run may say instead of another sign of life: states are events under their names, and one of them is ours.
_ENDS = ("Completed", "CompletedWithFailures", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")
_OURS = ResourceSpecification(
    {"prefect.resource.role": "flow", "prefect.resource.name": ["export-library", "export-slice", "verify-outputs"]}
)
# `text` is what Slack, Mattermost and the like show.
_PAYLOAD = """{
  "text": {{ ("sp404: " ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". " ~ (flow_run.state.message or "")) | tojson }},
  "flow_run": {{ flow_run.name | tojson }},
  "id": {{ (flow_run.id ~ "") | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "message": {{ (flow_run.state.message or "") | tojson }}
}"""


def set_up(notify_url: str) -> None:
    """Make what is missing; what a person changed in the UI stays. Without ``notify_url`` nobody is told any more."""
    if not _there(CRASHED):
        _crash_silent_runs().create()
    telling = _there(TELL)
    if not notify_url:
        if telling:
            telling.delete()
        return
    block = Webhook(url=notify_url, headers={"Content-Type": "application/json"}).save(_BLOCK, overwrite=True)
    if not telling:
        _tell_by(block).create()


def _there(name: str) -> Any:
    try:
        return Automation.read(name=name)
    except ValueError:  # as Prefect says that there is none
        return None


def _crash_silent_runs() -> Automation:
    ends = {f"prefect.flow-run.{state}" for state in _ENDS}
    return Automation(
        name=CRASHED,
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


def _tell_by(block_id: object) -> Automation:
    return Automation(
        name=TELL,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=_PAYLOAD)],
    )
