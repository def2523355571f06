"""Task runs whose flow run has died: nobody else would ever end them in Prefect's history."""

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

# What a run that ended well had to say of its task runs has arrived by then.
_SETTLED = timedelta(minutes=1)
_MOST = 200


def end_those_of_old_runs(client: SyncPrefectClient) -> None:
    """End the task runs that are *Running* while their flow run has ended."""
    ended = FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=datetime.now(UTC) - _SETTLED),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES))),
    )
    _end(client, ended)


def end_those_of(client: SyncPrefectClient, flow_run_id: UUID) -> None:
    """End the task runs of a flow run that is dead."""
    _end(client, FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))


def _end(client: SyncPrefectClient, flow_runs: FlowRunFilter) -> None:
    unfinished = [state for state in StateType if state not in TERMINAL_STATES]
    still = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=unfinished)))
    for task_run in client.read_task_runs(flow_run_filter=flow_runs, task_run_filter=still, limit=_MOST):
        client.set_task_run_state(task_run.id, Crashed(message="Its flow run died."), force=True)
