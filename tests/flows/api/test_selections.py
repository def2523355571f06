"""The samples of a batch: by many ids, or by a filter."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from flows.export import threads
from schemas.api import MOST_RESULTS, MOST_SAMPLES
from schemas.enums import AudioFormat, ExportType, OrganizeBy, Status
from schemas.export import ExportRequest
from schemas.report import BatchExportResult, ExportResult
from tests.support.api_library import finished, problem, recorded_library, records, serve_library
from tests.support.serve import API

pytestmark = pytest.mark.slow


class Runner:
    """Takes the place of the export: every tenth sample fails."""

    def __init__(self) -> None:
        self.sample_ids: list[int] = []

    def __call__(self, request: ExportRequest, _progress: Any) -> BatchExportResult:
        lines = Path(request.manifest).read_text(encoding="utf-8").splitlines()
        self.sample_ids = [json.loads(line)["sample_id"] for line in lines]
        results = [self._result(number) for number in self.sample_ids]
        failed = sum(not result.success for result in results)
        return BatchExportResult(
            export_id=9,
            export_type=ExportType.BATCH,
            total_requested=len(results),
            successful=len(results) - failed,
            unchanged=0,
            failed=failed,
            rejected=0,
            total_size_bytes=0,
            total_time_seconds=1,
            output_base_path="/out",
            organized_by=OrganizeBy.FLAT,
            format=AudioFormat.WAV,
            errors=[f"Sample {result.sample_id}: no" for result in results if not result.success],
        ).with_results_from(lambda: pl.DataFrame([result.model_dump(mode="json") for result in results]))

    def _result(self, number: int) -> ExportResult:
        success = number % 10 > 0
        return ExportResult(
            success=success,
            sample_id=number,
            output_path="/out/a.wav" if success else None,
            output_filename="a.wav" if success else None,
            format=AudioFormat.WAV,
            file_size_bytes=1,
            conversion_time_seconds=0,
            status=Status.EXPORTED if success else Status.FAILED,
            error=None if success else "no",
        )


def test_ten_thousand_ids(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are exported; the answer has a thousand of their results, and what failed is among them."""
    runner = Runner()
    wanted = [1_000_000 + n for n in range(MOST_SAMPLES)]
    with serve_library(monkeypatch, folder, runner) as api:
        told = api.post(f"{API}/samples/export-batch", json={"sample_ids": wanted}).raise_for_status().json()
        assert runner.sample_ids == wanted
        assert (told["total_requested"], told["failed"], len(told["results"])) == (MOST_SAMPLES, 1_000, MOST_RESULTS)
        assert [result["sample_id"] for result in told["results"]] == [n for n in wanted if n % 10 == 0]
        assert len(told["errors"]) == 1_000
        more = api.post(f"{API}/samples/export-batch", json={"sample_ids": [*wanted, 1]})
        assert "at most 10000" in problem(more, 422, more.json()["detail"])["detail"]
        long = api.post(f"{API}/samples/export-batch", content=b"[" + b"1," * (1 << 17) + b"1]")
        problem(long, 413, "The request is too large (maximum: 262,144 bytes)")


def batch(api: httpx.Client, selection: dict[str, Any]) -> httpx.Response:
    return api.post(f"{API}/samples/export-batch", json={"selection": selection})


def test_by_a_filter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the list has them, but for those that are taken out."""
    runner = Runner()
    with serve_library(monkeypatch, folder, runner) as api:
        for filters in ({}, {"genre": ["house"]}, {"status": "failed"}, {"text": "-kick", "in_kit": True}, {"bpm_min": 100}):
            listed = [each["id"] for each in api.get(f"{API}/samples", params=filters).json()["items"]]
            batch(api, {"filter": filters}).raise_for_status()
            assert runner.sample_ids == listed
            if len(listed) > 1:
                batch(api, {"filter": filters, "except": [listed[0], 4711]}).raise_for_status()
                assert runner.sample_ids == listed[1:]
        problem(batch(api, {"filter": {"text": "nowhere"}}), 404, "No sample is selected")
        problem(batch(api, {"filter": {"genre": ["dub"]}, "except": [2]}), 404, "No sample is selected")
        for bad in ({"filter": {"genre": "dub"}}, {"filter": {"page": 1}}, {"but": [1]}, {"except": ["1"] * 20_001}):
            answer = batch(api, bad)
            problem(answer, 422, answer.json()["detail"])
        for sound in (
            {"seamless": 1},
            {"keep_chunks": "true"},
            {"trim_dbfs": "-60"},
            {"pad_to_ms": True},
            {"normalize_dbfs": 1},
        ):
            answer = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1], "sound": sound})
            assert next(iter(sound)) in problem(answer, 422, answer.json()["detail"])["detail"]
        for sound in ({"normalize_dbfs": "off", "pad_to_ms": 1.0}, {"seamless": True, "trim_dbfs": None}):
            api.post(f"{API}/samples/export-batch", json={"sample_ids": [1], "sound": sound}).raise_for_status()
        both = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1], "selection": {}})
        assert "give sample_ids, with one at least, or selection" in both.json()["detail"]


def test_a_hundred_thousand_hits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.duckdb").write_bytes((folder / "r.duckdb").read_bytes())
    records(tmp_path, "DELETE FROM samples")
    records(
        tmp_path,
        "INSERT INTO samples BY NAME SELECT i AS id, '/lib/' || i || '.wav' AS file_path, 'Kick ' || i AS title,"
        " now()::TIMESTAMP AS updated_at FROM range(1, 100001) AS t(i)",
    )
    runner = Runner()
    with serve_library(monkeypatch, tmp_path, runner) as api:
        selection = {"filter": {"text": "kick"}, "except": [5]}
        answer = api.post(f"{API}/samples/export-batch", json={"selection": selection}, headers={"Prefer": "respond-async"})
        told = finished(api, answer)["result"]
        assert runner.sample_ids == [n for n in range(1, 100_001) if n != 5]
        assert (told["total_requested"], len(told["results"])) == (99_999, MOST_RESULTS)
        assert len(api.get(answer.headers["location"]).content) < 1 << 20


def test_a_forecast_of_what_is_exported_just_now(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have one manifest, by name; the export keeps it."""
    begun, asked, wanted = threading.Event(), threading.Event(), {"sample_ids": [1, 9]}
    manifests: list[Path] = []

    def held(request: ExportRequest, progress: Any) -> BatchExportResult:
        manifests.append(Path(request.manifest))
        begun.set()
        assert asked.wait(60)
        return threads.export_directly(request, progress)

    with serve_library(monkeypatch, folder, held) as api:
        job = api.post(f"{API}/samples/export-batch", json=wanted, headers={"Prefer": "respond-async"})
        assert begun.wait(30)
        assert api.post(f"{API}/exports/plan", json=wanted).json()["fail"] == 1
        assert manifests[0].is_file()
        asked.set()
        assert finished(api, job)["result"]["successful"] == 1
        assert not manifests[0].exists()


def test_the_forecast_is_what_the_export_then_does(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and bytes, before the first export, after it, and with other names."""
    with serve_library(monkeypatch, folder, threads.export_directly) as api:
        for request, renamed in (
            ({"sample_ids": [1, 2, 3, 9, 99], "config": {"output_base_path": "told"}}, 0),
            ({"selection": {"filter": {"in_kit": True}}, "config": {"output_base_path": "told"}}, 0),
            ({"sample_ids": [1, 2, 3, 9, 99], "config": {"output_base_path": "told"}}, 0),
            ({"sample_ids": [1, 2, 3, 9, 99], "config": {"output_base_path": "told", "organize_by": "bpm"}}, 3),
        ):
            before = sorted((folder / "out").rglob("told/*"))
            told = api.post(f"{API}/exports/plan", json=request).raise_for_status().json()
            assert sorted((folder / "out").rglob("told/*")) == before
            done = api.post(f"{API}/samples/export-batch", json=request).raise_for_status().json()
            exported = done["successful"] - done["unchanged"]
            assert (told["convert"] + told["rename"], told["unchanged"]) == (exported, done["unchanged"])
            assert told["rename"] == renamed
            assert told["fail"] == done["failed"] + done["rejected"]
            assert sum(reason["samples"] for reason in told["reasons"]) == told["fail"]
            assert told["bytes_needed"] >= (done["total_size_bytes"] if told["convert"] else 0)
            assert told["bytes_free"] > told["bytes_needed"]
        problem(
            api.post(f"{API}/exports/plan", json={"selection": {"filter": {"text": "nowhere"}}}), 404, "No sample is selected"
        )
        outside = api.post(f"{API}/exports/plan", json={"sample_ids": [1], "config": {"output_base_path": "/etc"}})
        problem(outside, 403, outside.json()["detail"])


def test_a_forecast_names_the_folder_of_the_newest_export_of_the_same_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is another one; and whether a client may export there."""
    recorded_library(tmp_path, only_good=True)

    def earlier(api: httpx.Client, **request: Any) -> tuple[str | None, bool]:
        told = api.post(f"{API}/exports/plan", json={"sample_ids": [1, 2], **request}).raise_for_status().json()
        return told["earlier_base_path"], told["earlier_is_allowed"]

    first = str(tmp_path / "first")
    with serve_library(monkeypatch, tmp_path) as api:
        assert earlier(api) == (first, False)
    with serve_library(monkeypatch, tmp_path, api_root=tmp_path) as api:
        assert earlier(api) == (first, True)
        assert earlier(api, config={"output_base_path": first}) == (None, False)
        api.post(f"{API}/samples/export-batch", json={"sample_ids": [1]}).raise_for_status()
        assert earlier(api) == (None, False), "the newest of any of them is what counts"
        assert earlier(api, sample_ids=[2]) == (first, True)
        (tmp_path / "first").rename(tmp_path / "away")
        assert earlier(api, sample_ids=[2]) == (None, False)
