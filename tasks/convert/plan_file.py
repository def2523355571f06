"""The plan of a pass as an Arrow file: written once, and read by every shard from its first row to its last."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas.conversion import Job, Outcome, Shard, Tags
from schemas.errors import WorkingFolderError
from tasks.bundle.metadata_file import metadata_path_of
from tasks.store.outcome_table import OUTCOME_SCHEMA, outcome_of

_JOB_COLUMNS = ("job", "sample_id", "source", "target", "title", "genre", "bpm", "musical_key", "tags", "loudest", "pad_to_ms")
_OWNERSHIP = ("ours", "free", "text", "ours_text", "has_text", "text_hash")
PLAN_COLUMNS = (*_JOB_COLUMNS, "path", *_OWNERSHIP, "finished", "moving", *OUTCOME_SCHEMA)


@dataclass(frozen=True)
class PlannedJob:
    """A job as it stands in the plan.

    Attributes:
        job: What to convert.
        path: The target's path below the output folder.
        ours: Whether the file at the target may be replaced.
        ours_text: The same of its metadata file.
        text_hash: The recorded hash of that metadata file, or empty.
        finished: A file that already is what this job is to make, or empty.
        moving: Whether that file is to be renamed rather than copied.
        recorded: The outcome of the conversion that made ``finished``.
    """

    job: Job
    path: str
    ours: bool
    ours_text: bool
    text_hash: str
    finished: str
    moving: bool
    recorded: Outcome | None


def write_plan(jobs: pl.DataFrame, folder: Path, token: str) -> str:
    """Write ``jobs`` as an Arrow file from which any shard can read its range, and return its path.

    Args:
        jobs: ``PLAN_COLUMNS`` without ``text``, the path of the metadata file, which is added. ``ours``: the file at the
            target is ours to replace; ``free``: there was none when the plan was made; ``ours_text`` and ``has_text`` say the
            same of the metadata file, and ``text_hash`` is its recorded hash. ``loudest``: the peak that the gain of a whole
            folder goes by, or 0. ``pad_to_ms``: the length up to which this one gets silence, or 0. ``finished``: a file that
            is already what this job is to make, with its outcome, and ``moving``: it is to be renamed, not copied.
        folder: The folder of this pass; it is made if need be.
        token: The run's own, which is part of the file's name.

    Raises:
        WorkingFolderError: The folder cannot be written to.
    """
    path = folder / f"plan-{token}.arrow"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        jobs.with_columns(text=metadata_path_of("target")).select(PLAN_COLUMNS).write_ipc(path)
    except OSError as error:
        raise WorkingFolderError.of(folder, error) from error
    return str(path)


def read_jobs(shard: Shard) -> list[PlannedJob]:
    """Read the jobs of a shard from the plan file.

    Raises:
        WorkingFolderError: It cannot be read, or has other rows than were written.
    """
    try:
        rows = pl.scan_ipc(shard.plan_path, glob=False).slice(shard.start, shard.stop - shard.start).collect()
        rows = rows.select(PLAN_COLUMNS)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _unreadable(shard.plan_path, str(error).partition("\n")[0]) from error
    if rows.height != shard.stop - shard.start:
        raise _unreadable(shard.plan_path, "rows are missing")
    return [
        PlannedJob(
            Job(
                row["job"],
                row["sample_id"],
                row["source"],
                row["target"],
                Tags(row["title"], row["genre"] or "", row["bpm"], row["musical_key"] or "", row["tags"] or ""),
                row["loudest"],
                row["pad_to_ms"],
            ),
            row["path"],
            row["ours"] or (shard.again and row["free"]),
            row["ours_text"] or (shard.again and not row["has_text"]),
            row["text_hash"] or "",
            row["finished"] or "",
            row["moving"],
            outcome_of(row["job"], row) if row["finished"] else None,
        )
        for row in rows.iter_rows(named=True)
    ]


def _unreadable(path: str, why: str) -> WorkingFolderError:
    fix = "What was finished stays. Run the same command again: it makes a new plan."
    return WorkingFolderError(path=path, error=f"the plan of this run cannot be read ({why})", fix=fix)
