"""A library in the records, and the REST API over it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api_library import recorded_library, serve_library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that was exported once from its manifest, so that the records know it; then one of its files went away."""
    made = tmp_path_factory.mktemp("api")
    recorded_library(made)
    (made / "lib/gone.wav").unlink()
    return made


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[httpx.Client]:
    """The REST API over that library."""
    with pytest.MonkeyPatch.context() as monkeypatch, serve_library(monkeypatch, folder) as client:
        yield client
