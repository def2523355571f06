"""Exports by REST, by a real client at a real port: what the contract promises, and every row of its error table."""

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from flows.export import threads
from schemas.export import ExportConfig, ExportRequest
from schemas.report import BatchExportResult
from tasks.audio import synth
from tests.support.api_library import KIT, finished, make_library, problem, records, serve_library
from tests.support.serve import API
from tests.support.waiting import until


def test_a_sample_is_exported_and_recorded(api: httpx.Client, folder: Path) -> None:
    answer = api.post(f"{API}/samples/2/export", json={"organize_by": "bpm", "output_base_path": "one"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    path = folder / "out/one/90-110/bass_two.wav"
    assert (told["success"], told["sample_id"], told["status"], told["error"]) == (True, 2, "exported", None)
    assert told["output_path"] == str(path)
    assert (told["output_filename"], told["format"], told["file_size_bytes"]) == ("bass_two.wav", "wav", path.stat().st_size)
    found = soundfile.info(path)
    assert (found.samplerate, found.subtype, found.frames) == (48_000, "PCM_16", 19_200)
    assert (path.parent / "bass_two_metadata.txt").is_file()
    wanted = ("single", 1, str(folder / "out/one"), "bpm")
    query = f"SELECT export_type, sample_count, output_path, organized_by FROM sp404_exports WHERE id = {told['export_id']}"
    assert records(folder, query) == [wanted]
    again = api.post(f"{API}/samples/2/export", json={"organize_by": "bpm", "output_base_path": "one"}).json()
    assert (again["status"], again["success"]) == ("unchanged", True)


def test_without_a_body_the_settings_in_force_count(api: httpx.Client, folder: Path) -> None:
    told = api.post(f"{API}/samples/1/export").json()
    assert told["output_path"] == str(folder / "out/kick_one.wav")


@pytest.mark.slow
def test_a_batch_tells_of_each_and_goes_on_where_one_fails(api: httpx.Client) -> None:
    config = {"organize_by": "genre", "include_metadata": False, "output_base_path": "many", "format": "aiff"}
    answer = api.post(f"{API}/samples/export-batch", json={"sample_ids": [3, 6, 99, 1], "config": config})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["total_requested"], told["successful"], told["failed"], told["rejected"]) == (4, 2, 1, 1)
    assert told["errors"] == ["Sample 6: Duration too short: 50ms (minimum: 100ms)", "Sample 99 not found"]
    by_id = {result["sample_id"]: result for result in told["results"]}
    assert {number: by_id[number]["status"] for number in by_id} == {1: "exported", 3: "exported", 6: "failed", 99: "rejected"}
    assert by_id[99]["error"] == "Sample 99 not found"
    assert by_id[3]["output_path"].endswith("many/house/pad_three.aiff")
    counted = told["successful"] + told["failed"] + told["rejected"]
    assert counted == told["total_requested"] == len(told["results"])
    record = api.get(f"{API}/exports/{told['export_id']}").json()
    assert (record["exported"], record["failed"], record["rejected"]) == (2, 1, 1)


def test_a_batch_of_which_nothing_is_known(api: httpx.Client) -> None:
    told = api.post(f"{API}/samples/export-batch", json={"sample_ids": [98, 99]}).json()
    assert (told["total_requested"], told["successful"], told["rejected"]) == (2, 0, 2)
    assert told["errors"] == ["Sample 98 not found", "Sample 99 not found"]


@pytest.mark.slow
def test_a_kit_is_laid_out_pad_by_pad(api: httpx.Client, folder: Path) -> None:
    (kit,) = api.get(f"{API}/kits").json()["items"]
    told = api.post(f"{API}/kits/{kit['id']}/export", json={"output_base_path": "kits"}).json()
    assert (told["success"], told["status"], told["total_requested"], told["kit"]) == (True, "exported", 3, KIT)
    assert told["output_path"] == str(folder / "out/kits/night_bus")
    pads = {(pad["bank"], pad["pad"]): (pad["sample_id"], Path(pad["output_path"])) for pad in told["pads"]}
    assert {slot: number for slot, (number, _) in pads.items()} == {("A", 1): 1, ("A", 2): 2, ("B", 16): 3}
    assert pads["A", 2][1] == folder / "out/kits/night_bus/bank_A/pad_02_bass_two.wav"
    assert all(path.is_file() for _, path in pads.values())
    later = api.post(f"{API}/kits/{kit['id']}/export", json={"output_base_path": "kits"}, headers={"Prefer": "respond-async"})
    again = finished(api, later)["result"]
    assert (again["status"], again["kit"], len(again["pads"])) == ("unchanged", KIT, 3)


def test_a_sample_of_a_kit_leaves_the_other_pads_in_the_records(api: httpx.Client, folder: Path) -> None:
    before = records(folder, "SELECT * FROM kit_samples ORDER BY ALL")
    told = api.post(f"{API}/samples/2/export", json={"organize_by": "kit", "output_base_path": "kits2"}).json()
    assert told["output_path"] == str(folder / "out/kits2/night_bus/bank_A/pad_02_bass_two.wav")
    assert len(list((folder / "out/kits2").rglob("*.wav"))) == 1
    assert records(folder, "SELECT * FROM kit_samples ORDER BY ALL") == before


@pytest.mark.slow
def test_the_tempo_of_a_kit_outlives_its_export_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_library(tmp_path / "lib")
    (tmp_path / "lib/k.yaml").write_text("name: K\ntempo: 92\nA1: kick.wav\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(tmp_path / "first"))
    request = ExportRequest(manifest=str(tmp_path / "lib/k.yaml"), config=config, db=str(tmp_path / "r.duckdb"))
    threads.export_directly(request)
    with serve_library(monkeypatch, tmp_path) as api:
        (kit,) = api.get(f"{API}/kits").json()["items"]
        assert api.post(f"{API}/kits/{kit['id']}/export").status_code == 200
        assert api.get(f"{API}/kits/{kit['id']}").json()["tempo"] == 92
    assert records(tmp_path, "SELECT tempo FROM kits") == [(92.0,)]


@pytest.mark.slow
def test_two_samples_of_one_title_never_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for one by one, in whatever order and again, each keeps its own."""
    (tmp_path / "lib").mkdir()
    for n in (1, 2):
        synth.write(tmp_path / f"lib/{n}.wav", synth.bass(48_000, 40 + n, 0.2), 48_000)
    manifest = tmp_path / "lib/m.csv"
    manifest.write_text("sample_id,file_path,title\n1,1.wav,Kick\n2,2.wav,Kick\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(tmp_path / "first"))
    threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb")))
    with serve_library(monkeypatch, tmp_path) as api:
        paths = [api.post(f"{API}/samples/{n}/export").json()["output_path"] for n in (2, 1, 2)]
        both = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1, 2]}).json()
    assert paths[0] == paths[2] != paths[1]
    assert [result["status"] for result in both["results"]] == ["unchanged", "unchanged"]
    for n, path in ((2, paths[0]), (1, paths[1])):
        source, _ = soundfile.read(tmp_path / f"lib/{n}.wav", dtype="int16")
        assert np.array_equal(soundfile.read(path, dtype="int16")[0], source)


# ---- the contract's error table ----


def test_a_sample_that_is_unknown(api: httpx.Client) -> None:
    problem(api.post(f"{API}/samples/99/export", json={}), 404, "Sample 99 not found")
    problem(api.post(f"{API}/kits/99/export", json={}), 404, "Kit 99 not found")


def test_a_file_that_is_missing(api: httpx.Client) -> None:
    problem(api.post(f"{API}/samples/9/export", json={}), 422, "Audio file not found: gone.wav")


def test_a_sample_that_is_too_short(api: httpx.Client) -> None:
    problem(api.post(f"{API}/samples/6/export", json={}), 422, "Duration too short: 50ms (minimum: 100ms)")


def test_a_format_that_is_not_supported(api: httpx.Client) -> None:
    problem(api.post(f"{API}/samples/8/export", json={}), 422, "Unsupported format: .xyz")


def test_a_file_that_does_not_decode(api: httpx.Client) -> None:
    answer = api.post(f"{API}/samples/7/export", json={})
    problem(answer, 422, answer.json()["detail"])
    assert answer.json()["detail"].startswith("Failed to load audio: ")


@pytest.mark.slow
def test_a_sample_that_cannot_be_resampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """128 beats at 64 BPM as one loop take more memory than there is for a sample, at either quality."""
    (tmp_path / "lib").mkdir()
    loop = np.tile(synth.bass(44_100, 40, 1.0), 120)
    soundfile.write(tmp_path / "lib/loop.wav", loop, 44_100, subtype="PCM_U8")
    (tmp_path / "lib/m.csv").write_text("sample_id,file_path,bpm\n1,loop.wav,64\n", encoding="utf-8")
    for name, value in (("MEMORY_MB", "256"), ("SEAMLESS", "true")):
        monkeypatch.setenv(f"SP404_{name}", value)
    config = ExportConfig(output_base_path=str(tmp_path / "first"))
    request = ExportRequest(manifest=str(tmp_path / "lib/m.csv"), config=config, db=str(tmp_path / "r.duckdb"))
    assert threads.export_directly(request).failed == 1
    with serve_library(monkeypatch, tmp_path) as api:
        problem(api.post(f"{API}/samples/1/export"), 422, "Failed to resample audio: not enough memory")


def test_a_write_that_fails(api: httpx.Client, folder: Path) -> None:
    """A folder stands where the file would be."""
    (folder / "out/taken/kick_one.wav").mkdir(parents=True)
    answer = api.post(f"{API}/samples/1/export", json={"output_base_path": "taken"})
    assert answer.status_code in (409, 500), answer.text


def test_a_batch_that_fails_as_a_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output folder is a file, and there is no other one to go to."""
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out/file").write_text("", encoding="utf-8")
    with serve_library(monkeypatch, folder, fall_back="false") as api:
        wanted = {"sample_ids": [1, 2], "config": {"output_base_path": "file"}}
        answer = api.post(f"{API}/samples/export-batch", json=wanted)
        told = problem(answer, 500, answer.json()["detail"])
        assert told["detail"].startswith("Batch export failed: Output folder is not writable: file")
        one = api.post(f"{API}/samples/1/export", json={"output_base_path": "file"})
        problem(one, 500, "Failed to write output file")


def test_another_folder_where_the_one_asked_for_cannot_be_written(api: httpx.Client, folder: Path) -> None:
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out/a file").write_text("", encoding="utf-8")
    told = api.post(f"{API}/samples/1/export", json={"output_base_path": "a file"}).json()
    instead = Path(told["output_path"]).parent
    try:
        assert told["success"]
        assert "a file" not in told["output_path"]
        assert told["warnings"][0].startswith("Output folder is not writable")
        assert told["warnings"][0].endswith(f"written to {instead} instead")
    finally:
        shutil.rmtree(instead)


@pytest.mark.slow
def test_a_name_that_is_too_long_is_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    synth.write(tmp_path / "lib/a.wav", synth.bass(48_000, 40, 0.2), 48_000)
    (tmp_path / "lib/m.csv").write_text(f"sample_id,file_path,title\n1,a.wav,{'long ' * 200}\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(tmp_path / "first"))
    request = ExportRequest(manifest=str(tmp_path / "lib/m.csv"), config=config, db=str(tmp_path / "r.duckdb"))
    threads.export_directly(request)
    with serve_library(monkeypatch, tmp_path) as api:
        told = api.post(f"{API}/samples/1/export").json()
    assert told["success"]
    assert len(told["output_filename"].encode()) <= 80
    assert Path(told["output_path"]).is_file()


@pytest.mark.slow
def test_a_database_that_is_in_use(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By another process, for longer than a client waits; then it answers again."""
    import subprocess
    import sys

    code = f"import duckdb, sys; c = duckdb.connect({str(folder / 'r.duckdb')!r}); print(1, flush=True); sys.stdin.read()"
    with serve_library(monkeypatch, folder, api_wait_seconds=0.5) as api:
        holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert holder.stdout
            holder.stdout.readline()
            for answer in (api.get(f"{API}/samples"), api.post(f"{API}/samples/1/export")):
                told = problem(answer, 503, answer.json()["detail"])
                assert told["detail"].startswith("The database is in use by another program")
                assert int(answer.headers["retry-after"]) > 0
        finally:
            holder.communicate()
        assert api.get(f"{API}/samples").status_code == 200


def test_an_export_that_runs_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.store.database import Database
    from tasks.store.export_lock import lock_exports

    with (
        serve_library(monkeypatch, folder, api_wait_seconds=0.5) as api,
        lock_exports(Database(str(folder / "r.duckdb"), 5)),
    ):
        answer = api.post(f"{API}/samples/1/export")
        assert problem(answer, 503, answer.json()["detail"])["detail"].startswith("Another export is running")
        assert "retry-after" in answer.headers
        assert api.get(f"{API}/samples").status_code == 200, "the records answer meanwhile"


# ---- work that nobody waits for ----


def test_a_batch_that_is_not_waited_for(api: httpx.Client) -> None:
    wanted = {"sample_ids": [1, 2, 6], "config": {"output_base_path": "later"}}
    answer = api.post(f"{API}/samples/export-batch", json=wanted, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    told = finished(api, answer)
    assert (told["state"], told["done"], told["total"], told["errors"]) == ("done", 3, 3, 1)
    assert told["messages"] == ["Sample 6: Duration too short: 50ms (minimum: 100ms)"]
    assert (told["result"]["successful"], told["result"]["failed"], told["problem"]) == (2, 1, None)
    assert told["created_at"] <= told["started_at"] <= told["ended_at"]


def test_a_failure_that_nobody_waited_for(api: httpx.Client) -> None:
    told = finished(api, api.post(f"{API}/samples/6/export", headers={"Prefer": "respond-async"}))
    assert told["state"] == "failed"
    assert told["problem"]["detail"] == "Duration too short: 50ms (minimum: 100ms)"
    unknown = api.post(f"{API}/samples/99/export", headers={"Prefer": "respond-async"})
    problem(unknown, 404, "Sample 99 not found")
    problem(api.get(f"{API}/jobs/nothing"), 404, "Job nothing not found")


@pytest.mark.slow
def test_a_turn_that_does_not_come_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one export runs, another client waits for a bounded time; a hundred can wait without an answer, and no more."""
    may_go = threading.Event()

    def held(request: ExportRequest, progress: Any) -> BatchExportResult:
        may_go.wait(60)
        return threads.export_directly(request, progress)

    later = {"Prefer": "respond-async"}
    with serve_library(monkeypatch, folder, held, api_wait_seconds=0.3) as api:
        first = api.post(f"{API}/samples/1/export", headers=later)
        try:
            until(lambda: api.get(first.headers["location"]).json()["state"] == "running", 60)
            late = api.post(f"{API}/samples/1/export")
            problem(late, 503, late.json()["detail"])
            assert int(late.headers["retry-after"]) > 0
            waiting = [api.post(f"{API}/samples/1/export", headers=later) for _ in range(101)]
            assert [answer.status_code for answer in waiting] == [202] * 100 + [503]
            for answer in waiting[:100]:
                assert api.post(f"{answer.headers['location']}/cancel").json()["state"] == "cancelled"
        finally:
            may_go.set()
        assert finished(api, first)["state"] == "done"


@pytest.mark.slow
def test_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs stops behind its samples in hand, what waits never begins; and the same request goes on."""
    (tmp_path / "lib").mkdir()
    for n in range(400):
        os.link(write_once(tmp_path / "one.wav"), tmp_path / f"lib/{n}.wav")
    lines = "\n".join(f"{n + 1},{n}.wav" for n in range(400))
    (tmp_path / "lib/m.csv").write_text(f"sample_id,file_path\n{lines}\n", encoding="utf-8")
    request = ExportRequest(
        manifest=str(tmp_path / "lib/m.csv"),
        config=ExportConfig(output_base_path=str(tmp_path / "first")),
        db=str(tmp_path / "r.duckdb"),
    )
    threads.export_directly(request)
    wanted = {"sample_ids": list(range(1, 401)), "config": {"output_base_path": "all"}}

    def slowly(request: ExportRequest, progress: Any) -> BatchExportResult:
        advance = progress.advance
        progress.advance = lambda error="": (time.sleep(0.02), advance(error))
        return threads.export_directly(request, progress)

    (tmp_path / "lib/0.wav").unlink()
    for n in range(1, 400):  # each another sound: else they would be copies of one
        soundfile.write(tmp_path / f"lib/{n}.wav.new", synth.bass(48_000, 30 + n % 60, 0.11 + n / 10_000), 48_000, format="WAV")
        os.replace(tmp_path / f"lib/{n}.wav.new", tmp_path / f"lib/{n}.wav")
    with serve_library(monkeypatch, tmp_path, slowly) as api:
        running = api.post(f"{API}/samples/export-batch", json=wanted, headers={"Prefer": "respond-async"})
        waiting = api.post(f"{API}/samples/1/export", headers={"Prefer": "respond-async"})
        told = until(lambda: (now := api.get(running.headers["location"]).json())["done"] and now, 60)
        assert (told["state"], told["total"]) == ("running", 400)
        assert api.post(f"{waiting.headers['location']}/cancel").json()["state"] == "cancelled"
        api.post(f"{running.headers['location']}/cancel")
        told = finished(api, running)
        assert told["state"] == "cancelled"
        assert 0 < told["done"] < 400
        assert told["rate_per_second"] == 0
        done = told["result"]["successful"]
        assert 0 < done < 400
        assert told["result"]["total_requested"] == done + told["result"]["failed"] == 400
    with serve_library(monkeypatch, tmp_path) as api:
        again = api.post(f"{API}/samples/export-batch", json=wanted).json()
    assert (again["successful"], again["failed"]) == (399, 1)
    assert again["unchanged"] >= done


def write_once(path: Path) -> Path:
    if not path.exists():
        synth.write(path, synth.bass(48_000, 40, 0.15), 48_000)
    return path
