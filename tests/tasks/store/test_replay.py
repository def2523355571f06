"""A database that is gone, or older than what its exports left beside it: no id is given twice, nothing begun in silence."""

import logging
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from unittest.mock import ANY

import pytest

from flows.export import pipeline
from schemas.errors import DatabaseError
from tasks.store import repair
from tasks.store.database import Database
from tests.support import ROOT
from tests.support.command_line import Run, one_clear_error
from tests.support.nightly import Nightly, statuses, tree

# Ids of rows count on, and times are of now.
_TABLES = {
    "given_ids": "*",
    "kits": "id, name",
    "kit_samples": "*",
    "outputs": "*",
    "sp404_exports": "*",
    "sp404_export_samples": "* EXCLUDE id",
    "samples": "* EXCLUDE updated_at",
    "export_rejects": "*",
    "export_parts": "*",
}


def records(nightly: Nightly) -> dict[str, list[tuple[object, ...]]]:
    return {table: nightly.ask(f"SELECT {columns} FROM {table} ORDER BY ALL") for table, columns in _TABLES.items()}


def database(nightly: Nightly) -> Database:
    return Database(str(nightly.db), 5)


def new_ids(nightly: Nightly) -> None:
    """Let the manifest give no ids."""
    nightly.columns = tuple(column for column in nightly.columns if column != "sample_id")


@pytest.fixture
def kits(night: Nightly) -> Nightly:
    """A library without ids in the manifest, with one kit; exported once."""
    new_ids(night)
    for n in range(3):
        night.add(f"s{n}.wav", 300 + 20 * n, kit="Dusty", bank="A", pad=n + 1)
    night.export(include_metadata=False)
    return night


def test_a_database_that_is_gone_is_not_begun_anew_in_silence(kits: Nightly, sp404: Run) -> None:
    """The error says both ways out, and both lead out."""
    kits.db.unlink()
    before, options = tree(kits.folder), ("--db", kits.db)
    export = ("export", kits.manifest, "--direct", "--no-metadata", "--out", kits.out, *options)
    for command in (export, ("plan", *export[1:2], "--out", kits.out, *options), ("history", *options), ("verify", *options)):
        one_clear_error(sp404(*command), 3, str(kits.db), "sp404 repair", f"move {kits.db.name}.runs away")
    assert tree(kits.folder) == before | {f"{kits.db.name}.runs/lock": ANY}
    kits.db.touch()
    one_clear_error(sp404(*export), 3, "it is empty", "sp404 repair")
    assert sp404("repair", *options).status == 0
    batch = kits.export(include_metadata=False)
    assert (batch.export_id, batch.unchanged) == (2, 3)
    kits.db.unlink()
    shutil.move(f"{kits.db}.runs", kits.folder / "elsewhere")
    assert kits.export(include_metadata=False, whole=False).export_id == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_empty", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_database_from_a_backup_catches_up(
    kits: Nightly, template: Path, caplog: pytest.LogCaptureFixture, is_empty: bool
) -> None:
    """All that the exports since then recorded is in it again before the next one begins."""
    backup = template.read_bytes() if is_empty else kits.db.read_bytes()
    kits.add("new.wav", 900, kit="Live", bank="A", pad=1)
    kits.rows[0]["title"] = "other"
    (kits.lib / "deep").mkdir()
    (kits.lib / "s1.wav").rename(kits.lib / "deep/s1.wav")
    kits.rows[1]["file_path"] = "deep/s1.wav"
    kits.export(include_metadata=False)
    del kits.rows[2]
    kits.export(include_metadata=False, prune=True)
    before = records(kits)
    kits.db.write_bytes(backup)
    pipeline.catch_up(database(kits))
    assert records(kits) == before
    assert f"exports {1 if is_empty else 2} to 3 are in it again" in caplog.text
    caplog.clear()
    kits.add("newer.wav", 950, kit="Late", bank="A", pad=1)
    batch = kits.export(include_metadata=False)
    assert (batch.export_id, statuses(batch)) == (4, ["unchanged"] * 3 + ["exported"])
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert kits.ask("SELECT name, id FROM kits ORDER BY id") == [("Dusty", 1), ("Live", 2), ("Late", 3)]
    assert kits.ask("SELECT id FROM given_ids WHERE file_path LIKE '%newer.wav'") == [(5,)]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["error", "kill"])
def test_ids_of_an_export_that_ended_as_it_began(kits: Nightly, end: str) -> None:
    """They were written down, but not committed: afterwards no two files have one of them."""
    kits.add("a.wav", 700)
    kits.write()
    code = (
        "import os, sys; from tasks.store import run_folder; from flows.cli import main\n"
        "from schemas.errors import DiskFullError\n"
        "real = run_folder.write_given\n"
        "def write_and_end(*given):\n"
        "    real(*given)\n"
        f"    {'os.kill(os.getpid(), 9)' if end == 'kill' else 'raise DiskFullError(path=str())'}\n"
        "run_folder.write_given = write_and_end\n"
        "main.main()"
    )
    command = ("export", kits.manifest, "--direct", "--out", kits.out, "--db", kits.db)
    status = subprocess.run([sys.executable, "-c", code, *map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, check=False)
    assert status.returncode == (-9 if end == "kill" else 3), status.stderr
    kits.rows[-1]["file_path"] = kits.sound("b.wav", 710).name
    kits.export(include_metadata=False)
    repair.repair(database(kits), force=True)
    ids = dict(kits.ask("SELECT file_path, id FROM given_ids"))
    assert ids[str(kits.lib / "b.wav")] in (4, 5)
    assert len(set(ids.values())) == len(ids) == (5 if end == "kill" else 4)


@pytest.mark.slow
def test_what_an_earlier_version_doubled_is_told_apart(kits: Nightly, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database was gone, another library was exported with a new one, and then somebody thought of repair."""
    kits.db.write_bytes(template.read_bytes())
    other = Nightly(kits.folder / "other", kits.spy)
    new_ids(other)
    other.db = kits.db
    for n in range(3):
        other.add(f"o{n}.wav", 600 + 20 * n, kit="Live", bank="B", pad=n + 1)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "catch_up", lambda _: None)
        assert other.export(include_metadata=False).export_id == 2
    assert repair.repair(database(kits), force=True).losses == []
    assert kits.ask("SELECT id, name FROM kits ORDER BY id") == [(1, "Dusty"), (2, "Live")]
    for nightly in (kits, other, kits):
        batch = nightly.export(include_metadata=False)
        assert set(statuses(batch)) == {"unchanged"}
    holders = defaultdict(set)
    for path, number in kits.ask("SELECT source_path, sample_id FROM outputs"):
        holders[number].add(path)
    assert len(holders) == 6, holders
    assert kits.ask("SELECT kit_id, count(*) FROM kit_samples GROUP BY ALL ORDER BY ALL") == [(1, 3), (2, 3)]


def test_a_lost_database_is_an_error_for_every_reader(kits: Nightly) -> None:
    kits.db.unlink()
    with pytest.raises(DatabaseError, match="is gone"), database(kits).connect():
        pass
    assert not kits.db.exists()
