"""The records by REST: pages, filters, totals and preferences."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.support.api_library import problem, recorded_library, records, remove_samples, serve_library
from tests.support.serve import API, served


def test_samples_are_listed_by_pages_and_filters(api: httpx.Client) -> None:
    every = api.get(f"{API}/samples").json()
    assert (every["total"], [item["id"] for item in every["items"]]) == (7, [1, 2, 3, 6, 7, 8, 9])
    second = api.get(f"{API}/samples", params={"page": 2, "page_size": 3}).json()
    assert (second["total"], [item["id"] for item in second["items"]]) == (7, [6, 7, 8])
    behind = api.get(f"{API}/samples", params={"page": 9}).json()
    assert behind == {"total": 7, "page": 9, "page_size": 50, "items": [], "revision": every["revision"]}

    def ids(**filters: Any) -> list[int]:
        return [item["id"] for item in api.get(f"{API}/samples", params=filters).raise_for_status().json()["items"]]

    assert ids(genre="HOUSE") == ids(genre="hou-se ") == [1, 3]
    assert [kit["name"] for kit in api.get(f"{API}/kits", params={"text": "NIGHT_b"}).json()["items"]] == ["Night Bus"]
    assert ids(bpm_min=90, bpm_max=119.9) == [2]
    assert ids(musical_key="Am") == [1]
    assert ids(text="bass") == [2]
    assert ids(text="%") == []
    assert ids(status="failed") == [6, 7, 8, *([9] if 9 in ids(status="failed") else [])]
    assert ids(genre="house", bpm_min=100) == [1]
    assert ids(genre=["dub", "House"]) == [1, 2, 3]
    assert ids(genre=["dub", ""]) == [2, *ids(genre="")]
    assert ids(key=["Am", "C"]) == [1]
    assert ids(text="-bass WAV") == [1, 6, 7, 9]
    assert ids(text="drY one") == [1]
    assert ids(text="one dry -short") == []
    assert ids(format="mp3") == [2]
    assert ids(in_kit=True) == [1, 2, 3]
    assert ids(in_kit=False, status="failed") == ids(status="failed")
    assert ids(flag="short") == [6]
    assert ids(status="new") == ids(flag="clipped") == []
    assert ids(seconds_min=0.39, seconds_max=0.41) == [1, 2, 3]
    assert ids(kind="loop") == []
    assert ids(sort="title", page_size=3) == [2, 6, 7]
    assert ids(sort="bpm", page_size=3) == [2, 1, 3]
    assert ids(sort="bpm", order="desc", page_size=3) == [1, 2, 3]
    assert ids(sort="id", order="desc", page_size=2) == [9, 8]
    told = api.get(f"{API}/samples/1").json()
    assert (told["title"], told["tags"], told["bpm"], told["source_rate_hz"]) == ("Kick One", "dry|short", 120, 48_000)
    problem(api.get(f"{API}/samples/99"), 404, "Sample 99 not found")


def test_a_sample_of_which_no_file_is_left_is_not_called_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row, its file and what was exported of it are gone: the last export has the status, and the sample is ``removed``."""
    recorded_library(tmp_path, only_good=True)
    remove_samples(tmp_path, "bass.mp3")
    with serve_library(monkeypatch, tmp_path) as api:

        def ids(**filters: Any) -> list[int]:
            return [item["id"] for item in api.get(f"{API}/samples", params=filters).raise_for_status().json()["items"]]

        listed = api.get(f"{API}/samples").json()["items"]
        assert [(row["id"], row["status"], row["removed"]) for row in listed] == [
            (1, "unchanged", False),
            (2, "exported", True),
            (3, "unchanged", False),
        ]
        assert ids(status="removed") == [2]
        assert ids(status="exported") == ids(status="new") == []
        assert ids(status="there") == ids(status="unchanged") == [1, 3]
        assert ids(sort="status", order="desc") == [1, 3, 2]
        counted = {row["value"]: row["samples"] for row in api.get(f"{API}/samples/facets").json()["status"]}
        assert counted == {"unchanged": 2, "removed": 1}
        told = api.get(f"{API}/samples/2").json()
        assert (told["removed"], told["source_is_there"], told["fidelity"], told["places"]) == (True, False, None, [])
        told = api.get(f"{API}/samples/1").json()
        assert (told["removed"], told["source_is_there"]) == (False, True)


def test_a_sample_tells_its_levels_places_and_kits(api: httpx.Client, folder: Path) -> None:
    """By the samples of its file as another program reads them."""
    told = api.get(f"{API}/samples/1").json()
    sound, _ = soundfile.read(folder / "first/kick_one.wav", always_2d=True)
    levels = told["fidelity"]
    assert levels["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(sound).max()), abs=0.01)
    assert levels["rms_dbfs"] == pytest.approx(20 * np.log10(np.sqrt((sound**2).mean())), abs=0.01)
    assert (levels["clipped_samples"], levels["unaltered"], levels["changes"]) == (0, True, [])
    places = {place["path"]: (place["bytes"], place["card_id"], place["stale"]) for place in told["places"]}
    assert places[str(folder / "first/kick_one.wav")] == ((folder / "first/kick_one.wav").stat().st_size, None, False)
    assert told["kits"] == [{"kit_id": 1, "kit": "Night Bus", "bank": "A", "pad": 1}]
    resampled = api.get(f"{API}/samples/2").json()["fidelity"]
    assert (resampled["unaltered"], resampled["changes"][0]) == (False, "resampled from 44100 Hz (soxr VHQ)")
    failed = api.get(f"{API}/samples/6").json()
    assert (failed["fidelity"], failed["places"], failed["kits"]) == (None, [], [])


@pytest.mark.slow
def test_a_sample_tells_which_cards_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_library(tmp_path, only_good=True)
    copied = (
        "INSERT INTO card_files BY NAME SELECT 'c' AS card_id, path, file_hash, output_bytes, export_id, output_path, "
        "manifest_path, source_path, now() AS written_at FROM outputs WHERE sample_id = {}"
    )
    for number in (1, 2):
        records(tmp_path, copied.format(number))
    records(tmp_path, "UPDATE card_files SET file_hash = 'other' WHERE path = 'bass_two.wav'")
    with serve_library(monkeypatch, tmp_path) as api:
        for number, name, stale in ((1, "kick_one.wav", False), (2, "bass_two.wav", True)):
            (_, on_card) = api.get(f"{API}/samples/{number}").json()["places"]
            assert (on_card["path"], on_card["card_id"], on_card["stale"]) == (name, "c", stale)


def _grouped(folder: Path, value: str) -> dict[str | None, int]:
    query = f"SELECT {value}, count(*) FROM samples AS s LEFT JOIN scanned_rows AS r ON r.path = s.file_path GROUP BY 1"
    return dict(records(folder, query))  # type: ignore[arg-type]


def test_facets_count_what_the_list_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By DuckDB's own grouping, and page by page; a sample that no export had is new, and a scan says its kind."""
    recorded_library(tmp_path, only_good=True)
    records(tmp_path, "INSERT INTO samples BY NAME SELECT 4 AS id, '/x.wav' AS file_path, 'X' AS title, now() AS updated_at")
    records(tmp_path, "INSERT INTO scanned_rows (manifest_path, path, kind) VALUES ('/m', '/x.wav', 'loop')")
    with serve_library(monkeypatch, tmp_path) as api:
        told = api.get(f"{API}/samples/facets").raise_for_status().json()
        counts = {
            name: {one["value"]: one["samples"] for one in told[name]} for name in told if name not in ("total", "revision")
        }
        assert counts == {
            "genre": _grouped(tmp_path, "s.genre"),
            "key": _grouped(tmp_path, "s.musical_key"),
            "kind": _grouped(tmp_path, "r.kind"),
            "format": _grouped(tmp_path, "s.source_format"),
            "status": {"exported": 3, "new": 1},
            "bpm": {"90": 1, "120": 1, None: 2},
        }
        for name in ("kind", "format", "status"):
            for value, samples in counts[name].items():
                if value:
                    assert api.get(f"{API}/samples", params={name: value}).json()["total"] == samples
        assert api.get(f"{API}/samples/facets", params={"genre": "HOUSE"}).json()["format"] == [
            {"value": "flac", "samples": 1},
            {"value": "wav", "samples": 1},
        ]
        assert api.get(f"{API}/samples", params={"status": "new"}).json()["items"][0]["status"] is None


@pytest.mark.parametrize(
    "chosen",
    ["genre=house", "kind=loop", "format=flac", "status=new", "bpm_min=115&bpm_max=125", "genre=house&status=exported"],
)
def test_a_facet_counts_what_there_is_beside_what_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """The number beside each value is that of the list where it is chosen instead, whatever else is chosen."""
    recorded_library(tmp_path, only_good=True)
    records(tmp_path, "INSERT INTO samples BY NAME SELECT 4 AS id, '/x.wav' AS file_path, 'X' AS title, now() AS updated_at")
    records(tmp_path, "INSERT INTO scanned_rows (manifest_path, path, kind) VALUES ('/m', '/x.wav', 'loop')")
    with serve_library(monkeypatch, tmp_path) as api:
        others = dict(pair.split("=") for pair in chosen.split("&"))
        told = api.get(f"{API}/samples/facets", params=others).raise_for_status().json()
        assert told["total"] == api.get(f"{API}/samples", params=others).json()["total"]
        for name in ("genre", "key", "kind", "format", "status", "bpm"):
            for one in told[name]:
                value = one["value"]
                instead = {name: "none" if value is None and name in ("kind", "format") else value or ""}
                if name == "bpm":
                    instead = {"bpm_min": value, "bpm_max": str(int(value) + 9.99)} if value else {}
                left = {key: text for key, text in others.items() if not key.startswith(name)}
                if instead:
                    assert api.get(f"{API}/samples", params=left | instead).json()["total"] == one["samples"], (name, one)
        assert len(told[chosen.partition("=")[0].removesuffix("_min")]) > 1, "what was not chosen can still be seen"


@pytest.mark.slow
def test_the_revision_changes_with_the_records_and_not_by_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_library(tmp_path, only_good=True)
    with serve_library(monkeypatch, tmp_path) as api:

        def revision() -> str:
            return str(api.get(f"{API}/samples").json()["revision"])

        first = revision()
        api.get(f"{API}/samples/facets", params={"text": "kick"})
        assert revision() == first
        api.put(f"{API}/preferences", json={"format": "aiff"})
        assert (second := revision()) != first
        api.post(f"{API}/samples/1/export").raise_for_status()
        assert revision() not in (first, second)


@pytest.mark.slow
def test_exports_are_listed_newest_first_with_totals(api: httpx.Client, folder: Path) -> None:
    api.post(f"{API}/samples/3/export", json={"output_base_path": "listed"})
    told = api.get(f"{API}/exports", params={"page_size": 2}).json()
    rows = records(folder, "SELECT id, sample_count, total_size_bytes FROM sp404_exports ORDER BY created_at DESC, id DESC")
    assert [item["id"] for item in told["items"]] == [row[0] for row in rows[:2]]
    assert (told["total"], told["totals"]["samples"]) == (len(rows), sum(row[1] for row in rows))
    assert told["totals"]["bytes"] == sum(row[2] for row in rows)
    singles = api.get(f"{API}/exports", params={"export_type": "single", "sample_id": 3}).json()["items"]
    assert {item["export_type"] for item in singles} == {"single"}
    assert api.get(f"{API}/exports", params={"text": "listed"}).json()["total"] == 1
    assert api.get(f"{API}/exports", params={"user_id": 2}).json()["total"] == 0
    one = api.get(f"{API}/exports/{told['items'][0]['id']}").json()
    (sample,) = one["samples"]["items"]
    assert (sample["sample_id"], sample["status"], sample["path"]) == (3, "exported", "pad_three.wav")


@pytest.mark.slow
def test_preferences_are_what_holds_where_a_request_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_library(tmp_path)
    for name, value in {"db": tmp_path / "r.duckdb", "api_root": tmp_path / "out", "workers": 2}.items():
        monkeypatch.setenv(f"SP404_{name.upper()}", str(value))
    monkeypatch.delenv("SP404_OUTPUT_BASE_PATH", raising=False)
    with served(monkeypatch) as api:
        unset = dict.fromkeys(("organize_by", "format", "include_metadata", "sanitize_filenames", "output_base_path"))
        assert api.get(f"{API}/preferences").json() == unset
        wanted = {"organize_by": "genre", "format": "aiff", "output_base_path": "mine", "include_metadata": False}
        stored = api.put(f"{API}/preferences", json=wanted).json()
        assert stored == api.get(f"{API}/preferences").json()
        assert stored["output_base_path"] == str(tmp_path / "out/mine")
        told = api.post(f"{API}/samples/1/export").json()
        assert told["output_path"] == str(tmp_path / "out/mine/house/kick_one.aiff")
        problem(
            api.put(f"{API}/preferences", json={"output_base_path": ".."}),
            403,
            "output_base_path is not a folder within the one that clients may export to",
        )
        assert api.put(f"{API}/preferences", json={}).json() == unset
    assert records(tmp_path, "SELECT count(*) FROM user_preferences") == [(1,)]


def test_without_a_database_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_library(monkeypatch, tmp_path) as api:
        for name in ("samples", "kits", "exports"):
            assert api.get(f"{API}/{name}").json()["total"] == 0
        problem(api.post(f"{API}/samples/1/export"), 404, "Sample 1 not found")
        assert not (tmp_path / "r.duckdb").exists()
