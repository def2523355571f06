"""The text beside a sample: the contract's facts, a line each, the same bytes for the same facts."""

import contextlib
import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DiskFullError, OutputNotWritableError, Sp404Error, TargetTakenError
from schemas.jobs import Job, Outcome, Shard, SoundSettings, SourceInfo, Tags
from schemas.words import Status
from tasks import work
from tasks.bundle.metadata import metadata_path, metadata_text, write_metadata
from tests import audio
from tests.sound.converting import within

TAGS = Tags("Sick Beat (2024)", "hip-hop", 92.5, "F#m", "drum|loop | dusty")
JOB = Job(0, 42, "/library/Sick Beat.flac", "/out/sick_beat_2024.wav", TAGS)
OUTCOME = Outcome(
    0,
    Status.EXPORTED,
    frames=60_000,
    channels=2,
    source=SourceInfo("flac", "PCM_24", 44_100, 6, 55_125),
    done=("6 channels mixed down to stereo (ITU-R BS.775)", "resampled from 44100 Hz (soxr)"),
)


def facts(text: str) -> dict[str, str]:
    """The lines as they are read back: ``name: value``."""
    assert text.endswith("\n")
    return dict(line.split(": ", 1) for line in text.splitlines())


# ---- the text ----


def test_the_facts_of_the_contract() -> None:
    found = facts(metadata_text(JOB, OUTCOME, 7))
    wanted = {
        "Title": "Sick Beat (2024)",
        "Genre": "hip-hop",
        "BPM": "92.5",
        "Key": "F#m",
        "Tags": "drum, loop, dusty",
        "Original format": "FLAC (PCM_24)",
        "Original sample rate": "44100 Hz",
        "Original channels": "6",
        "Duration": "1.250 s",
        "Converted sample rate": "48000 Hz",
        "Converted bit depth": "16-bit PCM",
        "Sample id": "42",
        "Export id": "7",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert "mixed down" in found["Done to the sound"]
    assert "resampled" in found["Done to the sound"]


def test_what_is_not_known_is_a_dash() -> None:
    found = facts(metadata_text(replace(JOB, tags=Tags("Kick", "", None, "", "")), OUTCOME, 7))
    assert [found[name] for name in ("Genre", "BPM", "Key", "Tags")] == ["-"] * 4


def test_nothing_done_is_said() -> None:
    assert "nothing" in facts(metadata_text(JOB, replace(OUTCOME, done=()), 7))["Done to the sound"]


@pytest.mark.parametrize(
    ("bpm", "text"), [(90.0, "90"), (92.5, "92.5"), (300.0, "300"), (127.998, "127.998"), (174.614, "174.614")]
)
def test_the_tempo_is_a_plain_number(bpm: float, text: str) -> None:
    assert facts(metadata_text(replace(JOB, tags=replace(TAGS, bpm=bpm)), OUTCOME, 7))["BPM"] == text


def test_the_same_facts_give_the_same_bytes() -> None:
    first = metadata_text(JOB, OUTCOME, 7)
    timed = replace(OUTCOME, seconds=9.9, source_mtime_ns=5)
    assert metadata_text(replace(JOB, index=3, ours=True), timed, 7) == first
    assert metadata_text(replace(JOB, target="/elsewhere/a.wav"), OUTCOME, 7) == first


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=5, max_size=5),
    end=st.sampled_from(["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]),
)
def test_no_word_can_forge_a_line(words: list[str], end: str) -> None:
    """Whatever ends a line for ``str.splitlines``, in any field: the lines stay as many, and keep their names."""
    title, genre, key, tags, name = (f"{word}{end}Sample id: 666{end}" for word in words)
    forged = replace(JOB, tags=Tags(title, genre, None, key, tags), source="/l/" + name.replace("/", "_"))
    honest = metadata_text(JOB, OUTCOME, 7)
    text = metadata_text(forged, OUTCOME, 7)
    assert [line.split(":")[0] for line in text.splitlines()] == [line.split(":")[0] for line in honest.splitlines()]
    assert facts(text)["Sample id"] == "42"
    assert text.encode().decode() == text


# ---- the file ----


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/out/sick_beat_2024.wav", "/out/sick_beat_2024_metadata.txt"),
        ("/out/a.b.aiff", "/out/a.b_metadata.txt"),
        ("/out.d/kick.wav", "/out.d/kick_metadata.txt"),
    ],
)
def test_it_stands_beside_the_sample(target: str, path: str) -> None:
    assert metadata_path(target) == path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "out").mkdir()
    return replace(JOB, target=str(tmp_path / "out" / "kick.wav"))


def names(job: Job) -> list[str]:
    return sorted(os.listdir(os.path.dirname(job.target)))


def test_it_is_written_whole_in_utf_8(job: Job) -> None:
    job = replace(job, tags=replace(TAGS, title="Café 夜 🔥"))
    write_metadata(job, OUTCOME, 7)
    assert Path(metadata_path(job.target)).read_text("utf-8") == metadata_text(job, OUTCOME, 7)
    assert names(job) == ["kick_metadata.txt"]


def test_a_foreign_text_is_left_alone(job: Job) -> None:
    Path(metadata_path(job.target)).write_text("my notes")
    with pytest.raises(TargetTakenError):
        write_metadata(job, OUTCOME, 7)
    assert Path(metadata_path(job.target)).read_text() == "my notes"
    assert names(job) == ["kick_metadata.txt"]


def test_a_pipe_in_the_way_does_not_hang(job: Job) -> None:
    pipe = Path(metadata_path(job.target))
    os.mkfifo(pipe)

    def write() -> str:
        try:
            write_metadata(job, OUTCOME, 7)
        except Sp404Error as error:
            return error.reason
        return ""

    try:
        assert within(2, write) == "target_taken"
    finally:  # let the thread go that waits for a writer
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    assert pipe.is_fifo()


def test_a_text_of_ours_is_replaced(job: Job) -> None:
    Path(metadata_path(job.target)).write_text("an older export")
    write_metadata(replace(job, ours=True), OUTCOME, 7)
    assert "Export id: 7" in Path(metadata_path(job.target)).read_text()


def test_the_very_same_text_is_no_conflict(job: Job) -> None:
    write_metadata(job, OUTCOME, 7)
    write_metadata(job, OUTCOME, 7)


def test_a_link_at_the_part_is_not_followed(job: Job, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    Path(metadata_path(job.target) + ".part").symlink_to(tmp_path / "victim")
    with contextlib.suppress(Sp404Error):
        write_metadata(job, OUTCOME, 7)
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EROFS, OutputNotWritableError)])
def test_failing_surroundings_leave_no_part(
    job: Job, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Sp404Error]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(kind):
            write_metadata(job, OUTCOME, 7)
    assert names(job) == []


def test_an_export_that_was_not_recorded_is_found_again(tmp_path: Path) -> None:
    """Contract, section 6: "audio already written is found again by the next run", also with its metadata.

    A run that was killed, or whose database failed, has left sound and text that no record knows; the next run has
    another export id.
    """
    source = audio.write(tmp_path / "kick.wav", audio.noise(9_600), 44_100, "WAV", "PCM_16")
    row = {"job": 0, "sample_id": 1, "source": str(source), "target": str(tmp_path / "out/kick.wav"), "title": "Kick"}
    more = {"genre": None, "bpm": None, "musical_key": None, "tags": None, "ours": False, "free": True, "loudest": 0.0}
    plan = work.write_plan(pl.DataFrame([row | more]), tmp_path / "plan")
    for export_id in (1, 2):
        shard = Shard("1 of 1", plan, 0, 1, export_id, SoundSettings("wav", 100, 480_000), True)
        result = work.convert_shard(shard)
        assert result.trouble is None
        assert [(outcome.status, outcome.error) for outcome in result.outcomes] == [(Status.EXPORTED, "")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["kick.wav", "kick_metadata.txt"]
