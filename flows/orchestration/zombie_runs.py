"""Zombie runs: task runs that Prefect's history shows as *Running* although their flow run has ended or died."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from prefect.states import Crashed

# By then all events of a run that ended well have arrived.
_SETTLED = timedelta(minutes=1)
_MAX_TASK_RUNS = 200


def crash_zombies_of_ended_runs(client: SyncPrefectClient) -> None:
    """Mark task runs as *Crashed* whose flow run ended over a minute ago."""
    ended = FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=datetime.now(UTC) - _SETTLED),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES))),
    )
    _crash_task_runs(client, ended)


def crash_zombies_of(client: SyncPrefectClient, flow_run_id: UUID) -> None:
    """Mark the unfinished task runs of a dead flow run as *Crashed*."""
    _crash_task_runs(client, FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))


def _crash_task_runs(client: SyncPrefectClient, flow_runs: FlowRunFilter) -> None:
    unfinished = [state for state in StateType if state not in TERMINAL_STATES]
    unfinished_runs = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=unfinished)))
    for task_run in client.read_task_runs(flow_run_filter=flow_runs, task_run_filter=unfinished_runs, limit=_MAX_TASK_RUNS):
        client.set_task_run_state(task_run.id, Crashed(message="Its flow run died."), force=True)
