"""``status``, ``explain``, ``sql``, ``completion``, ``init`` and the JSON of the rest."""

import csv
import json
import os
import shlex
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from config.schedules import next_time
from config.settings import Settings
from flows import explain
from flows.orchestration import prefect_server
from schemas.enums import KitRule
from schemas.errors import RequestError
from schemas.manifest import ROW_RULES, SET_RULES, Rule
from tests.support import ROOT, audio
from tests.support.command_line import Run, one_clear_error
from tests.support.errors import ALL_ERRORS


@pytest.fixture
def db(sp404: Run, library: Path, tmp_path: Path) -> Path:
    """Records of two exports, in which sample 6 failed."""
    path = tmp_path / "r.duckdb"
    for _ in range(2):
        sp404("export", library / "manifest.csv", "--direct", "--db", path, "--out", tmp_path / "out")
    return path


def test_status_says_how_things_stand(
    sp404: Run, db: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SP404_LIBRARY", str(library / "manifest.csv"))
    monkeypatch.setenv("SP404_TIMEZONE", "Europe/Berlin")
    monkeypatch.setattr("flows.orchestration.prefect_server.is_healthy", lambda _api: False)
    said = sp404("status", "--db", db)
    assert said.status == 0
    for words in (
        "export 2 of",
        "9 unchanged, 1 not exported",
        f"          to {tmp_path / 'out'}\n",
        "all of them failed in the run before, too",
        "1 x Duration too short\n",
        "such as ",
        "sp404 up",
    ):
        assert words in said.out
    assert len(said.out.splitlines()) <= 20
    report = json.loads(sp404("status", "--db", db, "--json").out)
    assert (report["last"]["failing"], report["last"]["again"], report["last"]["reasons"]) == (1, 1, {"too_short": 1})
    assert report["db_bytes"] == db.stat().st_size
    assert datetime.fromisoformat(report["next_nightly"]).hour == 3
    nothing = json.loads(sp404("status", "--db", tmp_path / "none.duckdb", "--json").out)
    assert (nothing["last"], nothing["db_bytes"]) == (None, 0)
    with duckdb.connect(str(db)) as records:  # as a kill leaves it
        records.execute("UPDATE sp404_exports SET finished_at = NULL WHERE id = 2")
        records.execute("DELETE FROM sp404_export_samples WHERE export_id = 2")
    said = sp404("status", "--db", db)
    assert "Not finished: the same command resumes it, and so does the next night" in said.out
    assert "not exported" not in said.out
    db.unlink()
    one_clear_error(sp404("status", "--db", db), 3, "it is gone", "sp404 repair")


def test_history_calls_a_drumkit_by_its_folder(sp404: Run, db: Path) -> None:
    with duckdb.connect(str(db)) as records:
        records.execute("UPDATE sp404_exports SET manifest_path = '/kits/Rock/drumkit.xml' WHERE id = 2")
    said = sp404("history", "--db", db).out
    assert " Rock " in said
    assert " drumkit " not in said


def test_status_names_the_failures_that_are_new(sp404: Run, db: Path, library: Path, tmp_path: Path) -> None:
    """First of all, and not the first three of all."""
    with (library / "manifest.csv").open(newline="", encoding="utf-8-sig") as file:
        gone = [library / row["file_path"] for row in csv.DictReader(file)][-1]
    gone.rename(gone.with_suffix(".away"))
    sp404("export", library / "manifest.csv", "--direct", "--db", db, "--out", tmp_path / "out")
    said = sp404("status", "--db", db).out
    assert f"1 of them failed in the run before, too; new: {gone.name}\n" in said
    assert f"such as {gone.name}, " in said


def test_status_asks_what_runs_for_what_is_not_set_here(
    sp404: Run, db: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the address that it published: another server knows nothing of it. What is set here goes before."""
    healthy = ["http://127.0.0.1:4711/api"]
    monkeypatch.setattr("flows.orchestration.prefect_server.is_healthy", lambda api: api in healthy)
    known = {"library": str(library / "manifest.csv"), "db": str(db), "nightly_cron": "30 4 * * *", "timezone": "Europe/Berlin"}
    prefect_server.publish_api(healthy[0], **known)
    said = sp404("status").out
    for words in ("manifest.csv", "export 2 of", "04:30", "4711/api answers"):
        assert words in said
    monkeypatch.setenv("SP404_LIBRARY", str(tmp_path / "mine.csv"))
    said = sp404("status").out
    assert "mine.csv is not there" in said
    assert "the server exports" in said
    monkeypatch.delenv("SP404_LIBRARY")
    healthy.clear()
    assert "none is set for the night" in sp404("status").out
    prefect_server.withdraw_api()


def test_failures_of_before_that_are_mended_are_not_listed_again(sp404: Run, db: Path, library: Path, tmp_path: Path) -> None:
    assert "Export 2" in sp404("history", "--db", db, "--failed").out
    options = ("--direct", "--db", db, "--out", tmp_path / "out", "--sound", "pad_to_ms=100")
    sp404("export", library / "manifest.csv", *options)
    said = sp404("history", "--db", db, "--failed").out
    assert said.strip() == "2 failures of before: exported since then (--all shows them, too)"
    for question in (("--all",), ("--export", 2)):
        assert "Export 2" in sp404("history", "--db", db, "--failed", *question).out
    found = json.loads(sp404("history", "--db", db, "--failed", "--json").out)
    assert [(row["export_id"], row["exported_since"]) for row in found] == [(2, 3), (1, 3)]


def test_failures_of_rows_that_are_gone_are_not_to_be_mended(sp404: Run, tmp_path: Path) -> None:
    """A row that was taken out, and a path that was corrected; what the table still names is listed."""
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    table.write_text("file_path\na.wav\nout.wav\ntypo.flc\nlost.wav\n", encoding="utf-8")
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    assert "3 failed of 4" in sp404(*export).out
    table.write_text("file_path\na.wav\nlost.wav\n", encoding="utf-8")
    said = sp404("history", "--failed", *db).out
    assert "lost.wav" in said
    assert "out.wav" not in said
    assert "typo.flc" not in said
    assert "2 failures of before: no longer in the manifest (--all shows them, too)" in said
    assert "typo.flc" in sp404("history", "--failed", "--all", *db).out
    table.unlink()
    assert "typo.flc" in sp404("history", "--failed", *db).out, "nothing is known of a table that cannot be read"


def test_failures_of_a_folder_that_was_moved_are_mended_by_the_export_that_finds_it(sp404: Run, tmp_path: Path) -> None:
    """A sample keeps its id where its file is elsewhere."""
    table, db = tmp_path / "library.csv", ("--db", tmp_path / "r.duckdb")
    for name, level in (("a", 0.3), ("b", 0.4)):
        (tmp_path / "lib").mkdir(exist_ok=True)
        audio.write(tmp_path / f"lib/{name}.wav", audio.tone(0.3, 48_000, level=level), 48_000, "WAV")
    sp404("scan", tmp_path / "lib", "-o", table, *db)
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    assert sp404(*export).status == 0
    (tmp_path / "lib").rename(tmp_path / "moved")
    assert "2 failed of 2" in sp404(*export).out
    assert "Export 2" in sp404("history", "--failed", *db).out
    sp404("scan", tmp_path / "moved", "-o", table, *db)
    assert sp404(*export).status == 0
    said = sp404("history", "--failed", *db).out
    assert said.strip() == "2 failures of before: exported since then (--all shows them, too)"


def test_the_card_that_is_there_need_not_be_named(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [tmp_path / name for name in ("a card", "b")]
    monkeypatch.setattr("tasks.bundle.plugged_cards.list_mounts", lambda: [str(card) for card in cards])
    one_clear_error(sp404("card"), 2, "No card is plugged in", "sp404 card PATH")
    for number, card in enumerate(cards):
        (card / "IMPORT").mkdir(parents=True)
        if number == 0:
            one_clear_error(sp404("card"), 2, f"{card}", "has nothing from sp404-export")
    one_clear_error(sp404("card"), 2, f"Several cards are plugged in: {cards[0]}, {cards[1]}", f"sp404 card '{cards[0]}'")


def test_a_schedule_is_due_at_its_wall_clock_and_its_error_names_the_setting() -> None:
    zone = ZoneInfo("Europe/Berlin")
    # The night in which summer time ends has 25 hours.
    due = next_time("nightly_cron", "0 3 * * *", "Europe/Berlin", datetime(2026, 10, 24, 3, 1, tzinfo=zone))
    assert (due.isoformat(), due.utcoffset()) == ("2026-10-25T03:00:00+01:00", datetime(2026, 12, 1, tzinfo=zone).utcoffset())
    with pytest.raises(RequestError, match=r"nightly_cron = '3 Uhr' .*: wrong number of fields"):
        next_time("nightly_cron", "3 Uhr", "Europe/Berlin")


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_heading(kind: type[Exception]) -> None:
    found, *_ = explain.explain(kind.reason)  # type: ignore[attr-defined]
    assert f"`{kind.reason}`" in found.text  # type: ignore[attr-defined]
    assert len(found.text.splitlines()[2]) > 10


def test_explain_takes_words_messages_and_settings(sp404: Run) -> None:
    headings = [entry.title for entry in explain.headings()]
    assert len(headings) == len(set(headings))
    assert headings == sorted(headings, key=lambda title: title.casefold().lstrip(". "))
    assert "a range of a plan file" in sp404("explain", "shard").out
    assert "pad_to_ms" in sp404("explain", "Duration", "too", "short:", "50ms", "(minimum:", "100ms)").out
    for name, field in Settings.model_fields.items():
        assert str(field.description).rstrip(".") in explain.explain(name)[-1].text
    (entry,) = json.loads(sp404("explain", "too_short", "--json").out)
    assert "pad_to_ms=100" in entry["text"]
    one_clear_error(sp404("explain", "too_shrt"), 2, "Perhaps: too_short")
    assert "beyond full scale" in sp404("explain", "clipped").out
    assert "missing" in sp404("explain", "missing").out


@pytest.mark.parametrize(
    ("printed", "known"),
    [
        ("line 5: bpm 'fast' must be a number", "120.5"),
        ("must be 1 to 16", "A bank has pads 1 to 16"),
        ("Louder than full scale and clipped (--sound guard=file turns it down): +3.1 dBFS", "guard=file"),
        ("No tempo suits 180 BPM and the 80 BPM of A1: the device stretches to 50% to 150%", "half or double"),
        ("The kit Night Bus was changed elsewhere meanwhile: on another page, or in an editor", "kit_changed"),
        ("unknown_genre", "--organize-by folder"),
        ("not reached", "interrupted before it came to this sample"),
        ("Worth a look", "it stops nothing"),
        ("300 files of the layout bpm stay; `--prune-layout bpm` removes them", "another layout"),
        ("Rows that you removed stay out: 4 (--restore brings them back)", "--restore"),
        ("Note: Kit VariBreaks is without 1 of its 16 samples: A3", "the other pads were exported"),
        ("Kit GM Rok Kit not found", "capitals and spaces do not matter"),
        ("nowhere.csv: does not exist", "sp404 scan FOLDER"),
        ("eighty columns", ""),
    ],
)
def test_explain_knows_what_was_printed(sp404: Run, printed: str, known: str) -> None:
    """Rules of rows, warnings, findings in kits, and errors with names in them; a word of no message is unknown."""
    said = sp404("explain", printed)
    if known:
        assert known in said.out
    else:
        one_clear_error(said, 2, "Nothing is known")


@pytest.mark.parametrize("rule", [*ROW_RULES, *SET_RULES], ids=lambda rule: f"{rule.column}-{rule.text}")
def test_every_rule_of_a_manifest_is_explained(rule: Rule) -> None:
    assert rule.fix in [entry.text for entry in explain.explain(f"line 7: {rule.column} 'x' {rule.text}")]


@pytest.mark.parametrize("rule", KitRule)
def test_every_rule_of_a_kit_is_explained(rule: KitRule) -> None:
    assert explain.explain(rule), rule


@pytest.mark.slow
def test_sql_answers_and_changes_nothing(sp404: Run, db: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(db), read_only=True) as records:
        truth = records.sql("SELECT status, count(*) FROM sp404_export_samples GROUP BY ALL ORDER BY ALL").fetchall()
    question = "SELECT status, count(*) AS n FROM sp404_export_samples GROUP BY ALL ORDER BY ALL"
    rows = json.loads(sp404("sql", question, "--db", db, "--json").out)
    assert [(row["status"], row["n"]) for row in rows] == truth
    assert "(the first 3; --most N prints more)" in sp404("sql", "FROM samples", "--most", 3, "--db", db).err
    before = db.read_bytes()
    target = tmp_path / "stolen.csv"
    for statement in (
        "DROP TABLE samples",
        "DELETE FROM samples",
        f"COPY samples TO '{target}'",
        f"FROM '{db}.csv'",
        "SELEC 1",
    ):
        one_clear_error(sp404("sql", statement, "--db", db), 2, "SHOW TABLES")
    assert not target.exists()
    assert db.read_bytes() == before
    one_clear_error(sp404("sql", "FROM samples", "--db", tmp_path / "none.duckdb"), 3, "none.duckdb")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(sp404: Run, shell: str) -> None:
    said = sp404("completion", shell)
    assert f"_SP404_COMPLETE={shell}_complete" in said.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=said.out, text=True, check=True)


@pytest.mark.slow
def test_kits_and_settings_complete(sp404: Run, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", audio.tone(0.2, 8_000), 8_000, "WAV")
    (tmp_path / "m.csv").write_text("file_path,kit,bank,pad\na.wav,Night Bus,A,1\n")
    db = str(tmp_path / "r.duckdb")
    sp404("export", tmp_path / "m.csv", "--direct", "--db", db, "--out", tmp_path / "out")
    for words, last, expected in (
        (["--kit", "ni"], 3, "Night Bus"),
        (["--sound", "pad"], 3, "pad_to_ms="),
        (["--organ"], 2, "--organize-by"),
    ):
        line = f"sp404 export {' '.join(words)}"
        environment = os.environ | {
            "_SP404_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(last), "SP404_DB": db
        }  # fmt: skip
        code = "from flows.cli.main import main; import sys; sys.argv = ['sp404']; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert expected in done.stdout, done


@pytest.mark.slow
def test_init_writes_a_manifest_and_settings_and_replaces_nothing(
    sp404: Run, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    options = ("--samples", library, "--out", tmp_path / 'out "x"', "--card", "", "--nightly", "--db", tmp_path / "r.duckdb")
    one_clear_error(sp404("init", "--db", tmp_path / "r.duckdb"), 2, "--samples")
    inside = (*options[:3], library / "out", *options[4:])
    one_clear_error(sp404("init", *inside), 2, "lies in the folder of your samples")
    assert not (tmp_path / "library.csv").exists()
    said = sp404("init", *options, "--service")
    assert said.status == 0, said
    settings = tomllib.loads((tmp_path / "config/sp404.toml").read_text())["sp404"]
    assert settings == {"output_base_path": f'{tmp_path}/out "x"', "library": f"{tmp_path}/library.csv", "nightly_scan": True}
    assert (tmp_path / "library.csv").read_text(encoding="utf-8-sig").startswith("file_path,")
    assert "ExecStart=" in (tmp_path / "home/.config/systemd/user/sp404.service").read_text()
    for words in ("sp404 check library.csv", "sp404 export library.csv", "enable-linger"):
        assert words in said.out
    in_force = json.loads(sp404("config", "--json").out)
    assert in_force["library"] == {"value": f"{tmp_path}/library.csv", "from": "config/sp404.toml"}
    before = {path: path.read_bytes() for path in (tmp_path / "library.csv", tmp_path / "config/sp404.toml")}
    one_clear_error(sp404("init", *options), 2, "is there already")
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_init_takes_a_table_that_is_there_as_it_is(
    sp404: Run, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's first step is a scan: the settings come after it. With ``--samples`` the table is brought up to date."""
    monkeypatch.chdir(tmp_path)
    db = ("--db", tmp_path / "r.duckdb")
    table = tmp_path / "library.csv"
    sp404("scan", library, "-o", table, *db)
    table.write_text(table.read_text(encoding="utf-8-sig").splitlines()[0] + "\n", encoding="utf-8")
    before = table.read_bytes()
    options = ("--out", tmp_path / "out", "--card", "", "--nightly", *db)
    said = sp404("init", *options)
    assert (said.status, table.read_bytes()) == (0, before)
    assert f"0 samples in {table}" in said.out
    assert tomllib.loads((tmp_path / "config/sp404.toml").read_text())["sp404"]["library"] == str(table)
    (tmp_path / "config/sp404.toml").unlink()
    table.unlink()
    table.write_text("file_path,notes\nmine.wav,keep me\n", encoding="utf-8")
    (tmp_path / "more").mkdir()
    audio.write(tmp_path / "more/new.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    assert sp404("init", "--samples", tmp_path / "more", *options).status == 0
    first, second = table.read_text(encoding="utf-8-sig").splitlines()[1:]
    assert first.startswith("mine.wav,keep me")
    assert second.startswith("more/new.wav,")


@pytest.mark.slow
@pytest.mark.parametrize(("nights", "card"), [("--nightly", True), ("--no-nightly", False)])
def test_init_gives_the_nights_the_card(
    sp404: Run, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nights: str, card: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--samples", library, "--out", tmp_path / "out", "--card", tmp_path / "CARD", "--db", tmp_path / "r.duckdb")
    assert sp404("init", *options, nights).status == 0
    settings = tomllib.loads((tmp_path / "config/sp404.toml").read_text())["sp404"]
    assert settings.get("nightly_card") == (f"{tmp_path}/CARD" if card else None)
    assert json.loads(sp404("config", "--json").out)["nightly_card"]["value"] == (f"{tmp_path}/CARD" if card else "")


def test_status_says_where_the_card_of_the_nights_is_not_there(
    sp404: Run, db: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by what a running ``sp404 up`` has in its settings."""
    card = tmp_path / "CARD"
    missing = f"the card {card} is not there: not current; the nights export without it"
    assert "Nights" not in sp404("status", "--db", db).out
    healthy = "http://127.0.0.1:4711/api"
    monkeypatch.setattr("flows.orchestration.prefect_server.is_healthy", lambda api: api == healthy)
    known = {"library": str(library / "manifest.csv"), "db": str(db), "nightly_card": str(card)}
    prefect_server.publish_api(healthy, **known)
    assert missing in sp404("status").out
    prefect_server.withdraw_api()
    monkeypatch.setenv("SP404_LIBRARY", str(library / "manifest.csv"))
    monkeypatch.setenv("SP404_NIGHTLY_CARD", str(card))
    assert missing in sp404("status", "--db", db).out
    (card / "IMPORT").mkdir(parents=True)
    assert "Nights" not in sp404("status", "--db", db).out
    report = json.loads(sp404("status", "--db", db, "--json").out)
    assert (report["nightly_card"], report["no_nightly_card"]) == (str(card), "")


@pytest.mark.slow
def test_init_names_what_it_leaves_out(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    good = audio.write(tmp_path / "lib/kick.wav", audio.tone(0.3, 44_100), 44_100, "WAV").read_bytes()
    (tmp_path / "lib/cut.wav").write_bytes(good[:9_000])
    (tmp_path / "lib/nothing.wav").touch()
    options = ("--out", tmp_path / "out", "--card", "", "--no-nightly", "--db", tmp_path / "r.duckdb")
    one_clear_error(sp404("init", "--samples", tmp_path / "nowhere", *options), 2, "nowhere is not a folder")
    said = sp404("init", "--samples", tmp_path / "lib", *options)
    assert said.status == 0
    assert "lib/cut.wav: cannot be read" in said.err
    assert "truncated=keep" not in said.err, "what is not in the table cannot be exported"
    assert "1 x empty file" in said.err
    assert "1 sample in " in said.out


@pytest.mark.slow
def test_demo_and_repair_have_json(sp404: Run, tmp_path: Path) -> None:
    made = json.loads(sp404("demo", "--direct", "--out", tmp_path / "demo", "--json").out)
    assert [export["successful"] for export in made["exports"]] == [21, 14]
    repaired = json.loads(sp404("repair", "--force", "--db", made["db"], "--json").out)
    assert (repaired["exports"], repaired["losses"]) == (2, [])


def test_what_failed_in_two_nights_is_listed_once_behind_what_is_new(sp404: Run, tmp_path: Path) -> None:
    """And a rejected row that was corrected waits for the next export alone."""
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    audio.write(tmp_path / "b.wav", audio.tone(0.3, 48_000, hz=300), 48_000, "WAV")
    table.write_text("file_path,bpm\na.wav,120\nold.wav,\nb.wav,9000\n", encoding="utf-8")
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    sp404(*export)
    table.write_text("file_path,bpm\na.wav,120\nold.wav,\nb.wav,9000\nnew.wav,\n", encoding="utf-8")
    sp404(*export)
    said = sp404("history", "--failed", *db).out
    assert "Export 2, just now, not exported: 3, 1 of them new" in said
    assert said.index("new.wav") < said.index("Before that, too: 2") < said.index("old.wav")
    assert [sum(name in line for line in said.splitlines()) for name in ("new.wav", "old.wav", "b.wav")] == [1, 1, 1]
    assert "Export 1" not in said
    table.write_text("file_path,bpm\na.wav,120\nold.wav,\nb.wav,90\nnew.wav,\n", encoding="utf-8")
    said = sp404("history", "--failed", *db).out
    assert "b.wav" not in said
    assert "corrected in the manifest; an export is due" in said
    assert "1 exported, 1 unchanged, 2 failed" in sp404(*export).out
    assert "b.wav" not in sp404("history", "--failed", *db).out


def test_status_says_what_was_mended_and_that_there_are_more_than_it_names(sp404: Run, tmp_path: Path) -> None:
    """Of five files that fail for the first time three are named, and what failed in the run before and is there now."""
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    table.write_text("file_path\na.wav\nb.wav\n", encoding="utf-8")
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    sp404(*export)
    assert "mended" not in sp404("status", *db).out
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    table.write_text("file_path\na.wav\nb.wav\n" + "".join(f"new{n}.wav\n" for n in range(5)), encoding="utf-8")
    sp404(*export)
    said = sp404("status", *db).out
    assert "mended since the run before: a.wav" in said
    assert "new since the run before" not in said, "they are among the failures"
    audio.write(tmp_path / "c.wav", audio.tone(0.3, 48_000, hz=500), 48_000, "WAV")
    table.write_text(table.read_text(encoding="utf-8") + "c.wav\n", encoding="utf-8")
    sp404(*export)
    assert "new since the run before: c.wav\n" in sp404("status", *db).out
    assert f"What it wrote: sp404 history 2 --status exported --db {tmp_path / 'r.duckdb'}\n" in said
    assert "a.wav" in sp404("history", 2, "--status", "exported", *db).out
    assert "1 of them failed in the run before, too; new: new0.wav, new1.wav, new2.wav and 2 more" in said


def test_status_names_a_file_of_each_cause_first(sp404: Run, tmp_path: Path) -> None:
    """The one that is broken among many that are only short."""
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    for number in range(5):
        audio.write(tmp_path / f"short{number}.wav", audio.tone(0.05, 48_000, hz=300 + number), 48_000, "WAV")
    rows = "".join(f"short{number}.wav\n" for number in range(5))
    table.write_text(f"file_path\n{rows}gone.wav\n", encoding="utf-8")
    sp404("export", table, "--direct", "--out", tmp_path / "out", *db)
    assert "such as gone.wav, short0.wav, short1.wav\n" in sp404("status", *db).out


def test_status_goes_by_the_schedule_of_the_server_that_runs(
    sp404: Run, library: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was changed since then counts when it starts anew; a server that nobody named tells nothing of its nights."""
    healthy = ["http://127.0.0.1:4711/api"]
    monkeypatch.setattr("flows.orchestration.prefect_server.is_healthy", lambda api: api in healthy)
    asked: list[str] = []
    monkeypatch.setattr("flows.orchestration.prefect_server.last_run_of", lambda api, _deployment: asked.append(api))
    known = {"library": str(library / "manifest.csv"), "db": str(db), "nightly_cron": "30 4 * * *", "timezone": "Europe/Berlin"}
    monkeypatch.setenv("SP404_TIMEZONE", "Europe/Berlin")
    prefect_server.publish_api(healthy[0], **known)
    assert "start sp404 up anew" not in sp404("status").out
    monkeypatch.setenv("SP404_NIGHTLY_CRON", "15 18 * * *")
    said = sp404("status").out
    assert "04:30" in said
    assert "nightly_cron: changed since the server started; start sp404 up anew for it" in said
    assert set(asked) == set(healthy)
    prefect_server.withdraw_api()
    healthy[:] = [prefect_server.LOCAL_API]
    asked.clear()
    said = sp404("status", "--db", db).out
    assert f"{prefect_server.LOCAL_API} answers" in said
    assert asked == []


def test_the_command_that_mends_has_the_layout_of_the_export(sp404: Run, tmp_path: Path) -> None:
    """It can be typed as it stands: the files come where the others are."""
    audio.write(tmp_path / "short.wav", audio.tone(0.05, 48_000), 48_000, "WAV")
    table, db, out = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb"), tmp_path / "my out"
    table.write_text("file_path,genre\nshort.wav,Dub\n", encoding="utf-8")
    sp404("export", table, "--direct", "--organize-by", "genre", "--format", "aiff", "--out", out, *db)
    said = sp404("history", "--failed", *db).out
    line = next(line for line in said.splitlines() if "> sp404 export" in line)
    assert "--card and the like" in line
    typed = shlex.split(line.partition("> sp404 ")[2].partition("   (")[0])
    assert sp404(*typed, "--direct", *db).status == 0
    assert [path.name for path in (out / "dub").glob("*.aif*")] == ["short.aiff"]
    planned = sp404("plan", table, "--organize-by", "kit", "--sound", "pad_to_ms=0", *db).err
    assert "--organize-by kit --sound pad_to_ms=100" in planned


def test_verify_prints_the_command_that_writes_files_again(sp404: Run, tmp_path: Path) -> None:
    """It has all options of the export that the settings do not give. As it stands, it makes all whole and adds nothing."""
    for name, hz in (("kick", 60), ("snare", 200), ("hat", 900)):
        audio.write(tmp_path / f"{name}.wav", audio.tone(0.3, 48_000, hz=hz), 48_000, "WAV")
    table, db, out = tmp_path / "my m.csv", ("--db", tmp_path / "r.duckdb"), tmp_path / "out"
    table.write_text("file_path,genre,bpm\nkick.wav,Dub,90\nsnare.wav,Dub,90\nhat.wav,Dub,90\n", encoding="utf-8")
    layout = ("--organize-by", "genre", "--names", "screen", "--no-metadata", "--sound", "pad_to_ms=500")
    sp404("export", table, "--direct", *layout, "--out", out, *db)
    before = {path: path.read_bytes() for path in out.rglob("*.wav")}
    assert len(before) == 3
    first, second, _ = sorted(before)
    first.unlink()
    assert "--verify-outputs" not in sp404("verify", *db).out.partition("> sp404")[2]
    second.write_bytes(second.read_bytes()[:-1] + b"\x7f")
    said = sp404("verify", *db).out
    (line,) = [line for line in said.splitlines() if "> sp404 export" in line]
    assert json.loads(sp404("verify", "--json", *db).out)["commands"] == [line.strip().removeprefix("> ").partition("   (")[0]]
    typed = shlex.split(line.partition("> sp404 ")[2].partition("   (")[0])
    assert sp404(*typed, "--direct", *db).status == 0
    assert {path: path.read_bytes() for path in out.rglob("*.wav")} == before
    assert sp404("verify", *db).status == 0


def test_a_failed_sample_s_earlier_file_is_named(sp404: Run, tmp_path: Path) -> None:
    """It stays, and plays: who hears it should know that it is not what the source holds now."""
    sound, table, db = tmp_path / "kick.wav", tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    audio.write(sound, audio.tone(0.3, 48_000), 48_000, "WAV")
    table.write_text("file_path\nkick.wav\nnever.wav\n", encoding="utf-8")
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    assert "earlier export" not in sp404(*export).err
    audio.write(sound, audio.tone(0.05, 48_000), 48_000, "WAV")
    assert "1 failed sample still has its file of an earlier export, which stays as it is: kick.wav" in sp404(*export).err
    kept = f"1 of these still has its file of an earlier export, which stays as it is: {tmp_path / 'out/kick.wav'}"
    assert kept in sp404("history", "--failed", *db).out
    said = sp404("history", "--export", "2", "--failed", *db).out
    assert "not exported: 2, 1 of them new" in said
    assert said.index("kick.wav: Duration too short") < said.index("Before that, too: 1") < said.index("never.wav")
    assert kept in said
    assert (tmp_path / "out/kick.wav").exists()


def test_calls_from_memory_lead_on(sp404: Run, tmp_path: Path) -> None:
    assert "Say which table to write or bring up to date: sp404 scan FOLDER -o library.csv" in sp404("scan", tmp_path).err


def test_history_names_what_no_export_can_fail_for(sp404: Run, tmp_path: Path) -> None:
    """A file that the scan left out has no row: it is named beside the failures, until it is mended."""
    lib, table, db = tmp_path / "lib", tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    lib.mkdir()
    audio.write(lib / "good.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    audio.write(lib / "short.wav", audio.tone(0.05, 48_000), 48_000, "WAV")
    (lib / "text.wav").write_text("RIFF, but no sound", encoding="utf-8")
    assert "text.wav" in sp404("scan", lib, "-o", table, *db).err
    sp404("export", table, "--direct", "--out", tmp_path / "out", *db)
    said = sp404("history", "--failed", *db).out.splitlines()
    start = said.index(f"Not in {table}, since the scan could not read it: 1")
    assert said[start + 1].startswith(f"  {lib / 'text.wav'}: ")
    assert any("short.wav" in line for line in said[:start])
    audio.write(lib / "text.wav", audio.tone(0.3, 48_000, hz=300), 48_000, "WAV")
    sp404("scan", lib, "-o", table, *db)
    assert "text.wav" not in sp404("history", "--failed", *db).out


def test_all_failures_say_which_of_them_were_mended(sp404: Run, tmp_path: Path) -> None:
    table, db = tmp_path / "m.csv", ("--db", tmp_path / "r.duckdb")
    table.write_text("file_path\na.wav\nb.wav\n", encoding="utf-8")
    export = ("export", table, "--direct", "--out", tmp_path / "out", *db)
    sp404(*export)
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    sp404(*export)
    said = sp404("history", "--failed", "--all", *db).out
    assert "Exported since then: 1" in said
    assert f"a.wav: Audio file not found: {tmp_path / 'a.wav'} (export 2 has it)" in said


def test_a_setting_of_the_sound_is_explained_with_what_it_mends(sp404: Run) -> None:
    said = sp404("explain", "truncated").out
    assert said.startswith("Failed to load audio: ...")
    assert "the setting truncated" in said
    assert sp404("explain", "CompletedWithFailures").out.splitlines()[1].startswith("  Failed samples do not fail a run")


def test_status_shortens_what_is_said_of_a_night_that_another_export_followed(
    sp404: Run, db: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the newest export it stands above already; of a night that wrote no record all of it is said."""
    api = "http://127.0.0.1:4711/api"
    monkeypatch.setenv("PREFECT_API_URL", api)
    monkeypatch.setenv("SP404_LIBRARY", str(library / "manifest.csv"))
    monkeypatch.setattr("flows.orchestration.prefect_server.is_healthy", lambda asked: asked == api)
    monkeypatch.setattr("flows.orchestration.prefect_server.open_run_of", lambda *_: None)

    def shown(message: str) -> str:
        state = {"name": "CompletedWithFailures", "type": "COMPLETED", "message": message}
        run = {"state": state, "end_time": "2026-05-20T03:00:10Z"}
        of_nights = {prefect_server.NIGHTLY: run}
        monkeypatch.setattr(prefect_server, "last_run_of", lambda _api, deployment: of_nights.get(deployment))
        return sp404("status", "--db", db).out

    told = "9 exported, 1 failed of 10. 1 x Audio file not found (a.wav). All of them: sp404 history --export {} --failed"
    assert "          That was export 1: 9 exported, 1 failed of 10\n" in shown(told.format(1))
    newest = shown(f"{told.format(2)}. 3 files in no manifest")
    assert "          3 files in no manifest\n" in newest
    assert "9 exported" not in newest
    assert "          /gone.csv: does not exist. Check it.\n" in shown("/gone.csv: does not exist. Check it.")
