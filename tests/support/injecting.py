"""Let one call after the other fail in a first and in a second night, and compare what one more run makes with an unbroken one.

``python -m tests.support.injecting --trials 300 --seed 1``. The calls are counted in an unbroken night: each open, write,
fsync, rename, link, unlink and mkdir of the run or of a worker that touches the table, the sounds, the output folder, the
records or the card; those of Python by a wrapper in each process, those of DuckDB by strace. One of them at a time fails.
"""

import argparse
import ast
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.support import faults, means
from tests.support.faults import Export, Said, Tree, assert_same, assert_whole, row_equation, tree

# Of these only DuckDB makes many, and a thread of another library that fails is no matter.
BY_DUCKDB = ("pwrite64", "fdatasync", "ftruncate")
ERRORS = ("EIO", "ENOSPC")
SAMPLES = 9
OPTIONS = ("--organize-by", "genre", "--workers", "1", "--prune", "--yes")
# Stands in every process that the run starts, before its first module is imported.
WRAPPER = """
import builtins, errno, fcntl, io, os

_below, _log, _at = os.environ["FAIL_BELOW"], os.environ["FAIL_LOG"], int(os.environ["FAIL_AT"])
_error = getattr(errno, os.environ["FAIL_WITH"])
_real = {name: getattr(os, name) for name in ("open", "write", "close", "readlink", "lseek", "pread")}
_counter = _real["open"](_log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)


def _path(what):
    try:
        found = _real["readlink"](f"/proc/self/fd/{what}") if isinstance(what, int) else os.fsdecode(what)
    except (OSError, TypeError):
        return ""
    return os.path.abspath(found)


def _fails(name, path):
    fcntl.flock(_counter, fcntl.LOCK_EX)
    try:
        line = f"{name} {path[len(_below) + 1:]}"
        _real["write"](_counter, ascii(line).encode() + b"\\n")
        lines = _real["pread"](_counter, 1 << 24, 0).count(b"\\n")
    finally:
        fcntl.flock(_counter, fcntl.LOCK_UN)
    return lines == _at


def _wrap(module, name, label):
    call = getattr(module, name)

    def wrapper(*arguments, **options):
        for what in arguments[:2] if label in ("rename", "link") else arguments[:1]:
            path = _path(what)
            if path.startswith(_below + "/"):
                if _fails(label, path):
                    raise OSError(_error, os.strerror(_error), path)
                break
        return call(*arguments, **options)

    setattr(module, name, wrapper)


for _name, _label in (("open", "open"), ("write", "write"), ("pwrite", "write"), ("fsync", "fsync"), ("replace", "rename"),
                      ("rename", "rename"), ("link", "link"), ("unlink", "unlink"), ("remove", "unlink"), ("mkdir", "mkdir"),
                      ("rmdir", "unlink"), ("ftruncate", "truncate"), ("truncate", "truncate"), ("scandir", "open")):
    _wrap(os, _name, _label)
_wrap(builtins, "open", "open")
io.open = builtins.open
"""
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True, order=True)
class Place:
    """A call that fails: the ``number``-th of its name in a thread, and what it was about in the unbroken run."""

    night: int
    call: str
    number: int
    about: str

    def __str__(self) -> str:
        return f"night {self.night}: {self.call} {self.number} ({self.about})"


class Nights:
    """A library whose first night, and whose second after changes, are known from unbroken runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = {1: folder / "before-1", 2: folder / "before-2"}
        self.wanted: dict[int, Tree] = {}
        self.cards: dict[int, Tree] = {}
        faults.make_library(self.before[1] / "library", SAMPLES)
        self._add_card(self.before[1])
        first = self._copy(1, folder / "first")
        said = export_in(first).run("--card", first / "card")
        self._note(1, first, said)
        shutil.copytree(first, self.before[2], symlinks=True)
        self._change(self.before[2] / "library")
        second = self._copy(2, folder / "second")
        self._note(2, second, export_in(second).run("--card", second / "card"))

    @cached_property
    def places(self) -> list[Place]:
        """Every call that can fail, by tracing both nights."""
        found = set()
        for night in (1, 2):
            here = self._copy(night, self.folder / f"traced-{night}")
            log = self.folder / f"trace-{night}.txt"
            prefix = means.strace(f"{','.join(BY_DUCKDB)}:delay_exit=0", log=log)
            export_in(here).run("--card", here / "card", before=prefix).ended(0)
            found |= {Place(night, *place) for place in calls_below(here, log)}
            again = self._copy(night, self.folder / f"counted-{night}")
            counted = self.folder / f"counted-{night}.txt"
            export_in(again).run("--card", again / "card", env=self.wrapper(again, counted, 0, "EIO")).ended(0)
            for number, line in enumerate(counted.read_text().splitlines(), 1):
                call, _, path = ast.literal_eval(line).partition(" ")
                found.add(Place(night, call, number, _nameless(path)))
        return sorted(found)

    def wrapper(self, below: Path, log: Path, at: int, error: str) -> dict[str, str]:
        """Return variables under which the ``at``-th call on a file below a folder fails, of all that Python makes."""
        folder = self.folder / "wrapper"
        folder.mkdir(exist_ok=True)
        if not (folder / "sitecustomize.py").exists():
            (folder / "sitecustomize.py").write_text(WRAPPER)
        facts = {"FAIL_BELOW": str(below), "FAIL_LOG": str(log), "FAIL_AT": str(at), "FAIL_WITH": error}
        return facts | {"PYTHONPATH": str(folder)}

    def _copy(self, night: int, folder: Path) -> Path:
        # The records name the places of things: each trial stands where the unbroken run stood, in a name space of its own.
        shutil.copytree(self.before[night], folder, symlinks=True)
        return folder

    def _note(self, night: int, here: Path, said: Said) -> None:
        said.ended(0)
        row_equation(said, here / "r.duckdb")
        assert_whole(here / "out", here)
        self.wanted[night], self.cards[night] = tree(here / "out"), tree(here / "card")

    @staticmethod
    def _add_card(folder: Path) -> None:
        (folder / "card/IMPORT").mkdir(parents=True)

    @staticmethod
    def _change(library: Path) -> None:
        """Change a sound, a title, a genre; one row goes, and a new one comes."""
        lines = (library / "m.csv").read_text().splitlines()
        shutil.copyfile(library / "006.wav", library / "000.wav")
        shutil.copyfile(library / "003.wav", library / "new.wav")
        lines[2] = lines[2].replace("Tone", "Other tone")
        lines[4] = f"{lines[4].rpartition(',')[0]},moved"
        del lines[6]
        (library / "m.csv").write_text("\n".join([*lines, "new.wav,New,house"]) + "\n")


def export_in(folder: Path) -> Export:
    return Export(folder / "library/m.csv", folder / "out", folder / "r.duckdb", folder / "home", OPTIONS)


def calls_below(folder: Path, log: Path) -> Iterator[tuple[str, int, str]]:
    """Yield the calls in a log of strace that touch something below ``folder``: name, number in its thread, file."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for line in log.read_text(errors="replace").splitlines():
        if not (match := _LINE.match(line)) or "resumed>" in line:
            continue
        thread, call, rest = match.groups()
        counts[thread, call] += 1
        if found := re.search(re.escape(str(folder)) + r"/?([^\"<>]*)", rest):
            yield call, counts[thread, call], _nameless(found[1])


def _nameless(path: str) -> str:
    """Return a path without what differs from file to file, to tell kinds of files."""
    return re.sub(r"[0-9a-f]{8,}|\d+", "N", path)


@dataclass
class Trial:
    """One night in which one call fails, and the nights after it."""

    nights: Nights
    place: Place
    error: str
    found: list[str] = field(default_factory=list)
    failed: bool = False

    def run(self, folder: Path) -> "Trial":
        here = self.nights._copy(self.place.night, folder)
        try:
            self._judge(here)
        except AssertionError as error:
            self.found.append(f"{self.place}, {self.error}: {' '.join(str(error).split())[:600]}")
        finally:
            if not self.found:
                shutil.rmtree(folder, ignore_errors=True)
        return self

    def _judge(self, here: Path) -> None:
        export, card = export_in(here), here / "card"
        originals = tree(here / "library")
        call, number = self.place.call, self.place.number
        if call in BY_DUCKDB:
            said = export.run("--card", card, before=means.strace(f"{call}:error={self.error}:when={number}"), timeout=120)
        else:
            log = here.with_name(f"{here.name}.calls")
            said = export.run("--card", card, env=self.nights.wrapper(here, log, number, self.error), timeout=120)
        assert "Traceback" not in said.out + said.err, said
        assert said.status in (0, 1, 3), said
        self.failed = said.status != 0
        assert tree(here / "library") == originals, "an original was changed"
        assert not [path for path in faults.files(export.out) if not path.endswith(".part") and faults.broken_file(path)]
        for name in ("the next run", "the run after it"):
            again = export.run("--card", card, timeout=120)
            assert again.status == 0, (name, again)
            row_equation(again, export.db)
            assert_same(tree(export.out), self.nights.wanted[self.place.night])
            assert_same(tree(card), self.nights.cards[self.place.night])
            assert_whole(export.out, here)
        assert again.result["unchanged"] == again.result["total_requested"], "the run after it converted something"


def pick(places: Sequence[Place], count: int, seed: int) -> list[tuple[Place, str]]:
    """Choose places so that each kind of call on each kind of file is there before one comes twice."""
    rng = random.Random(seed)
    kinds: dict[tuple[int, str, str], list[Place]] = defaultdict(list)
    for place in places:
        kinds[place.night, place.call, place.about].append(place)
    queues = [rng.sample(found, len(found)) for found in kinds.values()]
    rng.shuffle(queues)
    chosen: list[tuple[Place, str]] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append((queue.pop(), rng.choice(ERRORS)))
    return chosen


def search(nights: Nights, count: int, seed: int, abreast: int, note: Callable[[Trial], None] = lambda _: None) -> list[Trial]:
    """Run so many trials, and return them. ``note`` takes each as soon as it has ended."""
    trials = [Trial(nights, place, error) for place, error in pick(nights.places, count, seed)]
    with ThreadPoolExecutor(abreast) as pool:
        for trial in pool.map(lambda at: trials[at].run(nights.folder / f"trial-{at}"), range(len(trials))):
            note(trial)
    return trials


def _print_found(trial: Trial) -> None:
    for line in trial.found:
        print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work here, and leave what is found")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sp404-injected-") as scratch:
        folder = options.keep or Path(scratch)
        nights = Nights(folder)
        trials = search(nights, options.trials, options.seed, 2, _print_found)
    by_call = Counter(trial.place.call for trial in trials)
    seconds = time.monotonic() - began
    print(f"{len(trials)} trials of {len(nights.places)} calls, {seconds:.0f} s; the run ended early or in part in")
    print(f"{sum(trial.failed for trial in trials)}; {', '.join(f'{call} {count}' for call, count in by_call.most_common())}")
    print(f"lost or different after one more run: {sum(bool(trial.found) for trial in trials)}")
    return int(any(trial.found for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
