"""What tests of exports after exports share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import nightly
from tests.support.nightly import Nightly, Spy


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated."""
    from tasks.store.database import connected

    path = tmp_path_factory.mktemp("template") / "empty.duckdb"
    with connected(str(path), 5):
        pass
    return path


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return nightly.spied(monkeypatch)


@pytest.fixture
def night(tmp_path: Path, spy: Spy, template: Path) -> Iterator[Nightly]:
    made = nightly.new(tmp_path / "n", spy, template)
    yield made
    made.let_go()
