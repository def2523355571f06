"""What a shard leaves below the output folder: files under names that were free or ours, whole or not at all."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import soundfile

from config.device import MAX_FRAMES
from schemas.conversion import Job, Limits, Outcome, Shard, ShardResult, SoundSettings, Tags
from schemas.enums import Status, Verb
from schemas.errors import (
    DiskError,
    DiskFullError,
    OutputGoneError,
    OutputNotWritableError,
    SurroundingsError,
    WorkingFolderError,
)
from tasks.bundle.metadata_file import metadata_text
from tasks.convert import publish
from tasks.convert.plan_file import write_plan
from tasks.convert.progress import with_sentinel
from tasks.convert.shard import convert_shard
from tasks.fs.atomic import part_name, remove_parts
from tasks.store.checkpoints import read_checkpoint
from tasks.store.outcome_table import OUTCOME_SCHEMA, frame_of
from tests.support import audio
from tests.support.converting import within

TOKEN = "0badcafe"
TEXT = "kick_metadata.txt"
_SCHEMA: dict[str, Any] = {
    "job": pl.UInt32, "sample_id": pl.Int64, "source": pl.String, "target": pl.String, "title": pl.String,
    "genre": pl.String, "bpm": pl.Float64, "musical_key": pl.String, "tags": pl.String, "loudest": pl.Float64,
    "pad_to_ms": pl.Int64,
    "path": pl.String, "ours": pl.Boolean, "free": pl.Boolean, "ours_text": pl.Boolean, "has_text": pl.Boolean,
    "text_hash": pl.String, "finished": pl.String, "moving": pl.Boolean,
    **OUTCOME_SCHEMA,
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A folder with sources, an output folder beside them, and a place for plans."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def row(self, source: Path, path: str = "kick.wav", **changes: Any) -> dict[str, Any]:
        """A line of a plan. Nothing that stands there is ours, unless the changes say so."""
        told = {"job": 0, "sample_id": 42, "source": str(source), "target": str(self.out / path), "title": "A title"}
        theirs = {"ours": False, "ours_text": False, "has_text": False, "free": True, "moving": False}
        return told | {"loudest": 0.0, "pad_to_ms": 0, "path": path} | theirs | changes

    def shard(self, *rows: dict[str, Any], text: bool = False, export_id: int = 7) -> Shard:
        jobs = pl.DataFrame([row | {"job": job} for job, row in enumerate(rows)], _SCHEMA)
        sound = SoundSettings("aiff" if rows[0]["path"].endswith(".aiff") else "wav", 100, MAX_FRAMES)
        device, limits = os.stat(self.out).st_dev, Limits(60, 2048, contained=False)
        plan = write_plan(jobs, self.folder / "plan", TOKEN)
        return Shard("1 of 1", plan, 0, len(rows), export_id, str(self.out), device, TOKEN, sound, text, limits)

    def done(self, *rows: dict[str, Any], **how: Any) -> ShardResult:
        """What became of a shard. What must hold after any is asserted: nothing in the making is left, and what it says is
        what it hands to the records.
        """
        theirs = set(self.parts())
        result = within(20, lambda: convert_shard(self.shard(*rows, **how)))
        assert set(self.parts()) == theirs, "a .part file was left"
        if result.outcomes:
            told = [(row["path"], outcome) for row, outcome in zip(rows, result.outcomes, strict=False)]
            assert read_checkpoint(Path(result.part)).equals(frame_of(told))
        return result

    def one(self, source: Path, path: str = "kick.wav", **how: Any) -> Outcome:
        """The outcome of a shard of one job. ``text``: with its metadata file; ``ours``: what stands there is."""
        shard = {name: how.pop(name) for name in ("text", "export_id") if name in how}
        result = self.done(self.row(source, path, **how), **shard)
        assert result.error is None
        (outcome,) = result.outcomes
        return outcome

    def exported(self, source: Path, path: str = "kick.wav", **how: Any) -> Path:
        outcome = self.one(source, path, **how)
        assert outcome.status is Status.EXPORTED, outcome.error
        assert (self.out / path).stat().st_size == outcome.bytes
        return self.out / path

    def parts(self) -> list[Path]:
        return sorted(self.out.rglob("*.part"))

    def names(self) -> list[str]:
        return sorted(os.listdir(self.out))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "out").mkdir()
    return Desk(tmp_path)


@pytest.fixture
def good(desk: Desk) -> Path:
    """A source that converts."""
    return audio.write(desk.folder / "good.wav", audio.noise(9_600), 44_100, "WAV", "PCM_16")


# ---- shards of other machines, and of runs that died ----


def test_another_folder_under_the_same_path_is_not_written_to(desk: Desk, good: Path) -> None:
    """On another machine the output folder's path may lead elsewhere: the sentinel of the run is not there then."""
    shard = desk.shard(desk.row(good))
    elsewhere = convert_shard(replace(shard, sentinel=part_name(TOKEN, 0, "here")))
    assert isinstance(elsewhere.error, OutputGoneError)
    assert desk.names() == []
    with with_sentinel([replace(shard, device=0)]) as checked:
        assert convert_shard(checked[0]).error is None
    assert desk.names() == ["kick.wav"]


def test_what_a_dead_worker_left_is_ours_to_replace_and_what_another_put_there_before_is_not(desk: Desk, good: Path) -> None:
    (desk.out / "kick.wav").write_text("half of it")
    left, others = desk.row(good), desk.row(good, free=False)
    assert convert_shard(desk.shard(others), None).outcomes[0].reason == "target_taken"
    assert convert_shard(replace(desk.shard(others), again=True)).outcomes[0].reason == "target_taken"
    outcome = convert_shard(replace(desk.shard(left), again=True, token=f"{TOKEN}r2")).outcomes[0]
    assert outcome.status is Status.EXPORTED
    assert outcome.file_hash, "it is recorded as ours"
    assert soundfile.info(desk.out / "kick.wav").samplerate == 48_000


# ---- the sound ----


@pytest.mark.parametrize("name", ["kick.wav", "kick.aiff"])
@pytest.mark.parametrize("text", [True, False])
def test_a_foreign_file_at_the_target_is_left_alone(desk: Desk, good: Path, name: str, text: bool) -> None:
    (desk.out / name).write_text("mine")
    outcome = desk.one(good, name, text=text)
    assert outcome.error == f"Another file is in the way: {desk.out / name}"
    assert outcome.reason == "target_taken"
    assert (desk.out / name).read_text() == "mine"
    assert desk.names() == [name]


def test_a_foreign_sound_of_the_same_length_is_left_alone(desk: Desk, good: Path) -> None:
    first = desk.exported(good)
    other = audio.write(desk.folder / "other.wav", audio.noise(9_600, seed=5), 44_100, "WAV", "PCM_16")
    before = first.read_bytes()
    assert desk.one(other).reason == "target_taken"
    assert first.read_bytes() == before


def test_the_very_same_bytes_at_the_target_are_no_conflict(desk: Desk, good: Path) -> None:
    """And that file stays as it is: it may be another's."""
    first = desk.exported(good)
    before, status = first.read_bytes(), first.stat()
    assert desk.exported(good).read_bytes() == before
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)


def test_a_file_of_ours_is_replaced(desk: Desk, good: Path) -> None:
    (desk.out / "kick.wav").write_text("an older export")
    assert soundfile.info(desk.exported(good, ours=True)).samplerate == 48_000


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(
    ("kind", "ours"),
    [("folder", True), ("folder", False), ("fifo", False), ("dangling link", False), ("link to a folder", False)],
)
def test_what_is_no_file_at_the_target_stays(desk: Desk, good: Path, kind: str, ours: bool, text: bool) -> None:
    target = desk.out / "kick.wav"
    match kind:
        case "folder":
            target.mkdir()
        case "fifo":
            os.mkfifo(target)
        case "dangling link":
            target.symlink_to(desk.folder / "gone")
        case _:
            target.symlink_to(desk.folder, target_is_directory=True)
    outcome = desk.one(good, ours=ours, text=text)
    assert outcome.reason in ("target_taken", "write_failed")
    assert target.is_symlink() or not target.is_file()
    assert not (desk.folder / "gone").exists()


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("way", audio.WAYS)
def test_the_source_is_never_written_to(desk: Desk, way: str, ours: bool) -> None:
    target = audio.write(desk.out / "kick.wav", audio.noise(9_600), 44_100, "WAV", "PCM_24")
    source = audio.known_as(target, way, desk.folder / "link.wav")
    before = target.read_bytes()
    outcome = desk.one(source, ours=ours)
    assert outcome.reason == "target_taken"
    assert target.read_bytes() == before


def test_a_source_is_not_touched(desk: Desk, good: Path) -> None:
    before, status = good.read_bytes(), good.stat()
    desk.exported(good, text=True)
    after = good.stat()
    assert good.read_bytes() == before
    assert (after.st_mtime_ns, after.st_ino, after.st_size) == (status.st_mtime_ns, status.st_ino, status.st_size)


def test_a_file_where_the_folder_should_be(desk: Desk, good: Path) -> None:
    (desk.out / "drums").write_text("mine")
    outcome = desk.one(good, "drums/kick.wav")
    assert outcome.error == "Failed to write output file"
    assert str(desk.out / "drums") in outcome.fix
    assert (desk.out / "drums").read_text() == "mine"


def test_a_link_that_leads_out_of_the_output_folder_is_not_followed(desk: Desk, good: Path) -> None:
    (desk.folder / "elsewhere").mkdir()
    (desk.out / "drums").symlink_to(desk.folder / "elsewhere")
    assert desk.one(good, "drums/kick.wav", text=True).reason == "outside"
    assert not list((desk.folder / "elsewhere").iterdir())


def test_the_target_is_whole_when_it_appears(desk: Desk, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.replace

    def watching(part: str, target: str) -> None:
        if str(target).endswith(".wav"):
            assert not Path(target).exists()
            seen.append(soundfile.info(part).frames)
        real(part, target)

    monkeypatch.setattr(os, "replace", watching)
    outcome = desk.one(good)
    assert seen == [outcome.frames]


def test_nothing_has_its_name_before_all_of_a_shard_is_on_the_disk(
    desk: Desk, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sync for a shard, and not one for each file."""
    seen: list[list[str]] = []
    real = publish.sync_file_system

    def watching(folder: str) -> None:
        seen.append([name for name in desk.names() if not name.endswith(".part")])
        real(folder)

    monkeypatch.setattr(publish, "sync_file_system", watching)
    result = desk.done(desk.row(good, "a.wav"), desk.row(good, "b.wav"), text=True)
    assert seen == [[]]
    assert [outcome.status for outcome in result.outcomes] == [Status.EXPORTED] * 2
    assert desk.names() == ["a.wav", "a_metadata.txt", "b.wav", "b_metadata.txt"]


def test_a_process_of_its_own_makes_the_same_files(desk: Desk, good: Path) -> None:
    apart = desk.shard(desk.row(good), desk.row(desk.folder / "gone.wav", "b.wav"), text=True)
    outcomes = within(60, lambda: convert_shard(replace(apart, limits=Limits(60, 2048)))).outcomes
    there = {path.name: path.read_bytes() for path in desk.out.iterdir()}
    for path in desk.out.iterdir():
        path.unlink()
    here = desk.done(desk.row(good), desk.row(desk.folder / "gone.wav", "b.wav"), text=True).outcomes
    assert [replace(outcome, seconds=0) for outcome in here] == [replace(outcome, seconds=0) for outcome in outcomes]
    assert {path.name: path.read_bytes() for path in desk.out.iterdir()} == there
    assert sorted(there) == ["kick.wav", TEXT]


# ---- files in the making ----


@pytest.mark.parametrize("part", ["kick.wav.part", part_name(TOKEN, 0)])
def test_a_source_that_is_named_like_the_part_is_never_written_to(desk: Desk, part: str) -> None:
    """The content decides, so ``kick.wav.part`` is a source like any other."""
    source = audio.write(desk.out / part, audio.noise(9_600), 44_100, "WAV", "PCM_24")
    before = source.read_bytes()
    desk.one(source)
    assert source.exists(), "the source was deleted"
    assert source.read_bytes() == before


@pytest.mark.parametrize("part", ["kick.wav.part", part_name(TOKEN, 0), f"{TEXT}.part", part_name(TOKEN, 0, "text")])
def test_a_link_at_the_part_is_not_followed(desk: Desk, good: Path, part: str) -> None:
    victim = desk.folder / "victim"
    victim.write_text("mine")
    (desk.out / part).symlink_to(victim)
    desk.one(good, text=True)
    assert victim.read_text() == "mine"
    assert not (desk.out / "kick.wav").is_symlink()
    assert not (desk.out / TEXT).is_symlink()


@pytest.mark.parametrize("part", ["kick.wav.part", part_name(TOKEN, 0), f"{TEXT}.part", part_name(TOKEN, 0, "text")])
def test_a_pipe_at_the_part_does_not_hang(desk: Desk, good: Path, part: str) -> None:
    pipe = desk.out / part
    os.mkfifo(pipe)
    desk.one(good, text=True)
    assert pipe.is_fifo()


def test_what_a_killed_run_had_in_the_making_is_swept_away(desk: Desk) -> None:
    """And nothing else: not what another run has in the making, not a person's own file of a like name."""
    dead = [part_name(TOKEN, 3), part_name(TOKEN, 3, "text")]
    others = [part_name("1234abcd", 3), "kick.wav.part", f".sp404-{TOKEN}-x.part", f"{TOKEN}-3.part"]
    for name in (*dead, *others):
        (desk.out / name).write_bytes(b"half a file")
    (desk.out / part_name(TOKEN, 4)).mkdir()
    (desk.out / part_name(TOKEN, 5)).symlink_to(desk.out / "kick.wav.part")
    remove_parts(str(desk.out), TOKEN)
    assert desk.names() == sorted((*others, part_name(TOKEN, 4), part_name(TOKEN, 5)))


# ---- failing surroundings ----


@pytest.mark.parametrize("verb", [Verb.CONVERT, Verb.MEASURE])
@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "flipped", "shorter", "other"])
def test_a_plan_that_cannot_be_read_ends_the_shard(desk: Desk, good: Path, harm: str, verb: Verb) -> None:
    """It is the disk's fault, not that of any sample."""
    shard = replace(desk.shard(desk.row(good), desk.row(good, "snare.wav")), verb=verb)
    plan = Path(shard.plan_path)
    whole = plan.read_bytes()
    if harm == "gone":
        plan.unlink()
    elif harm == "shorter":
        pl.read_ipc(whole).head(1).write_ipc(plan)
    elif harm == "other":
        pl.DataFrame({"a": [1, 2]}).write_ipc(plan)
    else:
        plan.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "flipped": whole[:-9] + b"\xff" * 9}[harm])
    result = convert_shard(shard)
    assert isinstance(result.error, WorkingFolderError)
    assert (result.results, result.error.exit_code, desk.names()) == ((), 3, [])
    assert str(plan) in str(result.error)
    assert len(f"{result.error}{result.error.fix}".splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EROFS, OutputNotWritableError),
        (errno.EACCES, OutputNotWritableError),
        (errno.EPERM, OutputNotWritableError),
        (errno.EIO, DiskError),
    ],
)
@pytest.mark.parametrize("call", ["write", "replace"])
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("text", [True, False])
def test_they_end_the_shard_and_leave_nothing(
    desk: Desk,
    good: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[SurroundingsError],
    call: str,
    ours: bool,
    text: bool,
) -> None:
    if ours:
        (desk.out / "kick.wav").write_text("an older export")

    real = getattr(os, call)

    def full(*given: Any) -> Any:
        if call == "replace" and desk.out not in Path(given[1]).parents:  # the shard's notes are on another disk
            return real(*given)
        raise OSError(number, os.strerror(number))

    shard = desk.shard(desk.row(good, ours=ours), text=text)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        result = convert_shard(shard)
    assert isinstance(result.error, kind)
    assert str(desk.out) in str(result.error)
    assert result.error.fix
    assert (result.outcomes, result.part) == ((), "")
    assert desk.names() == (["kick.wav"] if ours else [])
    if ours:
        assert (desk.out / "kick.wav").read_text() == "an older export"


def test_what_was_finished_before_is_kept(desk: Desk, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = desk.shard(*(desk.row(good, f"{name}.wav") for name in "abc"), text=True)
    room, real = [60_000], os.write  # two sounds of 21 kB and their texts

    def filling(fd: int, data: memoryview) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", filling)
        result = convert_shard(shard)
    assert isinstance(result.error, DiskFullError)
    assert [outcome.status for outcome in result.outcomes] == [Status.EXPORTED] * 2
    assert read_checkpoint(Path(result.part))["path"].to_list() == ["a.wav", "b.wav"]
    assert desk.names() == ["a.wav", "a_metadata.txt", "b.wav", "b_metadata.txt"]


# ---- the text beside the sound ----


def text_of(desk: Desk, outcome: Outcome, source: Path, title: str = "A title") -> str:
    job = Job(0, 42, str(source), str(desk.out / "kick.wav"), Tags(title, "", None, "", ""))
    return metadata_text(job, outcome, 7)


def test_it_is_written_whole_in_utf_8(desk: Desk, good: Path) -> None:
    outcome = desk.one(good, text=True, title="Café 夜 🔥")
    assert (desk.out / TEXT).read_text("utf-8") == text_of(desk, outcome, good, "Café 夜 🔥")
    assert desk.names() == ["kick.wav", TEXT]


@pytest.mark.parametrize("there", [True, False], ids=["the sound is there", "nothing else"])
def test_a_foreign_text_is_left_alone(desk: Desk, good: Path, there: bool) -> None:
    """Then the sound is not placed either: two files of one name belong together. Ours may be the sound alone."""
    if there:
        desk.exported(good)
    (desk.out / TEXT).write_text("my notes")
    outcome = desk.one(good, text=True, ours=there)
    assert outcome.error == f"Another file is in the way: {desk.out / TEXT}"
    assert outcome.reason == "target_taken"
    assert (desk.out / TEXT).read_text() == "my notes"
    assert desk.names() == (["kick.wav", TEXT] if there else [TEXT])


def test_a_pipe_in_the_way_of_the_text_does_not_hang(desk: Desk, good: Path) -> None:
    os.mkfifo(desk.out / TEXT)
    assert desk.one(good, text=True).reason == "target_taken"
    assert (desk.out / TEXT).is_fifo()


def test_a_text_of_ours_is_replaced(desk: Desk, good: Path) -> None:
    (desk.out / TEXT).write_text("an older export")
    desk.exported(good, text=True, ours=True, ours_text=True)
    assert "Export id: 7" in (desk.out / TEXT).read_text()


def test_the_very_same_text_is_no_conflict(desk: Desk, good: Path) -> None:
    desk.exported(good, text=True)
    before = (desk.out / TEXT).read_bytes()
    for ours in (False, True):
        desk.exported(good, text=True, ours=ours)
        assert (desk.out / TEXT).read_bytes() == before


def test_a_sound_that_is_anothers_gets_no_text_of_ours(desk: Desk, good: Path) -> None:
    """And no record says that the file is ours: nothing may ever be replaced or removed for it."""
    desk.exported(good)
    outcome = desk.one(good, text=True)
    assert (outcome.status, outcome.file_hash, outcome.metadata_hash) == (Status.EXPORTED, "", "")
    assert desk.names() == ["kick.wav"]


def test_a_text_of_other_facts_is_a_conflict(desk: Desk, good: Path) -> None:
    desk.exported(good, text=True)
    before = (desk.out / TEXT).read_bytes()
    assert desk.one(good, text=True, ours=True, title="Another").reason == "target_taken"
    assert (desk.out / TEXT).read_bytes() == before


@pytest.mark.parametrize("change", [lambda path: None, lambda path: path.unlink()], ids=["both are there", "but no sound"])
def test_an_export_that_was_not_recorded_is_found_again(desk: Desk, good: Path, change: Callable[[Path], None]) -> None:
    """Contract, section 6: "audio already written is found again by the next run", also with its metadata.

    A run that was killed, or whose database failed, has left sound and text that no record knows; the next run has
    another export id.
    """
    change(desk.exported(good, text=True, export_id=1))
    desk.exported(good, text=True, export_id=2)
    assert desk.names() == ["kick.wav", TEXT]


def test_a_text_of_an_export_that_was_not_recorded_becomes_that_of_this_one(desk: Desk, good: Path) -> None:
    desk.exported(good, text=True, export_id=1)
    desk.exported(good, text=True, export_id=2, ours=True)
    assert (desk.out / TEXT).read_text().endswith("Export id: 2\n")
    assert desk.names() == ["kick.wav", TEXT]
