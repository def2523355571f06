"""Give staged files their final names, once they are on the disk, and never in the place of a file that is not ours."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.conversion import Outcome, Shard
from schemas.enums import Status
from schemas.errors import (
    DiskError,
    OutputGoneError,
    OutsideFolderError,
    SampleError,
    SurroundingsError,
    TargetTakenError,
    write_failure,
)
from tasks.bundle.metadata_file import is_same_but_for_export, metadata_path
from tasks.convert.plan_file import PlannedJob
from tasks.convert.staged_files import note_staged
from tasks.fs.atomic import may_rename_into_place, remove, remove_empty_folders, rename_into_place, sync_file_system
from tasks.fs.file_status import is_same_file
from tasks.fs.hashing import is_unmodified

# How often a folder is made again that other threads remove, since it is empty.
_TRIES = 10


@dataclass(frozen=True)
class StagedSample:
    """A converted sample whose files wait for their final names.

    Attributes:
        planned: What was to be done.
        outcome: What came of it.
        audio: The staged audio file; None where it has its name already, or where the conversion failed.
        text: The staged metadata file, if one is to be written.
    """

    planned: PlannedJob
    outcome: Outcome
    audio: str | None = None
    text: str | None = None


def check_output(shard: Shard) -> None:
    """Check that the output folder is still the one that was meant.

    A card that is pulled leaves its mount point behind: what is written there then goes to another disk.

    Raises:
        OutputGoneError: The folder is on another file system, or without the sentinel of the run.
    """
    try:
        status = os.stat(os.path.join(shard.output, shard.sentinel))
        there = bool(shard.sentinel) or status.st_dev == shard.device
    except OSError:
        there = False
    if not there:
        raise OutputGoneError(path=shard.output)


def make_folder(folder: str, output: str) -> None:
    """Make ``folder``, which is ``output`` or below it, but never ``output`` itself. Raises OutsideFolderError and OSError."""
    if os.path.realpath(folder) != folder:
        raise OutsideFolderError(path=folder, real=os.path.realpath(folder))
    if not os.path.isdir(folder):
        make_folder(os.path.dirname(folder), output)
        with suppress(FileExistsError):
            os.mkdir(folder)


def publish(samples: list[StagedSample], shard: Shard) -> Iterator[tuple[str, Outcome]]:
    """Sync all staged files to the disk, write down what they are, then give each its final name.

    Yields:
        The path below the output folder and the final outcome of each sample, as soon as its files have their names.

    Raises:
        SurroundingsError: The disk failed or is full, or a folder is gone or cannot be written. What was yielded before stays.
    """
    waiting = [path for sample in samples for path in (sample.audio, sample.text) if path and path != sample.planned.finished]
    try:
        if waiting:
            check_output(shard)
            sync_file_system(shard.output)
        expected = [(sample.planned.path, _expected(sample, shard)) for sample in samples if _becomes_ours(sample)]
        if expected:
            note_staged(expected, Path(shard.plan_path).parent, shard.start)
        for sample in samples:
            yield sample.planned.path, _publish_sample(sample, shard)
    except OSError as error:
        failure = write_failure(os.path.join(shard.output, ""), error)
        if isinstance(failure, SampleError):
            failure = DiskError(path=shard.output, error=error.strerror or str(error))
        raise failure from error
    finally:
        for path in waiting:
            remove(path)


def _becomes_ours(sample: StagedSample) -> bool:
    planned = sample.planned
    return sample.outcome.status is not Status.FAILED and (planned.ours or not os.path.lexists(planned.job.target))


def _expected(sample: StagedSample, shard: Shard) -> Outcome:
    """Return what will have come of the sample when its files have their names."""
    return replace(sample.outcome, moved_from=_old_path(sample.planned, shard)) if sample.planned.moving else sample.outcome


def _publish_sample(sample: StagedSample, shard: Shard) -> Outcome:
    planned, target = sample.planned, sample.planned.job.target
    if sample.outcome.status is Status.FAILED:
        return sample.outcome
    ours = planned.ours and not is_same_file(planned.job.source, target)
    text_path = metadata_path(target)
    renames = [(sample.audio, target, ours)] if sample.audio else []
    outcome = sample.outcome
    if not ours and os.path.lexists(target):  # another's, of the same bytes: it counts, but no record says that it is ours
        outcome = replace(outcome, file_hash="", metadata_hash="")
    elif sample.text:  # first, for the next run looks for the audio
        renames.insert(0, (sample.text, text_path, planned.ours_text or is_same_but_for_export(sample.text, text_path)))
    try:
        for part, name, its_ours in renames:
            if not may_rename_into_place(part, name, its_ours):
                return Outcome.from_error(planned.job.index, TargetTakenError(path=name))
        if sample.audio == planned.finished and (ours or not os.path.lexists(target)):  # after a kill, only the target is known
            _remove_old_text(planned)
        for part, name, its_ours in renames:
            _rename(part, name, its_ours, shard.output)
        if not sample.text and planned.text_hash and is_unmodified(text_path, planned.text_hash):
            os.unlink(text_path)  # it described the sound that was there before
    except OSError as error:
        check_output(shard)
        return Outcome.from_error(planned.job.index, sample_error(target, error))
    if not planned.moving or os.path.lexists(planned.finished):
        return outcome
    _remove_old_text(planned)
    remove_empty_folders(os.path.dirname(planned.finished), shard.output)
    return replace(outcome, moved_from=_old_path(planned, shard))


def _rename(part: str, name: str, ours: bool, output: str) -> None:
    """Rename a file into its folder; if that is gone, make it again: it was empty when another sample moved out of it."""
    for _ in range(_TRIES):
        try:
            rename_into_place(part, name, ours)
            return
        except FileNotFoundError:
            if not os.path.lexists(part) or os.path.isdir(os.path.dirname(name)):
                raise
            make_folder(os.path.dirname(name), output)
    rename_into_place(part, name, ours)


def _old_path(planned: PlannedJob, shard: Shard) -> str:
    return os.path.relpath(planned.finished, shard.output)


def _remove_old_text(planned: PlannedJob) -> None:
    old_text = metadata_path(planned.finished)
    if planned.recorded and is_unmodified(old_text, planned.recorded.metadata_hash):
        remove(old_text)


def sample_error(target: str, error: OSError) -> SampleError:
    """Return what an OSError means for one sample.

    Raises:
        SurroundingsError: It concerns all other samples too, such as a full disk.
    """
    failure = write_failure(target, error)
    if isinstance(failure, SurroundingsError):
        raise failure from error
    return failure
