"""Carry out an export without Prefect: plain calls, and shards in threads of this process."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from config.settings import Settings
from flows.export.pipeline import run_export
from flows.export.plan import draft_plan
from flows.export.request import resolve
from flows.export.results import record_export
from flows.export.stages import RunningExport
from flows.export.steps import OnResult, ShardAnswers, Steps
from schemas.conversion import Shard, ShardResult
from schemas.errors import StoppedError, SurroundingsError, TerminatedError
from schemas.export import ExportRequest
from schemas.report import BatchExportResult
from tasks.convert import shard as shard_task
from tasks.convert.progress import Progress
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate


def export_directly(request: ExportRequest, progress: Progress | None = None) -> BatchExportResult:
    """Export without Prefect. Raises what ``run_export`` and ``resolve`` raise."""
    return run_export(resolve(request), DIRECT, progress)


def map_in_threads(shards: list[Shard], settings: Settings, progress: Progress, on_result: OnResult) -> ShardAnswers:
    """Convert shards in as many threads as the setting ``workers`` says."""
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [pool.submit(shard_task.convert_shard, shard, progress) for shard in shards]
        return gather([partial(_answer, future) for future in futures], progress, on_result)


def gather(answers: Iterable[Callable[[], object]], progress: Progress, on_result: OnResult) -> ShardAnswers:
    """Wait for each of ``answers``, and hand it to ``on_result`` as it comes.

    Ctrl-C, a SIGTERM and a cancelled run let the samples in hand be finished, and start nothing more.
    """
    gathered: list[object] = []
    for answer in answers:
        while True:
            try:
                result = answer()
                if isinstance(result, ShardResult):
                    on_result(result)
                gathered.append(result)
                break
            except SurroundingsError as error:  # of the records
                progress.stopped.set()
                gathered.append(ShardResult(error=error))
                break
            except Exception:
                progress.stopped.set()
                raise
            except KeyboardInterrupt:
                progress.stopped.set()
                gathered.append(ShardResult(error=StoppedError()))
            except BaseException:  # noqa: BLE001  (a SIGTERM, as the command line or Prefect raise it)
                progress.stopped.set()
                gathered.append(ShardResult(error=TerminatedError()))
    return ShardAnswers(gathered)


def _answer(future: Future[ShardResult]) -> object:
    return future.exception() or future.result()


def _no_report(running: RunningExport, batch: BatchExportResult) -> None:
    """Without Prefect the caller shows the result."""


DIRECT = Steps(read_manifest, validate, draft_plan, map_in_threads, record_export, _no_report)
