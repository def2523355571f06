"""Run a verb on one sample, in this process or in another: the same call, typed by its verb."""

from abc import ABC, abstractmethod
from typing import Literal, overload

from schemas.conversion import (
    RESULT_TYPES,
    AnalysisResult,
    CheckResult,
    Job,
    JobResult,
    ListenResult,
    MeasuredLevels,
    Outcome,
    ShardJobResult,
    SizeEstimate,
    SoundSettings,
    WaveformResult,
)
from schemas.enums import Verb
from schemas.errors import SampleError
from tasks.isolation import worker


class JobExecutor(ABC):
    """Runs verbs on jobs, from any number of threads."""

    @overload
    def run(self, verb: Literal[Verb.CONVERT], job: Job, sound: SoundSettings) -> Outcome | None: ...
    @overload
    def run(self, verb: Literal[Verb.MEASURE], job: Job, sound: SoundSettings) -> MeasuredLevels | None: ...
    @overload
    def run(self, verb: Literal[Verb.CHECK], job: Job, sound: SoundSettings) -> CheckResult | None: ...
    @overload
    def run(self, verb: Literal[Verb.SIZE], job: Job, sound: SoundSettings) -> SizeEstimate | None: ...
    @overload
    def run(self, verb: Literal[Verb.ANALYZE], job: Job, sound: SoundSettings) -> AnalysisResult | None: ...
    @overload
    def run(self, verb: Literal[Verb.WAVEFORM], job: Job, sound: SoundSettings) -> WaveformResult | None: ...
    @overload
    def run(self, verb: Literal[Verb.LISTEN], job: Job, sound: SoundSettings) -> ListenResult | None: ...
    def run(self, verb: Verb, job: Job, sound: SoundSettings) -> JobResult | None:
        """Run ``verb`` on ``job``.

        Returns:
            The verb's result, also of a sample that failed; None where the run was stopped before the job was done.

        Raises:
            SurroundingsError: Other samples would fail for the same reason.
        """
        return self._run(verb, job, sound)

    def run_for_shard(self, verb: Verb, job: Job, sound: SoundSettings) -> ShardJobResult | None:
        """Run a verb of a shard, as ``run`` does."""
        result = self._run(verb, job, sound)
        if not isinstance(result, ShardJobResult | None):
            raise TypeError(f"no shard can {verb}")
        return result

    def _run(self, verb: Verb, job: Job, sound: SoundSettings) -> JobResult | None:
        try:
            return self._call(verb, job, sound)
        except SampleError as error:
            return RESULT_TYPES[verb].from_error(job.index, error)

    @abstractmethod
    def _call(self, verb: str, job: Job, sound: SoundSettings) -> JobResult | None:
        """Run a verb of the worker. Raises SampleError and SurroundingsError."""


class InProcessExecutor(JobExecutor):
    """Runs verbs in this process, where a decoder that crashes ends the run (the setting ``contained = false``)."""

    def _call(self, verb: str, job: Job, sound: SoundSettings) -> JobResult:
        return worker.audio_verbs()[verb](job, sound)
