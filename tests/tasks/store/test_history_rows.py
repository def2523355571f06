"""The last status of each sample is what grouping all history by sample says, whatever is added and removed."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.enums import Status
from schemas.records import EXPORT_SAMPLES
from tasks.store.database import Database
from tasks.store.history_rows import clear_history_rows, put_history_rows
from tests.support.exporting import Ledger
from tests.support.lanes import examples
from tests.support.records import WRONG_LAST_STATUS

_LINES = st.integers(2, 6)
_ROWS = st.dictionaries(_LINES, st.tuples(st.none() | st.integers(1, 3), st.sampled_from(Status)), max_size=5)
_PUT = st.tuples(st.integers(1, 4), _ROWS)
_CLEAR = st.dictionaries(st.integers(1, 4), st.sets(_LINES), min_size=1)


def _frame(rows: dict[int, tuple[int | None, Status]]) -> pl.DataFrame:
    numbers = {"output_bytes": 1, "output_frames": 1, "conversion_seconds": 0.1}
    plain = numbers | {"conversion_successful": True, "owns_output": True}
    made = [
        plain | {"manifest_line": line, "sample_id": number, "status": str(status)} for line, (number, status) in rows.items()
    ]
    return pl.DataFrame(made, {name: column.dtype.type for name, column in EXPORT_SAMPLES.columns.items()})


def _lines(numbers: set[int]) -> pl.DataFrame:
    return pl.DataFrame({"manifest_line": sorted(numbers)}, {"manifest_line": pl.Int64})


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database(str(tmp_path_factory.mktemp("history") / "r.duckdb"), 5)


@pytest.mark.thorough
@settings(max_examples=examples(25), deadline=None)
@given(st.lists(_PUT | _CLEAR, max_size=8))
def test_whatever_is_added_and_removed(empty: Database, steps: list[object]) -> None:
    with empty.connect() as connection:
        connection.begin()
        for step in steps:
            if isinstance(step, dict):
                kept = {number: _lines(numbers) for number, numbers in step.items()}
                clear_history_rows(connection, kept)
            else:
                number, rows = step
                put_history_rows(connection, number, _frame(rows))
            assert connection.execute(WRONG_LAST_STATUS).fetchall() == []
        connection.rollback()


@pytest.mark.slow
def test_an_older_database_gets_it_from_its_history(ledger: Ledger) -> None:
    ledger.record({"source": "/a.wav"}, {"source": "/b.wav"})
    ledger.record({"source": "/b.wav"})
    ledger.tell("DROP TABLE last_status")
    ledger.tell("DELETE FROM schema_version WHERE version >= 11")
    ledger.begin({"source": "/b.wav"})
    assert ledger.ask(WRONG_LAST_STATUS) == []
    assert ledger.ask("SELECT sample_id, export_id FROM last_status ORDER BY 1") == [(1, 1), (2, 2)]
