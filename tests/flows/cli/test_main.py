"""``sp404`` as a person types it: help, errors in one or two lines, exit statuses, and never a traceback."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flows.cli import main
from tests.support import ROOT
from tests.support.command_line import Run, one_clear_error


@pytest.mark.parametrize("command", main.cli.commands)
def test_every_command_has_help_with_an_example_and_text_for_each_option(sp404: Run, command: str) -> None:
    said = sp404(command, "--help")
    assert said.status == 0
    assert f"Example:\n    sp404 {command}" in re.sub("SP404_[A-Z]+=[^ ]+ ", "", said.out)
    for option in main.cli.commands[command].params:
        assert option.param_type_name == "argument" or getattr(option, "help", None), option


def test_help_says_the_built_in_defaults() -> None:
    defaults = tomllib.loads((ROOT / "config/defaults.toml").read_text())["sp404"]
    options = {option.name: option for option in main.cli.commands["export"].params}
    for name in ("db", "output_base_path", "organize_by", "format", "names", "runner", "work_pool"):
        assert str(defaults[name]) in str(getattr(options[name], "help", "")), name
    for name in ("include_metadata", "sanitize_filenames"):
        assert defaults[name] is True
        assert "on if not set" in str(getattr(options[name], "help", "")), name


def test_help_imports_nothing_that_is_slow() -> None:
    slow = ("prefect", "polars", "duckdb", "numpy", "pydantic", "rich", "fastapi")
    code = (
        "import sys; from flows.cli.main import cli\n"
        "for command in ([], ['export']): cli.main([*command, '--help'], standalone_mode=False)\n"
        f"print([module for module in {slow} if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("exprot",), ("No such command 'exprot'", "export")),
        (("export",), ("MANIFEST",)),
        (("export", "m.csv", "--organize-by", "colour"), ("colour", "genre")),
        (("export", "m.csv", "--workers", "0"), ("--workers",)),
        (("export", "m.csv", "--sample", "x"), ("--sample",)),
        (("export", "m.csv", "--label", "x" * 81), ("label", "80")),
        (("export", "no/such.csv", "--direct"), ("no/such.csv: does not exist",)),
        (("export", ".", "--direct"), ("is a folder",)),
        (("history", "--db", "none.duckdb"), ("none.duckdb", "there is no such file")),
    ],
)
def test_a_request_that_cannot_be(sp404: Run, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    said = sp404(*arguments)
    one_clear_error(said, 3 if arguments[0] == "history" else 2, *words)


def test_names_that_are_not_utf8(sp404: Run, tmp_path: Path) -> None:
    """A folder whose name is not UTF-8 is refused in words."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    manifest = os.fsdecode(folder) + "/m.csv"
    Path(manifest).write_text("file_path\na.wav\n")
    one_clear_error(sp404("export", manifest, "--direct"), 2, "manifest")


def test_failing_surroundings_are_status_3(sp404: Run, library: Path, tmp_path: Path) -> None:
    manifest, db = library / "manifest.csv", tmp_path / "r.duckdb"
    (tmp_path / "file").write_text("")
    one_clear_error(sp404("export", manifest, "--direct", "--out", tmp_path / "file", "--db", db), 3, "not writable")
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(b"no database" * 1000)
    one_clear_error(sp404("export", manifest, "--direct", "--out", tmp_path / "out", "--db", damaged), 3, str(damaged), "--db")
    assert damaged.read_bytes() == b"no database" * 1000


@pytest.mark.slow
def test_progress_is_for_a_terminal_only(library: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "export", str(library / "manifest.csv"), "--direct", "--sample", "2"]
    command += ["--out", str(tmp_path / "out"), "--db", str(tmp_path / "r.duckdb")]
    piped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    main, terminal = pty.openpty()
    shown = bytearray()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
            while said := os.read(main, 65536):
                shown += said
    os.close(main)
    assert process.returncode == 0
    assert b"planning" in shown
