"""Small frozen values: all that crosses a thread, process or machine border."""

import math
from dataclasses import dataclass, field
from hashlib import blake2b

from schemas.enums import Dither, Guard, Mono, Status
from schemas.errors import SampleError
from schemas.scan import Heard


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What an audio file says it is. ``frames`` is at ``rate_hz`` and None where only decoding can tell."""

    container: str
    subtype: str
    rate_hz: int
    channels: int
    frames: int | None


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
    """

    index: int
    sample_id: int
    source: str
    target: str
    tags: Tags
    loudest: float = 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels at 48 kHz, before the last rounding; full scale is 1.0.

    ``true_peak`` is that between samples (ITU-R BS.1770); ``overs`` counts values beyond full scale, which are
    clipped; ``dc`` is that of the worst channel; leading silence is what lies below -60 dBFS.
    """

    peak: float
    true_peak: float
    overs: int
    rms: float
    dc: float
    leading_silence_ms: float


# Clipping by less than this is hard to hear, and not worth a warning.
_CLIPS_ABOVE_DB = 0.5


def decibels(ratio: float) -> float:
    return 20 * math.log10(ratio)


def clips(peak: float) -> bool:
    """Whether a peak (full scale is 1.0) is so far beyond full scale that its clipping can be heard."""
    return peak > 0 and decibels(peak) > _CLIPS_ABOVE_DB


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one Job. ``error``, ``reason`` and ``fix`` are empty on success.

    ``frames`` counts the output's frames at 48 kHz, ``source_frames`` the decoded ones; ``done`` says what was done to
    the sound, in plain words, and ``warning`` what should be looked at.

    ``source_hash`` and ``output_hash`` are of samples, not of files (``tasks.audio.measure.meter.Fingerprint``): they are equal
    when nothing was done. ``content_hash`` is that of the source file's bytes, ``file_hash`` that of the output file's.
    ``source_mtime_ns`` and ``source_ctime_ns`` are 0 where they can't be trusted to change with the content. ``moved_from``
    is the path below the output folder that the finished file had before. ``heard`` is what a scan is told of the sound;
    ``peaks`` are for the eye alone.
    """

    index: int
    status: Status
    error: str = ""
    reason: str = ""
    fix: str = ""
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
    heard: Heard | None = None
    done: tuple[str, ...] = ()
    warning: str = ""
    peaks: tuple[float, ...] = ()


def failed(index: int, error: SampleError) -> Outcome:
    return Outcome(index, Status.FAILED, error=str(error), reason=error.reason, fix=error.fix)


# The version of the conversion: to be raised when a release makes other bytes of the same source and settings.
CONVERSION = 1


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """What touches the sound; the words are those of ``schemas.export.SoundConfig``. None: off. ``format``: wav or aiff.

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

    def recipe(self) -> str:
        """The version of the conversion and the settings, as a hash: with equal ones, equal sources make equal files.

        But for what is a job's own: the ``loudest`` of its group, and with ``seamless`` its tempo.
        """
        return blake2b(repr((CONVERSION, self)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sample may take. ``contained``: it is converted in a process of its own kind, which may die of it."""

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
    verb: str = "convert"
    sentinel: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Outcomes of the jobs that were reached; ``error`` is set when the surroundings ended the shard early.

    ``part`` is the file that the outcomes were also written to, for the records.
    """

    outcomes: tuple[Outcome, ...] = field(default=())
    error: Exception | None = None
    part: str = ""
