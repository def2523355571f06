"""``export_library``: the export as a Prefect flow, with a task run for every step and every shard.

The entrypoint of deployments is ``flows.orchestration.flow.export_library``. The export itself is ``flows.export.pipeline``,
which does not know Prefect.
"""

import logging
import os
import shlex
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from prefect import flow, unmapped
from prefect.client.orchestration import get_client
from prefect.exceptions import FailedRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from config.settings import Settings
from flows.export.pipeline import log, run_export
from flows.export.request import resolve
from flows.export.sd_card import find_known
from flows.export.stages import DraftPlan, ResolvedRequest
from flows.export.steps import OnResult, ShardAnswers, Steps
from flows.export.threads import DIRECT, gather
from flows.orchestration import artifacts, flow_monitor, prefect_server, prefect_tasks, run_context, run_log, work_pool
from schemas.conversion import Shard, ShardResult
from schemas.enums import Runner
from schemas.errors import CancelledError, RequestError, ServerError, Sp404Error
from schemas.export import ExportRequest
from schemas.report import SHOWN_FILES, BatchExportResult, Cause
from schemas.scan_report import SkippedFile
from tasks.convert.progress import Progress, with_sentinel
from tasks.manifest.validate import Manifest

# The tag of runs that the schedule of the night begins.
NIGHTLY_TAG = "nightly"
# Prefect hands our log lines to its server, but only those that get through their own logger's level.
log.setLevel(logging.INFO)
run_log.hide_noise()


class TooManyFailedError(FailedRun):
    """The end of a run of which more failed than the setting ``failed_share`` allows, with its result.

    Prefect raises what a failed state holds, where a runner has started the run.
    """

    def __init__(self, message: str, batch: BatchExportResult) -> None:
        super().__init__(message)
        self.batch = batch


def _name_before_plan() -> str:
    """Return the name of a run that has no plan yet, and may never have one."""
    request = flow_run.parameters.get("request") or {}
    manifest = request.get("manifest") if isinstance(request, dict) else request.manifest
    return artifacts.ascii_name(os.path.basename(str(manifest)) or "no manifest")


@flow(name=prefect_server.EXPORT_FLOW, flow_run_name=_name_before_plan, persist_result=False, log_prints=False)
def export_library(request: ExportRequest) -> State[BatchExportResult]:
    """Export a sample manifest for the SP-404MKII.

    The final state has the counts in its message, and what failed. It is *Completed* when all samples are there,
    *CompletedWithFailures* when some were rejected or failed, *Failed* when too many were (the setting ``failed_share``), or
    when the request, the manifest or the surroundings did not allow it.

    Args:
        request: What to export. What it leaves open comes from the settings.
    """
    try:
        context = run_context.current_context()
        resolved = context.resolved if context else resolve(request)
        resolved = replace(resolved, run_by=f"{artifacts.RUN_BY}{flow_run.id}")
        _check_runner(resolved.settings)
        with flow_monitor.monitor_flow_run(context.progress if context else Progress()) as progress:
            is_night = NIGHTLY_TAG in flow_run.tags
            left_out = _look_for_new_samples(resolved, progress) if is_night and resolved.settings.nightly_scan else ""
            resolved, no_card = _with_nightly_card(resolved) if is_night else (resolved, "")
            report = partial(artifacts.publish_report, left_out=left_out, no_card=no_card)
            batch = run_export(resolved, replace(PREFECT, report=report) if left_out or no_card else PREFECT, progress)
    except CancelledError as error:
        return Cancelled(message=f"{error}. {error.fix}", data=error)
    except Sp404Error as error:
        return Failed(message=f"{error}. {error.fix}".strip(), data=error)
    if not batch.complete:
        _tag_run(artifacts.WITH_FAILURES)
        if context is None:  # the command line says it in its own words
            log.warning("Not all was done: %s. %s", batch.counts(), batch.failures())
    share = resolved.settings.failed_share
    # Of a few samples that a person or a client picked, one that fails is for whoever picked it, and alarms nobody else.
    if not resolved.is_selection and batch.failed + batch.rejected > share * batch.total_requested:
        too_many = f"{batch.counts()}: more than {share:.0%} (the setting failed_share)"
        message = ". ".join(filter(None, [too_many, batch.failures(), left_out, no_card]))
        return Failed(message=message, data=TooManyFailedError(message, batch))
    name = "Completed" if batch.complete else "CompletedWithFailures"
    message = ". ".join(filter(None, [batch.counts(), batch.failures(), left_out, no_card]))
    return Completed(name=name, message=message, data=batch)


def run_flow_and_wait(resolved: ResolvedRequest, progress: Progress) -> BatchExportResult:
    """Run the flow and wait until Prefect's history is complete: then this process and its server can end.

    Raises:
        Sp404Error: What ``flows.export.pipeline.run_export`` raises; ServerError when there is no server to run under.
    """
    result, flow_run_id = run_flow(resolved, progress)
    expected = STEP_RUNS + progress.task_runs
    if flow_run_id and (count := prefect_server.wait_for_task_runs(flow_run_id, expected)) < expected:
        log.warning("Prefect's history holds %d of %d task runs of this run", count, expected)
    return result


def run_flow(resolved: ResolvedRequest, progress: Progress) -> tuple[BatchExportResult, UUID | None]:
    """Run the flow from a long-lived process; do not wait for Prefect's history.

    Returns:
        The result and the id of the flow run.

    Raises:
        Sp404Error: As ``run_flow_and_wait``.
    """
    try:
        with flow_monitor.without_prefect_heartbeats(), run_context.use_context(run_context.RunContext(resolved, progress)):
            state: State[Any] = export_library(resolved.request, return_state=True)
    except RuntimeError as error:  # no server could be started, or it went away
        raise ServerError(error=error) from error
    if state.is_cancelling():  # *Cancel* was pressed as it ended, and Prefect refused another end
        _set_cancelled(state.state_details.flow_run_id)
        raise CancelledError
    result = state.result(raise_on_failure=False)
    if isinstance(result, TooManyFailedError):
        result = result.batch
    if isinstance(result, BaseException):
        raise result
    return result, state.state_details.flow_run_id


def _set_cancelled(flow_run_id: UUID | None) -> None:
    if flow_run_id:
        with suppress(Exception), get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run_id, Cancelled())


def map_with_prefect(shards: list[Shard], settings: Settings, progress: Progress, merge: OnResult) -> ShardAnswers:
    """Convert each shard in a task run, on threads, a Dask cluster or the workers of a work pool.

    Returns:
        A ShardResult for each shard, in order, or the exception that broke it.
    """
    if settings.runner is Runner.POOL:
        return work_pool.map_on_pool(shards, settings, progress, merge)
    progress.task_runs += len(shards)
    if settings.runner is Runner.THREADS:
        return _map_on_task_runner(shards, progress, settings, progress, merge)

    def merge_and_count(result: ShardResult) -> None:
        merge(result)
        progress.set_done(progress.so_far[0] + len(result.results))

    with with_sentinel(shards) as checked:  # a counter in this process is of no use on another machine
        return _map_on_task_runner(checked, None, settings, progress, merge_and_count)


def _map_on_task_runner(
    shards: list[Shard], shared: Progress | None, settings: Settings, progress: Progress, merge: OnResult
) -> ShardAnswers:
    with _task_runner(settings) as runner:
        futures = runner.map(prefect_tasks.convert_shard, {"shard": shards, "progress": unmapped(shared)})
        return gather([partial(future.result, raise_on_failure=False) for future in futures], progress, merge)


def _check_runner(settings: Settings) -> None:
    """Raise RequestError where the runner is not available: before anything is written."""
    if settings.runner is Runner.POOL:
        with get_client(sync_client=True) as client:
            work_pool.check_pool(client, settings.work_pool)
    elif settings.runner is Runner.DASK:
        _task_runner(settings)
        if settings.dask_address:
            _check_scheduler(settings.dask_address)


def _check_scheduler(address: str) -> None:
    import distributed  # noqa: PLC0415  (comes with prefect-dask)

    connect: Any = distributed.Client
    try:
        connect(address, timeout=_DASK_SECONDS, set_as_default=False).close()
    except (OSError, ValueError) as error:  # it does not answer, or it is not an address
        fix = "Start one with `dask scheduler`, and `dask worker ADDRESS` on each machine."
        raise RequestError(what=f"No Dask scheduler answers at {address}", fix=fix) from error


def _task_runner(settings: Settings) -> TaskRunner[Any]:
    if settings.runner is Runner.THREADS:
        return ThreadPoolTaskRunner(max_workers=settings.workers)
    try:
        from prefect_dask import DaskTaskRunner  # noqa: PLC0415  (an extra of this package)
    except ImportError as error:
        fix = "Install it with: uv sync --extra dask (or pip install 'sp404-export[dask]')."
        raise RequestError(what="--runner dask needs prefect-dask, which is not installed", fix=fix) from error
    if settings.dask_address:
        return DaskTaskRunner(address=settings.dask_address)
    return DaskTaskRunner(cluster_kwargs={"n_workers": settings.workers, "threads_per_worker": 1})


def _look_for_new_samples(resolved: ResolvedRequest, progress: Progress) -> str:
    """Scan the library's folders again; return what the scan could not read, for the end of a message.

    Where it cannot be done, the log says why, and the library is exported as it is.
    """
    from flows.rescan import rescan, scanned_folders  # noqa: PLC0415  (what scans is wanted at night alone)

    try:
        found = prefect_tasks.as_task(rescan, "scan for new samples")(resolved.target.manifest, resolved.settings, progress)
    except Sp404Error as error:
        log.warning("Not scanned for new samples: %s. %s", error, error.fix)
        return ""
    if found is None:
        folders = ", ".join(scanned_folders(resolved.target.manifest, resolved.settings)) or "none"
        log.warning("Not scanned for new samples: of the folders scanned for the library none is there now (%s)", folders)
        return ""
    log.info("Scanned: %d new, %d moved, %d gone of %d rows", len(found.added), len(found.moved), len(found.gone), found.rows)
    left_out, lacking = "", [file for file in found.lacking if not file.has_row]  # the others fail in the export
    if lacking:
        files = [file.path for file in lacking[:SHOWN_FILES]]
        left_out = str(Cause(text="left out, since it cannot be read", samples=len(lacking), files=files))
        log.warning("%s. `sp404 scan` says why", left_out)
    empty = str(Cause(text="empty", samples=len(found.empty), files=found.empty[:SHOWN_FILES])) if found.empty else ""
    for file in found.lacking[:_MOST_LEFT_OUT]:
        log.warning("%s", file.text)
    if empty:
        log.warning("%s: get it again from its pack", empty)
    if left_out or empty:
        roots = scanned_folders(resolved.target.manifest, resolved.settings)
        log.info("To see all of it: %s", shlex.join(["sp404", "scan", *roots, "-o", resolved.target.manifest]))
    if 0 < len(lacking) <= SHOWN_FILES:
        left_out = f"Left out, since it cannot be read: {'; '.join(map(_describe_left_out, lacking))}"
    return ". ".join(filter(None, (left_out, empty)))


def _describe_left_out(file: SkippedFile) -> str:
    return f"{os.path.basename(file.path)}: {file.why}. {file.fix}".rstrip(" .")


def _with_nightly_card(resolved: ResolvedRequest) -> tuple[ResolvedRequest, str]:
    """Return the request with the card of the setting ``nightly_card``, and why the card is not current; or an empty text.

    Where no card is there now, the library is exported without one, and the log says so. None is ever initialized at night.
    """
    path = resolved.settings.nightly_card
    if not path or resolved.request.card:
        return resolved, ""
    try:
        find_known(path, False, resolved.target.database)
    except Sp404Error as error:
        no_card = f"The card {error}: not current"
        log.warning("%s. %s", no_card, error.fix)
        return resolved, no_card
    return replace(resolved, request=resolved.request.model_copy(update={"card": path})), ""


def _plan_and_name(resolved: ResolvedRequest, manifest: Manifest, started: float) -> DraftPlan:
    """Make the plan, and give the flow run a name and tags that say what it is about: only the plan knows."""
    draft: DraftPlan = _plan_step(resolved, manifest, started)
    _tag_run(*artifacts.run_tags(draft), name=artifacts.run_name(draft))
    return draft


def _tag_run(*tags: str, name: str | None = None) -> None:
    """Add tags to the flow run, and give it another name; the run goes on without."""
    with suppress(Exception), get_client(sync_client=True) as client:
        before = client.read_flow_run(flow_run.id)
        client.update_flow_run(flow_run.id, name=name or before.name, tags=sorted({*before.tags, *tags}))


_plan_step = prefect_tasks.as_task(DIRECT.plan, "plan")
PREFECT = Steps(
    read=prefect_tasks.as_task(DIRECT.read, "read manifest"),
    validate=prefect_tasks.as_task(DIRECT.validate, "validate rows"),
    plan=_plan_and_name,
    map_shards=map_with_prefect,
    record=prefect_tasks.as_task(DIRECT.record, "record"),
    report=artifacts.publish_report,
)
_DASK_SECONDS = 10
_MOST_LEFT_OUT = 20
# The task runs of a run apart from its shards; the history must hold both in the end.
STEP_RUNS = 4
