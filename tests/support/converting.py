"""Run ``convert`` as a test wants it, and hold what is always true of it, whatever came in."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from blake3 import blake3

from config.device import MAX_FRAMES
from schemas.conversion import Job, Outcome, SoundSettings, Tags
from schemas.enums import Status
from tasks.audio import conversion_plan
from tasks.audio.convert import check, convert
from tasks.audio.decode import ffmpeg, libsndfile, pcm
from tests.support.audio import wav_header

T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """A folder with sources and an output folder beside them."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def job(self, source: Path, name: str = "out.wav") -> Job:
        """Return a job as ``convert`` needs it: the folder of its target exists, and the target does not."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / name).unlink(missing_ok=True)
        return Job(7, 42, str(source), str(self.out / name), Tags("A title", "", None, "", ""))

    def convert(self, source: Path, name: str = "out.wav", *, max_frames: int = MAX_FRAMES, **sound: Any) -> Outcome:
        """``convert`` with the format of the name's extension, and with settings of sound. What must hold after any
        conversion is asserted.
        """
        target = self.out / name
        job = self.job(source, name)
        before = set(self.out.iterdir())
        outcome = convert(job, settings(name, max_frames, **sound))
        assert outcome.index == 7
        if outcome.status is Status.EXPORTED:
            assert set(self.out.iterdir()) == before | {target}
            assert (outcome.error, outcome.reason, outcome.fix) == ("", "", "")
            assert target.stat().st_size == outcome.bytes
            assert outcome.file_hash == blake3(target.read_bytes()).hexdigest()
            assert outcome.content_hash == blake3(source.read_bytes()).hexdigest()
            if target.suffix == ".wav" and not sound.get("keep_chunks"):
                assert_plain_wav(target, outcome.frames, outcome.channels)
        else:
            assert set(self.out.iterdir()) == before, "something was left"
            assert outcome.status is Status.FAILED
            assert outcome.error
            assert outcome.reason
            assert outcome.fix
            assert len(outcome.error.splitlines()) == 1
        return outcome

    def exported(self, source: Path, name: str = "out.wav", **sound: Any) -> Path:
        """Return the output of a conversion that must succeed."""
        outcome = self.convert(source, name, **sound)
        assert outcome.status is Status.EXPORTED, outcome.error
        return self.out / name

    def refused(self, source: Path, name: str = "out.wav", *, max_frames: int = MAX_FRAMES) -> Outcome:
        """Return the outcome of a conversion that must fail and write nothing; ``check`` must say the same."""
        outcome = self.convert(source, name, max_frames=max_frames)
        assert outcome.status is Status.FAILED
        assert not (self.out / name).exists()
        checked = check(self.job(source, name), settings(name, max_frames))
        assert (checked.error, checked.reason, checked.fix) == (outcome.error, outcome.reason, outcome.fix)
        return outcome


def settings(name: str = "out.wav", max_frames: int = MAX_FRAMES, **sound: Any) -> SoundSettings:
    return SoundSettings("aiff" if name.endswith(".aiff") else "wav", 100, max_frames, **sound)


def small_blocks(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """Let sound go through the conversion in blocks of so many frames."""
    for module in (libsndfile, ffmpeg, pcm, conversion_plan):
        monkeypatch.setattr(module, "BLOCK_FRAMES", frames)


def assert_plain_wav(path: Path, frames: int, channels: int) -> None:
    """RIFF with nothing but a 16-byte ``fmt `` of tag 1 and, right behind it, ``data`` to the file's end."""
    found, size = wav_header(path), frames * channels * 2
    assert (found.riff, found.wave, found.fmt, found.data) == (b"RIFF", b"WAVE", b"fmt ", b"data")
    assert (found.fmt_bytes, found.tag, found.bits) == (16, 1, 16)
    assert (found.rate, found.channels) == (48_000, channels)
    assert (found.block_bytes, found.bytes_per_second) == (2 * channels, 48_000 * 2 * channels)
    assert (found.data_bytes, found.riff_bytes) == (size, 36 + size)
    assert path.stat().st_size == 44 + size


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns; fail the test, instead of hanging it, when that takes too long."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still not done after {seconds} s"
    assert answers, "it raised; see the thread's traceback"
    return answers[0]
