"""Ids are given once and stay: for samples by their file, for kits by their name, for exports in their order."""

import contextlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.errors import Sp404Error
from tasks.store.database import Database
from tasks.store.export_records import DRY_RUN, ExportTarget
from tests.support import ROOT
from tests.support.exporting import Ledger
from tests.support.lanes import examples

PATHS = ("/lib/a.wav", "/lib/b.wav", "/lib/c.wav", "/lib/é.wav", "/lib/A.WAV", "/other/a.wav")


def test_ids_are_the_same_in_the_next_run(ledger: Ledger) -> None:
    first = ledger.ids(*PATHS)
    assert sorted(first.values()) == [1, 2, 3, 4, 5, 6]
    assert ledger.ids(*PATHS) == first


def test_ids_do_not_move_when_the_manifest_grows_or_is_reordered(ledger: Ledger) -> None:
    first = ledger.ids(*PATHS[:3])
    grown = ledger.ids(*reversed(PATHS))
    assert {path: grown[path] for path in first} == first
    assert len(set(grown.values())) == len(PATHS)
    assert ledger.ids(PATHS[5]) == {PATHS[5]: grown[PATHS[5]]}


def test_ids_belong_to_the_file_whatever_the_manifest_and_the_output(ledger: Ledger) -> None:
    first = ledger.ids(*PATHS)
    other = Ledger(replace(ledger.target, manifest="/other.csv", output="/elsewhere"))
    assert other.ids(*PATHS) == first


def test_a_file_in_several_rows_has_one_id(ledger: Ledger) -> None:
    known = ledger.begin(*({"source": "/lib/a.wav", "kit": "K", "bank": "A", "pad": pad} for pad in (1, 2, 3)))
    assert known.rows["sample_id"].to_list() == [1, 1, 1]


@pytest.mark.thorough
@given(runs=st.lists(st.lists(st.sampled_from(PATHS), min_size=1, unique=True), min_size=2, max_size=4))
@hypothesis_settings(max_examples=examples(8), deadline=None)
def test_ids_stay_through_any_history(runs: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(ExportTarget(Database(f"{folder}/r.duckdb", 1.0), "/m.csv", "/out"))
        seen: dict[str, int] = {}
        for run in runs:
            given_ids = ledger.ids(*run)
            assert all(seen.get(path, number) == number for path, number in given_ids.items())
            seen |= given_ids
        assert len(set(seen.values())) == len(seen)


def test_explicit_ids_are_kept(ledger: Ledger) -> None:
    known = ledger.begin({"source": "/a.wav", "sample_id": 900}, {"source": "/b.wav", "sample_id": 3})
    assert known.rows["sample_id"].to_list() == [900, 3]


def test_given_ids_keep_clear_of_explicit_ones(ledger: Ledger) -> None:
    known = ledger.begin({"source": "/a.wav", "sample_id": 2}, {"source": "/b.wav"}, {"source": "/c.wav"})
    assert known.rows["sample_id"].to_list() == [2, 3, 4]
    ledger.record({"source": "/z.wav", "sample_id": 50})
    assert ledger.ids("/new.wav")["/new.wav"] > 50


def test_an_explicit_id_that_was_given_to_another_file_does_not_merge_the_two(ledger: Ledger) -> None:
    """Two files with one id share one path in the plan: one of the sounds would silently stand for both.

    The given id must stay and the explicit one must be kept: so this has to be refused.
    """
    ledger.ids("/a.wav")
    found = [1, 2]
    with contextlib.suppress(Sp404Error):
        known = ledger.begin({"source": "/a.wav", "title": "kick"}, {"source": "/b.wav", "title": "kick", "sample_id": 1})
        found = known.rows["sample_id"].to_list()
    assert len(set(found)) == 2, found


def test_kits_keep_their_ids(ledger: Ledger) -> None:
    def kits(*names: str) -> dict[str, int]:
        rows = ledger.begin(*({"source": "/a.wav", "kit": name, "bank": "A", "pad": 1} for name in names)).rows
        return dict(rows.select("kit", "kit_id").iter_rows())

    first = kits("Dusty", "Live")
    assert sorted(first.values()) == [1, 2]
    assert kits("New", "Live", "Dusty") == first | {"New": 3}
    # In another spelling, too.
    assert kits("NEW", "live", "D\xa0usty", "_dusty ") == {"NEW": 3, "live": 2, "D\xa0usty": 4, "_dusty ": 1}
    assert ledger.ask("SELECT id, name FROM kits ORDER BY id") == [(1, "Dusty"), (2, "Live"), (3, "New"), (4, "D\xa0usty")]
    # Of two spellings that an older release took for two kits each keeps its id; any other is the older one.
    ledger.tell("INSERT INTO kits (id, name, created_at) VALUES (5, 'dusty', now())")
    assert kits("dusty") == {"dusty": 5}
    assert kits("Dusty") == {"Dusty": 1}
    assert kits("DUSTY") == {"DUSTY": 1}


def test_rows_without_a_kit_have_no_kit_id(ledger: Ledger) -> None:
    assert ledger.begin({"source": "/a.wav"}).rows["kit_id"].to_list() == [None]


def test_the_order_and_the_columns_of_the_rows_stay(ledger: Ledger) -> None:
    known = ledger.begin(*({"source": path, "genre": path[::-1]} for path in PATHS))
    assert known.rows["source"].to_list() == list(PATHS)
    assert known.rows["genre"].to_list() == [path[::-1] for path in PATHS]
    assert known.rows.schema["sample_id"] == known.rows.schema["kit_id"] == pl.Int64


def test_every_export_has_an_id_of_its_own(ledger: Ledger) -> None:
    given_ids = [ledger.begin({"source": "/a.wav"}).reservation.export_id for _ in range(4)]
    assert given_ids == sorted(set(given_ids))


@pytest.mark.slow
def test_exports_at_a_time_in_one_process_share_no_ids(ledger: Ledger) -> None:
    """``sp404 up`` runs REST and scheduled exports side by side; the file's lock does not hold within a process."""
    ledger.ids("/first.wav")

    def run(number: int) -> tuple[int | None, dict[str, int], int]:
        rows = [{"source": f"/{number}/{n}.wav", "kit": f"Kit {number}", "bank": "A", "pad": n + 1} for n in range(5)]
        known = ledger.begin(*rows)
        return known.reservation.export_id, dict(known.rows.select("source", "sample_id").iter_rows()), known.rows["kit_id"][0]

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(run, range(16)))
    assert len({export_id for export_id, _, _ in runs}) == 16
    by_path = {path: number for _, ids, _ in runs for path, number in ids.items()}
    assert len(by_path) == len(set(by_path.values())) == 80
    assert len({kit for _, _, kit in runs}) == 16
    assert ledger.ask("SELECT count(*), count(DISTINCT id) FROM given_ids") == [(81, 81)]


@pytest.mark.slow
def test_exports_at_a_time_in_two_processes_share_no_ids(ledger: Ledger) -> None:
    ledger.ids("/first.wav")
    code = (
        "import sys; from tests.support.exporting import Ledger; from tasks.store.export_records import ExportTarget\n"
        "from tasks.store.database import Database\n"
        "ledger = Ledger(ExportTarget(Database(sys.argv[1], 30.0), '/m.csv', '/out'))\n"
        "for n in range(4): ledger.ids(f'/{sys.argv[2]}/{n}.wav')\n"
    )
    commands = [[sys.executable, "-c", code, ledger.database.path, name] for name in ("one", "two")]
    children = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for command in commands]
    complaints = [child.communicate(timeout=40)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], complaints
    assert ledger.ask("SELECT count(*), count(DISTINCT id), count(DISTINCT file_path) FROM given_ids") == [(9, 9, 9)]


# ---- look ----


def test_looking_writes_nothing(ledger: Ledger) -> None:
    assert ledger.look({"source": "/a.wav", "kit": "K", "bank": "A", "pad": 1}).reservation == DRY_RUN
    assert not list(ledger.db.parent.iterdir())
    ledger.record({"source": "/a.wav"})
    before, files = ledger.db.read_bytes(), sorted(ledger.db.parent.iterdir())
    for _ in range(2):
        ledger.look({"source": "/a.wav"}, {"source": "/new.wav", "kit": "K", "bank": "A", "pad": 1})
    assert ledger.db.read_bytes() == before
    assert sorted(ledger.db.parent.iterdir()) == files


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    Ledger(ExportTarget(Database(str(tmp_path / "a/b/r.duckdb"), 1.0), "/m.csv", "/out")).look({"source": "/a.wav"})
    assert not (tmp_path / "a").exists()


def test_looking_shows_what_the_next_export_will_have(ledger: Ledger) -> None:
    rows = [{"source": path, "kit": f"Kit {n}", "bank": "A", "pad": 1} for n, path in enumerate(PATHS)]
    assert ledger.look(*rows).rows.equals(ledger.begin(*rows).rows)
    more = [{"source": "/more.wav"}, {"source": "/x.wav", "sample_id": 70}, *rows]
    assert ledger.look(*more).rows.equals(ledger.begin(*more).rows)
