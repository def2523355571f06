"""What ``--prune`` removes: shown beforehand, and not much of it without being asked."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Run, one_clear_error
from tests.support.scanning import World, audio_below, snapshot, sounds

pytestmark = pytest.mark.usefixtures("uncontained")


@pytest.fixture
def world(tmp_path: Path, sp404: Run) -> World:
    return World(tmp_path / "w", sp404)


def exported(world: World, count: int) -> list[Path]:
    """Export so many sounds to the output folder and a card."""
    files = sounds(world.folder / "lib", count)
    (world.card / "IMPORT").mkdir(parents=True)
    write(world, range(count))
    world.export("--card", world.card)
    return files


def write(world: World, numbers: range) -> None:
    world.save([{"file_path": f"lib/s{number:03}.wav", "title": f"s{number:03}"} for number in numbers])


def below(folder: Path) -> dict[str, tuple[int, ...]]:
    """What stands below a folder; not the folder itself, in which is tried whether it can be written."""
    return {path: status for path, status in snapshot(folder).items() if path != str(folder)}


def plan(world: World, *options: object) -> Any:
    said = world.run("plan", world.table, "--out", world.out, "--json", *options)
    assert said.status == 0, said
    return json.loads(said.out)


def test_much_is_removed_only_when_that_is_asked_for(world: World) -> None:
    exported(world, 30)
    write(world, range(8))
    before = below(world.out), below(world.card)
    said = world.run("export", world.table, "--direct", "--out", world.out, "--card", world.card, "--prune")
    one_clear_error(said, 2, f"--prune would remove 22 of 30 files below {world.out}", "such as s008.wav", "--yes", "--dry-run")
    assert (below(world.out), below(world.card)) == before
    world.export("--card", world.card, "--prune", "--yes")
    left = [f"s{number:03}.wav" for number in range(8)]
    assert (audio_below(world.out), audio_below(world.card / "IMPORT")) == (left, left)


@pytest.mark.slow
def test_a_card_that_would_lose_much_is_refused_too(world: World) -> None:
    """The output folder was pruned while the card was not in."""
    exported(world, 30)
    write(world, range(8))
    world.export("--prune", "--yes")
    before = snapshot(world.card)
    said = world.run("export", world.table, "--direct", "--out", world.out, "--card", world.card, "--prune")
    one_clear_error(said, 2, f"--prune would remove 22 of 30 files below {world.card}/IMPORT", "--yes")
    assert snapshot(world.card) == before
    world.export("--card", world.card, "--prune", "--yes")
    assert len(audio_below(world.card)) == 8


@pytest.mark.slow
@pytest.mark.parametrize(("count", "kept"), [(30, 10), (3, 1)])
def test_a_few_are_removed_without_a_question(world: World, count: int, kept: int) -> None:
    exported(world, count)
    write(world, range(kept))
    world.export("--card", world.card, "--prune")
    assert len(audio_below(world.out)) == len(audio_below(world.card)) == kept


@pytest.mark.slow
def test_new_names_are_no_loss(world: World) -> None:
    exported(world, 25)
    world.save([{"file_path": f"lib/s{number:03}.wav", "title": f"new {number:03}"} for number in range(25)])
    world.export("--card", world.card, "--prune")
    assert audio_below(world.out) == audio_below(world.card / "IMPORT") == [f"new_{number:03}.wav" for number in range(25)]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["export --dry-run", "plan"])
def test_a_dry_run_shows_what_would_go_and_writes_nothing(world: World, command: str) -> None:
    exported(world, 4)
    # One of those that go was changed by a person, on the card another.
    (world.out / "s002.wav").write_bytes(b"mine")
    (world.card / "IMPORT/s003.wav").write_bytes(b"mine")
    write(world, range(1))
    before = snapshot(world.folder)
    name, *option = command.split()
    options = (world.table, *option, "--out", world.out, "--card", world.card, "--prune")
    said = world.run(name, *options)
    assert said.status == 0
    out = [f"{world.out}/s001.wav", f"{world.out}/s003.wav"]
    on_card = [f"{world.card}/IMPORT/s001.wav", f"{world.card}/IMPORT/s002.wav"]
    gone = [line.split("  (")[0].removeprefix("- ") for line in said.out.splitlines() if line.startswith("- ")]
    assert gone == out + on_card[:1]
    assert f"2 files to remove below {world.out}, 1 file to remove below {world.card}/IMPORT" in said.err
    removals = json.loads(world.run(name, *options, "--json").out)["removals"]
    assert [(found["folder"], found["paths"], found["refused"]) for found in removals] == [
        (str(world.out), ["s001.wav", "s003.wav"], ""),
        (f"{world.card}/IMPORT", ["s001.wav"], ""),
    ]
    assert snapshot(world.folder) == before
    # And so it comes.
    world.export("--card", world.card, "--prune")
    assert audio_below(world.out) == ["s000.wav", "s002.wav"]
    assert audio_below(world.card / "IMPORT") == ["s000.wav", "s002.wav", "s003.wav"]


@pytest.mark.slow
def test_a_dry_run_says_what_would_be_refused(world: World) -> None:
    exported(world, 30)
    write(world, range(8))
    said = world.run("export", world.table, "--dry-run", "--out", world.out, "--prune")
    assert (said.status, said.out.count("\n- ")) == (0, 22)
    assert "--prune would remove 22 of 30 files" in said.err
    assert "needs --yes" in said.err
    assert "needs --yes" not in world.run("export", world.table, "--dry-run", "--out", world.out, "--prune", "--yes").err
    assert plan(world)["removals"] == []


@pytest.mark.slow
def test_rejected_rows_remove_nothing_and_the_plan_says_so(world: World) -> None:
    exported(world, 30)
    world.save([{"file_path": f"lib/s{number:03}.wav", "title": f"s{number:03}", "bpm": "fast"} for number in range(2)])
    said = world.run("plan", world.table, "--out", world.out, "--prune")
    assert said.status == 1
    assert "Nothing would be removed: rows are rejected" in said.err
    world.export("--card", world.card, "--prune", status=1)
    assert len(audio_below(world.out)) == len(audio_below(world.card)) == 30


@pytest.mark.slow
def test_a_dry_run_for_a_card_that_is_empty_yet(world: World) -> None:
    sounds(world.folder / "lib", 1)
    write(world, range(1))
    world.card.mkdir()
    before = snapshot(world.folder)
    options = ("--out", world.out, "--prune", "--card", world.card)
    assert world.run("export", world.table, "--dry-run", *options, "--init-card").status == 0
    one_clear_error(world.run("export", world.table, "--dry-run", *options), 2, "is empty")
    assert snapshot(world.folder) == before


@pytest.mark.slow
def test_sources_of_a_drive_that_is_away_keep_their_files(world: World) -> None:
    files = exported(world, 25)
    world.unplug(files[0].parent)
    world.export("--card", world.card, "--prune", status=1)
    assert len(audio_below(world.out)) == len(audio_below(world.card)) == 25


@pytest.mark.slow
def test_a_row_of_totals_does_not_lift_the_question(world: World) -> None:
    """It is rejected, but means no file: what left the table is shown, asked about and removed."""
    exported(world, 30)
    rows = [{"file_path": f"lib/s{number:03}.wav", "title": f"s{number:03}"} for number in range(8)]
    world.save([*rows, {"file_path": "", "title": "8 sounds"}])
    said = world.run("plan", world.table, "--out", world.out, "--prune")
    assert said.out.count("removed, as no longer in the manifest") == 22
    assert "Nothing would be removed" not in said.err
    said = world.run("export", world.table, "--direct", "--out", world.out, "--prune")
    one_clear_error(said, 2, "--prune would remove 22 of 30 files")
    world.export("--prune", "--yes", status=1)
    assert len(audio_below(world.out)) == 8


def layouts(world: World, count: int) -> None:
    """Export so many sounds by genre, to the output folder and a card."""
    (world.card / "IMPORT").mkdir(parents=True)
    sounds(world.folder / "lib", count)
    names = [f"s{number:03}" for number in range(count)]
    world.save([{"file_path": f"lib/{name}.wav", "title": name, "genre": "house", "bpm": "120"} for name in names])
    world.export("--organize-by", "genre", "--card", world.card)


@pytest.mark.slow
def test_another_layout_is_named_and_goes_when_that_is_asked_for(world: World) -> None:
    layouts(world, 3)
    what = "3 files of the layout genre stay; `--prune-layout genre` removes them (such as house/s000.wav)"
    bpm = ("--organize-by", "bpm", "--card", world.card)
    said = world.export(*bpm, "--prune")
    assert what in said.out.splitlines()
    assert f"On the card, {what}" in said.out.splitlines()
    both = [f"{folder}/s{number:03}.wav" for folder in ("110-130", "house") for number in range(3)]
    assert audio_below(world.out) == audio_below(world.card / "IMPORT") == both
    before = snapshot(world.folder)
    said = world.run("plan", world.table, "--out", world.out, *bpm)
    assert f"Below {world.out}, {what}" in said.err.splitlines()
    assert f"Below {world.card}/IMPORT, {what}" in said.err.splitlines()
    said = world.run("export", world.table, "--dry-run", "--out", world.out, *bpm, "--prune-layout", "genre")
    gone = [line.split("  (")[0].removeprefix("- ") for line in said.out.splitlines() if line.startswith("- ")]
    assert gone == [f"{folder}/house/s{number:03}.wav" for folder in (world.out, world.card / "IMPORT") for number in range(3)]
    assert "of the layout genre stay" not in said.err
    assert snapshot(world.folder) == before
    said = world.export(*bpm, "--prune-layout", "genre")
    assert audio_below(world.out) == audio_below(world.card / "IMPORT") == both[:3]
    assert (said.out.count("as of another layout or format: 3 files"), "stay" in said.out) == (2, False)
    # Another format of the same layout.
    aiff = (*bpm, "--format", "aiff")
    said = world.export(*aiff)
    assert said.out.count("3 files of the format wav stay; `--prune-layout bpm` removes them") == 2
    world.export(*aiff, "--prune-layout", "bpm")
    assert audio_below(world.out) == audio_below(world.card / "IMPORT") == []
    assert len([*world.card.rglob("*.aiff")]) == 3


@pytest.mark.slow
def test_a_layout_of_samples_that_are_no_longer_in_the_manifest_is_asked_about(world: World) -> None:
    layouts(world, 30)
    rows = world.rows()
    world.save(rows[:8])
    options = ("--organize-by", "bpm", "--card", world.card, "--prune-layout", "genre")
    said = world.run("export", world.table, "--direct", "--out", world.out, *options)
    one_clear_error(said, 2, f"--prune-layout genre would remove 22 of 30 files below {world.out}", "--yes")
    world.export(*options, "--yes")
    assert len(audio_below(world.out)) == len(audio_below(world.card / "IMPORT")) == 8
    # Where all samples are still exported, no sound is lost.
    world.save(rows)
    world.export("--organize-by", "genre", "--card", world.card)
    world.export("--organize-by", "genre", "--card", world.card, "--prune-layout", "bpm")
    assert len(audio_below(world.out)) == 30


@pytest.mark.slow
def test_a_clone_that_would_lose_much_is_asked_about_by_what_is_on_it(world: World) -> None:
    exported(world, 30)
    clone = shutil.copytree(world.card, world.folder / "clone")
    write(world, range(8))
    world.export("--card", world.card, "--prune", "--yes")
    said = world.run("export", world.table, "--direct", "--out", world.out, "--card", clone, "--prune")
    one_clear_error(said, 2, f"--prune would remove 22 of 30 files below {clone}/IMPORT", "--yes")
    world.export("--card", clone, "--prune", "--yes")
    assert len(audio_below(clone)) == 8


@pytest.mark.slow
def test_a_dry_run_does_not_call_removed_what_is_renamed_on_the_card(world: World) -> None:
    exported(world, 3)
    world.save([{"file_path": f"lib/s{number:03}.wav", "title": f"new {number}"} for number in range(2)])
    said = world.run("plan", world.table, "--out", world.out, "--card", world.card, "--prune")
    assert [line for line in said.out.splitlines() if line.startswith("- ")] == [
        f"- {folder}/s002.wav  (to be removed, as no longer in the manifest)" for folder in (world.out, world.card / "IMPORT")
    ]
    said = world.export("--card", world.card, "--prune")
    assert "0 files written and read back (0.0 MB), 2 renamed there, 0 there already" in said.out
    assert audio_below(world.card / "IMPORT") == audio_below(world.out) == ["new_0.wav", "new_1.wav"]
