"""A run that is killed between the first name of a shard's files and their record, and what is done to the folder then."""

import shutil
from pathlib import Path

import pytest

from tasks.fs.place_mark import MARK_FILE
from tasks.store import run_folder
from tasks.store.checkpoints import read_checkpoint
from tasks.store.database import Database
from tests.support import nightly
from tests.support.nightly import Nightly, states, statuses, tree

GENRE = {"organize_by": "genre", "include_metadata": True}


@pytest.fixture
def half(night: Nightly) -> Nightly:
    """Three samples, of which two have their names when the run is killed; no record knows them."""
    for name, hz in (("a", 300), ("b", 400), ("c", 500)):
        night.add(f"{name}.wav", hz, genre="house")
    night.write()
    nightly.killed_while_naming(night, named=1, **GENRE)
    assert night.paths() == {"house/a.wav", "house/b.wav"}
    assert night.outputs("path") == []
    return night


def test_they_are_resumed_without_another_conversion(half: Nightly) -> None:
    before = states(half.out)
    assert statuses(half.export(**GENRE)) == ["exported"] * 3
    assert half.spy.of("convert") == ["c.wav"]
    assert before.items() <= states(half.out).items()
    assert list(half.folder.rglob("staged-*")) == []


@pytest.mark.slow
def test_a_kill_between_the_record_and_the_end_of_its_note(night: Nightly) -> None:
    """Nothing is recorded twice: the note says less than the record, which has what failed, too."""
    night.add("a.wav", 300, genre="house")
    night.add("b.wav", genre="house")
    (night.lib / "b.wav").write_bytes(b"RIFF")
    night.write()

    def end(*_: object) -> None:
        raise nightly.Killed

    nightly.killed_by(night, "forget_staged", end, **GENRE)
    batch = night.export(**GENRE)
    parts = run_folder.parts(Database(str(night.db), 5), batch.export_id)
    exported = [path for part in parts for path in read_checkpoint(part).filter(status="exported")["path"]]
    assert exported == ["house/a.wav"]
    assert list(night.folder.rglob("staged-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seen_first", ["copy", "original", "plan"])
def test_a_copy_of_the_folder(half: Nightly, seen_first: str) -> None:
    copy = shutil.copytree(half.out, half.folder / "copy")
    if seen_first == "original":
        half.sound("a.wav", 900)
        half.export(**GENRE)
    half.export(**GENRE, out=copy)
    assert statuses(half.export(**GENRE, out=copy)) == ["unchanged"] * 3
    half.export(**GENRE)
    assert tree(copy).keys() == tree(half.out).keys()


@pytest.mark.slow
def test_a_folder_that_was_renamed_and_rows_that_went(half: Nightly) -> None:
    """A file of a row that is no longer there can be pruned as any other."""
    half.out = half.out.rename(half.folder / "renamed")
    del half.rows[0]
    half.export(**GENRE, prune=True, yes=True)
    assert half.paths() == {"house/b.wav", "house/c.wav"}
    assert half.spy.of("convert") == ["c.wav"]


@pytest.mark.slow
def test_a_folder_that_is_away_meanwhile(half: Nightly) -> None:
    """And comes back when its killed run has long been ended, without its mark."""
    away = half.out.rename(half.folder / "away")
    half.export(**GENRE)
    shutil.rmtree(half.out)
    (away / MARK_FILE).unlink()
    half.out = away
    half.rows[0]["tags"] = "new"
    half.export(**GENRE, whole=False)
    assert statuses(half.export(**GENRE, whole=False)) == ["unchanged"] * 3


def test_a_file_of_somebody_else_that_came_after_the_kill(half: Nightly) -> None:
    """Where the killed run was about to write, and in the place of what it wrote."""
    for name in ("a", "c"):
        (half.out / f"house/{name}.wav").write_bytes(b"mine")
    batch = half.export(**GENRE, whole=False)
    assert statuses(batch) == ["failed", "exported", "failed"]
    assert "Another file is in the way" in str(batch.results[0].error)
    for name in ("a", "c"):
        assert (half.out / f"house/{name}.wav").read_bytes() == b"mine"


@pytest.mark.slow
def test_a_name_that_was_moved_when_the_run_was_killed(night: Nightly) -> None:
    for name, hz in (("a", 300), ("b", 400)):
        night.add(f"{name}.wav", hz, genre="house")
    night.export(**GENRE)
    for row in night.rows:
        row["genre"] = "jazz"
    night.write()
    nightly.killed_while_naming(night, named=0, **GENRE)
    assert night.paths() == {"house/b.wav", "jazz/a.wav"}
    batch = night.export(**GENRE)
    assert night.spy.of("convert") == []
    assert {Path(str(result.output_path)).parent.name for result in batch.results} == {"jazz"}
    assert night.paths() == {"jazz/a.wav", "jazz/b.wav"}


@pytest.mark.slow
def test_only_metadata_files_were_to_get_their_names(night: Nightly) -> None:
    """The sound of those that had their turn and of those that had not is the same."""
    for name, hz in (("a", 300), ("b", 400)):
        night.add(f"{name}.wav", hz, genre="house")
    night.export(**GENRE)
    for row in night.rows:
        row["tags"] = "new"
    night.write()
    nightly.killed_while_naming(night, named=0, **GENRE)
    night.export(**GENRE)
    assert night.spy.of("convert") == []
    for name in ("a", "b"):
        assert "new" in (night.out / f"house/{name}_metadata.txt").read_text()
