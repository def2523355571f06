"""What commands print to a terminal whose names are hostile, or which cannot be written to, and from a folder that is gone."""

import contextlib
import csv
import errno
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from flows.cli import main
from flows.cli.messages import print_json, printable
from tests.support import ROOT, audio
from tests.support.command_line import Run

# Clears the screen, sets the title of the window, rings, turns the direction of writing.
EVIL = "a\x1b[2J\x1b]0;own\x07\x9b31m\u202eb"
SP404 = (sys.executable, "-m", "flows.cli")


@pytest.fixture
def commands(tmp_path: Path) -> list[list[str]]:
    """A call of every command that ends by itself, on files, a table, kits, a card and records with such names."""
    home = tmp_path / f"home {EVIL}"
    library, card = home / f"lib{EVIL}", home / f"card{EVIL}"
    (card / "IMPORT").mkdir(parents=True)
    library.mkdir()
    (card / "IMPORT" / f"._{EVIL}").write_bytes(b"")
    for number, name in enumerate((f"one{EVIL}.wav", f"two{EVIL}.wav", f"short{EVIL}.wav")):
        audio.write(library / name, audio.tone(0.2 if number < 2 else 0.01, 8_000, hz=300 + number), 8_000, "WAV")
    (library / f".kick{EVIL}.wav.icloud").write_bytes(b"bplist00")
    table, db, out = home / f"m{EVIL}.csv", str(home / f"r{EVIL}.duckdb"), str(home / f"out{EVIL}")
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file_path", "title", "genre", "kit", "bank", "pad", "bpm"])
        rows.writerow([f"lib{EVIL}/one{EVIL}.wav", f"t{EVIL}", f"g{EVIL}", f"K{EVIL}", "A", "1", "90"])
        rows.writerow([f"lib{EVIL}/two{EVIL}.wav", f"t{EVIL}", "G", f"k{EVIL}", "A", "2", f"120{EVIL}"])
        rows.writerow([f"lib{EVIL}/short{EVIL}.wav", "", "", f"K{EVIL}", "A", "3", ""])
        rows.writerow([f"lib{EVIL}/none{EVIL}.wav", "", "", "", "", "", ""])
    options = ["--db", db]
    export = ["export", str(table), "--direct", "--out", out, *options]
    return [
        ["scan", str(library), "-o", str(home / f"scan{EVIL}.csv"), "--kits", *options],
        ["check", str(table), *options],
        ["plan", str(table), "--out", out, "--organize-by", "kit", *options],
        [*export, "--organize-by", "kit", "--card", str(card), "--label", f"label {EVIL}\nc\r"],
        [*export, "--zip", "--card", str(card), "--prune"],
        [*export, "--json"],
        ["history", *options],
        ["history", "--export", "1", *options],
        ["history", "--export", "1", "--failed", *options],
        ["history", "--trend", *options],
        ["zip", "1", "-o", str(home / f"z{EVIL}.zip"), *options],
        ["verify", *options],
        ["card", str(card), "--clean-junk", *options],
        ["project", f"K{EVIL}", "--card", str(card), "--slot", "1", "--experimental", *options],
        ["relocate", out, out + EVIL, *options],
        ["forget", out, *options],
        ["repair", *options],
        ["config", *options],
        ["status", *options],
        ["sql", "SELECT title, genre FROM samples", *options],
        ["explain", "load_failed"],
        ["explain", EVIL],
        ["completion", "bash"],
        ["init", "--samples", str(library), "--out", out, "--card", "", "--no-nightly", *options],
        ["demo", "--out", str(home / f"demo{EVIL}"), "--direct"],
        ["export", f"none{EVIL}.csv", *options],
        [f"no such{EVIL}"],
    ]


def assert_calm(text: str) -> None:
    """Nothing that a terminal obeys; what is printed is lines of UTF-8."""
    active = sorted({character for character in text if not character.isprintable() and character not in "\n\r\xa0"})
    assert not active, f"{active} in {text!r}"
    assert "\r" not in text.replace("\r\n", "")


@pytest.mark.slow
def test_no_name_reaches_a_terminal_as_it_is(
    sp404: Run, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tried = set()
    for command in commands:
        said = sp404(*command)
        tried.add(command[0])
        assert_calm(said.out + said.err)
    assert tried - {f"no such{EVIL}"} == set(main.cli.commands) - {"up"}


@pytest.mark.slow
def test_preferences_that_a_database_holds_are_escaped_too(
    sp404: Run, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export, db = commands[3], commands[3][commands[3].index("--db") + 1]
    sp404(*export)
    with duckdb.connect(db) as records:
        records.execute("DELETE FROM user_preferences")
        records.execute("INSERT INTO user_preferences (id, sp404_export_base_path) VALUES (1, ?)", [f"/tmp/{EVIL}"])
    assert_calm("".join(sp404("config", "--db", db)[1:]))


@pytest.mark.slow
def test_nor_through_a_real_terminal(commands: list[list[str]]) -> None:
    """With progress bars and tables; TERM=dumb, so that no escape sequence is the product's own."""
    for command in (commands[number] for number in (0, 3, 6, 8, 11)):
        shown = ""
        terminal, inside = pty.openpty()
        with subprocess.Popen(
            [*SP404, *command], cwd=ROOT, stdout=inside, stderr=inside, env=os.environ | {"TERM": "dumb"}
        ) as process:
            os.close(inside)
            with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
                while said := os.read(terminal, 65536):
                    shown += said.decode()
        os.close(terminal)
        assert process.returncode in (0, 1)
        assert_calm(shown)


def test_all_that_is_printed_comes_by_one_place() -> None:
    """``click.echo`` is called only where a line is made printable, or where it is a text of ours."""
    calls = {path.name: path.read_text().count("click.echo(") for path in (ROOT / "flows/cli").glob("*.py")}
    assert {name: count for name, count in calls.items() if count} == {"messages.py": 3, "serve_command.py": 1}


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json('{"path": "caf\u00e9 \u9f13 \x9b \u202e"}')
    assert capsys.readouterr().out == '{"path": "caf\u00e9 \u9f13 \\u009b \\u202e"}\n'


def test_what_is_harmless_stays() -> None:
    assert printable("  two  spaces, caf\u00e9, \u9f13, \U0001f468\u200d\U0001f3a4, nbsp\xa0") == (
        "  two  spaces, caf\u00e9, \u9f13, \U0001f468\u200d\U0001f3a4, nbsp\xa0"
    )
    assert printable("a\tb\nc\x7f\u2028d\udcff") == "a b c\\x7f d\\udcff"


def run(*arguments: str, before: Callable[[], None] | None = None, **streams: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SP404, *arguments],
        preexec_fn=before,
        stderr=streams.get("stderr", subprocess.PIPE),
        stdout=streams.get("stdout"),
        cwd=ROOT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], pytest.param(["config"], marks=pytest.mark.slow), pytest.param(["config", "--json"], marks=pytest.mark.slow)],
)
def test_a_standard_output_that_is_full_is_said(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run(*arguments, stdout=full.fileno())
    assert done.returncode == 3
    assert done.stderr.splitlines()[0].endswith("No space left on device")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.slow
def test_standard_streams_that_are_closed_harm_no_file(tmp_path: Path) -> None:
    """The next file that is opened would get their numbers, and what libraries print would stand in it."""
    audio.write(tmp_path / "a.wav", audio.tone(0.2, 8_000), 8_000, "WAV")
    (tmp_path / "m.csv").write_text("file_path\na.wav\n")
    db, out = tmp_path / "r.duckdb", tmp_path / "out"
    export = ["export", str(tmp_path / "m.csv"), "--direct", "--db", str(db), "--out", str(out)]
    done = run(*export, before=lambda: os.closerange(0, 3))
    assert done.returncode == 0
    with duckdb.connect(str(db), read_only=True) as records:
        assert records.sql("SELECT status FROM sp404_export_samples").fetchall() == [("exported",)]
    assert (out / "a.wav").read_bytes()[:4] == b"RIFF"


@pytest.mark.slow
def test_a_full_standard_error_is_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        assert run("export", "none.csv", stderr=full.fileno()).returncode == 3


def test_a_current_folder_that_was_deleted_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave() -> None:
        os.chdir(gone)
        gone.rmdir()

    done = run("history", before=leave)
    assert done.returncode == 2
    assert done.stderr == "sp404: The current folder does not exist any more\n  cd to one that does.\n"


def test_an_error_of_a_disk_where_none_was_expected_is_no_traceback(sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/media/card/a.wav")

    monkeypatch.setattr("config.settings.load", fail)
    said = sp404("config")
    assert (said.status, said.err.splitlines()[0]) == (3, "sp404: Input/output error: /media/card/a.wav")
