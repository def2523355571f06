"""A small library for the REST API, and what every problem that it answers must be like."""

from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from flows.export import threads
from schemas.export import ExportConfig, ExportRequest
from tasks.audio import synth
from tests.support.serve import served
from tests.support.waiting import until

KIT = "Night Bus"
GOOD = (1, 2, 3)
# What the client must never see of the machine: where things are.
SECRETS = ("/home", "/tmp", "Traceback", 'File "')


def make_library(folder: Path, only_good: bool = False) -> Path:
    """Three good samples on the pads of a kit, and one for each way in which a sample can fail; the manifest's path."""
    folder.mkdir()
    for n, name in enumerate(("kick.wav", "bass.mp3", "pad.flac")):
        synth.write(folder / name, synth.bass((48_000, 44_100, 96_000)[n], 40 + n, 0.4), (48_000, 44_100, 96_000)[n])
    synth.write(folder / "click.wav", synth.bass(44_100, 40, 0.05), 44_100)
    synth.write(folder / "gone.wav", synth.bass(44_100, 50, 0.3), 44_100)
    (folder / "corrupt.wav").write_bytes((folder / "kick.wav").read_bytes()[:60] + b"\xff" * 5)
    (folder / "notes.xyz").write_text("no sound\n", encoding="utf-8")
    lines = [
        "sample_id,file_path,title,genre,bpm,musical_key,tags,kit,bank,pad",
        f"1,kick.wav,Kick One,house,120,Am,dry|short,{KIT},A,1",
        f"2,bass.mp3,Bass Two,dub,90,,,{KIT},A,2",
        f"3,pad.flac,Pad Three,house,,,,{KIT},B,16",
        "6,click.wav,Click,,,,,,,",
        "7,corrupt.wav,Corrupt,,,,,,,",
        "8,notes.xyz,Notes,,,,,,,",
        "9,gone.wav,Gone,,,,,,,",
    ]
    manifest = folder / "m.csv"
    manifest.write_text("\n".join(lines[: len(GOOD) + 1] if only_good else lines) + "\n", encoding="utf-8")
    return manifest


def recorded_library(folder: Path, only_good: bool = False) -> Path:
    """Return the path of the records of that library after its first export."""
    manifest = make_library(folder / "lib", only_good)
    config = ExportConfig(output_base_path=str(folder / "first"))
    threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=str(folder / "r.duckdb")))
    return folder / "r.duckdb"


def remove_samples(folder: Path, *files: str) -> None:
    """Take these files of ``recorded_library`` from the disk and from the table, and export what is left with ``prune``."""
    manifest = folder / "lib/m.csv"
    lines = manifest.read_text(encoding="utf-8").splitlines()
    left = [line for line in lines if not any(f",{name}," in line for name in files)]
    manifest.write_text("\n".join(left) + "\n", encoding="utf-8")
    for name in files:
        (folder / "lib" / name).unlink()
    config = ExportConfig(output_base_path=str(folder / "first"))
    threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=str(folder / "r.duckdb"), prune=True))


def problem(answer: httpx.Response, status: int, detail: str) -> dict[str, Any]:
    """Return an answer's RFC 9457 document, which has exactly this text and nothing of the machine."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (answer.status_code, told["status"], told["detail"]) == (status, status, detail), told
    assert told["type"].startswith("urn:sp404-export:")
    assert told["title"]
    assert not [secret for secret in SECRETS if secret in answer.text]
    return dict(told)


def serve_library(monkeypatch: pytest.MonkeyPatch, folder: Path, run: Any = None, **settings: Any) -> Any:
    """Serve the API over the records in ``folder``, with these settings; it may export to ``out`` there."""
    given = {"db": folder / "r.duckdb", "output_base_path": folder / "out", "api_root": folder / "out", "workers": 2}
    return served(monkeypatch, run, **given | settings)


def finished(api: httpx.Client, answer: httpx.Response, seconds: float = 60) -> dict[str, Any]:
    """Return the status of a job when it has ended."""

    def ended() -> dict[str, Any] | None:
        status = api.get(answer.headers["location"]).raise_for_status().json()
        return None if status["ended_at"] is None else dict(status)

    status = until(ended, seconds)
    assert status
    return status


def records(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "r.duckdb")) as connection:
        return connection.execute(query).fetchall()
