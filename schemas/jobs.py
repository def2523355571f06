"""Small frozen values: all that crosses a thread, process or machine border."""

from dataclasses import dataclass, field

from schemas.words import Dither, Guard, Mono, Status


@dataclass(frozen=True, slots=True)
class Reject:
    """One broken rule of one manifest row. ``line`` is the physical line the row starts on (1 is the header)."""

    line: int
    column: str
    value: str
    rule: str
    fix: str

    def __str__(self) -> str:
        shown = f" {self.value!r}" if self.value else ""
        return f"{self.column}{shown}: {self.rule}"


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
    """One conversion: ``source`` and ``target`` are absolute paths. ``ours`` says the record knows the target.

    ``loudest`` is the peak of the loudest sample of its folder or kit, where one gain is for all of them; else 0.
    """

    index: int
    sample_id: int
    source: str
    target: str
    tags: Tags
    ours: bool = False
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one Job. ``error``, ``reason`` and ``fix`` are empty on success.

    ``frames`` counts the output's frames at 48 kHz, ``source_frames`` the decoded ones; ``done`` says what was done to
    the sound, in plain words, and ``warning`` what should be looked at. The hashes are of samples, not of files
    (``tasks.sound.measure.Fingerprint``): they are equal when nothing was done.
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
    source_hash: str = ""
    output_hash: str = ""
    levels: Levels | None = None
    done: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """What touches the sound; the words are those of ``schemas.export.SoundConfig``. None: off. ``format``: wav or aiff."""

    format: str
    min_duration_ms: int
    max_frames: int
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


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of jobs in a plan file, so that a task is handed a few words instead of a list of samples.

    ``measuring``: its levels are asked for, before anything is converted.
    """

    label: str
    plan_path: str
    start: int
    stop: int
    export_id: int
    sound: SoundSettings
    include_metadata: bool
    measuring: bool = False


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Outcomes of the jobs that were reached; ``trouble`` is set when the surroundings ended the shard early."""

    outcomes: tuple[Outcome, ...] = field(default=())
    trouble: Exception | None = None
