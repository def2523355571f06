"""Sources that cannot be converted, and targets that cannot be written: the contract's texts, and nothing left behind."""

import errno
import os
import random
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.conversion import Job, Outcome, Tags
from schemas.enums import Status
from schemas.errors import DiskError, DiskFullError, OutputNotWritableError, SurroundingsError
from tasks.audio.convert import check, convert
from tests.support import audio
from tests.support.audio import FORM, FORMS, Form, wav_bytes
from tests.support.converting import Bench, settings, small_blocks, within
from tests.support.tools import not_root, open_folder

LOAD = "Failed to load audio: "


@pytest.fixture
def good(bench: Bench) -> Path:
    """A source that converts."""
    return audio.write(bench.folder / "good.wav", audio.noise(9_600), 44_100, "WAV", "PCM_16")


# ---- sources that are no audio files ----


@pytest.mark.parametrize("name", ["nothing.wav", "no/such/folder.wav", "file.bin/below.wav"])
def test_a_missing_file(bench: Bench, name: str) -> None:
    (bench.folder / "file.bin").write_bytes(b"x")
    source = bench.folder / name
    outcome = bench.refused(source)
    assert outcome.error == f"Audio file not found: {source}"
    assert outcome.reason == "not_found"


def test_a_dangling_link(bench: Bench) -> None:
    source = bench.folder / "link.wav"
    source.symlink_to(bench.folder / "gone.wav")
    assert bench.refused(source).error == f"Audio file not found: {source}"


def test_a_link_in_a_circle(bench: Bench) -> None:
    source = bench.folder / "circle.wav"
    source.symlink_to(source)
    assert bench.refused(source).error.startswith(LOAD)


def test_a_name_no_file_system_takes(bench: Bench) -> None:
    for name in ("x" * 300 + ".wav", "nul\0byte.wav"):
        assert bench.refused(bench.folder / name).status is Status.FAILED


def test_a_folder(bench: Bench) -> None:
    (bench.folder / "folder.wav").mkdir()
    error = bench.refused(bench.folder / "folder.wav").error
    assert error.startswith(LOAD)
    assert "folder" in error


def test_a_fifo_does_not_hang(bench: Bench) -> None:
    os.mkfifo(bench.folder / "pipe.wav")
    error = within(5, lambda: bench.refused(bench.folder / "pipe.wav")).error
    assert error.startswith(LOAD)
    assert "pipe" in error


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_behind_a_link_is_not_read(bench: Bench, device: str) -> None:
    source = bench.folder / "link.wav"
    source.symlink_to(device)
    error = within(5, lambda: bench.refused(source)).error
    assert error.startswith(LOAD)
    assert "device" in error


def test_an_empty_file(bench: Bench) -> None:
    (bench.folder / "empty.wav").touch()
    error = bench.refused(bench.folder / "empty.wav").error
    assert error.startswith(LOAD)
    assert "empty" in error


@pytest.mark.parametrize(("name", "extension"), [("notes.txt", ".txt"), ("SHOUT.TXT", ".txt"), ("cover.tar.gz", ".gz")])
def test_text_is_an_unsupported_format(bench: Bench, name: str, extension: str) -> None:
    source = bench.folder / name
    source.write_text("kick, snare, hat\n" * 50)
    outcome = bench.refused(source)
    assert outcome.error == f"Unsupported format: {extension}"
    assert outcome.reason == "unsupported_format"


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.m4a", "a.ogg", "a.opus", "a.aiff", "A.WAV"])
@pytest.mark.parametrize("start", [b"", b"MZ", b"\x7fELF", b"PK\x03\x04", b"\x89PNG\r\n", bytes(5_000)])
def test_junk_by_an_audio_name_fails_to_load(bench: Bench, name: str, start: bytes) -> None:
    source = bench.folder / name
    source.write_bytes(start + random.Random(404).randbytes(20_000))
    outcome = bench.refused(source)
    assert outcome.error.startswith(LOAD)
    assert outcome.reason == "load_failed"


def test_a_magic_number_alone_fails_to_load(bench: Bench) -> None:
    for form in FORMS:
        whole = form.save(bench.folder / f"whole{form.extension}", audio.noise(4_800), 48_000).read_bytes()
        for size in (12, 16, 20):
            source = bench.folder / f"{form}-{size}{form.extension}"
            source.write_bytes(whole[:size])
            assert bench.refused(source).error.startswith(LOAD)


def test_apple_double_is_named_as_such(bench: Bench) -> None:
    source = bench.folder / "._kick.wav"
    source.write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(4_000))
    outcome = bench.refused(source)
    assert outcome.error.startswith(LOAD)
    assert "macOS" in outcome.error


def test_no_permission_to_read() -> None:
    with open_folder() as folder:
        source = audio.write(folder / "mine.wav", audio.noise(9_600), 44_100, "WAV", "PCM_16")
        source.chmod(0)
        with not_root():
            outcome = check(Job(7, 1, str(source), "/nowhere/out.wav", Tags("", "", None, "", "")), settings())
    assert outcome.error == f"{LOAD}permission denied"
    assert "read" in outcome.fix


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_disk_that_fails_to_read_is_not_said_to_fail_to_write(
    bench: Bench, good: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """``check`` must not raise either: it is an outcome, not a broken contract."""

    def broken(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pread", broken)
    assert bench.refused(good).error.startswith(LOAD)


# ---- sources whose sound cannot be used ----


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("form", [FORM[n] for n in ("wav-16", "flac-16", "aiff-24", "wavpack")], ids=str)
def test_shorter_than_100_ms(bench: Bench, form: Form, rate: int) -> None:
    outcome = bench.refused(form.save(bench.folder / f"in{form.extension}", audio.noise(rate // 20), rate))
    ms = rate // 20 * 1000 // rate  # 49 where 22050 Hz has no whole 50 ms
    assert outcome.error == f"Duration too short: {ms}ms (minimum: 100ms)"
    assert outcome.reason == "too_short"


@pytest.mark.parametrize("form", [FORM[n] for n in ("ogg-vorbis", "opus", "mp3-cbr", "m4a-aac", "m4a-alac")], ids=str)
def test_50_ms_of_a_lossy_file(bench: Bench, form: Form) -> None:
    outcome = bench.refused(form.save(bench.folder / f"in{form.extension}", audio.noise(2_400), 48_000))
    assert outcome.error == "Duration too short: 50ms (minimum: 100ms)"


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 192_000])
def test_100_ms_is_the_limit_to_the_frame(bench: Bench, rate: int) -> None:
    enough = -(-rate // 10)
    for frames, status in ((enough, Status.EXPORTED), (enough - 1, Status.FAILED)):
        source = audio.write(bench.folder / f"{frames}.wav", audio.noise(frames), rate, "WAV", "PCM_16")
        outcome = bench.convert(source, f"{frames}.wav")
        assert outcome.status is status
    assert outcome.error == "Duration too short: 99ms (minimum: 100ms)"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_longer_than_the_device_takes(bench: Bench, form: Form) -> None:
    source = form.save(bench.folder / f"in{form.extension}", audio.noise(14_400), 48_000)
    outcome = bench.refused(source, max_frames=9_600)
    assert outcome.error.startswith("Duration too long: ")
    assert outcome.error.endswith("s (maximum: 0.2s)")
    assert outcome.reason == "too_long"


def test_as_long_as_the_device_takes(bench: Bench) -> None:
    source = audio.write(bench.folder / "a.wav", audio.noise(9_600), 48_000, "WAV", "PCM_16")
    assert bench.convert(source, max_frames=9_600).status is Status.EXPORTED
    assert bench.refused(source, "b.wav", max_frames=9_599).reason == "too_long"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("fmt", "subtype"), [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("AIFF", "FLOAT"), ("CAF", "FLOAT")])
def test_what_is_no_number_is_named_by_its_first_frame(bench: Bench, wrong: float, fmt: str, subtype: str) -> None:
    x = audio.noise(9_600, 2)
    x[7_321, 1] = x[8_000] = wrong
    outcome = bench.refused(audio.write(bench.folder / "in", x, 48_000, fmt, subtype))
    assert outcome.error == f"{LOAD}frame 7321 (0.153 s) is not a number"


def test_the_first_frame_is_counted_over_blocks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 100)
    x = audio.noise(9_600)
    x[7_321] = np.nan
    assert "frame 7321 " in bench.refused(audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "FLOAT")).error


@pytest.mark.parametrize(("fmt", "subtype"), [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("CAF", "PCM_16"), ("AU", "PCM_16")])
def test_no_frames(bench: Bench, fmt: str, subtype: str) -> None:
    outcome = bench.refused(audio.write(bench.folder / "in", np.zeros((0, 1)), 48_000, fmt, subtype))
    assert outcome.error.startswith(LOAD)
    assert "0 frames" in outcome.error


# ---- headers that lie ----


@pytest.mark.parametrize(
    "header",
    [
        {"rate": 1},
        {"rate": 0},
        {"rate": 2**31 - 1},
        {"rate": 2**32 - 1},
        {"channels": 65_535},
        {"channels": 33},
        {"channels": 0},
        {"bits": 0},
        {"bits": 65_535},
        {"tag": 0xEEEE},
    ],
    ids=str,
)
def test_a_header_that_claims_the_impossible(bench: Bench, header: dict[str, int]) -> None:
    source = bench.folder / "liar.wav"
    source.write_bytes(wav_bytes(bytes(100_000), **header))
    assert bench.refused(source).error.startswith(LOAD)


def test_a_header_that_claims_gigabytes_costs_nothing(bench: Bench) -> None:
    """What nearly nothing would be there of is no length, but what a program wrote that did not know it."""
    claimed, source = 20 << 30, bench.folder / "liar.wav"
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, claimed + 72, claimed, claimed // 2, 0)
    plain = wav_bytes(audio.sixteen_bits(9_600).tobytes(), claimed_bytes=2**32 - 1)
    source.write_bytes(b"RF64\xff\xff\xff\xffWAVE" + ds64 + plain[12:])
    outcome = within(10, lambda: bench.convert(source))
    assert (outcome.status, outcome.frames) == (Status.EXPORTED, 9_600)
    assert any("no length" in word for word in outcome.done)


@pytest.mark.parametrize("claimed", [2**32 - 1, 2**31])
def test_a_recorder_that_was_cut_off_never_filled_in_the_length(bench: Bench, claimed: int) -> None:
    """libsndfile and ffmpeg read such files to their end, too."""
    x = audio.sixteen_bits(9_600)
    source = bench.folder / "liar.wav"
    source.write_bytes(wav_bytes(x.tobytes(), claimed_bytes=claimed))
    np.testing.assert_array_equal(audio.read16(within(10, lambda: bench.exported(source))), x)


def test_a_flac_that_claims_hours(bench: Bench) -> None:
    """STREAMINFO's 36 bits of total samples, set to their most: the claim costs no memory and no time."""
    data = bytearray(FORM["flac-16"].save(bench.folder / "honest.flac", audio.noise(9_600), 48_000).read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    source = bench.folder / "liar.flac"
    source.write_bytes(data)
    outcome = within(10, lambda: bench.refused(source))
    assert outcome.reason in ("too_long", "load_failed")


def test_a_flac_that_does_not_say_its_length(bench: Bench) -> None:
    """RFC 9639, section 8.2: 0 total samples is "unknown", as encoders leave it that write to a pipe."""
    honest = FORM["flac-16"].save(bench.folder / "honest.flac", audio.noise(9_600), 48_000)
    data = bytearray(honest.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    source = bench.folder / "streamed.flac"
    source.write_bytes(data)
    np.testing.assert_array_equal(audio.read16(bench.exported(source)), audio.read16(honest))


def test_an_mp4_whose_codec_nobody_knows(bench: Bench) -> None:
    honest = FORM["m4a-alac"].save(bench.folder / "honest.m4a", audio.noise(9_600), 48_000).read_bytes()
    assert honest.count(b"alac") == 2
    source = bench.folder / "odd.m4a"
    source.write_bytes(honest.replace(b"alac", b"zzzz"))
    assert bench.refused(source).error.startswith(LOAD)


def test_a_source_that_changes_while_it_is_read_is_not_exported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own rule (architecture.md): half of one sound and half of another is neither."""
    source = audio.write(bench.folder / "a.wav", audio.noise(48_000), 44_100, "WAV", "PCM_16")
    small_blocks(monkeypatch, 4_000)
    write, turns = os.write, iter(range(100))

    def meddling(fd: int, data: memoryview) -> int:
        if next(turns) == 2:
            audio.write(source, audio.noise(48_000, seed=1), 44_100, "WAV", "PCM_16")
        return write(fd, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", meddling)
        outcome = convert(bench.job(source), settings())
    assert next(turns) > 4
    assert outcome.status is Status.FAILED


# ---- the target ----


def taken(bench: Bench, source: Path, target: Path) -> Outcome:
    """The outcome of a conversion to a name that something has; it must not open it."""
    outcome = within(5, lambda: convert(replace(bench.job(source, "unused.wav"), target=str(target)), settings()))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "write_failed")
    assert str(bench.out) in outcome.fix
    return outcome


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "dangling link", "link to a file", "link to a folder"])
def test_what_stands_at_the_target_stays(bench: Bench, good: Path, kind: str) -> None:
    """It is a new file that ``convert`` makes. Whose it is that stands there is not its business."""
    bench.out.mkdir()
    target, victim = bench.out / "out.wav", bench.folder / "victim"
    victim.write_text("mine")
    match kind:
        case "file":
            target.write_text("mine")
        case "folder":
            target.mkdir()
        case "fifo":
            os.mkfifo(target)
        case "dangling link":
            target.symlink_to(bench.folder / "gone")
        case "link to a file":
            target.symlink_to(victim)
        case _:
            target.symlink_to(bench.folder, target_is_directory=True)
    before = target.lstat()
    taken(bench, good, target)
    assert target.lstat() == before
    assert [path.name for path in bench.out.iterdir()] == ["out.wav"]
    assert not (bench.folder / "gone").exists()
    assert victim.read_text() == "mine"
    if kind == "file":
        assert target.read_text() == "mine"


@pytest.mark.parametrize("way", audio.WAYS)
def test_the_source_is_never_written_to(bench: Bench, way: str) -> None:
    bench.out.mkdir()
    target = audio.write(bench.out / "out.wav", audio.noise(9_600), 44_100, "WAV", "PCM_24")
    source = audio.known_as(target, way, bench.folder / "link.wav")
    before = target.read_bytes()
    taken(bench, source, target)
    assert target.read_bytes() == before


def test_a_folder_that_is_not_there_is_not_made(bench: Bench, good: Path) -> None:
    job = replace(bench.job(good), target=str(bench.folder / "elsewhere/out.wav"))
    outcome = convert(job, settings())
    assert (outcome.error, outcome.reason) == ("Failed to write output file", "write_failed")
    assert not (bench.folder / "elsewhere").exists()


def test_a_file_where_the_folder_should_be(bench: Bench, good: Path) -> None:
    bench.out.write_text("mine")
    job = Job(7, 42, str(good), str(bench.out / "out.wav"), Tags("A title", "", None, "", ""))
    outcome = convert(job, settings())
    assert outcome.error == "Failed to write output file"
    assert str(bench.out) in outcome.fix
    assert bench.out.read_text() == "mine"


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
def test_failing_surroundings_raise_and_leave_nothing(
    bench: Bench, good: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[SurroundingsError]
) -> None:
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(kind) as caught:
            convert(bench.job(good), settings())
    assert str(bench.out) in str(caught.value)
    assert caught.value.fix
    assert not list(bench.out.iterdir())


def test_a_disk_that_fills_up_in_the_middle(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = audio.write(bench.folder / "a.wav", audio.noise(48_000), 44_100, "WAV", "PCM_16")
    small_blocks(monkeypatch, 5_000)
    room, write = [30_000], os.write

    def filling(fd: int, data: memoryview) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(fd, data[: room[0]])
        room[0] -= done
        return done

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", filling)
        with pytest.raises(DiskFullError, match="Not enough disk space for export"):
            convert(bench.job(source), settings())
    assert not list(bench.out.iterdir())


def test_short_writes_are_gone_on_with(bench: Bench, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bench.exported(good, "whole.wav").read_bytes()
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: write(fd, data[:777]))
        convert(bench.job(good), settings())
    assert (bench.out / "out.wav").read_bytes() == whole


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EFBIG])
def test_another_write_error_is_a_failed_sample(bench: Bench, good: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def broken(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", broken)
        outcome = convert(bench.job(good), settings())
    assert (outcome.status, outcome.error, outcome.reason) == (Status.FAILED, "Failed to write output file", "write_failed")
    assert str(bench.out) in outcome.fix
    assert not list(bench.out.iterdir())


def test_a_source_is_not_touched(bench: Bench, good: Path) -> None:
    before, status = good.read_bytes(), good.stat()
    bench.exported(good)
    after = good.stat()
    assert good.read_bytes() == before
    assert (after.st_mtime_ns, after.st_ino, after.st_size) == (status.st_mtime_ns, status.st_ino, status.st_size)


def test_no_descriptor_is_left_open(bench: Bench, good: Path) -> None:
    junk = bench.folder / "junk.mp3"
    junk.write_bytes(b"\xff\xfb\x90\x64" * 2_000)
    m4a = FORM["m4a-aac"].save(bench.folder / "a.m4a", audio.noise(9_600), 48_000)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    for source in (good, junk, m4a):
        bench.convert(source, f"{source.stem}.wav")
    before = descriptors()
    for turn in range(10):
        for source in (good, junk, m4a):
            bench.convert(source, f"{source.stem}{turn}.wav")
            check(bench.job(source), settings())
    assert descriptors() == before
