"""Surroundings that fail for real, in the middle of a whole export: each time the right status and words, other samples
unharmed, and the same command completes as if nothing had been.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
import soundfile

from tasks.audio import synth
from tests.support import means
from tests.support.faults import (
    Card,
    Export,
    Library,
    Said,
    Undisturbed,
    assert_same,
    assert_unharmed,
    assert_whole,
    completes,
    files,
    final_sounds,
    give,
    row_equation,
    sound16,
    tree,
    watched,
    write_manifest,
)
from tests.support.running_export import held_place

pytestmark = pytest.mark.slow

FULL = "Not enough disk space"
NO_WAIT = {"SP404_LOCK_WAIT_SECONDS": "0.3"}


def disturbed(said: Said, export: Export, wanted: dict[str, bytes], *words: str) -> Said:
    """The surroundings ended a run: exit 3 and clear words; what stands there is whole and as it should be."""
    said.one_clear_error(3, *words)
    found = tree(export.out)
    assert not [name for name in found if name.endswith(".part")]
    assert not found.keys() - wanted.keys()
    assert_unharmed(found, wanted)
    return said


# ---- a disk without room ----


@pytest.mark.faults("mount")
@pytest.mark.parametrize("room", ["size=1m", "nr_inodes=40"])
def test_a_disk_that_is_too_small(export: Export, undisturbed: Undisturbed, room: str) -> None:
    with means.mounted(export.out, room, "mode=1777"):
        disturbed(export.run(), export, undisturbed.tree(), FULL, str(export.out))
        Card(export.out).remount("size=16m,nr_inodes=5000")
        completes(export, undisturbed.tree())


@pytest.mark.faults("mount")
@pytest.mark.parametrize("room", ["size=1m", "nr_inodes=40"])
def test_too_little_room_is_found_before_anything_is_converted(export: Export, room: str) -> None:
    with means.mounted(export.out, room, "mode=1777"):
        export.run().one_clear_error(3, FULL, str(export.out))
        assert tree(export.out) == {}


@pytest.mark.faults("mount")
@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_disk_that_somebody_else_fills_meanwhile(export: Export, undisturbed: Undisturbed, ground: Path, what: str) -> None:
    there = replace(export, out=ground / "disk/IMPORT")
    with means.mounted(ground / "disk", "size=8m", "nr_inodes=2000", "mode=1777") as disk, watched(disk / "IMPORT"):
        with there.start() as running:
            running.until_files(there.out, 8)
            with running.paused():
                filler = Card(disk).fill() if what == "bytes" else Card(disk).fill_inodes()
            said = running.wait()
        disturbed(said, there, undisturbed.tree(), FULL, str(there.out))
        Card.clear(filler)
        completes(there, undisturbed.tree())


@pytest.mark.faults("mount")
@pytest.mark.parametrize("room", ["8k", "12k", "16k", "64k"])
def test_no_room_for_the_database_at_all(export: Export, undisturbed: Undisturbed, room: str) -> None:
    """Neither for its headers, nor for its tables. Of 8k the folder beside it takes a page."""
    with means.mounted(export.db.parent, f"size={room}", "mode=1777"):
        disturbed(export.run(), export, undisturbed.tree(), FULL, str(export.db.parent))
        assert not export.db.exists()
        Card(export.db.parent).remount("size=64m")
        completes(export, undisturbed.tree())


@pytest.mark.faults("mount")
def test_the_disk_of_the_database_fills_meanwhile(export: Export, undisturbed: Undisturbed) -> None:
    with means.mounted(export.db.parent, "size=16m", "mode=1777"):
        with export.start() as running:
            running.until_files(export.out, 8)
            with running.paused():
                filler = Card(export.db.parent).fill()
            said = running.wait()
        disturbed(said, export, undisturbed.tree(), FULL, str(export.db.parent))
        filler.unlink()
        completes(export, undisturbed.tree())


# ---- an output that cannot be written ----


@pytest.mark.faults("setpriv")
@pytest.mark.parametrize("which", ["the folder", "the folder above", "a folder in it"])
def test_an_output_of_somebody_elses(export: Export, undisturbed: Undisturbed, ground: Path, which: str) -> None:
    give(export.db.parent, export.home)
    if which != "the folder above":
        export.out.mkdir()
    if which == "a folder in it":
        give(export.out)
        (export.out / "jazz").mkdir()
    closed = {"the folder": export.out, "the folder above": ground, "a folder in it": export.out / "jazz"}[which]
    closed.chmod(0o555 if os.geteuid() else 0o755)
    user = means.unprivileged(ground / "staged")
    try:
        disturbed(export.run(before=user), export, undisturbed.tree(), "not writable", str(export.out))
        closed.chmod(0o777)
        completes(export, undisturbed.tree(), before=user)
    finally:
        closed.chmod(0o755)


@pytest.mark.faults("chattr")
def test_an_immutable_output_folder(export: Export, undisturbed: Undisturbed) -> None:
    export.out.mkdir()
    with means.immutable(export.out):
        disturbed(export.run(), export, undisturbed.tree(), "not writable", str(export.out))
    completes(export, undisturbed.tree())


@pytest.mark.faults("chattr")
def test_a_zip_where_none_can_be_written(export: Export, ground: Path) -> None:
    export.run().ended(0)
    (ground / "zips").mkdir()
    with means.immutable(ground / "zips"):
        said = export.sp404("zip", 1, "-o", ground / "zips/x.zip", "--db", export.db)
        said.one_clear_error(3, "not writable", str(ground / "zips"))
    assert list((ground / "zips").iterdir()) == []


@pytest.mark.faults("mount")
def test_an_output_mounted_read_only(export: Export, undisturbed: Undisturbed) -> None:
    with means.mounted(export.out, "ro"):
        disturbed(export.run(), export, undisturbed.tree(), "not writable", str(export.out))
        Card(export.out).remount("rw")
        completes(export, undisturbed.tree())


@pytest.mark.faults("mount")
def test_a_temporary_folder_instead_of_one_that_cannot_be_written(export: Export, undisturbed: Undisturbed) -> None:
    """Only if asked for: with a warning in the record; and a second run finds it again."""
    env = {"SP404_FALL_BACK": "true"}
    with means.mounted(export.out, "ro"):
        export.run().one_clear_error(3, "not writable", str(export.out))
        said = export.run(env=env).ended(0)
        instead = Path(said.result["output_base_path"])
        try:
            assert instead != export.out
            assert instead.stat().st_mode & 0o077 == 0
            assert_same(tree(instead), undisturbed.tree())
            with duckdb.connect(str(export.db)) as connection:
                ((warning, where),) = connection.execute("SELECT warning, output_path FROM sp404_exports").fetchall()
            assert where == str(instead)
            assert warning.startswith(f"Output folder is not writable: {export.out}")
            assert warning.endswith(f"written to {instead} instead")
            again = export.run(env=env).ended(0)
            assert again.result["unchanged"] == again.result["successful"]
        finally:
            shutil.rmtree(instead, ignore_errors=True)


@pytest.mark.faults("disk")
def test_a_disk_that_turns_read_only_meanwhile(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    """As ext4 does it by itself on an error: with files open for writing. What was in the making then cannot be removed."""
    there = replace(export, out=ground / "disk/IMPORT")
    with means.thin_disk(ground / "disk", 32) as disk:
        with there.start() as running:
            running.until_files(there.out, 8)
            with suppress(means.CannotError):
                Card(disk).remount("abort")
            said = running.wait()
        said.one_clear_error(3, str(there.out))
        Card(disk).mount_again()
        completes(there, undisturbed.tree())


# ---- disks that lie ----


@pytest.mark.faults("strace")
@pytest.mark.parametrize("which", ["every", "the second of each thread"])
def test_a_sync_of_outputs_that_fails(export: Export, undisturbed: Undisturbed, which: str) -> None:
    """EIO: the disk has not taken what was written; no file that was not synced may have its final name."""
    when = "" if which == "every" else ":when=2"
    said = export.run("--workers", 1, before=means.strace(f"fsync,syncfs:error=EIO{when}"))
    disturbed(said, export, undisturbed.tree())
    if which == "every":
        assert final_sounds(export.out) == []
    completes(export, undisturbed.tree())


@pytest.mark.faults("strace")
@pytest.mark.parametrize("when", ["", ":when=4+", ":when=7+"])
def test_a_sync_of_the_database_that_fails(export: Export, undisturbed: Undisturbed, when: str) -> None:
    """DuckDB's own: from its first on, and later, when it had been made. What was said to be recorded is."""
    said = export.run(before=means.strace(f"fdatasync:error=EIO{when}"))
    if said.status:
        disturbed(said, export, undisturbed.tree(), "database", str(export.db))
    else:
        row_equation(said, export.db)
    completes(export, undisturbed.tree())


@pytest.mark.faults("disk")
def test_a_disk_that_promises_more_than_it_has(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    """Every write succeeds, and is lost: only syncing tells."""
    there = replace(export, out=ground / "disk/IMPORT")
    with means.thin_disk(ground / "disk", 1):
        there.run().one_clear_error(3, str(there.out))
    completes(replace(export, out=ground / "elsewhere"), undisturbed.tree())


@pytest.mark.faults("fiu")
@pytest.mark.parametrize("whose", [means.BY_PYTHON, means.BY_DUCKDB])
def test_writes_that_take_less_than_they_are_given(export: Export, undisturbed: Undisturbed, ground: Path, whose: str) -> None:
    # DuckDB writes from many threads: a worker forked meanwhile would inherit libfiu's lock, and wait for it forever; and so
    # would a thread that loads a library, for one that writes: all are loaded before.
    env = {"SP404_CONTAINED": "false"} | means.loaded_first(ground / "loaded") if whose == means.BY_DUCKDB else {}
    with watched(export.out):
        completes(export, undisturbed.tree(), before=means.short_writes(whose), env=env, timeout=180)


# ---- a card that is pulled ----


@contextmanager
def pulled(export: Export, mount_point: Path, kept: Path) -> Iterator[Said]:
    """A run whose card is pulled when 8 files are on it; inside of ``with`` it is still away."""
    card = Card(mount_point)
    kept = card.keep(kept)
    try:
        with export.start() as running:
            running.until_files(export.out, 8)
            card.pull()
            yield running.wait()
        card.put_back(kept)
    finally:
        means.unmount(kept)


@pytest.mark.faults("mount")
@pytest.mark.parametrize("folder", [".", "IMPORT"])
def test_a_card_pulled_in_the_middle(export: Export, undisturbed: Undisturbed, ground: Path, folder: str) -> None:
    mount_point = ground / "card"
    there = replace(export, out=mount_point / folder)
    with means.mounted(mount_point, "size=16m", "mode=1777"):
        with pulled(there, mount_point, ground / "kept") as said:
            assert not list(mount_point.rglob("*")), "files landed below the mount point"
            disturbed(said, there, undisturbed.tree(), str(there.out))
        completes(there, undisturbed.tree())


@pytest.mark.faults("mount")
def test_a_card_that_is_not_there_in_the_second_night(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    """Nothing is taken for done because a record says so: either all is exported again, or the card is missed."""
    mount_point = ground / "card"
    there = replace(export, out=mount_point / "IMPORT")
    with means.mounted(mount_point, "size=16m", "mode=1777"):
        completes(there, undisturbed.tree())
    said = there.run()
    if said.status == 3:
        said.one_clear_error(3, str(there.out))
        assert not list(mount_point.rglob("*"))
    else:
        assert row_equation(said.ended(0), there.db) == {"exported": 96}
        assert_same(tree(there.out), undisturbed.tree())


@pytest.mark.faults("exfat")
def test_a_real_card_pulled_in_the_middle(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    mount_point = ground / "card"
    there = replace(export, out=mount_point / "IMPORT")
    with means.exfat(mount_point, ground / "card.img"):
        with pulled(there, mount_point, ground / "kept") as said:
            assert not list(mount_point.rglob("*")), "files landed below the mount point"
            disturbed(said, there, undisturbed.tree(), str(there.out))
        completes(there, undisturbed.tree())


# ---- exFAT: names that differ by case only are one name ----


@pytest.mark.faults("exfat")
def test_titles_that_differ_by_case_only(export: Export, ground: Path) -> None:
    titles = ["Kick", "KICK", "kick", "Straße", "STRASSE", "Éclair", "éclair"]
    for n in range(len(titles)):
        synth.write(ground / f"lib/{n}.wav", synth.bass(48_000, 40 + n, 0.2), 48_000)
    lines = [f"{n + 1},{n}.wav,{title}" for n, title in enumerate(titles)]
    manifest = write_manifest(ground / "lib/m.csv", "sample_id,file_path,title", lines)
    with means.exfat(ground / "card", ground / "card.img") as card:
        there = replace(export, manifest=manifest, out=card / "IMPORT", options=())
        for options in (["--no-sanitize"], []):
            said = there.run(*options).ended(0)
            row_equation(said, there.db)
            for n, result in enumerate(said.result["results"]):
                sound = sound16(result["output_path"])
                assert np.array_equal(sound, sound16(ground / f"lib/{n}.wav")), result
        assert_whole(there.out)


@pytest.mark.faults("exfat")
def test_a_persons_file_on_a_card_is_kept_whatever_the_case_of_its_name(export: Export, ground: Path) -> None:
    synth.write(ground / "lib/a.wav", synth.hat(48_000), 48_000)
    manifest = write_manifest(ground / "lib/m.csv", "sample_id,file_path,title", ["1,a.wav,Kick"])
    with means.exfat(ground / "card", ground / "card.img") as card:
        (card / "KICK.WAV").write_bytes(b"a person's own")
        there = replace(export, manifest=manifest, out=card, options=())
        said = there.run()
        assert (card / "KICK.WAV").read_bytes() == b"a person's own"
        assert [path.name for path in card.iterdir() if path.suffix.lower() == ".wav"] == ["KICK.WAV"]
        assert row_equation(said.ended(1), there.db) == {"failed": 1}
        assert "is in the way" in said.result["errors"][0]


@pytest.mark.faults("exfat")
def test_a_whole_export_to_a_card_and_again(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    with means.exfat(ground / "card", ground / "card.img") as card, watched(card):
        there = replace(export, out=card / "IMPORT")
        for _ in range(2):
            completes(there, undisturbed.tree())


@pytest.mark.faults("exfat")
def test_a_card_that_is_full(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    with means.exfat(ground / "card", ground / "card.img", 16) as card:
        there = replace(export, out=card / "IMPORT")
        filler = Card(card).fill(leave_bytes=1 << 20)
        disturbed(there.run(), there, undisturbed.tree(), FULL)
        filler.unlink()
        completes(there, undisturbed.tree())


# ---- sources that go away or change ----


def test_sources_removed_between_plan_and_conversion(
    export: Export, library: Library, undisturbed: Undisturbed, ground: Path
) -> None:
    copy = library.copy(ground / "lib")
    there = replace(export, manifest=copy.manifest)
    removed = {name: (copy.folder / name).read_bytes() for name in copy.sources[2::3]}
    with there.start("--workers", 1) as running:
        running.until_anything(there.out)
        for name in removed:
            (copy.folder / name).unlink()
        said = running.wait()
    counts = row_equation(said.ended(1), there.db)
    assert counts["exported"] >= 64
    failed = [row for row in said.result["results"] if not row["success"]]
    told = {f"Audio file not found: {copy.folder / name}" for name in removed}
    # The one in hand may have gone between two looks at it.
    assert {row["error"] for row in failed} - {"Failed to load audio: it changed while it was read"} <= told
    assert_unharmed(tree(there.out), undisturbed.tree())
    assert_whole(there.out, there.db.parent)
    for name, content in removed.items():
        (copy.folder / name).write_bytes(content)
    completes(there, undisturbed.tree())


@pytest.mark.parametrize("how", ["overwritten", "cut", "replaced"])
def test_a_source_that_changes_while_it_is_read(export: Export, ground: Path, how: str) -> None:
    """It fails and says so, or, where another file took its place, is the old one; the next run has the new one."""
    lib = ground / "lib"
    long = lib / "long.wav"
    sound = np.tile(synth.loop(44_100, 120), (60, 1))
    synth.write(long, sound, 44_100, "PCM_24")
    synth.write(lib / "new.wav", sound[: len(sound) // 2], 44_100, "PCM_24")
    synth.write(lib / "short.wav", synth.kick(44_100), 44_100)
    manifest = write_manifest(lib / "m.csv", "sample_id,file_path", ["1,long.wav", "2,short.wav"])
    there = replace(export, manifest=manifest, options=("--workers", "1"))
    with there.start() as running:
        running.until(lambda: any(_size(path) > 1 << 20 for path in files(there.out)))
        if how == "overwritten":
            with long.open("r+b") as file:
                file.seek(-(8 << 20), os.SEEK_END)
                file.write(b"\1\0\3" * (1 << 20))
        elif how == "cut":
            os.truncate(long, long.stat().st_size - (8 << 20))
        else:
            (lib / "new.wav").replace(long)
        said = running.wait()
    counts = row_equation(said, there.db)
    assert_whole(there.out, there.db.parent)
    if said.status == 1:
        assert counts == {"exported": 1, "failed": 1}
        assert "changed while it was read" in said.result["errors"][0] or how == "cut"
        assert not (there.out / "long.wav").exists()
    else:
        assert (said.status, how) == (0, "replaced")
        assert abs(soundfile.info(there.out / "long.wav").frames - len(sound) * 48_000 / 44_100) <= 1
    again = there.run()
    assert again.ended(1 if how == "cut" else 0)
    row_equation(again, there.db)
    if how != "cut":
        assert abs(soundfile.info(there.out / "long.wav").frames - soundfile.info(long).frames * 48_000 / 44_100) <= 1


def _size(path: str) -> int:
    """Return the size of a file that may be gone by now: 0 then."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


# ---- paths that are too long ----


def test_paths_that_no_file_can_have(export: Export, library: Library, ground: Path, undisturbed: Undisturbed) -> None:
    copy = library.copy(ground / "lib")
    long = ["x" * 256 + ".wav", "y/" * 2_500 + "z.wav", f"/{'q' * 5_000}.wav"]
    with copy.manifest.open("a") as file:
        file.writelines(f"{name},Long,jazz\n" for name in long)
    there = replace(export, manifest=copy.manifest)
    said = there.run().ended(1)
    counts = row_equation(said, there.db)
    assert (counts.pop("exported"), sum(counts.values())) == (96, 3)
    assert_same(tree(there.out), undisturbed.tree())


@pytest.mark.parametrize("options", [[], ["--no-sanitize"]])
@pytest.mark.parametrize("strategy", ["flat", "genre", "kit"])
def test_words_that_are_too_long_for_a_name(export: Export, ground: Path, options: list[str], strategy: str) -> None:
    synth.write(ground / "lib/a.wav", synth.hat(48_000), 48_000)
    words = ["x" * 4_000, "é" * 200, "🥁" * 90, "x" * 4_000]
    lines = [f"a.wav,{word},{word},{word},A,{n + 1}" for n, word in enumerate(words)]
    manifest = write_manifest(ground / "lib/m.csv", "file_path,title,genre,kit,bank,pad", lines)
    there = replace(export, manifest=manifest, options=("--organize-by", strategy, *options))
    said = there.run().ended(0)
    assert row_equation(said, there.db) == {"exported": 4}
    assert_whole(there.out, there.db.parent)
    assert all(len(part.encode()) <= 255 for path in files(there.out) for part in path.split("/"))


@pytest.mark.parametrize(("name", "length"), [("out", 300), ("out", 5_000), ("db", 300), ("db", 5_000)])
def test_folders_whose_path_is_too_long(export: Export, ground: Path, name: str, length: int) -> None:
    deep = f"{'o' * min(length, 300 if length < 4_096 else 200)}/" * max(length // 200 - 1, 1)
    path = ground / deep
    there = replace(export, out=path) if name == "out" else replace(export, db=path)
    said = there.run()
    assert said.status in (2, 3)
    said.one_clear_error(said.status)
    assert len(said.err) < length + 1_000
    assert not final_sounds(ground)


@pytest.mark.parametrize("left", [90, 40])
def test_names_that_do_not_fit_into_what_is_left_of_a_path(export: Export, ground: Path, left: int) -> None:
    """PATH_MAX is 4,096 bytes with the final NUL; ``left`` are left for names below the output folder."""
    folder = str(ground)
    while (lacking := 4_095 - left - len(folder.encode())) > 0:
        folder += "/" + "d" * min(lacking - 1, 200)
    for n in range(4):
        synth.write(ground / f"lib/{n}.wav", synth.bass(48_000, 40 + n, 0.2), 48_000)
    lines = [f"{n}.wav,{'long title ' * 9}" for n in range(4)]
    manifest = write_manifest(ground / "lib/m.csv", "file_path,title", lines)
    there = replace(export, manifest=manifest, out=Path(folder), options=())
    said = there.run().ended(0)
    assert row_equation(said, there.db) == {"exported": 4}
    assert_whole(there.out, there.db.parent)
    for n, result in enumerate(said.result["results"]):
        sound = sound16(result["output_path"])
        assert np.array_equal(sound, sound16(ground / f"lib/{n}.wav"))


# ---- two at once ----


def test_two_runs_at_once_take_turns(export: Export, undisturbed: Undisturbed) -> None:
    with watched(export.out), export.start() as one, export.start() as other:
        said = [one.wait().ended(0), other.wait().ended(0)]
    assert {run.result["export_id"] for run in said} == {1, 2}
    for run in said:
        row_equation(run, export.db)
    assert_same(tree(export.out), undisturbed.tree())
    assert_whole(export.out, export.db.parent)


def test_a_second_run_that_may_not_wait_says_who_is_there(export: Export, undisturbed: Undisturbed) -> None:
    with held_place(export.db) as pid:
        export.run(env=NO_WAIT).one_clear_error(3, "another export is running", str(pid))
        assert not export.out.exists()
    said = export.run().ended(0)
    row_equation(said, export.db)
    assert_same(tree(export.out), undisturbed.tree())


def test_two_runs_with_two_databases_into_one_folder(export: Export, undisturbed: Undisturbed, ground: Path) -> None:
    """They know nothing of each other: whoever comes second finds his files there already, or his way barred."""
    second = replace(export, db=ground / "other/r.duckdb")
    with watched(export.out), export.start() as one, second.start() as other:
        said = [one.wait(), other.wait()]
    for run, place in zip(said, (export, second), strict=True):
        assert run.status in (0, 1), run
        row_equation(run, place.db)
    assert_same(tree(export.out), undisturbed.tree())
    assert_whole(export.out, ground)


def test_two_libraries_with_two_databases_into_one_folder(export: Export, ground: Path) -> None:
    """Half of their names are the same. Whoever comes second finds those taken; each prunes its own alone, also at once."""
    places, titles = [], []
    for which, note in enumerate((28, 60)):
        folder = ground / f"lib{which}"
        for n in range(16):
            synth.write(folder / f"{n}.wav", synth.bass(48_000, note + n, 0.12), 48_000)
        titles.append([f"Tone {n}" if n < 8 else f"Own {which} {n}" for n in range(16)])
        db = ground / f"records{which}/r.duckdb"
        places.append(replace(export, manifest=folder / "m.csv", db=db, options=("--workers", "2", "--no-metadata")))

    def write(count: int) -> None:
        for place, names in zip(places, titles, strict=True):
            rows = [f"{n}.wav,{names[n]}" for n in (*range(count), *range(8, 8 + count))]
            write_manifest(place.manifest, "file_path,title", rows)

    write(8)
    (export.out / "a person's").mkdir(parents=True)
    (export.out / "a person's/cover.png").write_bytes(b"notes\n")
    places[0].run().ended(0)
    for count, options in ((8, ()), (2, ("--prune", "--yes")), (2, ("--prune", "--yes"))):
        write(count)
        with watched(export.out), places[0].start(*options) as one, places[1].start(*options) as other:
            said = [one.wait().ended(0), other.wait().ended(1)]
        assert [row_equation(run, place.db) for run, place in zip(said, places, strict=True)] == [
            {"unchanged": 2 * count},
            {"failed": count, "exported" if "1" in str(said[1].result["export_id"]) else "unchanged": count},
        ]
        expected = {}
        for which, run in enumerate(said):
            for n, result in zip((*range(count), *range(8, 8 + count)), run.result["results"], strict=True):
                assert result["success"] or result["error"].startswith("Another file is in the way"), result
                if result["success"]:
                    assert np.array_equal(sound16(result["output_path"]), sound16(ground / f"lib{which}/{n}.wav"))
                    expected[result["output_filename"]] = n
        assert sorted(tree(export.out)) == sorted([*expected, "a person's/cover.png"])
        assert not [path for path in files(ground) if path.endswith(".part")]


# ---- the database ----


# Takes the database when it can, and lets go of it after a while.
HOLDER = """
import sys, time, duckdb
while True:
    try:
        connection = duckdb.connect(sys.argv[1])
        break
    except duckdb.IOException:
        time.sleep(0.01)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(export: Export, seconds: float) -> Iterator[None]:
    """Another program has the database open, for so long at the most."""
    with export.start(command=[sys.executable, "-c", HOLDER, str(export.db), str(seconds)]) as holder:
        assert holder.until(lambda: "held" in holder.printed()[0]), holder.printed()
        yield


@pytest.fixture
def recorded(export: Export, undisturbed: Undisturbed) -> Export:
    """An export that was done once: its outputs and its database are there."""
    completes(export, undisturbed.tree())
    return export


def test_a_database_that_another_program_holds(recorded: Export, undisturbed: Undisturbed) -> None:
    with held(recorded, 60):
        disturbed(recorded.run(env=NO_WAIT), recorded, undisturbed.tree(), "in use", str(recorded.db))
    with held(recorded, 3):
        completes(recorded, undisturbed.tree())


def test_a_database_that_is_taken_in_the_middle(export: Export, undisturbed: Undisturbed) -> None:
    """By a reader who does not let go: what was converted stays, and the next run finds it."""
    with export.start(env=NO_WAIT) as running:
        running.until_files(export.out, 8)
        with held(export, 60):
            said = running.wait()
            # It was let in between two short connections, or came too late.
            if said.status:
                disturbed(said, export, undisturbed.tree(), "in use", str(export.db))
    completes(export, undisturbed.tree())


@pytest.mark.faults("setpriv")
@pytest.mark.parametrize("which", ["the file", "its folder"])
def test_a_database_that_may_only_be_read(recorded: Export, undisturbed: Undisturbed, ground: Path, which: str) -> None:
    user = means.unprivileged(ground / "staged")
    give(recorded.home)
    writable = [recorded.db.parent, *recorded.db.parent.rglob("*")]
    for path in (recorded.out, *recorded.out.rglob("*")):
        path.chmod(0o777)
    for path in writable:
        path.chmod(0o777)
    closed = recorded.db if which == "the file" else recorded.db.parent
    closed.chmod(0o555)
    before = recorded.db.read_bytes()
    disturbed(recorded.run(before=user), recorded, undisturbed.tree(), str(recorded.db.parent))
    assert recorded.db.read_bytes() == before
    closed.chmod(0o777)
    completes(recorded, undisturbed.tree(), before=user)


def test_a_database_mended_by_nobody(recorded: Export, undisturbed: Undisturbed) -> None:
    """Of a newer version, of another program, no database at all: left as it is, byte for byte."""
    with duckdb.connect(str(recorded.db)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (999)")
    newer = recorded.db.read_bytes()
    with duckdb.connect(str(recorded.db.with_name("theirs.duckdb"))) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
    theirs = recorded.db.with_name("theirs.duckdb").read_bytes()
    for content, word in ((newer, "newer"), (theirs, "another program"), (b"RIFF" * 5_000, "database"), (b"x", "database")):
        recorded.db.write_bytes(content)
        disturbed(recorded.run(), recorded, undisturbed.tree(), word, str(recorded.db))
        assert recorded.db.read_bytes() == content


def _damage_is_named(export: Export, wanted: dict[str, bytes], content: bytes) -> str:
    """A run on a damaged database says so and lets it be; or nothing is wrong with what it needs. What it says."""
    export.db.write_bytes(content)
    said = export.run()
    if said.status == 0:
        row_equation(said, export.db)
    else:
        # What the runs before recorded beside it may have been put into it first, and that was said.
        lines = [line for line in said.err.splitlines() if not line.startswith("The database is older than the records")]
        disturbed(replace(said, err="\n".join(lines)), export, wanted, "database", str(export.db), "sp404 repair")
        # DuckDB reads a block when it is needed, so damage may be found after something good was added.
        left = export.db.read_bytes()
        kept = [left[at : at + 4_096] == content[at : at + 4_096] for at in range(0, len(content), 4_096)]
        assert sum(kept) > 0.8 * len(kept), "the damaged database was overwritten"
    assert_same(tree(export.out), wanted)
    return said.err


def test_a_truncated_database(recorded: Export, undisturbed: Undisturbed) -> None:
    whole = recorded.db.read_bytes()
    for left in (100, 4_096, 12_288, len(whole) // 2, len(whole) - 262_144, len(whole) - 4_096):
        said = _damage_is_named(recorded, undisturbed.tree(), whole[:left])
        # At its end there may be blocks that nothing uses.
        assert said or left > len(whole) // 2, f"a database cut to {left:,} bytes of {len(whole):,} was taken for a good one"


def test_a_database_with_a_flipped_bit(recorded: Export, undisturbed: Undisturbed) -> None:
    """In its three headers, in its tables, and here and there."""
    whole = recorded.db.read_bytes()
    places = [9, 40, 4_100, 4_150, 8_200, 8_250, 12_300, 13_000, *(len(whole) * n // 7 for n in range(1, 7))]
    said = []
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        said.append(_damage_is_named(recorded, undisturbed.tree(), bytes(flipped)))
    assert sum(map(bool, said)) >= 3, said


def test_a_damaged_database_can_be_repaired(recorded: Export, undisturbed: Undisturbed) -> None:
    whole = recorded.db.read_bytes()
    _damage_is_named(recorded, undisturbed.tree(), whole[: len(whole) // 2])
    recorded.sp404("repair", "--db", recorded.db).ended(0)
    assert json.loads(recorded.sp404("history", "--db", recorded.db, "--json").ended(0).out)[0]["exported"] == 96
    completes(recorded, undisturbed.tree())


# ---- the clock ----


@pytest.mark.faults("clock")
@pytest.mark.parametrize("by", ["-1d", "-3000d", "+400d"])
def test_a_clock_that_is_set_during_a_run(export: Export, undisturbed: Undisturbed, ground: Path, by: str) -> None:
    clock = ground / "clock"
    environment = means.clock(clock)
    with export.start(env=environment) as running:
        running.until_anything(export.out)
        means.set_clock(clock, by)
        said = running.wait().ended(0)
    assert row_equation(said, export.db) == {"exported": 96}
    assert said.result["total_time_seconds"] >= 0
    assert all(row["conversion_time_seconds"] >= 0 for row in said.result["results"])
    assert_same(tree(export.out), undisturbed.tree())
    assert completes(export, undisturbed.tree()).result["export_id"] == 2


@pytest.mark.faults("clock")
def test_nights_that_come_before_the_last_one(export: Export, library: Library, ground: Path, undisturbed: Undisturbed) -> None:
    """The machine's clock lost its battery: the second night is in 2019, and its changed samples are older than the first."""
    copy = library.copy(ground / "lib")
    there = replace(export, manifest=copy.manifest)
    completes(there, undisturbed.tree())
    changed = copy.folder / copy.sources[3]
    size = changed.stat().st_size
    content = bytearray(changed.read_bytes())
    content[size // 2] ^= 0x40
    changed.write_bytes(content)
    for path in [*copy.folder.iterdir()]:
        os.utime(path, (1_550_000_000, 1_550_000_000))
    said = there.run(env=means.clock(ground / "clock", "-2500d")).ended(0)
    row_equation(said, there.db)
    assert said.result["export_id"] == 2
    found, was = tree(there.out), undisturbed.tree()
    assert found.keys() == was.keys()
    assert [name for name in found if found[name] != was[name]] == ["unknown_genre/tone_003.wav"]
    # And back in our time.
    row_equation(there.run().ended(0), there.db)
    assert tree(there.out) == found


@pytest.mark.faults("clock")
def test_a_second_run_waits_no_longer_because_the_clock_went_back(export: Export, ground: Path) -> None:
    clock = ground / "clock"
    environment = means.clock(clock) | {"SP404_LOCK_WAIT_SECONDS": "2"}
    with held_place(export.db) as pid, export.start(env=environment) as other:
        time.sleep(2.5)
        means.set_clock(clock, "-1d")
        other.wait(10).one_clear_error(3, "another export is running", str(pid))


def test_files_from_the_future(export: Export, library: Library, ground: Path, undisturbed: Undisturbed) -> None:
    """Written before the clock was set right: sources, outputs, and the database."""
    copy = library.copy(ground / "lib")
    there = replace(export, manifest=copy.manifest)
    completes(there, undisturbed.tree())
    future = time.time() + 400 * 86_400
    for folder in (copy.folder, there.out, there.db.parent):
        for path in files(folder):
            os.utime(path, (future, future))
    completes(there, undisturbed.tree())
