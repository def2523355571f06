"""Scans while disks are away and files are gone: what is not seen is not deleted, and what is dropped is said."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tasks.audio import synth
from tests.support.command_line import Run, one_clear_error
from tests.support.scanning import World, snapshot, sound, sounds


@pytest.fixture
def world(tmp_path: Path, sp404: Run) -> World:
    return World(tmp_path / "w", sp404)


def test_a_drive_that_is_away_keeps_its_rows_and_what_a_person_wrote_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.fs.file_status._CLOCK_STEP_NS", 0)
    ssd, ext = world.folder / "ssd", world.folder / "ext"
    sounds(ssd / "pack", 3)
    sounds(ext / "loops", 3, start=10)
    world.scan(ssd, ext)
    world.save([row | {"notes": f"mine {n}"} for n, row in enumerate(world.rows())])
    before = world.table.read_bytes()
    world.unplug(ext)
    said = world.run("scan", ssd, ext, "-o", world.table)
    assert said.status == 1
    assert f"Not seen: {ext} has no audio file now: is its disk there? 3 rows of it stay" in said.err
    assert "3 rows name files that do not exist, such as ext/loops/s010.wav" in said.err
    assert world.table.read_bytes() == before
    world.plug_in(ext)
    done = world.scan(ssd, ext)
    assert (done["read"], done["unseen"], done["missing"], done["changes"]) == (0, [], [], [])
    assert world.table.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("vanishes", [False, True], ids=["empty mount point", "no mount point"])
def test_a_subfolder_that_is_empty_as_a_whole_keeps_its_rows(world: World, vanishes: bool) -> None:
    lib = world.folder / "lib"
    sounds(lib / "here", 2)
    sounds(lib / "media/stick/a", 2, start=10)
    sounds(lib / "media/stick/b", 1, start=20)
    world.scan(lib)
    before = world.paths()
    world.unplug(lib / "media/stick")
    away = world.folder / "away"
    (lib / "media/stick.away").rename(away)
    (lib / "media/stick/.DS_Store").write_bytes(b"x")
    if vanishes:
        shutil.rmtree(lib / "media/stick")
    done = world.scan(lib, status=1)
    assert world.paths() == before
    assert done["unseen"] == [{"path": str(lib / "media"), "rows": 3}]
    assert (done["gone"], len(done["missing"])) == ([], 3)
    # The person says that it is gone for good.
    assert len(world.scan(lib, "--drop-missing")["gone"]) == 3
    assert world.paths() == before[:2]


def test_files_that_are_gone_among_others_are_dropped_counted_and_listed(world: World) -> None:
    lib = world.folder / "lib"
    files = sounds(lib, 6)
    world.scan(lib)
    files[1].unlink()
    files[4].unlink()
    said = world.run("scan", lib, "-o", world.table)
    assert said.status == 0
    assert "- lib/s001.wav\n- lib/s004.wav\n" in said.out
    assert "4 rows, 0 of them new, 2 dropped" in said.out
    assert world.paths() == ["lib/s000.wav", "lib/s002.wav", "lib/s003.wav", "lib/s005.wav"]


@pytest.mark.slow
def test_a_filled_cell_in_any_other_column_is_an_edit(world: World) -> None:
    lib = world.folder / "lib"
    files = sounds(lib, 4)
    world.scan(lib)
    rows = world.rows()
    world.save([row | {"sample_id": "", "Where I got it": ("a gift" if n == 1 else " ")} for n, row in enumerate(rows)])
    files[1].unlink()
    files[2].unlink()
    done = world.scan(lib)
    assert done["gone"] == ["lib/s002.wav"]
    assert done["missing"] == ["lib/s001.wav"]
    assert world.rows()[1]["Where I got it"] == "a gift"
    assert world.scan(lib, "--drop-missing")["gone"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("count", "gone", "refused"), [(60, 20, False), (60, 21, True), (210, 21, False), (209, 21, True)])
def test_many_rows_are_dropped_only_when_that_is_asked_for(world: World, count: int, gone: int, refused: bool) -> None:
    lib = world.folder / "lib"
    files = sounds(lib, count)
    world.scan(lib)
    for path in files[:gone]:
        path.unlink()
    if refused:
        before = snapshot(world.folder, but=".")
        words = (f"Would drop {gone} of {count} rows", str(world.table), "--drop-missing")
        one_clear_error(world.run("scan", lib, "-o", world.table), 2, *words)
        after = snapshot(world.folder, but=".")
        assert {path for path in before if before[path] != after[path]} <= {str(world.folder), str(world.db)}
        assert len(world.scan(lib, "--drop-missing")["gone"]) == gone
    else:
        assert len(world.scan(lib)["gone"]) == gone
    assert len(world.paths()) == count - gone


def test_files_that_moved_are_not_dropped_however_many_they_are(world: World) -> None:
    lib = world.folder / "lib"
    sounds(lib / "old", 30)
    sound(lib / "other.wav", 99)
    world.scan(lib)
    (lib / "old").rename(lib / "new")
    done = world.scan(lib)
    assert (len(done["moved"]), done["gone"], done["unseen"], done["missing"]) == (30, [], [], [])
    assert len(world.paths()) == 31


def test_a_library_whose_own_folder_was_renamed_keeps_its_rows(world: World) -> None:
    sounds(world.folder / "Samples/pack", 3)
    world.scan(world.folder / "Samples")
    world.save([row | {"genre": "boom bap", "notes": f"mine {n}"} for n, row in enumerate(world.rows())])
    (world.folder / "Samples").rename(world.folder / "SampleLibrary")
    done = world.scan(world.folder / "SampleLibrary")
    assert (len(done["moved"]), done["added"], done["gone"], done["missing"]) == (3, [], [], [])
    rows = [(row["file_path"], row["genre"], row["notes"]) for row in world.rows()]
    assert rows == [(f"SampleLibrary/pack/s00{n}.wav", "boom bap", f"mine {n}") for n in range(3)]


def test_a_file_that_went_to_another_folder_is_found_there_though_only_that_is_scanned(world: World) -> None:
    ssd, ext = world.folder / "ssd", world.folder / "ext"
    sounds(ssd, 1)
    gone, stays, away = sounds(ext, 3, start=10)
    world.scan(ssd, ext)
    gone.rename(ssd / "came.wav")
    away.unlink()
    done = world.scan(ssd)
    assert done["moved"] == [[str(gone), str(ssd / "came.wav")]]
    assert (done["gone"], done["added"], done["missing"]) == ([], [], [f"ext/{away.name}"])
    assert world.paths() == ["ssd/s000.wav", "ssd/came.wav", f"ext/{stays.name}", f"ext/{away.name}"]


def test_a_row_that_names_no_file_is_said(world: World) -> None:
    lib = world.folder / "lib"
    sounds(lib, 2)
    world.scan(lib)
    rows = world.rows()
    world.save([rows[0], rows[1] | {"file_path": "lib/s0001.wav"}])
    said = world.run("scan", lib, "-o", world.table)
    assert "1 row names a file that does not exist, such as lib/s0001.wav" in said.err
    assert world.paths() == ["lib/s000.wav", "lib/s0001.wav"]


@pytest.mark.slow
def test_a_file_that_icloud_has_taken_off_the_disk_keeps_its_row(world: World) -> None:
    lib = world.folder / "lib"
    files = sounds(lib, 3)
    world.scan(lib)
    files[0].rename(lib / f".{files[0].name}.icloud")
    (lib / f".{files[0].name}.icloud").write_bytes(b"bplist00")
    assert world.scan(lib, status=1)["gone"] == []
    assert len(world.paths()) == 3


@pytest.mark.slow
def test_folders_that_are_all_empty_lose_their_rows_if_a_person_says_so(world: World) -> None:
    lib = world.folder / "lib"
    sounds(lib, 30)
    assert world.run("scan", lib, "-o", world.table, "--drop-missing").status == 0
    world.save([row | {"title": "Mine" if n == 4 else row["title"]} for n, row in enumerate(world.rows())])
    world.unplug(lib)
    done = world.scan(lib, "--drop-missing", status=1)
    assert (len(done["gone"]), done["unseen"]) == (29, [{"path": str(lib), "rows": 1}])
    assert world.paths() == ["lib/s004.wav"]
    world.save([row | {"title": "s004"} for row in world.rows()])
    said = world.run("scan", lib, "-o", world.table, "--drop-missing")
    assert (said.status, "0 rows, 0 of them new, 1 dropped" in said.out) == (0, True)
    assert (world.paths(), len(world.cells())) == ([], 1)
    # Nobody said so of a table that is not there, and nothing is lost when the files are back.
    one_clear_error(world.run("scan", lib, "-o", world.folder / "new.csv", "--drop-missing"), 2, "no audio file")
    world.plug_in(lib)
    assert len(world.scan(lib)["added"]) == 30


@pytest.mark.slow
def test_without_any_audio_nothing_is_written_and_the_message_asks_for_the_disk(world: World) -> None:
    lib = world.folder / "lib"
    sounds(lib, 3)
    world.scan(lib)
    before = world.table.read_bytes()
    world.unplug(lib)
    one_clear_error(world.run("scan", lib, "-o", world.table), 2, "no audio file", "disk")
    os.rmdir(lib)
    one_clear_error(world.run("scan", lib, "-o", world.table), 2, "does not exist", "disk")
    assert world.table.read_bytes() == before
    assert json.loads(world.run("plan", world.table, "--out", world.out, "--json").out)["total_requested"] == 3


def test_what_was_heard_and_what_was_removed_survive_new_dates_and_a_move(world: World) -> None:
    """Files of now, which could change without their times, are read at each scan; a moved folder is known by its content."""
    lib = world.folder / "lib"
    lib.mkdir(parents=True)
    for name, bpm in (("groove", 118), ("breaks", 140), ("other", 100)):
        synth.write(lib / f"{name}.wav", synth.loop(44_100, bpm, bars=2), 44_100)
    assert world.scan(lib, "--analyze")["listened"] == 3
    heard = [row["bpm"] for row in world.rows()]
    assert all(abs(float(bpm) - truth) < 0.1 for bpm, truth in zip(heard, (140, 118, 100), strict=True))
    done = world.scan(lib)
    assert (done["changes"], done["written"]) == ([], False)
    world.save(world.rows()[:2])
    lib.rename(world.folder / "elsewhere")
    done = world.scan(world.folder / "elsewhere")
    assert (done["added"], done["changes"], len(done["moved"])) == ([], [], 2)
    assert [row["bpm"] for row in world.rows()] == heard[:2]
    assert world.scan(world.folder / "elsewhere", "--restore")["added"] == ["elsewhere/other.wav"]
