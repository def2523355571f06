"""Search the samples of the records: pages in an order, and how many have which value."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl

from schemas.spellings import fold_genres
from tasks.store.database import Connection, Database, frame, run

_FILTERS = ("id", "kind", "format", "bpm_min", "bpm_max", "seconds_min", "seconds_max", "status", "flag", "in_kit")
# The filters that a facet does not count by: beside what is chosen, one sees what else there is.
_OWN_FILTERS = {name: [name] for name in ("genre", "key", "kind", "format", "status")} | {"bpm": ["bpm_min", "bpm_max"]}
# Values of a facet: more than anybody reads, and an answer of bounded size.
_MOST_VALUES = 500
# Orders of ids (0.8 MB for 100,000 samples) and counts that are kept while the records are as they were: those asked for last.
_MOST_KEPT = 8
_ORDER = {"id": pl.Int64}
KeptT = TypeVar("KeptT")


@dataclass(frozen=True)
class FoundSamples:
    """``rows`` of one page of ``total`` samples. ``revision``: of the records that they were read from."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    revision: str = ""


@dataclass(frozen=True)
class SampleSearch:
    """The samples of one database; one that is not there yet has none.

    Filters are those of ``schemas.sample_api.SampleFilter``, ``id``, and ``shortest_ms``, by which the flag ``short`` judges;
    what is left out lets all through. Raises what ``Database.connect`` raises.
    """

    database: Database
    _kept: "OrderedDict[str, Any]" = field(default_factory=OrderedDict, compare=False, repr=False)

    def page(self, filters: dict[str, Any], sort: str, descending: bool, page: int, page_size: int) -> FoundSamples:
        """Return a page of the samples that the filters let through."""
        if not self.database.exists:
            return FoundSamples()
        how = {"sort": sort, "descending": descending}
        with self.database.connect() as connection:
            revision = self.database.revision()
            removed = self._removed(connection, revision, filters.get("id"))
            ids = self._keep([revision, filters, how], lambda: _order(connection, filters, removed, how))
            wanted = ids.slice((page - 1) * page_size, page_size).to_frame().with_row_index("place")
            return FoundSamples(run(connection, "list_samples", {}, wanted=wanted, removed=removed).dicts(), len(ids), revision)

    def ids(self, filters: dict[str, Any]) -> list[int]:
        """Return the ids of all samples that the filters let through, in their order."""
        if not self.database.exists:
            return []
        with self.database.connect() as connection:
            _find(connection, filters, self._removed(connection, self.database.revision()))
            return [number for (number,) in run(connection, "hit_ids").rows]

    def facets(self, filters: dict[str, Any]) -> FoundSamples:
        """Count the samples that the filters let through by their values: ``facet``, ``value`` and ``samples``.

        A facet is counted by all filters but its own, ``total`` by all.
        """
        if not self.database.exists:
            return FoundSamples()
        with self.database.connect() as connection:
            revision = self.database.revision()
            removed = self._removed(connection, revision)
            return self._keep([revision, filters], lambda: _count(connection, filters, removed, revision))

    def _removed(self, connection: Connection, revision: str, sample_id: int | None = None) -> pl.DataFrame:
        """Return the samples (all, or this one) whose last export had a file of them, of which none is recorded any more."""
        return self._keep([revision, "removed", sample_id], lambda: _find_removed(connection, sample_id))

    def _keep(self, key: list[Any], make: Callable[[], KeptT]) -> KeptT:
        """Return what was made for this key, or make it now. Needs ``connect()``, in which threads take turns."""
        name = json.dumps(key, sort_keys=True)
        if name not in self._kept:
            self._kept[name] = make()
        self._kept.move_to_end(name)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        kept: KeptT = self._kept[name]
        return kept


def _find_removed(connection: Connection, sample_id: int | None) -> pl.DataFrame:
    wanted = frame(connection, "without_outputs", {"id": sample_id}, _ORDER)
    return frame(connection, "removed_samples", {}, _ORDER, wanted=wanted) if wanted.height else wanted


def _order(connection: Connection, filters: dict[str, Any], removed: pl.DataFrame, how: dict[str, Any]) -> pl.Series:
    _find(connection, filters, removed)
    return frame(connection, "order_samples", how, _ORDER)["id"]


def _count(connection: Connection, filters: dict[str, Any], removed: pl.DataFrame, revision: str) -> FoundSamples:
    total = _find(connection, filters, removed)
    rows = _count_hits(connection)
    for facet, own in _OWN_FILTERS.items():
        if any(filters.get(name) not in (None, []) for name in own):
            _find(connection, filters | dict.fromkeys(own), removed)
            rows = [row for row in rows if row["facet"] != facet]
            rows += [row for row in _count_hits(connection) if row["facet"] == facet]
    return FoundSamples(rows, total, revision)


def _count_hits(connection: Connection) -> list[dict[str, Any]]:
    return run(connection, "count_facets", {"most": _MOST_VALUES}).dicts()


def _find(connection: Connection, filters: dict[str, Any], removed: pl.DataFrame) -> int:
    """Put the samples that the filters let through into the table ``hits`` of this connection; return how many they are."""
    words = (filters.get("text") or "").lower().split()
    absent = [word[1:] for word in words if word.startswith("-") and word != "-"]
    present = [word for word in words if not word.startswith("-") or word == "-"]
    lists = {"genres": _spellings(connection, filters.get("genre") or []), "keys": filters.get("key") or []}
    parameters = (
        {name: filters.get(name) for name in (*_FILTERS, "shortest_ms")} | lists | {"present": present, "absent": absent}
    )
    run(connection, "find_samples", parameters, removed=removed)
    return run(connection, "count_hits").one()


def _spellings(connection: Connection, wanted: list[str]) -> list[str]:
    """Return all spellings of these genres in the records; what is in none stays, and finds nothing."""
    if not wanted:
        return []
    known = pl.Series([name for (name,) in run(connection, "genres").rows], dtype=pl.String)
    same = known.filter(fold_genres(known).is_in(fold_genres(pl.Series(wanted)).implode()))
    return [*wanted, *same]
