"""Prefect's names for the steps of an export: the only file here that imports prefect. No logic.

A step that fails for a reason of ours (a bad manifest, a full disk) is a failed task run with that reason as its
message, not a traceback in the log.
"""

import functools
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from schemas.errors import Sp404Error
from tasks.convert import shard


def step(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``function`` as a task run called ``name``; it raises the error of ours that failed it."""

    @functools.wraps(function)
    def failing_quietly(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Sp404Error as error:
            return Failed(message=f"{error}. {error.fix}", data=error)

    prefect_task = _task(name)(failing_quietly)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        answer = prefect_task(*args, **kwargs)
        if isinstance(answer, State):
            raise answer.result(raise_on_failure=False)
        return answer

    return call


def _task(name: str, run_name: str | None = None) -> Any:
    """A decorator: nothing is cached, nothing is stored."""
    return task(name=name, task_run_name=run_name or name, cache_policy=NO_CACHE, persist_result=False)


# Not wrapped: it answers with its troubles, and a worker of a cluster must find it by its name.
convert_shard = _task("convert", "convert {shard.label}")(shard.convert_shard)
