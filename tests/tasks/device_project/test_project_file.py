"""A device project, read here by offsets written out by hand; the samples' judge is libsndfile."""

import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DiskError, DiskFullError, ProjectError
from tasks.audio.pcm16 import read_pcm16
from tasks.device_project import project_file, smp
from tasks.device_project.padconf import PadField, parse_padconf
from tasks.device_project.project_file import Project, ProjectPad, device_name, write_project
from tasks.device_project.smp import parse_smp, read_smp, smp_name, write_smp
from tests.support.audio import sixteen_bits, wav_bytes, write

HEAD = b"RFPD\x00\x00\x00\xa0\x03\x00\x00\x00\x00\x00\x7a\x80"
SIZE = 52_000


def word(data: bytes, offset: int) -> int:
    return int(struct.unpack(">I", data[offset : offset + 4])[0])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Mono and stereo, WAV and AIFF, the first and the last pad."""
    kick = write(tmp_path / "kick.wav", sixteen_bits(5_000, 1, seed=1), 48_000, "WAV", "PCM_16")
    loop = write(tmp_path / "loop.wav", sixteen_bits(9_001, 2, seed=2), 48_000, "WAV", "PCM_16")
    bell = write(tmp_path / "bell.aiff", sixteen_bits(7_000, 2, seed=3), 48_000, "AIFF", "PCM_16")
    pads = (
        ProjectPad("J", 16, "bell_fsm", str(bell), bpm=92.335),
        ProjectPad("A", 1, "kick_808", str(kick), one_shot=True),
        ProjectPad("B", 3, "hipness_fonky_89", str(loop), bpm=89, loop=True, bpm_sync=True, gate=False),
    )
    return Project("Night Bus", 92.5, pads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "EXPORT" / "PROJECT").mkdir(parents=True)
    return tmp_path / "EXPORT" / "PROJECT" / "PROJECT_03"


def save(project: Project, folder: Path) -> None:
    write_project(project, str(folder), read_pcm16)


# ---- the file of settings ----


@settings(max_examples=30, deadline=None)
@given(seed=st.binary(min_size=1, max_size=64), at=st.integers(0, SIZE - 17), some=st.binary(max_size=200))
def test_any_settings_come_back_byte_for_byte(seed: bytes, at: int, some: bytes) -> None:
    """And every view can look at any of them."""
    rest = bytearray(hashlib.shake_128(seed).digest(SIZE - 16))
    rest[at : at + len(some)] = some
    data = HEAD + bytes(rest[: SIZE - 16]).ljust(SIZE - 16, b"\xff")
    conf = parse_padconf(data)
    assert conf.data == data
    assert isinstance(conf.name, str)
    assert conf.tempo == struct.unpack(">H", data[0x12:0x14])[0] / 100
    for n, bank in enumerate("ABCDEFGHIJ"):
        assert conf.is_protected(bank) == bool(data[0x43 + 4 * n] & 1)
        assert 0 <= conf.bank_volume(bank) <= 127
        assert conf.bank_tempo(bank) >= 0
        assert len(conf.pad_name(bank, 16)) <= 24
        assert len(conf.chops(bank, 1)) <= 16
        assert conf.word(bank, 2, PadField.PAN) == word(data, 0xA0 + (n * 16 + 1) * 172 + 0x48)


def test_volumes_stand_in_pairs() -> None:
    data = bytearray(HEAD.ljust(SIZE, b"\0"))
    data[0x6C:0x70] = struct.pack(">HH", 18, 21)  # B in front of A
    conf = parse_padconf(bytes(data))
    assert [conf.bank_volume(bank) for bank in "ABC"] == [106, 109, 127]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "RFPD"),
        (b"RFPD", "4 bytes"),
        (HEAD, "16 bytes"),
        (b"RFWV" + HEAD[4:].ljust(SIZE - 4), "RFPD"),
        (HEAD.ljust(SIZE - 1), "51,999"),
        (HEAD.ljust(SIZE + 1), "52,001"),
        ((HEAD[:8] + b"\2\0\0\0" + HEAD[12:]).ljust(31_488), "version"),
        ((HEAD[:8] + b"\0\0\0\3" + HEAD[12:]).ljust(SIZE), "version"),
        ((HEAD[:7] + b"\xa1" + HEAD[8:]).ljust(SIZE), "layout"),
        ((HEAD[:12] + bytes(4)).ljust(SIZE), "layout"),
    ],
    ids=range(10),
)
def test_damaged_settings_are_one_clear_error(data: bytes, says: str) -> None:
    with pytest.raises(ProjectError, match=says) as caught:
        parse_padconf(data, "/card/PADCONF.BIN")
    assert str(caught.value).startswith("/card/PADCONF.BIN: ")
    assert caught.value.fix
    assert caught.value.exit_code == 2


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_in_one_way(data: bytes) -> None:
    for parse in (parse_padconf, parse_smp):
        for start in (b"", b"RFPD", HEAD, b"RFWV"):
            with pytest.raises(ProjectError):
                parse(start + data)


@pytest.mark.parametrize(("bank", "pad"), [("K", 1), ("", 1), ("AB", 1), ("a", 1), ("A", 0), ("A", 17), ("A", -1)])
def test_pads_that_there_are_not(bank: str, pad: int) -> None:
    conf = parse_padconf(HEAD.ljust(SIZE, b"\0"))
    for ask in (conf.pad_name, conf.chops, smp_name, partial(conf.word, number=PadField.SIZE)):
        with pytest.raises(ProjectError):
            ask(bank, pad)


def test_words_that_there_are_not() -> None:
    conf = parse_padconf(HEAD.ljust(SIZE, b"\0"))
    for number in (-1, 43):
        with pytest.raises(ProjectError):
            conf.word("A", 1, number)


# ---- a sample ----


def smp_bytes(channels: int = 2, frames: int = 100) -> bytes:
    """By hand, as a device writes it but for the filler, which is anything."""
    pcm = bytes(range(256)) * (channels * frames * 2 // 256 + 1)
    said = struct.pack(">4I", 512 + channels * frames * 2 - 8, 48_000, channels, 16)
    head = b"RFWV" + said + bytes(12) + hashlib.md5(said).digest()
    return head.ljust(512, b"\x5a") + pcm[: channels * frames * 2]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sample_is_read_and_written(tmp_path: Path, channels: int) -> None:
    data = smp_bytes(channels, 321)
    smp = parse_smp(data)
    assert (smp.channels, smp.frames, bytes(smp.pcm)) == (channels, 321, data[512:])
    path = tmp_path / "a.SMP"
    assert write_smp(str(path), channels, smp.pcm) == len(data)
    assert path.read_bytes()[:48] == data[:48]
    assert path.read_bytes()[512:] == data[512:]
    assert bytes(read_smp(str(path)).pcm) == data[512:]


def test_the_digest_is_that_of_a_device(tmp_path: Path) -> None:
    """144,000 stereo frames: the digest that was seen in a device's file of that length begins like this."""
    path = tmp_path / "a.SMP"
    write_smp(str(path), 2, bytes(576_000))
    assert path.read_bytes()[0x20:0x24].hex() == "2974ff85"


def spoilt(at: int, new: bytes) -> bytes:
    data = smp_bytes()
    return data[:at] + new + data[at + len(new) :]


def said(size: int, rate: int, channels: int, bits: int) -> bytes:
    """A header that says this, with a digest that fits, before 400 bytes of sound."""
    words = struct.pack(">4I", size, rate, channels, bits)
    return (b"RFWV" + words + bytes(12) + hashlib.md5(words).digest()).ljust(912, b"\0")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "RFWV"),
        (b"RIFF" + smp_bytes()[4:], "RFWV"),
        (smp_bytes()[:300], "300 bytes"),
        (smp_bytes()[:-2], "910 bytes"),
        (smp_bytes() + b"\0", "913 bytes"),
        (spoilt(7, b"\0"), "checksum"),
        (spoilt(0x21, b"\0"), "checksum"),
        (said(904, 44_100, 2, 16), "44100"),
        (said(904, 48_000, 2, 24), "24-bit"),
        (said(904, 48_000, 3, 16), "3 channels"),
        (said(904, 48_000, 0, 16), "0 channels"),
        (said(2**32 - 1, 48_000, 2, 16), "header says"),
        (said(902, 48_000, 2, 16)[:-2], "within a frame"),
        (said(903, 48_000, 1, 16)[:-1], "within a frame"),
    ],
    ids=range(14),
)
def test_damaged_samples_are_one_clear_error(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "BANK1-01.SMP"
    path.write_bytes(data)
    with pytest.raises(ProjectError, match=says) as caught:
        read_smp(str(path))
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_what_is_no_file_is_no_sample(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "gone"):
        with pytest.raises(ProjectError):
            read_smp(str(path))


@pytest.mark.parametrize(("channels", "pcm"), [(0, b"ab"), (3, bytes(6)), (1, b"a"), (2, b"ab"), (2, b"")])
def test_what_is_no_sound_is_not_written(tmp_path: Path, channels: int, pcm: bytes) -> None:
    with pytest.raises(ProjectError):
        write_smp(str(tmp_path / "a.SMP"), channels, pcm)
    assert not (tmp_path / "a.SMP").exists()


def test_a_sample_may_be_as_long_as_the_device_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smp, "MAX_FRAMES", 10)
    write_smp(str(tmp_path / "a.SMP"), 2, bytes(40))
    with pytest.raises(ProjectError, match="11 frames"):
        write_smp(str(tmp_path / "b.SMP"), 2, bytes(44))


# ---- the folder ----


def test_every_byte_of_the_settings_by_hand(project: Project, folder: Path) -> None:
    save(project, folder)
    data = (folder / "PADCONF.BIN").read_bytes()
    assert len(data) == 52_000
    assert data[:16] == HEAD
    assert word(data, 0x10) == 9_250
    assert [word(data, 0x40 + 4 * bank) for bank in range(10)] == [18_500] * 10
    assert data[0x6C:0x80] == bytes(20)
    assert data[0x80:0xA0] == b"Night Bus".ljust(31) + b"\0"
    empty = {3: 127, 4: 1, 6: 1, 9: 9_000, 16: 10_000, 17: 1, 18: 64, 20: 1, 21: 2, 23: 100}
    size = {0: 512 + 5_000 * 2, 18: 512 + 9_001 * 4, 159: 512 + 7_000 * 4}
    own = {
        0: {4: 0, 9: 9_000, 10: 0x20},
        18: {4: 0, 5: 0x7FFFFFFF, 8: 1, 9: 8_900},
        159: {9: 9_234},
    }
    names = {0: b"kick_808", 18: b"hipness_fonky_89", 159: b"bell_fsm"}
    for slot in range(160):
        wanted = dict(empty)
        if slot in size:
            wanted |= {0: size[slot], 1: 512, 2: size[slot], 11: 512} | own[slot]
        found = struct.unpack(">43I", data[0xA0 + 172 * slot : 0xA0 + 172 * slot + 172])
        assert {n: value for n, value in enumerate(found) if value} == {n: value for n, value in wanted.items() if value}, slot
        name = data[0x6C20 + 24 * slot : 0x6C20 + 24 * slot + 24]
        assert name == names.get(slot, b"").ljust(23) + b"\0"
        assert data[0x7B20 + 128 * slot : 0x7B20 + 128 * slot + 128] == b"\xff" * 64 + bytes(64)


def test_the_samples_are_those_of_the_sources(project: Project, folder: Path) -> None:
    save(project, folder)
    files = {"BANK10-16.SMP": "bell.aiff", "BANK1-01.SMP": "kick.wav", "BANK2-03.SMP": "loop.wav"}
    sounds = {Path(pad.sound).name: pad.sound for pad in project.pads}
    assert {path.name for path in (folder / "SMPL").iterdir()} == files.keys()
    for name, source in files.items():
        data = (folder / "SMPL" / name).read_bytes()
        samples, rate = soundfile.read(sounds[source], dtype="int16", always_2d=True)
        assert rate == 48_000
        assert struct.unpack(">4s4I", data[:20]) == (b"RFWV", len(data) - 8, 48_000, samples.shape[1], 16)
        assert data[20:32] == bytes(12)
        assert data[0x20:0x30] == hashlib.md5(data[4:20]).digest()
        assert np.array_equal(np.frombuffer(data[512:], ">i2").reshape(samples.shape), samples)


def test_what_lies_in_the_folder_and_beside_it(project: Project, folder: Path) -> None:
    save(project, folder)
    assert {path.name for path in folder.iterdir()} == {"PADCONF.BIN", "SMPL", "PTN", "PICTURE"}
    assert not list((folder / "PTN").iterdir())
    assert not list((folder / "PICTURE").iterdir())
    assert [path.name for path in folder.parent.iterdir()] == ["PROJECT_03"]


def test_the_views_agree_with_the_project(project: Project, folder: Path) -> None:
    save(project, folder)
    conf = parse_padconf((folder / "PADCONF.BIN").read_bytes())
    assert (conf.name, conf.tempo, conf.bank_tempo("J"), conf.bank_volume("C")) == ("Night Bus", 92.5, 92.5, 127)
    assert (conf.pad_name("B", 3), conf.pad_name("B", 4)) == ("hipness_fonky_89", "")
    assert (conf.word("A", 1, PadField.FLAGS), conf.word("B", 3, PadField.BPM)) == (0x20, 8_900)
    assert not conf.is_protected("A")
    assert conf.chops("A", 1) == ()


def test_the_same_project_gives_the_same_bytes(project: Project, folder: Path) -> None:
    other = folder.with_name("PROJECT_04")
    save(project, folder)
    save(replace(project, pads=project.pads[::-1]), other)
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(folder)).read_bytes()


def test_folders_above_are_made(project: Project, tmp_path: Path) -> None:
    save(project, tmp_path / "card" / "EXPORT" / "PROJECT" / "PROJECT_16")
    assert (tmp_path / "card" / "EXPORT" / "PROJECT" / "PROJECT_16" / "PADCONF.BIN").is_file()


@pytest.mark.parametrize("tempo", [40, 92.335, 199.999, 200])
def test_no_tempo_sets_the_protection(project: Project, folder: Path, tempo: float) -> None:
    save(replace(project, tempo=tempo), folder)
    data = (folder / "PADCONF.BIN").read_bytes()
    assert abs(word(data, 0x10) / 100 - tempo) < 0.006
    assert word(data, 0x40) == 2 * word(data, 0x10)


@pytest.mark.parametrize(("bpm", "stored"), [(20, 4_000), (39, 7_800), (200, 20_000), (201, 10_050), (300, 15_000)])
def test_a_tempo_that_cannot_be_set_is_counted_twice_or_half(project: Project, folder: Path, bpm: float, stored: int) -> None:
    save(replace(project, pads=(replace(project.pads[0], bpm=bpm),)), folder)
    assert word((folder / "PADCONF.BIN").read_bytes(), 0xA0 + 172 * 159 + 0x24) == stored


# ---- what is refused ----


def test_an_existing_folder_is_refused_and_left(project: Project, folder: Path) -> None:
    folder.mkdir()
    with pytest.raises(ProjectError, match="there already"):
        save(project, folder)
    (folder / "PADCONF.BIN").write_bytes(b"mine")
    with pytest.raises(ProjectError, match="there already") as caught:
        save(project, folder)
    assert str(folder) in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["PADCONF.BIN"]
    assert (folder / "PADCONF.BIN").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")], ids=["folder", "file", "link"]
)
def test_what_appears_meanwhile_is_left(project: Project, folder: Path, make: Callable[[Path], None]) -> None:
    def read(path: str) -> tuple[int, bytes]:
        if not os.path.lexists(folder):
            make(folder)
        return read_pcm16(path)

    with pytest.raises(ProjectError, match="there already"):
        write_project(project, str(folder), read)
    assert [path.name for path in folder.parent.iterdir()] == ["PROJECT_03"]
    assert folder.is_symlink() or folder.is_file() or not list(folder.iterdir())


def test_what_appears_in_the_last_instant_is_left(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def late(part: str, target: str) -> None:
        Path(target, "mine").touch()
        rename(part, target)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(ProjectError, match="there already"):
        save(project, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["PROJECT_03"]
    assert [path.name for path in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(5, "Input/output error")], ids=str)
def test_a_kill_in_the_middle_leaves_nothing(project: Project, tmp_path: Path, error: BaseException) -> None:
    folder = tmp_path / "card" / "EXPORT" / "PROJECT_01"
    seen: list[str] = []

    def read(path: str) -> tuple[int, bytes]:
        seen.append(path)
        assert not folder.exists()
        if len(seen) == 2:
            raise error
        return read_pcm16(path)

    with pytest.raises((KeyboardInterrupt, MemoryError, ProjectError)):
        write_project(project, str(folder), read)
    assert len(seen) == 2
    assert not (tmp_path / "card").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")], ids=str)
def test_a_rename_that_fails_leaves_nothing(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises((KeyboardInterrupt, DiskError)):
        save(project, folder)
    assert not list(folder.parent.iterdir())


def test_a_full_disk_says_so(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(smp, "write_all", full)
    monkeypatch.setattr(project_file, "write_all", full)
    with pytest.raises(DiskFullError):
        save(project, folder)
    assert not list(folder.parent.iterdir())


def test_a_parent_that_is_a_file(project: Project, tmp_path: Path) -> None:
    (tmp_path / "EXPORT").touch()
    with pytest.raises(ProjectError):
        save(project, tmp_path / "EXPORT" / "PROJECT_01")


@pytest.mark.parametrize("spoil", ["PADCONF.BIN", "SMPL/BANK2-03.SMP"])
@pytest.mark.parametrize("at", [0x82, 0x400, 0x6C24])
def test_what_is_not_as_written_gets_no_name(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, at: int
) -> None:
    """A disk that changes a byte."""
    sync = project_file.sync_file_system

    def lying(part: str) -> None:
        data = bytearray(Path(part, spoil).read_bytes())
        data[at if spoil == "PADCONF.BIN" else 512 + at % 0x1000] ^= 1
        Path(part, spoil).write_bytes(data)
        sync(part)

    monkeypatch.setattr(project_file, "sync_file_system", lying)
    with pytest.raises(ProjectError, match="read back"):
        save(project, folder)
    assert not list(folder.parent.iterdir())


@pytest.mark.parametrize("name", ["PROJECT_00", "PROJECT_17", "PROJECT_3", "project_03", "IMPORT", "PROJECT_03 "])
def test_the_device_must_find_the_folder(project: Project, folder: Path, name: str) -> None:
    with pytest.raises(ProjectError, match="does not look"):
        save(project, folder.with_name(name))
    assert not list(folder.parent.iterdir())


@pytest.mark.parametrize("tempo", [0, -1, 39.9, 200.01, float("nan"), float("inf")])
def test_a_project_tempo_that_cannot_be_set(project: Project, folder: Path, tempo: float) -> None:
    with pytest.raises(ProjectError, match="tempo"):
        save(replace(project, tempo=tempo), folder)


@pytest.mark.parametrize(
    "change",
    [
        {"bank": "K"},
        {"pad": 17},
        {"bank": "A", "pad": 1},
        {"bpm": 0.0},
        {"bpm": float("nan")},
        {"one_shot": True, "loop": True},
        {"bpm_sync": True, "bpm": None},
        {"sound": "/nowhere.wav"},
    ],
    ids=str,
)
def test_pads_that_make_no_sense(project: Project, folder: Path, change: dict[str, object]) -> None:
    pads = (replace(project.pads[0], **change), *project.pads[1:])  # type: ignore[arg-type]
    with pytest.raises(ProjectError) as caught:
        save(replace(project, pads=pads), folder)
    assert caught.value.fix
    assert not list(folder.parent.iterdir())


def test_a_project_without_samples(project: Project, folder: Path) -> None:
    with pytest.raises(ProjectError, match="no sample"):
        save(replace(project, pads=()), folder)


# ---- sources ----


@pytest.mark.parametrize(
    ("rate", "channels", "fmt", "subtype"),
    [(44_100, 2, "WAV", "PCM_16"), (48_000, 2, "WAV", "PCM_24"), (48_000, 2, "WAV", "FLOAT"), (48_000, 3, "WAV", "PCM_16"),
     (48_000, 2, "FLAC", "PCM_16"), (48_000, 1, "WAV", "PCM_U8")],
    ids=str,
)  # fmt: skip
def test_sources_of_another_kind_are_refused(
    project: Project, folder: Path, rate: int, channels: int, fmt: str, subtype: str
) -> None:
    path = write(folder.parent / "other.wav", sixteen_bits(5_000, channels), rate, fmt, subtype)
    with pytest.raises(ProjectError, match="48 kHz") as caught:
        save(replace(project, pads=(replace(project.pads[0], sound=str(path)),)), folder)
    assert str(path) in str(caught.value)
    assert [path.name for path in folder.parent.iterdir()] == ["other.wav"]


def test_a_cut_source_is_refused(project: Project, folder: Path) -> None:
    path = folder.parent / "cut.wav"
    path.write_bytes(wav_bytes(bytes(4_000), claimed_bytes=8_000))
    with pytest.raises(ProjectError, match="cut short"):
        save(replace(project, pads=(replace(project.pads[0], sound=str(path)),)), folder)


@pytest.mark.parametrize(
    ("fmt", "endian"), [("WAV", "FILE"), ("WAV", "BIG"), ("AIFF", "FILE"), ("AIFF", "LITTLE"), ("WAVEX", "FILE")]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_read_as_libsndfile_reads_them(tmp_path: Path, fmt: str, endian: str, channels: int) -> None:
    path = write(tmp_path / "a", sixteen_bits(4_321, channels), 48_000, fmt, "PCM_16", endian)
    found, pcm = read_pcm16(str(path))
    samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    assert found == channels
    assert np.array_equal(np.frombuffer(pcm, ">i2").reshape(-1, channels), samples)


# ---- names ----


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kick_808", "kick_808"),
        ("Café Olé", "Cafe Ole"),
        ("bass F#m", "bass Fsm"),
        ("bass F\u266fm", "bass Fsm"),
        ("snare/rim: \U0001f941 90.5", "snare_rim_ _ 90.5"),
        ("Vendor Deluxe Pack Vol 2 - Dusty Drums - Snare 07", "Dusty Drums - Snare 07"),
        ("x" * 40 + "17", "x" * 21 + "17"),
        ("\u65e5\u672c", ""),
        ("", ""),
        (" _ ", ""),
    ],
)
def test_names_are_made_fit(name: str, shown: str) -> None:
    assert device_name(name) == shown


@given(st.text())
def test_any_name_fits(name: str) -> None:
    shown = device_name(name)
    assert len(shown.encode("ascii")) <= 23
    assert not set(shown) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_!&()+-,.=@[]{} ")
    assert shown == shown.strip()
    assert device_name(shown) == shown
    assert not shown or any(c.isalnum() for c in shown)


def test_names_that_cannot_be_shown(project: Project, folder: Path) -> None:
    pads = (replace(project.pads[0], name="\u65e5\u672c"), replace(project.pads[1], name="x" * 99))
    save(Project("\u591c" * 50, 90, pads), folder)
    conf = parse_padconf((folder / "PADCONF.BIN").read_bytes())
    assert (conf.name, conf.pad_name("J", 16), conf.pad_name("A", 1)) == ("PROJECT_03", "J-16", "x" * 23)


def test_a_long_project_name_keeps_its_start(project: Project, folder: Path) -> None:
    save(replace(project, name="Nachtfahrt durch die Stadt bei Regen"), folder)
    assert parse_padconf((folder / "PADCONF.BIN").read_bytes()).name == "Nachtfahrt durch die Stadt bei"
