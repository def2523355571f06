"""The names of runs in Prefect's UI, and what its log says of files that a night left out."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from config.settings import load
from flows.export.stages import ResolvedRequest
from flows.orchestration import artifacts, flow
from schemas.enums import ExportType, OrganizeBy
from schemas.export import ExportRequest
from schemas.report import BatchExportResult
from schemas.scan_report import SkippedFile
from tasks.store.database import Database
from tasks.store.export_records import ExportTarget
from tasks.store.export_summary import ExportSummary
from tasks.store.run_folder import requests_folder

DATABASE = Database("/records/r.duckdb", 1)
RESOLVED: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m"), settings=None)


def draft(manifest: str, requested: int, kind: ExportType, title: str = "", label: str = "") -> Any:
    return SimpleNamespace(
        target=SimpleNamespace(manifest=manifest, database=DATABASE),
        requested=requested,
        resolved=SimpleNamespace(export_type=kind),
        rows=pl.DataFrame({"title": [title] * requested}),
        settings=SimpleNamespace(organize_by=OrganizeBy.BPM),
        request=SimpleNamespace(label=label),
    )


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (draft("/m/library.csv", 1316, ExportType.BATCH), "library by bpm, 1,316 samples"),
        (draft("/m/library.csv", 1, ExportType.SINGLE, "Kick"), "library by bpm, Kick"),
        (draft(f"{requests_folder(DATABASE)}/3fa9.ndjson", 12, ExportType.BATCH), "12 samples, by bpm"),
        (draft(f"{requests_folder(DATABASE)}/3fa9.ndjson", 1, ExportType.SINGLE, "Kick"), "Kick, by bpm"),
        (draft(f"{requests_folder(DATABASE)}/3fa9.ndjson", 1, ExportType.SINGLE), "1 sample, by bpm"),
        (draft("/m/library.csv", 2, ExportType.BATCH, label="mine"), "mine"),
        (draft("/m/Techno Kit/drumkit.xml", 20, ExportType.KIT), "Techno Kit by bpm, 20 samples"),
    ],
)
def test_a_run_is_named_by_its_samples_and_never_by_a_hash(run: Any, name: str) -> None:
    assert artifacts.run_name(run) == name


def test_the_log_of_a_night_names_what_the_scan_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = [SkippedFile(path=f"/lib/bad {number}.wav", why="no audio", fix="Get it.") for number in range(5)]
    lacking.append(SkippedFile(path="/lib/kept.wav", why="no audio", fix="Get it.", has_row=True))
    found = SimpleNamespace(added=["a"], moved=[], gone=[], rows=9, lacking=lacking, empty=["/lib/void.wav"])
    monkeypatch.setattr("flows.rescan.scanned_folders", lambda _manifest, _settings: ["/lib"])
    monkeypatch.setattr(flow.prefect_tasks, "as_task", lambda _function, _name: lambda *_: found)
    with caplog.at_level(logging.INFO, "sp404"):
        end = flow._look_for_new_samples(RESOLVED, None)
    left_out = "5 x left out, since it cannot be read (bad 0.wav, bad 1.wav, bad 2.wav, ...)"
    assert end == f"{left_out}. 1 x empty (void.wav)"
    assert "Left out: /lib/bad 0.wav: no audio. Get it." in caplog.messages
    assert "Cannot be read now, its row stays: /lib/kept.wav: no audio. Get it." in caplog.messages
    summary, running = (
        ExportSummary(None, None, [], [], [], [], []),
        SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE)),
    )
    report = artifacts.report_markdown(running, batch(), summary, end)  # type: ignore[arg-type]
    assert "- Beside these, not in the manifest: 5 x left out" in report
    assert any("sp404 scan /lib -o " in message for message in caplog.messages)
    assert (
        "5 x left out, since it cannot be read (bad 0.wav, bad 1.wav, bad 2.wav, ...). `sp404 scan` says why" in caplog.messages
    )


def test_the_log_of_a_night_names_the_folders_that_are_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flow.prefect_tasks, "as_task", lambda _function, _name: lambda *_: None)
    monkeypatch.setattr("flows.rescan.scanned_folders", lambda _manifest, _settings: ["/mnt/drums", "/mnt/loops"])
    with caplog.at_level(logging.INFO, "sp404"):
        flow._look_for_new_samples(RESOLVED, None)
    assert "/mnt/drums, /mnt/loops" in caplog.text


@pytest.mark.parametrize(
    ("failures", "is_selection", "kinds"),
    [([{"file": "a.wav"}], False, ["table"]), ([{"file": "a.wav"}], True, ["table"]), ([], False, ["text"]), ([], True, [])],
)
def test_after_a_green_night_no_table_of_rejects_is_left(
    monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, str]], is_selection: bool, kinds: list[str]
) -> None:
    """The UI shows the newest under its key; a client's sample that went well hides nothing of the night's."""
    published: list[str] = []

    def keep(kind: str) -> Callable[..., None]:
        return lambda _data, key, description: published.append(kind) if key == "rejected-samples" else None

    monkeypatch.setattr(artifacts, "create_table_artifact", keep("table"))
    monkeypatch.setattr(artifacts, "create_markdown_artifact", keep("text"))
    for name in ("report_markdown", "charts_markdown"):
        monkeypatch.setattr(artifacts, name, lambda *_: "")
    monkeypatch.setattr(artifacts, "summarize_export", lambda *_: SimpleNamespace(failures=failures, changes=None, compared=[]))
    running: Any = SimpleNamespace(
        target=SimpleNamespace(database=DATABASE, manifest="/m"),
        settings=SimpleNamespace(nightly_card=""),
        draft=SimpleNamespace(resolved=SimpleNamespace(is_selection=is_selection)),
    )
    artifacts.publish_report(running, batch(failed=len(failures), successful=3 - len(failures)))
    assert published == kinds


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({}, "All samples are there"),
        ({"failed": 1, "successful": 2}, "Done, but not every sample could be exported"),
        ({"failed": 3, "successful": 0}, "No sample could be exported"),
        ({"failed": 2, "not_reached": 2, "successful": 1}, "Stopped before its end"),
        ({"no_card": "no card is there"}, "All samples are exported, but not where they were to go"),
    ],
)
def test_the_report_begins_with_what_became_of_it(counts: dict[str, Any], verdict: str) -> None:
    summary = ExportSummary(None, None, [], [], [], [], [])
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE))
    assert artifacts.report_markdown(running, batch(**counts), summary).splitlines()[0] == f"# {verdict}"


def test_what_failed_since_the_run_before_is_named_in_the_first_lines() -> None:
    changes = {"new": 0, "converted_again": 0, "gone": 0, "healed": 0, "newly_failing": 4}
    changes |= {"newly_failing_files": [f"/lib/{name}.wav" for name in "abcd"]}
    summary = ExportSummary(
        {"id": 1, "run_by": "", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}, changes, [], [], [], [], []
    )
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE))
    report = artifacts.report_markdown(running, batch(failed=9, successful=2, total_requested=11), summary)
    assert (
        "- Not exported: 9, 4 of them new (`a.wav`, `b.wav`, `c.wav`, ...), which the run before exported;"
        " the table `rejected-samples` names every file"
    ) in report


def test_the_card_of_the_nights_is_used_if_it_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Else the night exports without it, and says why; a card that has no IMPORT yet is not initialized."""
    place = tmp_path / "CARD"

    def night(card: str, asked: str | None = None) -> tuple[str | None, str]:
        settings = load({"nightly_card": card}, lambda _db, _seconds: {}).settings
        request = ExportRequest(manifest="/m.csv", card=asked)
        target = ExportTarget(Database(str(tmp_path / "r.duckdb"), 1), "/m.csv", "/out")
        resolved, no_card = flow._with_nightly_card(ResolvedRequest(request, settings, target))
        return resolved.request.card, no_card

    with caplog.at_level(logging.WARNING, "sp404"):
        assert night(str(place)) == (None, f"The card {place} is not there: not current")
        assert f"The card {place} is not there: not current. Put the card in" in caplog.text
        place.mkdir()
        assert night(str(place)) == (None, f"The card {place} is empty: not current")
        (place / "holiday.jpg").touch()
        assert "is not a card of the SP-404MKII" in night(str(place))[1]
        assert [path.name for path in place.iterdir()] == ["holiday.jpg"]
        caplog.clear()
        (place / "IMPORT").mkdir()
        assert night(str(place)) == (str(place), "")
        assert night("") == (None, "")
        assert night(str(tmp_path / "away"), asked="/media/other") == ("/media/other", "")
        assert caplog.text == ""


def test_the_report_says_why_the_card_of_the_nights_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a card lacks of which the records know; where there never was one, it has no such line."""
    summary, told = ExportSummary(None, None, [], [], [], [], []), list[str]()
    monkeypatch.setattr(artifacts, "summarize_export", lambda *_: summary)
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda text, **_: told.append(text))
    monkeypatch.setattr(artifacts.card_files, "last_card_of", lambda *_: ("id", "/c"))
    monkeypatch.setattr(artifacts, "count_behind", lambda *_: (3, 0))
    running: Any = SimpleNamespace(
        target=SimpleNamespace(database=DATABASE, manifest="/m"),
        settings=SimpleNamespace(nightly_card="/nights"),
        draft=SimpleNamespace(resolved=SimpleNamespace(is_selection=False)),
    )
    artifacts.publish_report(running, batch(), no_card="The card /nights is not there: not current")
    assert "- New: the first run\n- The card /nights is not there: not current\n- The card `/c` is not current: 3 fi" in told[0]
    told.clear()
    artifacts.publish_report(running, batch(no_card="/c is full"))
    assert "3 files are missing" not in told[0]
    monkeypatch.setattr(artifacts.card_files, "last_card_of", lambda *_: None)
    told.clear()
    artifacts.publish_report(running, batch())
    assert "The card" not in told[0]


CHANGES = {"new": 4, "converted_again": 2, "gone": 0, "healed": 1, "newly_failing": 1}
NAMED = {
    "new_files": ["/lib/door.wav", "/lib/kick.wav", "/lib/rain.wav"],
    "converted_again_files": ["/lib/a.wav", "/lib/b.wav"],
}
NAMED |= {"healed_files": ["/lib/c.wav"], "newly_failing_files": ["/lib/d.wav"]}
BEFORE = {"id": 6, "run_by": "", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "interrupted": False}


def changed(changes: dict[str, Any], *compared: dict[str, Any]) -> ExportSummary:
    slowest = [{"seconds": 0.5, "path": "a.wav", "source_path": "/lib/a.wav"}]
    return ExportSummary(compared[0], changes, [], [], slowest, [], [], list(compared))


def test_the_first_lines_name_what_is_new_and_what_was_written_again() -> None:
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE))
    report = artifacts.report_markdown(running, batch(), changed(CHANGES | NAMED, BEFORE))
    assert (
        "- New: 4 new (`door.wav`, `kick.wav`, `rain.wav`, ...), 2 written again (`a.wav`, `b.wav`), 1 mended (`c.wav`)"
        in report
    )
    report = artifacts.report_markdown(running, batch(), changed(dict.fromkeys(CHANGES, 0), BEFORE))
    assert "- New: 0 new, 0 written again\n" in report


def test_the_first_lines_say_what_is_compared_where_the_run_before_was_interrupted() -> None:
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE))
    cut = BEFORE | {"id": 7, "interrupted": True}
    for compared, words in (
        ((cut,), "Export 7 was interrupted: what it did not reach counts as new"),
        ((cut, BEFORE), "Export 7 was interrupted: what it did not reach is compared with export 6"),
        (
            (cut | {"id": 8}, cut, BEFORE),
            "Export 8 was interrupted: what it did not reach is compared with the runs before it, back to export 6",
        ),
    ):
        assert f"\n- {words}\n" in artifacts.report_markdown(running, batch(), changed(CHANGES, *compared))
    assert "interrupted" not in artifacts.report_markdown(running, batch(), changed(CHANGES, BEFORE))


@pytest.mark.parametrize("waits", [True, False])
def test_the_log_tells_what_the_report_says_is_new(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waits: bool
) -> None:
    """As a warning what fails now, but where the command line says so itself."""
    monkeypatch.setattr(artifacts.run_context, "current_context", lambda: waits or None)
    with caplog.at_level(logging.INFO, "sp404"):
        artifacts.log_changes(changed(CHANGES | NAMED, BEFORE))
        artifacts.log_changes(changed(dict.fromkeys(CHANGES, 0), BEFORE))
        artifacts.log_changes(ExportSummary(None, None, [], [], [], [], []))
    good = "4 new (door.wav, kick.wav, rain.wav, ...), 2 written again (a.wav, b.wav), 1 mended (c.wav)"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", f"Since the run before: {good}"),
        ("INFO" if waits else "WARNING", "Failed, and did not before: d.wav"),
    ]


@pytest.mark.parametrize(("exported", "told"), [(9, False), (10, True)])
def test_a_few_files_have_no_speed(exported: int, told: bool) -> None:
    running: Any = SimpleNamespace(target=SimpleNamespace(manifest="/m", database=DATABASE))
    counts = {"total_requested": 30, "successful": 30, "unchanged": 30 - exported}
    report = artifacts.report_markdown(running, batch(**counts), changed(CHANGES, BEFORE))
    assert ("samples a second" in report, "The slowest files" in report) == (told, told)


def batch(**counts: Any) -> BatchExportResult:
    known = {"export_id": 1, "export_type": "batch", "total_requested": 3, "successful": 3, "unchanged": 0, "failed": 0}
    known |= {"rejected": 0, "total_size_bytes": 0, "total_time_seconds": 1.0, "output_base_path": "/out"}
    return BatchExportResult.model_validate(known | {"organized_by": "flat", "format": "wav", "errors": []} | counts)
