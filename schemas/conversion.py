"""Small frozen values: all that crosses a thread, process or machine border."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Self, TypeAlias

from schemas.enums import Dither, Guard, Mono, Status, Truncated, Verb
from schemas.errors import SampleError
from schemas.scan_values import SoundAnalysis


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The header's description of an audio file.

    ``frames`` is at ``rate_hz`` and None where only decoding can tell. ``speakers`` names that of each channel
    (``tasks.audio.decode.speakers``); it is empty where the header names none, and for mono and stereo.
    """

    container: str
    subtype: str
    rate_hz: int
    channels: int
    frames: int | None
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """The words of a sample that go into its metadata file."""

    title: str
    genre: str
    bpm: float | None
    musical_key: str
    tags: str


@dataclass(frozen=True, slots=True)
class Job:
    """One conversion: ``source`` and ``target`` are absolute paths, and nothing stands at the target.

    ``loudest`` is the peak of the loudest sample of its folder or kit, where one gain is for all of them; else 0.
    ``pad_to_ms`` is the length up to which this one gets silence, whatever the settings say of all; else 0.
    """

    index: int
    sample_id: int
    source: str
    target: str
    tags: Tags
    loudest: float = 0.0
    pad_to_ms: int = 0

    def own_settings(self, settings: "SoundSettings") -> "SoundSettings":
        """Return the settings with what is this job's own."""
        return replace(settings, pad_to_ms=self.pad_to_ms) if self.pad_to_ms > settings.pad_to_ms else settings


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels at 48 kHz, before the last rounding; full scale is 1.0.

    ``true_peak`` is that between samples (ITU-R BS.1770); ``clipped_samples`` counts values beyond full scale, which are
    clipped; ``dc`` is that of the worst channel; leading silence is what lies below -60 dBFS.
    """

    peak: float
    true_peak: float
    clipped_samples: int
    rms: float
    dc: float
    leading_silence_ms: float


# Clipping by less than this is hard to hear, and not worth a warning.
CLIPS_ABOVE_DB = 0.5


def decibels(ratio: float) -> float:
    """Return a ratio of amplitudes in decibels."""
    return 20 * math.log10(ratio)


# The beginning of what is said of a sound that clips.
TOO_LOUD = "Louder than full scale"


def clips(peak: float) -> bool:
    """Return whether a peak is so far beyond full scale (1.0) that its clipping can be heard."""
    return peak > 0 and decibels(peak) > CLIPS_ABOVE_DB


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of one Job, whatever the verb.

    Attributes:
        index: The job's number.
        error: Why it failed, in one line; empty on success, as are the next two.
        reason: The kind of failure, as statistics count it.
        fix: What the user can do about it.
    """

    index: int
    error: str = field(default="", kw_only=True)
    reason: str = field(default="", kw_only=True)
    fix: str = field(default="", kw_only=True)

    @classmethod
    def from_error(cls, index: int, error: SampleError) -> Self:
        """Return the result of a job that failed."""
        return cls(index, error=str(error), reason=error.reason, fix=error.fix)


@dataclass(frozen=True, slots=True)
class Outcome(JobResult):
    """The result of a conversion.

    Attributes:
        bytes: The size of the output file.
        seconds: How long the conversion took.
        frames: The output's length at 48 kHz.
        channels: The output's.
        source_frames: The decoded length at the source's rate.
        source_mtime_ns: 0, as ``source_ctime_ns``, where the time cannot be trusted to change with the content.
        content_hash: Of the source file's bytes.
        source_hash: Of the source's samples (``tasks.audio.measure.fingerprint.Fingerprint``).
        output_hash: Of the output's samples: equal to ``source_hash`` when nothing was done.
        file_hash: Of the output file's bytes.
        metadata_hash: Of the metadata file's bytes.
        moved_from: The path below the output folder that the finished file had before.
        done: What was done to the sound, in plain words.
        warning: What should be looked at.
    """

    status: Status
    bytes: int = 0
    seconds: float = 0.0
    frames: int = 0
    channels: int = 0
    source: SourceInfo | None = None
    source_frames: int = 0
    source_bytes: int = 0
    source_mtime_ns: int = 0
    source_ctime_ns: int = 0
    content_hash: str = ""
    source_hash: str = ""
    output_hash: str = ""
    file_hash: str = ""
    metadata_hash: str = ""
    moved_from: str = ""
    levels: Levels | None = None
    done: tuple[str, ...] = ()
    warning: str = ""

    @classmethod
    def from_error(cls, index: int, error: SampleError) -> Self:
        """Return the outcome of a conversion that failed."""
        return cls(index, Status.FAILED, error=str(error), reason=error.reason, fix=error.fix)


@dataclass(frozen=True, slots=True)
class MeasuredLevels(JobResult):
    """Levels of a source before any gain, and the hash of its file's bytes."""

    levels: Levels | None = None
    content_hash: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult(JobResult):
    """A source that was read to its end: its length as decoded, and what it would be at 48 kHz."""

    source: SourceInfo | None = None
    source_frames: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class SizeEstimate(JobResult):
    """The size in bytes of the output's samples, by the source's header; 0 where that does not say."""

    bytes: int = 0


@dataclass(frozen=True, slots=True)
class AnalysisResult(JobResult):
    """The result of analyzing the decoded sound for a scan."""

    analysis: SoundAnalysis | None = None


@dataclass(frozen=True, slots=True)
class WaveformResult(JobResult):
    """A drawing of a source: peaks of equal parts, 0 to 1 and beyond where it clips, and its length."""

    waveform: tuple[float, ...] = ()
    duration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ListenResult(JobResult):
    """The beginning of a source, decoded to a WAV of this length."""

    frames: int = 0


RESULT_TYPES: Mapping[Verb, type[JobResult]] = {
    Verb.CONVERT: Outcome,
    Verb.MEASURE: MeasuredLevels,
    Verb.CHECK: CheckResult,
    Verb.SIZE: SizeEstimate,
    Verb.ANALYZE: AnalysisResult,
    Verb.WAVEFORM: WaveformResult,
    Verb.LISTEN: ListenResult,
}
# What the jobs of a shard can give.
ShardJobResult: TypeAlias = Outcome | MeasuredLevels | CheckResult | SizeEstimate


# The version of the conversion: to be raised when a release makes other bytes of the same source and settings.
# 2: files of which a part was lost come out whole, and channels are mixed down by their speakers.
CONVERSION = 2


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """The settings that change the sound, named as in ``schemas.export.SoundConfig``. None: off. ``format``: wav or aiff.

    ``max_frames`` is at 48 kHz; ``max_file_bytes`` and ``max_decoded_bytes`` are of a source, the latter as float32.
    """

    format: str
    min_duration_ms: int
    max_frames: int
    max_file_bytes: int = 1 << 62
    max_decoded_bytes: int = 1 << 62
    dither: Dither = Dither.TPDF
    guard: Guard = Guard.NONE
    mono: Mono = Mono.KEEP
    normalize_dbfs: float | None = None
    trim_dbfs: float | None = None
    pad_to_ms: int = 0
    fade_in_ms: int = 0
    fade_out_ms: int = 0
    seamless: bool = False
    keep_chunks: bool = False
    truncated: Truncated = Truncated.REFUSE

    def recipe(self) -> str:
        """Hash the settings and the version of the conversion: with equal hashes, equal sources make equal files.

        The hash is of this class's repr, which is recorded: its name, its fields' and those of its enums must stay.

        But for what is a job's own: the ``loudest`` of its group, its ``pad_to_ms``, and with ``seamless`` its tempo.
        """
        return blake2b(repr((CONVERSION, self)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for one sample. ``contained``: it is converted in a process of its own kind, which may die of it."""

    seconds: float
    memory_mb: int
    contained: bool = True


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of jobs in a plan file, so that a task is handed a few words instead of a list of samples.

    ``verb`` is what is done with each (``tasks.isolation.worker``). ``output`` is the output folder and ``device``
    the number of its file system. ``token`` is in the names of this run's staged files. ``sentinel`` is for other
    machines, on which that number is another: the name of a file that stands in the output folder as long as the run lasts.
    ``again``: a run that died may have done some of it; what stands at a target that was free is what it left.
    """

    label: str
    plan_path: str
    start: int
    stop: int
    export_id: int
    output: str
    device: int
    token: str
    sound: SoundSettings
    include_metadata: bool
    limits: Limits
    verb: Verb = Verb.CONVERT
    sentinel: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Results of the jobs that a shard reached.

    Attributes:
        results: In the order of the jobs, of the type that the shard's verb has in ``RESULT_TYPES``.
        error: Set when the surroundings ended the shard early.
        part: The file that outcomes were also written to, for the records.
    """

    results: tuple[ShardJobResult, ...] = field(default=())
    error: Exception | None = None
    part: str = ""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the results of conversions."""
        return tuple(result for result in self.results if isinstance(result, Outcome))
