"""An export on cards that were cloned, restored or renamed into, and on cards with files of other layouts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.export import card_records, card_report, preview
from schemas.errors import DiskFullError
from schemas.report import BatchExportResult, CardResult
from tasks.bundle import card, card_copy, card_mark
from tasks.store import card_files
from tests.support import audio
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Killed, Nightly, _settings, refused, tree


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files on cards whose bytes were read to decide what to write."""
    read: list[str] = []
    for module in (card_copy, card_records):
        real = module.hash_file
        monkeypatch.setattr(module, "hash_file", lambda path, real=real: (read.append(Path(path).name), real(path))[1])
    return read


def made(folder: Path) -> Path:
    (folder / "IMPORT").mkdir(parents=True)
    return folder


def exported(night: Nightly, place: Path, **how: Any) -> BatchExportResult:
    return night.export(card=str(place), include_metadata=False, whole=False, **how)


def carded(night: Nightly, place: Path, **how: Any) -> CardResult:
    batch = exported(night, place, **how)
    assert batch.card, batch.no_card
    return batch.card


def on_card(place: Path) -> dict[str, bytes]:
    return tree(place / "IMPORT")


def report(night: Nightly, place: Path) -> dict[str, int]:
    return card_report.report(_settings(str(night.db)), str(place)).counts


def takes(night: Nightly, count: int = 3, **cells: Any) -> None:
    for number in range(count):
        night.add(f"s{number}.wav", 300 + 50 * number, **{name: cell(number) for name, cell in cells.items()})


# ---- which card it is ----


@pytest.mark.slow
def test_files_of_which_the_records_know_nothing_are_copied_too(night: Nightly) -> None:
    """The database was begun anew: the same files stand in the output folder and on the card, and nobody knows whose."""
    takes(night)
    first, second = made(night.folder / "A"), made(night.folder / "B")
    carded(night, first)
    night.db.unlink()
    shutil.rmtree(f"{night.db}.runs")
    again, other = carded(night, first), carded(night, second)
    assert (again.written, again.unchanged, again.in_the_way) == (0, 3, [])
    assert (other.written, other.unchanged, other.in_the_way) == (3, 0, [])
    assert on_card(first) == on_card(second) == tree(night.out)


@pytest.mark.slow
def test_two_clones_get_each_new_take_in_turns(night: Nightly, hashed: list[str]) -> None:
    takes(night)
    first = made(night.folder / "A")
    carded(night, first)
    second = shutil.copytree(first, night.folder / "B")
    for hz in (700, 800):
        night.sound("s1.wav", hz)  # of the same length
        for place in (first, second):
            assert carded(night, place).in_the_way == []
            assert on_card(place) == tree(night.out)
            assert report(night, place) == {"there": 3, "missing": 0, "changed": 0, "stale": 0}
            hashed.clear()
            again = carded(night, place)
            assert (again.written, again.unchanged, hashed) == (0, 3, [])
    # What a person put in its place on one of them stays there.
    (second / "IMPORT/s0.wav").write_bytes(b"a person's own")
    night.sound("s0.wav", 900)
    assert carded(night, first).in_the_way == []
    assert carded(night, second).in_the_way == carded(night, second).in_the_way == ["s0.wav"]
    assert on_card(second) == tree(night.out) | {"s0.wav": b"a person's own"}
    assert (carded(night, first).unchanged, on_card(first)) == (3, tree(night.out))


def _restored(night: Nightly, place: Path) -> None:
    image = shutil.copytree(place, night.folder / "image")
    night.sound("s1.wav", 700)
    carded(night, place)
    shutil.rmtree(place)
    image.rename(place)


def _written_by_an_older_version(night: Nightly, place: Path) -> None:
    _restored(night, place)
    mark = place / ".sp404-export"
    mark.write_text(mark.read_text().splitlines()[0] + "\nsp404-export knows this card by the number above.\n")


def _written_by_another_database(night: Nightly, place: Path) -> None:
    older = (place / "IMPORT/s1.wav").read_bytes()
    night.sound("s1.wav", 700)
    carded(night, place)
    (place / "IMPORT/s1.wav").write_bytes(older)
    there = card.find_at(str(place))
    card_mark.raise_run(there, card_mark.ensure_mark(there), 0)


def _killed_and_taken_back(night: Nightly, place: Path) -> None:
    """The file has its name, the records do not know it, and the next run wants what they know."""

    def killed(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_files, "record_files", killed)
        night.sound("s1.wav", 700)
        with pytest.raises(Killed):
            carded(night, place)
    night.sound("s1.wav", 350)


@pytest.mark.slow
@pytest.mark.parametrize(
    "happened",
    [
        _restored,
        pytest.param(_written_by_an_older_version, marks=pytest.mark.slow),
        pytest.param(_written_by_another_database, marks=pytest.mark.slow),
        _killed_and_taken_back,
    ],
)
def test_a_card_that_is_not_as_the_last_run_left_it_is_compared(
    night: Nightly, hashed: list[str], happened: Callable[[Nightly, Path], None]
) -> None:
    takes(night)
    place = made(night.folder / "card")
    carded(night, place)
    happened(night, place)
    done = carded(night, place)
    assert (done.written, done.in_the_way, on_card(place)) == (1, [], tree(night.out))
    hashed.clear()
    assert (carded(night, place).unchanged, hashed) == (3, [])


@pytest.mark.slow
def test_files_of_ours_that_lost_their_records_are_replaced_and_pruned(night: Nightly) -> None:
    """The device formatted the card, and a person copied the folder back from a computer: a new card with old takes."""
    takes(night)
    place = made(night.folder / "card")
    carded(night, place)
    (place / ".sp404-export").unlink()
    (place / "IMPORT/own.wav").write_bytes((place / "IMPORT/s0.wav").read_bytes())
    night.sound("s1.wav", 700)
    night.rows.pop()
    done = carded(night, place, prune=True)
    assert (done.written, done.unchanged, done.removed, done.in_the_way) == (1, 1, 1, [])
    assert on_card(place) == tree(night.out) | {"own.wav": (place / "IMPORT/s0.wav").read_bytes()}
    # On a card that is known, too, one file that a person took from a backup is replaced.
    night.sound("s0.wav", 800)
    older = (place / "IMPORT/s0.wav").read_bytes()
    carded(night, place)
    night.sound("s0.wav", 900)
    (place / "IMPORT/s0.wav").write_bytes(older)
    assert (carded(night, place).in_the_way, (place / "IMPORT/s0.wav").read_bytes()) == ([], tree(night.out)["s0.wav"])


# ---- names that changed ----


def capacity(monkeypatch: pytest.MonkeyPatch, place: Path, more: int) -> None:
    """Let a card have room for so many bytes more than it holds now."""
    total = sum(map(len, on_card(place).values())) + more
    monkeypatch.setattr(card_copy, "free_bytes", lambda _folder: total - sum(map(len, on_card(place).values())))


def kit(night: Nightly, name: str) -> None:
    for row in night.rows:
        row["kit"] = name


@pytest.mark.slow
def test_a_kit_that_is_renamed_is_renamed_on_a_card_that_is_nearly_full(
    night: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(night, 4, kit=lambda _: "Night Bus", bank=lambda _: "A", pad=lambda number: number + 1)
    place = made(night.folder / "card")
    carded(night, place, organize_by="kit")
    files = {path.stat().st_ino for path in place.rglob("*.wav")}
    capacity(monkeypatch, place, 20_000)
    kit(night, "Day Train")
    planned = exported(night, place, organize_by="kit", kits=("Day Train",)).card
    assert planned
    assert (planned.renamed, planned.written, planned.stale) == (4, 0, [])
    assert on_card(place) == tree(night.out)
    assert {path.stat().st_ino for path in place.rglob("*.wav")} == files
    assert report(night, place) == {"there": 4, "missing": 0, "changed": 0, "stale": 0}
    # Rejected rows may mean a file: nothing is renamed then, neither here nor there.
    kit(night, "Last Tram")
    night.checked = True
    night.rows.append(night.rows[0] | {"sample_id": 9, "pad": 17, "kit": "Day Train"})
    error = refused(night, DiskFullError, card=str(place), include_metadata=False, organize_by="kit")
    assert "--prune" not in error.fix
    assert set(on_card(place)) == {path for path in tree(night.out) if path.startswith("day_train/")}


@pytest.mark.slow
def test_what_does_not_fit_says_what_prune_would_free_and_prune_frees_it(
    night: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(night)
    place = made(night.folder / "card")
    carded(night, place)
    size = sum(map(len, on_card(place).values()))
    capacity(monkeypatch, place, 20_000)
    night.rows.clear()
    for number in range(3):
        night.add(f"new{number}.wav", 1000 + 50 * number)
    before = on_card(place)
    error = refused(night, DiskFullError, card=str(place), include_metadata=False)
    assert f"--prune would free {size / 1e6:.2g} MB." in error.fix
    assert on_card(place) == before
    done = carded(night, place, prune=True)
    assert (done.written, done.removed, on_card(place)) == (3, 3, tree(night.out))


# ---- other layouts ----


def laid_out(night: Nightly) -> Path:
    """Export three samples by genre, to the output folder and a card, and turn to BPM."""
    takes(night, 3, genre=lambda _: "house", bpm=lambda _: 120)
    place = made(night.folder / "card")
    assert exported(night, place, organize_by="genre").other_layouts == []
    return place


def named(found: BatchExportResult) -> tuple[list[str], list[str]]:
    assert found.card, found.no_card
    return [one.text for one in found.other_layouts], [one.text for one in found.card.other_layouts]


@pytest.mark.slow
def test_a_layout_is_removed_where_all_of_its_samples_are_safe(night: Nightly) -> None:
    place = laid_out(night)
    night.checked = True
    # One fails, one was edited in the output folder, one row is rejected at first.
    (night.lib / "s0.wav").write_bytes(b"broken")
    (night.out / "house/s1.wav").write_bytes(b"edited")
    night.rows.append({"sample_id": 9, "file_path": "s9.wav", "bpm": "fast"})
    batch = exported(night, place, organize_by="bpm", prune_layout="genre")
    why = "3 files of the layout genre stay: rows were rejected, and it is not known which files are theirs"
    assert named(batch) == ([why], [why])
    night.rows.pop()
    batch = exported(night, place, organize_by="bpm", prune=True, prune_layout="genre")
    assert batch.card
    assert (batch.layout_pruned, batch.card.layout_removed, batch.pruned, batch.card.removed) == (1, 1, 0, 0)
    why = "2 files of the layout genre stay: they were changed since they were written, or their rows failed"
    assert named(batch) == ([why], [why])
    kept = {"house/s0.wav", "house/s1.wav", "110-130/s1.wav", "110-130/s2.wav"}
    assert set(tree(night.out)) == set(on_card(place)) == kept


@pytest.mark.slow
def test_a_selection_names_and_removes_only_files_of_its_samples(night: Nightly) -> None:
    place = laid_out(night)
    said = "1 file of the layout genre stays; `--prune-layout genre` removes it (such as house/s1.wav)"
    assert named(exported(night, place, organize_by="bpm", sample_ids=(2,))) == ([said], [said])
    exported(night, place, organize_by="bpm", sample_ids=(2,), prune_layout="genre")
    kept = {"house/s0.wav", "house/s2.wav", "110-130/s1.wav"}
    assert set(tree(night.out)) == set(on_card(place)) == kept


@pytest.mark.slow
def test_a_path_that_is_wanted_is_never_removed_with_its_layout(night: Nightly) -> None:
    """A genre can be called as a BPM bucket."""
    takes(night, 1, genre=lambda _: "slow", bpm=lambda _: 60)
    place = made(night.folder / "card")
    carded(night, place, organize_by="genre")
    batch = exported(night, place, organize_by="bpm", prune=True, prune_layout="genre")
    assert (named(batch), batch.layout_pruned) == (([], []), 0)
    assert set(tree(night.out)) == set(on_card(place)) == {"slow/s0.wav"}


@pytest.mark.slow
def test_the_layout_of_another_output_folder_is_removed_from_the_card_alone(night: Nightly) -> None:
    """Who exports each layout into a folder of its own keeps both there; what fails stays on the card in the old one."""
    takes(night, 3, genre=lambda _: "house", bpm=lambda number: 120 + number)
    place = made(night.folder / "card")
    carded(night, place, organize_by="genre")
    first, night.out = night.out, night.folder / "by tempo"
    (night.lib / "s0.wav").write_bytes(b"broken")
    how = {"organize_by": "bpm", "card": str(place), "prune_layout": "genre"}
    foretold = preview.plan(night.request(include_metadata=False, **how))
    promised = {path for removals in foretold.removals if removals.folder == str(place / "IMPORT") for path in removals.paths}
    found = exported(night, place, organize_by="bpm", prune_layout="genre").card
    assert found
    assert found.layout_removed == 2
    assert set(on_card(place)) == {"house/s0.wav", "110-130/s1.wav", "110-130/s2.wav"}
    assert set(tree(first)) == {"house/s0.wav", "house/s1.wav", "house/s2.wav"}
    assert promised == {"house/s0.wav", "house/s1.wav", "house/s2.wav"}, "which rows fail is not known before"


def test_an_empty_folder_where_a_card_was_mounted_is_no_new_card(sp404: Run, tmp_path: Path) -> None:
    """Nobody is told to initialize it: what it would get stands on the disk below."""
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    (tmp_path / "m.csv").write_text("file_path\na.wav\n", encoding="utf-8")
    card, db = tmp_path / "CARD", ("--db", tmp_path / "r.duckdb")
    (card / "IMPORT").mkdir(parents=True)
    export = (tmp_path / "m.csv", "--out", tmp_path / "out", "--card", card, *db)
    one_clear_error(sp404("card", tmp_path, *db), 2, "is not a card of the SP-404MKII")
    assert sp404("export", *export, "--direct").status == 0
    card.rename(tmp_path / "pulled")
    card.mkdir()
    for command in (("export", *export, "--direct"), ("plan", *export), ("card", card, *db)):
        one_clear_error(sp404(*command), 2, f"{card} is empty: a card was mounted there, and is not now")
    assert list(card.iterdir()) == []
    other = tmp_path / "new"
    other.mkdir()
    one_clear_error(sp404("card", other, *db), 2, "is empty")
    assert "--init-card" in sp404("card", other, *db).err


def test_a_plan_says_what_would_go_to_the_card(sp404: Run, tmp_path: Path) -> None:
    """Also where the output folder has it all: what was written, to the byte; then nothing."""
    for name, hertz in (("a", 200), ("b", 300)):
        audio.write(tmp_path / f"{name}.wav", audio.tone(0.3, 48_000, hz=hertz), 48_000, "WAV")
    (tmp_path / "m.csv").write_text("file_path\na.wav\nb.wav\n", encoding="utf-8")
    card, out = tmp_path / "CARD", tmp_path / "out"
    (card / "IMPORT").mkdir(parents=True)
    options = (tmp_path / "m.csv", "--out", out, "--db", tmp_path / "r.duckdb")

    def planned() -> tuple[int, int]:
        found = json.loads(sp404("plan", *options, "--card", card, "--json").out)["card"]
        assert found["root"] == str(card)
        return found["files"], found["bytes"]

    assert planned()[0] == 2
    sp404("export", *options, "--direct")
    assert planned() == (2, sum(path.stat().st_size for path in out.glob("*.wav")))
    assert f"Card {card}: 2 files to copy (about 0.1 MB)" in sp404("plan", *options, "--card", card).err
    sp404("export", *options, "--direct", "--card", card)
    assert planned() == (0, 0)
    assert json.loads(sp404("plan", *options, "--json").out)["card"] is None
