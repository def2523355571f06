"""Convert a shard: what a mapped task does with its range of the plan.

No file that a shard makes has its final name before all of them are on the disk. Then its result part says so to the records.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from schemas.conversion import Outcome, Shard, ShardJobResult, ShardResult
from schemas.enums import Status, Verb
from schemas.errors import OutputGoneError, SampleError, SurroundingsError
from tasks.bundle.metadata_file import metadata_text
from tasks.convert.plan_file import PlannedJob, read_jobs
from tasks.convert.progress import Progress
from tasks.convert.publish import StagedSample, check_output, make_folder, publish, sample_error
from tasks.convert.sharing import share_jobs
from tasks.convert.staged_files import forget_staged, write_part
from tasks.fs.atomic import create_exclusively, part_name, remove, write_all
from tasks.fs.hashing import hash_open_file, is_unmodified
from tasks.isolation.executor import JobExecutor
from tasks.store.outcome_table import frame_of


def convert_shard(shard: Shard, progress: Progress | None = None) -> ShardResult:
    """Convert a shard's samples and write their metadata files, or do what else the shard's verb says.

    A sample that fails is an Outcome. Failing surroundings end the shard, and through ``progress`` the others too.

    Args:
        shard: The range of the plan.
        progress: The run's own; None on another machine, where the shard decodes in a process pool of its own.

    Returns:
        The outcomes of all that was finished, with the error that ended the shard early, if one did.
    """
    if shard.verb is not Verb.CONVERT:
        return _run_verb(shard, progress)
    with _working(shard, progress) as (executor, running):
        staged, error = _stage_all(shard, running, executor)
        outcomes: list[tuple[str, Outcome]] = []
        part = ""
        try:
            for published in publish(staged, shard):
                outcomes.append(published)
        except SurroundingsError as failure:
            running.stopped.set()
            error = error or failure
        try:
            if outcomes:
                part = str(write_part(frame_of(outcomes), Path(shard.plan_path).parent, shard.start))
            forget_staged(Path(shard.plan_path).parent, shard.start)
        except SurroundingsError as failure:
            running.stopped.set()
            outcomes, error = [], error or failure
        return ShardResult(tuple(outcome for _, outcome in outcomes), error, part)


def _stage_all(shard: Shard, progress: Progress, executor: JobExecutor) -> tuple[list[StagedSample], SurroundingsError | None]:
    """Convert all samples, until the run is stopped or its surroundings fail."""

    def stage(planned: PlannedJob) -> StagedSample | None:
        sample = _stage(planned, shard, executor)
        if sample:
            progress.advance(sample.outcome.error and f"Sample {planned.job.sample_id}: {sample.outcome.error}")
        return sample

    return share_jobs(partial(read_jobs, shard), stage, progress.slots, progress.stopped)


def _run_verb(shard: Shard, progress: Progress | None) -> ShardResult:
    """Run a verb that writes no file on each sample."""
    with _working(shard, progress) as (executor, running):

        def run(planned: PlannedJob) -> ShardJobResult | None:
            result = executor.run_for_shard(shard.verb, planned.job, shard.sound)
            if result:
                running.advance()
            return result

        results: list[ShardJobResult]
        results, error = share_jobs(partial(read_jobs, shard), run, running.slots, running.stopped)
        return ShardResult(tuple(results), error)


@contextmanager
def _working(shard: Shard, progress: Progress | None) -> Iterator[tuple[JobExecutor, Progress]]:
    """Yield the run's own process pool and progress, or on another machine some for this shard alone."""
    if progress:
        yield progress.executor(shard.limits), progress
        return
    with Progress() as alone:
        yield alone.executor(shard.limits), alone


def _stage(planned: PlannedJob, shard: Shard, executor: JobExecutor) -> StagedSample | None:
    """Convert or reuse one sample and write its files under staging names.

    Returns None where the run was stopped meanwhile. Raises SurroundingsError.
    """
    job = planned.job
    folder = os.path.dirname(job.target)
    part = os.path.join(folder, part_name(shard.token, job.index))
    try:
        check_output(shard)
        make_folder(folder, shard.output)
        reused = _reuse(planned, part)
        if reused:
            outcome, audio = replace(reused[0], metadata_hash=""), reused[1]
        else:
            converted = executor.run(Verb.CONVERT, replace(job, target=part), shard.sound)
            if converted is None:
                remove(part)
                return None
            outcome, audio = converted, part
        check_output(shard)
        if outcome.status is Status.FAILED:
            return StagedSample(planned, outcome)
        if not shard.include_metadata:
            return StagedSample(planned, outcome, audio)
        text = os.path.join(folder, part_name(shard.token, job.index, "text"))
        with create_exclusively(text) as file:
            write_all(file, metadata_text(job, outcome, shard.export_id).encode())
            outcome = replace(outcome, metadata_hash=hash_open_file(file.fileno()))
        return StagedSample(planned, outcome, audio, text)
    except SampleError as error:
        return StagedSample(planned, Outcome.from_error(job.index, error))
    except OutputGoneError:
        remove(part)  # if it went to what lies below the mount point
        raise
    except OSError as error:
        remove(part)
        return StagedSample(planned, Outcome.from_error(job.index, sample_error(job.target, error)))


def _reuse(planned: PlannedJob, part: str) -> tuple[Outcome, str | None] | None:
    """Use a file that an earlier run finished, if it is unmodified: in its place, by renaming it, or by a copy at ``part``.

    Returns its outcome and where its audio waits (None: in its place), or None if it has to be converted again.
    """
    outcome, target = planned.recorded, planned.job.target
    if outcome is None or planned.finished == target:
        return None if outcome is None else (outcome, None)
    folder = os.path.dirname(planned.finished)
    is_inside = os.path.realpath(folder) == folder
    # Before the target is looked at: a restored backup may hold the same sound there, and the old name would stay.
    if planned.moving and is_inside and is_unmodified(planned.finished, outcome.file_hash):
        return outcome, planned.finished
    if planned.ours and is_unmodified(target, outcome.file_hash):
        return outcome, None
    if planned.moving or not is_inside:
        return None
    with suppress(OSError), open(planned.finished, "rb") as finished, create_exclusively(part) as copy:
        while block := finished.read(1 << 20):
            write_all(copy, block)
        if hash_open_file(copy.fileno()) == outcome.file_hash:
            return outcome, part
    remove(part)
    return None
