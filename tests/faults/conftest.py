"""Fixtures of the faults. Which of them this machine cannot make is said at the end (tests/support/lanes.py)."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import means
from tests.support.faults import Export, Library, Undisturbed, make_library


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"faults(*means): makes faults for real; needs these means of this machine: {', '.join(means.MEANS)}"
    )


@pytest.fixture(autouse=True)
def _means(request: pytest.FixtureRequest) -> None:
    names = tuple(name for marker in request.node.iter_markers("faults") for name in marker.args)
    if names:
        # All are tried at the first test that needs any.
        means.TRIED.update(means.MEANS)
        skip, fail = means.verdicts(names)
        if fail:
            pytest.fail(fail, pytrace=False)
        if skip:
            pytest.skip(skip)


@pytest.fixture(scope="session")
def _common_ground() -> Iterator[Path]:
    """Make a folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="sp404-faults-"))
    folder.chmod(0o755)
    yield folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ground(_common_ground: Path, tmp_path: Path) -> Iterator[Path]:
    """Make a test's own folder, of which every user may read all."""
    folder = _common_ground / tmp_path.name
    folder.mkdir()
    yield folder
    leftover = [path for path in sorted(folder.rglob("*"), reverse=True) if path.is_dir() and os.path.ismount(path)]
    for path in leftover:
        means.unmount(path)
    shutil.rmtree(folder, ignore_errors=True)
    assert not leftover, f"a test left these mounted: {leftover}"


@pytest.fixture(scope="session")
def library(_common_ground: Path) -> Library:
    """96 short samples in 4 genres, eight shards; not to be changed: ``Library.copy`` is."""
    return make_library(_common_ground / "library", 96)


@pytest.fixture(scope="session")
def undisturbed(_common_ground: Path, library: Library) -> Undisturbed:
    """Return what a run in good surroundings writes, by its options; each runs once a session."""
    return Undisturbed(library, _common_ground / "undisturbed")


@pytest.fixture
def export(ground: Path, library: Library) -> Export:
    """Return the export of ``library`` into this test's own folders."""
    return Export(library.manifest, ground / "out", ground / "records/r.duckdb", ground / "home")
