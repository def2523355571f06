"""What tests of the command line share."""

from pathlib import Path

import pytest

from tests.support import worked


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    worked.make(folder)
    return folder
