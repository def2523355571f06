"""What the tests of the store share."""

from pathlib import Path

import pytest

from tasks.store.export_records import Place
from tests.support.exporting import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "db").mkdir()
    return Ledger(Place(str(tmp_path / "db" / "records.duckdb"), str(tmp_path / "m.csv"), str(tmp_path / "out"), 30.0))
