"""What commands print: grouped failures, one line an export, suggestions that remove nothing, errors in JSON, help."""

import json
import re
import shlex
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows.cli import grouped, main, tables
from flows.cli.progress_bar import describe_rest
from flows.cli.times import ago
from schemas.report import RowFinding
from tests.support import audio
from tests.support.command_line import Run, one_clear_error

NUMBERS = "`sp404 history` lists the exports with their numbers"
REMOVING = ("prune", "drop-missing", "clean-junk", "force", "forget", "yes")


def finding(line: int, what: str, cause: str) -> RowFinding:
    path = f"/library/{line}.wav"
    where = f"line {line}, sample {line - 1}"
    return RowFinding(
        where=where, what=what, cause=cause, fix="Mend it.", reason="x", line=line, sample_id=line - 1, file_path=path
    )


def test_failures_are_grouped_with_count_examples_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    short = [finding(line, f"Duration too short: {line}ms (minimum: 100ms)", "Duration too short") for line in range(2, 9)]
    gone = [finding(20, "Audio file not found: /library/20.wav", "Audio file not found")]
    grouped.print_groups([*gone, *short], "/library/m.csv", every=False)
    assert capsys.readouterr().out.splitlines() == [
        "7 x Duration too short",
        "  line 2, sample 1: 2.wav: 2ms (minimum: 100ms)",
        "  line 3, sample 2: 3.wav: 3ms (minimum: 100ms)",
        "  line 4, sample 3: 4.wav: 4ms (minimum: 100ms)",
        "  ... and 4 more",
        "  > sp404 export /library/m.csv --sound pad_to_ms=100   (with the other options of your export)",
        "  > Mend it.",
        "line 20, sample 19: 20.wav: Audio file not found: /library/20.wav",
        "  > sp404 scan FOLDER -o /library/m.csv   (finds files that were moved or renamed)",
        "  > Mend it.",
        "(--all names every one)",
    ]
    grouped.print_groups(short, "/library/m.csv", every=True)
    assert len([line for line in capsys.readouterr().out.splitlines() if "sample" in line]) == 7
    cut = finding(30, "Failed to load audio: truncated: 0.4 s of 1.8 s", "Failed to load audio: truncated")
    capsys.readouterr()
    grouped.print_groups([*short, cut], "/m.csv", every=False, options="--out o --sound pad_to_ms=0")
    (both,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Both at once: ")]
    assert both.startswith("Both at once: sp404 export /m.csv --out o --sound pad_to_ms=100 --sound truncated=keep   (")
    many = [finding(line, f"cause {line % 9}", f"cause {line % 9}") for line in range(2, 200)]
    grouped.print_groups(many, "m.csv", every=False, brief=True)
    assert len(capsys.readouterr().out.splitlines()) <= 22


def library(folder: Path) -> Path:
    for name, seconds in (("good.wav", 0.2), ("short.wav", 0.02)):
        audio.write(folder / name, audio.tone(seconds, 8_000), 8_000, "WAV")
    manifest = folder / "m.csv"
    manifest.write_text(
        "file_path,titel,bpm,kit,bank,pad\ngood.wav,G,,K,A,1\nshort.wav,,,K,A,2\ngone.wav,,,,,\ngood.wav,,x,,,\n"
    )
    return manifest


@pytest.mark.slow
def test_plan_check_and_history_name_every_file(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, db, out = library(tmp_path), tmp_path / "r.duckdb", tmp_path / "out"
    planned = json.loads(sp404("plan", manifest, "--db", db, "--out", out, "--json").out)
    checked = json.loads(sp404("check", manifest, "--db", db, "--json").out)
    found = {(row["line"], row["reason"]): row["file_path"] for row in checked["troubles"]}
    paths = {"short": f"{tmp_path}/short.wav", "gone": f"{tmp_path}/gone.wav", "good": f"{tmp_path}/good.wav"}
    assert found == {(3, "too_short"): paths["short"], (4, "not_found"): paths["gone"], (5, "rejected_bpm"): paths["good"]}
    # What is not there is not promised; the rest only reading tells.
    assert [file["path"] for file in planned["files"]] == ["g.wav", "short.wav"] or len(planned["files"]) == 2
    assert (planned["failing"], planned["rejected"]) == (1, 1)
    said = sp404("export", manifest, "--dry-run", "--db", db, "--out", out)
    assert "4 rows: 2 files to write, 0 unchanged, 1 rejected, 1 would fail" in said.err
    assert f"sp404 check {manifest}" in said.err
    assert "did you mean 'title'" in said.err
    assert "Kit" not in said.err  # no kits are laid out in this run
    assert not out.exists()
    export = sp404("export", manifest, "--direct", "--db", db, "--out", out)
    assert export.status == 1
    assert "Kit K is without" not in export.err
    rows = json.loads(sp404("history", "--db", db, "--failed", "--json").out)
    assert [(row["manifest_line"], row["source_path"]) for row in rows] == [
        (3, paths["short"]), (4, paths["gone"]), (5, paths["good"])
    ]  # fmt: skip
    for options, lines in (
        (("--reason", "too_short"), [3]),
        (("--status", "rejected"), [5]),
        (("--file", "GONE"), [4]),
        (("--failed", "--library", "m.csv"), [3, 4, 5]),
        (("--failed", "--library", "other"), []),
        (("--warning", "clipped"), []),
    ):
        rows = json.loads(sp404("history", "--db", db, *options, "--json").out)
        assert [row["manifest_line"] for row in rows] == lines, options
    with duckdb.connect(str(db)) as records:  # as an interrupted run leaves it
        records.execute("UPDATE sp404_export_samples SET reason = 'not_reached' WHERE manifest_line = 4")
    monkeypatch.setattr(tables, "_PIPE_COLUMNS", 80)
    for command in (("history",), ("history", "--trend")):
        lines = sp404(*command, "--db", db).out.splitlines()
        assert max(map(len, lines)) <= 80
        assert "just now" in "\n".join(lines)
    assert "1 exported, 1 rejected, 1 failed, 1 not reached" in " ".join(sp404("history", "--db", db).out.split())


@pytest.mark.parametrize(
    "arguments",
    [("export", "m.csv", "--dry"), ("export", "m.csv", "--prun"), ("scan", ".", "--drop"), ("forgt",), ("zip", "1", "--forc")],
)
def test_nothing_that_removes_is_suggested(sp404: Run, arguments: tuple[str, ...]) -> None:
    said = sp404(*arguments)
    one_clear_error(said, 2)
    suggested = re.sub(r"^.*?(No such (option|command) '.*?')", "", said.err)
    assert not [word for word in REMOVING if word in suggested], said.err


@pytest.mark.parametrize("name", [".", "a.wav", "a.flac"])
def test_samples_in_place_of_a_manifest_lead_to_scan(sp404: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    for command in (("check",), ("export", "--direct")):
        one_clear_error(sp404(*command, tmp_path / name, "--db", tmp_path / "r.duckdb"), 2, "sp404 scan", "-o library.csv")


def test_an_error_is_json_for_programs_and_text_for_people(sp404: Run, tmp_path: Path) -> None:
    said = sp404("check", tmp_path / "none.csv", "--json")
    assert said.status == 2
    assert json.loads(said.out) == {
        "error": f"{tmp_path}/none.csv: does not exist", "fix": "Check the manifest's path.", "exit_status": 2
    }  # fmt: skip
    assert len(said.err.splitlines()) == 2


def test_help_has_whole_lines_and_no_numbers_of_computers(sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = sp404("--help").out
    assert "..." not in shown.replace("[ARGS]...", "")
    assert "Exit status:" in shown
    for command in main.cli.commands:
        text = sp404(command, "--help").out
        assert "9223372036854775807" not in text
        assert "Exit status:" in text, command


def test_quiet_prints_results_and_errors_only(sp404: Run, tmp_path: Path) -> None:
    manifest, log = library(tmp_path), tmp_path / "log.txt"
    options = ("--direct", "--db", tmp_path / "r.duckdb", "--out", tmp_path / "out")
    said = sp404("export", manifest, *options, "-q", "--log-file", log)
    assert said.err == ""
    assert "1 exported" in said.out
    assert "Export 1: 1 exported" in log.read_text()
    assert len(sp404("-q", "check", tmp_path / "none.csv").err.splitlines()) == 2
    one_clear_error(sp404("config", "--log-file", tmp_path / "no/log.txt"), 3, "log.txt")


def test_times_are_told_as_people_tell_them() -> None:
    now = datetime(2026, 5, 20, 12, 0)
    told = [ago(now - timedelta(**back), now) for back in ({"seconds": 5}, {"minutes": 61}, {"days": 3}, {"days": 30})]
    assert told[:3] == ["just now", "1 h ago", "3 d ago"]
    assert re.fullmatch(r"2026-04-(19|20|21)", told[3])
    assert [describe_rest(*pair) for pair in ((100, 10), (6_000, 10), (100_000, 10))] == ["10 s", "10 min", "2.8 h"]


@pytest.mark.parametrize(
    ("column", "known"), [("tempo", "bpm"), ("bmp", "bpm"), ("Style", "genre"), ("titel", "title"), ("key", "musical_key")]
)
def test_a_column_that_is_ignored_and_may_be_meant_is_named(sp404: Run, tmp_path: Path, column: str, known: str) -> None:
    """A slip, or another program's word for it; where the known one is there, too, it is the person's own."""
    manifest = tmp_path / "m.csv"
    for columns, is_named in (
        (f"file_path,{column}", True),
        (f"file_path,{column},{known}", False),
        ("file_path,rating", False),
    ):
        manifest.write_text(f"{columns}\na.wav,,\n".replace(",,", "," * columns.count(",")), encoding="utf-8")
        said = sp404("check", manifest, "--db", tmp_path / "r.duckdb")
        assert (f"column {column!r} is not known, and is ignored: did you mean {known!r}?" in said.err) == is_named


def loud_kit(folder: Path) -> Path:
    """Write a table of a kit of three hits, two of which are louder than full scale, and of a loud sound that is in none."""
    for name, level in (("kick", 1.5), ("snare", 1.4), ("hat", 0.5), ("loose", 1.3)):
        hertz = 100 + 10 * len(name)
        audio.write(folder / f"{name}.wav", audio.tone(0.2, 48_000, hz=hertz, level=level), 48_000, "WAV", "FLOAT")
    table = folder / "m.csv"
    table.write_text("file_path,kit,bank,pad\nkick.wav,K,A,1\nsnare.wav,K,A,2\nhat.wav,K,A,3\nloose.wav,,,\n", encoding="utf-8")
    return table


def test_check_says_what_will_clip_in_kits_and_beside_them(sp404: Run, tmp_path: Path) -> None:
    """A line for all of a kind, a line each with --all, none where it is turned down: 20 log10 of 1.5, 1.4 and 1.3."""
    check = ("check", loud_kit(tmp_path), "--db", tmp_path / "r.duckdb")
    said = sp404(*check)
    lines = [line for line in said.err.splitlines() if "Louder than full scale" in line]
    assert lines == [
        "Worth a look: 2 x Louder than full scale, and will be clipped (kit K, A1, line 2; kit K, A2, line 3)."
        " --sound guard=folder turns the whole kit down alike.",
        "Worth a look: line 5, loose.wav: Louder than full scale, and will be clipped: +2.3 dBFS."
        " --sound guard=file turns it down.",
    ]
    assert "4 good" in said.out
    lines = [line for line in sp404(*check, "--all").err.splitlines() if "Louder than full scale" in line]
    assert [line.rpartition("clipped: ")[2][:9] for line in lines] == ["+3.5 dBFS", "+2.9 dBFS", "+2.3 dBFS"]
    assert "Louder" not in sp404(*check, "--sound", "guard=file").err


def test_what_clipped_is_said_once_and_with_the_advice_for_the_layout(sp404: Run, tmp_path: Path) -> None:
    table = loud_kit(tmp_path)
    for layout, advice in (("kit", "guard=folder turns the whole kit down alike"), ("flat", "guard=file turns it down")):
        where = ("--out", tmp_path / layout, "--db", tmp_path / "r.duckdb")
        said = sp404("export", table, "--direct", "--organize-by", layout, *where).err
        lines = [line for line in said.splitlines() if "Louder than" in line and "Which" not in line]
        assert lines == [f"3 x Louder than full scale and clipped (--sound {advice})"]
        assert ("1 of 4 rows has no kit, and goes to unknown_kit" in said) == (layout == "kit")


def test_it_is_said_that_other_settings_of_the_sound_convert_again(sp404: Run, tmp_path: Path) -> None:
    """By the plan, of what would be written; nothing is said where nothing stands, or where the sound stays."""
    where = ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    options = (loud_kit(tmp_path), *where)
    assert "converted again" not in sp404("plan", *options).err
    sp404("export", *options, "--direct")
    assert "converted again" not in sp404("plan", *options).err
    note = "4 files are converted again: made with other sound settings before (guard was none in export 1, and is file now)"
    assert f"Note: {note}" in sp404("plan", *options, "--sound", "guard=file").err.splitlines()
    (tmp_path / "hat.wav").unlink()
    audio.write(tmp_path / "kick.wav", audio.tone(0.2, 48_000, hz=99), 48_000, "WAV")
    assert "Note: 2 files are converted again" in sp404("plan", *options, "--sound", "guard=file").err
    sp404("export", *options, "--direct", "--sound", "guard=file")
    back = "(guard was file in export 2, and is none now)"
    assert back in sp404("export", *options, "--direct").err


def test_a_terminal_lists_first_what_is_to_be_written(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table whose last file is new; a pipe gets them in the order of the table."""
    table, where = loud_kit(tmp_path), ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    sp404("export", table, "--direct", *where)
    audio.write(tmp_path / "zap.wav", audio.tone(0.2, 48_000, hz=77), 48_000, "WAV")
    with table.open("a", encoding="utf-8") as rows:
        rows.write("zap.wav,,,\n")
    piped = sp404("plan", table, *where).out.splitlines()
    assert piped[-1].startswith("zap.wav")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = sp404("plan", table, *where).out.splitlines()
    assert shown[0].startswith("zap.wav")
    assert sorted(line.split()[0] for line in shown) == sorted(line.split()[0] for line in piped)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("verify", "/media/card"), f"{NUMBERS}; `sp404 card PATH` is for a card."),
        (("zip", "kit"), f"{NUMBERS}."),
        (("history", "drums"), f"{NUMBERS}; --file TEXT and --library TEXT find samples and exports by a part of their path."),
        (("history", "1", "--export", "2"), "Name one of them."),
        (("check", "m.csv", "--organize-by", "kit"), "It is an option of `sp404 plan` and of `sp404 export`."),
        (("export", "m.csv", "--dry"), "See `sp404 export --help`."),
    ],
)
def test_a_call_that_is_another_command_s_leads_there(sp404: Run, command: tuple[str, ...], said: str) -> None:
    answer = sp404(*command)
    assert answer.status == 2
    assert answer.err.splitlines()[1].strip() == said


def test_an_option_that_was_not_typed_to_its_end_is_found(sp404: Run) -> None:
    """But none that deletes."""
    assert "Did you mean '--dry-run'?" in sp404("export", "m.csv", "--dry").err
    assert "Did you mean" not in sp404("export", "m.csv", "--prun").err


def test_a_row_that_was_removed_is_missed_in_the_other_layout_too(sp404: Run, tmp_path: Path) -> None:
    """Pruning by one layout leaves its file in the other: that is said, with what removes it; it does."""
    table, card = loud_kit(tmp_path), tmp_path / "CARD"
    (card / "IMPORT").mkdir(parents=True)
    where = ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb", "--card", card, "--direct", "--prune")
    for layout in ("kit", "flat"):
        sp404("export", table, "--organize-by", layout, *where)
    table.write_text("file_path,kit,bank,pad\nkick.wav,K,A,1\nsnare.wav,K,A,2\n", encoding="utf-8")
    said = sp404("export", table, "--organize-by", "flat", *where).out
    lost = "2 of them of samples that are no longer in the manifest, such as k/bank_A/pad_03_hat.wav:"
    assert said.count(f"{lost} an export by kit with --prune removes them") == 2, "in the folder, and on the card"
    said = sp404("export", table, "--organize-by", "kit", *where).out
    assert not list(card.rglob("*hat.wav"))
    assert "of them of" not in said


def test_a_plan_for_an_empty_card_and_with_other_names_says_so(
    sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows a file of each folder first, counts what is only renamed, and takes the option that the export needs."""
    card, table = tmp_path / "CARD", tmp_path / "m.csv"
    card.mkdir()
    rows = "".join(
        f"{genre}{number}.wav,{genre} number {number},{genre},120\n" for genre in ("Dub", "Jazz") for number in range(9)
    )
    for number, name in enumerate(line.partition(",")[0] for line in rows.splitlines()):
        audio.write(tmp_path / name, audio.tone(0.2, 8_000, hz=300 + 10 * number), 8_000, "WAV")
    table.write_text(f"file_path,title,genre,bpm\n{rows}", encoding="utf-8")
    where = ("--organize-by", "genre", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    said = sp404("plan", table, *where, "--card", card)
    assert said.status == 0
    assert f"The card {card} is empty: an export with --init-card makes IMPORT there, and copies all files" in said.err
    one_clear_error(sp404("export", table, *where, "--card", card), 2, "Add --init-card")
    said = sp404("plan", table, *where, "--card", card, "--init-card")
    assert f"The card {card} is empty: an export makes IMPORT there, and copies all files" in said.err
    assert said.status == 0
    assert list(card.iterdir()) == []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = sp404("plan", table, *where).out.splitlines()
    assert [line.split("/")[0] for line in shown[:4]] == ["dub", "jazz", "dub", "jazz"]
    sp404("export", table, "--direct", *where, "--names", "screen", "--card", card, "--init-card")
    assert "was written to" not in sp404("card", card, "--db", tmp_path / "r.duckdb").out
    said = sp404("plan", table, *where)
    assert "Note: 18 files to rename: names was screen in export 1, and is full now" in said.err
    assert "18 rows: 0 files to write, 18 to rename, 0 unchanged" in said.err
    with table.open("a", encoding="utf-8") as file:
        file.write("Dub0.wav,Once more,Soul,\n")
    said = sp404("card", card, "--db", tmp_path / "r.duckdb")
    assert f"{table} was written to since its last export" in said.out
    command = next(line for line in said.out.splitlines() if line.startswith("  > ")).removeprefix("  > sp404 ")
    (tmp_path / "Dub1.wav").rename(tmp_path / "away.wav")
    sp404(*shlex.split(command), "--direct")
    said = sp404("card", card, "--db", tmp_path / "r.duckdb")
    assert "was written to" not in said.out
    assert "  1 sample of it could not be exported last: sp404 history --export 2 --failed" in said.out


def test_what_is_turned_down_and_what_was_not_measured_is_said(sp404: Run, tmp_path: Path) -> None:
    """The peak of +6.0 dB is 20 log10 of 2."""
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    audio.write(tmp_path / "loud.wav", 2 * audio.tone(0.3, 48_000, level=1.0), 48_000, "WAV", "FLOAT")
    audio.write(tmp_path / "short.wav", audio.tone(0.02, 48_000), 48_000, "WAV")
    table.write_text("file_path\nloud.wav\nshort.wav\n", encoding="utf-8")
    assert "1 that would fail is not measured: more may be louder than full scale" in sp404("check", table, *db).err
    assert "not measured" not in sp404("check", table, "--sound", "pad_to_ms=100", *db).err
    said = sp404("export", table, "--direct", "--sound", "guard=file", "--out", tmp_path / "out", *db)
    assert "1 sample is turned down so that nothing clips, by up to 6.0 dB" in said.err
    again = sp404("export", table, "--direct", "--sound", "guard=file", "--out", tmp_path / "out", *db)
    assert "turned down" not in again.err


def test_what_the_last_export_did_to_the_sound_is_known_to_check_and_scan(
    sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in a narrow terminal, samples with one warning stand below it, a line each."""
    lib, table, db = tmp_path / "lib", tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    lib.mkdir()
    for number in range(3):
        loud = 2 * audio.tone(0.3, 48_000, level=1.0, hz=500 + number)
        audio.write(lib / f"a rather long name of a loud loop {number}.wav", loud, 48_000, "WAV", "FLOAT")
    audio.write(lib / "short.wav", audio.tone(0.02, 48_000), 48_000, "WAV")
    scan = ("scan", lib, "-o", table, *db)
    assert f"an export refuses them. sp404 export {table} --sound pad_to_ms=100 adds silence" in sp404(*scan).err
    assert "The last export" not in sp404("check", table, *db).err
    sp404("export", table, "--direct", "--sound", "pad_to_ms=100", "--out", tmp_path / "out", *db)
    padded = "1 sample is shorter than 100 ms: the last export had silence added to them (--sound pad_to_ms=100)"
    assert padded in sp404(*scan).err
    assert json.loads(sp404(*scan, "--json").out)["short_padded"]
    said = sp404("check", table, *db)
    command = f"sp404 check {table} --sound pad_to_ms=100"
    assert f"The last export was made with other sound settings: {command} checks with those" in said.err
    assert sp404(*command.split()[1:], *db).out.endswith("4 rows: 4 good, 0 rejected, 0 would fail\n")
    monkeypatch.setattr(tables, "_PIPE_COLUMNS", 80)
    assert sp404("history", "1", "--warning", "Louder", *db).out.splitlines() == [
        "Export 1, just now, exported: 3 x Louder than full scale and clipped (--sound guard=file turns it down)",
        *(
            f"  line {line}, sample {line - 1}: a_rather_long_name_of_a_loud_loop_{line - 2}.wav: +6.0 dBFS"
            for line in (2, 3, 4)
        ),
    ]  # fmt: skip
    assert "Export 1, just now, exported: 1\n  line 5, sample 4: short.wav\n" in sp404("history", "--sample", "4", *db).out


def test_a_plan_prints_the_whole_command_and_the_folder_that_all_paths_begin_with(sp404: Run, tmp_path: Path) -> None:
    """What is added to the command is the sound alone; a table inside of the folder leaves the folder out."""
    lib, card, db, out = tmp_path / "My Lib", tmp_path / "CARD", ("--db", tmp_path / "r.duckdb"), tmp_path / "out"
    (card / "IMPORT").mkdir(parents=True)
    for name in ("drums", "bass"):
        (lib / name).mkdir(parents=True)
    for number in range(10):
        audio.write(lib / "drums" / f"{number}a.wav", audio.tone(0.2, 8_000, hz=300 + number), 8_000, "WAV")
        audio.write(lib / "bass" / f"{number}b.wav", audio.tone(0.2, 8_000, hz=400 + number), 8_000, "WAV")
    audio.write(lib / "drums" / "short.wav", audio.tone(0.02, 8_000), 8_000, "WAV")
    for table, top in (
        (
            tmp_path / "m.csv",
            f"All 21 paths begin with my_lib/: sp404 scan '{lib}' -o '{lib}/m.csv' makes a table without that",
        ),
        (lib / "m.csv", ""),
    ):
        sp404("scan", lib, "-o", table, *db)
        options = ("--organize-by", "folder", "--out", out, "--card", card, "--prune")
        said = sp404("plan", table, *options, *db)
        words = shlex.split(next(line for line in said.err.splitlines() if "pad_to_ms" in line).removeprefix("  > "))
        assert words[:3] == ["sp404", "export", str(table)]
        typed = sorted([*map(str, options), *map(str, db), "--sound", "pad_to_ms=100"])
        assert sorted(words[3:]) == typed
        assert (top in said.err) if top else "paths begin with" not in said.err
    sp404("export", tmp_path / "m.csv", "--direct", *options, *db)
    assert "paths begin with" not in sp404("plan", tmp_path / "m.csv", *options, *db).err


def test_what_is_new_ends_the_failures_and_advice_is_given_once(sp404: Run, tmp_path: Path) -> None:
    """Also: what was exported since has its file of then, not of before."""
    table, db, out = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb"), ("--direct", "--out", tmp_path / "out")
    whole = {}
    for name in ("one", "two"):
        path = audio.write(tmp_path / f"{name}.wav", audio.tone(0.5, 48_000, hz=len(whole) + 300), 48_000, "WAV")
        whole[path] = path.read_bytes()
    audio.write(tmp_path / "short.wav", audio.tone(0.02, 48_000), 48_000, "WAV")
    table.write_text("file_path\none.wav\ntwo.wav\nshort.wav\n", encoding="utf-8")
    one, two = whole
    one.write_bytes(whole[one][:9_000])
    sp404("export", table, *out, *db)
    assert "failed before that" not in sp404("history", "--failed", *db).out
    two.write_bytes(whole[two][:9_000])
    sp404("export", table, *out, *db)
    for command in (("history", "--failed"), ("history", "2", "--failed")):
        said = sp404(*command, *db).out
        assert said.splitlines()[-1] == "1 new, named first above; 2 failed before that, too"
        assert said.count("> Get the file again from its pack, or export") == 1
        assert f"of an earlier export, which stays as it is: {tmp_path}/out/two.wav\n" in said
    one.write_bytes(whole[one])
    sp404("export", table, *out, *db)
    said = sp404("history", "2", "--failed", *db).out
    assert "Exported since then: 1" in said
    assert f"1 of these still has its file of an earlier export, which stays as it is: {tmp_path}/out/two.wav\n" in said
    # What is said of older exports has no command: it would have the settings of then.
    sp404("export", table, *out, "--sound", "pad_to_ms=100", *db)
    said = sp404("history", "--failed", "--all", *db).out
    (command,) = [line for line in said.splitlines() if "truncated=keep" in line and line.startswith("  > sp404 ")]
    assert "--sound pad_to_ms=100 --sound truncated=keep" in command
    assert "5 failures of before, of 2 files: exported since then" in sp404("history", "--failed", *db).out
