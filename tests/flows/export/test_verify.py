"""``sp404 verify``: every damage is found, each alone among files that are whole; and nothing else is called damaged."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.errors import RequestError
from tasks.layout import sharding
from tasks.store import repair
from tasks.store.database import Database
from tests.support import nightly
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, statuses

DAMAGES = 200


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Nightly]:
    """Some forty files: by genre, and a kit in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        made = nightly.new(tmp_path_factory.mktemp("verify"), nightly.spied(patch), template)
        for n in range(12):
            slot = {"kit": "K", "bank": "AB"[n % 2], "pad": n + 1} if n % 2 else {}
            made.add(f"s{n}.wav", 300 + 20 * n, genre=("house", "jazz", "")[n % 3], **slot)
        made.export(organize_by="genre")
        made.export(kits=("K",), out=made.folder / "kits")
        yield made


@dataclass
class Planter:
    """Makes one damage after the other and undoes it. ``folders``: where things were written to."""

    night: Nightly
    rng: random.Random

    def __post_init__(self) -> None:
        self.folders = (self.night.out, self.night.folder / "kits")
        self.files = sorted(path for folder in self.folders for path in folder.rglob("[!.]*") if path.is_file())

    def file(self) -> Path:
        return self.rng.choice(self.files)

    def expect(self, plant: Callable[[], object], undo: Callable[[], object], *wanted: tuple[Path, str]) -> None:
        plant()
        try:
            found = self.night.findings()
        finally:
            undo()
        assert found == sorted((str(path.relative_to(self.night.folder)), damage) for path, damage in wanted)

    def flip(self) -> None:
        """A bit of any byte, the first (a header's) and the last among them."""
        path = self.file()
        good = path.read_bytes()
        at = self.rng.choice((0, 4, 22, len(good) - 1, self.rng.randrange(44), self.rng.randrange(len(good))))
        bad = bytearray(good)
        bad[at] ^= 1 << self.rng.randrange(8)
        self.expect(lambda: path.write_bytes(bad), lambda: path.write_bytes(good), (path, "changed"))

    def truncate(self) -> None:
        path = self.file()
        good = path.read_bytes()
        size = self.rng.choice((0, len(good) - 1, len(good) + 1, self.rng.randrange(len(good))))
        self.expect(lambda: os.truncate(path, size), lambda: path.write_bytes(good), (path, "changed"))

    def delete(self) -> None:
        path = self.file()
        good = path.read_bytes()
        self.expect(path.unlink, lambda: path.write_bytes(good), (path, "missing"))

    def swap(self) -> None:
        one = self.file()
        other = self.rng.choice(
            [path for path in self.files if path.suffix == one.suffix and path.read_bytes() != one.read_bytes()]
        )

        def exchange() -> None:
            spare = one.with_suffix(".spare")
            one.rename(spare)
            other.rename(one)
            spare.rename(other)

        self.expect(exchange, exchange, (one, "changed"), (other, "changed"))

    def stray(self) -> None:
        folder = self.rng.choice(self.folders)
        name, damage = self.rng.choice(
            [
                ("stray.wav", "unknown"),
                (".hidden", "unknown"),
                ("house/.hidden too", "unknown"),
                ("new/folder/stray_metadata.txt", "unknown"),
                ("house/stray", "unknown"),
                (".sp404-0a1b2c3d-7.part", "left by a killed run"),
            ]
        )
        path = folder / name
        above = [parent for parent in path.parents if not parent.exists()]
        link = self.rng.choice((None, "/etc/hostname", "nowhere", str(self.night.lib), ".")) if damage == "unknown" else None

        def plant() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(link) if link else path.write_bytes(b"stray")

        def undo() -> None:
            path.unlink()
            for parent in above:
                parent.rmdir()

        self.expect(plant, undo, (path, damage))

    def link(self) -> None:
        """The same bytes, but a link to them: whoever takes the card has nothing."""
        path = self.file()
        away = self.night.folder / "away"

        def plant() -> None:
            path.rename(away)
            path.symlink_to(away)

        self.expect(plant, lambda: away.replace(path), (path, "changed"))

    def folder(self) -> None:
        """A folder, or a pipe, where a file was."""
        path = self.file()
        good = path.read_bytes()
        make, unmake = self.rng.choice([(path.mkdir, path.rmdir), (lambda: os.mkfifo(path), path.unlink)])

        def plant() -> None:
            path.unlink()
            make()

        def undo() -> None:
            unmake()
            path.write_bytes(good)

        self.expect(plant, undo, (path, "changed"))


@pytest.mark.slow
def test_it_finds_every_damage_and_nothing_else(exported: Nightly) -> None:
    planter = Planter(exported, random.Random(404))
    assert 35 <= len(planter.files) <= 45
    assert exported.findings() == []
    kinds = ["flip", "truncate", "delete", "swap", "stray"] * 7 + ["link", "folder"]
    for number in range(DAMAGES):
        getattr(planter, kinds[number % len(kinds)])()
    assert exported.findings() == []


def test_one_export_is_verified_alone(exported: Nightly) -> None:
    """What other exports wrote to the same folder is neither looked at nor unknown; what nobody wrote is unknown."""
    one, kit = exported.out / "house/s0.wav", next((exported.folder / "kits").rglob("*.wav"))
    good, content = one.read_bytes(), kit.read_bytes()
    one.write_bytes(good[:-1])
    kit.unlink()
    stray = exported.out / "stray"
    stray.touch()
    assert {path for path, _ in exported.findings(1)} == {"out/house/s0.wav", "out/stray"}
    assert [damage for _, damage in exported.findings(2)] == ["missing"]
    one.write_bytes(good)
    kit.write_bytes(content)
    stray.unlink()
    assert exported.findings(1) == exported.findings(2) == []
    with pytest.raises(RequestError, match="Export 99 not found"):
        exported.findings(99)


@pytest.mark.slow
def test_by_the_command_line(exported: Nightly, sp404: Run) -> None:
    where = ("--db", exported.db)
    said = sp404("verify", *where)
    assert (said.status, said.err) == (0, "")
    assert "36 files (18 samples, 18 metadata files): 36 as they were written" in said.out
    path = exported.out / "house/s0.wav"
    good = path.read_bytes()
    path.unlink()
    said = sp404("verify", *where)
    assert (said.status, said.err) == (1, "")
    assert "36 files (18 samples, 18 metadata files): 35 as they were written, 1 missing" in said.out
    assert str(path) in said.out
    said = sp404("verify", 1, "--json", "--workers", "1", *where)
    answer = json.loads(said.out)
    assert said.status == 1
    assert (answer["files"], answer["texts"], answer["good"], answer["counts"]) == (24, 12, 23, {"missing": 1})
    assert [(one["path"], one["damage"]) for one in answer["findings"]] == [(str(path), "missing")]
    assert answer["findings"][0]["fix"]
    assert sp404("verify", 2, *where).status == 0
    path.write_bytes(good)
    one_clear_error(sp404("verify", 99, *where), 2, "Export 99 not found")
    one_clear_error(sp404("verify", "--db", exported.folder / "none"), 3, "there is no such file")
    one_clear_error(sp404("verify", "x", *where), 2, "EXPORT_ID")
    exported.out.rename(exported.folder / "pulled")
    said = sp404("verify", "--json", *where)
    answer = json.loads(said.out)
    (exported.folder / "pulled").rename(exported.out)
    assert said.status == 1
    assert answer["files"] == answer["good"] + answer["counts"]["missing"] == 36
    assert answer["findings"][0]["files"] == answer["counts"]["missing"]
    assert {"path": str(exported.out), "damage": "missing"}.items() <= answer["findings"][0].items()
    assert not (exported.folder / "none").exists()


def test_it_writes_nothing(exported: Nightly) -> None:
    before = nightly.states(exported.out)
    (exported.out / "stray").touch()
    exported.findings()
    (exported.out / "stray").unlink()
    assert nightly.states(exported.out) == before


# ---- no false alarm: `Nightly.export` verifies after each export ----


@pytest.fixture
def ten(night: Nightly) -> Nightly:
    for n in range(6):
        night.add(f"s{n}.wav", 300 + 20 * n, genre=("house", "jazz")[n % 2], kit="K", bank="A", pad=n + 1)
    return night


@pytest.mark.slow
def test_no_false_alarm_after_a_run_that_was_killed_and_resumed(ten: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly.killed(ten, monkeypatch, merged=1, unrecorded=1, organize_by="genre")
    assert len(list(ten.out.rglob("*.part"))) > 0
    batch = ten.export(organize_by="genre")
    assert batch.export_id == 1
    assert statuses(batch) == ["exported"] * 6
    assert len(ten.spy.of("convert")) == 2, "finished shards are not converted again"


def unrecorded(night: Nightly, export_id: int | None = None) -> int:
    """Return how many files an interrupted run wrote, of which the records do not know; nothing else may be found."""
    report = night.verified(export_id)
    assert (report.failed, report.commands) == (False, [])
    found = [entry for entry in report.findings if entry.damage != "left by a killed run"]
    assert {entry.damage for entry in found} <= {"not yet in the records"}
    assert all("m.csv (the night's, too) records them" in entry.fix for entry in found)
    assert report.counts["not yet in the records"] == sum(entry.files for entry in found)
    assert report.good + report.counts["not yet in the records"] >= report.files
    return report.counts["not yet in the records"]


def test_what_an_interrupted_run_wrote_again_is_no_damage(ten: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metadata files have its id, which the records do not know yet. What is really damaged is found all the same."""
    ten.export()
    nightly.killed(ten, monkeypatch, merged=1, unrecorded=1, full=True)
    assert unrecorded(ten) == unrecorded(ten, 1) == 2
    (found,) = [entry for entry in ten.verified().findings if entry.damage == "not yet in the records"]
    assert (found.path, found.files) == (str(ten.out), 2)
    assert found.fix == "Export 2 was interrupted: the next export of m.csv (the night's, too) records them."
    for path in (ten.out / "s2_metadata.txt", ten.out / "s2.wav", ten.out / "s5.wav"):
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"?")
        assert (f"out/{path.name}", "changed") in ten.findings()
        path.unlink()
        assert (f"out/{path.name}", "missing") in ten.findings()
        assert ten.verified().failed
        path.write_bytes(good)
    assert ten.export().export_id == 3


def test_what_an_interrupted_first_run_wrote_is_known(ten: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly.killed(ten, monkeypatch, merged=0, unrecorded=2)
    assert unrecorded(ten) == unrecorded(ten, 1) == 8
    assert ten.verified().files == 8
    (ten.out / "s1.wav").unlink()
    assert ("out/s1.wav", "missing") in ten.findings()
    assert ten.verified().failed
    ten.export()


@pytest.mark.parametrize("named", range(3))
def test_what_a_run_named_as_it_was_killed_is_no_damage(ten: Nightly, named: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is another sound now, where a sample has another name, and where nothing was."""
    monkeypatch.setattr(sharding, "_SMALL_PLAN", 100)
    ten.export()
    ten.sound("s0.wav", 700)
    ten.rows[1]["title"] = "other"
    ten.rows[2]["tags"] = "mine"
    ten.add("new.wav", 900)
    ten.write()
    nightly.killed_while_naming(ten, named)
    assert unrecorded(ten) > 0
    (ten.out / "s5.wav").unlink()
    assert ("out/s5.wav", "missing") in ten.findings()
    ten.export()


def test_what_an_older_database_does_not_know_is_no_damage(ten: Nightly) -> None:
    ten.export(organize_by="genre")
    older = ten.db.read_bytes()
    ten.rows[0]["genre"] = "acid"
    ten.rows[1]["tags"] = "mine"
    gone = ten.rows.pop()
    ten.export(organize_by="genre", prune=True)
    assert not list(ten.out.rglob(f"{gone['title']}*"))
    newer = ten.db.read_bytes()
    ten.db.write_bytes(older)
    assert unrecorded(ten) > 0
    assert ten.verified().findings[0].fix.startswith("The records are older than export 2")
    ten.db.write_bytes(newer)
    assert ten.findings() == []


@pytest.mark.slow
def test_no_false_alarm_after_moves_copies_prunes_and_repairs(ten: Nightly) -> None:
    ten.export(organize_by="genre")
    ten.rows[0]["genre"] = "acid"
    ten.rows[1]["title"] = "other"
    shutil.copy(ten.lib / "s2.wav", ten.lib / "copy.wav")
    ten.add("copy.wav", genre="jazz")
    ten.export(organize_by="genre")
    del ten.rows[3]
    ten.export(organize_by="genre", prune=True)
    ten.export(organize_by="flat")
    ten.export(kits=("K",), out=ten.folder / "kits")
    ten.export(format="aiff", out=ten.folder / "aiff")
    ten.export(include_metadata=False, out=ten.folder / "bare")
    second = ten.folder / "second.csv"
    ten.write(second).write_text(second.read_text().replace(",s", ",lib/s").replace(",copy.wav", ",lib/copy.wav"))
    ten.rows[0]["title"] = "mine"
    ten.export(manifest=second, organize_by="genre")
    ten.export(organize_by="genre")
    repair.repair(Database(str(ten.db), 5), force=True)
    assert ten.findings() == []
    ten.export(organize_by="genre")


@pytest.mark.slow
def test_no_false_alarm_for_failed_rows(night: Nightly) -> None:
    night.add("a.wav", 300)
    night.add("gone.wav")
    night.export()
    (night.lib / "a.wav").write_bytes(b"broken")
    assert statuses(night.export()) == ["failed"] * 2


@pytest.mark.slow
def test_no_false_alarm_where_one_output_folder_lies_in_another(ten: Nightly) -> None:
    ten.export()
    ten.export(kits=("K",), out=ten.out / "kits")


@pytest.mark.slow
def test_no_false_alarm_for_the_database_itself(ten: Nightly) -> None:
    """Somebody keeps the records on the card, beside the samples."""
    ten.db = ten.out / "records.duckdb"
    ten.out.mkdir()
    ten.export()


@pytest.mark.slow
def test_no_false_alarm_for_two_formats_of_different_sound(night: Nightly) -> None:
    """a.wav and a.aiff ask for the same a_metadata.txt."""
    night.add("a.wav", 300, tags="x")
    night.export()
    night.rows[0]["tags"] = "y"
    assert statuses(night.export(format="aiff", whole=False)) == ["exported"]
    assert night.findings() == []


@pytest.mark.slow
def test_a_folder_that_is_gone_hides_nothing_of_the_others(ten: Nightly) -> None:
    """An output folder of old was removed: what is damaged in the other is told all the same."""
    ten.export()
    ten.export(out=ten.folder / "old")
    shutil.rmtree(ten.folder / "old")
    path = ten.out / "s0.wav"
    path.unlink()
    found = ten.findings()
    assert ("old", "missing") in found
    assert len(found) == 2


@pytest.mark.slow
def test_a_folder_that_is_gone_is_no_file(ten: Nightly) -> None:
    ten.export()
    ten.export(out=ten.folder / "old")
    shutil.rmtree(ten.folder / "old")
    found = ten.verified()
    assert (found.files, found.good) == (24, 12)
