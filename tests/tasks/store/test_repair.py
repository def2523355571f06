"""``sp404 repair``: the database made anew from the parts is the one that was lost, row for row."""

import os
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import DatabaseError, RequestError
from tasks.store import repair, run_folder
from tasks.store.database import Database
from tests.support import nightly
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, statuses, tree

pytestmark = pytest.mark.slow

# When something was written, which no part says.
TIMES = {"samples": ("updated_at",), "kits": ("created_at",)}
Rows = dict[str, list[tuple[Any, ...]]]


def rows_of(nightly: Nightly, times: bool = False) -> Rows:
    """Every table that exports write to."""
    found: Rows = {}
    tables = nightly.ask("SELECT table_name FROM duckdb_tables() ORDER BY 1")
    for (table,) in tables:
        left_out = () if times else TIMES.get(table, ())
        exclude = f" EXCLUDE ({', '.join(left_out)})" if left_out else ""
        if table not in ("user_preferences", "schema_version"):
            found[table] = nightly.ask(f"SELECT *{exclude} FROM {table} ORDER BY ALL")
    return found


def lose(nightly: Nightly) -> bytes:
    """The database is damaged; what is left of it."""
    content = nightly.db.read_bytes()
    bad = content[:4096] + b"\x00" * 4096 + content[8192:]
    nightly.db.write_bytes(bad)
    with pytest.raises(DatabaseError, match="cannot be used"):
        nightly.ask_by_the_project()
    return bad


def mended(nightly: Nightly, times: bool = False) -> tuple[Rows, Rows]:
    """The rows before the database was lost, and after it was repaired."""
    before = rows_of(nightly, times)
    lose(nightly)
    made = repair.repair(Database(str(nightly.db), 5))
    assert made.losses == []
    assert made.exports == len(before["sp404_exports"])
    assert made.rows == len(before["sp404_export_samples"])
    return before, rows_of(nightly, times)


def assert_alike(found: tuple[Rows, Rows]) -> None:
    before, after = found
    assert before.keys() == after.keys()
    for table, rows in before.items():
        assert after[table] == rows, table


@pytest.fixture
def mixed(night: Nightly) -> Nightly:
    """Given ids, two kits, rejects and failures; exported twice, the second time after changes."""
    night.checked = True
    night.columns = tuple(column for column in night.columns if column != "sample_id")
    for n in range(6):
        slot = {"kit": "KL"[n % 2], "bank": "A", "pad": n + 1} if n < 4 else {}
        night.add(f"s{n}.wav", 300 + 20 * n, genre=("house", "jazz")[n % 2], bpm=90 + n, tags="x|y", **slot)
    night.add("s0.wav", kit="K", bank="B", pad=1, genre="house", title="s0")
    night.add("gone.wav")
    night.add("bad.wav", 500, bpm="fast", musical_key="")
    night.add("worse.wav", bpm="slow", kit="Z")
    night.export(organize_by="genre")
    return night


def test_given_ids_kits_rejects_and_failures(mixed: Nightly) -> None:
    assert_alike(mended(mixed))


def test_what_was_unchanged_moved_copied_converted_anew_and_pruned(mixed: Nightly) -> None:
    mixed.rows[1]["genre"] = "acid"
    mixed.rows[2]["title"] = "other"
    mixed.sound("s3.wav", 700)
    shutil.copy(mixed.lib / "s4.wav", mixed.lib / "copy.wav")
    mixed.add("copy.wav", genre="house")
    mixed.export(organize_by="genre")
    mixed.rows[8]["bpm"] = "99"
    del mixed.rows[9]
    del mixed.rows[5]
    assert mixed.export(organize_by="genre", prune=True).not_pruned == ""
    mixed.export(kits=("K",), out=mixed.folder / "kits", include_metadata=False, format="aiff", label="mine", user_id=3)
    mixed.export(organize_by="flat", full=True)
    assert_alike(mended(mixed))
    assert set(statuses(mixed.export(organize_by="genre"))) == {"unchanged", "failed"}
    assert mixed.spy.of("convert") == ["gone.wav"]


def test_what_is_unchanged_but_known_by_another_source(mixed: Nightly) -> None:
    """A source that was touched, and one that moved: the records are told when the next export begins."""
    mixed.columns = ("sample_id", *mixed.columns)
    mixed.export(organize_by="genre")
    os.utime(mixed.lib / "s1.wav", (1, 1))
    (mixed.lib / "deep").mkdir()
    (mixed.lib / "s2.wav").rename(mixed.lib / "deep/s2.wav")
    mixed.rows[2]["file_path"] = "deep/s2.wav"
    assert "unchanged" in statuses(mixed.export(organize_by="genre"))
    assert_alike(mended(mixed))


def test_ids_of_samples_and_kits_that_a_selection_left_out(mixed: Nightly) -> None:
    """Ids are given to the whole manifest, and shown by `sp404 plan`."""
    mixed.add("new.wav", 900, kit="N", bank="A", pad=1)
    mixed.export(sample_ids=(1,))
    assert_alike(mended(mixed))


def test_an_id_that_changes_hands(mixed: Nightly) -> None:
    """A manifest that now writes an id which was given to another file."""
    taken = mixed.ask("SELECT id FROM given_ids WHERE file_path LIKE '%s5.wav'")[0][0]
    mixed.columns = ("sample_id", *mixed.columns)
    for row in mixed.rows:
        row["sample_id"] = ""
    mixed.add("mine.wav", 800, sample_id=taken)
    mixed.export(organize_by="genre")
    assert_alike(mended(mixed))


def test_an_export_that_was_killed(mixed: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unfinished then as it was before, and the same command goes on with it."""
    nightly.killed(mixed, monkeypatch, merged=2, out=mixed.folder / "second")
    before, after = mended(mixed)
    assert_alike((before, after))
    assert sum(row[0] == 2 for row in after["sp404_exports"]) == 1
    batch = mixed.export(out=mixed.folder / "second")
    assert batch.export_id == 2
    assert "unchanged" not in statuses(batch)


def test_an_export_that_was_killed_before_its_last_part_was_recorded(mixed: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly.killed(mixed, monkeypatch, merged=1, unrecorded=1, out=mixed.folder / "second")
    before = rows_of(mixed)
    lose(mixed)
    assert repair.repair(Database(str(mixed.db), 5)).losses == []
    after = rows_of(mixed)
    assert len(after["outputs"]) == len(before["outputs"]) + 2, "the part is there, and what it says is on the disk"
    batch = mixed.export(out=mixed.folder / "second")
    assert batch.export_id == 2
    assert statuses(batch).count("exported") == statuses(mixed.export(out=mixed.folder / "second")).count("unchanged")


def test_an_export_that_was_killed_and_resumed(mixed: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly.killed(mixed, monkeypatch, merged=1, unrecorded=1, out=mixed.folder / "second")
    assert mixed.export(out=mixed.folder / "second").export_id == 2
    before, after = mended(mixed)
    for rows in (before, after):  # a line that is written again gets a new number
        rows["sp404_export_samples"] = sorted((row[1:] for row in rows["sp404_export_samples"]), key=repr)
        rows["last_status"] = [(sample_id, *rest) for sample_id, _, *rest in rows["last_status"]]
    assert_alike((before, after))


def test_an_export_that_was_killed_and_not_resumed(mixed: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another export to the same folder ends it."""
    nightly.killed(mixed, monkeypatch, merged=1, out=mixed.folder / "second")
    assert mixed.export(out=mixed.folder / "second", organize_by="bpm").export_id == 3
    assert mixed.ask("SELECT trouble FROM sp404_exports WHERE id = 2") == [("Killed",)]
    before, after = mended(mixed)
    for rows in (before, after):
        rows["sp404_export_samples"] = sorted((row[1:] for row in rows["sp404_export_samples"]), key=repr)
    assert_alike((before, after))


def test_two_manifests_and_two_folders(mixed: Nightly) -> None:
    second = mixed.folder / "second.csv"
    mixed.write(second).write_text(second.read_text().replace(",s", ",lib/s").replace("\ns", "\nlib/s"))
    mixed.export(manifest=second, organize_by="genre")
    mixed.export(manifest=second, out=mixed.folder / "second")
    mixed.export(organize_by="genre")
    assert_alike(mended(mixed))


def test_times_as_well(mixed: Nightly) -> None:
    assert_alike(mended(mixed, times=True))


def test_the_next_export_goes_on_counting(mixed: Nightly) -> None:
    for export_id in (2, 3):
        assert mixed.export(organize_by="genre").export_id == export_id
    lose(mixed)
    repair.repair(Database(str(mixed.db), 5))
    ids = [row[0] for row in mixed.ask("SELECT id FROM sp404_export_samples ORDER BY id")]
    assert mixed.export(organize_by="genre").export_id == 4
    assert mixed.ask("SELECT count(*), count(DISTINCT id) FROM sp404_export_samples") == [(len(ids) * 4 // 3,) * 2]
    mixed.add("new.wav", 900)
    mixed.export(organize_by="genre")
    given = mixed.ask("SELECT count(*), count(DISTINCT id), count(DISTINCT file_path) FROM given_ids")
    assert given == [(len({row["file_path"] for row in mixed.rows}) - 2,) * 3]


def test_a_database_that_was_removed_and_begun_again(mixed: Nightly, template: Path) -> None:
    """Ids begin at 1 again, while the parts of the lost exports are still there."""
    mixed.db.write_bytes(template.read_bytes())
    before = tree(mixed.out)
    mixed.rows[1]["genre"] = "acid"
    mixed.export(organize_by="genre", whole=False)
    assert set(before) - set(tree(mixed.out)) == set()
    mixed.export(organize_by="flat", whole=False)
    query = "SELECT * EXCLUDE id FROM sp404_export_samples WHERE export_id > 1 ORDER BY ALL"
    begun_again = mixed.ask(query)
    lose(mixed)
    assert repair.repair(Database(str(mixed.db), 5)).exports == 3, "the lost one is there again, too"
    assert mixed.ask(query) == begun_again
    assert mixed.ask("SELECT count(*) > 0 FROM sp404_export_samples WHERE export_id = 1") == [(True,)]


# ---- what is not whole ----


@pytest.mark.parametrize("harm", ["flip", "empty", "remove"])
def test_a_damaged_part_is_named_and_the_rest_is_made_good(mixed: Nightly, harm: str) -> None:
    mixed.sound("s3.wav", 700)
    mixed.export(organize_by="genre")
    before = rows_of(mixed)
    (part,) = run_folder.parts(Database(str(mixed.db), 5), 2)
    content = part.read_bytes()
    bad = {"flip": content[:99] + bytes([content[99] ^ 4]) + content[100:], "empty": b""}.get(harm)
    part.write_bytes(bad) if bad is not None else part.unlink()
    lose(mixed)
    made = repair.repair(Database(str(mixed.db), 5))
    assert (made.exports, made.rows) == (2, len(before["sp404_export_samples"]))
    if bad is not None:
        (loss,) = made.losses
        assert str(part) in loss
        assert part.read_bytes() == bad
    else:
        assert made.losses, "a part that is gone is a loss"
    after = rows_of(mixed)
    assert [row for row in after["sp404_export_samples"] if row[1] == 1] == [
        row for row in before["sp404_export_samples"] if row[1] == 1
    ]
    assert after["sp404_exports"][0] == before["sp404_exports"][0]
    batch = mixed.export(organize_by="genre", whole=False)
    assert mixed.spy.of("convert") == ["gone.wav", "s3.wav"], "what it stood for"
    assert "exported" in statuses(batch)


@pytest.mark.parametrize("name", ["rows", "export", "ending"])
def test_what_an_export_was_to_do_is_damaged(mixed: Nightly, name: str) -> None:
    mixed.export(organize_by="genre")
    (path,) = run_folder.runs_folder(Database(str(mixed.db), 5)).glob(f"export-2/**/{name}-*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    lose(mixed)
    made = repair.repair(Database(str(mixed.db), 5))
    assert len(made.losses) == 1
    assert made.losses[0].startswith("Export 2")
    assert str(path) in made.losses[0]
    assert (1,) in mixed.ask("SELECT id FROM sp404_exports")
    path.unlink()
    assert set(statuses(mixed.export(organize_by="genre", whole=False))) >= {"unchanged"}
    assert mixed.ask("SELECT max(id) FROM sp404_exports") == [(3,)]


def test_a_whole_database_is_left_alone_but_by_force(mixed: Nightly) -> None:
    before = rows_of(mixed)
    content = mixed.db.read_bytes()
    with pytest.raises(RequestError, match="is not damaged") as refused:
        repair.repair(Database(str(mixed.db), 5))
    assert "--force" in refused.value.fix
    assert mixed.db.read_bytes() == content
    made = repair.repair(Database(str(mixed.db), 5), force=True)
    assert made.kept
    assert Path(made.kept).read_bytes() == content
    assert_alike((before, rows_of(mixed)))


def test_nothing_is_overwritten(mixed: Nightly) -> None:
    """Also when it is done twice within a second, and with a log beside the database."""
    left = {}
    for n in range(3):
        bad = lose(mixed) if n else b""
        Path(f"{mixed.db}.wal").write_bytes(b"log %d" % n)
        if not n:
            bad = b"damaged at first"
            mixed.db.write_bytes(bad)
        made = repair.repair(Database(str(mixed.db), 5))
        assert made.kept
        left[made.kept], left[f"{made.kept}.wal"] = bad, b"log %d" % n
        assert not Path(f"{mixed.db}.wal").exists()
    assert len(left) == 6
    assert {path: Path(path).read_bytes() for path in left} == left
    assert mixed.ask("SELECT count(*) FROM sp404_exports") == [(1,)]
    assert not [path for path in mixed.folder.iterdir() if "repaired" in path.name]


def test_a_database_that_is_gone(mixed: Nightly) -> None:
    before = rows_of(mixed)
    mixed.db.unlink()
    made = repair.repair(Database(str(mixed.db), 5))
    assert made.kept is None
    assert_alike((before, rows_of(mixed)))


def test_nothing_to_repair_from(tmp_path: Path) -> None:
    (tmp_path / "r.duckdb").write_bytes(b"what is this")
    with pytest.raises(RequestError, match="left anything"):
        repair.repair(Database(str(tmp_path / "r.duckdb"), 5))
    assert (tmp_path / "r.duckdb").read_bytes() == b"what is this"


def test_a_flipped_bit_is_found_or_harmless(mixed: Nightly) -> None:
    """Wherever it is: either all is read as it was, or the file is called damaged and made anew."""
    before = rows_of(mixed)
    good = mixed.db.read_bytes()
    rng, repaired = random.Random(404), 0
    blocks = range(12_288, len(good), 262_144)
    for n in range(6):
        at = rng.choice(blocks) + rng.randrange(4_000) if n % 2 else rng.randrange(len(good))
        mixed.db.write_bytes(good[:at] + bytes([good[at] ^ 1 << n % 8]) + good[at + 1 :])
        with suppress(RequestError):  # "The database is not damaged"
            repair.repair(Database(str(mixed.db), 5))
            repaired += 1
        assert_alike((before, rows_of(mixed)))
    assert repaired


def test_by_the_command_line(mixed: Nightly, sp404: Run) -> None:
    where = ("--db", mixed.db)
    one_clear_error(sp404("repair", *where), 2, "is not damaged", "--force")
    one_clear_error(sp404("repair", "--db", mixed.folder / "none.duckdb"), 2, "left anything")
    mixed.db.write_bytes(b"x" * 20_000)
    damaged = sp404("history", *where)
    assert damaged.status == 3
    assert "sp404 repair" in damaged.err
    said = sp404("repair", *where)
    assert (said.status, said.err) == (0, "")
    assert "1 exports with 10 rows" in said.out or "1 export with 10 rows" in said.out
    kept = said.out.split("The old file is ")[1].strip()
    assert Path(kept).read_bytes() == b"x" * 20_000
    (part,) = run_folder.parts(Database(str(mixed.db), 5), 1)
    part.write_bytes(b"")
    said = sp404("repair", "--force", *where)
    assert said.status == 1
    assert str(part) in said.err
