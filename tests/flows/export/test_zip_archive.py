"""``sp404 zip`` and ``--zip``: exactly the export's files by the record, or a reason why not, and nothing else."""

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from config.settings import Settings, load
from flows.export import zip_archive
from schemas.errors import DatabaseError, DiskFullError, RequestError
from tasks.bundle import archive
from tasks.bundle.archive import WrittenZip
from tests.support import nightly
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, Tree, path_of, statuses, tree


def settings(night: Nightly) -> Settings:
    return load({"db": str(night.db)}, lambda *_: {}).settings


def zipped(night: Nightly, export_id: int, name: str = "x.zip", **how: bool) -> WrittenZip:
    return zip_archive.zip_export(settings(night), export_id, str(night.folder / name), **how)


def contents(path: str | Path | None) -> Tree:
    with zipfile.ZipFile(str(path)) as found:
        assert found.testzip() is None
        assert found.namelist() == sorted(found.namelist())
        return {name: found.read(name) for name in found.namelist()}


def refused(night: Nightly, export_id: int, *words: str, target: Path | None = None) -> RequestError:
    before = tree(night.folder)
    with pytest.raises(RequestError) as error:
        zip_archive.zip_export(settings(night), export_id, str(target or night.folder / "x.zip"))
    assert {path: found for path, found in tree(night.folder).items() if path not in before} == {}
    assert all(word in str(error.value) for word in words), str(error.value)
    assert error.value.fix
    return error.value


@pytest.fixture
def two(night: Nightly) -> Nightly:
    """Two samples in genres, exported as 1."""
    night.add("kick.wav", 300, genre="house")
    night.add("snare.wav", 500, genre="jazz")
    night.export(organize_by="genre")
    return night


# ---- what is in it ----


def test_exactly_the_files_of_the_export(night: Nightly) -> None:
    """Each once, though several rows share it; not what failed, nor what another export or somebody else put there."""
    for n in range(6):
        night.add(f"s{n}.wav", 300 + 20 * n, genre=("house", "jazz", "")[n % 3])
    night.rows.append(night.rows[0] | {"kit": "K", "bank": "A", "pad": 1})
    night.rows.append(night.rows[0] | {"kit": "K", "bank": "B", "pad": 2})
    night.sound("short.wav", seconds=0.01)
    night.add("short.wav")
    night.add("missing.wav")
    batch = night.export(organize_by="genre")
    assert batch.failed == 2
    night.strays = {"house/theirs.wav"}
    (night.out / "house/theirs.wav").write_bytes(b"theirs")
    night.export(kits=("K",), organize_by="kit")
    written = zipped(night, batch.export_id)
    found = contents(written.path)
    rows = {path_of(batch, result.sample_id) for result in batch.results if result.success and result.sample_id}
    assert {name for name in found if not name.endswith("_metadata.txt")} == rows
    assert written.files == len(found) == 12
    assert found == {path: content for path, content in tree(night.out).items() if path in found}
    of_kit = contents(zipped(night, 2, "kit.zip").path)
    assert {name for name in of_kit if name.endswith(".wav")} == {"k/bank_A/pad_01_s0.wav", "k/bank_B/pad_02_s0.wav"}


@pytest.mark.slow
def test_the_same_bytes_again_also_of_an_export_that_found_all_unchanged(two: Nightly) -> None:
    again = two.export(organize_by="genre")
    assert statuses(again) == ["unchanged"] * 2
    paths = [zipped(two, number, name).path for number, name in ((1, "a.zip"), (1, "b.zip"), (2, "c.zip"))]
    assert len({Path(path).read_bytes() for path in paths}) == 1


@pytest.mark.slow
def test_without_metadata_there_is_none_in_it(night: Nightly) -> None:
    night.add("kick.wav", 300)
    night.export(include_metadata=False)
    assert list(contents(zipped(night, 1).path)) == ["kick.wav"]


@pytest.mark.slow
def test_a_selection_is_what_was_selected(two: Nightly) -> None:
    batch = two.export(organize_by="genre", sample_ids=(2,))
    assert list(contents(zipped(two, batch.export_id).path)) == ["jazz/snare.wav", "jazz/snare_metadata.txt"]


@pytest.mark.slow
def test_two_formats_share_a_metadata_file(night: Nightly) -> None:
    """That of the last is there; who finds it unchanged has it."""
    night.add("kick.wav", 300)
    night.export()
    night.export(format="aiff")
    refused(night, 1, "export 2 has replaced kick.wav")
    assert list(contents(zipped(night, 2).path)) == ["kick.aiff", "kick_metadata.txt"]
    again = night.export()
    found = contents(zipped(night, again.export_id, "y.zip").path)
    assert found["kick_metadata.txt"] == (night.out / "kick_metadata.txt").read_bytes()


# ---- the record does not allow it ----


@pytest.mark.slow
def test_an_export_that_is_not_known(two: Nightly) -> None:
    refused(two, 9, "Export 9 not found")
    nowhere = load({"db": str(two.folder / "none.duckdb")}, lambda *_: {}).settings
    with pytest.raises(DatabaseError):
        zip_archive.zip_export(nowhere, 1, None)
    assert not Path(nowhere.db).exists()


@pytest.mark.slow
def test_an_export_of_which_all_failed(night: Nightly) -> None:
    night.add("missing.wav")
    night.export()
    error = refused(night, 1, "Export 1 has no files")
    assert "history --export 1 --failed" in error.fix


@pytest.mark.slow
def test_an_export_that_was_killed(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(6):
        night.add(f"s{n}.wav", 300 + n)
    nightly.killed(night, monkeypatch)
    error = refused(night, 1, "Export 1 was not finished")
    assert "again" in error.fix
    assert night.export().export_id == 1
    assert len(contents(zipped(night, 1).path)) == 12


@pytest.mark.slow
def test_an_export_that_was_resumed_after_a_later_one(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is lower than that of an export which wrote to the same folder meanwhile, of the same sources."""
    for number in range(6):
        night.add(f"s{number}.wav", 300 + number)
    nightly.killed(night, monkeypatch, organize_by="flat")
    other = night.write(night.lib / "other.csv")
    night.export(manifest=other, organize_by="flat", whole=False)
    resumed = night.export(organize_by="flat", whole=False)
    assert (resumed.export_id, resumed.resumed) == (1, True)
    assert zipped(night, 1).files == 12


@pytest.mark.slow
def test_a_later_export_wrote_other_sound(two: Nightly) -> None:
    two.sound("kick.wav", 999)
    two.export(organize_by="genre")
    error = refused(two, 1, "export 2 has replaced house/kick.wav")
    assert "export 2" in error.fix
    assert len(contents(zipped(two, 2).path)) == 4


@pytest.mark.slow
def test_a_later_export_wrote_another_metadata_file(two: Nightly) -> None:
    two.rows[1]["bpm"] = "99"
    two.export(organize_by="genre")
    refused(two, 1, "export 2 has replaced jazz/snare.wav")


def test_a_later_export_wrote_all_of_it(two: Nightly) -> None:
    two.export(organize_by="genre", full=True)
    refused(two, 1, "export 2 has replaced house/kick.wav and 1 more")


@pytest.mark.slow
def test_a_later_export_moved_or_removed_a_file(two: Nightly) -> None:
    two.rows[0]["genre"] = "dub"
    two.export(organize_by="genre")
    assert not (two.out / "house").exists()
    refused(two, 1, "moved or removed house/kick.wav")
    two.rows.pop()
    two.export(organize_by="genre", prune=True)
    refused(two, 2, "moved or removed jazz/snare.wav")
    assert len(contents(zipped(two, 3).path)) == 2


def test_later_exports_replaced_one_file_and_removed_another(two: Nightly) -> None:
    two.sound("kick.wav", 999)
    two.rows.pop()
    two.export(organize_by="genre", prune=True)
    error = refused(two, 1, "export 2 has replaced house/kick.wav; a later one has moved or removed jazz/snare.wav")
    assert "export 2" in error.fix


@pytest.mark.slow
def test_a_file_that_no_record_calls_ours(night: Nightly) -> None:
    """The same sound stood there before: it counts as exported, but who wrote it is not known."""
    night.add("kick.wav", 300)
    night.export(include_metadata=False)
    night.db.unlink()
    shutil.rmtree(f"{night.db}.runs")
    batch = night.export(include_metadata=False, whole=False)
    assert statuses(batch) == ["exported"]
    error = refused(night, batch.export_id, "1 of 1 files", "no record says")
    assert "Move it away" in error.fix


# ---- the files do not allow it ----


@pytest.mark.slow
@pytest.mark.parametrize("name", ["house/kick.wav", "jazz/snare_metadata.txt"])
def test_files_that_are_not_as_recorded(two: Nightly, name: str) -> None:
    path = two.out / name
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"!!")
    refused(two, 1, "1 of 4 files", name, "content")
    path.rename(path.with_name("real"))
    refused(two, 1, "1 of 4 files", name, "missing")
    path.with_name("real").write_bytes(content)
    path.symlink_to("real")
    refused(two, 1, "1 of 4 files", name, "not a regular file")


@pytest.mark.slow
def test_the_remedy_helps(two: Nightly) -> None:
    (two.out / "house/kick.wav").write_bytes((two.out / "house/kick.wav").read_bytes()[:-2] + b"!!")
    (two.out / "jazz/snare_metadata.txt").unlink()
    refused(two, 1, "2 of 4 files")
    batch = two.export(organize_by="genre", verify_outputs=True)
    assert len(contents(zipped(two, batch.export_id).path)) == 4


# ---- where it goes ----


def test_the_current_folder_but_never_among_the_samples(two: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = two.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert zip_archive.zip_export(settings(two), 1, None).path == str(elsewhere / "sp404-export-1.zip")
    monkeypatch.chdir(two.out / "house")
    assert zip_archive.zip_export(settings(two), 1, None).path == str(two.folder / "sp404-export-1.zip")
    for inside in ("x.zip", str(two.out / "x.zip")):
        with pytest.raises(RequestError, match="among the samples"):
            zip_archive.zip_export(settings(two), 1, inside)
    (two.folder / "way").symlink_to(two.out)
    refused(two, 1, "among the samples", target=two.folder / "way" / "x.zip")
    assert not list(two.out.rglob("*.zip"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", ".", "..", "a\0b", "\udc80.zip"], ids=ascii)
def test_a_target_that_is_no_file(two: Nightly, name: str) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        zip_archive.zip_export(settings(two), 1, f"{two.folder}/{name}")


def test_a_zip_that_is_there_is_replaced_only_if_that_is_said(two: Nightly) -> None:
    first = zipped(two, 1)
    two.export(organize_by="genre", sample_ids=(1,))
    refused(two, 2, "ZIP already")
    assert len(contents(first.path)) == 4
    assert len(contents(zipped(two, 2, replace=True).path)) == 2


# ---- with an export ----


@pytest.mark.slow
def test_export_and_zip(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(night.folder)
    night.add("kick.wav", 300)
    night.add("missing.wav")
    batch = night.export(zip=True)
    assert batch.zip_path == str(night.folder / "sp404-export-1.zip")
    assert list(contents(batch.zip_path)) == ["kick.wav", "kick_metadata.txt"]
    assert list(batch.model_dump())[-1] == "zip_path"
    night.rows.pop()
    again = night.export(zip=True)
    assert again.complete
    assert Path(str(again.zip_path)).read_bytes() == Path(batch.zip_path).read_bytes()
    assert "zip_path" not in night.export().model_dump()


@pytest.mark.slow
def test_export_and_no_zip(night: Nightly) -> None:
    night.add("missing.wav")
    batch = night.export(zip=True)
    assert "no files" in batch.no_zip
    assert batch.zip_path is None
    assert not list(Path.cwd().iterdir())
    night.add("kick.wav", 300)
    night.rows.pop(0)
    Path("sp404-export-2.zip").write_bytes(b"theirs")
    batch = night.export(zip=True)
    assert statuses(batch) == ["exported"]
    assert "ZIP already" in batch.no_zip
    assert not batch.complete
    assert Path("sp404-export-2.zip").read_bytes() == b"theirs"


@pytest.mark.slow
def test_no_room_for_the_zip(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export stands, and the same command goes on with what is missing."""
    night.add("kick.wav", 300)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_add", full)
        error = nightly.refused(night, DiskFullError, zip=True)
    assert str(Path.cwd()) in str(error)
    assert not list(Path.cwd().iterdir())
    assert night.findings() == []
    batch = night.export(zip=True)
    assert statuses(batch) == ["unchanged"]
    assert len(contents(batch.zip_path)) == 2


# ---- the command line ----


def test_the_command(sp404: Run, two: Nightly) -> None:
    said = sp404("zip", 1, "--db", two.db)
    assert (said.status, said.err) == (0, "")
    assert said.out.split("\n")[1].strip() == str(Path.cwd() / "sp404-export-1.zip")
    assert "Export 1: 4 files" in said.out
    one_clear_error(sp404("zip", 1, "--db", two.db), 2, "already", "--force")
    said = sp404("zip", 1, "--db", two.db, "--force", "--json")
    told = json.loads(said.out)
    assert told == {"export_id": 1, "path": told["path"], "files": 4, "bytes": os.path.getsize(told["path"])}
    assert sp404("zip", 1, "--db", two.db, "-o", "~/other.zip").status == 0
    assert contents(Path.home() / "other.zip") == contents("sp404-export-1.zip")
    one_clear_error(sp404("zip", 9, "--db", two.db), 2, "Export 9 not found")
    one_clear_error(sp404("zip", 1, "--db", two.db, "-o", two.out / "x.zip"), 2, "among the samples")
    one_clear_error(sp404("zip", 1, "--db", two.db, "-o", two.folder / "none" / "x.zip"), 2, "no folder")
    (two.out / "house/kick.wav").unlink()
    one_clear_error(sp404("zip", 1, "--db", two.db, "-o", "y.zip"), 2, "1 of 4", "house/kick.wav", "missing", "sp404 verify")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["other.zip", "sp404-export-1.zip"]


@pytest.mark.slow
def test_export_with_zip(sp404: Run, two: Nightly) -> None:
    asked = ("export", two.manifest, "--out", two.out, "--db", two.db, "--organize-by", "genre", "--direct", "--zip")
    said = sp404(*asked)
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[-1].strip() == str(Path.cwd() / "sp404-export-2.zip")
    told = json.loads(sp404(*asked, "--json").out)
    assert list(told)[-2:] == ["errors", "zip_path"]
    assert len(contents(told["zip_path"])) == 4
    for path in two.lib.glob("*.wav"):
        path.unlink()
    said = sp404(*asked, "--full")
    assert said.status == 1
    assert "No ZIP: Export 4 has no files" in said.err
