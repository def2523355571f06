"""The passes over the samples of an export: measure, size, convert. Each cuts its jobs into shards and carries them out."""

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl

from flows.export.decide import with_recorded_peaks
from flows.export.kit_findings import unmeasured_kit_jobs
from flows.export.output_folder import check_room, costs_of, has_room
from flows.export.results import made_by, results_of
from flows.export.stages import DecidedPlan, DraftPlan, RunningExport
from flows.export.steps import OnResult, Steps
from schemas.conversion import Shard, ShardResult, SizeEstimate
from schemas.enums import Guard, Runner, Status, Verb
from schemas.errors import DatabaseBusyError
from tasks.convert.plan_file import write_plan
from tasks.convert.progress import Progress
from tasks.layout import sharding
from tasks.layout.actions import SOURCE_STAMP, Action
from tasks.store import export_records, run_folder
from tasks.store.outcome_table import OUTCOME_SCHEMA

# How long to wait for a database that somebody reads while shards are still at work: there is time until the end.
_MERGE_SECONDS = 1.0
# What share of the time of an export its records may take while shards are still at work.
_MERGE_SHARE = 0.1
_LABELS = {Verb.MEASURE: "levels of ", Verb.SIZE: "sizes of "}


class PassRunner:
    """Carries out the passes of one export.

    Args:
        steps: What maps the shards.
        progress: Counts samples, and stops the run.
        draft: The placed rows.
    """

    def __init__(self, steps: Steps, progress: Progress, draft: DraftPlan) -> None:
        self._steps, self._progress, self._draft = steps, progress, draft

    def measure(self) -> list[object]:
        """Measure what has to be known of sounds before anything is decided: levels, and what kits are made of."""
        return self._run(unmeasured_jobs(self._draft), Verb.MEASURE)

    def check_room(self, plan: DecidedPlan) -> list[object]:
        """Make sure that the output fits; where that is not plain, read the sources' headers.

        Raises:
            DiskFullError: The output does not fit.
        """
        jobs = plan.first_jobs
        if has_room(jobs, plan.settings):
            return []
        sized = self._run(jobs, Verb.SIZE)
        check_room(jobs, plan.settings, {size.index: size.bytes for size in results_of(SizeEstimate, sized)})
        return sized

    def convert(self, running: RunningExport) -> list[object]:
        """Carry out the jobs, then those that copy what another job made; merge each shard into the records as it comes."""
        merger = _Merger(running)
        first = _with_recorded(running, running.plan.first_jobs)
        done = self._run(first, Verb.CONVERT, merger.merge)
        following = _with_leaders(running, running.plan.following_jobs, made_by(running.plan, done))
        # To copy what was just made is not worth another machine.
        done += self._run(following, Verb.CONVERT, merger.merge, on_this_machine=True)
        merger.merge_all()
        return done

    def _run(
        self, jobs: pl.DataFrame, verb: Verb, on_result: OnResult = lambda _: None, on_this_machine: bool = False
    ) -> list[object]:
        if jobs.is_empty() or self._progress.stopped.is_set():
            return []
        settings = self._draft.settings
        if on_this_machine:
            settings = settings.model_copy(update={"runner": Runner.THREADS})
        if settings.runner is Runner.THREADS:
            self._progress.start_workers(settings.limits(), settings.workers, jobs.height)
        folder = run_folder.new_pass(self._draft.target.database, self._draft.reservation.export_id)
        shards = cut(self._draft, jobs, self._progress, verb, folder)
        return list(self._steps.map_shards(shards, settings, self._progress, on_result))


class _Merger:
    """Puts the parts that shards have written into the records: several at once where they come faster than one is merged."""

    def __init__(self, running: RunningExport) -> None:
        self._running = running
        self._waiting: list[Path] = []
        self._rests_until = 0.0

    def merge(self, result: ShardResult) -> None:
        """Merge what is there. Who reads the records may keep us out: the parts stay, and have time until the end."""
        self._waiting += [Path(result.part)] if result.part else []
        began = time.monotonic()
        if began < self._rests_until:
            return
        with suppress(DatabaseBusyError):
            self._merge(_MERGE_SECONDS)
        ended = time.monotonic()
        self._rests_until = ended + (ended - began) * (1 / _MERGE_SHARE - 1)

    def merge_all(self) -> None:
        """Merge what is left, and wait for the database as long as the settings say. Raises DatabaseBusyError."""
        self._merge(self._running.settings.lock_wait_seconds)

    def _merge(self, wait_seconds: float) -> None:
        if self._waiting:
            target = replace(self._running.target, database=self._running.target.database.waiting(wait_seconds))
            export_records.add_parts(target, self._running.spec, self._waiting)
            self._waiting.clear()


def unmeasured_jobs(draft: DraftPlan) -> pl.DataFrame:
    """Return the jobs whose sound has to be measured before a decision: those of kits, and with ``guard=folder`` all."""
    of_kits = unmeasured_kit_jobs(draft)
    if draft.settings.guard is not Guard.FOLDER:
        return of_kits
    unmeasured = pl.col("source_peak").is_null() | pl.col("job").is_in(of_kits["job"].implode())
    return with_recorded_peaks(draft).filter(unmeasured)


def cut(draft: DraftPlan, jobs: pl.DataFrame, progress: Progress, verb: Verb, folder: Path) -> list[Shard]:
    """Cut ``jobs`` into shards, and write the plan file in ``folder`` from which each shard reads its range.

    Raises:
        WorkingFolderError: The folder cannot be written.
    """
    if verb is not Verb.CONVERT:
        jobs = with_nothing_finished(jobs)
    settings = draft.settings
    path = write_plan(jobs, folder, draft.token)
    sound, limits = settings.sound(), settings.limits()
    least = sharding.MIN_JOBS_PER_DASK_SHARD if settings.runner is Runner.DASK else 0
    ranges = sharding.cut_shards(costs_of(jobs), settings.workers, least)
    progress.expect(jobs.height, verb)
    names = jobs["path"]
    return [
        Shard(
            label=_LABELS.get(verb, "") + sharding.label_shard(number, len(ranges), names[start], names[stop - 1]),
            plan_path=path,
            start=start,
            stop=stop,
            export_id=draft.reservation.export_id,
            output=settings.output_base_path,
            device=draft.device,
            token=draft.token,
            sound=sound,
            include_metadata=settings.include_metadata,
            limits=limits,
            verb=verb,
        )
        for number, (start, stop) in enumerate(ranges)
    ]


def with_nothing_finished(jobs: pl.DataFrame) -> pl.DataFrame:
    """Return ``jobs`` for a pass that only reads their sources."""
    blank = {name: pl.lit(None, dtype) for name, dtype in OUTCOME_SCHEMA.items() if name not in jobs.columns}
    return jobs.with_columns(finished=pl.lit(None, pl.String), moving=pl.lit(False), **blank)


def _with_recorded(running: RunningExport, jobs: pl.DataFrame) -> pl.DataFrame:
    """Add to ``jobs`` the outcome of the recorded file that each can have its own from."""
    outcomes = export_records.outputs_at(running.target, jobs["finished"].drop_nulls().unique())
    return _with_outcomes(running, jobs, outcomes.with_columns(status=pl.lit(str(Status.EXPORTED))))


def _with_leaders(running: RunningExport, jobs: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Add to ``jobs`` the outcome that this run has ``made`` of the job which each follows."""
    leaders = running.plan.jobs.select(leader="job", led_by="path")
    jobs = jobs.join(leaders, on="leader", how="left", maintain_order="left").with_columns(finished="led_by")
    exported = made.filter(pl.col("status") == str(Status.EXPORTED), pl.col("file_hash").is_not_null())
    return _with_outcomes(running, jobs, exported)


def _with_outcomes(running: RunningExport, jobs: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Join ``outcomes`` (``outcome_table.frame_of``) to the jobs' ``finished`` paths; jobs without one are converted."""
    # A source can have changed since the plan was made: then its file is nobody else's.
    finished = outcomes.drop(*SOURCE_STAMP).rename({"path": "finished"}).with_columns(there=True)
    jobs = jobs.join(finished, on=["finished", "content_hash"], how="left", maintain_order="left")
    return jobs.with_columns(
        finished=pl.when("there").then(pl.concat_str(pl.lit(f"{running.target.output}/"), "finished")),
        moving=pl.col("action") == Action.MOVE,
        error_message=pl.lit(None, pl.String),
        moved_from=pl.lit(None, pl.String),
    )
