"""Kill whole exports again and again, run them once more, and look whether anything is lost, doubled, or half there.

``python -m tests.support.killing --kills 300 --seed 1`` does that for as many kills as you like. A kill comes after a time, at
the sight of something in the folders, or as the run begins a certain change (``tests.support.doomed``); it takes all
processes, or the parent alone, whose workers must then vanish by themselves.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tasks.audio import synth
from tests.support.faults import Export, Running, Said, Tree, assert_same, assert_whole, files, row_equation, tree, watched
from tests.support.waiting import comes_true

FORMATS = (".wav", ".aiff", ".flac", ".mp3", ".m4a", ".wav", ".ogg", ".opus")
COLUMNS = ("file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad")
SAMPLES = 160
Row = dict[str, str]
Rows = list[tuple[Any, ...]]

# What must be equal, but for numbers and times that are a run's own.
_OWN = "created_at, finished_at, updated_at, conversion_seconds, export_duration_seconds"
_TABLES = {
    "sp404_export_samples": "WHERE export_id = $export",
    "export_rejects": "WHERE export_id = $export",
    "sp404_exports": "WHERE id = $export",
    "samples": "",
    "given_ids": "",
    "kits": "",
    "kit_samples": "",
    "outputs": "",
}
OF_THE_EXPORT = ("sp404_export_samples", "export_rejects")


# ---- a library, and what happens to it between two nights ----


def make_library(folder: Path) -> list[Row]:
    """Short sounds in several formats, some of them bad; each kit has sixteen."""
    rows = []
    for n in range(SAMPLES):
        name = f"{n:03}{FORMATS[n % len(FORMATS)]}"
        rate = 48_000 if name.endswith(".opus") else (44_100, 48_000, 22_050)[n % 3]
        seconds = 0.04 if n % 40 == 7 else 0.11 + n / 4_000
        synth.write(folder / name, synth.hat(rate, seconds) if n % 2 else synth.bass(rate, 33 + n % 50, seconds), rate)
        kit, place = divmod(n, 16)
        genre = ("house", "jazz", "dub", "")[n % 4]
        cells = (name, f"Tone {n}", genre, str(60 + n) if n % 5 else "", "Am", "a|b", f"kit {kit}", "A", str(place + 1))
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    (folder / rows[11]["file_path"]).write_bytes(b"RIFF\0\0\1\0WAVEfmt " + bytes(300))
    (folder / rows[13]["file_path"]).unlink()
    rows[3]["bpm"] = rows[53]["bpm"] = "fast"
    for n in (40, 48, 60):
        shutil.copyfile(folder / rows[16]["file_path"], folder / rows[n]["file_path"])
    rows.append(rows[20] | {"title": "The same again", "kit": "kit 10", "pad": "1"})
    return rows


def change_library(folder: Path, rows: list[Row]) -> list[Row]:
    """Change the library as in a night: other content, names, places and words, rows gone and new ones."""
    changed = []
    for n, old in enumerate(rows[:SAMPLES]):
        row, path = dict(old), folder / old["file_path"]
        match n % 8:
            case 0 if n % 16:
                synth.write(path, synth.snare(44_100, 0.12 + n / 4_000), 44_100)
            case 1:
                row["genre"] = "moved"
            case 2:
                row["file_path"] = f"renamed {n}{path.suffix}"
                path.rename(folder / row["file_path"])
                row["title"] = old["title"] if n % 16 == 2 else f"Renamed {n}"
            case 3:
                row["musical_key"] = "C"
            case 4 if n % 16 == 4:
                continue
        changed.append(row)
    for n in range(12):
        row = dict(rows[0]) | {"file_path": f"new {n}.wav", "title": f"New {n}", "kit": "kit 11", "pad": str(n + 1)}
        if n % 3:
            synth.write(folder / row["file_path"], synth.kick(44_100, 0.2 + n / 100), 44_100)
        else:
            shutil.copyfile(folder / rows[n + 6]["file_path"], folder / row["file_path"])
        changed.append(row)
    synth.write(folder / changed[7]["file_path"], synth.clap(44_100, 0.2), 44_100)  # was too short
    return changed


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class Scene:
    """The setting of a killed run. ``before``: the options of an export that was done earlier, if there was one."""

    name: str
    options: tuple[str, ...]
    before: tuple[str, ...] | None = None
    changes: bool = False


BY_GENRE = ("--organize-by", "genre", "--workers", "2")
BY_KIT = ("--organize-by", "kit", "--format", "aiff", "--sound", "guard=folder", "--workers", "2")
SCENES = (
    Scene("a first export", BY_GENRE),
    Scene("the night after", (*BY_GENRE, "--prune"), BY_GENRE, changes=True),
    Scene("all of it again", (*BY_KIT, "--full"), BY_KIT),
)


# ---- when and how a run is killed ----


@dataclass(frozen=True)
class Moment:
    """``how``: "time", "sight" or "change"; ``at``: seconds, of the sight's or of the run's beginning, or a number."""

    how: str
    what: str
    at: float
    parent_only: bool

    def __str__(self) -> str:
        number = f"{self.at:.3f} s" if self.how != "change" else f"no. {self.at:.0f}"
        return f"{self.how} {self.what} {number}{', the parent alone' if self.parent_only else ''}"


def session(leader: int) -> list[int]:
    """Return the processes of a session: its leader, and all that the leader started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == leader and state != "Z":
                found.append(int(folder.name))
    return found


def kill_all(running: Running) -> None:
    """Kill all at once, as when the power goes; the workers have groups of their own."""
    while left := session(running.pid):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


def vanished(leader: int, seconds: float = 15) -> bool:
    """Return whether all of a session ends within so many seconds."""
    return comes_true(lambda: not session(leader), seconds, every=0.01)


# ---- the stage ----


@dataclass(frozen=True)
class Ended:
    """The files, records and answer of an unbroken run."""

    status: int
    result: dict[str, Any]
    seconds: float
    files: Tree
    files_with_id: Tree
    folders: set[str]
    rows: dict[str, Rows]
    changes: Counter[str]

    @property
    def export_id(self) -> int:
        return int(self.result["export_id"])


class Stage:
    """A scene's folders, which are put back as they were before each trial, so that all paths are the same."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder.resolve()
        library, here = self.folder / "library", self.folder / "now"
        library.mkdir(parents=True)
        rows = make_library(library)
        write_rows(library / "m.csv", rows)
        self.export = Export(library / "m.csv", here / "out", here / "records/r.duckdb", self.folder / "home", scene.options)
        here.mkdir()
        time.sleep(2.1)  # sources so young that their times say nothing are another matter
        if scene.before is not None:
            said = replace(self.export, options=scene.before).run().ended(1)
            assert said.result["successful"] > 100, said
            if scene.changes:
                write_rows(library / "m.csv", change_library(library, rows))
                time.sleep(2.1)
        shutil.copytree(here, self.folder / "before")
        self.before = tree(self.export.out)
        self.sources = tree(library)
        self.unbroken = self._unbroken()

    @property
    def here(self) -> Path:
        return self.export.out.parent

    def set_up(self) -> None:
        shutil.rmtree(self.here)
        shutil.copytree(self.folder / "before", self.here)

    def doomed(self, kind: str, at: float) -> list[str]:
        command = self.export.command()
        return [command[0], "-m", "tests.support.doomed", kind, str(round(at)), str(self.here), *command[3:]]

    def _unbroken(self) -> Ended:
        began = time.monotonic()
        with self.export.start(command=self.doomed("all", 0)) as running:
            said = running.wait().ended(1)
        seconds = time.monotonic() - began
        row_equation(said, self.export.db)
        assert_whole(self.export.out, self.here)
        changes = Counter(json.loads((self.here / "changes.json").read_text()))
        files = tree(self.export.out), tree(self.export.out, same_export=True)
        recorded = table_rows(self.export.db, said.result["export_id"])
        return Ended(said.status, said.result, seconds, *files, folders(self.export.out), recorded, changes)

    def moment(self, rng: random.Random) -> Moment:
        parent_only = rng.random() < 0.3
        match rng.choice(("time", "sight", "change", "change")):
            case "time":
                return Moment("time", "after", rng.uniform(0, self.unbroken.seconds), parent_only)
            case "sight":
                return Moment("sight", "of " + rng.choice((*SIGHTS,)), rng.choice((0, rng.uniform(0, 0.3))), parent_only)
            case _:
                kind = rng.choice(sorted(self.unbroken.changes))
                return Moment("change", kind, rng.randint(1, self.unbroken.changes[kind]), parent_only)

    def kill_at(self, moment: Moment) -> Said | None:
        """Start the command and kill it; if it ended before, return what it said."""
        command = self.doomed(moment.what, moment.at) if moment.how == "change" else ()
        with self.export.start(command=command) as running:
            if moment.how == "sight":
                seen = SIGHTS[moment.what.removeprefix("of ")](self)
                running.until(lambda: next(seen))
            try:
                said = running.wait(60 if moment.how == "change" else moment.at)
                if said.status != -9:
                    return said
            except subprocess.TimeoutExpired:
                running.kill(workers_too=False)
            if not moment.parent_only:
                kill_all(running)
            assert vanished(running.pid), f"orphans: they are still there 15 s after {moment}"
            return None


def _new(stage: Stage, folder: Path, ending: str) -> Iterator[bool]:
    """Yield whether a file whose name ends so has come to the folder."""
    known = {path for path in files(folder) if path.endswith(ending)}
    while True:
        yield any(path.endswith(ending) and path not in known for path in files(folder))


SIGHTS: dict[str, Callable[[Stage], Iterator[bool]]] = {
    "a file in the making": lambda stage: _new(stage, stage.export.out, ".part"),
    "a final file": lambda stage: _new(stage, stage.export.out, SOUND[stage.scene.options]),
    "a result part": lambda stage: _new(stage, stage.here / "records", ".parquet"),
    "a plan": lambda stage: _new(stage, stage.here / "records", ".arrow"),
    "the database's log": lambda stage: _new(stage, stage.here / "records", ".wal"),
}
SOUND = {scene.options: ".aiff" if "aiff" in scene.options else ".wav" for scene in SCENES}


# ---- what is there ----


def table_rows(db: Path, export_id: int) -> dict[str, Rows]:
    """Return what the records say of an export and of its surroundings, without what is the run's own."""
    found = {}
    with duckdb.connect(str(db), read_only=True) as connection:
        for table, where in _TABLES.items():
            own = ["id"] if table == "sp404_export_samples" else []
            columns = [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]
            own += [name for name in columns if name in _OWN.split(", ")]
            without = f"EXCLUDE ({', '.join(own)})" if own else ""
            parameters = {"export": export_id} if where else {}
            rows = connection.execute(f"SELECT * {without} FROM {table} {where}", parameters).fetchall()
            found[table] = sorted(rows, key=repr)
    return found


def begun_exports(db: Path) -> dict[int, bool]:
    """Return the exports in the records and whether each has ended: read from a copy, so that nothing is touched."""
    if not db.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for path in (db, db.with_name(db.name + ".wal")):
            with suppress(FileNotFoundError):
                shutil.copyfile(path, Path(folder, path.name))
        with duckdb.connect(str(Path(folder, db.name))) as connection:
            try:
                return dict(connection.execute("SELECT id, finished_at IS NOT NULL FROM sp404_exports").fetchall())
            except (duckdb.BinderException, duckdb.CatalogException):  # killed among the migrations
                return {}


def parts(db: Path, export_id: int) -> list[pl.DataFrame]:
    """Return the result parts of an export's shards."""
    return [pl.read_parquet(path) for path in sorted(Path(f"{db}.runs").glob(f"export-{export_id}/*/part-*.parquet"))]


def results(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "conversion_time_seconds"} for row in result["results"]]


def folders(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_dir()}


def states(out: Path, paths: set[str]) -> dict[str, tuple[int, int]]:
    """Which file stands there, and when it was written."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            status = os.stat(out / path)
            found[path] = status.st_ino, status.st_mtime_ns
    return found


# ---- trials ----


@dataclass
class Trial:
    """Some kills in a row and the same command to its end: ``faults`` are what was found, each with its kind in front."""

    stage: Stage
    moments: list[Moment]
    kills: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)
    ended_early: bool = False
    export_id: int | None = None
    standing: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        moments = "; ".join(map(str, self.moments))
        return f"{self.stage.scene.name}: killed at {moments}"

    def run(self) -> None:
        self.stage.set_up()
        export, unbroken = self.stage.export, self.stage.unbroken
        said = None
        try:
            with watched(export.out, rest=2.0):
                for moment in self.moments:
                    self.runs += 1
                    said = self.stage.kill_at(moment)
                    if said:
                        break
                    self.kills += 1
                    self._look_after_kill()
                    if self.ended_early:
                        break
                if not said:
                    self.runs += 1
                    said = export.run()
        except AssertionError as error:
            self.faults.append(f"half: {error}")
            return
        self._judge("status", lambda: said.ended(unbroken.status))
        self._judge("rows", lambda: row_equation(said, export.db))
        if self.faults:
            return
        if self.ended_early:
            self._judge_another(said.result)
        else:
            self._judge_resumed(said.result)
        self._expect("folders", unbroken.folders, folders(export.out))
        self._judge("half", lambda: assert_whole(export.out, self.stage.here))
        left = [path for path in files(self.stage.here) if path.endswith((".part", ".arrow"))]
        self._expect("left behind", [], [os.path.relpath(path, self.stage.here) for path in left])
        self._expect("sources", self.stage.sources, tree(export.manifest.parent))
        again = [path for path, state in states(export.out, {*self.standing}).items() if state != self.standing[path]]
        if not self.ended_early:
            self._expect("converted again", [], again)
            self._expect("lost", set(), self.standing.keys() - states(export.out, {*self.standing}).keys())

    def _look_after_kill(self) -> None:
        """Every final file is whole, the former one or the one that should be; and what is recorded stays from now on."""
        export, unbroken = self.stage.export, self.stage.unbroken
        for name, content in tree(export.out).items():
            if not name.endswith(".part") and content not in (self.stage.before.get(name), unbroken.files.get(name)):
                self.faults.append(f"half: {name} is neither what it was nor what it should be")
        for export_id, ended in begun_exports(export.db).items():
            if export_id < unbroken.export_id:
                continue
            if self.export_id not in (None, export_id):
                self.faults.append(f"id: the export was {self.export_id}, and is {export_id}")
            self.export_id, self.ended_early = export_id, ended
        if self.export_id is not None:
            written = {path for part in parts(export.db, self.export_id) for path in _exported(part)}
            self.standing = states(export.out, written) | self.standing

    def _judge_resumed(self, result: dict[str, Any]) -> None:
        export, unbroken = self.stage.export, self.stage.unbroken
        export_id = int(result["export_id"])
        if self.export_id is not None:
            self._expect("id", self.export_id, export_id)
        same = export_id == unbroken.export_id
        wanted = unbroken.files_with_id if same else unbroken.files
        self._judge("files", lambda: assert_same(tree(export.out, same_export=same), wanted))
        self._expect("result", results(unbroken.result), results(result))
        found = table_rows(export.db, export_id)
        for table, rows in unbroken.rows.items():
            if same or table in ("samples", "given_ids", "kits", "kit_samples"):
                self._expect(f"rows of {table}", rows, found[table])
            else:
                self._expect(f"rows of {table}", len(rows), len(found[table]))
        written = Counter(path for part in parts(export.db, export_id) for path in _exported(part))
        self._expect("doubled", {}, {path: count for path, count in written.items() if count > 1})

    def _judge_another(self, result: dict[str, Any]) -> None:
        """Check that the killed run, which had ended already, is recorded in full, and that this one was another."""
        export, unbroken = self.stage.export, self.stage.unbroken
        self._judge("files", lambda: assert_same(tree(export.out), unbroken.files))
        before = int(result["export_id"]) - 1
        if before == unbroken.export_id:
            found = table_rows(export.db, before)
            for table in OF_THE_EXPORT:
                self._expect(f"rows of {table}", unbroken.rows[table], found[table])
        if "--full" not in export.options:
            self._expect("converted again", unbroken.result["successful"], result["unchanged"])

    def _judge(self, kind: str, judge: Callable[[], object]) -> None:
        try:
            judge()
        except AssertionError as error:
            self.faults.append(f"{kind}: {str(error)[:1_500]}")

    def _expect(self, kind: str, wanted: Any, found: Any) -> None:
        if found != wanted:
            self.faults.append(f"{kind}: {difference(wanted, found)}")


def _exported(part: pl.DataFrame) -> list[str]:
    return part.filter(status="exported")["path"].to_list()


def difference(wanted: Any, found: Any) -> str:
    """Return the first few things in which two collections differ."""
    if isinstance(wanted, list):
        lacking = [one for one in wanted if one not in found]
        stray = [one for one in found if one not in wanted]
        for one, other in zip(lacking, stray, strict=False):
            if isinstance(one, tuple) and len(one) == len(other):
                pairs = [pair for pair in zip(one, other, strict=True) if len({*pair}) > 1]
                return f"lacking {len(lacking)}, stray {len(stray)}, as in {pairs}"
        return f"lacking {len(lacking)}: {str(lacking[:2])[:600]}, stray {len(stray)}: {str(stray[:2])[:600]}"
    if isinstance(wanted, set):
        return f"lacking {sorted(wanted - found)[:5]}, stray {sorted(found - wanted)[:5]}"
    return f"wanted {str(wanted)[:600]}, found {str(found)[:600]}"


def trials(stages: list[Stage], kills: int, seed: int) -> Iterator[Trial]:
    """Trials with one to five kills in a row, until there were as many kills as that."""
    rng = random.Random(seed)
    number = 0
    while kills > 0:
        stage = stages[number % len(stages)]
        trial = Trial(stage, [stage.moment(rng) for _ in range(min(rng.choice((1, 4, 4, 5)), kills))])
        trial.run()
        yield trial
        kills -= trial.kills
        number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", choices=[scene.name for scene in SCENES], help="only this one")
    options = parser.parse_args()
    began, kills, runs = time.monotonic(), Counter[str](), 0
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sp404-kills-") as folder:
        chosen = [scene for scene in SCENES if options.scene in (None, scene.name)]
        stages = [Stage(scene, Path(folder, str(n))) for n, scene in enumerate(chosen)]
        for stage in stages:
            print(f"{stage.scene.name}: {stage.unbroken.seconds:.1f} s, {dict(stage.unbroken.changes)}", flush=True)
        for trial in trials(stages, options.kills, options.seed):
            runs += trial.runs
            kills.update(f"{moment.how} {moment.what}" for moment in trial.moments[: trial.kills])
            if trial.faults:
                faults += trial.faults
                print(f"{trial}\n  " + "\n  ".join(trial.faults), flush=True)
    kinds = Counter(fault.partition(":")[0] for fault in faults)
    found = dict(kinds) or "nothing lost, doubled or half"
    print(f"{kills.total()} kills, {runs} runs, {time.monotonic() - began:.0f} s: {found}")
    for kind, count in sorted(kills.items()):
        print(f"  {count:4} at {kind}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
