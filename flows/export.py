"""``export_library``: the export as a Prefect flow, with a task run for every step and every shard.

Import this module by its name, ``flows.export``; the engine itself is ``flows.body`` and knows no Prefect.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import Any
from uuid import UUID

from prefect import flow, unmapped
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from config.settings import Settings
from flows import body, planning, reports, server
from schemas.errors import CancelledError, RequestError, ServerError, Sp404Error
from schemas.export import BatchExportResult, ExportRequest
from schemas.jobs import Shard
from schemas.words import Runner
from tasks import steps, work
from tasks.manifest.validate import Manifest

# Prefect hands our log lines to its server, but only those that get through their own logger's level.
body.log.setLevel(logging.INFO)


@flow(name="export-library", persist_result=False, log_prints=False)
def export_library(request: ExportRequest) -> State[BatchExportResult]:
    """Export a sample manifest for the SP-404MKII.

    The final state has the counts in its message. It is *Completed* when all samples are there, *CompletedWithFailures*
    when some were rejected or failed, *Failed* when the request, the manifest or the surroundings did not allow it.
    """
    try:
        _task_runner(planning.settings_for(request))  # one that cannot be had is said before anything is written
        with _cancelled_by_the_ui(work.watcher()) as progress:
            batch = body.run_export(request, PREFECT, progress)
    except CancelledError as error:
        return Cancelled(message=f"{error}. {error.fix}", data=error)
    except Sp404Error as error:
        return Failed(message=f"{error}. {error.fix}".strip(), data=error)
    name = "Completed" if batch.complete else "CompletedWithFailures"
    return Completed(name=name, message=batch.counts(), data=batch)


def export(request: ExportRequest, progress: work.Progress) -> BatchExportResult:
    """Run the flow in this process, and wait until its history is whole.

    Raises what ``flows.body.run_export`` raises, and ServerError when there is no server to run under.
    """
    try:
        with work.watched_by(progress):  # not a parameter: the one parameter is the form in the UI
            state: State[Any] = export_library(request, return_state=True)
    except RuntimeError as error:  # no server could be started, or it went away
        raise ServerError(error=error) from error
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    flow_run_id = state.state_details.flow_run_id
    expected = STEP_RUNS + progress.shards
    if flow_run_id and (found := server.drain(flow_run_id, expected)) < expected:
        body.log.warning("Prefect's history holds %d of %d task runs of this run", found, expected)
    return result


@contextmanager
def _cancelled_by_the_ui(progress: work.Progress) -> Iterator[work.Progress]:
    """Asks the server now and then whether somebody pressed Cancel: it only takes note, and nobody else would stop us.

    Raises CancelledError in the end, if so.
    """
    run_id, ended, cancelled = UUID(flow_run.id), threading.Event(), threading.Event()

    def ask() -> None:
        with get_client(sync_client=True) as client:
            while not ended.wait(_ASK_SECONDS):
                with suppress(Exception):  # the next answer will do
                    state = client.read_flow_run(run_id).state
                    if state and (state.is_cancelling() or state.is_cancelled()):
                        cancelled.set()
                        progress.stopped.set()
                        return

    # In this context: Prefect's settings, and so its address, are of it.
    asking = threading.Thread(target=copy_context().run, args=(ask,), daemon=True)
    asking.start()
    try:
        yield progress
    except Sp404Error as error:
        if not cancelled.is_set():
            raise
        raise CancelledError from error
    finally:
        ended.set()
    if cancelled.is_set():
        raise CancelledError


def map_with_prefect(shards: list[Shard], settings: Settings, progress: work.Progress, merge: body.Merge) -> body.Answers:
    """A task run for every shard: its ShardResult, in order, or the exception that broke it."""
    local = settings.runner is Runner.THREADS
    with _task_runner(settings) as runner:
        # A counter in this process is no use on another one.
        shared = progress if local else None
        futures = runner.map(steps.convert_shard, {"shard": shards, "progress": unmapped(shared)})
        return body.gathered([partial(future.result, raise_on_failure=False) for future in futures], progress, merge)


def _task_runner(settings: Settings) -> TaskRunner[Any]:
    if settings.runner is Runner.THREADS:
        return ThreadPoolTaskRunner(max_workers=settings.workers)
    try:
        from prefect_dask import DaskTaskRunner  # noqa: PLC0415  (an extra of this package)
    except ImportError as error:
        fix = "Install it with: uv sync --extra dask (or pip install 'sp404-export[dask]')."
        raise RequestError(what="--runner dask needs prefect-dask, which is not installed", fix=fix) from error
    return DaskTaskRunner(cluster_kwargs={"n_workers": settings.workers, "threads_per_worker": 1})


def _plan_and_name(manifest: Manifest, request: ExportRequest, settings: Settings, started: float) -> planning.Plan:
    """The plan says what the run is about: its name and tags in the UI, where a person has given it no label."""
    plan: planning.Plan = _plan_step(manifest, request, settings, started)
    with suppress(Exception), get_client(sync_client=True) as client:  # a run without a name is a good run, too
        client.update_flow_run(flow_run.id, name=reports.run_name(plan), tags=sorted({*flow_run.tags, *reports.run_tags(plan)}))
    return plan


_plan_step = steps.step(body.DIRECT.plan, "plan")
PREFECT = body.Steps(
    read=steps.step(body.DIRECT.read, "read manifest"),
    validate=steps.step(body.DIRECT.validate, "validate rows"),
    plan=_plan_and_name,
    map_shards=map_with_prefect,
    record=steps.step(body.DIRECT.record, "record"),
    report=reports.publish,
)
# How long a cancelled run may go on unknowing: of ten seconds, five are for the samples in hand.
_ASK_SECONDS = 2.0
# The task runs of a run beside its shards: what the history must hold in the end.
STEP_RUNS = 4
