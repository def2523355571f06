"""Kits and genres that are spelt in several ways, from end to end: one folder, one kit of the records, nothing twice."""

import json
from pathlib import Path

import polars as pl
import pytest

from config.settings import load
from flows import device_project
from schemas.errors import RequestError
from tasks.layout import paths
from tasks.manifest import validate
from tasks.manifest.one_spelling import OneSpelling
from tasks.store import history
from tasks.store.catalog import Catalog
from tasks.store.database import Database
from tests.support.command_line import Run
from tests.support.nightly import Nightly, refused

GENRES = ("Hip-Hop", "hip hop", "HipHop", "Hip_Hop", "hiphop")


def by_older_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take each spelling for a kit and a genre of its own, as releases did that knew no better."""
    monkeypatch.setattr(validate, "unify_spellings", lambda cells, *_: OneSpelling(cells, {}, ()))
    monkeypatch.setattr(paths, "_keep_genre_folders", lambda folders, *_: folders)
    for module in ("tasks.store.identity", "tasks.store.history", "flows.export.request"):
        monkeypatch.setattr(f"{module}.fold_kits", lambda names: names)


def bus(night: Nightly) -> None:
    """A kit of three pads, and one that only looks like it."""
    for pad, kit in enumerate(("Night Bus", "night bus", "NIGHT\xa0BUS"), 1):
        night.add(f"s{pad}.wav", 200 + 50 * pad, kit=kit, bank="A", pad=pad)
    night.add("other.wav", 500, kit="Night-Bus", bank="A", pad=1)


BUS = {f"night_bus/bank_A/pad_0{pad}_s{pad}.wav" for pad in (1, 2, 3)}


@pytest.mark.slow
def test_a_kit_keeps_folder_and_id_however_it_is_spelt(night: Nightly) -> None:
    bus(night)
    batch = night.export(organize_by="kit")
    assert night.paths() == BUS | {"night-bus/bank_A/pad_01_other.wav"}
    assert [(finding.where, "'night bus' (line 3)" in finding.what) for finding in batch.findings] == [("kit Night Bus", True)]
    assert night.ask("SELECT id, name FROM kits ORDER BY id") == [(1, "Night Bus"), (2, "Night-Bus")]
    night.rows[0]["kit"] = "night_BUS"
    assert night.export(organize_by="kit").unchanged == 4
    kit_file = night.lib / "bus.yaml"
    kit_file.write_text("name: night  bus\nA1: s1.wav\nB2: other.wav\n", encoding="utf-8")
    night.export(manifest=kit_file, out=night.folder / "other")
    assert night.ask("SELECT id, name FROM kits ORDER BY id") == [(1, "Night Bus"), (2, "Night-Bus")]
    assert night.ask("SELECT bank, pad FROM kit_samples WHERE kit_id = 1 ORDER BY ALL") == [("A", 1), ("B", 2)]


@pytest.mark.slow
def test_a_kit_is_asked_for_in_any_spelling(night: Nightly) -> None:
    bus(night)
    batch = night.export(kits=("night\xa0 BUS",))
    assert (batch.total_requested, night.paths()) == (3, BUS)
    assert night.export(kits=("night-bus", "NIGHT_BUS")).unchanged == 3
    error = refused(night, RequestError, kits=("nightbus",))
    assert str(error) == "Kit nightbus not found"
    assert len(history.kit_pads(Database(str(night.db), 5), "night bus")) == 3
    settings = load({"db": str(night.db)}, lambda *_: {}).settings
    assert device_project.write_kit_project(settings, "NIGHT bus", 1, str(night.folder)).pads == 3


@pytest.mark.slow
def test_genres_share_the_folder_that_they_have_and_the_order_of_rows_moves_nothing(night: Nightly) -> None:
    for n, genre in enumerate(GENRES):
        night.add(f"s{n}.wav", 200 + 50 * n, genre=genre)
    batch = night.export(organize_by="genre")
    assert night.paths() == {f"hip-hop/s{n}.wav" for n in range(5)}
    assert [finding.where for finding in batch.findings] == ["genre Hip-Hop"]
    assert night.export(organize_by="genre").unchanged == 5
    for genre in GENRES:
        night.rows[0]["genre"] = genre
        night.rows.reverse()
        night.export(organize_by="genre")
        assert night.paths() == {f"hip-hop/s{n}.wav" for n in range(5)}
        assert night.spy.of("convert") == []
    # Without sanitizing, a folder is called as the first row spells it.
    night.export(organize_by="genre", sanitize_filenames=False, out=night.folder / "as_written")
    assert [path.name for path in (night.folder / "as_written").glob("[!.]*")] == [night.rows[0]["genre"]]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["genre", "kit"])
def test_after_an_upgrade_files_are_moved_at_most_and_nothing_is_there_twice(
    night: Nightly, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    for n, genre in enumerate(GENRES[:3], 1):
        kit = ("Night Bus", "night bus", "NIGHT BUS")[n - 1]
        night.add(f"s{n}.wav", 200 + 50 * n, genre=genre, kit=kit, bank="A", pad=n)
    with monkeypatch.context() as older:
        by_older_release(older)
        night.export(organize_by=layout)
    folders = {path.rpartition("/")[0] for path in night.paths()}
    assert len(folders) == 3
    wanted = BUS if layout == "kit" else {f"hip-hop/s{n}.wav" for n in (1, 2, 3)}
    batch = night.export(organize_by=layout)
    assert (night.paths(), batch.stale, night.spy.of("convert")) == (wanted, [], [])
    assert night.export(organize_by=layout).unchanged == 3
    # The records have the pads once, and so has an export of them by REST.
    assert night.ask("SELECT kit_id, sample_id FROM kit_samples ORDER BY ALL") == [(1, 1), (1, 2), (1, 3)]
    rows = Catalog(Database(str(night.db), 5)).rows_of([2], with_kits=True)
    assert [row["sample_id"] for row in rows] == [1, 2, 3]


@pytest.mark.slow
def test_plan_and_check_name_the_spellings(tmp_path: Path, sp404: Run, uncontained: None) -> None:
    table = tmp_path / "m.csv"
    table.write_text("file_path,genre\na.wav,House\nb.wav,HOUSE\n", encoding="utf-8")
    for name in ("a.wav", "b.wav"):  # a plan does not promise what is not there
        (tmp_path / name).touch()
    db = ("--db", tmp_path / "r.duckdb")
    for said in (sp404("plan", table, "--out", tmp_path / "out", *db), sp404("check", table, *db)):
        text = " ".join((said.out + said.err).split())
        assert "genre House" in text
        assert "'HOUSE' (line 3)" in text or "'HOUSE'" in text
    planned = json.loads(sp404("plan", table, "--organize-by", "genre", "--out", tmp_path / "out", "--json", *db).out)
    assert [file["path"] for file in planned["files"]] == ["house/a.wav", "house/b.wav"]
    assert pl.DataFrame(planned["worth_a_look"])["where"].to_list() == ["genre House"]
