"""A database that is in use, is none, is not ours, or could not be made: one clear error with a fix, and the file as it was."""

import contextlib
import os
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from schemas.errors import DatabaseBusyError, DatabaseError, StatementError
from tasks.fs.atomic import is_part
from tasks.store import database_file, export_records, history
from tasks.store.database import Database
from tests.support import ROOT
from tests.support.exporting import Ledger, holder_command
from tests.support.waiting import comes_true

ROW = {"source": "/a.wav"}
Ways = dict[str, Callable[[Ledger], object]]
WAYS: Ways = {
    "begin": lambda ledger: ledger.begin(ROW),
    "look": lambda ledger: ledger.look(ROW),
    "preferences": lambda ledger: history.preferences(ledger.database),
    "history": lambda ledger: history.exports(ledger.database, user_id=None, export_id=None, most=1),
}


def refused(ledger: Ledger, way: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        WAYS[way](ledger)
    error = caught.value
    assert ledger.database.path in str(error)
    assert len(str(error).splitlines()) == 1
    assert error.fix
    assert error.exit_code == 3
    return error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("content", [b"file_path,title\nkick.wav,Kick\n", b"junk" * 10_000, bytes(20_000)])
def test_a_file_that_is_no_database(ledger: Ledger, way: str, content: bytes) -> None:
    ledger.db.write_bytes(content)
    refused(ledger, way)
    assert ledger.db.read_bytes() == content
    assert [path.name for path in ledger.db.parent.iterdir()] == [ledger.db.name]


@pytest.mark.parametrize("way", WAYS)
def test_a_database_of_sqlite_is_refused_without_a_download(ledger: Ledger, way: str) -> None:
    """DuckDB loads an extension from the internet for these, and then writes into them."""
    with sqlite3.connect(ledger.db) as connection:
        connection.execute("CREATE TABLE songs (id INTEGER)")
    connection.close()
    before = ledger.db.read_bytes()
    assert "download" not in str(refused(ledger, way))
    assert ledger.db.read_bytes() == before


@pytest.mark.parametrize("way", WAYS)
def test_a_folder(ledger: Ledger, way: str) -> None:
    ledger.db.mkdir()
    refused(ledger, way)
    assert not list(ledger.db.iterdir())


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_at_all(ledger: Ledger, kind: str) -> None:
    """A pipe would be waited for without end, a device has no end."""
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == "pipe":
            os.mkfifo(ledger.db)
        elif kind == "socket":
            bound.bind(str(ledger.db))
        else:
            ledger.db.symlink_to("/dev/zero")
        for way in WAYS:
            assert f"it is a {kind}" in str(refused(ledger, way))
    assert not ledger.db.is_file()


@pytest.mark.parametrize("left", [0, 4_096, 8_192])
def test_a_file_that_holds_nothing_is_none(ledger: Ledger, template: Path, left: int) -> None:
    """``touch``, or what a full disk left of DuckDB's three headers."""
    nothing = template.read_bytes()[:left]
    ledger.db.write_bytes(nothing)
    ledger.look(ROW)
    assert history.preferences_at(str(ledger.db), 1) == {}
    assert ledger.db.read_bytes() == nothing, "looking writes nothing"
    assert ledger.ids("/a.wav") == {"/a.wav": 1}
    assert ledger.ask("SELECT count(*) FROM given_ids") == [(1,)]


def test_a_disk_that_fills_while_the_database_is_made_leaves_no_file(ledger: Ledger) -> None:
    """The kernel refuses to write beyond so many bytes, at each place where DuckDB's file can end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 4_096, 8_192, 12_288, 100_000, 274_432):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(DatabaseError):
                ledger.begin(ROW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(ledger.db.parent.iterdir()) == []
    assert ledger.ids("/a.wav") == {"/a.wav": 1}


@pytest.mark.slow
def test_a_database_that_was_killed_while_it_was_made(ledger: Ledger) -> None:
    """No name that is not whole; and what was in the making is removed by the next run."""
    code = (
        "import os, sys; from tasks.store import database_file; from tasks.store.database import Database\n"
        "database_file._rename_into_place = lambda *_: os.kill(os.getpid(), 9)\n"
        "with Database(sys.argv[1], 1).connect(): pass"
    )
    assert subprocess.run([sys.executable, "-c", code, ledger.db], cwd=ROOT, check=False).returncode == -9
    (left,) = ledger.db.parent.iterdir()
    assert is_part(left.name)
    ledger.begin(ROW)
    assert sorted(path.name for path in ledger.db.parent.iterdir()) == ["records.duckdb", "records.duckdb.runs"]


@pytest.mark.slow
def test_a_database_that_several_make_at_once(ledger: Ledger) -> None:
    """All take the one that was there first: what is written into it stays."""
    code = (
        "import sys; from tests.support.exporting import Ledger; from tasks.store.export_records import ExportTarget\n"
        "from tasks.store.database import Database\n"
        "Ledger(ExportTarget(Database(sys.argv[1], 30.0), '/m.csv', '/out')).ids(sys.argv[2])\n"
    )
    commands = [[sys.executable, "-c", code, ledger.database.path, f"/{n}.wav"] for n in range(4)]
    children = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for command in commands]
    complaints = [child.communicate(timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, complaints
    assert ledger.ask("SELECT count(DISTINCT file_path), count(DISTINCT id) FROM given_ids") == [(4, 4)]


def test_a_folder_that_cannot_be_made(ledger: Ledger) -> None:
    ledger.db.write_text("a file")
    below = Ledger(replace(ledger.target, database=replace(ledger.database, path=f"{ledger.database.path}/r.duckdb")))
    refused(below, "begin")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_newer_schema_is_left_as_it_is(ledger: Ledger, way: str) -> None:
    ledger.begin(ROW)
    ledger.tell("INSERT INTO schema_version VALUES (9999)")
    before = ledger.db.read_bytes()
    error = refused(ledger, way)
    assert "newer" in str(error)
    assert "Update" in error.fix
    assert ledger.db.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_duckdb_of_another_program_is_left_as_it_is(ledger: Ledger, way: str) -> None:
    with duckdb.connect(str(ledger.db)) as connection:
        connection.execute("CREATE TABLE users (name VARCHAR)")
    refused(ledger, way)
    assert ledger.ask("SELECT table_name FROM duckdb_tables()") == [("users",)]


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_database_is_an_error_or_whole(ledger: Ledger, keep: float) -> None:
    ledger.record(*({"source": f"/{n}.wav"} for n in range(3_000)))
    whole = ledger.db.read_bytes()
    ledger.db.write_bytes(whole[: int(len(whole) * keep)])
    found = [8]
    with contextlib.suppress(DatabaseError):
        found = ledger.look({"source": "/7.wav"}).rows["sample_id"].to_list()
    assert found == [8]


def test_migrations_are_run_once(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.begin(ROW)
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "tasks/store/migrations").glob("*.sql"))
    assert ledger.ask("SELECT version FROM schema_version ORDER BY version") == [(number,) for number in numbers]


def test_a_missing_folder_is_made(ledger: Ledger) -> None:
    deep = Ledger(
        replace(ledger.target, database=replace(ledger.database, path=str(ledger.db.parent / "a" / "b" / "r.duckdb")))
    )
    assert deep.ids("/a.wav") == {"/a.wav": 1}


# ---- in use ----


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_another_process_holds_the_database(ledger: Ledger, way: str) -> None:
    ledger.begin(ROW)
    short = Ledger(replace(ledger.target, database=ledger.database.waiting(0.3)))
    with subprocess.Popen(holder_command(ledger.db), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        started = time.monotonic()
        with pytest.raises(DatabaseBusyError) as caught:
            WAYS[way](short)
        assert 0.3 <= time.monotonic() - started < 3
        holder.stdin.close()
        assert ledger.database.path in str(caught.value)
        assert caught.value.fix
        assert (caught.value.exit_code, caught.value.reason) == (3, "database_locked")
    assert WAYS[way](short) is not None


@pytest.mark.slow
def test_the_wait_ends_when_the_database_is_let_go(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tasks.store.database_file._SAY_SECONDS", 0.1)
    first = ledger.ids("/a.wav")
    patient = Ledger(replace(ledger.target, database=ledger.database.waiting(20.0)))
    command = holder_command(ledger.db, after_seconds=0.5)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.stdin.close()
        started = time.monotonic()
        assert patient.ids("/a.wav") == first
        assert 0.3 < time.monotonic() - started < 10
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("Waiting for the database, held by ")
    assert f"(PID {holder.pid})" in said


@pytest.mark.slow
def test_connections_are_short(ledger: Ledger) -> None:
    """Between our statements another process can open the database."""
    ledger.record(ROW)
    with subprocess.Popen(holder_command(ledger.db), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.stdin.close()
    assert holder.returncode == 0


@pytest.mark.slow
def test_nothing_stands_beside_the_database(ledger: Ledger) -> None:
    """No write-ahead log and no lock file is left; only the folder with the parts that records can be made again from."""
    ledger.record(ROW)
    assert sorted(path.name for path in ledger.db.parent.iterdir()) == ["records.duckdb", "records.duckdb.runs"]


@pytest.mark.slow
def test_threads_hand_an_open_database_on_and_other_processes_still_get_in(ledger: Ledger) -> None:
    """Twenty threads ask without a pause; meanwhile other processes open the same file again and again."""
    ledger.begin(ROW)
    ended, answers = threading.Event(), Counter[str]()

    def ask() -> None:
        while not ended.is_set():
            with Database(str(ledger.db), 30).connect() as connection:
                answers["given"] += connection.execute("SELECT 1").fetchall() == [(1,)]

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    code = (
        "import sys; from tasks.store import history; from tasks.store.database import Database\n"
        f"for _ in range(3): history.exports(Database({str(ledger.db)!r}, 20), user_id=None, export_id=None, most=1)"
    )
    try:
        others = [subprocess.run([sys.executable, "-c", code], timeout=90, check=False).returncode for _ in range(2)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert others == [0, 0]
    assert answers["given"] > len(threads)
    duckdb.connect(str(ledger.db)).close()
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.slow
def test_a_database_that_is_replaced_while_others_wait_is_opened_anew(ledger: Ledger) -> None:
    """Who waits must not be given what the file was before."""
    ledger.begin(ROW)
    entered, may_go, seen = threading.Event(), threading.Event(), []

    def replace_it() -> None:
        with Database(str(ledger.db), 30).connect():
            entered.set()
            may_go.wait(30)
            ledger.forget_database()

    def look() -> None:
        with Database(str(ledger.db), 30).connect() as connection:
            seen.append(connection.execute("SELECT count(*) FROM given_ids").fetchall())

    first, second = threading.Thread(target=replace_it), threading.Thread(target=look)
    first.start()
    entered.wait(30)
    second.start()
    time.sleep(0.2)
    may_go.set()
    first.join()
    second.join()
    assert seen == [[(0,)]]


# ---- held open ----


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are opened, as they are opened. What is held stays open, however slow this machine is."""
    monkeypatch.setattr("tasks.store.database._IDLE_SECONDS", 120.0)
    opened: list[str] = []
    attach = database_file._attach

    def counted(path: str) -> database_file.OpenFile:
        opened.append(path)
        return attach(path)

    monkeypatch.setattr(database_file, "_attach", counted)
    return opened


def holding(database: Database) -> int:
    """How many connections one can make, one after another."""
    for _ in range(5):
        with database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM schema_version").fetchall()
    return 5


def is_free(database: Database) -> bool:
    """Whether another process can open the database at once."""
    code = "import sys, duckdb; duckdb.connect(sys.argv[1]).close()"
    return subprocess.run([sys.executable, "-c", code, database.path], stderr=subprocess.PIPE, check=False).returncode == 0


def test_connections_within_a_hold_open_the_database_once(ledger: Ledger, openings: list[str]) -> None:
    database = ledger.database
    assert holding(database) == len(openings) == 5
    openings.clear()
    with database.hold():
        assert openings == []
        holding(database)
        ledger.record(ROW)
        ledger.look(ROW)
        assert openings == [database.path]
        assert not is_free(database)
    assert is_free(database)


@pytest.mark.slow
def test_a_handle_of_the_same_file_shares_the_hold(ledger: Ledger, openings: list[str]) -> None:
    link = ledger.db.with_name("link.duckdb")
    link.symlink_to(ledger.db)
    with ledger.database.hold(), ledger.database.waiting(1.0).hold():
        holding(ledger.database.waiting(2.0))
        holding(Database(str(link), 1.0))
    assert len(openings) == 1
    assert is_free(ledger.database)


@pytest.mark.slow
def test_holds_nest(ledger: Ledger, openings: list[str]) -> None:
    database = ledger.database
    with database.hold():
        holding(database)
        with database.hold():
            holding(database)
        assert not is_free(database), "the outer hold goes on"
        holding(database)
    assert len(openings) == 1
    assert is_free(database)


def test_a_hold_in_which_nothing_is_asked_opens_nothing(ledger: Ledger, openings: list[str]) -> None:
    with ledger.database.hold():
        pass
    assert openings == []
    assert not ledger.db.exists()


@pytest.mark.slow
def test_a_hold_that_begins_and_ends_within_a_connection(ledger: Ledger, openings: list[str]) -> None:
    with ledger.database.connect(), ledger.database.hold():
        pass
    assert is_free(ledger.database)
    hold = ledger.database.hold()
    with hold:
        holding(ledger.database)
        with ledger.database.connect() as connection:
            connection.execute("SELECT 1").fetchall()
    assert len(openings) == 2
    assert is_free(ledger.database)


@pytest.mark.slow
def test_an_error_ends_a_hold(ledger: Ledger, openings: list[str]) -> None:
    database = ledger.database

    def fail() -> None:
        with database.hold():
            holding(database)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert is_free(database)
    openings.clear()
    with database.hold():
        with pytest.raises(StatementError), database.connect() as connection:
            connection.execute("SELECT * FROM nothing")
        holding(database)
    assert len(openings) == 2, "what failed is not gone on with"
    assert is_free(database)


@pytest.mark.slow
@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_is_replaced_or_removed_while_it_is_held(ledger: Ledger, openings: list[str], is_replaced: bool) -> None:
    other = Ledger(replace(ledger.target, database=replace(ledger.database, path=f"{ledger.db}.other")))
    other.begin(ROW, {"source": "/b.wav"})
    ledger.begin(ROW)
    openings.clear()
    with ledger.database.hold():
        assert ledger.look({"source": "/c.wav"}).rows["sample_id"].to_list() == [2]
        if is_replaced:
            other.db.replace(ledger.db)
        else:
            ledger.forget_database()
        assert ledger.begin({"source": "/c.wav"}).rows["sample_id"].to_list() == [3 if is_replaced else 1]
    assert len(openings) == 2
    assert ledger.ask("SELECT count(*) FROM given_ids") == [(3 if is_replaced else 1,)]


@pytest.mark.slow
def test_threads_take_turns_while_one_holds_the_database(ledger: Ledger, openings: list[str]) -> None:
    """As the API asks questions while an export records."""
    holding(ledger.database)
    openings.clear()
    ended, given = threading.Event(), Counter[str]()

    def ask(name: str) -> None:
        while not ended.is_set():
            given[name] += holding(ledger.database)

    threads = [threading.Thread(target=ask, args=(str(number),)) for number in range(4)]
    with ledger.database.hold():
        holding(ledger.database)
        for thread in threads:
            thread.start()
        for _ in range(20):
            holding(ledger.database)
        assert len(openings) == 1
    ended.set()
    for thread in threads:
        thread.join()
    assert len(given) == len(threads)
    assert is_free(ledger.database)


@pytest.mark.slow
def test_holds_that_overlap_without_end_let_other_processes_in(ledger: Ledger) -> None:
    holding(ledger.database)
    ended = threading.Event()

    def hold() -> None:
        while not ended.is_set():
            with ledger.database.hold():
                holding(ledger.database)
                time.sleep(0.05)

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    code = (
        "import sys; from tasks.store.database import Database\n"
        "for _ in range(3):\n"
        "    with Database(sys.argv[1], 20).connect() as connection: connection.execute('SELECT 1').fetchall()\n"
    )
    try:
        command = [sys.executable, "-c", code, ledger.database.path]
        others = [subprocess.run(command, timeout=90, check=False).returncode for _ in range(2)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert others == [0, 0]
    assert is_free(ledger.database)


@pytest.mark.slow
def test_a_hold_in_which_nothing_is_asked_lets_other_processes_in(
    ledger: Ledger, openings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.store.database._IDLE_SECONDS", 0.05)
    database = ledger.database
    holding(database)
    openings.clear()
    with database.hold():
        holding(database)
        assert comes_true(lambda: is_free(database), 60)
        holding(database)
    assert len(openings) >= 2
    assert is_free(database)


def test_nothing_is_opened_for_the_outcomes_of_no_files(ledger: Ledger, openings: list[str]) -> None:
    assert export_records.outputs_at(ledger.target, pl.Series("path", [], pl.String)).is_empty()
    assert openings == []


def test_a_check_of_the_whole_database_reads_every_table(tmp_path: Path) -> None:
    with Database(str(tmp_path / "r.duckdb"), 5).connect() as connection:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    text = (ROOT / "tasks/store/queries/read_all.sql").read_text()
    assert set(re.findall(r"FROM (\w+) AS t", text)) == tables


def test_a_damaged_file_does_not_take_another_with_it(ledger: Ledger, tmp_path: Path, template: Path) -> None:
    """After some errors DuckDB refuses all files that it has open; then what is held of another one is opened anew."""
    ledger.begin(ROW)
    other = Database(str(tmp_path / "other.duckdb"), 5)
    shutil.copyfile(template, other.path)
    size = ledger.db.stat().st_size
    with ledger.db.open("r+b") as file:  # all but the three headers
        file.seek(12_288)
        file.write(b"\xa5" * (size - 12_288))
    with other.hold():
        assert holding(other) == 5
        with pytest.raises(DatabaseError), ledger.database.connect() as connection:
            connection.execute("SELECT * FROM samples").fetchall()
        assert holding(other) == 5
    shutil.copyfile(template, ledger.db)
    assert holding(ledger.database) == 5


def test_an_error_of_a_thread_does_not_end_what_another_one_asks(ledger: Ledger, tmp_path: Path, template: Path) -> None:
    """Each with a file of its own, for a second and more."""
    databases = [ledger.database, *(Database(str(tmp_path / f"{name}.duckdb"), 30) for name in "abc")]
    for database in databases[1:]:
        shutil.copyfile(template, database.path)
    ledger.begin(ROW)
    over = time.monotonic() + 2

    def ask(database: Database) -> int:
        asked = 0
        while asked < 4 or time.monotonic() < over:  # so many also where the machine is slow
            if database is ledger.database:
                with pytest.raises(StatementError), database.connect() as connection:
                    connection.execute("SELECT nothing FROM nowhere")
            else:
                with database.connect() as connection:
                    assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(0,)]
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(ask, databases)) > 3
