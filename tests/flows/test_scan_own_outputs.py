"""Exports that lie among the samples: a scan does not take them for samples, and says so."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tasks.scan.own_exports import DEFAULT_FOLDER
from tests.support import ROOT
from tests.support.command_line import Run, one_clear_error
from tests.support.scanning import World, sound, sounds

pytestmark = pytest.mark.usefixtures("uncontained")


@pytest.fixture
def world(tmp_path: Path, sp404: Run) -> World:
    made = World(tmp_path / "w", sp404)
    sounds(made.folder / "lib/pack", 3)
    (made.folder / "lib/pack/s000.wav").replace(made.folder / "lib/pack/first kick.wav")
    made.scan(made.folder / "lib")
    return made


@pytest.mark.slow
def test_recorded_outputs_are_left_out_and_counted(world: World) -> None:
    lib = world.folder / "lib"
    before = world.paths()
    for count in (1, 2):
        said = world.run(
            "export", world.table, "--direct", "--out", lib / "SP404", "--organize-by", ("genre", "bpm")[count - 1]
        )
        assert said.status == 0
        assert f"Note: The output folder {lib}/SP404 lies in the scanned folder {lib}: " in said.err
        done = world.scan(lib)
        assert done["skipped"]["file that sp404 exported"] == 3 * count
        assert (done["added"], world.paths()) == ([], before)
    # A person's own file there is a sample.
    sound(lib / "SP404/mine.wav", 99)
    assert world.scan(lib)["added"] == ["lib/SP404/mine.wav"]


@pytest.mark.slow
def test_the_default_output_folder_is_safe_without_any_option(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = world.folder / "lib"
    monkeypatch.chdir(lib)
    said = world.run("export", world.table, "--direct")
    assert (said.status, "Note: " in said.err) == (0, False)
    assert len(list((lib / DEFAULT_FOLDER).glob("*.wav"))) == 3
    assert world.scan(lib)["skipped"]["file that sp404 exported"] == 3
    # Also where the records are lost, or are those of another database.
    world.db.unlink()
    shutil.rmtree(f"{world.db}.runs", ignore_errors=True)
    done = world.scan(lib)
    assert (done["added"], done["rows"], done["skipped"]["file that sp404 exported"]) == ([], 3, 3)
    said = world.run("scan", lib, "-o", world.folder / "other.csv")
    assert "3 rows, 3 of them new" in said.out


def test_the_default_folder_has_one_name() -> None:
    defaults = tomllib.loads((ROOT / "config/defaults.toml").read_text())["sp404"]
    assert Path(defaults["output_base_path"]).name == DEFAULT_FOLDER


@pytest.mark.slow
def test_a_card_among_the_samples_is_left_out(world: World) -> None:
    lib = world.folder / "lib"
    world.card = lib / "backup of my card"
    (world.card / "IMPORT").mkdir(parents=True)
    world.export("--card", world.card)
    sound(world.card / "EXPORT/recorded.wav", 77)
    done = world.scan(lib)
    assert (done["added"], done["skipped"]["card that sp404 wrote"]) == ([], 1)
    # The card itself, named as a folder to scan: what the device recorded on it is a sample.
    done = world.scan(world.card)
    assert done["added"] == ["lib/backup of my card/EXPORT/recorded.wav"]


def test_only_exports_are_no_library(world: World) -> None:
    world.export()
    said = world.run("scan", world.out, "-o", world.folder / "new.csv")
    one_clear_error(said, 2, "no audio file", "but for what sp404 exported itself")
    assert not (world.folder / "new.csv").exists()
