"""After an interrupted run: what it did not reach is compared with the run before it, and no mending or failure is invented."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flows.orchestration import artifacts
from tasks.store.database import Database
from tasks.store.export_summary import ExportSummary, summarize_export
from tests.support import nightly
from tests.support.command_line import Run
from tests.support.nightly import Nightly

Interrupt = Callable[[], None]


@pytest.fixture
def six(night: Nightly) -> Nightly:
    """Four samples that are exported, and two whose files are missing: those can be mended."""
    for n in range(4):
        night.add(f"s{n}.wav", 300 + 20 * n)
    night.add("y.wav")
    night.add("z.wav")
    night.export()
    return night


@pytest.fixture
def interrupt(six: Nightly, monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Begin an export of everything, and kill it after the first two samples."""
    return lambda: nightly.killed(six, monkeypatch, merged=1, full=True)


def summary(night: Nightly, export_id: int) -> ExportSummary:
    return summarize_export(Database(str(night.db), 5), export_id, 9, 9)


def changes(night: Nightly, export_id: int) -> dict[str, int]:
    found = summary(night, export_id).changes or {}
    return {name: found[name] for name in ("new", "gone", "converted_again", "healed", "newly_failing") if found[name]}


def status(sp404: Run, night: Nightly) -> dict[str, Any]:
    said = sp404("status", "--json", "--db", night.db)
    assert said.status == 0, said.out
    last: dict[str, Any] = json.loads(said.out)["last"]
    return last


def test_what_was_not_reached_is_neither_mended_nor_failed(six: Nightly, interrupt: Interrupt, sp404: Run) -> None:
    interrupt()
    batch = six.export()
    assert batch.export_id == 3
    assert six.ask("SELECT count(*) FROM sp404_export_samples WHERE export_id = 2 AND reason = 'not_reached'") == [(4,)]
    assert changes(six, 3) == {}
    last = status(sp404, six)
    assert (last["mended"], last["again"], last["failing"], last["not_reached"]) == ([], 2, 2, 0)
    assert last["compared_with"] == [2, 1]
    said = sp404("status", "--db", six.db).out
    assert "Export 2 was interrupted: what it did not reach is compared with export 1" in said
    assert "all of them failed in the run before, too" in said
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=Database(str(six.db), 5)))
    report = artifacts.report_markdown(running, batch, summary(six, 3))
    assert (
        "- New: 0 new, 0 written again\n- Export 2 was interrupted: what it did not reach is compared with export 1\n" in report
    )
    assert "What changed" not in report
    six.export()
    last = status(sp404, six)
    assert (last["compared_with"], last["comparison"]) == ([3], "")


def test_what_was_mended_and_what_fails_is_found_across_it(six: Nightly, interrupt: Interrupt, sp404: Run) -> None:
    interrupt()
    six.sound("y.wav", 900)
    (six.lib / "s3.wav").unlink()
    batch = six.export()
    assert changes(six, batch.export_id) == {"healed": 1, "newly_failing": 1}
    found = summary(six, batch.export_id).changes or {}
    assert [found["healed_files"], found["newly_failing_files"]] == [[str(six.lib / "y.wav")], [str(six.lib / "s3.wav")]]
    last = status(sp404, six)
    assert last["mended"] == [str(six.lib / "y.wav")]
    assert (last["again"], last["examples"][0]) == (1, str(six.lib / "s3.wav"))


def test_it_counts_what_the_interrupted_run_did_reach(six: Nightly, interrupt: Interrupt, sp404: Run) -> None:
    """It is the run before of what it exported or failed to: so a failure of it is mended, and one of before it is none."""
    (six.lib / "s0.wav").rename(six.lib / "away.wav")
    interrupt()
    (six.lib / "away.wav").rename(six.lib / "s0.wav")
    batch = six.export()
    assert changes(six, batch.export_id) == {"healed": 1}
    assert status(sp404, six)["mended"] == [str(six.lib / "s0.wav")]


def test_the_interrupted_run_itself_has_no_failures_of_what_it_did_not_reach(
    six: Nightly, interrupt: Interrupt, sp404: Run
) -> None:
    interrupt()
    six.export(organize_by="genre")  # which ends the killed one
    six.ask("DELETE FROM sp404_exports WHERE id = 3")
    six.ask("DELETE FROM sp404_export_samples WHERE export_id = 3")
    assert changes(six, 2) == {"converted_again": 2}
    last = status(sp404, six)
    assert (last["export_id"], last["failing"], last["not_reached"], last["again"]) == (2, 4, 4, 0)
    assert (last["mended"], last["examples"]) == ([], [])
    said = sp404("status", "--db", six.db).out
    assert "2 exported, 0 unchanged, 0 not exported, 4 not reached" in said
    assert "in the run before" not in said


def test_history_lists_failures_and_counts_what_was_not_reached(six: Nightly, interrupt: Interrupt, sp404: Run) -> None:
    interrupt()
    six.export(organize_by="genre", sample_ids=(1,))
    said = sp404("history", "--failed", "--db", six.db).out
    assert "Export 1, just now, not exported: 2\n" in said
    assert "2 files: not reached by a run that was interrupted; the next export does so (--all shows them, too)" in said
    assert "Not converted" not in said
    assert "Not converted" in sp404("history", "--failed", "--all", "--db", six.db).out
    six.export()
    said = sp404("history", "--failed", "--db", six.db).out
    assert "Before that, too: 2" in said
    assert "not reached" not in said


def test_where_no_run_came_to_its_end_what_was_not_reached_is_new(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(6):
        night.add(f"s{n}.wav", 300 + 20 * n)
    nightly.killed(night, monkeypatch, merged=1)
    night.export(full=True)
    assert changes(night, 2) == {"new": 4, "converted_again": 2}
    assert (summary(night, 2).changes or {})["new_files"] == [str(night.lib / f"s{n}.wav") for n in (2, 3, 4)]
