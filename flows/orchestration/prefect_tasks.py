"""The steps of an export and the conversion of a shard as Prefect tasks. No logic.

A step that fails for a reason of ours (a bad manifest, a full disk) is a failed task run with that reason as its
message, not a traceback in the log.
"""

import functools
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State
from prefect.utilities.annotations import opaque

from schemas.errors import Sp404Error
from tasks.convert import shard


def as_task(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap a function so that each call is a task run.

    Args:
        function: A step of an export.
        name: What the task run is called in the UI.

    Returns:
        A function with the same arguments and result. An Sp404Error fails the task run and is raised again.
    """

    @functools.wraps(function)
    def fail_without_traceback(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Sp404Error as error:
            return Failed(message=f"{error}. {error.fix}", data=error)

    prefect_task = _task(name)(fail_without_traceback)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = prefect_task(*map(_unvisited, args), **{name: _unvisited(value) for name, value in kwargs.items()})
        if isinstance(result, State):
            raise result.result(raise_on_failure=False)
        return result

    return call


def _unvisited(argument: Any) -> Any:
    """Keep Prefect from walking through the results of shards, twice: a quarter of a second per 1,000 samples.

    It still sees whose results they are, which draws the arrows of the run's graph.
    """
    return [*map(opaque, argument)] if isinstance(argument, list) else argument


def _task(name: str, run_name: str | None = None) -> Any:
    """Return a task decorator that caches and stores nothing."""
    return task(name=name, task_run_name=run_name or name, cache_policy=NO_CACHE, persist_result=False)


# Not wrapped: a ShardResult carries its error, and a worker of a cluster must find this task by its name.
convert_shard = _task("convert", "convert {shard.label}")(shard.convert_shard)
