"""What is moved stays what it is: a library, a manifest, an output folder; and a copy of a folder is known as one."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.export import preview
from schemas.errors import DiskError
from schemas.report import BatchExportResult
from tasks.fs.moved_files import find_moved
from tasks.fs.place_mark import MARK_FILE, read_mark
from tasks.store import repair
from tasks.store.database import Database
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, sounds, states, statuses, tree

GENRE = {"organize_by": "genre"}


@pytest.fixture
def packs(night: Nightly) -> Nightly:
    """Three packs of two sounds of the same names, and without ids of their own, exported by genre."""
    night.columns = ("file_path", "title", "genre")
    for at in (1, 2, 3):
        night.add(f"p{at}/kick.wav", 60 + at, title="Kick", genre="house")
        night.add(f"p{at}/snare.wav", 160 + at, title="Snare", genre="house")
    assert statuses(night.export(**GENRE)) == ["exported"] * 6
    return night


def ids(packs: Nightly) -> dict[str, int]:
    """Return the ids of the samples by the ends of their paths."""
    return {"/".join(Path(path).parts[-2:]): number for number, path in packs.ask("SELECT id, file_path FROM samples")}


def moved(packs: Nightly, name: str = "B") -> Path:
    """Rename the whole library, its manifest within; return the manifest."""
    packs.lib.rename(packs.folder / name)
    return packs.folder / name / "m.csv"


def unchanged(batch: BatchExportResult, count: int = 6) -> bool:
    return statuses(batch) == ["unchanged"] * count and not batch.stale


# ---- sources and manifests ----


def test_a_library_whose_folder_is_renamed_is_the_same_library(packs: Nightly) -> None:
    names, before = ids(packs), states(packs.out)
    manifest = moved(packs)
    planned = preview.plan(packs.request(manifest=manifest, **GENRE))
    assert all(file.unchanged for file in planned.files), planned
    again = packs.export(manifest=manifest, **GENRE)
    assert unchanged(again)
    assert f"6 samples moved (from {packs.lib} to {packs.folder / 'B'}): ids, names and history stay" in again.notes
    assert planned.notes == again.notes
    assert (ids(packs), states(packs.out)) == (names, before)
    assert {path for (path,) in packs.outputs("manifest_path")} == {str(manifest)}
    assert [path for (path,) in packs.outputs("source_path") if not os.path.exists(path)] == []
    third = packs.export(manifest=manifest, prune=True, **GENRE)
    assert unchanged(third)
    assert (third.notes, third.pruned, states(packs.out)) == ([], 0, before)


@pytest.mark.slow
def test_what_comes_back_has_its_id_still(packs: Nightly) -> None:
    names = ids(packs)
    packs.export(manifest=moved(packs), **GENRE)
    (packs.folder / "B").rename(packs.lib)
    assert unchanged(packs.export(**GENRE))
    assert ids(packs) == names


@pytest.mark.slow
def test_a_copy_beside_the_original_is_another_library(packs: Nightly) -> None:
    """Its files are others, though of the same content: the originals are still there."""
    before = tree(packs.out)
    shutil.copytree(packs.lib, packs.folder / "B")
    both = packs.export(manifest=packs.folder / "B" / "m.csv", **GENRE)
    assert statuses(both) == ["exported"] * 6
    assert before.items() <= tree(packs.out).items()
    assert len(packs.paths()) == 12
    assert packs.ask("SELECT count(DISTINCT id) FROM samples") == [(12,)]
    assert unchanged(packs.export(**GENRE))


@pytest.mark.slow
def test_one_file_that_moved_within_the_library_keeps_its_id_and_a_new_file_at_its_place_has_another(packs: Nightly) -> None:
    names = ids(packs)
    (packs.lib / "new").mkdir()
    (packs.lib / "p2/kick.wav").rename(packs.lib / "new/kick.wav")
    packs.rows[2]["file_path"] = "new/kick.wav"
    assert unchanged(packs.export(**GENRE))
    assert ids(packs)["new/kick.wav"] == names["p2/kick.wav"]
    packs.add("p2/kick.wav", 999, title="Other", genre="jazz")
    both = packs.export(**GENRE)
    assert statuses(both) == ["unchanged"] * 6 + ["exported"]
    assert ids(packs)["new/kick.wav"] == names["p2/kick.wav"]
    assert ids(packs)["p2/kick.wav"] not in names.values()


@pytest.mark.slow
def test_an_edited_sound_at_another_place_is_no_moved_one(packs: Nightly) -> None:
    """Its size is the same, its bytes are not."""
    names = ids(packs)
    (packs.lib / "p2/kick.wav").unlink()
    packs.rows.pop(2)
    packs.add("p9/kick.wav", 777, title="Kick", genre="house")
    assert statuses(packs.export(**GENRE)) == ["unchanged"] * 5 + ["exported"]
    assert ids(packs)["p9/kick.wav"] not in names.values()


@pytest.mark.slow
def test_a_renamed_table_has_the_files_of_the_old_one(packs: Nightly) -> None:
    """Also those of a row that was dropped on the way: nobody else would ever remove them."""
    packs.rows.pop(2)
    packs.manifest.unlink()
    renamed = packs.write(packs.lib / "library final.csv")
    batch = packs.export(manifest=renamed, prune=True, **GENRE)
    assert statuses(batch) == ["unchanged"] * 5
    assert any(str(packs.manifest) in note and str(renamed) in note for note in batch.notes)
    assert (batch.pruned, len(packs.paths())) == (1, 5)


@pytest.mark.slow
def test_a_table_that_shares_few_samples_takes_nothing_over(packs: Nightly) -> None:
    before = tree(packs.out)
    packs.manifest.unlink()
    packs.rows = packs.rows[:2]
    other = packs.write(packs.lib / "other.csv")
    batch = packs.export(manifest=other, prune=True, **GENRE)
    assert (statuses(batch), batch.pruned) == (["unchanged"] * 2, 0)
    assert tree(packs.out) == before


@pytest.mark.slow
def test_a_rebuilt_database_knows_what_moved(packs: Nightly) -> None:
    names = ids(packs)
    manifest = moved(packs)
    packs.export(manifest=manifest, **GENRE)
    packs.out.rename(packs.folder / "out2")
    packs.export(manifest=manifest, out=packs.folder / "out2", **GENRE)
    packs.db.unlink()
    repair.repair(Database(str(packs.db), 5))
    assert ids(packs) == names
    assert {folder for (folder,) in packs.outputs("output_path")} == {str(packs.folder / "out2")}
    again = packs.export(manifest=manifest, out=packs.folder / "out2", **GENRE)
    assert (statuses(again), again.notes) == (["unchanged"] * 6, [])


def test_of_several_files_of_one_content_the_one_that_ends_alike_is_meant() -> None:
    gone = ["/a/x/kick.wav", "/a/y/kick.wav", "/a/z/kick.wav"]
    fresh = [(path, "same") for path in ("/b/y/kick.wav", "/b/q/snare.wav", "/b/x/kick.wav", "/b/other.wav")]
    found = find_moved(gone, dict.fromkeys(gone, "same"), fresh)
    assert found["/a/x/kick.wav"] == "/b/x/kick.wav"
    assert found["/a/y/kick.wav"] == "/b/y/kick.wav"
    assert len(set(found.values())) == 3
    assert find_moved(gone, dict.fromkeys(gone, "other"), fresh) == {}


# ---- output folders ----


@pytest.mark.slow
def test_an_output_folder_that_is_moved_stays_what_it_is(packs: Nightly) -> None:
    before, mark = states(packs.out), read_mark(str(packs.out))
    assert mark
    there = packs.folder / "out2"
    packs.out.rename(there)
    found = packs.verified()
    assert [(one.path, one.damage) for one in found.findings] == [(str(packs.out), "missing")]
    assert f"sp404 relocate {packs.out} NEW" in found.findings[0].fix
    batch = packs.export(out=there, **GENRE)
    assert unchanged(batch)
    assert f"The output folder was {packs.out} before: its files stay" in batch.notes
    assert (states(there), read_mark(str(there))) == (before, mark), "nothing was written, so the mark stays, too"
    assert not packs.verified().findings
    packs.sound("p1/kick.wav", 777)
    assert statuses(packs.export(out=there, **GENRE)) == ["exported"] + ["unchanged"] * 5
    assert len(sounds(tree(there))) == 6


@pytest.mark.slow
def test_of_an_output_folder_and_its_copy_each_is_what_it_is(packs: Nightly) -> None:
    """A take of the same length is exported to the one, then to the other: a comparison of sizes would not see it."""
    copy = packs.folder / "copy"
    shutil.copytree(packs.out, copy)
    packs.sound("p2/kick.wav", 777)
    assert statuses(packs.export(**GENRE)).count("exported") == 1
    other = packs.export(out=copy, **GENRE)
    assert statuses(other).count("exported") == 1
    assert f"The output folder is a copy of {packs.out}. All bytes of its files are compared" in other.notes
    assert sounds(tree(copy)) == sounds(tree(packs.out))
    assert unchanged(packs.export(**GENRE))
    last = packs.export(out=copy, **GENRE)
    assert (unchanged(last), last.notes) == (True, [])


@pytest.mark.slow
def test_an_older_state_of_the_folder_is_not_taken_for_the_newest(packs: Nightly) -> None:
    """The folder was restored from a backup: sizes and names are right, and the bytes of one file are those of before."""
    backup = packs.folder / "backup"
    shutil.copytree(packs.out, backup)
    packs.sound("p2/kick.wav", 777)
    packs.export(**GENRE)
    newest = sounds(tree(packs.out))
    shutil.rmtree(packs.out)
    backup.rename(packs.out)
    planned = preview.plan(packs.request(**GENRE))
    assert [file.unchanged for file in planned.files].count(False) == 1
    batch = packs.export(**GENRE)
    assert statuses(batch).count("exported") == 1
    assert any("is not as the last export left it" in note for note in batch.notes)
    assert sounds(tree(packs.out)) == newest
    assert unchanged(packs.export(**GENRE))


@pytest.mark.slow
def test_two_copies_that_are_put_to_one_place_in_turn_are_each_made_right(packs: Nightly) -> None:
    other, hz = packs.folder / "other", 700
    shutil.copytree(packs.out, other)
    for _ in range(3):
        hz += 1
        packs.sound("p2/kick.wav", hz)
        packs.export(**GENRE)
        newest = sounds(tree(packs.out))
        packs.out.rename(packs.folder / "aside")
        other.rename(packs.out)
        packs.export(**GENRE)
        assert sounds(tree(packs.out)) == newest
        (packs.folder / "aside").rename(other)


@pytest.mark.slow
def test_files_without_their_mark_are_ours_by_their_bytes(packs: Nightly) -> None:
    """Copied by hand, without hidden files; one was changed by a person, and stays."""
    there = packs.folder / "by hand"
    shutil.copytree(packs.out, there, ignore=shutil.ignore_patterns(MARK_FILE))
    persons = there / "house" / "snare.wav"
    persons.write_bytes(b"not ours")
    first = packs.export(out=there, whole=False, **GENRE)
    assert sorted(statuses(first)) == ["exported"] * 5 + ["failed"]
    assert persons.read_bytes() == b"not ours"
    second = packs.export(out=there, whole=False, **GENRE)
    assert sorted(statuses(second)) == ["failed"] + ["unchanged"] * 5


@pytest.mark.slow
def test_a_mark_that_is_a_persons_file_stays(packs: Nightly) -> None:
    there = packs.folder / "there"
    there.mkdir()
    (there / MARK_FILE).write_text("mine")
    with pytest.raises(Exception, match=MARK_FILE):
        packs.export(out=there, **GENRE)
    assert (there / MARK_FILE).read_text() == "mine"


# ---- relocate and forget ----


def test_a_mark_that_the_disk_does_not_give_stops_the_export(packs: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """To take it for none would be to begin anew: other ids, and all converted once more."""
    before, names = states(packs.out), ids(packs)
    packs.out.rename(packs.folder / "moved")
    opened = open

    def fail(path: object, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith(f"moved/{MARK_FILE}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", fail)
        with pytest.raises(DiskError, match="Input/output error"):
            packs.export(out=packs.folder / "moved", whole=False, **GENRE)
    assert unchanged(packs.export(out=packs.folder / "moved", **GENRE))
    assert (states(packs.folder / "moved"), ids(packs)) == (before, names)


def test_relocate_says_where_a_library_and_a_folder_are_now(packs: Nightly, sp404: Run) -> None:
    """The files were edited, too: their contents say nothing."""
    names = ids(packs)
    manifest = moved(packs)
    for path in (packs.folder / "B").rglob("*.wav"):
        path.write_bytes(path.read_bytes() + b"\0" * 10)
    there = packs.folder / "elsewhere" / "out"
    there.parent.mkdir()
    packs.out.rename(there)
    (there / MARK_FILE).unlink()
    said = sp404("relocate", packs.lib, packs.folder / "B", "--db", packs.db)
    assert (said.status, said.out) == (0, f"In the records: 6 samples, 1 manifest moved to {packs.folder / 'B'}\n")
    said = sp404("relocate", packs.out, there, "--db", packs.db, "--json")
    assert json.loads(said.out) == {"old": str(packs.out), "new": str(there), "moved": {"folder": 1}}
    batch = packs.export(manifest=manifest, out=there, **GENRE)
    assert set(statuses(batch)) == {"exported"}, "their bytes are others"
    assert (ids(packs), len(sounds(tree(there)))) == (names, 6)
    one_clear_error(sp404("relocate", packs.lib, there, "--db", packs.db), 2, f"know nothing at {packs.lib}")
    one_clear_error(sp404("relocate", packs.lib, "/no/such", "--db", packs.db), 2, "/no/such is not there")


@pytest.mark.slow
def test_forget_ends_an_output_folder(packs: Nightly, sp404: Run) -> None:
    shutil.rmtree(packs.out)
    said = sp404("verify", "--db", packs.db)
    assert said.status == 1
    assert f"sp404 forget {packs.out}" in " ".join(said.out.split())
    said = sp404("forget", packs.out, "--db", packs.db)
    assert (said.status, said.out) == (0, f"6 files below {packs.out} taken out of the records. The files stay.\n")
    assert sp404("verify", "--db", packs.db).status == 0
    one_clear_error(sp404("forget", packs.out, "--db", packs.db), 2, f"know no output folder {packs.out}")


def test_verify_names_an_export_that_would_write_a_file_again_only_where_there_is_one(packs: Nightly) -> None:
    (packs.out / "house/kick.wav").unlink()
    assert [one.fix for one in packs.verified().findings] == ["The next export of m.csv writes it again."]
    packs.manifest.unlink()
    assert [one.fix for one in packs.verified().findings] == [
        f"Its manifest {packs.manifest.name} is gone. Export the sample again."
    ]


def test_a_folder_of_other_records_is_said_to_be_one(packs: Nightly) -> None:
    """Also where there are no records yet; after the first export it is known."""
    words = "files of exports that these records know nothing of"
    before = tree(packs.out)
    packs.db = packs.folder / "other.duckdb"
    assert any(words in note for note in preview.plan(packs.request(**GENRE)).notes)
    first, second = packs.export(**GENRE), packs.export(**GENRE)
    assert any(words in note for note in first.notes)
    assert not any(words in note for note in second.notes)
    assert {path: tree(packs.out)[path] for path in before if not path.endswith(MARK_FILE)} == {
        path: state for path, state in before.items() if not path.endswith(MARK_FILE)
    }


def test_verify_names_the_layout_that_writes_a_file_again_and_that_does(packs: Nightly) -> None:
    """The newest export of the manifest has another: it writes other files."""
    path = packs.out / "house/kick.wav"
    whole = path.read_bytes()
    packs.export(organize_by="flat")
    path.unlink()
    assert [one.fix for one in packs.verified().findings] == ["An export of m.csv with --organize-by genre writes it again."]
    packs.export(**GENRE)
    assert packs.verified().findings == []
    packs.export(organize_by="flat")
    path.write_bytes(whole[:-1])
    (fix,) = [one.fix for one in packs.verified().findings]
    assert fix == "An export of m.csv with --organize-by genre --verify-outputs writes it again."
    packs.export(**GENRE, verify_outputs=True)
    assert (packs.verified().findings, path.read_bytes()) == ([], whole)


def test_a_file_that_moves_to_where_a_restored_backup_has_it_already_leaves_its_old_name(night: Nightly) -> None:
    """The backup is of before it moved away from there. One name in the manifest is one file in the folder."""
    night.columns = ("file_path", "title", "genre")
    night.add("kick.wav", 60, title="Kick", genre="house")
    night.export(**GENRE)
    backup = shutil.copytree(night.out, night.folder / "backup")
    night.rows[0]["genre"] = "jazz"
    night.export(**GENRE)
    shutil.rmtree(night.out)
    backup.rename(night.out)
    night.export(whole=False, **GENRE)
    assert {path for path in sounds(tree(night.out)) if path.startswith("jazz/")} == {"jazz/kick.wav"}
    night.rows[0]["genre"] = "house"
    night.export(prune=True, whole=False, **GENRE)
    assert set(sounds(tree(night.out))) == {"house/kick.wav"}
    assert statuses(night.export(prune=True, whole=False, **GENRE)) == ["unchanged"]
