"""The words that have a fixed set of values."""

from enum import StrEnum


class Status(StrEnum):
    EXPORTED = "exported"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    FAILED = "failed"


class OrganizeBy(StrEnum):
    FLAT = "flat"
    GENRE = "genre"
    BPM = "bpm"
    KIT = "kit"


class Names(StrEnum):
    """How much of a title a file's name keeps: all that a card holds, or what the device's screen shows."""

    FULL = "full"
    SCREEN = "screen"


class AudioFormat(StrEnum):
    WAV = "wav"
    AIFF = "aiff"


class ExportType(StrEnum):
    SINGLE = "single"
    BATCH = "batch"
    KIT = "kit"


class Runner(StrEnum):
    THREADS = "threads"
    DASK = "dask"
    POOL = "pool"


class Verb(StrEnum):
    """What a worker process can do with one sample; ``schemas.conversion.RESULT_TYPES`` has the result of each."""

    CONVERT = "convert"
    MEASURE = "measure"
    CHECK = "check"
    SIZE = "size"
    ANALYZE = "analyze"
    WAVEFORM = "waveform"


class Dither(StrEnum):
    TPDF = "tpdf"
    NONE = "none"


class Guard(StrEnum):
    """What is turned down, so that its peaks fit: nothing, the file, or all files of its folder or kit alike."""

    NONE = "none"
    FILE = "file"
    FOLDER = "folder"


class Mono(StrEnum):
    """Which stereo samples become mono: none, those with identical channels, or all."""

    KEEP = "keep"
    IDENTICAL = "identical"
    ALL = "all"
