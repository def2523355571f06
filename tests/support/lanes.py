"""Hooks of pytest: which tests share a worker of pytest-xdist, and what is said at the end about faults."""

from typing import Any

import pytest

from tests.support import means

_TRIED = "faults_tried"


def named(config: pytest.Config) -> bool:
    """Return whether the command line names what to run; else all of ``testpaths`` runs."""
    return config.args_source is pytest.Config.ArgsSource.ARGS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests under the Prefect server to one worker: so there is one server, and not one for each worker."""
    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("prefect"))


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
