"""Jobs of the queue as answers: in full, for those who poll one, and in brief, for those who watch all."""

from typing import TypeAlias

from flows.api.export_queue import ExportQueue, QueuedExport
from flows.api.problems import problem_from_error, strip_folders
from schemas.api import BatchExport, CardAnswer, CardPruneAnswer, KitExport, ScanAnswer, SingleExport, State, Work
from schemas.errors import RecordNotFoundError
from schemas.page_api import JobBrief

JobAnswer: TypeAlias = SingleExport | KitExport | BatchExport | ScanAnswer | CardAnswer | CardPruneAnswer
JobQueue: TypeAlias = ExportQueue[JobAnswer]
QueuedJob: TypeAlias = QueuedExport[JobAnswer]
# Of those that have ended: those that a person may just have started.
_MOST_ENDED = 20


def find_job(queue: JobQueue, job_id: str) -> QueuedJob:
    """Return a job of the queue.

    Raises:
        RecordNotFoundError: The queue does not remember it.
    """
    job = queue.find(job_id)
    if not job:
        raise RecordNotFoundError(noun="Job", id=job_id, fix="The list of exports shows what was exported.")
    return job


def describe_job(job: QueuedJob) -> Work:
    """Say how far a job has come, and its answer or its problem when it has ended."""
    progress, error = job.progress, _error_of(job)
    done, total = progress.so_far
    return Work(
        id=job.id,
        kind=job.kind,
        state=job.state,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        done=done,
        total=total,
        rate_per_second=0.0 if job.ended_at else round(progress.rate_per_second(), 2),
        errors=progress.failed,
        messages=[strip_folders(text) for text in list(progress.errors)],
        result=_answer_of(job),
        problem=problem_from_error(error) if error else None,
    )


def list_briefs(queue: JobQueue) -> list[JobBrief]:
    """Return what waits and runs, in its order, behind the last jobs that have ended."""
    jobs = queue.all()
    ended = [job for job in jobs if job.ended_at and not job.has_client][-_MOST_ENDED:]
    waiting = [job for job in jobs if job.state is State.QUEUED]
    places = {job.id: place for place, job in enumerate(waiting, 1)}
    return [_brief(job, places.get(job.id)) for job in [*ended, *(job for job in jobs if not job.ended_at)]]


def _brief(job: QueuedJob, place: int | None) -> JobBrief:
    done, total = job.progress.so_far
    answer, error = _answer_of(job), _error_of(job)
    is_running = job.started_at and not job.ended_at
    return JobBrief(
        id=job.id,
        kind=job.kind,
        state=job.state,
        place=place,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        done=done,
        total=total,
        failed=job.progress.failed,
        rate_per_second=round(job.progress.rate_per_second(), 1) if is_running else None,
        export_id=getattr(answer, "export_id", None),
        error=problem_from_error(error).detail if error else None,
    )


def _answer_of(job: QueuedJob) -> JobAnswer | None:
    return job.answer.result() if _has_ended(job) and not job.answer.exception() else None


def _error_of(job: QueuedJob) -> BaseException | None:
    return job.answer.exception() if _has_ended(job) else None


def _has_ended(job: QueuedJob) -> bool:
    return job.answer.done() and not job.answer.cancelled()
