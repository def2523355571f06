"""``sp404 scan`` as a person types it: folders in, a manifest out that ``export`` takes, again and again.

Judges: the manifest as ``csv`` reads it, what an export makes of it, and which files were opened.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.audio import synth
from tests.support import ROOT, audio
from tests.support.audio import FORM
from tests.support.command_line import Run, one_clear_error
from tests.support.riff import acid, wav
from tests.support.waiting import until

RATE = 44_100
YEAR_2000 = 946_684_800


def age(*paths: Path) -> None:
    """Files that are older than any clock's step; what is newer is read again, for it could change without its times."""
    for path in paths:
        os.utime(path, (YEAR_2000, YEAR_2000))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packs in folders, and junk among them."""
    # A change of status cannot be dated back, so that of all files is trusted here.
    monkeypatch.setattr("tasks.fs.file_status._CLOCK_STEP_NS", 0)
    root = tmp_path / "Samples"
    drums, loops = root / "Hip Hop Drums Vol 2", root / "Techno/Loops"
    for folder in (drums, loops):
        folder.mkdir(parents=True)
    for name, voice in (("Kick 01", synth.kick), ("Snare 01", synth.snare), ("Hat Closed", synth.hat), ("Clap", synth.clap)):
        synth.write(drums / f"{name}.wav", voice(RATE), RATE)
    synth.write(loops / "top_loop_130bpm_Am.flac", synth.loop(RATE, 130, bars=2), RATE)
    wav(loops / "sliced.wav", np.zeros(2 * RATE, np.int16), RATE, acid(4, 120.0))
    FORM["wav-16"].save(loops / "really a wav.mp3", synth.loop(RATE, 124, bars=2).astype(np.float64), RATE)
    (root / "._Kick 01.wav").write_bytes(b"\0\5\x16\7")
    (root / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (root / "empty.wav").touch()
    age(*(path for path in root.rglob("*") if path.is_file()))
    return root


@pytest.fixture
def scan(sp404: Run, library: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Scans the library into ``library.csv``, or what ``-o`` says; the answer in JSON."""

    def run(*options: object, status: int = 0) -> dict[str, Any]:
        said = sp404("scan", library, "-o", tmp_path / "library.csv", "--db", tmp_path / "r.duckdb", "--json", *options)
        assert said.status == status, said
        return dict(json.loads(said.out))

    return lambda *options, **how: run("--provenance", *options, **how)


@pytest.mark.slow
def test_a_table_has_ten_columns_and_edits_stay_without_the_others(sp404: Run, library: Path, tmp_path: Path) -> None:
    """Where values came from is printed; who wants it beside each value asks for it, and the table keeps it from then on."""
    table = tmp_path / "library.csv"
    command = ("scan", library, "-o", table, "--db", tmp_path / "r.duckdb")
    said = sp404(*command)
    names = ["file_path", "title", "genre", "bpm", "musical_key", "tags", "kind", "kit", "bank", "pad"]
    assert table.read_text(encoding="utf-8-sig").splitlines()[0].split(",") == names
    assert "by name" in said.out
    assert re.search(r"1 x not audio \(1 \.[a-z]+\)", said.err), said.err
    edit(table, genre=("Kick 01.wav", "mine"), title=("Kick 01.wav", "My kick"))
    (library / "new.wav").write_bytes((library / "Hip Hop Drums Vol 2/Kick 01.wav").read_bytes())
    again = json.loads(sp404(*command, "--json").out)
    assert (again["edited"], len(again["added"])) == (1, 1)
    kick = rows(table)["Kick 01.wav"]
    assert (kick["genre"], kick["title"]) == ("mine", "My kick")
    assert list(kick) == names
    sp404(*command, "--provenance")
    assert len(rows(table)["Kick 01.wav"]) == 28
    assert rows(table)["Kick 01.wav"]["genre_source"] == "you"
    sp404(*command)
    assert len(rows(table)["Kick 01.wav"]) == 28


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {os.path.basename(row["file_path"]): row for row in csv.DictReader(file)}


def edit(path: Path, **cells: tuple[str, str]) -> None:
    """Change cells as a spreadsheet would: ``column=(file, value)``."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.reader(file))
    for column, (name, value) in cells.items():
        for row in table[1:]:
            if os.path.basename(row[table[0].index("file_path")]) == name:
                row[table[0].index(column)] = value
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)


def test_folders_become_a_manifest_that_export_takes(scan: Any, sp404: Run, tmp_path: Path) -> None:
    done = scan()
    assert (done["rows"], done["files"], done["read"], done["lacking"]) == (7, 8, 8, [])
    assert done["skipped"] == {"system file": 1, "empty file": 1, "not audio": 1}
    assert done["empty"] == [str(tmp_path / "Samples/empty.wav")]
    found = rows(tmp_path / "library.csv")
    assert found["Kick 01.wav"]["file_path"] == "Samples/Hip Hop Drums Vol 2/Kick 01.wav"
    told = {
        name: found["Kick 01.wav"][name] for name in ("title", "genre", "kind", "tags", "bpm", "genre_source", "kind_source")
    }
    assert told == {
        "title": "Kick 01", "genre": "hip-hop", "kind": "one-shot", "tags": "kick", "bpm": "", "genre_source": "folder",
        "kind_source": "name",
    }  # fmt: skip
    top, sliced = found["top_loop_130bpm_Am.flac"], found["sliced.wav"]
    assert (top["bpm"], top["musical_key"], top["genre"], top["kind"], top["bpm_source"]) == (
        "130",
        "Am",
        "techno",
        "loop",
        "name",
    )
    assert (sliced["bpm"], sliced["bpm_source"], sliced["bpm_confidence"]) == ("120", "acid", "0.95")
    for by, folder in (("genre", "hip-hop"), ("bpm", "110-130")):
        out = tmp_path / by
        said = sp404(
            "export",
            tmp_path / "library.csv",
            "--organize-by",
            by,
            "--out",
            out,
            "--db",
            tmp_path / "r.duckdb",
            "--direct",
            "--json",
        )
        batch = json.loads(said.out)
        assert (batch["successful"], batch["rejected"], batch["failed"]) == (7, 0, 0)
        assert list((out / folder).glob("*.wav"))
    assert len(list((tmp_path / "bpm/130-150").glob("*.wav"))) == 1


@pytest.mark.slow
def test_a_second_scan_opens_only_what_is_new_or_changed(
    scan: Any, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan()
    before = (tmp_path / "library.csv").stat()
    again = scan()
    assert (again["read"], again["written"], again["changes"], again["added"]) == (0, False, [], [])
    assert (tmp_path / "library.csv").stat().st_mtime_ns == before.st_mtime_ns
    new, changed = library / "Techno/Loops/new_loop_99bpm.wav", library / "Techno/Loops/sliced.wav"
    synth.write(new, synth.loop(RATE, 99), RATE)
    wav(changed, np.zeros(2 * RATE, np.int16), RATE, acid(8, 240.0))
    from flows import scan_files

    opened: list[str] = []
    real = scan_files.read_header
    monkeypatch.setattr(scan_files, "read_header", lambda path: opened.append(path) or real(path))
    third = scan()
    assert sorted(opened) == sorted([str(new), str(changed)])
    assert third["added"] == ["Samples/Techno/Loops/new_loop_99bpm.wav"]
    assert [(cell["column"], cell["before"], cell["after"]) for cell in third["changes"]] == [("bpm", "120", "240")]


@pytest.mark.slow
def test_a_release_that_reads_more_in_files_reads_all_of_them_once_more(scan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import scan_files

    with monkeypatch.context() as older:
        older.setattr(scan_files, "_BY_READER", "1-")
        assert scan()["read"] == 8
        assert scan()["read"] == 0
    assert scan()["read"] == 8
    assert scan()["read"] == 0


@pytest.mark.slow
def test_edits_stay_and_the_diff_is_shown(scan: Any, sp404: Run, library: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "library.csv"
    scan()
    edit(manifest, bpm=("top_loop_130bpm_Am.flac", "65"), genre=("Clap.wav", "My Own"), title=("Clap.wav", "=HYPERLINK(0)"))
    with manifest.open(encoding="utf-8") as file:
        lines = [line for line in file if "Snare 01" not in line]
    manifest.write_text("".join(lines), encoding="utf-8")
    shutil.move(library / "Techno/Loops/top_loop_130bpm_Am.flac", library / "top.flac")
    (library / "Hip Hop Drums Vol 2/Kick 01.wav").unlink()
    done = scan()
    assert len(done["moved"]) == len(done["gone"]) == len(done["kept_out"]) == 1
    assert done["edited"] == 2
    found = rows(manifest)
    assert "Kick 01.wav" not in found
    assert "Snare 01.wav" not in found
    assert (found["top.flac"]["bpm"], found["top.flac"]["bpm_source"]) == ("65", "you")
    assert (found["Clap.wav"]["genre"], found["Clap.wav"]["title"]) == ("My Own", "'=HYPERLINK(0)")
    said = sp404("scan", library, "-o", manifest, "--db", tmp_path / "r.duckdb", "--restore")
    assert "+ Samples/Hip Hop Drums Vol 2/Snare 01.wav" in said.out
    assert (rows(manifest)["Clap.wav"]["genre"], len(rows(manifest))) == ("My Own", 6)
    # Without the records nothing that stands there is given up.
    (tmp_path / "r.duckdb").unlink()
    scan()
    assert (rows(manifest)["Clap.wav"]["genre"], rows(manifest)["top.flac"]["bpm"]) == ("My Own", "65")


HOSTILE = ("=cmd|calc", "+1+1", "-2", "@SUM(1)", "'=x", "''-y", " = z", '=a"b,c', "=a;b", "-")


@pytest.mark.slow
@pytest.mark.parametrize("extension", ["csv", "tsv", "ndjson", "parquet"])
def test_no_spreadsheet_runs_a_cell(sp404: Run, library: Path, tmp_path: Path, extension: str) -> None:
    folder = library / "=Pack"
    folder.mkdir()
    for number, name in enumerate(HOSTILE):
        wav(folder / f"{name}.wav", np.full(RATE, number + 1, np.int16), RATE)
    manifest = folder / f"m.{extension}"
    sp404("scan", library, "-o", manifest, "--db", tmp_path / "r.duckdb")
    from tasks.manifest.table import read_manifest

    if extension in ("csv", "tsv"):
        delimiter = "," if extension == "csv" else "\t"
        with manifest.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
        assert any("=cmd" in cell for cell in cells)
    read = read_manifest(str(manifest)).frame
    own = read.filter(pl.col("file_path").str.starts_with("./") | ~pl.col("file_path").str.contains("/"))
    titles = {" ".join(name.replace("_", " ").split()) for name in HOSTILE} - {"-", "-2", "+1+1"}
    assert titles <= set(own["title"])
    said = sp404("check", manifest, "--db", tmp_path / "r.duckdb", "--json")
    findings = json.loads(said.out)
    assert (findings["rejected"], findings["failing"]) == (0, 0), findings
    again = json.loads(sp404("scan", library, "-o", manifest, "--db", tmp_path / "r.duckdb", "--json").out)
    assert (again["written"], again["changes"], again["edited"]) == (False, [], 0)


@pytest.mark.slow
def test_a_manifest_from_a_spreadsheet_keeps_its_separator_and_columns(scan: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "library.csv"
    manifest.write_text("\ufeffFile_Path;My Notes;BPM\r\nSamples/Techno/Loops/sliced.wav;=keep this;99,5\r\n", encoding="utf-8")
    assert len(scan()["added"]) == 6
    assert manifest.read_bytes().startswith(b"\xef\xbb\xbfFile_Path;")
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.reader(file, delimiter=";"))
    assert table[0][:3] == ["File_Path", "My Notes", "BPM"]
    assert table[1][:3] == ["Samples/Techno/Loops/sliced.wav", "=keep this", "99,5"]
    assert scan()["written"] is False


@pytest.mark.slow
def test_analysis_fills_in_what_names_do_not_tell(scan: Any, library: Path, tmp_path: Path) -> None:
    shutil.copy(library / "Hip Hop Drums Vol 2/Clap.wav", library / "Clap again.wav")
    synth.write(library / "groove.wav", synth.loop(RATE, 118, bars=2), RATE)
    audio.write(library / "hum.wav", audio.tone(1, RATE) + 0.2, RATE, "WAV", "FLOAT")
    audio.write(library / "quiet.wav", audio.tone(1, RATE) / 1000, RATE, "WAV", "FLOAT")
    done = scan("--analyze")
    assert done["duplicates"] == 1
    assert 0 < done["listened"] <= done["rows"]
    assert scan("--analyze")["listened"] == 0
    found = rows(tmp_path / "library.csv")
    assert (found["Clap.wav"]["duplicate_of"], found["Clap.wav"]["tags"]) == ("Samples/Clap again.wav", "clap|duplicate")
    groove = found["groove.wav"]
    assert abs(float(groove["bpm"]) - 118) < 0.1
    assert (groove["bpm_source"], groove["bpm_alternative"]) == ("analysis", "59")
    assert found["hum.wav"]["tags"] == "dc-offset"
    assert found["quiet.wav"]["tags"] == "near-silent"
    assert (found["hum.wav"]["musical_key"], found["hum.wav"]["root_note"]) == ("", "B")
    # What names tell is not heard over, and what was heard is remembered.
    assert found["top_loop_130bpm_Am.flac"]["bpm_source"] == "name"
    assert scan()["written"] is False


@pytest.mark.slow
def test_kits_are_proposed_if_asked_for(scan: Any, sp404: Run, tmp_path: Path) -> None:
    scan()
    assert not any(row["kit"] for row in rows(tmp_path / "library.csv").values())
    assert scan("--kits")["kits"] == 1
    found = rows(tmp_path / "library.csv")
    slots = {name: (row["kit"], row["bank"], row["pad"]) for name, row in found.items() if row["kit"]}
    kit = "Hip Hop Drums Vol 2"
    assert slots == {
        name: (kit, "A", pad)
        for name, pad in (("Kick 01.wav", "1"), ("Snare 01.wav", "2"), ("Hat Closed.wav", "3"), ("Clap.wav", "5"))
    }
    said = sp404("plan", tmp_path / "library.csv", "--organize-by", "kit", "--db", tmp_path / "r.duckdb", "--json")
    paths = [file["path"] for file in json.loads(said.out)["files"]]
    assert "hip_hop_drums_vol_2/bank_A/pad_01_kick_01.wav" in paths


@pytest.mark.slow
def test_samples_keep_their_pads_when_others_come_and_go(scan: Any, sp404: Run, library: Path, tmp_path: Path) -> None:
    """Also the pad of a row whose file is gone and that a person has edited: nobody gets it, and an export rejects no row."""
    drums, table = library / "Hip Hop Drums Vol 2", tmp_path / "library.csv"
    scan("--kits")

    def slots() -> dict[str, tuple[str, str]]:
        return {name: (row["bank"], row["pad"]) for name, row in rows(table).items() if row["kit"]}

    before = slots()
    synth.write(drums / "Kick 00.wav", synth.kick(RATE) // 2, RATE)
    scan("--kits")
    assert slots() == before | {"Kick 00.wav": ("A", "4")}
    lines = table.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    columns = lines[0].strip().split(",")
    at = next(n for n, line in enumerate(lines) if "Clap.wav" in line)
    cells = lines[at].rstrip("\n").split(",")
    cells[columns.index("genre")] = "mine"
    table.write_text("".join([*lines[:at], ",".join(cells) + "\n", *lines[at + 1 :]]), encoding="utf-8-sig")
    (drums / "Clap.wav").unlink()
    (drums / "Snare 01.wav").unlink()
    synth.write(drums / "Clap B.wav", synth.clap(RATE) // 2, RATE)
    said = sp404("scan", library, "-o", table, "--kits", "--db", tmp_path / "r.duckdb")
    assert "Clap.wav. What you edited stays: put the file back, or delete the row" in said.err
    kept = {name: slot for name, slot in before.items() if name != "Snare 01.wav"}
    assert slots() == kept | {"Kick 00.wav": ("A", "4"), "Clap B.wav": ("A", "2")}
    planned = json.loads(sp404("plan", table, "--organize-by", "kit", "--db", tmp_path / "r.duckdb", "--json").out)
    assert (planned["rejected"], planned["failing"]) == (0, 1)
    scan("--kits", "--new-pads")
    assert slots()["Clap B.wav"] == ("A", "5")


def test_what_somebody_may_miss_is_said_and_counts(sp404: Run, scan: Any, library: Path, tmp_path: Path) -> None:
    (library / "slices.rx2").write_bytes(b"CAT REX2")
    broken = library / "broken.wav"
    broken.write_bytes(b"RIFF" + bytes(99))
    with open(os.fsencode(library) + b"/caf\xe9.wav", "wb") as file:
        file.write((library / "Hip Hop Drums Vol 2/Clap.wav").read_bytes())
    said = sp404("scan", library, "-o", tmp_path / "m.csv", "--db", tmp_path / "r.duckdb")
    assert said.status == 1
    assert said.err.count("Left out:") == 3
    for words in ("slices.rx2: REX2", "caf\\udce9.wav: name that is not UTF-8. Rename it", "broken.wav: cannot be read"):
        assert words in said.err
    assert len(rows(tmp_path / "m.csv")) == 7


def test_requests_that_cannot_be_carried_out(sp404: Run, library: Path, tmp_path: Path) -> None:
    db = ("--db", tmp_path / "r.duckdb")
    one_clear_error(sp404("scan", tmp_path / "nowhere", "-o", tmp_path / "m.csv", *db), 2, "does not exist")
    one_clear_error(sp404("scan", library, "-o", tmp_path / "m.xls", *db), 2, "m.xls", ".csv")
    one_clear_error(sp404("scan", library, "-o", tmp_path / "no/m.csv", *db), 2, "no/m.csv")
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(bad)
    one_clear_error(sp404("scan", bad, "-o", tmp_path / "m.csv", *db), 2, "UTF-8")
    one_clear_error(sp404("scan", library, "-o", f"{bad}/m.csv", *db), 2, "UTF-8")
    (tmp_path / "void").mkdir()
    one_clear_error(sp404("scan", tmp_path / "void", "-o", tmp_path / "m.csv", *db), 2, "no audio file")
    (tmp_path / "m.csv").write_text("title,bpm\nx,1\n")
    one_clear_error(sp404("scan", library, "-o", tmp_path / "m.csv", *db), 2, "file_path")
    (tmp_path / "m.csv").write_text("file_path,bpm\nx,1,2\n")
    one_clear_error(sp404("scan", library, "-o", tmp_path / "m.csv", *db), 2, "line 2 has 3 cells")
    assert (tmp_path / "m.csv").read_text() == "file_path,bpm\nx,1,2\n"
    # A disk that is not there takes nothing with it.
    (tmp_path / "m.csv").unlink()
    assert sp404("scan", library, "-o", tmp_path / "m.csv", *db).status == 0
    shutil.move(library, tmp_path / "away")
    library.mkdir()
    one_clear_error(sp404("scan", library, "-o", tmp_path / "m.csv", *db), 2, "no audio file", "disk")
    assert len(rows(tmp_path / "m.csv")) == 7


def test_a_manifest_that_is_saved_meanwhile_is_not_overwritten(
    scan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan()
    manifest = tmp_path / "library.csv"
    edit(manifest, bpm=("Clap.wav", "77"))
    from flows import scan as scan_flow

    real = scan_flow.walk

    def walked(*roots: Any) -> Any:
        manifest.write_text("file_path\nmine.wav\n")
        return real(*roots)

    monkeypatch.setattr(scan_flow, "walk", walked)
    (tmp_path / "Samples/new.wav").write_bytes((tmp_path / "Samples/Techno/Loops/sliced.wav").read_bytes())
    with pytest.raises(AssertionError, match="was changed while folders were scanned"):
        scan()
    assert manifest.read_text() == "file_path\nmine.wav\n"
    assert not list(tmp_path.glob(".sp404-*"))


SLOW = """
import sys, time
from flows.cli import main
from flows import scan_files
scan_files._REMEMBER_SECONDS = 0.2
real = scan_files.read_header
def slow(path):
    time.sleep(0.01)
    return real(path)
scan_files.read_header = slow
sys.argv = ["sp404", *sys.argv[1:]]
main.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_scan_that_was_stopped_goes_on_where_it_was(scan: Any, library: Path, tmp_path: Path, number: int) -> None:
    sound = (library / "Hip Hop Drums Vol 2/Clap.wav").read_bytes()
    for count in range(600):
        (library / f"clap {count}.wav").write_bytes(sound + b"\0" * (count % 7))
    age(*library.glob("*.wav"))
    time.sleep(2.1)  # until their change of status is older than a clock's step, in the other process, too
    db = tmp_path / "r.duckdb"
    command = [
        sys.executable,
        "-c",
        SLOW,
        "scan",
        str(library),
        "-o",
        str(tmp_path / "library.csv"),
        "--db",
        str(db),
        "--workers",
        "1",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until(db.exists, 60)
    time.sleep(1.0)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0, "it was done before it could be stopped"
    assert "Traceback" not in said
    assert not (tmp_path / "library.csv").exists()
    done = scan()
    assert done["rows"] == 607
    assert 0 < done["read"] < 608


def test_hits_that_an_export_would_refuse_are_counted_with_the_command_that_takes_them(
    scan: Any, sp404: Run, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = library / "Short Kit"
    kit.mkdir()
    for name, ms in (("Kick", 300), ("Snare", 99), ("Hat Closed", 40), ("Clap", 100), ("Hat Open", 60)):
        wav(kit / f"{name}.wav", np.ones(RATE * ms // 1000, np.int16), RATE)
    done = scan("--kits")
    assert (done["short_hits"], done["short_in_kits"]) == (3, 3)
    said = sp404("scan", library, "-o", tmp_path / "library.csv", "--db", tmp_path / "r.duckdb")
    assert "3 samples are shorter than 100 ms" in said.err
    assert f"sp404 export {tmp_path / 'library.csv'} --sound pad_to_ms=100" in said.err
    # What is too short to have a kind gets a pad, too, and is counted.
    wav(kit / "Rim.wav", np.ones(RATE // 100, np.int16), RATE)
    wav(kit / "Tick.wav", np.ones(RATE // 100, np.int16), RATE)
    done = scan("--kits")
    assert (done["short_hits"], done["short_in_kits"]) == (5, 5)
    for name in ("Rim", "Tick"):
        (kit / f"{name}.wav").unlink()
    wav(kit / "Blip.wav", np.ones(RATE // 20, np.int16), RATE)
    for word, count in (("ask", 4), ("yes", 1), ("no", 0)):
        monkeypatch.setenv("SP404_PAD_SHORT_HITS", word)
        assert scan()["short_hits"] == count
    monkeypatch.setenv("SP404_PAD_SHORT_HITS", "ask")
    monkeypatch.setenv("SP404_PAD_TO_MS", "100")
    assert scan()["short_hits"] == 0


def test_a_file_that_is_another_now_is_named_though_its_row_stays(scan: Any, sp404: Run, library: Path, tmp_path: Path) -> None:
    """A damaged one that was put back, for one; by its size or its date."""
    sounds = sorted((library / "Hip Hop Drums Vol 2").glob("[A-Z]*.wav"))[:2]
    whole = sounds[0].read_bytes()
    wav(sounds[0], np.ones(RATE // 3, np.int16), RATE)
    long_ago = time.time_ns() - 10**12
    for path in sounds:
        os.utime(path, ns=(long_ago, long_ago))
    assert scan()["changed_files"] == []
    assert scan()["changed_files"] == []
    sounds[0].write_bytes(whole)
    said = sp404("scan", library, "-o", tmp_path / "library.csv", "--db", tmp_path / "r.duckdb")
    assert f"1 file changed since the last scan: {sounds[0].relative_to(tmp_path)}. The next export takes" in said.out
    os.utime(sounds[1], ns=(long_ago + 10**9, long_ago + 10**9))
    assert str(sounds[1].relative_to(tmp_path)) in scan()["changed_files"]


def test_restored_rows_are_in_a_kit_again_where_kits_are_proposed(scan: Any, sp404: Run, library: Path, tmp_path: Path) -> None:
    """What came back without a kit was written so by a scan: those empty cells are nobody's edit. The same of a new table."""
    manifest = tmp_path / "library.csv"
    scan("--kits")
    kits = {name: row["kit"] for name, row in rows(manifest).items() if row.get("kit")}
    assert kits
    assert scan("--kits")["table_kits"] == {"Hip Hop Drums Vol 2": 4}
    whole = manifest.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    for lines, options in ((whole[:1] + [line for line in whole[1:] if "Hip Hop" not in line], ("--restore",)), ([], ())):
        manifest.unlink()
        if lines:
            manifest.write_text("".join(lines), encoding="utf-8")
        scan(*options)
        assert {name: row["kit"] for name, row in rows(manifest).items() if row.get("kit")} == {}
        assert scan("--kits")["edited"] == 0
        assert {name: row["kit"] for name, row in rows(manifest).items() if row.get("kit")} == kits


@pytest.mark.slow
def test_what_a_scan_leaves_to_a_person_is_said(sp404: Run, library: Path, tmp_path: Path) -> None:
    """A new file in a kit's folder without --kits; a drumkit's own layout; all rows that stay without their file."""
    drums, table, db = library / "Hip Hop Drums Vol 2", tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    (drums / "drumkit.xml").write_text("<drumkit_info/>", encoding="utf-8")
    said = sp404("scan", library, "-o", tmp_path / "other.csv", *db)
    assert "1 Hydrogen drumkit among them: with --kits a scan puts folders of one-shots on pads" in said.err
    (library / "Guitars").mkdir()
    for number in range(4):
        synth.write(library / f"Guitars/guitar {number}.wav", synth.loop(RATE, 90 + number, bars=1), RATE)
    said = sp404("scan", library, "-o", table, "--kits", *db)
    assert "No kit of 1 folder, with loops, one instrument, or names that tell none: Guitars (4)" in said.err
    assert f"1 Hydrogen drumkit laid out otherwise, by drumkit.xml: sp404 export '{drums}' takes the pads" in said.err
    synth.write(drums / "Kick 09.wav", synth.kick(RATE) // 3, RATE)
    said = sp404("scan", library, "-o", table, *db)
    assert "1 new sample lies in the folder of a kit, and got no pad (--kits gives pads): Samples/Hip Hop" in said.err
    text = table.read_text(encoding="utf-8-sig").replace(",Clap,", ",My Clap,").replace(",Kick 01,", ",My Kick,")
    table.write_text(text, encoding="utf-8-sig")
    for name in ("Clap", "Kick 01"):
        (drums / f"{name}.wav").unlink()
    said = sp404("scan", library, "-o", table, "--drop-missing", *db)
    assert "2 rows name files that do not exist, such as " in said.err
    assert said.err.count("Clap.wav") == said.err.count("Kick 01.wav") == 1
    assert len(rows(table)) == 12
