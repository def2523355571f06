"""What all tests share: homes of their own, one Prefect server a session, ``sp404`` in this process, exports after exports."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT, lanes

if TYPE_CHECKING:  # many tests need nothing of these, and Prefect alone takes 2 s
    from tests.support.command_line import Run
    from tests.support.nightly import Nightly, Spy

# Nothing of the person's own settings, records or Prefect home takes part in a test.
for _name in [name for name in os.environ if name.startswith(("SP404_", "PREFECT_"))]:
    del os.environ[_name]
os.environ["DO_NOT_TRACK"] = "1"
# Hundreds of processes would compile the same modules again, 2 s for an export, 7 s for a server; still nothing beside sources.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(ROOT / ".pytest_cache/bytecode")
    sys.dont_write_bytecode = False
# Each of several workers has a core at the most: threads that wait for each other there cost a fifth of an export.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars

    polars.thread_pool_size()  # read once; processes that tests start have as many as anybody's
    del os.environ["POLARS_MAX_THREADS"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks of the lanes, and run a slow test that is named on the command line."""
    config.pluginmanager.register(lanes, "lanes")
    if lanes.named(config) and all("::" in argument for argument in config.args) and config.option.markexpr == "not slow":
        config.option.markexpr = ""
    lanes.choose(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Start no workers where only files are named: that would take longer than their tests."""
    return 0 if lanes.named(config) and all(".py" in argument for argument in config.args) else None


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home and a working folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a whole Prefect server, its scheduler included, with this project's settings; return its address."""
    from tests.support.prefect_servers import session_server

    with session_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api


@pytest.fixture
def sp404(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> "Run":
    """Run the console script's main in this process."""
    from tests.support import command_line

    return command_line.runner(capfd, monkeypatch)


@pytest.fixture
def uncontained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, for tests in which isolation has no part: two workers take half a second to start."""
    monkeypatch.setenv("SP404_CONTAINED", "false")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an empty database, migrated."""
    from tests.support import nightly

    return nightly.empty_database(tmp_path_factory.mktemp("template") / "empty.duckdb")


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> "Spy":
    """Return what the workers and the hashing are called with, in this process."""
    from tests.support import nightly

    return nightly.spied(monkeypatch)


@pytest.fixture
def night(tmp_path: Path, spy: "Spy", template: Path) -> "Nightly":
    """Return a library that is exported again and again."""
    from tests.support import nightly

    return nightly.new(tmp_path / "n", spy, template)
