"""From a folder to samples that can be exported, without a command line: folders, and scans as jobs."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows import scan_files
from tasks.audio import synth
from tasks.store.database import Database
from tasks.store.repair import repair
from tests.support.api_library import finished, problem, records
from tests.support.serve import API, served
from tests.support.waiting import until

pytestmark = pytest.mark.slow

MANIFEST = "sp404-manifest.csv"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two folders of samples, an empty one, links that lead out, and a folder that a system made."""
    music = tmp_path / "music"
    for name, frequency in (("drums/Kick 120bpm.wav", 50), ("drums/Snare.wav", 60), ("drums/deep/Tom.wav", 45), ("a.wav", 55)):
        (music / name).parent.mkdir(parents=True, exist_ok=True)
        synth.write(music / name, synth.bass(44_100, frequency, 0.3), 44_100)
    for name in ("empty", "__MACOSX", ".hidden"):
        (music / name).mkdir()
    (tmp_path / "outside").mkdir()
    synth.write(tmp_path / "outside/secret.wav", synth.bass(44_100, 60, 0.3), 44_100)
    (music / "link").symlink_to(tmp_path / "outside")
    (music / "drums/notes.txt").write_text("no sound", encoding="utf-8")
    return music


@pytest.fixture
def api(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    settings = {"db": tmp_path / "r.duckdb", "api_root": music, "output_base_path": tmp_path / "out", "workers": 2}
    with served(monkeypatch, **settings) as client:
        yield client


def scan(api: httpx.Client, folder: str, **more: Any) -> dict[str, Any]:
    answer = api.post(f"{API}/scans", json={"folder": folder, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].endswith(answer.json()["id"])
    return finished(api, answer)


def new_samples(api: httpx.Client) -> dict[str, int]:
    listed = api.get(f"{API}/samples?status=new").raise_for_status().json()["items"]
    return {Path(each["file_path"]).name: each["id"] for each in listed}


def test_folders(api: httpx.Client, music: Path) -> None:
    told = api.get(f"{API}/folders").raise_for_status().json()
    assert told == {
        "root": str(music),
        "path": "",
        "parent": None,
        "audio_files": 1,
        "folders": [
            {"name": "drums", "path": "drums", "audio_files": 2},
            {"name": "empty", "path": "empty", "audio_files": 0},
        ],
        "more": False,
    }
    told = api.get(f"{API}/folders", params={"in": "drums/deep"}).json()
    assert (told["path"], told["parent"], told["audio_files"], told["folders"]) == ("drums/deep", "drums", 1, [])
    assert api.get(f"{API}/folders", params={"in": str(music / "drums")}).json()["parent"] == ""


def test_only_folders_of_clients(api: httpx.Client, music: Path) -> None:
    for path in ("..", "/etc", "link", "drums/../../outside"):
        problem(api.get(f"{API}/folders", params={"in": path}), 403, "This is not in the folder that clients may use")
        problem(api.post(f"{API}/scans", json={"folder": path}), 403, "This is not in the folder that clients may use")
    for path in ("nowhere", "a.wav", "x" * 300):
        problem(api.get(f"{API}/folders", params={"in": path}), 404, f"Folder {path} not found")
        problem(api.post(f"{API}/scans", json={"folder": path}), 404, f"Folder {path} not found")
    for body in ({"folder": "a\x00b"}, {"folder": "a\nb"}, {"folder": 1}, {}, {"folder": "drums", "out": "/etc"}):
        answer = api.post(f"{API}/scans", json=body)
        problem(answer, 422, answer.json()["detail"])
    (music / "drums" / MANIFEST).symlink_to(music.parent / "outside/m.csv")
    problem(api.post(f"{API}/scans", json={"folder": "drums"}), 403, "This is not in the folder that clients may use")
    assert not (music.parent / "outside/m.csv").exists()
    told = scan(api, "empty")
    assert (told["kind"], told["state"]) == ("scan", "failed")
    assert told["problem"]["detail"] == "There is no audio file below empty"


def test_from_a_folder_to_an_export(api: httpx.Client, music: Path, tmp_path: Path) -> None:
    told = scan(api, "drums")
    result = told["result"]
    assert (told["state"], result["new_samples"], result["rows"], result["added"], result["rejected"]) == ("done", 3, 3, 3, 0)
    assert result["manifest"] == str(music / "drums" / MANIFEST)
    ids = new_samples(api)
    assert ids.keys() == {"Kick 120bpm.wav", "Snare.wav", "Tom.wav"}
    assert api.get(f"{API}/samples/{ids['Kick 120bpm.wav']}").json()["bpm"] == 120
    assert api.get(f"{API}/exports").json()["total"] == 0
    exported = api.post(f"{API}/samples/{ids['Tom.wav']}/export").raise_for_status().json()
    assert exported["success"]
    assert new_samples(api).keys() == {"Kick 120bpm.wav", "Snare.wav"}
    revision = api.get(f"{API}/activity").json()["revision"]
    again = scan(api, "drums")["result"]
    assert (again["new_samples"], again["written"]) == (0, False)
    assert scan(api, "")["result"]["new_samples"] == 1
    assert api.get(f"{API}/activity").json()["revision"] != revision


def test_what_a_person_wrote_stays_and_what_moved_is_known(api: httpx.Client, music: Path, tmp_path: Path) -> None:
    scan(api, "drums")
    ids = new_samples(api)
    manifest = music / "drums" / MANIFEST
    text = manifest.read_text(encoding="utf-8").replace("Snare.wav,Snare", "Snare.wav,My Snare")
    cells = text.splitlines()[0].split(",")
    row = ",".join("../../outside/secret.wav" if cell == "file_path" else "" for cell in cells)
    manifest.write_text(f"{text}{row}\n", encoding="utf-8")
    (music / "drums/Tom.wav.d").mkdir()
    os.rename(music / "drums/deep/Tom.wav", music / "drums/Floor Tom.wav")
    result = scan(api, "drums")["result"]
    assert (result["new_samples"], result["rows"]) == (0, 4)
    assert "My Snare" in manifest.read_text(encoding="utf-8")
    assert api.get(f"{API}/samples/{ids['Snare.wav']}").json()["title"] == "My Snare"
    assert new_samples(api) == {"Kick 120bpm.wav": ids["Kick 120bpm.wav"], "Snare.wav": ids["Snare.wav"]} | {
        "Floor Tom.wav": ids["Tom.wav"]
    }
    tables = [f"SELECT * FROM {name} ORDER BY ALL" for name in ("samples", "given_ids")]
    before = [records(tmp_path, table) for table in tables]
    (tmp_path / "r.duckdb").unlink()
    repair(Database(str(tmp_path / "r.duckdb"), 10))
    assert [records(tmp_path, table) for table in tables] == before
    # An export of the manifest takes the same ids.
    exported = api.post(f"{API}/samples/export-batch", json={"selection": {"filter": {"status": "new"}}}).json()
    assert exported["successful"] == 3


def test_cancel(api: httpx.Client, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, asked = threading.Event(), threading.Event()
    read_header = scan_files.read_header

    def slowly(path: str) -> Any:
        asked.set()
        assert may_go_on.wait(60)
        return read_header(path)

    monkeypatch.setattr(scan_files, "read_header", slowly)
    answer = api.post(f"{API}/scans", json={"folder": "drums"})
    assert asked.wait(30)
    job = api.get(f"{API}/activity").json()["jobs"][0]
    assert (job["kind"], job["state"], job["total"]) == ("scan", "running", 4)
    api.post(f"{answer.headers['location']}/cancel").raise_for_status()
    may_go_on.set()
    assert finished(api, answer)["state"] == "cancelled"
    assert not (music / "drums" / MANIFEST).exists()
    assert new_samples(api) == {}
    assert until(lambda: scan(api, "drums")["result"], 30)["new_samples"] == 3
