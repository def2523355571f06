"""Tell which failures of past exports are still to be mended: by the records, and by the manifests as they are now."""

from typing import Any, NamedTuple

from schemas.errors import Sp404Error
from tasks.manifest.source_paths import resolve_sources
from tasks.manifest.table import read_manifest

Records = list[dict[str, Any]]


class SortedFailures(NamedTuple):
    """Failures that are still to be mended, and how many of the others were exported since, or are gone."""

    to_mend: Records
    exported: int
    gone: int


def sort_failures(failures: Records) -> SortedFailures:
    """Sort failures, as ``tasks.store.history.export_samples`` gives them.

    Gone are those whose file no row of the manifest names any more. Where the manifest cannot be read, none is.
    """
    waiting = [row for row in failures if not row["exported_since"]]
    sources = {manifest: _sources_of(manifest) for manifest in {row["manifest_path"] for row in waiting}}
    to_mend = [row for row in waiting if _is_there(row["source_path"], sources[row["manifest_path"]])]
    return SortedFailures(to_mend, len(failures) - len(waiting), len(waiting) - len(to_mend))


def _is_there(source: str | None, sources: frozenset[str] | None) -> bool:
    return source is None or sources is None or source in sources


def _sources_of(manifest: str) -> frozenset[str] | None:
    """Return the absolute paths of the files that a manifest names; None where it does not say them all."""
    try:
        raw = read_manifest(manifest)
    except (Sp404Error, OSError):
        return None
    named = raw.frame["file_path"]
    if named.null_count() or not raw.rejects.is_empty():  # a kit's ids of samples; a row that could not be read
        return None
    return frozenset(resolve_sources(named, raw.folder))
