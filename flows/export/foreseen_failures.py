"""Foresee which sources an export cannot convert: by what the records say of them, as long as they are the same files."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from schemas.conversion import SoundSettings
from schemas.enums import Truncated
from schemas.errors import TooShortError, TruncatedError
from tasks.store import history
from tasks.store.database import Database


@dataclass(frozen=True)
class ForeseenFailure:
    """The error of an export that is still to come, as ``schemas.errors`` has it."""

    reason: str
    error: str
    fix: str


def foresee_failures(
    database: Database, sources: Iterable[str], sound: SoundSettings, padded: Collection[str] = ()
) -> dict[str, ForeseenFailure]:
    """Return those of ``sources`` that failed in their last export, or are known to be too short, by their paths.

    Args:
        database: The records.
        sources: The paths that are asked about; no other file is looked at.
        sound: The settings of the export.
        padded: Sources that get silence whatever ``sound`` says.
    """
    asked, found = set(sources), {}
    pads_all = sound.pad_to_ms >= sound.min_duration_ms
    failures = history.last_failures(database).filter(pl.col("source").is_in(asked))
    for source, reason, error, fix, ended_s in failures.iter_rows():
        is_kept = error.startswith(TruncatedError.beginning) and sound.truncated is Truncated.KEEP
        if reason == TooShortError.reason and (pads_all or source in padded):
            continue
        with suppress(OSError):
            if os.stat(source).st_ctime < ended_s and not is_kept:
                found[source] = ForeseenFailure(reason, error, fix or "")
    if pads_all:
        return found
    short = history.short_sources(database, sound.min_duration_ms).filter(pl.col("source").is_in(asked.difference(padded)))
    for source, milliseconds, size, mtime_ns in short.iter_rows():
        with suppress(OSError):
            status = os.stat(source)
            if status.st_size == size and mtime_ns in (0, None, status.st_mtime_ns):
                failure = TooShortError(duration_ms=milliseconds, minimum_ms=sound.min_duration_ms)
                found.setdefault(source, ForeseenFailure(failure.reason, str(failure), failure.fix))
    return found
