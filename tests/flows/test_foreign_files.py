"""Files of systems and sync programs among samples, outputs and on cards: left out, passed over, and removed only if asked."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Run
from tests.support.scanning import World, audio_below, snapshot, sound, sounds

TRASH = (
    ".Trash-1000/files", ".Trashes/501", "#recycle", "@Recycle", "@eaDir", ".stversions/pack", ".dropbox.cache", ".AppleDouble",
    ".git/lfs", ".Spotlight-V100", "RECYCLER", "lost+found", ".TemporaryItems", ".fseventsd", ".snapshots/1", ".Trash",
    "$RECYCLE.BIN/S-1-5",
)  # fmt: skip
JUNK = (".DS_Store", "house/.DS_Store", "house/._kick.wav", "house/Thumbs.db", "desktop.ini")
HARMLESS = (".stfolder/x", ".syncthing.kick.wav.tmp")


@pytest.fixture
def world(tmp_path: Path, sp404: Run) -> World:
    return World(tmp_path / "w", sp404)


def test_a_scan_leaves_out_trash_sync_history_and_half_downloads(world: World) -> None:
    pack = world.folder / "drive/pack"
    sound(pack / "kick.wav", 1)
    for number, folder in enumerate(TRASH):
        sound(world.folder / "drive" / folder / "deleted snare.wav", 100 + number)
    for name in (".syncthing.hat.wav.tmp", "~$kick.wav", "._kick.wav", "kick.wav.part", "kick.wav.crdownload"):
        sound(pack / name, 300)
    conflicts = ["kick (Anna's conflicted copy 2024-05-01).wav", "kick.sync-conflict-20240501-120000-ABCDEFG.wav"]
    for name in conflicts:
        sound(pack / name, 301)
    done = world.scan(world.folder / "drive")
    assert done["skipped"] == {"system file": len(TRASH) + 3, "half a download": 2}
    kept = [f"drive/pack/{name}" for name in conflicts]
    assert sorted(world.paths()) == sorted(["drive/pack/kick.wav", *kept])
    assert done["conflicts"] == kept
    said = world.run("scan", world.folder / "drive", "-o", world.table)
    assert all(f"Conflict copy of a sync program, kept: {path}" in said.err for path in kept)


def test_a_file_that_only_icloud_has_is_missed(world: World) -> None:
    sounds(world.folder / "lib", 1)
    (world.folder / "lib/.hat.wav.icloud").write_bytes(b"bplist00")
    done = world.scan(world.folder / "lib", status=1)
    assert [(entry["why"], entry["fix"]) for entry in done["lacking"]] == [
        ("in iCloud only", "Download it in Finder, then scan again.")
    ]


def litter(folder: Path) -> None:
    for name in (*JUNK, *HARMLESS):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"x")


@pytest.fixture
def littered(world: World, uncontained: None) -> World:
    """An export by genre to a folder and a card, into which Finder, Explorer and Syncthing have looked since."""
    sound(world.folder / "lib/kick.wav", 1)
    world.save([{"file_path": "lib/kick.wav", "genre": "house"}])
    (world.card / "IMPORT").mkdir(parents=True)
    world.export("--organize-by", "genre", "--card", world.card)
    litter(world.out)
    litter(world.card / "IMPORT")
    (world.card / "System Volume Information").mkdir()
    (world.card / "System Volume Information/IndexerVolumeGuid").write_bytes(b"x")
    (world.card / ".Trashes/501").mkdir(parents=True)
    (world.card / ".Trashes/501/._kick.wav").write_bytes(b"x")
    (world.card / "._EXPORT").write_bytes(b"x")
    return world


def test_files_of_systems_do_not_make_verify_fail(littered: World) -> None:
    said = littered.run("verify")
    assert said.status == 0
    assert (
        f"2 files (1 sample, 1 metadata file): 2 as they were written, {len(JUNK) + len(HARMLESS)} system files passed over"
        in said.out
    )
    assert ".DS_Store" not in said.out
    # Nor do others, which are named.
    sound(littered.out / "mine.wav", 5)
    said = littered.run("verify")
    assert (said.status, f"{littered.out}/mine.wav" in said.out) == (0, True)
    assert json.loads(littered.run("verify", "--json").out)["counts"] == {"unknown": 1}
    (littered.out / "house/kick.wav").unlink()
    assert littered.run("verify").status == 1


def test_a_card_lists_its_junk_and_removes_exactly_that_if_asked(littered: World) -> None:
    sound(littered.card / "IMPORT/mine.wav", 5)
    sound(littered.card / "IMPORT/._mine.wav", 6)
    before = snapshot(littered.card)
    said = littered.run("card", littered.card)
    assert said.status == 0
    assert littered.run("card") == said._replace(err=f"The card at {littered.card}:\n")
    wanted = sorted([*(f"IMPORT/{name}" for name in JUNK), "._EXPORT"])
    assert [line for line in said.out.splitlines() if line.startswith("Junk: ")] == [
        f"Junk: {name} (--clean-junk removes it)" for name in wanted
    ]
    assert "1 file from elsewhere" in said.out
    assert snapshot(littered.card) == before
    report = json.loads(littered.run("card", littered.card, "--clean-junk", "--json").out)
    assert (report["cleaned"], report["junk"], report["unknown"]) == (wanted, [], ["mine.wav"])
    gone = {path.removeprefix(f"{littered.card}/") for path in before.keys() - snapshot(littered.card).keys()}
    assert gone == set(wanted)
    assert audio_below(littered.card / "IMPORT") == ["._mine.wav", "house/kick.wav", "mine.wav"]


def test_the_junk_of_a_card_that_nobody_knows_is_removed_too(littered: World) -> None:
    """It has no mark, or one of another database; without the option, it is said that nothing is known."""
    junk = sorted([*(f"IMPORT/{name}" for name in JUNK), "._EXPORT"])
    (littered.card / ".sp404-export").write_text("0" * 32 + "\n")
    assert "is not in the records" in littered.run("card", littered.card).err
    (littered.card / ".sp404-export").unlink()
    before = snapshot(littered.card)
    assert "has nothing from sp404-export" in littered.run("card", littered.card).err
    said = littered.run("card", littered.card, "--clean-junk")
    assert said.status == 0
    last = f"{littered.card}: nothing in the records; 1 file from elsewhere"
    assert said.out.splitlines() == [*(f"Removed: {name}" for name in junk), last]
    gone = {path.removeprefix(f"{littered.card}/") for path in before.keys() - snapshot(littered.card).keys()}
    assert gone == set(junk)


def test_a_card_that_has_only_files_of_systems_is_empty(world: World, uncontained: None) -> None:
    sound(world.folder / "lib/kick.wav", 1)
    world.save([{"file_path": "lib/kick.wav"}])
    for name in (".Trash-1000", "$RECYCLE.BIN", ".TemporaryItems"):
        (world.card / name).mkdir(parents=True)
    world.export("--card", world.card, "--init-card")
    assert audio_below(world.card) == ["IMPORT/kick.wav"]
