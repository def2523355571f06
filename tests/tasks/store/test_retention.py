"""Old records go; files, ids, and what the next run and a repair go by stay."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import ExportRunningError
from tasks.store import retention, run_folder
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports
from tasks.store.repair import repair
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, tree
from tests.support.records import WRONG_LAST_STATUS

_NOW = datetime.now(UTC).replace(tzinfo=None)
_TOMORROW = _NOW + timedelta(days=1)


def _exports(night: Nightly) -> list[int]:
    return [number for (number,) in night.ask("SELECT id FROM sp404_exports ORDER BY id")]


def _lasting(night: Nightly) -> list[list[tuple[object, ...]]]:
    return [
        night.ask("SELECT * FROM given_ids ORDER BY id"),
        night.ask("SELECT output_path, path, file_hash, export_id FROM outputs ORDER BY path"),
    ]


def _forget(night: Nightly, before: datetime = _TOMORROW) -> list[int]:
    return retention.forget_before(Database(str(night.db), 1), before)


@pytest.fixture
def nights(night: Nightly) -> Nightly:
    """Four nights: all is new, nothing is, a sample is and one goes, nothing is."""
    night.checked = True
    night.columns = tuple(column for column in night.columns if column != "sample_id")
    for number in range(4):
        night.add(f"s{number}.wav", 300 + 20 * number, genre="house")
    night.add("bad.wav", 500, bpm="fast")
    night.export(organize_by="genre")
    night.export(organize_by="genre")
    night.rows[4]["bpm"] = ""
    del night.rows[0]
    night.export(organize_by="genre", prune=True)
    night.export(organize_by="genre")
    return night


@pytest.mark.slow
def test_the_newest_export_of_a_library_stays_and_no_file_is_touched(nights: Nightly) -> None:
    before, lasting = tree(nights.out), _lasting(nights)
    assert _forget(nights) == [1, 2, 3]
    assert _exports(nights) == [4]
    assert nights.ask("SELECT DISTINCT export_id FROM sp404_export_samples") == [(4,)]
    assert nights.ask("SELECT count(*) FROM export_rejects") == nights.ask("SELECT count(*) FROM export_parts") == [(0,)]
    assert tree(nights.out) == before
    assert _lasting(nights) == lasting
    assert nights.ask(WRONG_LAST_STATUS) == []
    again = nights.export(organize_by="genre")
    assert again.unchanged == again.total_requested == 4


@pytest.mark.slow
def test_what_is_young_stays(nights: Nightly) -> None:
    assert _forget(nights, _NOW - timedelta(hours=1)) == []
    assert _exports(nights) == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_repair_still_knows_all_files_and_ids(nights: Nightly) -> None:
    lasting = _lasting(nights)
    _forget(nights)
    assert run_folder.export_ids(Database(str(nights.db), 1)) == [1, 3, 4], "the night that changed nothing is gone"
    nights.db.unlink()
    repair(Database(str(nights.db), 1), force=True)
    assert _lasting(nights) == lasting


@pytest.mark.slow
def test_an_export_of_which_no_file_stands_is_gone_but_for_its_ids(nights: Nightly) -> None:
    nights.export(organize_by="genre", full=True)
    lasting = _lasting(nights)
    assert _forget(nights) == [1, 2, 3, 4]
    left = [
        path.name.rsplit("-", 1)[0] for path in run_folder.runs_folder(Database(str(nights.db), 1)).glob("export-[1-4]/**/*.*")
    ]
    assert left == ["ids"] * len(left)
    nights.db.unlink()
    repair(Database(str(nights.db), 1), force=True)
    assert _lasting(nights) == lasting


@pytest.mark.slow
def test_not_while_an_export_runs(nights: Nightly) -> None:
    with lock_exports(Database(str(nights.db), 1)), pytest.raises(ExportRunningError):
        retention.forget_before(Database(str(nights.db), 0), _TOMORROW)


@pytest.mark.slow
def test_the_command(nights: Nightly, sp404: Run) -> None:
    said = sp404("history", "--db", nights.db, "--prune-older-than", "0d")
    assert said.status == 0
    assert said.out.startswith("Removed the records of 3 exports from before ")
    for wrong in ("x", "3", "-1d", "1.5d", "99999d"):
        one_clear_error(sp404("history", "--db", nights.db, f"--prune-older-than={wrong}"), 2, "is not an age")
    one_clear_error(sp404("history", "--db", nights.db, "--prune-older-than", "1d", "--failed"), 2, "other options")
    one_clear_error(sp404("history", "--db", nights.folder / "no.duckdb", "--prune-older-than", "1d"), 3, "no such file")
