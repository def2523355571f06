"""A ZIP of files by the record: judged by readers that are not the writer, and by what is left when it is refused."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from io import BufferedRandom, FileIO
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DiskFullError, RequestError
from tasks.bundle import archive
from tasks.bundle.archive import ArchiveEntry, WrittenZip, write_zip
from tasks.fs.atomic import is_part, part_name
from tests.support import ROOT

SILENCE, NOISE = bytes(300_000), bytes(blake3(b"noise").digest(300_000))
CONTENTS = {"b/noise.wav": NOISE, "a/silence.wav": SILENCE, "b/empty.txt": b"", "ä/キック.wav": b"kick" * 99, "B.wav": b"B"}


def entry(path: Path, name: str, content: bytes) -> ArchiveEntry:
    """The file as it is recorded, and written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return ArchiveEntry(name, str(path), len(content), blake3(content).hexdigest())


@pytest.fixture
def entries(tmp_path: Path) -> list[ArchiveEntry]:
    return [entry(tmp_path / "out" / name, name, content) for name, content in CONTENTS.items()]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "zips").mkdir()
    return tmp_path / "zips" / "x.zip"


def refused(entries: list[ArchiveEntry], target: Path, *words: str, replace: bool = False) -> RequestError:
    """The one error, with nothing changed where the ZIP would be."""
    before = {path: path.lstat().st_mtime_ns for path in target.parent.iterdir()}
    with pytest.raises(RequestError) as error:
        write_zip(entries, str(target), replace)
    assert {path: path.lstat().st_mtime_ns for path in target.parent.iterdir()} == before
    assert all(word in str(error.value) for word in words), str(error.value)
    assert error.value.fix
    return error.value


# ---- what is in it ----


def test_all_files_are_in_it_and_nothing_else(entries: list[ArchiveEntry], target: Path) -> None:
    written = write_zip(iter(entries), str(target))
    assert written == WrittenZip(str(target), len(CONTENTS), target.stat().st_size)
    with zipfile.ZipFile(target) as found:
        assert found.testzip() is None
        assert found.namelist() == sorted(CONTENTS)
        assert {name: found.read(name) for name in found.namelist()} == CONTENTS
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip")
def test_another_program_reads_it(entries: list[ArchiveEntry], target: Path, tmp_path: Path) -> None:
    write_zip(entries, str(target))
    subprocess.run(["unzip", "-tqq", target], check=True)
    subprocess.run(["unzip", "-qq", target, "-d", tmp_path / "un"], check=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    for name, content in CONTENTS.items():
        assert (tmp_path / "un" / name).read_bytes() == content
        assert stat.S_IMODE((tmp_path / "un" / name).stat().st_mode) == 0o644


def test_silence_shrinks_and_noise_hardly_grows(entries: list[ArchiveEntry], target: Path) -> None:
    write_zip(entries, str(target))
    with zipfile.ZipFile(target) as found:
        sizes = {info.filename: info.compress_size for info in found.infolist()}
        assert {info.compress_type for info in found.infolist()} == {zipfile.ZIP_DEFLATED}
    assert sizes["a/silence.wav"] < len(SILENCE) / 100
    assert sizes["ä/キック.wav"] < len(CONTENTS["ä/キック.wav"]) / 10
    assert sizes["b/noise.wav"] < len(NOISE) * 1.001
    assert sizes["b/empty.txt"] <= 2
    assert sizes["B.wav"] <= 3
    # And nothing else but the directory is there.
    assert target.stat().st_size < len(NOISE) + 2_000


def test_the_same_files_give_the_same_bytes(entries: list[ArchiveEntry], target: Path, tmp_path: Path) -> None:
    """Whatever their order, times, permissions and folder."""
    write_zip(entries, str(target))
    moved = [entry(tmp_path / "elsewhere" / one.name, one.name, CONTENTS[one.name]) for one in reversed(entries)]
    for one in moved:
        os.utime(one.path, (1, 1))
        os.chmod(one.path, 0o600)
    other = target.with_name("y.zip")
    write_zip(moved, str(other))
    assert target.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(target) as found:
        assert {(info.date_time, info.create_system, info.external_attr >> 16) for info in found.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 3, stat.S_IFREG | 0o644)
        }


def test_no_file_makes_an_empty_zip(target: Path) -> None:
    assert write_zip([], str(target)).files == 0
    with zipfile.ZipFile(target) as found:
        assert found.namelist() == []


def test_a_size_that_is_not_recorded_is_that_of_the_file(entries: list[ArchiveEntry], target: Path) -> None:
    write_zip([replace(one, bytes=None) for one in entries], str(target))
    with zipfile.ZipFile(target) as found:
        assert found.testzip() is None


# ---- what is not as recorded ----


def swap(one: ArchiveEntry) -> None:
    """The same size and times, other bytes."""
    status = os.stat(one.path)
    content = Path(one.path).read_bytes()
    Path(one.path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(one.path, ns=(status.st_atime_ns, status.st_mtime_ns))


def link(one: ArchiveEntry) -> None:
    os.rename(one.path, f"{one.path}.real")
    os.symlink(f"{one.path}.real", one.path)


def pipe(one: ArchiveEntry) -> None:
    os.unlink(one.path)
    os.mkfifo(one.path)


def folder(one: ArchiveEntry) -> None:
    os.unlink(one.path)
    os.mkdir(one.path)


def no_folder(one: ArchiveEntry) -> None:
    shutil.rmtree(os.path.dirname(one.path))
    Path(os.path.dirname(one.path)).write_bytes(b"")


HARM: dict[str, tuple[Callable[[ArchiveEntry], object], str]] = {
    "changed": (swap, "content"),
    "grown": (lambda one: os.truncate(one.path, 1 << 20), "size"),
    "shrunk": (lambda one: os.truncate(one.path, 3), "size"),
    "missing": (lambda one: os.unlink(one.path), "missing"),
    "no folder": (no_folder, "missing"),
    "symlink": (link, "regular"),
    "pipe": (pipe, "regular"),
    "folder": (folder, "regular"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_file_that_is_not_as_recorded(entries: list[ArchiveEntry], target: Path, harm: str) -> None:
    harmed, word = HARM[harm]
    harmed(entries[1])
    error = refused(entries, target, "1 of 5 files", entries[1].path, word)
    assert "sp404 verify" in error.fix


@pytest.mark.parametrize("file_hash", [None, "", "0" * 64])
def test_a_file_of_which_no_hash_or_another_is_recorded(
    entries: list[ArchiveEntry], target: Path, file_hash: str | None
) -> None:
    refused([*entries[1:], replace(entries[0], file_hash=file_hash)], target, "1 of 5", entries[0].path)


def test_two_files_were_swapped(target: Path, tmp_path: Path) -> None:
    one, two = entry(tmp_path / "1.wav", "1.wav", b"one"), entry(tmp_path / "2.wav", "2.wav", b"two")
    os.rename(one.path, tmp_path / "3")
    os.rename(two.path, one.path)
    os.rename(tmp_path / "3", two.path)
    refused([one, two], target, "2 of 2", one.path, "content")


def test_all_are_counted_and_the_first_by_name_is_named(entries: list[ArchiveEntry], target: Path) -> None:
    by_name = sorted(entries, key=lambda one: one.name)
    for one in by_name[1], by_name[4]:
        swap(one)
    refused(entries, target, "2 of 5", by_name[1].path)
    os.unlink(by_name[3].path)
    refused(entries, target, "3 of 5", by_name[1].path)


def test_a_file_that_changes_while_it_is_read(
    entries: list[ArchiveEntry], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at all sizes and its own turn; and by growing."""
    noise = entries[0]
    add = archive._add

    def changing(zipped: zipfile.ZipFile, one: ArchiveEntry) -> None:
        if one is noise:
            swap(one)
        add(zipped, one)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_add", changing)
        refused(entries, target, "1 of 5", noise.path, "content")
    read = archive._read

    def growing(fd: int) -> bytes:
        block = read(fd)
        if block:
            os.truncate(f"/proc/self/fd/{fd}", os.fstat(fd).st_size + 9)
        return block

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_read", growing)
        refused(entries[1:], target, "of 4")


# ---- names ----

BAD_NAMES = (
    *("../a.wav", "a/../../b.wav", "/etc/a", "C:/a.wav", "c:a", "a\\b.wav", "..", ".", "", "a//b", "a/", "./a", "a\0b"),
    "\udc80",
)


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_could_lead_elsewhere(entries: list[ArchiveEntry], target: Path, name: str) -> None:
    refused([*entries, replace(entries[0], name=name)], target, "name")


@pytest.mark.parametrize("name", ["b.wav", "B.wav", "Ä/キック.WAV"])
def test_a_name_that_is_there_twice_for_who_sees_no_case(entries: list[ArchiveEntry], target: Path, name: str) -> None:
    refused([*entries, replace(entries[0], name=name)], target, "twice")


@given(st.text(max_size=12))
def test_no_name_that_is_taken_leads_out_of_the_folder(name: str) -> None:
    if archive._is_safe(name):
        for joined in (os.path.normpath(f"/base/{name}"), os.path.normpath("/base/" + name.replace("\\", "/"))):
            assert joined == f"/base/{name}"
        assert zipfile.ZipInfo(name).filename == name


# ---- where it goes ----


def test_what_stands_there_stays_unless_it_may_be_replaced(entries: list[ArchiveEntry], target: Path, tmp_path: Path) -> None:
    target.write_bytes(b"theirs")
    error = refused(entries, target, "ZIP already")
    assert "--force" in error.fix
    swap(entries[0])
    refused(entries, target, "1 of 5", replace=True)
    assert target.read_bytes() == b"theirs"
    write_zip(entries[1:], str(target), replace=True)
    assert zipfile.is_zipfile(target)
    other = target.with_name("song.wav")
    other.write_bytes(b"theirs")
    refused(entries[1:], other, "not a .zip", replace=True)
    linked = target.with_name("link.zip")
    linked.symlink_to(other)
    refused(entries[1:], linked, "not a .zip", replace=True)
    dangling = target.with_name("dangling.zip")
    dangling.symlink_to(tmp_path / "nothing")
    refused(entries[1:], dangling, "not a .zip", replace=True)
    folded = target.with_name("folder.zip")
    folded.mkdir()
    refused(entries[1:], folded, "not a .zip", replace=True)
    assert other.read_bytes() == b"theirs"


def test_what_came_there_meanwhile_stays(entries: list[ArchiveEntry], target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = archive._add

    def meanwhile(*arguments: object) -> None:
        add(*arguments)  # type: ignore[arg-type]
        target.write_bytes(b"theirs")

    monkeypatch.setattr(archive, "_add", meanwhile)
    with pytest.raises(RequestError, match="already"):
        write_zip(entries, str(target))
    assert target.read_bytes() == b"theirs"
    assert list(target.parent.iterdir()) == [target]


def test_no_folder(entries: list[ArchiveEntry], target: Path) -> None:
    for path in (target.parent / "none" / "x.zip", Path(entries[0].path) / "x.zip"):
        with pytest.raises(RequestError, match="no folder"):
            write_zip(entries, str(path))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk(entries: list[ArchiveEntry], target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own ENOSPC, when the first bytes leave the buffer, or when all are in."""
    created = archive.create_exclusively

    @contextmanager
    def full(path: str) -> Iterator[FileIO]:
        with created(path), open("/dev/full", "r+b", buffering=0) as file:
            yield file

    monkeypatch.setattr(archive, "create_exclusively", full)
    for some in (entries, entries[-1:], [entry(Path(entries[0].path + "9"), "noise.wav", NOISE * 9)]):
        with pytest.raises(DiskFullError):
            write_zip(some, str(target))
        assert list(target.parent.iterdir()) == []


def test_what_a_killed_run_left_is_removed(entries: list[ArchiveEntry], target: Path) -> None:
    """Also of a ZIP of another name; and nothing else: not what one that still runs has in the making, nor another kind."""
    code = (
        "import sys, os, signal; from tasks.bundle import archive;"
        "archive._add = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "archive.write_zip([archive.ArchiveEntry(*sys.argv[1:3], None, '0')], sys.argv[3])"
    )
    command = [sys.executable, "-c", code, entries[0].name, entries[0].path, str(target.with_name("another.zip"))]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    (left,) = target.parent.iterdir()
    assert is_part(left.name)
    token = left.name.split("-")[1]
    others = [target.with_name(part_name(token, os.getppid(), "zip")), left.with_name(left.name.replace("zip", "other"))]
    for other in others:
        other.write_bytes(b"")
    write_zip(entries, str(target))
    assert sorted(target.parent.iterdir()) == sorted([target, *others])


# ---- sizes ----


HUGE = (1 << 32) + 12_345


@cache
def hash_of_zeros(size: int) -> str:
    digest, block = blake3(), bytes(1 << 24)
    for start in range(0, size, len(block)):
        digest.update(block[: size - start])
    return str(digest.hexdigest())


@pytest.mark.slow
def test_a_file_above_4_gb(target: Path, tmp_path: Path) -> None:
    """A sparse one, between two small ones; its sizes, and the places of those behind it, need ZIP64."""
    size = HUGE
    first, last = entry(tmp_path / "a", "a.wav", b"a" * 99), entry(tmp_path / "z", "z.wav", NOISE)
    big = tmp_path / "big"
    big.touch()
    os.truncate(big, size)
    write_zip([first, ArchiveEntry("m.wav", str(big), size, hash_of_zeros(size)), last], str(target))
    with zipfile.ZipFile(target) as found:
        info = found.getinfo("m.wav")
        assert (info.file_size, info.compress_type) == (size, zipfile.ZIP_DEFLATED)
        assert info.compress_size < size / 200
        assert found.read("z.wav") == NOISE
        with found.open("m.wav") as member:
            assert member.read(1 << 20) == bytes(1 << 20)


@pytest.mark.slow
def test_places_above_4_gb(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored file of more than 4 GB, of which a hole is written, and one behind it."""
    size = HUGE
    big = tmp_path / "big"
    big.touch()
    os.truncate(big, size)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "ZipFile", lambda file, mode, *_, **__: zipfile.ZipFile(file, mode, zipfile.ZIP_STORED))
        patch.setattr(archive, "BufferedRandom", _Holes)
        write_zip(
            [ArchiveEntry("a.wav", str(big), size, hash_of_zeros(size)), entry(tmp_path / "z", "z.wav", b"z")], str(target)
        )
    with zipfile.ZipFile(target) as found:
        assert found.getinfo("a.wav").compress_size == size
        assert found.getinfo("z.wav").header_offset > size
        assert found.read("z.wav") == b"z"


class _Holes(BufferedRandom):
    """Leaves holes where zeros are written."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(data) < 4096 or any(memoryview(data)[::4096]):
            return super().write(data)
        self.seek(len(data), os.SEEK_CUR)
        return len(data)


@pytest.mark.slow
def test_more_entries_than_zip_has_numbers_for(target: Path, tmp_path: Path) -> None:
    one = entry(tmp_path / "one", "", b"0" * 99)
    write_zip((replace(one, name=f"{number % 7}/{number:06d}.wav") for number in range(65_600)), str(target))
    with zipfile.ZipFile(target) as found:
        assert len(found.infolist()) == 65_600
        assert found.read("6/000006.wav") == b"0" * 99
    if shutil.which("zipinfo"):
        told = subprocess.run(["zipinfo", "-h", target], check=True, capture_output=True, text=True).stdout
        assert "65600" in told


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(target: Path, tmp_path: Path) -> None:
    """Of a file of 300 MB, which is deflated to little, and one of 60, which is not."""
    size = 300 << 20
    (tmp_path / "big").touch()
    os.truncate(tmp_path / "big", size)
    noise = entry(tmp_path / "noise", "noise.wav", bytes(blake3(b"n").digest(60 << 20)))
    code = (
        "import sys; from tasks.bundle.archive import ArchiveEntry, write_zip;"
        "from tests.support.processes import memory_bytes;"
        "before = memory_bytes();"
        "write_zip([ArchiveEntry(n, p, int(s), h) for n, p, s, h in zip(*[iter(sys.argv[2:])] * 4)], sys.argv[1]);"
        "print(memory_bytes() - before)"
    )
    told = [noise.name, noise.path, str(noise.bytes), str(noise.file_hash)]
    told += ["big.wav", str(tmp_path / "big"), str(size), hash_of_zeros(size)]
    command = [sys.executable, "-c", code, str(target), *told]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    grown = int(done.stdout)
    assert 0 < grown < 20_480_000, grown
