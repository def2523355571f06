"""Databases of earlier versions, with rows in all their tables, opened by this one."""

import re
from pathlib import Path

import duckdb
import pytest

from tasks.store import database_file, history
from tasks.store.database import Database
from tests.support.nightly import Nightly, statuses

_NOTHING = {"output_bytes": 0, "output_frames": 0, "conversion_seconds": 0}
_REJECTED = {"status": "rejected", "conversion_successful": False, "manifest_line": 4, "owns_output": False, **_NOTHING}
_FOLDER = Path(database_file.__file__).parent / "migrations"
_TIME = "2025-03-01 04:05:06"
_EXPORT = {"id": 1, "user_id": 7, "export_type": "batch", "sample_count": 3, "total_size_bytes": 100, "label": "mine"}
_EXPORT |= {"export_duration_seconds": 1.5, "created_at": _TIME, "run_by": "sp404"}


def old_database(path: Path, version: int, *statements: str) -> None:
    """Make a database as ``version`` had it, by the very statements of then, and fill it."""
    with duckdb.connect(str(path)) as connection:
        for file in sorted(_FOLDER.glob("*.sql"))[:version]:
            connection.execute(file.read_text(encoding="utf-8"))
            connection.execute("INSERT INTO schema_version VALUES (?)", [int(file.name[:4])])
        for statement in statements:
            connection.execute(statement)


def put(table: str, **values: object) -> str:
    """Return the statement that adds a row."""
    return f"INSERT INTO {table} BY NAME SELECT {', '.join(f'{value!r} AS {name}' for name, value in values.items())}"


def done(export_id: int, number: int, **values: object) -> str:
    """Return the statement that adds what became of a sample."""
    ended = {"export_id": export_id, "sample_id": number, "manifest_line": number, "status": "exported"}
    return put("sp404_export_samples", **ended, **values, conversion_successful=True, owns_output=True, **_NOTHING)


def test_a_database_of_the_first_schema(night: Nightly) -> None:
    """Its history, ids, kits and preferences stay; its files are ours, and converted once more, for it knew no hashes."""
    night.columns = tuple(column for column in night.columns if column != "sample_id")
    paths = []
    for number, name in enumerate(("kick", "snare")):
        night.add(f"{name}.wav", 300 + 100 * number, title=name.title(), genre="house", kit="Dusty", bank="A", pad=number + 1)
        paths.append(night.lib / f"{name}.wav")
    night.db.unlink()
    export = {"output_path": str(night.out), "organized_by": "genre", "format": "wav", "manifest_path": str(night.manifest)}
    old_database(
        night.db,
        1,
        "UPDATE user_preferences SET sp404_include_metadata = FALSE, sp404_default_organization = 'genre'",
        "SELECT nextval('export_ids')",
        put("users", id=7, name="Seven"),
        put("kits", id=5, name="Dusty", created_at=_TIME),
        put("sp404_exports", **export, **_EXPORT),
        put(
            "sp404_export_samples",
            export_id=1,
            status="rejected",
            conversion_successful=False,
            manifest_line=4,
            owns_output=False,
            **_NOTHING,
        ),
        put("export_rejects", export_id=1, manifest_line=4, column_name="bpm", value="fast", rule="must be a number", fix="x"),
        *(
            statement
            for number, path in zip((41, 42), map(str, paths), strict=True)
            for statement in (
                put("samples", id=number, file_path=path, title="T", genre="house", bpm=90, updated_at=_TIME),
                put("given_ids", id=number, file_path=path),
                put("kit_samples", kit_id=5, sample_id=number, bank="A", pad=number - 40),
                done(1, number, source_path=path, output_filename=Path(path).name, output_subfolder="house"),
            )
        ),
    )
    with duckdb.connect(str(night.db)) as connection:
        counts = connection.execute("SELECT table_name, estimated_size FROM duckdb_tables()").fetchall()
        assert all(count for _, count in counts), "every table of then has rows"
    (before,) = history.exports(Database(str(night.db), 5), user_id=7, export_id=None, most=None)
    assert (before["id"], before["exported"], before["rejected"], before["label"]) == (1, 2, 1, "mine")
    assert history.preferences_at(str(night.db), 5)["organize_by"] == "genre"
    # The files of then: no hash of them is known, and yet they are ours to replace.
    (night.out / "house").mkdir(parents=True)
    for name in ("kick", "snare"):
        (night.out / f"house/{name}.wav").write_bytes(b"the sound of then")
    batch = night.export()
    assert (batch.export_id, statuses(batch)) == (2, ["exported"] * 2)
    assert sorted(result.sample_id or 0 for result in batch.results) == [41, 42]
    assert night.paths() == {"house/kick.wav", "house/snare.wav"}
    night.add("new.wav", 800, title="New", genre="house", kit="Later", bank="A", pad=1)
    batch = night.export()
    assert statuses(batch) == ["unchanged", "unchanged", "exported"]
    assert batch.results[-1].sample_id == 43
    assert night.ask("SELECT id, name FROM kits ORDER BY id") == [(5, "Dusty"), (6, "Later")]
    assert night.ask("SELECT kit_id, sample_id, pad FROM kit_samples ORDER BY ALL") == [(5, 41, 1), (5, 42, 2), (6, 43, 1)]
    assert night.ask("SELECT name FROM users WHERE id = 7") == [("Seven",)]
    assert night.ask("SELECT value, rule FROM export_rejects") == [("fast", "must be a number")]


def test_what_was_doubled_is_told_apart(tmp_path: Path) -> None:
    """What earlier versions left after a database was lost, begun anew, and repaired later."""
    path = tmp_path / "r.duckdb"

    kits = [(1, "Dusty", 1), (1, "Live", 2), (1, "Dusty", 3), (2, "Live", 3), (3, "Own", 3)]
    given = [("/a", 1), ("/b", 1), ("/c", 7), ("/c", 3), ("/old", 4), ("/new", 4)]
    samples = [(1, "/a", 1), (1, "/b", 2), (3, "/c", 1), (4, "/new", 1)]
    pads = [(1, 1, "A", 1), (1, 2, "A", 2), (2, 1, "A", 9), (3, 9, "B", 1)]
    output = {"output_path": "/out", "export_id": 1, "manifest_path": "/m", "organized_by": "flat", "format": "wav"}
    output |= {"status": "exported", **_NOTHING}
    old_database(
        path,
        8,
        *(put("kits", id=number, name=name, created_at=f"2025-0{month}-01") for number, name, month in kits),
        *(put("kit_samples", kit_id=kit, sample_id=number, bank=bank, pad=pad) for kit, number, bank, pad in pads),
        *(
            done(export_id, number, kit=kit, bank="A", pad=pad)
            for export_id, kit, number, pad in ((1, "Dusty", 1, 1), (2, "Live", 2, 5), (3, "Live", 2, 6))
        ),
        *(put("given_ids", file_path=source, id=number) for source, number in given),
        *(
            put("samples", id=number, file_path=source, title="t", updated_at=f"2025-01-0{day}")
            for number, source, day in samples
        ),
        *(put("outputs", **output, sample_id=number, path=source, source_path=source) for number, source, _ in samples),
        *(put("cards", id="c", root=root, seen_at=f"2025-01-0{day}") for root, day in (("/x", 1), ("/y", 2))),
        *(put("users", id=7, name=name) for name in "ab"),
    )
    with Database(str(path), 5).connect():
        pass
    with duckdb.connect(str(path)) as connection:

        def ask(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query).fetchall()

        assert ask("SELECT id, name FROM kits ORDER BY id") == [(1, "Dusty"), (3, "Own"), (4, "Live")]
        assert ask("SELECT kit_id, sample_id, bank, pad FROM kit_samples ORDER BY ALL") == [
            *((1, 1, "A", 1), (3, 9, "B", 1), (4, 2, "A", 6)),
        ]
        # The older of two files of one id is given a new one by its next export; a moved one keeps it.
        assert ask("SELECT file_path, id FROM given_ids ORDER BY ALL") == [("/b", 1), ("/c", 3), ("/new", 4), ("/old", 4)]
        assert ask("SELECT id, file_path FROM samples ORDER BY id") == [(1, "/b"), (3, "/c"), (4, "/new")]
        assert ask("SELECT root FROM cards") == [("/y",)]
        assert ask("SELECT count(*) FROM users WHERE id = 7") == [(1,)]
        for table, values in (("kits", "3, 'Other', now(), 90"), ("kits", "9, 'Own', now(), 90"), ("given_ids", "'/c', 9")):
            with pytest.raises(duckdb.ConstraintException, match=re.escape("Duplicate key")):
                connection.execute(f"INSERT INTO {table} VALUES ({values})")
