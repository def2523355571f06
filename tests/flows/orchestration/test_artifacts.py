"""The names of runs in Prefect's UI, and what its log says of files that a night left out."""

import logging
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from flows.orchestration import artifacts, flow
from schemas.enums import ExportType, OrganizeBy
from tasks.store.database import Database
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
    ],
)
def test_a_run_is_named_by_its_samples_and_never_by_a_hash(run: Any, name: str) -> None:
    assert artifacts.run_name(run) == name


def test_the_log_of_a_night_names_what_the_scan_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = [SimpleNamespace(path=f"/lib/bad {number}.wav") for number in range(5)]
    found = SimpleNamespace(added=["a"], moved=[], gone=[], rows=9, lacking=lacking)
    monkeypatch.setattr(flow.prefect_tasks, "as_task", lambda _function, _name: lambda *_: found)
    with caplog.at_level(logging.INFO, "sp404"):
        flow._look_for_new_samples(RESOLVED, None)
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
