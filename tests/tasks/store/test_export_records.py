"""What an export leaves in DuckDB, asked by the contract's own queries and counted again in plain Python."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.enums import OrganizeBy, Status
from schemas.errors import AccountingError, DatabaseError
from schemas.export import ExportConfig, ExportRequest
from tasks.store import export_records, history
from tasks.store.database import Database
from tests.support import audio
from tests.support.exporting import Ledger, exported, failed

# Contract, section 5: as they are written there.
OF_USER = "SELECT * FROM sp404_exports WHERE user_id = ? ORDER BY created_at DESC;"
SAMPLES_OF = "SELECT s.* FROM samples s JOIN sp404_export_samples es ON s.id = es.sample_id WHERE es.export_id = ?;"
EXPORTS_OF = "SELECT e.* FROM sp404_exports e JOIN sp404_export_samples es ON e.id = es.export_id WHERE es.sample_id = ?;"
FAILED = "SELECT * FROM sp404_export_samples WHERE conversion_successful = FALSE;"
TABLES = {
    "sp404_exports": "id user_id export_type sample_count output_path organized_by format total_size_bytes "
    "export_duration_seconds created_at",
    "sp404_export_samples": "id export_id sample_id output_filename output_subfolder conversion_successful error_message",
    "samples": "id",
    "kits": "id",
    "kit_samples": "kit_id sample_id bank pad",
    "users": "id",
    "user_preferences": "id sp404_export_format sp404_default_organization sp404_sanitize_filenames "
    "sp404_include_metadata sp404_export_base_path",
}

ROWS: tuple[dict[str, Any], ...] = (
    {"source": "/l/kick.wav", "genre": "hip-hop", "bpm": 90.0, "kit": "K", "bank": "A", "pad": 1},
    {"source": "/l/kick.wav", "genre": "hip-hop", "bpm": 90.0, "kit": "K", "bank": "B", "pad": 2},
    {"source": "/l/snare.wav", "genre": "hip-hop", "bpm": 110.0},
    {"source": "/l/short.wav", "genre": None, "bpm": None},
    {"source": "/l/broken.wav", "genre": "house", "bpm": 128.5, "kit": "L", "bank": "A", "pad": 1},
    {"source": "/l/pad.wav", "genre": None, "bpm": 300.0},
)
OUTCOMES = {
    "/l/short.wav": failed,
    "/l/broken.wav": partial(failed, reason="load_failed", seconds=0.5),
    "/l/pad.wav": partial(exported, bytes=1_000, seconds=2.0),
}
REJECTS = ({"line": 20}, {"line": 20, "column": "pad"}, {"line": 21, "sample_id": 77, "kit": "K"})


def test_the_tables_and_columns_of_the_seed(ledger: Ledger) -> None:
    ledger.begin({"source": "/a.wav"})
    for table, columns in TABLES.items():
        ledger.ask(f"SELECT {', '.join(columns.split())} FROM {table}")
    assert ledger.ask("SELECT id FROM users") == [(1,)]


def test_one_row_for_the_export_and_one_for_every_manifest_row(ledger: Ledger) -> None:
    made = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    assert ledger.ask("SELECT id, sample_count FROM sp404_exports") == [(made.id, 8)]
    lines = ledger.ask("SELECT manifest_line, status FROM sp404_export_samples ORDER BY manifest_line")
    assert [line for line, _ in lines] == [2, 3, 4, 5, 6, 7, 20, 21]
    assert [status for _, status in lines] == ["exported"] * 3 + ["failed"] * 2 + ["exported"] + ["rejected"] * 2
    assert ledger.ask("SELECT count(*), count(DISTINCT id) FROM sp404_export_samples") == [(8, 8)]
    assert ledger.ask("SELECT manifest_line, column_name FROM export_rejects ORDER BY ALL") == [
        (20, "bpm"),
        (20, "pad"),
        (21, "bpm"),
    ]


def test_the_four_queries_of_the_contract(ledger: Ledger) -> None:
    first = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    second = ledger.record(*ROWS[:3], user_id=8)
    third = ledger.record(*ROWS)
    assert [row[0] for row in ledger.ask(OF_USER, 1)] == [third.id, first.id]
    assert [row[0] for row in ledger.ask(OF_USER, 8)] == [second.id]
    assert sorted(row[0] for row in ledger.ask(SAMPLES_OF, second.id)) == [1, 1, 2]
    assert sorted(row[0] for row in ledger.ask(EXPORTS_OF, 2)) == [first.id, second.id, third.id]
    found = ledger.ask(FAILED)
    assert len(found) == 4
    assert {row[1] for row in found} == {first.id}


def test_what_is_recorded_of_a_sample(ledger: Ledger) -> None:
    made = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    select = "SELECT output_subfolder, output_filename, conversion_successful, error_message, reason, fix"
    query = f"{select} FROM sp404_export_samples WHERE export_id = ? AND manifest_line = ?"
    assert ledger.ask(query, made.id, 4) == [("", "snare.wav", True, None, None, None)]
    assert ledger.ask(query, made.id, 5) == [("", "short.wav", False, "It is too_short", "too_short", "Mend it.")]
    (rejected,) = ledger.ask(query, made.id, 20)
    assert rejected[:3] == (None, None, False)
    assert rejected[3] == "Line 20: bpm 'fast': must be a number; pad 'fast': must be a number"
    assert ledger.ask("SELECT sample_id FROM sp404_export_samples WHERE status = 'rejected' ORDER BY manifest_line") == [
        (None,),
        (77,),
    ]
    sample = "SELECT file_path, title, genre, bpm, source_format, source_subtype, source_rate_hz FROM samples WHERE id = 2"
    assert ledger.ask(sample) == [("/l/snare.wav", "snare", "hip-hop", 110.0, "wav", "PCM_24", 44_100)]


def test_the_time_is_utc(ledger: Ledger) -> None:
    ledger.record(*ROWS)
    ((created,),) = ledger.ask("SELECT created_at FROM sp404_exports")
    assert abs(datetime.now(UTC).replace(tzinfo=None) - created) < timedelta(seconds=30)


@pytest.mark.slow
def test_a_sample_is_one_row_and_follows_the_manifest(ledger: Ledger) -> None:
    ledger.record({"source": "/a.wav", "title": "Old", "bpm": 90.0}, {"source": "/b.wav"})
    ledger.record({"source": "/a.wav", "title": "New", "bpm": None}, outcomes={"/a.wav": failed})
    assert ledger.ask("SELECT id, title, bpm, source_rate_hz FROM samples ORDER BY id") == [
        (1, "New", None, 44_100),
        (2, "b", None, 44_100),
    ]


@pytest.mark.slow
def test_the_slots_of_a_kit_are_those_of_its_last_export(ledger: Ledger) -> None:
    ledger.record(*ROWS)
    ledger.record({"source": "/l/hat.wav", "kit": "K", "bank": "J", "pad": 16})
    slots = ledger.ask("SELECT k.name, ks.bank, ks.pad FROM kit_samples ks JOIN kits k ON k.id = ks.kit_id ORDER BY ALL")
    assert slots == [("K", "J", 16), ("L", "A", 1)]


@pytest.mark.slow
def test_an_export_of_one_sample_does_not_empty_its_kit(tmp_path: Path) -> None:
    """``--sample`` selects rows of the manifest; the kit in the manifest is still whole."""
    from flows.export.threads import export_directly

    for number in (1, 2, 3):
        audio.write(tmp_path / f"{number}.wav", audio.noise(4_800, seed=number), 48_000, "WAV", "PCM_16")
    lines = [f"{number},{number}.wav,K,A,{number}" for number in (1, 2, 3)]
    (tmp_path / "m.csv").write_text("\n".join(["sample_id,file_path,kit,bank,pad", *lines]) + "\n")
    config = ExportConfig(organize_by=OrganizeBy.KIT, output_base_path=str(tmp_path / "out"))
    request = ExportRequest(manifest=str(tmp_path / "m.csv"), config=config, db=str(tmp_path / "r.duckdb"), workers=1)
    ledger = Ledger(export_records.ExportTarget(Database(str(tmp_path / "r.duckdb"), 1.0), "", ""))
    for chosen in ((), (2,)):
        export_directly(request.model_copy(update={"sample_ids": chosen}))
        assert ledger.ask("SELECT sample_id, bank, pad FROM kit_samples ORDER BY ALL") == [
            (1, "A", 1),
            (2, "A", 2),
            (3, "A", 3),
        ]


# ---- what stands below the output folder ----


def outputs(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Who the next export takes each path to be written by."""
    found = ledger.look({"source": "/c.wav"}).outputs
    return sorted(found.select("path", "sample_id", "source_path", "same_manifest").rows())


def test_the_last_to_write_a_path_holds_it(ledger: Ledger) -> None:
    ledger.record({"source": "/a/kick.wav"}, {"source": "/b/kick.wav"}, {"source": "/no.wav"}, outcomes={"/no.wav": failed})
    assert outputs(ledger) == [("kick.wav", 1, "/a/kick.wav", True), ("kick_b.wav", 2, "/b/kick.wav", True)]
    assert ledger.begin({"source": "/c.wav"}).outputs["path"].sort().to_list() == ["kick.wav", "kick_b.wav"]
    other = Ledger(replace(ledger.target, manifest="/other.csv"))
    assert outputs(other) == [("kick.wav", 1, "/a/kick.wav", False), ("kick_b.wav", 2, "/b/kick.wav", False)]
    elsewhere = Ledger(replace(ledger.target, output="/elsewhere"))
    assert outputs(elsewhere) == []


@pytest.mark.slow
def test_a_path_is_written_down_once_however_often_it_is_written(ledger: Ledger) -> None:
    ledger.record({"source": "/a.wav"}, {"source": "/b.wav"})
    second = ledger.record({"source": "/b.wav"}, {"source": "/a.wav"})
    assert ledger.ask("SELECT path, export_id FROM outputs ORDER BY path") == [("a.wav", second.id), ("b.wav", second.id)]


@pytest.mark.slow
def test_what_failed_later_still_stands_there(ledger: Ledger) -> None:
    """A conversion that fails leaves the file of the export before it: it is there, and ours."""
    first = ledger.record({"source": "/a.wav"})
    ledger.record({"source": "/a.wav"}, outcomes={"/a.wav": failed})
    assert ledger.ask("SELECT path, export_id FROM outputs") == [("a.wav", first.id)]


@pytest.mark.slow
def test_a_file_that_moved_is_held_by_its_new_path_alone(ledger: Ledger) -> None:
    ledger.record({"source": "/a.wav", "title": "old"})
    ledger.record({"source": "/a.wav", "title": "new"}, outcomes={"/a.wav": partial(exported, moved_from="old.wav")})
    assert [path for path, *_ in outputs(ledger)] == ["new.wav"]


# ---- all or nothing ----


def counts(ledger: Ledger) -> tuple[int, ...]:
    """Rows of sp404_exports, of sp404_export_samples, and of the other tables that a record writes to."""
    tables = (
        *("sp404_exports", "sp404_export_samples", "samples", "kit_samples", "export_rejects", "users", "outputs"),
        "export_parts",
    )
    (row,) = ledger.ask(f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in tables)}")
    return row


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["rejects", "kit_samples", "export"])
def test_a_failing_record_leaves_nothing_behind(ledger: Ledger, broken: str) -> None:
    ledger.record({"source": "/before.wav"})
    before = counts(ledger)
    made = ledger.made(*ROWS, rejects=REJECTS, outcomes=OUTCOMES, user_id=5)
    asked = made.spec
    match broken:  # each breaks a NOT NULL or a CHECK of another table, after others were written
        case "rejects":
            asked = replace(asked, rejects=asked.rejects.with_columns(rule=pl.lit(None, pl.String)))
        case "kit_samples":
            asked = replace(asked, kit_rows=asked.kit_rows.with_columns(bank=pl.lit(None, pl.String)))
        case _:
            asked = replace(asked, export=asked.export | {"export_type": "heap"})
    with pytest.raises(DatabaseError) as caught:
        ledger.start(replace(made, spec=asked))
    assert caught.value.fix
    assert len(str(caught.value).splitlines()) == 1
    assert counts(ledger) == before
    ledger.write(made)  # and the next one goes through
    assert counts(ledger)[:2] == (before[0] + 1, before[1] + 8)


def test_a_part_that_cannot_be_recorded_leaves_nothing_behind(ledger: Ledger) -> None:
    made = ledger.made(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    ledger.start(made)
    before = counts(ledger)
    part = ledger.write_part(made)
    asked = replace(made.spec, export=made.spec.export | {"format": None})  # breaks a NOT NULL of the last table
    with pytest.raises(DatabaseError):
        export_records.add_parts(ledger.target, asked, [part])
    assert counts(ledger) == before
    export_records.add_parts(ledger.target, made.spec, [part])
    assert counts(ledger)[1] == before[1] + 6


@pytest.mark.slow
@pytest.mark.parametrize("off", [-1, 1])
def test_a_count_that_differs_is_an_accounting_error(ledger: Ledger, off: int) -> None:
    ledger.record({"source": "/before.wav"})
    made = ledger.made(*ROWS, rejects=REJECTS)
    made = replace(made, spec=replace(made.spec, export=made.spec.export | {"sample_count": 8 + off}))
    ledger.start(made)
    export_records.add_parts(ledger.target, made.spec, [ledger.write_part(made)])
    before = counts(ledger)
    with pytest.raises(AccountingError) as caught:
        ledger.finish(made)
    assert f"{8 + off} rows went in, but 8 were" in str(caught.value)
    assert counts(ledger) == before
    assert ledger.ask("SELECT finished_at FROM sp404_exports WHERE id = ?", made.id) == [(None,)]


def everything(ledger: Ledger) -> list[list[tuple[Any, ...]]]:
    """All rows of the tables that a record writes to, without what tells the time."""
    told = {
        "sp404_exports": "* EXCLUDE (created_at, finished_at)",
        "sp404_export_samples": "* EXCLUDE (id)",
        "samples": "* EXCLUDE (updated_at)",
        **dict.fromkeys(("kit_samples", "export_rejects", "users", "outputs"), "*"),
    }
    return [ledger.ask(f"SELECT {columns} FROM {table} ORDER BY ALL") for table, columns in told.items()]


@pytest.mark.slow
def test_an_export_is_not_recorded_twice(ledger: Ledger) -> None:
    """It can be started again: then it goes on. A part of it counts once."""
    made = ledger.made(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    ledger.start(made)
    part = ledger.write_part(made)
    for _ in range(2):
        export_records.add_parts(ledger.target, made.spec, [part])
    ledger.finish(made)
    before, rows = counts(ledger), everything(ledger)
    assert before[:2] == (1, 8)
    export_records.add_parts(ledger.target, made.spec, [part])
    assert everything(ledger) == rows
    ledger.write(made)
    assert counts(ledger)[:-1] == before[:-1]
    assert everything(ledger) == rows


def test_what_was_never_reached_is_accounted_for_with_its_reason(ledger: Ledger) -> None:
    """A run that ends before its parts came in: every row is there all the same."""
    made = ledger.made(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    reached = replace(made, outcomes=made.outcomes.filter(pl.col("path").str.contains("kick|short")))
    ledger.start(made)
    export_records.add_parts(ledger.target, made.spec, [ledger.write_part(reached)])
    ledger.finish(made, "the disk was full")
    lost = "SELECT manifest_line, status, reason FROM sp404_export_samples WHERE error_message LIKE '%the disk was full%'"
    assert sorted(ledger.ask(lost)) == [(line, "failed", "not_reached") for line in (4, 6, 7)]
    assert ledger.ask("SELECT count(*) FROM sp404_export_samples") == [(8,)]


@pytest.mark.slow
def test_records_at_a_time_in_one_process_are_all_kept(ledger: Ledger) -> None:
    """Of the same samples and the same kit, as two exports of one manifest have them."""
    made = [ledger.made(*ROWS, outcomes=OUTCOMES) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ledger.write, made))
    assert [row[0] for row in ledger.ask("SELECT id FROM sp404_exports ORDER BY id")] == [one.id for one in made]
    assert ledger.ask("SELECT count(*), count(DISTINCT id) FROM samples") == [(5, 5)]
    assert ledger.ask("SELECT count(*) FROM kit_samples") == [(3,)]
    assert ledger.ask("SELECT count(*) FROM sp404_export_samples") == [(36,)]


# ---- statistics ----


@pytest.mark.slow
def test_the_statistics_are_the_sums_of_a_plain_count(ledger: Ledger) -> None:
    for rows in (ROWS, ROWS[2:], ROWS[::-1]):
        ledger.record(*rows, rejects=REJECTS, outcomes=OUTCOMES)
    columns = "export_id, status, reason, genre, bpm_bucket, kit, output_bytes, conversion_seconds, owns_output"
    wanted: dict[tuple[Any, str, str], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for export_id, status, reason, genre, bucket, kit, size, seconds, owns in ledger.ask(
        f"SELECT {columns} FROM sp404_export_samples"
    ):
        shown = genre or (None if status == "rejected" else "unknown_genre")
        facts = {"status": status, "reason": reason, "genre": shown, "bpm_bucket": bucket, "kit": kit}
        for dimension, value in facts.items():
            if value is None:
                continue
            for of in (export_id, None):
                cell = wanted[of, dimension, value]
                cell[0] += 1
                cell[1] += size if owns else 0
                cell[2] += seconds if owns else 0
    found = {row[:3]: list(row[3:]) for row in ledger.ask("SELECT * FROM export_stats")}
    assert found.keys() == wanted.keys()
    for key, cell in wanted.items():
        assert found[key] == pytest.approx(cell), key


def test_the_statistics_agree_with_what_went_in(ledger: Ledger) -> None:
    """The same from the other side: rows, files and bytes as they were made up above."""
    made = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)

    def stat(dimension: str) -> dict[str, list[int]]:
        query = "SELECT value, samples, bytes FROM export_stats WHERE export_id = ? AND dimension = ?"
        return {value: rest for value, *rest in ledger.ask(query, made.id, dimension)}

    one = 192_044
    assert stat("status") == {"exported": [4, 2 * one + 1_000], "failed": [2, 0], "rejected": [2, 0]}
    assert stat("reason") == {"too_short": [1, 0], "load_failed": [1, 0], "rejected_bpm": [2, 0]}
    assert stat("genre") == {"hip-hop": [3, 2 * one], "unknown_genre": [2, 1_000], "house": [1, 0]}
    assert stat("bpm_bucket") == {"90-110": [2, one], "110-130": [2, one], "unknown_bpm": [1, 0], "fast": [1, 1_000]}
    assert stat("kit") == {"K": [3, one], "L": [1, 0]}
    (size,) = ledger.ask("SELECT total_size_bytes FROM sp404_exports")
    assert size == (2 * one + 1_000,)


# ---- history ----


def test_history_shows_exports_newest_first(ledger: Ledger) -> None:
    first = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    second = ledger.record(*ROWS[:1], user_id=8)

    def ids(**how: Any) -> list[int]:
        asked = {"user_id": None, "export_id": None, "most": 100} | how
        return [row["id"] for row in history.exports(ledger.database, **asked)]

    assert ids() == [second.id, first.id]
    assert ids(most=1) == [second.id]
    assert ids(user_id=1) == ids(export_id=first.id) == [first.id]
    assert ids(user_id=99) == []
    (row,) = history.exports(ledger.database, user_id=1, export_id=None, most=9)
    assert {name: row[name] for name in ("sample_count", *Status)} == {
        "sample_count": 8,
        "exported": 4,
        "unchanged": 0,
        "rejected": 2,
        "failed": 2,
    }


@pytest.mark.slow
def test_history_of_samples(ledger: Ledger) -> None:
    first = ledger.record(*ROWS, rejects=REJECTS, outcomes=OUTCOMES)
    second = ledger.record(*ROWS[:3])

    def lines(**how: Any) -> list[tuple[int, int]]:
        asked = {"user_id": None, "export_id": None, "sample_id": None, "failed_only": False, "most": 100} | how
        found = history.export_samples(ledger.database, **asked)
        return [(row["export_id"], row["manifest_line"]) for row in found]

    assert lines(export_id=second.id) == [(second.id, 2), (second.id, 3), (second.id, 4)]
    assert lines(failed_only=True) == [(first.id, line) for line in (5, 6, 20, 21)]
    assert lines(sample_id=2) == [(second.id, 4), (first.id, 4)]
    assert lines(user_id=3) == []
    assert len(lines(most=5)) == 5


def test_history_without_a_database_says_so(ledger: Ledger) -> None:
    with pytest.raises(DatabaseError, match="no such file") as caught:
        history.exports(ledger.database, user_id=None, export_id=None, most=1)
    assert "--db" in caught.value.fix
    assert not ledger.db.exists()


# ---- preferences ----


def test_preferences_are_one_row_of_what_is_set(ledger: Ledger) -> None:
    assert history.preferences(ledger.database) == {}
    assert not ledger.db.exists()
    ledger.begin({"source": "/a.wav"})
    assert history.preferences(ledger.database) == {}
    ledger.tell("UPDATE user_preferences SET sp404_export_format = 'aiff', sp404_include_metadata = FALSE WHERE id = 1")
    assert history.preferences(ledger.database) == {"format": "aiff", "include_metadata": False}
