"""Values that settings and records choose from. Their spelling is in files, databases and answers: it does not change."""

from enum import StrEnum


class Status(StrEnum):
    """The outcome of a manifest row. The four counts add up to the rows that went in."""

    EXPORTED = "exported"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    FAILED = "failed"


class OrganizeBy(StrEnum):
    """The layout of the output in folders: not at all, by genre, by BPM bucket, by kit and bank, or as the sources lie."""

    FLAT = "flat"
    GENRE = "genre"
    BPM = "bpm"
    KIT = "kit"
    FOLDER = "folder"


class Names(StrEnum):
    """The maximum length of a file's name: as long as a card allows, or as the device's screen shows (23 characters)."""

    FULL = "full"
    SCREEN = "screen"


class AudioFormat(StrEnum):
    """The container of the output; both hold 48 kHz, 16-bit PCM."""

    WAV = "wav"
    AIFF = "aiff"


class ExportType(StrEnum):
    """The scope of an export: one sample, many, or kits pad by pad."""

    SINGLE = "single"
    BATCH = "batch"
    KIT = "kit"


class Runner(StrEnum):
    """The place where shards are converted: threads of this machine, a Dask cluster, or the workers of a Prefect work pool."""

    THREADS = "threads"
    DASK = "dask"
    POOL = "pool"


class Verb(StrEnum):
    """The operations of a worker process on one sample. ``schemas.conversion.RESULT_TYPES`` has the result of each."""

    CONVERT = "convert"
    MEASURE = "measure"
    CHECK = "check"
    SIZE = "size"
    ANALYZE = "analyze"
    WAVEFORM = "waveform"
    LISTEN = "listen"


class Dither(StrEnum):
    """Noise that is added before rounding to 16 bits: triangular (TPDF), or none."""

    TPDF = "tpdf"
    NONE = "none"


class Guard(StrEnum):
    """The scope of the gain that makes peaks fit: none (they clip), each file, or all files of a folder or kit alike."""

    NONE = "none"
    FILE = "file"
    FOLDER = "folder"


class Truncated(StrEnum):
    """The treatment of a file whose end is missing: refuse it, or export what is there of it."""

    REFUSE = "refuse"
    KEEP = "keep"


class PadShortHits(StrEnum):
    """The treatment of drum hits that are too short: named by a scan, padded with silence, or neither."""

    ASK = "ask"
    YES = "yes"
    NO = "no"


class Mono(StrEnum):
    """The stereo samples that become mono: none, those with identical channels, or all."""

    KEEP = "keep"
    IDENTICAL = "identical"
    ALL = "all"


class SampleSort(StrEnum):
    """The value by which a list of samples is ordered."""

    ID = "id"
    TITLE = "title"
    GENRE = "genre"
    BPM = "bpm"
    KEY = "key"
    SECONDS = "seconds"
    FORMAT = "format"
    STATUS = "status"


class SampleOrder(StrEnum):
    """The direction of an order; samples without a value are last in both."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class SampleKind(StrEnum):
    """The kind of a sample, as a scan guessed it."""

    LOOP = "loop"
    ONE_SHOT = "one-shot"


class SampleFlag(StrEnum):
    """Something about a sound that deserves a look."""

    CLIPPED = "clipped"
    SILENT = "silent"
    DC = "dc"
    SHORT = "short"


class PreviewKind(StrEnum):
    """Sound to listen to: the original, or what an export would write for the device."""

    ORIGINAL = "original"
    DEVICE = "device"


class KitRule(StrEnum):
    """Subject of a finding in a kit."""

    EMPTY = "empty"
    TEMPO = "tempo"
    EQUAL_SOUND = "equal_sound"
    SILENT = "silent"
    CLIPPING = "clipping"
    TOO_SHORT = "too_short"
    FAILED = "failed"
    MISSING = "missing"
    REJECTED = "rejected"


class CardRemovable(StrEnum):
    """Files that can be removed from a card: stale ones that have no successor, or what Finder and Explorer left there."""

    STALE = "stale"
    JUNK = "junk"
