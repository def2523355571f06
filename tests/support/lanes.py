"""Hooks of pytest: what belongs to which lane, which tests share a worker of pytest-xdist, and what is said about faults."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

from tests.support import means

_TRIED = "faults_tried"
# All tests under the Prefect server of the session: so there is one, and not one for each worker.
_UNDER_PREFECT = ("tests/flows/orchestration/test_", "tests/flows/service/test_supervisor")
# Files whose tests share what fixtures of the module start or make.
_SHARING = {
    "tests/faults/test_cards.py",
    "tests/faults/test_injected.py",
    "tests/flows/api/test_downloads.py",
    "tests/flows/api/test_exports.py",
    "tests/flows/api/test_library.py",
    *(f"tests/flows/api/page/test_{name}.py" for name in ("accessibility", "card", "exporting", "kits", "library", "states")),
    "tests/flows/export/test_verify.py",
    "tests/tasks/audio/decode/test_truncated.py",
}
# Files whose tests share something by their parameter.
_BY_PARAMETER = {"tests/faults/test_kills.py"}
# What takes a minute and cannot be divided is begun first, longest first: else one worker has it when the others are done.
_FIRST = (
    "prefect",
    "tests/flows/api/test_openapi.py::test_schemathesis",
    "tests/flows/export/test_world_moves.py",
    "tests/faults/test_injected.py",
    "tests/flows/api/page/test_kits.py",
    "tests/flows/api/page/test_accessibility.py",
    "tests/faults/test_kills.py",
    "tests/flows/api/page/",
    "tests/faults/test_cards.py",
    "tests/flows/export/test_hostile_paths.py",
    "tests/faults/test_fuzz.py",
)


# Whether the fast lane runs alone, of which properties of seconds are asked a part.
_fast = False


def examples(count: int) -> int:
    """Return of how many examples a property marked ``thorough`` is asked: in the fast lane a fifth."""
    return max(count // 5, 2) if _fast else count


def long_examples(count: int) -> int:
    """Return of how many examples a property of minutes is asked: of half where each run tries the same ones again."""
    return count // 2 if settings().derandomize else count


def choose(config: pytest.Config) -> None:
    """Note which lane runs, before any test is imported."""
    global _fast  # noqa: PLW0603  (decorators ask, which know no configuration)
    _fast = config.option.markexpr == "not slow"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask properties of seconds again in the slow lane, of all their examples. Put what takes longest first."""
    if config.option.markexpr == "slow":
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker("slow")
    if hasattr(config, "workerinput"):
        sizes = Counter(group_of(item.nodeid) for item in items)
        items.sort(key=lambda item: (_rank(group_of(item.nodeid)), -sizes[group_of(item.nodeid)]))


def _rank(group: str) -> int:
    """Return the place of a group in the order in which groups are begun. Of those with the same, the largest comes first."""
    return next((place for place, first in enumerate(_FIRST) if group.startswith(first)), len(_FIRST))


def named(config: pytest.Config) -> bool:
    """Return whether the command line names what to run; else all of ``testpaths`` runs."""
    return config.args_source is pytest.Config.ArgsSource.ARGS


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests that share something dear to one worker, and each of the others to whichever is free.

    By the tests' files, not by marks: with pytest 9.2, pytest-xdist 3.8 loses the groups of ``xdist_group``.
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # groups are begun in the order of their first tests

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Scheduler(config, log)


def group_of(nodeid: str) -> str:
    """Return the name of what a test shares with others: a server, a module's fixtures, a scene; else the test's own name."""
    file, _, name = nodeid.partition("::")
    if file.startswith(_UNDER_PREFECT):
        return "prefect"
    if file in _BY_PARAMETER and "[" in name:
        return f"{file} {name.partition('[')[2]}"
    return file if file in _SHARING else nodeid


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the summary, if this one is a worker of it, which means of making faults were tried."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_TRIED] = sorted(means.TRIED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has tried."""
    means.TRIED.update(getattr(node, "workeroutput", {}).get(_TRIED, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one place which faults were made for real, and which this machine cannot make."""
    tried = [name for name in means.MEANS if name in means.TRIED]
    if not tried:
        return
    missing = {name: means.missing(name) for name in tried}
    terminalreporter.section("faults", "-", bold=False)
    terminalreporter.line(f"made for real: {', '.join(name for name in tried if not missing[name])}")
    for reason in filter(None, missing.values()):
        terminalreporter.line(f"not possible here: {reason}")
