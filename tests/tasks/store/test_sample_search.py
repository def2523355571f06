"""Pages of samples: an order that is kept is never one of records that were other ones."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks.store.database import Database
from tasks.store.sample_search import SampleSearch

_ASKED: tuple[tuple[dict[str, Any], str, bool], ...] = (
    ({}, "title", False),
    ({"text": "kick -7"}, "bpm", True),
    ({"status": "new"}, "genre", False),
)
_ROWS = """
INSERT INTO samples BY NAME SELECT
    i AS id, '/lib/' || i AS file_path, 'Kick ' || i AS title, ['a', 'b', NULL][1 + i % 3] AS genre,
    CASE WHEN i % 5 > 0 THEN 60 + i * 7 % 90 END AS bpm, now()::TIMESTAMP AS updated_at
FROM range(1, 60) AS t(i)
"""
_CHANGES = (
    _ROWS,
    "UPDATE samples SET title = 'Zap' WHERE id = 20",
    "DELETE FROM samples WHERE id = 7",
    "INSERT INTO last_status VALUES (3, 1, 1, 'failed')",
    "UPDATE samples SET bpm = 61 WHERE id = 30",
)


@pytest.mark.slow
def test_what_is_kept_is_never_old(tmp_path: Path) -> None:
    """The same pages and counts as another search gives that never saw the records before, also when they are kept."""
    path = tmp_path / "r.duckdb"
    database = Database(str(path), 5)
    with database.connect():
        pass
    search = SampleSearch(database)
    for change in _CHANGES:
        with duckdb.connect(str(path)) as connection:
            connection.execute(change)
        with database.hold():
            for asked in _ASKED:
                everything = SampleSearch(database).page(*asked, 1, 500)
                assert search.page(*asked, 1, 500) == everything
                assert search.page(*asked, 2, 10).rows == everything.rows[10:20]
                assert everything.total == len(everything.rows)
            facets = search.facets({})
            assert facets == SampleSearch(database).facets({})
            assert sum(row["samples"] for row in facets.rows if row["facet"] == "status") == facets.total
    assert len(search._kept) == 8
