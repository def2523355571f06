"""Tell which failures of past exports are still to be mended: by the records, and by the manifests as they are now."""

import os
from collections.abc import Hashable
from typing import Any, NamedTuple

import polars as pl

from schemas.enums import Status
from schemas.errors import NotConvertedError, Sp404Error
from tasks.manifest.source_paths import resolve_sources
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate
from tasks.store import scan_memory
from tasks.store.database import Database

Records = list[dict[str, Any]]


class SortedFailures(NamedTuple):
    """Failures that are still to be mended, and how many of the others were exported since, are gone, or are corrected.

    One file can have failed several times: ``exported_files`` counts files.

    ``to_mend`` has each file once, by its newest failure, with ``lasting``: it failed before that, too. ``not_reached`` are
    files that a run only did not come to, before it was interrupted: the next export takes them.
    """

    to_mend: Records
    exported: int
    exported_files: int
    gone: int
    corrected: int
    not_reached: int


class _Sources(NamedTuple):
    """The absolute paths of the files of a manifest: all that it names, and those of rows that are rejected now."""

    named: frozenset[str]
    rejected: frozenset[str]


def sort_failures(failures: Records) -> SortedFailures:
    """Sort failures, as ``tasks.store.history.export_samples`` gives them.

    Gone are those whose file no row of the manifest names any more, corrected those whose row was rejected and is accepted
    now: the next export takes it. Where the manifest cannot be read, none is.
    """
    not_reached = [row for row in failures if row["reason"] == NotConvertedError.reason and not row["exported_since"]]
    failures = [row for row in failures if row["reason"] != NotConvertedError.reason]
    waiting = [row for row in failures if not row["exported_since"]]
    sources = {manifest: _sources_of(manifest) for manifest in {row["manifest_path"] for row in (*waiting, *not_reached)}}
    there = [row for row in waiting if _is_named(row["source_path"], sources[row["manifest_path"]])]
    wrong = [row for row in there if not _is_corrected(row, sources[row["manifest_path"]])]
    newest: dict[Hashable, dict[str, Any]] = {}
    for row in sorted(wrong, key=lambda row: -row["export_id"]):
        known = newest.setdefault(_key(row), row | {"lasting": False})
        known["lasting"] |= known["export_id"] != row["export_id"]
    left = {_file_of(row) for row in not_reached if _is_named(row["source_path"], sources[row["manifest_path"]])}
    return SortedFailures(
        list(newest.values()),
        len(failures) - len(waiting),
        len({_file_of(row) for row in failures if row["exported_since"]}),
        len(waiting) - len(there),
        len(there) - len(wrong),
        len(left.difference(map(_file_of, newest.values()))),
    )


def find_left_out(database: Database, manifest: str) -> list[tuple[str, str]]:
    """Return the files that the scans for a manifest could not read and so left out of it, each with why and what to do.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    roots = scan_memory.roots_of(database, manifest)
    if not roots:
        return []
    files, rows = scan_memory.known(database, manifest)
    below = pl.any_horizontal(pl.col("path").str.starts_with(os.path.join(root, "")) for root in roots)
    unread = files.filter(pl.col("trouble").is_not_null() & below & ~pl.col("path").is_in(rows["path"].implode())).sort("path")
    found = unread.select("path", "trouble", "fix").iter_rows()
    return [(path, f"{trouble}. {fix or ''}".strip()) for path, trouble, fix in found if os.path.lexists(path)]


def _key(row: dict[str, Any]) -> Hashable:
    return *_file_of(row), row["status"], row["sample_id"]


def _file_of(row: dict[str, Any]) -> tuple[str, Hashable]:
    return row["manifest_path"], row["source_path"] or (row["manifest_line"], row["error_message"])


def _is_named(source: str | None, sources: _Sources | None) -> bool:
    return source is None or sources is None or source in sources.named


def _is_corrected(row: dict[str, Any], sources: _Sources | None) -> bool:
    if sources is None or row["source_path"] is None or row["status"] != Status.REJECTED:
        return False
    return row["source_path"] not in sources.rejected


def _sources_of(manifest: str) -> _Sources | None:
    """Return the files of a manifest; None where it does not say them all."""
    try:
        raw = read_manifest(manifest)
    except (Sp404Error, OSError):
        return None
    named = raw.frame["file_path"]
    if named.null_count() or not raw.rejects.is_empty():  # a kit's ids of samples; a row that could not be read
        return None
    rejected = validate(raw).rejects["file_path"].drop_nulls()
    return _Sources(*(frozenset(resolve_sources(paths.cast(pl.String), raw.folder)) for paths in (named, rejected)))
