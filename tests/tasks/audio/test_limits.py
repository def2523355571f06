"""What one sample may take: refused by its header where that tells, else as soon as it shows."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from schemas.conversion import Outcome
from schemas.enums import Status
from tasks.audio.decode import source as decode_source
from tests.support.converting import Bench

MB = 1 << 20
FRAMES = 48_000 * 60


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    """A minute of eight silent channels: 92 MB of floats in a few kilobytes of FLAC."""
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros((FRAMES, 8), np.int16), 48_000)
    assert path.stat().st_size * 400 < FRAMES * 8 * 4
    return path


def conceal_length(flac: Path) -> None:
    """No total in STREAMINFO (RFC 9639, 8.2): a stream whose encoder could not go back."""
    content = bytearray(flac.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    flac.write_bytes(content)


def blocks_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the frames that come out of decoders."""
    read: list[int] = []
    checked = decode_source._check_complete

    def counted(*arguments: object) -> object:
        for block in checked(*arguments):  # type: ignore[arg-type]
            read.append(len(block))
            yield block

    monkeypatch.setattr(decode_source, "_check_complete", counted)
    return read


def refused(outcome: Outcome, reason: str, setting: str) -> None:
    assert outcome.status is Status.FAILED
    assert outcome.reason == reason
    assert setting in outcome.fix


def test_what_unfolds_too_far_is_refused_before_it_is_decoded(
    bench: Bench, silence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = blocks_read(monkeypatch)
    refused(bench.convert(silence, max_decoded_bytes=80 * MB), "too_large", "max_decoded_mb")
    assert not read


def test_what_hides_its_length_is_refused_when_it_shows(bench: Bench, silence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conceal_length(silence)
    read = blocks_read(monkeypatch)
    refused(bench.convert(silence, max_decoded_bytes=16 * MB), "too_large", "max_decoded_mb")
    assert 0 < sum(read) < FRAMES / 4


def test_within_the_limit_it_is_exported(bench: Bench, silence: Path) -> None:
    assert bench.convert(silence, max_decoded_bytes=FRAMES * 8 * 4).status is Status.EXPORTED


def test_a_file_that_is_too_large_is_not_read(bench: Bench, silence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = blocks_read(monkeypatch)
    limit = silence.stat().st_size
    refused(bench.convert(silence, max_file_bytes=limit - 1), "too_large", "max_file_mb")
    assert not read
    assert bench.convert(silence, max_file_bytes=limit).status is Status.EXPORTED


def test_a_header_that_claims_twenty_gigabytes_allocates_nothing(bench: Bench, tmp_path: Path) -> None:
    """STREAMINFO with 655,350 Hz, 8 channels and 900 s; behind it one frame of silence."""
    path = tmp_path / "bomb.flac"
    soundfile.write(path, np.zeros((4096, 8), np.int16), 655_350)
    content = bytearray(path.read_bytes())
    rate, total = 655_350, 655_350 * 900
    content[18] = rate >> 12
    content[19] = rate >> 4 & 0xFF
    content[20] = (rate & 0xF) << 4 | (8 - 1) << 1 | content[20] & 1
    content[21] = content[21] & 0xF0 | total >> 32
    content[22:26] = (total & 0xFFFF_FFFF).to_bytes(4, "big")
    path.write_bytes(content)
    refused(bench.convert(path, max_decoded_bytes=8192 * MB), "too_large", "max_decoded_mb")


def test_longest_input(bench: Bench, silence: Path) -> None:
    outcome = bench.convert(silence, max_frames=FRAMES - 1)
    assert outcome.reason == "too_long"
    assert bench.convert(silence, max_frames=FRAMES).status is Status.EXPORTED
