"""What people get wrong in their first hour, and the hint that leads on; in a real terminal where it counts."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.settings import load
from flows import explain
from flows.service import supervisor
from tests.support import ROOT, audio
from tests.support.command_line import Run, one_clear_error

ABSENT = "/media/no-such-drive-of-sp404"


def in_terminal(folder: Path, *arguments: object, keys: bytes = b"") -> tuple[int, str]:
    """Run ``sp404`` in a terminal in ``folder``, type ``keys``, and return its exit status and what it drew."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    drawn = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment) as process:
        os.close(theirs)
        os.write(ours, keys)
        with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
            while data := os.read(ours, 65_536):
                drawn += data
    os.close(ours)
    return process.returncode, drawn.decode()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two samples, neither with a genre."""
    for name in "ab":
        audio.write(tmp_path / f"{name}.wav", audio.tone(0.3, 48_000, level=0.2 + 0.1 * (name == "b")), 48_000, "WAV")
    path = tmp_path / "m.csv"
    path.write_text("file_path\na.wav\nb.wav\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["export", "check", "plan"])
def test_a_command_without_a_manifest_says_how_to_make_one(sp404: Run, command: str) -> None:
    one_clear_error(sp404(command), 2, "sp404 scan FOLDER -o library.csv")


def test_an_output_on_a_drive_that_is_not_there_is_refused(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    """And no folder is made in its place, which would fill the disk of the system."""
    said = sp404("export", manifest, "--direct", "--out", f"{ABSENT}/sp404", "--db", tmp_path / "r.duckdb")
    one_clear_error(said, 3, f"no drive is mounted at {ABSENT}")
    assert not Path(ABSENT).exists()


def test_scan_plan_and_check_count_the_same_short_samples(sp404: Run, tmp_path: Path) -> None:
    """Two of them are one sound: a plan converts it once, and both rows fail."""
    (tmp_path / "lib").mkdir()
    for name, seconds in (("kick.wav", 0.05), ("same kick.wav", 0.05), ("drone loop.wav", 0.06), ("snare.wav", 0.3)):
        audio.write(tmp_path / "lib" / name, audio.tone(seconds, 48_000), 48_000, "WAV")
    table, db = tmp_path / "library.csv", ("--db", tmp_path / "r.duckdb")
    said = sp404("scan", tmp_path / "lib", "-o", table, *db)
    assert "3 samples are shorter than 100 ms" in said.err
    for command in ("plan", "check"):
        report = json.loads(sp404(command, table, "--json", *db).out)
        assert (report["failing"], len(report["troubles"])) == (3, 3), command
    said = sp404("export", table, "--direct", "--out", tmp_path / "out", *db)
    assert "1 exported, 3 failed of 4" in said.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sound", "pad_to_ms=lots"], "--sound pad_to_ms 'lots' must be a whole number"),
        (["--sound", "pad_to_ms=-4"], "--sound pad_to_ms '-4' must be greater than or equal to 0"),
        (["--sound", "guard=loud"], "--sound guard 'loud' must be 'none', 'file' or 'folder'"),
    ],
)
def test_a_value_that_is_not_valid_is_said_in_plain_words(sp404: Run, manifest: Path, options: list[str], words: str) -> None:
    one_clear_error(sp404("export", manifest, "--direct", *options), 2, words, "sp404 explain")


def test_a_setting_that_is_not_valid_is_said_in_plain_words(sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP404_FAILED_SHARE", "3")
    one_clear_error(sp404("status"), 2, "failed_share = '3' (environment) must be less than or equal to 1")


def test_a_name_that_changes_with_the_sound_is_no_row_that_is_gone(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    """Of two files that are not wanted any more, one is of a sample that stays: it is not called gone, by a plan neither."""
    manifest.write_text("file_path,title\na.wav,One\nb.wav,Two\n", encoding="utf-8")
    where = ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    assert sp404("export", manifest, "--direct", *where).status == 0
    manifest.write_text("file_path,title\na.wav,New name\n", encoding="utf-8")
    change = ("--sound", "fade_out_ms=20", *where)
    planned = sp404("plan", manifest, "--prune", *change).out
    assert "two.wav  (to be removed, as no longer in the manifest)" in planned
    kept = sp404("plan", manifest, *change).err
    assert "Note: No longer in the manifest: 1 file, which stays (--prune removes such files), such as two.wav" in kept
    assert "one.wav  (to be removed, as its sample has another file now)" in planned
    said = sp404("export", manifest, "--direct", *change).out
    assert "No longer in the manifest: 1 file (--prune removes them), such as two.wav" in said
    assert "Of samples that have another file now: 1 file (--prune removes them), such as one.wav" in said
    said = sp404("export", manifest, "--direct", "--prune", *change).out
    assert "Removed, as no longer in the manifest: 1 file\n" in said
    assert "Removed, as their samples have another file now: 1 file\n" in said


def test_a_selection_removes_and_renames_nothing_of_other_rows(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    """Their kit stands under other names, one of its samples is on a pad of the selected kit, too, and one row is rejected."""
    rows = ["a.wav,Some long title 1,90,One,A,1", "b.wav,Other 2,,One,A,2", "a.wav,Some long title 1,90,Two,A,1"]
    audio.write(manifest.parent / "c.wav", audio.tone(0.3, 48_000, level=0.1), 48_000, "WAV")
    header = "file_path,title,bpm,kit,bank,pad"
    manifest.write_text("\n".join([header, *rows, "c.wav,Third 3,100,Two,A,2"]) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    where = ("--organize-by", "kit", "--out", out, "--db", tmp_path / "r.duckdb")
    assert sp404("export", manifest, "--direct", "--names", "screen", *where).status == 0
    of_one = {path: path.read_bytes() for path in (out / "one").rglob("*.wav")}
    assert len(of_one) == 2
    rows[1] = rows[1].replace("Other 2,,", "Other 2,fast,")
    manifest.write_text("\n".join([header, *rows, "c.wav,Third 3,100,Two,A,2"]) + "\n", encoding="utf-8")
    for command in (("plan", manifest), ("export", manifest, "--direct")):
        assert sp404(*command, "--kit", "Two", "--prune", *where).status == 0
        assert {path: path.read_bytes() for path in (out / "one").rglob("*.wav")} == of_one, command
    assert len(list((out / "two").rglob("*.wav"))) == 3, (
        "that of the sample with pads in both kits stays under its old name, too"
    )


def test_a_single_failure_names_its_file(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    (manifest.parent / "b.wav").write_bytes(b"no sound")
    said = sp404("export", manifest, "--direct", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    first, second, *_ = said.err.splitlines()
    assert first.startswith("b.wav: ")
    assert second.startswith("  Which files, and what to do: sp404 history --export 1 --failed")


def test_a_setting_of_the_sound_that_is_typed_as_an_option_is_said(sp404: Run, manifest: Path) -> None:
    one_clear_error(sp404("export", manifest, "--pad-to-ms", "100"), 2, "--sound pad_to_ms=VALUE")


def test_a_colon_that_is_missing_is_named_with_its_own_line(sp404: Run, tmp_path: Path) -> None:
    kit = tmp_path / "kit.yaml"
    kit.write_text("kit: K\npads:\n  A1: a.wav\n  A2 b.wav\n  A3: c.wav\n", encoding="utf-8")
    one_clear_error(sp404("check", kit, "--db", tmp_path / "r.duckdb"), 2, "could not find expected ':' (line 4)")


def test_settings_beside_a_manifest_that_do_not_count_are_named(
    sp404: Run, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manifest.parent / "config").mkdir()
    settings = manifest.parent / "config/sp404.toml"
    settings.write_text("[sp404]\npad_to_ms = 100\n", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.delenv("SP404_CONFIG_DIR", raising=False)
    for folder, is_noted in ((elsewhere, True), (manifest.parent, False)):
        monkeypatch.chdir(folder)
        said = sp404("plan", manifest, "--db", tmp_path / "r.duckdb")
        assert (f"Note: {settings} does not count here" in said.err) is is_noted


def test_an_answer_of_many_columns_is_printed_row_by_row(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    db = tmp_path / "r.duckdb"
    sp404("export", manifest, "--direct", "--out", tmp_path / "out", "--db", db)
    _, drawn = in_terminal(tmp_path, "sql", "FROM sp404_exports", "--db", db)
    assert re.search(r"row 1\r\n  id +1\r\n", drawn)
    assert len(drawn.splitlines()) < 24
    _, drawn = in_terminal(tmp_path, "sql", "SELECT id, format FROM sp404_exports", "--db", db)
    assert "\r\n1   wav" in drawn


def test_a_kit_file_is_not_to_be_scanned_and_a_field_nearly_right_is_named(sp404: Run, tmp_path: Path) -> None:
    kit = tmp_path / "kit.yaml"
    kit.write_text("kit: K\npads:\n  A1: nowhere.wav\n  A2: {file: b.wav, bmp: 90}\n", encoding="utf-8")
    said = sp404("check", kit, "--db", tmp_path / "r.duckdb")
    assert "Did you mean bpm?" in said.out
    assert "Audio file not found" in said.out
    assert "sp404 scan" not in said.out


def test_only_what_is_spelt_nearly_so_is_suggested(sp404: Run, manifest: Path) -> None:
    one_clear_error(sp404("export", manifest, "--quite"), 2, "No such option '--quite'. Did you mean '--quiet'?")
    assert "Did you mean" not in sp404("check", manifest, "--kit", "x").err
    manifest.write_text("file_path,kit,bank,pad\na.wav,Night Bus,A,1\nb.wav,Day Tram,A,1\n", encoding="utf-8")
    said = sp404("export", manifest, "--direct", "--kit", "Nite Bus")
    one_clear_error(said, 2, "Kit Nite Bus not found", "Did you mean Night Bus? The manifest has: Day Tram, Night Bus.")
    one_clear_error(sp404("export", manifest, "--direct", "--kit", "tram"), 2, "Did you mean Day Tram?")


@pytest.mark.parametrize("word", ["kit", "manifest", "export", "shard"])
def test_a_word_of_the_glossary_is_explained_first(word: str) -> None:
    assert explain.explain(word)[0].title == word


@pytest.mark.parametrize("word", ["device", "import"])
def test_how_samples_get_into_the_device_is_explained(sp404: Run, word: str) -> None:
    """By the steps of the manual, before what only mentions the word."""
    said = sp404("explain", word).out
    first, *rest = said.splitlines()
    assert first == "On the device: import the samples (docs/usage/cards-and-bundles.md)"
    steps = [line.strip()[:2] for line in rest if line.strip()[:1].isdigit()]
    assert steps[:5] == ["1.", "2.", "3.", "4.", "5."]
    for known in ("SHIFT and press pad 13", "`IMPORT`", "`bank_A`", "23 characters", "16 pads", "Not tried on a device"):
        assert known in said
    assert "A project of the device (docs/device-project.md)" in said
    assert "## " not in said


def test_a_word_that_a_section_of_the_manual_is_about_is_explained_by_it() -> None:
    titles = [entry.title for entry in explain.explain("spreadsheets")]
    assert titles == ["What spreadsheets add (docs/usage/manifest.md)", "Spreadsheets (docs/usage/scan.md)"]


def test_an_export_to_a_card_says_how_the_samples_get_into_the_device(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    """Behind the card's line, in a terminal, where something new is on the card."""
    card, db = tmp_path / "CARD", tmp_path / "r.duckdb"
    (card / "IMPORT").mkdir(parents=True)
    export = ("export", manifest, "--direct", "--db", db, "--out", tmp_path / "out", "--card", card)
    status, drawn = in_terminal(tmp_path, *export)
    *_, of_card, of_device = drawn.splitlines()
    assert status == 0, drawn
    assert f"Card {card}: 2 files written" in of_card
    assert of_device == "  On the device: SHIFT + pad 13, then the import of samples (sp404 explain device)"
    assert "On the device" not in in_terminal(tmp_path, *export)[1]
    (card / "IMPORT/a.wav").unlink()
    said = sp404(*export)
    assert f"Card {card}: 1 file written" in said.out
    assert "On the device" not in said.out + said.err


def test_status_names_an_address_that_does_not_answer(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert "http://127.0.0.1:9/api of PREFECT_API_URL does not answer" in sp404("status", "--db", tmp_path / "r.duckdb").out


def test_nothing_is_printed_into_another_line(tmp_path: Path) -> None:
    library = tmp_path / "library.csv"
    library.touch()
    settings = load({"library": str(library)}, lambda _db, _seconds: {}).settings
    lines = list(supervisor.describe_nightly(settings, "http://127.0.0.1:4200"))
    assert [line.split()[0] for line in lines] == ["Nightly", "flat,", "how", "one"]
    assert "http://127.0.0.1:4200/runs?tag=nightly" in lines[2]
    assert "\n" not in "".join(lines)


def test_sp404_up_says_whether_the_nights_have_a_card(tmp_path: Path) -> None:
    library = tmp_path / "library.csv"
    library.touch()

    def where(card: str) -> str:
        asked = {"library": str(library), "nightly_card": card, "output_base_path": str(tmp_path / "out")}
        settings = load(asked, lambda _db, _seconds: {}).settings
        return list(supervisor.describe_nightly(settings, "http://127.0.0.1:4200"))[1]

    assert f"to {tmp_path}/out, and the card {tmp_path}/card; `sp404 config`" in where(f"{tmp_path}/card")
    assert f"to {tmp_path}/out; no card: set nightly_card; `sp404 config`" in where("")


def test_an_init_asks_again_where_an_answer_will_not_do(manifest: Path, tmp_path: Path) -> None:
    samples, studio = manifest.parent, tmp_path / "studio"
    studio.mkdir()
    answers = (samples / "typo", samples, samples / "inside", tmp_path.parent / f"{tmp_path.name}-out", "", "n")
    keys = "".join(f"{answer}\n" for answer in answers).encode()
    status, drawn = in_terminal(studio, "init", "--db", tmp_path / "r.duckdb", keys=keys)
    assert status == 0, drawn
    assert (drawn.count("Where are your samples"), drawn.count("Where should they go")) == (2, 2)
    assert "is not a folder" in drawn
    assert "lies in the folder of your samples" in drawn
    assert (studio / "library.csv").is_file()


def test_an_init_for_the_nights_asks_for_their_hour_and_the_folders(manifest: Path, tmp_path: Path) -> None:
    """Else the nights would lay out flat what a person exports by genre."""
    studio = tmp_path / "studio"
    studio.mkdir()
    answers = (manifest.parent, tmp_path.parent / f"{tmp_path.name}-out", "", "y", "25", "4", "gener", "genre")
    keys = "".join(f"{answer}\n" for answer in answers).encode()
    status, drawn = in_terminal(studio, "init", "--db", tmp_path / "r.duckdb", keys=keys)
    assert status == 0, drawn
    written = tomllib.loads((studio / "config/sp404.toml").read_text())["sp404"]
    assert (written["nightly_cron"], written["organize_by"]) == ("0 4 * * *", "genre")


def test_an_init_takes_minutes_and_says_where_a_layout_sorts_nothing(manifest: Path, tmp_path: Path) -> None:
    """The samples are in no genre; by their own folders all of them are sorted."""
    studio = tmp_path / "studio"
    (studio / "lib").mkdir(parents=True)
    for number in range(10):
        audio.write(studio / f"lib/{number}.wav", audio.tone(0.2, 8_000, hz=300 + number), 8_000, "WAV")
    answers = (studio / "lib", tmp_path / "out", "", "y", "3:60", "24:00", "23:49", "genre")
    keys = "".join(f"{answer}\n" for answer in answers).encode()
    status, drawn = in_terminal(studio, "init", "--db", tmp_path / "r.duckdb", keys=keys)
    assert status == 0, drawn
    assert "'24:00' is not a time of the day: write one such as 3 or 23:30" in drawn
    assert re.search(r"Exported every night while `sp404 up` runs, next: \w{3} \d\d \w{3} 23:49", drawn)
    written = tomllib.loads((studio / "config/sp404.toml").read_text())["sp404"]
    assert written["nightly_cron"] == "49 23 * * *"
    told = '10 of 10 samples have no genre: organize_by = "folder" in config/sp404.toml keeps your own folders'
    assert told in " ".join(drawn.split())


def test_an_init_that_is_left_writes_nothing_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "studio"
    folder.mkdir()
    status, drawn = in_terminal(folder, "init", keys=b"\x04")
    assert (status, "Nothing was written" in drawn) == (130, True)
    assert not list(folder.iterdir())


def test_a_note_is_not_drawn_behind_the_progress_bar(manifest: Path) -> None:
    """What stands in its line before it was taken away."""
    rows = [f"{name}.wav,{name} {number}" for name in "ab" for number in range(10)]
    manifest.write_text("\n".join(["file_path,title", *rows]) + "\n", encoding="utf-8")
    where = ("--out", manifest.parent / "out", "--db", manifest.parent / "r.duckdb")
    _, drawn = in_terminal(manifest.parent, "export", manifest, "--direct", "--organize-by", "genre", *where)
    before, _, _ = drawn.partition("Note: ")
    assert "rows have no genre" in drawn
    line = re.split(r"\n|\x1b\[2K", before)[-1]
    assert not re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip()


def test_verify_fits_a_terminal_and_lists_all_elsewhere(sp404: Run, manifest: Path) -> None:
    where = ("--db", manifest.parent / "r.duckdb")
    sp404("export", manifest, "--direct", "--out", manifest.parent / "out", *where)
    for number in range(40):
        (manifest.parent / "out" / f"mine {number}.txt").touch()
    (manifest.parent / "out" / "a.wav").unlink()
    everything = sp404("verify", *where).out
    assert everything.count("mine ") == 40
    status, drawn = in_terminal(manifest.parent, "verify", *where)
    assert status == 1
    assert len(drawn.splitlines()) <= 24
    assert "... and 37 more (sp404 verify --all names every one)" in drawn
    assert "missing" in drawn
    assert in_terminal(manifest.parent, "verify", "--all", *where)[1].count("unknown") == 41


def test_history_takes_the_number_of_an_export(sp404: Run, manifest: Path, tmp_path: Path) -> None:
    db = ("--db", tmp_path / "r.duckdb")
    sp404("export", manifest, "--direct", "--out", tmp_path / "out", *db)
    assert sp404("history", "1", *db).out == sp404("history", "--export", "1", *db).out
    assert "Export 2 not found" in sp404("history", "2", *db).err
