"""The text beside a sample: the contract's facts, a line each, the same bytes for the same facts."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conversion import Job, Outcome, SourceInfo, Tags
from schemas.enums import Status
from tasks.bundle.metadata_file import is_same_but_for_export, metadata_path, metadata_text
from tests.support.converting import within

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
    assert metadata_text(replace(JOB, index=3), timed, 7) == first
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


def told(tmp_path: Path, name: str, text: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_texts_of_two_exports_are_the_same_but_for_that(tmp_path: Path) -> None:
    """Of the same facts: what a killed run, or another database, has left."""
    new = told(tmp_path, "new", metadata_text(JOB, OUTCOME, 7))
    for export_id in (7, 8, 2**63 - 1):
        assert is_same_but_for_export(new, told(tmp_path, "old", metadata_text(JOB, OUTCOME, export_id)))


@pytest.mark.parametrize(
    "other",
    [
        "",
        "my notes",
        "Export id: 7\n",
        metadata_text(replace(JOB, sample_id=43), OUTCOME, 7),
        metadata_text(JOB, replace(OUTCOME, done=()), 7),
        metadata_text(JOB, OUTCOME, 7) + "my notes\n",
        "my notes\n" + metadata_text(JOB, OUTCOME, 7),
        metadata_text(JOB, OUTCOME, 7).rstrip("\n") + " or so\n",
        metadata_text(JOB, OUTCOME, 7).encode() + bytes(1 << 20),
    ],
    ids=range(9),
)
def test_a_text_that_differs_in_more_is_another(tmp_path: Path, other: str | bytes) -> None:
    new = told(tmp_path, "new", metadata_text(JOB, OUTCOME, 7))
    assert not is_same_but_for_export(new, told(tmp_path, "old", other))


def test_what_is_no_file_is_another_text(tmp_path: Path) -> None:
    """A link to the very text, too; and a pipe does not hang."""
    new = told(tmp_path, "new", metadata_text(JOB, OUTCOME, 7))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(new)
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder", "gone"):
        assert not within(2, partial(is_same_but_for_export, new, str(tmp_path / name)))
