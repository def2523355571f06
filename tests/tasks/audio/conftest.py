"""What the tests of sound share."""

from pathlib import Path

import pytest

from tests.support.converting import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
