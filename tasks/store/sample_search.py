"""Search the samples of the records: pages in an order, and how many have which value."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from schemas.spellings import fold_genres
from tasks.store.database import Connection, Database, run

_FILTERS = ("id", "kind", "format", "bpm_min", "bpm_max", "seconds_min", "seconds_max", "status", "flag", "in_kit")
# Values of a facet: more than anybody reads, and an answer of bounded size.
_MOST_VALUES = 500


@dataclass(frozen=True)
class FoundSamples:
    """``rows`` of one page of ``total`` samples. ``revision``: of the records that they were read from."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    revision: str = ""


@dataclass(frozen=True)
class SampleSearch:
    """The samples of one database; one that is not there yet has none.

    Filters are those of ``schemas.sample_api.SampleFilter``, and ``id``; what is left out lets all through. Raises what
    ``Database.connect`` raises.
    """

    database: Database

    def page(self, filters: dict[str, Any], sort: str, descending: bool, page: int, page_size: int) -> FoundSamples:
        """Return a page of the samples that the filters let through."""
        if not self.database.exists:
            return FoundSamples()
        window = {"sort": sort, "descending": descending, "most": page_size, "skip": (page - 1) * page_size}
        with self.database.connect() as connection:
            total = _find(connection, filters)
            return FoundSamples(run(connection, "list_samples", window).dicts(), total, self.database.revision())

    def facets(self, filters: dict[str, Any]) -> FoundSamples:
        """Count the samples that the filters let through by their values: ``facet``, ``value`` and ``samples``."""
        if not self.database.exists:
            return FoundSamples()
        with self.database.connect() as connection:
            total = _find(connection, filters)
            rows = run(connection, "count_facets", {"most": _MOST_VALUES}).dicts()
            return FoundSamples(rows, total, self.database.revision())


def _find(connection: Connection, filters: dict[str, Any]) -> int:
    """Put the samples that the filters let through into the table ``hits`` of this connection; return how many they are."""
    words = (filters.get("text") or "").lower().split()
    absent = [word[1:] for word in words if word.startswith("-") and word != "-"]
    present = [word for word in words if not word.startswith("-") or word == "-"]
    lists = {"genres": _spellings(connection, filters.get("genre") or []), "keys": filters.get("key") or []}
    parameters = {name: filters.get(name) for name in _FILTERS} | lists | {"present": present, "absent": absent}
    run(connection, "find_samples", parameters)
    return run(connection, "count_hits").one()


def _spellings(connection: Connection, wanted: list[str]) -> list[str]:
    """Return all spellings of these genres in the records; what is in none stays, and finds nothing."""
    if not wanted:
        return []
    known = pl.Series([name for (name,) in run(connection, "genres").rows], dtype=pl.String)
    same = known.filter(fold_genres(known).is_in(fold_genres(pl.Series(wanted)).implode()))
    return [*wanted, *same]
