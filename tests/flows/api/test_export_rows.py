"""The rows of an export that is done: why some were not exported, and those exported once more."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.support.api_library import KIT, finished, problem, recorded_library, records, serve_library
from tests.support.serve import API

pytestmark = pytest.mark.slow

_CONFIG = {"organize_by": "genre", "include_metadata": False, "output_base_path": "many", "format": "aiff"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of which a batch was exported at -6 dBFS; then one of its bad files was mended."""
    ground = tmp_path_factory.mktemp("rows")
    recorded_library(ground)
    with pytest.MonkeyPatch.context() as monkeypatch, serve_library(monkeypatch, ground, normalize_dbfs=-6) as api:
        batch = {"sample_ids": [1, 6, 7, 8, 99], "config": _CONFIG}
        assert api.post(f"{API}/samples/export-batch", json=batch).json()["export_id"] == 2
    shutil.copy(ground / "lib/kick.wav", ground / "lib/corrupt.wav")
    return ground


@pytest.fixture(scope="module")
def api(ground: Path) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as monkeypatch, serve_library(monkeypatch, ground, normalize_dbfs="off") as client:
        yield client


def rows(api: httpx.Client, query: str = "") -> dict[str, Any]:
    return dict(api.get(f"{API}/exports/2/samples?{query}").raise_for_status().json())


def test_rows_and_why_they_were_not_exported(api: httpx.Client) -> None:
    told = rows(api)
    assert told["total"] == len(told["items"]) == 5
    assert [(row["sample_id"], row["status"]) for row in told["items"][:2]] == [(1, "exported"), (6, "failed")]
    assert told["items"][0]["title"] == "Kick One"
    counted = {(reason["status"], reason["reason"]): reason["samples"] for reason in told["reasons"]}
    assert counted == {
        ("failed", "too_short"): 1,
        ("failed", "load_failed"): 1,
        ("failed", "unsupported_format"): 1,
        ("rejected", "rejected_file_path"): 1,
    }
    assert all(reason["fix"] for reason in told["reasons"])
    for query, wanted in (
        ("status=failed", [6, 7, 8]),
        ("reason=too_short", [6]),
        ("text=cOrrupt", [7]),
        ("text=duration+too", [6]),
        ("status=exported&text=click", []),
        ("limit=2&offset=1", [6, 7]),
        ("offset=5", []),
    ):
        found = rows(api, query)
        assert [row["sample_id"] for row in found["items"]] == wanted, query
        assert len(found["reasons"]) == 4
    assert rows(api, "limit=1")["total"] == rows(api, "offset=5")["total"] == 5
    problem(api.get(f"{API}/exports/77/samples"), 404, "Export 77 not found")
    for query in ("limit=0", "limit=501", "offset=-1", "status=new", "page=1", "text=%00"):
        answer = api.get(f"{API}/exports/2/samples?{query}")
        problem(answer, 422, answer.json()["detail"])


def test_what_failed_is_exported_again_as_it_was(api: httpx.Client, ground: Path) -> None:
    """To the same folder, in the layout, format and sound of then, whatever the settings are now; and nothing else."""
    (ground / "out/many/house/kick_one.aiff").unlink()
    answer = api.post(f"{API}/exports/2/retry", headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    told = finished(api, answer)["result"]
    assert (told["total_requested"], told["successful"], told["failed"], told["rejected"]) == (3, 1, 2, 0)
    assert {result["sample_id"]: result["success"] for result in told["results"]} == {6: False, 7: True, 8: False}
    path = ground / "out/many/unknown_genre/corrupt.aiff"
    assert [result["output_path"] for result in told["results"] if result["success"]] == [str(path)]
    assert 20 * np.log10(np.abs(soundfile.read(path)[0]).max()) == pytest.approx(-6, abs=0.05)
    assert sorted(each.name for each in (ground / "out/many").rglob("*.*") if not each.name.startswith(".")) == [path.name]
    again = api.post(f"{API}/exports/{told['export_id']}/retry").json()
    assert {result["sample_id"] for result in again["results"]} == {6, 8}


def test_a_setting_that_mends_a_reason_exports_those_that_failed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the words for a button and the settings that the answers give; nothing else of that export is touched.

    What a client reads of it names no options of the command line.
    """
    recorded_library(tmp_path)
    whole = (tmp_path / "lib/kick.wav").read_bytes()
    (tmp_path / "lib/corrupt.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "lib/notes.xyz").write_bytes(whole[:22] + b"\0\0" + whole[24:])  # no channels
    with serve_library(monkeypatch, tmp_path) as api:
        batch = {"sample_ids": [1, 6, 7, 8], "config": {"output_base_path": "all"}}
        number = api.post(f"{API}/samples/export-batch", json=batch).json()["export_id"]
        told = api.get(f"{API}/exports/{number}/samples").json()
        assert not [text for text in (*told["items"], *told["reasons"]) if "--" in (text["fix"] or "")]
        mends = {reason["reason"]: (reason["samples"], reason["mendable"], reason["mend"]) for reason in told["reasons"]}
        short = {"words": "Pad to 100 ms", "reason": "too_short", "text": "", "sound": {"pad_to_ms": 100}}
        cut = {"words": "Keep what is there", "reason": "load_failed", "sound": {"truncated": "keep"}}
        assert mends == {
            "too_short": (1, 1, short),
            "load_failed": (2, 1, cut | {"text": "Failed to load audio: truncated"}),
        }
        for sample_id, mend in ((6, short), (7, mends["load_failed"][2])):
            trouble = api.get(f"{API}/samples/{sample_id}").json()["trouble"]
            assert (trouble["mend"], "--" in trouble["fix"]) == (mend, False)
            order = {name: mend[name] for name in ("reason", "text", "sound")}
            done = api.post(f"{API}/exports/{number}/retry", json=order).raise_for_status().json()
            assert [(each["sample_id"], each["success"]) for each in done["results"]] == [(sample_id, True)]
        assert soundfile.info(tmp_path / "out/all/click.wav").frames == 4800
        assert api.get(f"{API}/samples/8").json()["trouble"]["mend"] is None
        one = api.post(f"{API}/exports/{number}/retry", json={"sample_ids": [8]}).json()
        assert [each["sample_id"] for each in one["results"]] == [8]
        problem(
            api.post(f"{API}/exports/{number}/retry", json={"reason": "too_long"}),
            409,
            f"Nothing of export {number} failed so",
        )


def test_what_is_too_short_is_foretold_also_where_it_was_padded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the plan, the remarks of a kit and the filter: all say what the export then does."""
    recorded_library(tmp_path)
    with serve_library(monkeypatch, tmp_path) as api:
        padded = {"sample_ids": [1, 6], "sound": {"pad_to_ms": 100}}
        assert api.post(f"{API}/samples/export-batch", json=padded).json()["successful"] == 2
        kit = api.post(f"{API}/kits", json={"name": "Short"}).json()
        put = {"operations": [{"op": "put", "pad": "A1", "sample_id": 6}]}
        lint = api.patch(f"{API}/kits/short/pads", json=put, headers={"If-Match": kit["etag"]}).json()["lint"]
        assert [(each["rule"], each["text"], "--" in each["fix"]) for each in lint["findings"]] == [
            ("too_short", "Duration too short: 50ms (minimum: 100ms)", False)
        ]
        assert [row["id"] for row in api.get(f"{API}/samples?flag=short").json()["items"]] == [6]
        for sound, fails in (({}, 1), ({"pad_to_ms": 50}, 1), ({"pad_to_ms": 100}, 0)):
            plan = api.post(f"{API}/exports/plan", json={"sample_ids": [1, 6], "sound": sound}).json()
            done = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1, 6], "sound": sound}).json()
            assert plan["fail"] == done["failed"] == fails, sound
        (tmp_path / "lib/click.wav").write_bytes((tmp_path / "lib/kick.wav").read_bytes())
        assert api.get(f"{API}/kits/short/lint").json()["findings"] == []
        assert api.post(f"{API}/exports/plan", json={"sample_ids": [6]}).json()["fail"] == 0


def test_what_cannot_be_exported_again(api: httpx.Client, ground: Path) -> None:
    whole = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1]}).json()["export_id"]
    problem(api.post(f"{API}/exports/{whole}/retry"), 409, f"Nothing of export {whole} failed")
    problem(api.post(f"{API}/exports/77/retry"), 404, "Export 77 not found")
    elsewhere = api.post(f"{API}/exports/1/retry")
    problem(elsewhere, 403, "Export 1 wrote to a folder that clients may not export to")
    assert elsewhere.json()["fix"]
    records(ground, "UPDATE sp404_exports SET finished_at = NULL WHERE id = 2")
    problem(api.post(f"{API}/exports/2/retry"), 409, "Export 2 has not ended")
    records(ground, "UPDATE sp404_exports SET finished_at = created_at, settings = NULL WHERE id = 2")
    earlier = api.post(f"{API}/exports/2/retry").json()  # as a version before this one recorded it
    assert (earlier["organized_by"], earlier["format"], earlier["total_requested"]) == ("genre", "aiff", 3)
    records(ground, "DELETE FROM samples WHERE id > 3")
    answer = api.post(f"{API}/exports/2/retry")
    problem(answer, 409, "The samples of export 2 that failed are no longer in the records")


def test_the_pad_of_a_kit_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its place, and its neighbours stay."""
    recorded_library(tmp_path, only_good=True)
    whole = (tmp_path / "lib/bass.mp3").read_bytes()
    (tmp_path / "lib/bass.mp3").write_bytes(whole[:100])
    with serve_library(monkeypatch, tmp_path) as api:
        first = api.post(f"{API}/kits/1/export", json={"output_base_path": "kits"}).json()
        assert (first["failed"], first["kit"]) == (1, KIT)
        (tmp_path / "lib/bass.mp3").write_bytes(whole)
        told = api.post(f"{API}/exports/{first['export_id']}/retry").raise_for_status().json()
        assert [result["output_path"] for result in told["results"]] == [
            str(tmp_path / "out/kits/night_bus/bank_A/pad_02_bass_two.wav")
        ]
        assert len(api.get(f"{API}/kits/1").json()["pads"]) == 3
