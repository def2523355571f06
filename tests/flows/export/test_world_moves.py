"""A library, its table, an output folder and cards, while a person moves, renames, copies, restores, edits and unplugs them."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from schemas.report import BatchExportResult
from tasks.fs.place_mark import MARK_FILE
from tasks.store import renames
from tasks.store.database import Database
from tests.support import nightly
from tests.support.lanes import long_examples
from tests.support.nightly import Spy, sounds, states, statuses, tree

GENRES = ("house", "jazz", "dub")
TITLES = ("Kick", "Snare", "kick", "Hat 1")
PITCHES = tuple(range(200, 1_000, 100))
AT = st.integers(0, 99)


class MovingWorld(RuleBasedStateMachine):
    """What a person does, and after every export: what a fresh export would have given, nothing of a person's lost."""

    spy: Spy
    template: Path
    fresh: dict[int, bytes]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="moving-"))
        self.night = nightly.new(self.folder, self.spy, self.template)
        self.night.columns = ("file_path", "title", "genre")
        self.names = itertools.count()
        self.lib, self.table = self.night.lib, "m.csv"
        self.out, self.card = self.night.out, self.folder / "card"
        (self.card / "IMPORT").mkdir(parents=True)
        self.pitch: dict[str, int] = {}  # of each row's file, by its path
        self.mine: dict[Path, bytes] = {}  # a person's own files among ours
        self.leftovers: dict[Path, set[str]] = {}  # of ours, in a folder that was copied or restored: no record names them
        self.backup: Path | None = None
        self.pending = ""

    def teardown(self) -> None:
        self.export(prune=True, with_card=True)
        shutil.rmtree(self.folder)

    # ---- what a person does ----

    @initialize()
    def begin(self) -> None:
        for at in range(3):
            self.add(at, at, at)

    def pend(self, what: str) -> None:
        """Export between edits and a rename of the table: both at once make another library of so few samples."""
        if self.pending not in ("", what):
            self.run(prune=False, with_card=False)
        self.pending = what

    def new_name(self, ending: str = "") -> str:
        return f"n{next(self.names)}{ending}"

    @rule(pitch=AT, title=AT, genre=AT)
    def add(self, pitch: int, title: int, genre: int) -> None:
        self.pend("edit")
        name = self.new_name(".wav")
        self.write(name, PITCHES[pitch % len(PITCHES)])
        self.night.rows.append(
            {"sample_id": None, "file_path": name, "title": TITLES[title % len(TITLES)], "genre": GENRES[genre % len(GENRES)]}
        )

    def write(self, name: str, pitch: int) -> None:
        path = self.lib / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOURCES[pitch])
        self.pitch[name] = pitch

    def pick(self, at: int) -> nightly.Row:
        return self.night.rows[at % len(self.night.rows)]

    @rule(at=AT, with_file=st.booleans())
    def drop(self, at: int, with_file: bool) -> None:
        if len(self.night.rows) > 1:
            self.pend("edit")
            row = self.night.rows.pop(at % len(self.night.rows))
            if with_file:
                (self.lib / row["file_path"]).unlink()

    @rule(at=AT, title=AT, genre=AT)
    def edit_row(self, at: int, title: int, genre: int) -> None:
        self.pick(at).update(title=TITLES[title % len(TITLES)], genre=GENRES[genre % len(GENRES)])

    @rule(at=AT, pitch=AT)
    def edit_sound(self, at: int, pitch: int) -> None:
        self.pend("edit")
        self.write(self.pick(at)["file_path"], PITCHES[pitch % len(PITCHES)])

    @rule(at=AT)
    def move_file(self, at: int) -> None:
        row = self.pick(at)
        name = f"{self.new_name()}/{Path(row['file_path']).name}"
        (self.lib / name).parent.mkdir()
        (self.lib / row["file_path"]).rename(self.lib / name)
        self.pitch[name] = self.pitch.pop(row["file_path"])
        row["file_path"] = name

    @rule(one=AT, other=AT)
    def swap_files(self, one: int, other: int) -> None:
        self.pend("edit")
        first, second = self.pick(one)["file_path"], self.pick(other)["file_path"]
        if first != second:
            aside = self.lib / "aside"
            (self.lib / first).rename(aside)
            (self.lib / second).rename(self.lib / first)
            aside.rename(self.lib / second)
            self.pitch[first], self.pitch[second] = self.pitch[second], self.pitch[first]

    @rule()
    def rename_library(self) -> None:
        self.pend("rename")
        self.lib = self.lib.rename(self.folder / self.new_name())

    @rule()
    def rename_table(self) -> None:
        self.pend("rename")
        (self.lib / self.table).unlink(missing_ok=True)
        self.table = self.new_name(".csv")

    @rule()
    def rename_output(self) -> None:
        """Without its mark nobody knows the folder again: so ``sp404 verify`` advises ``sp404 relocate``."""
        if self.out.is_dir():
            old = str(self.out)
            self.go_to(self.out.rename(self.folder / self.new_name()))
            if not (self.out / MARK_FILE).exists():
                renames.relocate(Database(str(self.night.db), 5), old, str(self.out))

    @rule()
    def copy_output(self) -> None:
        if self.out.is_dir():
            self.go_to(shutil.copytree(self.out, self.folder / self.new_name(), symlinks=True), is_move=False)

    @rule()
    def remove_mark(self) -> None:
        """Not of a folder that was renamed since the last export: nothing would say what it is."""
        self.run(prune=False, with_card=False)
        (self.out / MARK_FILE).unlink(missing_ok=True)

    def go_to(self, new: Path, is_move: bool = True) -> None:
        old, self.out = self.out, new
        self.leftovers[new] = self.leftovers.get(old, set()) | (set() if is_move else self.ours(new))
        if not is_move:  # what the old folder still has stays on the card, too
            self.leftovers.setdefault(self.card, set()).update(sounds(tree(self.card / "IMPORT")))
        found = {new / path.relative_to(old): content for path, content in self.mine.items() if path.is_relative_to(old)}
        if is_move:
            self.mine = {path: content for path, content in self.mine.items() if not path.is_relative_to(old)}
        self.mine |= found

    @rule()
    def back_up_output(self) -> None:
        if self.out.is_dir():
            if self.backup:
                shutil.rmtree(self.backup)
            self.backup = shutil.copytree(self.out, self.folder / self.new_name())

    @precondition(lambda self: self.backup)
    @rule()
    def restore_output(self) -> None:
        assert self.backup
        if self.out.is_dir():
            shutil.rmtree(self.out)
        self.mine = {path: content for path, content in self.mine.items() if not path.is_relative_to(self.out)}
        self.backup.rename(self.out)
        self.backup = None
        self.leftovers.setdefault(self.out, set()).update(sounds(tree(self.out)))

    @rule()
    def clone_card(self) -> None:
        new = Path(shutil.copytree(self.card, self.folder / self.new_name()))
        found = {new / path.relative_to(self.card): mine for path, mine in self.mine.items() if path.is_relative_to(self.card)}
        self.leftovers[new] = self.leftovers.get(self.card, set()) | set(sounds(tree(new / "IMPORT")))
        self.mine |= found
        self.card = new

    @rule(on_card=st.booleans())
    def add_own_file(self, on_card: bool) -> None:
        folder = self.card / "IMPORT" if on_card else self.out
        if folder.is_dir():
            path = folder / self.new_name(" mine.wav")
            path.write_bytes(b"mine")
            self.mine[path] = b"mine"

    # ---- exports ----

    @rule(named=st.integers(0, 3), prune=st.booleans())
    def export_that_is_killed(self, named: int, prune: bool) -> None:
        self.night.write(self.lib / self.table)
        nightly.killed_while_naming(self.night, named, **self.options(prune, with_card=False))

    def options(self, prune: bool, with_card: bool) -> dict[str, Any]:
        card = str(self.card) if with_card else None
        how = {"prune": prune, "yes": prune, "card": card, "organize_by": "genre", "include_metadata": False}
        return how | {"manifest": self.lib / self.table, "out": self.out}

    def everything(self) -> dict[str, int]:
        """Return all sounds of the output folder and the card, by their paths; of each a number that is its content."""
        numbers = {content: pitch for pitch, content in self.fresh.items()}
        found = {f"out/{path}": content for path, content in sounds(tree(self.out)).items()}
        found |= {f"card/{path}": content for path, content in sounds(tree(self.card)).items()}
        return {path: numbers.get(content, 0) for path, content in found.items()}

    def ours(self, folder: Path) -> set[str]:
        mine = {str(path.relative_to(folder)) for path in self.mine if path.is_relative_to(folder)}
        return set(sounds(tree(folder))) - mine

    def run(self, prune: bool, with_card: bool, whole: bool = True) -> BatchExportResult:
        self.night.write(self.lib / self.table)
        self.pending = ""
        batch = self.night.export(whole=False, write=False, **self.options(prune, with_card))
        assert not whole or batch.complete, (batch.errors, batch.no_card, batch.card)
        return batch

    @rule(prune=st.booleans(), with_card=st.booleans())
    def export(self, prune: bool, with_card: bool) -> None:
        originals = {path: path.read_bytes() for path in self.lib.rglob("*.wav")}
        batch = self.run(prune, with_card)
        paths = {}
        for row, result in zip(self.night.rows, batch.results, strict=True):
            path = Path(str(result.output_path)).relative_to(self.out)
            assert (self.out / path).read_bytes() == self.fresh[self.pitch[row["file_path"]]], (row, path)
            paths[str(path)] = (self.out / path).read_bytes()
        if prune:
            assert self.ours(self.out) - paths.keys() <= self.leftovers.get(self.out, set())
        if with_card:
            on_card = sounds(tree(self.card / "IMPORT"))
            assert paths.items() <= on_card.items()
            if prune:
                kept = self.ours(self.out) | self.leftovers.get(self.card, set())  # what the folder keeps, the card keeps
                assert self.ours(self.card / "IMPORT") - paths.keys() <= kept
        self.check_nothing_lost(originals)
        before = states(self.out), states(self.card)
        again = self.run(prune, with_card)
        assert set(statuses(again)) == {"unchanged"}, statuses(again)
        assert (states(self.out), states(self.card)) == before
        self.verify()

    def verify(self) -> None:
        """What ``sp404 verify`` finds wrong here are files of a restored state that are no longer in the manifest."""
        wrong = {Path(one.path) for one in self.night.verified().findings if one.damage in ("missing", "changed")}
        here = {str(path.relative_to(self.out)) for path in wrong if self.out in path.parents}
        assert here <= self.leftovers.get(self.out, set())

    def check_nothing_lost(self, originals: dict[Path, bytes]) -> None:
        assert {path: path.read_bytes() for path in self.lib.rglob("*.wav")} == originals
        assert {path: path.read_bytes() for path in self.mine} == self.mine

    @rule(prune=st.booleans(), with_card=st.booleans())
    def export_while_the_drive_is_away(self, prune: bool, with_card: bool) -> None:
        """The table is elsewhere, so the rows stay; none of their files may go."""
        table = self.lib / self.table
        self.night.write(table)
        self.run(prune, with_card=False)
        before = self.everything()
        away = self.folder / "away"
        away.mkdir()
        for path in list(self.lib.iterdir()):
            if path != table:
                path.rename(away / path.name)
        batch = self.run(prune, with_card=False, whole=False)
        assert set(statuses(batch)) == {"failed"}
        assert self.everything() == before
        for path in list(away.iterdir()):
            path.rename(self.lib / path.name)
        away.rmdir()
        assert set(statuses(self.run(prune=False, with_card=False))) == {"unchanged"}
        assert not with_card or self.run(prune=False, with_card=True).complete


SOURCES: dict[int, bytes] = {}


@pytest.mark.slow
def test_whatever_is_moved_each_export_ends_as_a_fresh_one(tmp_path: Path, spy: Spy, template: Path) -> None:
    """2,000 steps, or 1,000 that are always the same: the other half reached 4 of 12,181 branches more."""
    night = nightly.new(tmp_path / "fresh", spy, template)
    for pitch in PITCHES:
        night.add(f"{pitch}.wav", pitch)
        SOURCES[pitch] = (night.lib / f"{pitch}.wav").read_bytes()
    batch = night.export()
    MovingWorld.spy, MovingWorld.template = spy, template
    MovingWorld.fresh = {
        pitch: Path(str(result.output_path)).read_bytes() for pitch, result in zip(PITCHES, batch.results, strict=True)
    }
    run_state_machine_as_test(
        MovingWorld,
        settings=settings(
            max_examples=long_examples(40),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
