"""The scan before an export at night: by the folders of the scans before, as far as their disks are there."""

import csv
import shutil
from pathlib import Path

import pytest

from config.settings import Settings, load
from flows.rescan import rescan
from flows.scan import scan
from schemas.scan_report import ScanRequest
from tasks.audio import synth
from tasks.convert.progress import Progress

RATE = 44_100


def settings_in(folder: Path) -> Settings:
    return load({"db": str(folder / "r.duckdb")}, lambda *_: {}).settings


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A manifest of two folders, whose sounds were analyzed."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        synth.write(tmp_path / name / f"{name}.wav", synth.kick(RATE), RATE)
    manifest = tmp_path / "m.csv"
    request = ScanRequest(folders=[str(tmp_path / name) for name in ("one", "two")], manifest=str(manifest), analyze=True)
    scan(request, settings_in(tmp_path), Progress())
    return manifest


def files(manifest: Path) -> list[str]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        return sorted(row["file_path"] for row in csv.DictReader(file))


def test_what_is_new_comes_in_and_a_disk_that_is_away_costs_nothing(made: Path, tmp_path: Path) -> None:
    in_force = settings_in(tmp_path)
    synth.write(tmp_path / "one/new.wav", synth.snare(RATE), RATE)
    shutil.move(tmp_path / "two", tmp_path / "away")
    result = rescan(str(made), in_force, Progress())
    assert result is not None
    assert (result.added, result.gone) == (["one/new.wav"], [])
    assert files(made) == ["one/new.wav", "one/one.wav", "two/two.wav"]
    shutil.move(tmp_path / "away", tmp_path / "two")
    synth.write(tmp_path / "two/late.wav", synth.loop(RATE, 120, bars=2), RATE)
    again = rescan(str(made), in_force, Progress())
    assert again is not None
    assert (again.added, again.filled["bpm"]) == (["two/late.wav"], {"analysis": 1}), "as those before, it was listened to"


def test_what_no_scan_made_stays_as_it_is(made: Path, tmp_path: Path) -> None:
    in_force = settings_in(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("file_path\none/one.wav\n", encoding="utf-8")
    assert rescan(str(other), in_force, Progress()) is None
    made.unlink()
    assert rescan(str(made), in_force, Progress()) is None
    assert not made.exists()
