"""Pages of samples: an order that is kept is never one of records that were other ones."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks.store.database import Database, run
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
_HISTORY = """
INSERT INTO sp404_export_samples BY NAME SELECT
    1 AS export_id, i AS sample_id, i || '.wav' AS output_filename, '' AS output_subfolder, status NOT IN ('failed') AS
    conversion_successful, status, hash AS file_hash, i AS manifest_line, 1 AS output_bytes, 1 AS output_frames,
    0.01 AS conversion_seconds, true AS owns_output
FROM (VALUES (1, 'exported', 'a'), (2, 'exported', 'b'), (3, 'exported', NULL), (4, 'unchanged', NULL), (5, 'unchanged', 'e'),
    (6, 'failed', NULL), (7, 'exported', 'g'), (8, 'exported', 'h')) AS t(i, status, hash)
"""
_OUTPUTS = """
INSERT INTO outputs BY NAME SELECT
    '/out' AS output_path, i || '.wav' AS path, 1 AS export_id, '/m.csv' AS manifest_path, 'flat' AS organized_by,
    'wav' AS format, i AS sample_id, '/lib/' || source AS source_path, 'exported' AS status, 1 AS output_bytes,
    1 AS output_frames, 0.01 AS conversion_seconds
FROM (VALUES (1, 1), (5, 5), (777, 7)) AS t(i, source)
"""
_CARD = """
INSERT INTO card_files BY NAME SELECT
    'c' AS card_id, '8.wav' AS path, 'h' AS file_hash, 1 AS output_bytes, 1 AS export_id, '/out' AS output_path,
    '/m.csv' AS manifest_path, '/lib/8' AS source_path, now()::TIMESTAMP AS written_at
"""


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


def test_samples_of_which_no_file_is_recorded_are_removed(tmp_path: Path) -> None:
    """Not where a file stands under another id, on a card, or stood there before, by somebody else; and not what failed."""
    path = tmp_path / "r.duckdb"
    database = Database(str(path), 5)
    with database.connect() as connection:
        for statement in (_ROWS, _HISTORY, _OUTPUTS, _CARD):
            connection.execute(statement)
        run(connection, "restore_last_status")
    search = SampleSearch(database)
    with database.hold():
        rows = search.page({}, "id", False, 1, 500).rows
        assert [row["id"] for row in rows if row["removed"]] == search.ids({"status": "removed"}) == [2, 4]
        assert search.ids({"status": "there"}) == [1, 3, 5, 7, 8]
        for number, removed in ((1, False), (2, True), (6, False)):
            assert search.page({"id": number}, "id", False, 1, 1).rows[0]["removed"] is removed
        facets = search.facets({"status": "removed"})
        counted = {row["value"]: row["samples"] for row in facets.rows if row["facet"] == "status"}
        assert (facets.total, counted) == (2, {"exported": 4, "unchanged": 1, "failed": 1, "removed": 2, "new": 51})
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM outputs WHERE sample_id = 5")
    assert search.ids({"status": "removed"}) == [2, 4, 5]
