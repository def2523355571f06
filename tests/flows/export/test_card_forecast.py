"""What a plan says of a card comes true: an export copies, renames and leaves alone as many files as were announced."""

import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.export import preview
from flows.export.card_forecast import PlannedCopy
from schemas.report import CardResult
from tasks.bundle import card_copy
from tasks.store import scan_memory
from tasks.store.database import Database
from tests.support import audio
from tests.support.command_line import Run
from tests.support.nightly import Nightly, tree


@pytest.fixture
def card(night: Nightly) -> Path:
    (night.folder / "CARD/IMPORT").mkdir(parents=True)
    return night.folder / "CARD"


def planned(night: Nightly, card: Path, **how: Any) -> PlannedCopy:
    """Plan an export, which writes nothing to the card, and reads nothing on it."""
    night.write()
    before = tree(card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_copy, "hash_file", lambda path: pytest.fail(f"reads {path}"))
        found = preview.plan(night.request(card=str(card), include_metadata=False, **how)).card
    assert found
    assert tree(card) == before
    return found


def carded(night: Nightly, card: Path, **how: Any) -> CardResult:
    batch = night.export(card=str(card), include_metadata=False, whole=False, **how)
    assert batch.card, batch.no_card
    return batch.card


def counts(said: PlannedCopy) -> tuple[int, int, int, int]:
    return said.files, said.renamed, said.unchanged, said.unsure


def comes_true(said: PlannedCopy, done: CardResult) -> None:
    """Hold an announcement to what was done; nobody knows before whether a file that is made again is as it was."""
    if said.compares:
        assert done.written >= said.files
    else:
        assert said.files - said.unsure <= done.written <= said.files, (said, done)
    if not (said.unsure or said.compares):
        assert (said.files, said.renamed, said.unchanged) == (done.written, done.renamed, done.unchanged), (said, done)
        assert said.in_the_way == len(done.in_the_way)
    total = said.files + said.renamed + said.unchanged + said.in_the_way
    assert total == done.written + done.renamed + done.unchanged + len(done.in_the_way)


def takes(night: Nightly, count: int = 6) -> None:
    for number in range(count):
        night.add(f"s{number}.wav", 300 + 50 * number, genre="house")


@pytest.mark.slow
def test_new_names_are_renamed_on_the_card_and_only_new_sounds_are_copied(night: Nightly, card: Path) -> None:
    takes(night)
    comes_true(planned(night, card, organize_by="genre"), carded(night, card, organize_by="genre"))
    for row in night.rows[:4]:
        row["genre"] = "dub"
    new = night.add("new.wav", 900, genre="dub")
    said = planned(night, card, organize_by="genre")
    assert counts(said) == (1, 4, 2, 0)
    done = carded(night, card, organize_by="genre")
    comes_true(said, done)
    assert (done.written, done.renamed, done.unchanged) == (1, 4, 2)
    # A name that another sample had, and rows that are gone: with --prune their files give theirs on the card, too.
    new["genre"], night.rows[0]["title"], night.rows[1]["title"] = "house", "s1", "s0"
    night.rows.pop(3)
    night.add("s3 copy.wav", 450, genre="jungle")
    for prune in (False, True):
        said = planned(night, card, organize_by="genre", prune=prune)
        comes_true(said, carded(night, card, organize_by="genre", prune=prune))


@pytest.mark.slow
def test_another_output_folder_is_no_reason_to_copy_what_is_on_the_card(night: Nightly, card: Path) -> None:
    takes(night)
    carded(night, card)
    said = planned(night, card, out=night.folder / "forgotten")
    assert counts(said) == (0, 0, 6, 0)
    comes_true(said, carded(night, card, out=night.folder / "forgotten"))
    # Nor is it where all is to be made again.
    said = planned(night, card, full=True)
    assert counts(said) == (0, 0, 6, 0)
    comes_true(said, carded(night, card, full=True))


@pytest.mark.slow
def test_what_nobody_can_know_is_said_as_the_most(night: Nightly, card: Path) -> None:
    """Other settings may make the same bytes, and a file of which the records know nothing may have the wanted ones."""
    takes(night)
    carded(night, card)
    for how in ({"sound": {"guard": "file"}}, {"sound": {"normalize_dbfs": -3.0}}):
        said = planned(night, card, **how)
        assert counts(said) == (6, 0, 0, 6)
        comes_true(said, carded(night, card, **how))
    before, how = how, {"sound": {"guard": "file"}}
    said = planned(night, card, **how)
    assert (counts(said), said.at_most) == ((6, 0, 0, 0), False), "what an earlier export made is known"
    done = carded(night, card, **how)
    comes_true(said, done)
    assert said.bytes == done.written_bytes
    carded(night, card, **(how := before))
    night.db.unlink()
    shutil.rmtree(f"{night.db}.runs")
    said = planned(night, card, **how)
    assert (said.files, said.unsure, said.compares) == (6, 6, False)
    comes_true(said, carded(night, card, **how))


@pytest.mark.slow
def test_what_others_put_on_the_card_is_no_copy_and_a_clone_is_compared(night: Nightly, card: Path) -> None:
    takes(night)
    carded(night, card)
    folder = card / "IMPORT"
    (folder / "s0.wav").unlink()
    (folder / "s1.wav").unlink()
    (folder / "s1.wav").symlink_to(folder / "s2.wav")
    said = planned(night, card)
    assert (counts(said), said.in_the_way, said.compares) == ((1, 0, 4, 0), 1, False)
    comes_true(said, carded(night, card))
    image = shutil.copytree(card, night.folder / "image", symlinks=True)
    night.sound("s3.wav", 990)
    carded(night, card)
    said = planned(night, image)
    assert said.compares, "the records are about the other card"
    comes_true(said, carded(night, image))


def _edit(night: Nightly, chance: random.Random) -> None:
    """Do what a musician does between two nights."""
    for row in chance.sample(night.rows, 3):
        what = chance.choice(["genre", "title", "sound", "gone", "copy", "tags"])
        if what == "genre":
            row["genre"] = chance.choice(["house", "dub", "jungle"])
        elif what == "title":
            row["title"] = chance.choice(night.rows)["title"]
        elif what == "sound":
            night.sound(row["file_path"], chance.randrange(200, 2_000))
        elif what == "gone" and len(night.rows) > 5:
            night.rows.remove(row)
        elif what == "copy":
            shutil.copy(night.lib / row["file_path"], night.lib / f"copy {len(night.rows)} {row['file_path']}"[:80])
            night.add(f"copy {len(night.rows)} {row['file_path']}"[:80], genre=row["genre"])
        else:
            night.sound(row["file_path"], 300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 15, 33])
def test_every_night_keeps_what_its_plan_said(night: Nightly, card: Path, seed: int) -> None:
    chance = random.Random(seed)
    takes(night, 10)
    for _ in range(8):
        how: dict[str, Any] = {"organize_by": chance.choice(["genre", "genre", "flat"]), "prune": chance.random() < 0.4}
        how |= {"sound": {"guard": chance.choice(["none", "none", "file"])}, "yes": True}
        how |= {"out": chance.choice([night.out, night.out, night.folder / "other"])}
        comes_true(planned(night, card, **how), carded(night, card, **how))
        assert counts(planned(night, card, **how))[0] == 0, "nothing is left to copy"
        _edit(night, chance)


def _write(path: Path, channels: int, subtype: str = "PCM_24") -> None:
    audio.write(path, audio.tone(1.0, 44_100, channels=channels), 44_100, path.suffix[1:].upper(), subtype)


@pytest.mark.parametrize(
    ("sound", "words"),
    [("mono=keep", "about"), ("mono=identical", "up to"), ("mono=all", "about"), ("trim_dbfs=-60", "up to")],
)
def test_sizes_follow_what_a_scan_has_read(sp404: Run, tmp_path: Path, sound: str, words: str) -> None:
    """A mono sound takes half as much as a stereo one, whatever its file takes."""
    lib, card, db = tmp_path / "lib", tmp_path / "CARD", ("--db", tmp_path / "r.duckdb")
    lib.mkdir()
    (card / "IMPORT").mkdir(parents=True)
    _write(lib / "a.wav", 1)
    _write(lib / "b.wav", 2)
    _write(lib / "c.flac", 1, "PCM_16")
    sp404("scan", lib, "-o", tmp_path / "m.csv", *db)
    channels = 3 if sound == "mono=all" else 4
    said = sp404("plan", tmp_path / "m.csv", "--out", tmp_path / "out", "--card", card, *db, "--sound", sound).err
    assert f"Card {card}: 3 files to copy ({words} {channels * 96_000 / 1e6:.1f} MB)" in said


def test_sizes_of_a_scan_by_an_older_release_are_the_most(night: Nightly, card: Path) -> None:
    """It did not remember channels."""
    takes(night, 2)
    night.write()
    known = dict.fromkeys(scan_memory.FILES_SCHEMA) | {"header": '{"container": "wav", "seconds": 0.11}', "rules": "3-x"}
    paths = [night.lib / name for name in ("s0.wav", "s1.wav")]
    old = [known | {"path": str(path), "bytes": path.stat().st_size, "mtime_ns": 0, "ctime_ns": 0} for path in paths]
    scan_memory.put_files(Database(str(night.db), 5), pl.DataFrame(old, scan_memory.FILES_SCHEMA))
    said = planned(night, card)
    assert (said.bytes, said.at_most) == (2 * (5_280 * 4 + 44), True)
    assert said.bytes >= carded(night, card).written_bytes


def test_a_plan_says_what_does_not_fit(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "a.wav", 2)
    (tmp_path / "m.csv").write_text("file_path\na.wav\n", encoding="utf-8")
    (tmp_path / "CARD/IMPORT").mkdir(parents=True)
    options = (
        "plan",
        tmp_path / "m.csv",
        "--out",
        tmp_path / "out",
        "--card",
        tmp_path / "CARD",
        "--db",
        tmp_path / "r.duckdb",
    )
    assert "too many" not in sp404(*options).err
    monkeypatch.setattr(card_copy, "free_bytes", lambda _: 1_000)
    assert "  That is too many: " in sp404(*options).err


def test_the_line_of_a_plan_has_all_that_the_export_will_say(sp404: Run, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        audio.write(tmp_path / f"{name}.wav", audio.tone(1.0, 48_000, hz=300 + 50 * number), 48_000, "WAV")
    card, table = tmp_path / "CARD", tmp_path / "m.csv"
    (card / "IMPORT").mkdir(parents=True)
    options = (table, "--out", tmp_path / "out", "--card", card, "--db", tmp_path / "r.duckdb")
    table.write_text("file_path,title\na.wav,A\nb.wav,B\n", encoding="utf-8")
    sp404("export", *options, "--direct")
    table.write_text("file_path,title\na.wav,A\nb.wav,Renamed\nc.wav,C\n", encoding="utf-8")
    line = f"  Card {card}: 1 file to copy (about 0.1 MB), 1 to rename, 1 there already\n"
    assert line in sp404("plan", *options).err
    done = f"Card {card}: 1 file written and read back (0.1 MB), 1 renamed there, 1 there already\n"
    assert done in sp404("export", *options, "--direct").out
    said = sp404("plan", *options, "--sound", "guard=file").err
    assert f"  Card {card}: up to 3 files to copy (about 0.3 MB)\n  3 files of these may be there already: " in said
    assert "The export compares all bytes on the card" in sp404("plan", *options, "--verify-outputs").err
