"""Run whole exports as processes of their own, and check what must be true of them after any fault.

The faults themselves come from ``tests.support.means``.
"""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import numpy.typing as npt
import soundfile

from tasks.audio import synth
from tasks.fs.place_mark import MARK_FILE
from tests.support import ROOT, means
from tests.support.means import NOBODY, root
from tests.support.waiting import until

GENRES = ("house", "jazz", "dub", "")
SOUNDS = (".wav", ".aiff")
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Library:
    folder: Path
    sources: tuple[str, ...]

    @property
    def manifest(self) -> Path:
        return self.folder / "m.csv"

    def copy(self, folder: Path) -> "Library":
        """Copy the files to another place, where they may be changed."""
        folder.mkdir(parents=True)
        for path in self.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return replace(self, folder=folder)


def make_library(folder: Path, count: int, seconds: float = 0.12) -> Library:
    """``count`` short sounds, each another, of three formats, with a manifest ``m.csv``."""
    names = []
    for n in range(count):
        name = f"{n:03}" + (".wav", ".flac", ".aiff")[n % 3]
        synth.write(folder / name, synth.bass(44_100, 28 + n % 60, seconds + n / 2_000), 44_100)
        names.append(name)
    lines = [f"{name},Tone {name[:3]},{GENRES[n % len(GENRES)]}" for n, name in enumerate(names)]
    write_manifest(folder / "m.csv", "file_path,title,genre", lines)
    return Library(folder, tuple(names))


def give(*folders: Path) -> None:
    """Make folders in which the user of ``means.unprivileged`` may write."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)


def write_manifest(path: Path, header: str, lines: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


# ---- running ----


@dataclass(frozen=True)
class Said:
    """How a run ended: its exit status (negative: the signal that killed it), and what it printed."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        assert self.out, self
        return json.loads(self.out)

    def ended(self, status: int) -> Self:
        """Itself, after looking that it ended so and without a traceback."""
        assert "Traceback" not in self.out + self.err, self.err
        assert self.status == status, self
        return self

    def one_clear_error(self, status: int, *words: str) -> Self:
        """One or two lines that say what, where and what to do."""
        self.ended(status)
        if self.out:  # of --json
            assert (self.result.keys(), self.result["exit_status"]) == ({"error", "fix", "exit_status"}, status), self.out
        lines = self.err.splitlines()
        assert 1 <= len(lines) <= 2, self.err
        assert lines[0].startswith("sp404: "), self.err
        assert all(word.lower() in self.err.lower() for word in words), (words, self.err)
        return self


@dataclass(frozen=True)
class Export:
    """A command ``sp404 export``, that can be typed again and again."""

    manifest: Path
    out: Path
    db: Path
    home: Path
    options: tuple[str, ...] = ("--organize-by", "genre", "--workers", "2")

    def command(self, *more: object) -> list[str]:
        where = ("--direct", "--db", self.db, "--out", self.out, "--json")
        return [sys.executable, "-m", "flows.cli", "export", *map(str, (self.manifest, *where, *self.options, *more))]

    def start(
        self, *more: object, before: Sequence[str] = (), env: dict[str, str] | None = None, command: Sequence[str] = ()
    ) -> "Running":
        """Begins it, or the given ``command`` in the same surroundings; ``before`` stands in front of the command."""
        self.home.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"HOME": str(self.home)} | (env or {})
        environment.pop("PYTHONUNBUFFERED", None)  # click tries streams with writes of nothing then: libfiu divides by that
        return Running([*before, *(command or self.command(*more))], environment)

    def run(self, *more: object, before: Sequence[str] = (), env: dict[str, str] | None = None, timeout: float = 60) -> Said:
        """Run it to its end. ``env`` is added to the environment; HOME is the export's own."""
        with self.start(*more, before=before, env=env) as running:
            return running.wait(timeout)

    def sp404(self, *arguments: object, timeout: float = 60) -> Said:
        """Any other command of sp404, with the same home."""
        with self.start(command=[sys.executable, "-m", "flows.cli", *map(str, arguments)]) as running:
            return running.wait(timeout)


class Running:
    """A run that goes on. At the end of its ``with`` nothing of it is left, workers included."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._out, self._err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._out.close()
        self._err.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, timeout: float = 60) -> Said:
        self.process.wait(timeout)
        return Said(self.process.returncode, *self.printed())

    def printed(self) -> tuple[str, str]:
        """Return what it has printed so far, on standard output and on standard error."""
        out, err = (os.pread(file.fileno(), 1 << 24, 0).decode() for file in (self._out, self._err))
        return out, err

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started, and to no other."""
        self.process.send_signal(number)

    def kill(self, workers_too: bool = True) -> Said:
        """SIGKILL; ``workers_too``: to all that it started, as when the power goes."""
        with suppress(ProcessLookupError):
            if workers_too:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        return self.wait()

    def until(self, true: Callable[[], object], timeout: float = 30) -> bool:
        """Wait for something; False if the run ended before."""
        return bool(until(true, timeout, every=0.0005, unless=lambda: self.process.poll() is not None))

    def until_files(self, out: Path, count: int, timeout: float = 30) -> None:
        """Wait until ``count`` samples stand in ``out`` under their final names; the run must still go on then."""
        assert self.until(lambda: len(final_sounds(out)) >= count, timeout), self.wait()
        assert self.process.poll() is None, f"it ended before anything could be done: {self.wait()}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the run's process for the block, so that it cannot end before the fault is there."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def until_anything(self, out: Path, timeout: float = 30) -> None:
        """Wait until the first sound is there or in the making; before that the folder gets its mark."""
        assert self.until(lambda: any(not path.endswith(("mark.part", "try.part")) for path in files(out)), timeout), (
            self.wait()
        )
        assert self.process.poll() is None, f"it ended before anything could be done: {self.wait()}"


# ---- what is there ----


def files(folder: Path) -> Iterator[str]:
    """Paths of all files below but the mark of an output folder or card, also while they come and go."""
    for top, _, names in os.walk(folder):
        for name in names:
            if name != MARK_FILE:
                yield os.path.join(top, name)


def final_sounds(folder: Path) -> list[str]:
    return [path for path in files(folder) if path.endswith(SOUNDS)]


_EXPORT_LINE = re.compile(rb"Export id: [0-9]+\n\Z")


def tree(folder: Path, same_export: bool = False) -> Tree:
    """Every file below with its bytes; metadata without the number of the export, unless ``same_export``."""
    found = {}
    for path in files(folder):
        content = Path(path).read_bytes()
        if path.endswith("_metadata.txt") and not same_export:
            content = _EXPORT_LINE.sub(b"", content)
        found[os.path.relpath(path, folder)] = content
    return found


def assert_same(found: Tree, wanted: Tree) -> None:
    """Byte for byte, file by file."""
    lacking, stray = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = sorted(name for name in found.keys() & wanted.keys() if found[name] != wanted[name])
    assert lacking == stray == other == [], f"lacking {lacking[:5]}, stray {stray[:5]}, other content {other[:5]}"


def assert_unharmed(found: Tree, wanted: Tree) -> None:
    """Assert that nothing is there that should not be; something may be missing."""
    assert_same(found, {name: content for name, content in wanted.items() if name in found})


class Undisturbed:
    """The files that the export of a library writes in good surroundings."""

    def __init__(self, library: Library, folder: Path) -> None:
        self._library = library
        self._folder = folder
        self._known: dict[tuple[str, ...], tuple[Tree, Tree]] = {}

    def tree(self, *options: str, same_export: bool = False) -> Tree:
        """``same_export``: with the number of the export, which was 1."""
        if options not in self._known:
            here = self._folder / str(len(self._known))
            export = Export(self._library.manifest, here / "out", here / "r.duckdb", here / "home")
            said = export.run(*options).ended(0)
            row_equation(said, export.db)
            assert_whole(here / "out", here)
            self._known[options] = tree(here / "out"), tree(here / "out", same_export=True)
        return self._known[options][same_export]


# ---- what must be true ----


def broken_file(path: str) -> str:
    """Why a file under a final name is not whole at this moment; empty if it is, or is gone again.

    By its own header: the size in RIFF or FORM and in the chunk of samples, against the size of the very file that
    was opened. A metadata file ends with the end of a line.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        size = os.fstat(fd).st_size
        if not path.endswith(SOUNDS):
            return "" if size and os.pread(fd, 1, size - 1) == b"\n" else f"{path}: {size} bytes without an end"
        head = os.pread(fd, 54, 0)
    finally:
        os.close(fd)
    if head[:4] == b"RIFF" and len(head) >= 44:
        form, sound = struct.unpack_from("<I", head, 4)[0] + 8, struct.unpack_from("<I", head, 40)[0] + 44
    elif head[:4] == b"FORM" and len(head) == 54:
        form, sound = struct.unpack_from(">I", head, 4)[0] + 8, struct.unpack_from(">I", head, 42)[0] + 46
    else:
        return f"{path}: no header in {size} bytes"
    if form != size or not 54 < sound <= size:
        return f"{path}: {size} bytes, while its header says {form}, and {sound} with the samples"
    return ""


def assert_whole(out: Path, *also: Path) -> None:
    """Every final file is whole, by its header and by libsndfile; nothing in the making is left, there and in ``also``."""
    for path in files(out):
        assert not path.endswith(".part"), path
        assert not (fault := broken_file(path)), fault
        if path.endswith(SOUNDS):
            with open(path, "rb") as content, soundfile.SoundFile(content) as file:
                assert len(file.read()) == file.frames > 0, path
                assert (file.samplerate, file.subtype) == (48_000, "PCM_16"), path
    left = [path for folder in also for path in files(folder) if path.endswith(".part")]
    assert not left, left


def sound16(path: str | Path) -> npt.NDArray[np.int16]:
    """Return the samples of a file, by libsndfile, which itself takes no path of more than 1,023 bytes."""
    with open(path, "rb") as content:
        return soundfile.read(content, dtype="int16")[0]


def row_equation(said: Said, db: Path) -> dict[str, int]:
    """Rows in = exported + unchanged + rejected + failed: by the result, and by the table itself. The counts."""
    result = said.result
    counts = Counter(row["status"] for row in result["results"])
    assert result["total_requested"] == len(result["results"]) == counts.total()
    counted = (result["successful"], result["unchanged"], result["rejected"], result["failed"])
    exported, unchanged = counts["exported"], counts["unchanged"]
    assert counted == (exported + unchanged, unchanged, counts["rejected"], counts["failed"])
    assert set(counts) <= {"exported", "unchanged", "rejected", "failed"}
    with duckdb.connect(str(db), read_only=True) as connection:
        sql = "SELECT status, count(*), count(DISTINCT manifest_line) FROM sp404_export_samples WHERE export_id = ? GROUP BY 1"
        rows = connection.execute(sql, [result["export_id"]]).fetchall()
        exports = connection.execute("SELECT sample_count FROM sp404_exports WHERE id = ?", [result["export_id"]]).fetchall()
    assert {status: count for status, count, _ in rows} == dict(counts), (rows, counts)
    assert all(count == lines for _, count, lines in rows), f"a row is there twice: {rows}"
    assert exports == [(result["total_requested"],)]
    return dict(counts)


def completes(export: Export, wanted: Tree, *more: object, **how: Any) -> Said:
    """Run the command again, in good surroundings, and assert that it completes the work."""
    said = export.run(*more, **how).ended(0)
    counts = row_equation(said, export.db)
    assert not counts.keys() - {"exported", "unchanged"}
    assert_same(tree(export.out), wanted)
    assert_whole(export.out, export.db.parent)
    return said


@dataclass
class Watch:
    """A reader of the output folder who never sleeps: every file under a final name must be whole whenever he looks."""

    out: Path
    looks: int = 0
    seen: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def look(self) -> None:
        for path in files(self.out):
            if not path.endswith(".part"):
                self.looks += 1
                self.seen.add(path)
                if fault := broken_file(path):
                    self.broken.append(fault)


@contextmanager
def watched(out: Path, rest: float = 0.0) -> Iterator[Watch]:
    """Watch ``out`` all the time, in a thread, and assert afterwards that no file was ever broken.

    ``rest``: how long it waits between looks, in times of a look: two cores need to get on.
    """
    watch, ended = Watch(out), threading.Event()

    def read() -> None:
        while not ended.is_set():
            began = time.monotonic()
            watch.look()
            ended.wait(rest * (time.monotonic() - began) + 0.0002)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join(10)
    watch.look()
    assert not watch.broken, watch.broken[:5]


# ---- cards and disks that other things happen to ----


@dataclass(frozen=True)
class Card:
    """A mounted folder, which can be pulled, put back, filled and locked while a run goes on."""

    path: Path

    def pull(self) -> None:
        """Pull the card: the mount point is an empty folder of the disk below from now on."""
        root("umount", "-l", self.path)

    def put_back(self, kept: Path) -> None:
        root("mount", "--bind", kept, self.path)

    def keep(self, at: Path) -> Path:
        """Keep what is on it, so that it can be put back."""
        at.mkdir(parents=True, exist_ok=True)
        root("mount", "--bind", self.path, at)
        return at

    def remount(self, options: str) -> None:
        root("mount", "-o", f"remount,{options}", self.path)

    def mount_again(self) -> None:
        """Out of the reader and in again, with all that was written in between lost or kept."""
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        device = next(device for device, point, *_ in reversed(mounts) if point == str(self.path))
        means.unmount(self.path)
        root("mount", device, self.path)

    def fill(self, leave_bytes: int = 0) -> Path:
        """Somebody else's file, beside the output folder, takes all the room."""
        filler = self.path / "filler"
        free = os.statvfs(self.path)
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            left = free.f_bavail * free.f_frsize - leave_bytes
            while left > 0:
                left -= file.write(b"\0" * min(left, 1 << 20))
        return filler

    def fill_inodes(self) -> Path:
        """Somebody else's empty files take every place in the table of files; the folder that they are in."""
        filler = self.path / "fillers"
        filler.mkdir()
        with suppress(OSError):
            for n in range(1_000_000):
                (filler / str(n)).touch()
        return filler

    @staticmethod
    def clear(filler: Path) -> None:
        if filler.is_dir():
            shutil.rmtree(filler)
        else:
            filler.unlink()
