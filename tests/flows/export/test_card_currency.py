"""What a card lacks, by the records: of a library that was put on it, and not of a selection that was."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.export import card_currency, card_report
from flows.export.card_currency import CardLag
from flows.orchestration import artifacts
from schemas.enums import OrganizeBy
from tasks.bundle import card_copy
from tasks.store.database import Database
from tests.support import audio
from tests.support.command_line import Run
from tests.support.nightly import Nightly, _settings


@pytest.fixture
def place(night: Nightly) -> Path:
    """A card, and a library of three sounds that is not exported yet."""
    for number, name in enumerate(("kick", "snare", "hat")):
        night.add(f"{name}.wav", 300 + 50 * number, kit="My Kit", bank="A", pad=number + 1)
    (night.folder / "CARD/IMPORT").mkdir(parents=True)
    return night.folder / "CARD"


def export(night: Nightly, place: Path | None = None, **how: Any) -> None:
    night.export(card=place and str(place), include_metadata=False, whole=False, **how)


def lags(night: Nightly, place: Path) -> list[CardLag]:
    return card_report.report(_settings(str(night.db)), str(place)).lags


def behind(night: Nightly, place: Path) -> list[tuple[int, int, str | None]]:
    return [(lag.missing, lag.older, lag.example) for lag in lags(night, place) if lag.behind]


def line_of_report(night: Nightly, manifest: Path | None = None, no_card: str = "", nightly_card: str = "") -> str:
    target = SimpleNamespace(database=Database(str(night.db), 5), manifest=str(manifest or night.manifest))
    running: Any = SimpleNamespace(target=target, settings=SimpleNamespace(nightly_card=nightly_card))
    return "\n".join(artifacts._card_lines(running, no_card))


def test_a_card_that_is_behind_the_library_is_not_called_complete(sp404: Run, tmp_path: Path) -> None:
    """What later exports wrote to the folder alone; the command that is printed copies it, as it stands."""
    lib, card, table = tmp_path / "lib", tmp_path / "my card", tmp_path / "my library.csv"
    lib.mkdir()
    (card / "IMPORT").mkdir(parents=True)
    db = ("--db", tmp_path / "r.duckdb")

    def grow(*names: str) -> None:
        for name in names:
            audio.write(lib / f"{name}.wav", audio.tone(0.3, 48_000, hz=200 + 10 * len(list(lib.iterdir()))), 48_000, "WAV")
        rows = sorted(path.name for path in lib.iterdir())
        table.write_text("file_path,genre\n" + "".join(f"lib/{name},Dub\n" for name in rows), encoding="utf-8")

    grow("kick", "snare")
    by_genre = ("--direct", "--no-metadata", "--organize-by", "genre", "--out", tmp_path / "my out", *db)
    assert sp404("export", table, *by_genre, "--card", card).status == 0
    said = sp404("card", card, *db)
    assert (said.status, "library" in said.out.replace(str(table), "")) == (0, False)
    assert "; behind" not in sp404("status", *db).out
    grow("door", "gong")
    assert sp404("export", table, *by_genre).status == 0
    said = sp404("card", card, *db)
    assert said.status == 1
    assert "2 files of the library are not on it yet, such as dub/door.wav" in said.out
    assert f"{card}: 2 there" in said.out
    audio.write(lib / "kick.wav", audio.tone(0.3, 48_000, hz=900), 48_000, "WAV")
    assert sp404("export", table, *by_genre).status == 0
    said = sp404("card", card, *db)
    assert "3 files of the library are not on it yet, or in an older version, such as dub/door.wav" in said.out
    status = sp404("status", *db).out
    assert f"{card}, 2 files, last of export 1; behind: 3 files\n" in status
    assert f"sp404 card {shlex.quote(str(card))}" in status
    assert json.loads(sp404("status", "--json", *db).out)["card"]["behind"] == 3
    (lag,) = json.loads(sp404("card", card, "--json", *db).out)["lags"]
    assert (lag["manifest_path"], lag["organized_by"], lag["behind"], lag["older"]) == (str(table), "genre", 3, 1)
    line = next(line for line in said.out.splitlines() if line.startswith("  > sp404 export"))
    assert sp404(*shlex.split(line)[2:], "--direct").status == 0
    assert sorted(path.name for path in (card / "IMPORT/dub").iterdir()) == ["door.wav", "gong.wav", "kick.wav", "snare.wav"]
    said = sp404("card", card, *db)
    assert (said.status, "of the library" in said.out) == (0, False)
    assert "; behind" not in sp404("status", *db).out


@pytest.mark.parametrize("how", [{"sample_ids": (1, 2)}, {"kits": ("My Kit",)}])
def test_a_selection_on_a_card_is_behind_only_in_what_was_chosen(night: Nightly, place: Path, how: dict[str, Any]) -> None:
    night.add("pad.wav", 800)
    export(night, organize_by=OrganizeBy.KIT)
    export(night, place, organize_by=OrganizeBy.KIT, **how)
    night.add("door.wav", 900)
    export(night, organize_by=OrganizeBy.KIT)
    assert (lags(night, place), line_of_report(night)) == ([], "")
    night.sound("kick.wav", 1000)
    export(night, organize_by=OrganizeBy.KIT)
    (lag,) = lags(night, place)
    assert (lag.missing, lag.older, lag.is_whole, lag.command) == (0, 1, False, "")
    assert Path(str(lag.example)).name == "pad_01_kick.wav"
    # From now on the card is to have all of it.
    export(night, place, organize_by=OrganizeBy.KIT)
    assert lags(night, place) == []
    night.add("gong.wav", 1100)
    export(night, organize_by=OrganizeBy.KIT)
    export(night, place, organize_by=OrganizeBy.KIT, **how)  # puts nothing beside it there
    assert [counts[:2] for counts in behind(night, place)] == [(1, 0)]


def test_the_report_of_a_run_that_wrote_to_no_card_says_what_its_card_lacks(night: Nightly, place: Path) -> None:
    export(night)
    assert line_of_report(night) == "", "there never was a card"
    export(night, place)
    assert line_of_report(night) == ""
    night.add("door.wav", 900)
    export(night)
    root = str(place)
    line = f"- The card `{root}` is not current: 1 file is missing on it; this run did not write to it"
    assert line_of_report(night) == line
    night.sound("kick.wav", 1000)
    export(night)
    assert "2 files are missing on it, or older; this run" in line_of_report(night)
    assert line_of_report(night, night.folder / "other.csv") == ""
    place.rename(night.folder / "pulled")
    assert "2 files are missing" in line_of_report(night), "the card is not looked at"
    absent = "The card is away: not current"
    assert line_of_report(night, None, absent, root) == f"- {absent}; 2 files are missing on it, or older"
    assert line_of_report(night, None, absent, "/other").startswith(f"- {absent}\n- The card `{root}` is not current: 2 files")
    assert line_of_report(night, night.folder / "other.csv", absent, root) == f"- {absent}"


def test_what_is_no_longer_in_the_manifest_is_not_missed(night: Nightly, place: Path) -> None:
    """Its file still stands in the output folder. On a card that has it, it is named, and is no fault."""
    night.add("door.wav", 900)
    export(night)
    night.rows.pop()
    export(night, place)
    assert lags(night, place) == []
    night.rows.pop()
    export(night)
    (lag,) = lags(night, place)
    assert (lag.behind, lag.gone, lag.gone_example, lag.command) == (0, 1, "hat.wav", "")
    assert card_report.report(_settings(str(night.db)), str(place)).is_current
    (night.lib / "snare.wav").unlink()  # it fails, and its file stays
    export(night)
    assert [(lag.behind, lag.gone) for lag in lags(night, place)] == [(0, 1)]
    night.checked = True
    night.rows[0]["pad"] = 99  # a rejected row may mean any of the files
    export(night)
    assert lags(night, place) == []


def test_the_same_library_in_another_folder_and_layout(night: Nightly, place: Path) -> None:
    """The card is compared with the folder of which it was brought up to date last, also if nothing was to be copied."""
    export(night, place)
    other = night.folder / "other"
    export(night, place, out=other)
    night.add("door.wav", 900)
    export(night, out=night.folder / "try", organize_by=OrganizeBy.BPM)
    assert behind(night, place) == [], "an export that never went to the card"
    export(night, out=other)
    assert behind(night, place) == [(1, 0, "door.wav")]
    assert str(other) in lags(night, place)[0].command
    export(night, place, out=other, organize_by=OrganizeBy.BPM)
    assert [lag.organized_by for lag in lags(night, place)] == ["flat"]


def test_a_copy_that_was_cut_off_is_behind(night: Nightly, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is a card where something else is in the way."""
    (place / "IMPORT/kick.wav").write_bytes(b"a person's own")
    export(night, place)
    assert behind(night, place) == [(1, 0, "kick.wav")]
    (place / "IMPORT/kick.wav").unlink()
    real, names = card_copy.copy_files, ["hat.wav"]

    def cut_off(place: Any, plan: Any, note: Any) -> Any:
        left = [file for file in plan.to_write if file.path not in names]
        return real(place, plan.__class__(**vars(plan) | {"to_write": left}), note)

    night.sound("hat.wav", 1000)
    monkeypatch.setattr(card_copy, "copy_files", cut_off)
    export(night, place)
    assert behind(night, place) == [(0, 1, "hat.wav")]


@pytest.mark.parametrize(("is_selection", "found"), [(False, [(1, 0, "door.wav")]), (True, [])])
def test_what_earlier_versions_put_on_a_card_is_whole_if_most_is_there(
    night: Nightly, place: Path, is_selection: bool, found: list[tuple[int, int, str]]
) -> None:
    export(night)
    export(night, place, sample_ids=(2,) if is_selection else ())
    night.ask("UPDATE sp404_exports SET settings = NULL")
    night.add("door.wav", 900)
    export(night)
    assert behind(night, place) == found


def test_nothing_is_known_of_a_card_without_records(tmp_path: Path) -> None:
    assert card_currency.count_behind(Database(str(tmp_path / "none.duckdb"), 1), "id") == (0, 0)


def test_a_layout_on_the_card_that_was_not_exported_since_another_was_is_behind(night: Nightly, sp404: Run) -> None:
    """Its own last export is on it whole; the library went on in the other layout. The command that is said mends it."""
    place = night.folder / "CARD"
    (place / "IMPORT").mkdir(parents=True)
    for name in ("kick", "snare"):
        night.add(f"{name}.wav", 300 if name == "kick" else 350, genre="house")
    night.export(card=str(place), organize_by="genre", whole=False)
    night.export(card=str(place), organize_by="flat", whole=False)
    assert sp404("card", place, "--db", night.db).status == 0
    night.rows.pop()
    night.add("hat.wav", 400, genre="house")
    night.export(card=str(place), organize_by="genre", prune=True, whole=False)
    said = sp404("card", place, "--db", night.db)
    assert said.status == 1
    assert "By flat, wav: as of export 2; by export 3 the library has 1 sample more, and 1 of these no longer" in said.out
    (command,) = [line.partition("> sp404 ")[2] for line in said.out.splitlines() if "> sp404 export" in line]
    assert sp404(*shlex.split(command), "--prune", "--direct").status == 0
    assert sp404("card", place, "--db", night.db).status == 0
