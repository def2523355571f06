"""What the tests of the store share."""

from pathlib import Path

import pytest

from tasks.store.database import Database
from tasks.store.export_records import ExportTarget
from tests.support.exporting import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "db").mkdir()
    return Ledger(
        ExportTarget(Database(str(tmp_path / "db" / "records.duckdb"), 30.0), str(tmp_path / "m.csv"), str(tmp_path / "out"))
    )
