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
