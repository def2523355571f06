"""The steps of an export by what they take and give; plain calls and threads carry them out, or Prefect's tasks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from config.settings import Settings
from flows.export.stages import DraftPlan, ResolvedRequest, RunningExport
from schemas.conversion import Shard, ShardResult
from schemas.report import BatchExportResult
from tasks.convert.progress import Progress
from tasks.manifest.table import RawManifest
from tasks.manifest.validate import Manifest

# Called with each shard's result as soon as it is there.
OnResult: TypeAlias = Callable[[ShardResult], None]


class ShardAnswers:
    """The answers of shards, in order: a ``ShardResult`` each, or the exception that broke the shard.

    A class of its own, because Prefect walks through the lists and dataclasses that a task is given, 20,000 outcomes deep.
    """

    def __init__(self, answers: list[object]) -> None:
        self._answers = answers

    def __iter__(self) -> Iterator[object]:
        return iter(self._answers)


@dataclass(frozen=True)
class Steps:
    """The steps of an export. ``flows.export.threads.DIRECT`` has them without Prefect.

    Attributes:
        read: Read the manifest at a path.
        validate: Check its rows.
        plan: Place every row (``flows.export.plan.draft_plan``); the float is the start of the run in seconds.
        map_shards: Carry out shards, and hand over each result as it comes.
        record: Account for every row and end the export in the records.
        report: Show the result where the caller does not do so itself.
    """

    read: Callable[[str], RawManifest]
    validate: Callable[[RawManifest], Manifest]
    plan: Callable[[ResolvedRequest, Manifest, float], DraftPlan]
    map_shards: Callable[[list[Shard], Settings, Progress, OnResult], Iterable[object]]
    record: Callable[[RunningExport, Iterable[object]], BatchExportResult]
    report: Callable[[RunningExport, BatchExportResult], object]
