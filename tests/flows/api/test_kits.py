"""Kits by REST: kit files that a page, an editor and the command line share, and kits of manifests beside them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.api_library import problem, recorded_library, records, serve_library
from tests.support.command_line import Run
from tests.support.serve import API

pytestmark = pytest.mark.slow

READ_ONLY = "It comes from a manifest: copy it to edit the copy"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The API over three samples, which are a kit of a manifest, too; kit files are in ``kits``."""
    recorded_library(tmp_path, only_good=True)
    with serve_library(monkeypatch, tmp_path) as client:
        yield client


def created(api: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    answer = api.post(f"{API}/kits", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    kit = dict(answer.json())
    assert answer.headers["location"] == f"{API}/kits/{kit['id']}"
    assert answer.headers["etag"] == kit["etag"]
    return kit


def edit(api: httpx.Client, kit: dict[str, Any], *operations: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """Change pads of ``kit`` as it is known, which is then as it is answered."""
    answer = api.patch(f"{API}/kits/{kit['id']}/pads", json={"operations": list(operations)}, headers={"If-Match": kit["etag"]})
    assert answer.status_code == status, answer.text
    if status == 200:
        kit.clear()
        kit.update(answer.json()["kit"])
    return dict(answer.json())


def put(pad: str, sample_id: int) -> dict[str, Any]:
    return {"op": "put", "pad": pad, "sample_id": sample_id}


def laid_out(kit: dict[str, Any]) -> dict[str, int | None]:
    return {f"{pad['bank']}{pad['pad']}": pad["sample_id"] for pad in kit["pads"]}


def test_a_kit_is_a_file_that_page_editor_and_command_line_share(
    api: httpx.Client,
    tmp_path: Path,
    sp404: Run,
) -> None:
    """One kit with one id: made here, edited by hand, exported both ways, and in the records then."""
    kit = created(api, "Day Bus", tempo=92.5)
    path = tmp_path / "kits/day_bus.yaml"
    assert (kit["id"], kit["is_file"], kit["record_id"], kit["pads"], kit["read_only"]) == ("day_bus", True, None, [], None)
    problem(api.post(f"{API}/kits/day_bus/export"), 409, "The kit Day Bus is empty")
    edited = edit(api, kit, put("A1", 1), put("B16", 3))
    assert edited["inverse"] == [{"op": "clear", "pad": "A1"}, {"op": "clear", "pad": "B16"}]
    assert kit["etag"].strip('"') == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == {
        "name": "Day Bus",
        "tempo": 92.5,
        "A1": {"id": 1, "file": str(tmp_path / "lib/kick.wav")},
        "B16": {"id": 3, "file": str(tmp_path / "lib/pad.flac")},
    }
    # An editor adds a comment and a pad; what the page wanted meanwhile is refused, with the kit as it is now.
    path.write_text(path.read_text(encoding="utf-8") + f"# low\nA2: {tmp_path / 'lib/bass.mp3'}\n", encoding="utf-8")
    conflict = edit(api, kit, {"op": "clear", "pad": "A1"}, status=412)
    assert conflict["detail"] == "The kit Day Bus was changed elsewhere meanwhile: on another page, or in an editor"
    assert (conflict["reason"], laid_out(conflict["kit"])) == ("kit_changed", {"A1": 1, "A2": 2, "B16": 3})
    kit = conflict["kit"]
    edit(api, kit, {"op": "move", "pad": "A2", "to": "A3"})
    assert "# low" in path.read_text(encoding="utf-8")
    for method, body in (("PATCH", {"tempo": 90}), ("DELETE", None)):
        problem(api.request(method, f"{API}/kits/day_bus", json=body), 428, "A change of a kit needs the header If-Match")
    # Exported here and by the command line.
    told = api.post(f"{API}/kits/day_bus/export", json={"output_base_path": "rest"}).raise_for_status().json()
    assert (told["kit_id"], told["kit"], told["success"], len(told["pads"])) == ("day_bus", "Day Bus", True, 3)
    assert sp404("export", path, "--direct", "--db", tmp_path / "r.duckdb", "--out", tmp_path / "cli").status == 0
    sounds = [
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.wav")}
        for folder in (tmp_path / "out/rest", tmp_path / "cli")
    ]
    assert sounds[0] == sounds[1]
    assert sorted(map(str, sounds[0])) == [
        "day_bus/bank_A/pad_01_kick_one.wav",
        "day_bus/bank_A/pad_03_bass_two.wav",
        "day_bus/bank_B/pad_16_pad_three.wav",
    ]
    listed = api.get(f"{API}/kits").json()["items"]
    assert [(each["id"], each["is_file"], each["record_id"]) for each in listed] == [("day_bus", True, 2), (1, False, 1)]
    assert api.get(f"{API}/kits/2").json()["id"] == "day_bus"
    assert laid_out(api.get(f"{API}/kits/day_bus").json()) == {"A1": 1, "A3": 2, "B16": 3}
    assert records(tmp_path, "SELECT id, name FROM kits ORDER BY id") == [(1, "Night Bus"), (2, "Day Bus")]
    removed = api.delete(f"{API}/kits/day_bus", headers={"If-Match": kit["etag"]})
    assert (removed.status_code, path.exists()) == (204, False)
    # Its name is free again, though the records have it.
    assert created(api, "Day Bus")["record_id"] == 2


def test_every_operation_and_its_undo(api: httpx.Client, tmp_path: Path) -> None:
    kit = created(api, "K")
    path = tmp_path / "kits/k.yaml"
    path.write_text("name: K\nA1: /etc/kick.wav   # mine\n", encoding="utf-8")
    kit = api.get(f"{API}/kits/k").json()
    assert kit["pads"] == [
        {"bank": "A", "pad": 1, "sample_id": None, "title": "kick", "bpm": None, "file": "kick.wav", "name": "pad_01_kick"}
    ]
    before = path.read_text(encoding="utf-8")
    undo = edit(
        api,
        kit,
        put("A1", 2),
        {"op": "copy", "pad": "A1", "to": "B1"},
        {"op": "swap", "pad": "B1", "to": "B2"},
        {"op": "fill", "bank": "C", "sample_ids": [3, 2, 1]},
        {"op": "rename", "name": "L"},
        {"op": "tempo", "tempo": 120},
    )["inverse"]
    # By their names: a kick first, what has no usual pad behind.
    assert laid_out(kit) == {"A1": 2, "B2": 2, "C1": 1, "C12": 2, "C13": 3}
    assert (kit["name"], kit["tempo"], kit["id"]) == ("L", 120, "k")
    assert "/etc" not in str(undo)
    redo = edit(api, kit, *undo)["inverse"]
    assert path.read_text(encoding="utf-8") == before.replace("name: K", 'name: "K"')
    edit(api, kit, *redo)
    assert len(kit["pads"]) == 5
    # All or nothing.
    whole = path.read_bytes()
    answer = edit(api, kit, {"op": "clear", "pad": "A1"}, {"op": "clear", "pad": "A1"}, status=409)
    assert answer["detail"] == "Pad A1 is empty"
    assert edit(api, kit, put("A1", 99), status=404)["detail"] == "Sample 99 not found"
    forged = {"op": "restore", "pad": "A1", "content": "0" * 32}
    assert edit(api, kit, forged, status=409)["detail"] == "What was on pad A1 is not known any more"
    for bad in (
        {"op": "put", "pad": "A17", "sample_id": 1},
        {"op": "put", "pad": "A1", "file": "/etc/passwd"},
        {"op": "rename", "name": "a\nb"},
        {"op": "tempo", "tempo": "90"},
        {"op": "shuffle"},
    ):
        edit(api, kit, bad, status=422)
    assert path.read_bytes() == whole
    changed = api.patch(f"{API}/kits/k", json={"name": "M", "tempo": None}, headers={"If-Match": kit["etag"]}).json()
    assert (changed["kit"]["name"], changed["kit"]["tempo"]) == ("M", None)


def test_names_and_copies(api: httpx.Client, tmp_path: Path) -> None:
    manifest = api.get(f"{API}/kits/1").json()
    assert (manifest["id"], manifest["is_file"], manifest["etag"], manifest["read_only"]) == (1, False, None, READ_ONLY)
    problem(api.post(f"{API}/kits", json={"name": "NIGHT_bus"}), 409, "There is a kit NIGHT_bus already")
    answer = api.patch(f"{API}/kits/1", json={"name": "X"}, headers={"If-Match": "*"})
    problem(answer, 409, "This kit comes from a manifest")
    copy = api.post(f"{API}/kits/1/copy").json()
    assert (copy["id"], copy["name"], laid_out(copy)) == ("night_bus_copy", "Night Bus copy", laid_out(manifest))
    again = api.post(f"{API}/kits/{copy['id']}/copy", json={"name": "808"}).json()
    assert (again["id"], laid_out(again)) == ("kit_808", laid_out(manifest))
    problem(api.post(f"{API}/kits/1/copy", json={"name": "808"}), 409, "There is a kit 808 already")
    answer = api.patch(f"{API}/kits/kit_808", json={"name": "night bus COPY"}, headers={"If-Match": again["etag"]})
    problem(answer, 409, "There is a kit night bus COPY already")
    other = api.post(f"{API}/kits", json={"name": "Night-Bus Copy"}).json()
    assert other["id"] == "night-bus_copy"
    assert [each["name"] for each in api.get(f"{API}/kits", params={"text": "BUS c"}).json()["items"]] == [
        "Night-Bus Copy",
        "Night Bus copy",
    ]
    page = api.get(f"{API}/kits", params={"page": 2, "page_size": 3}).json()
    assert (page["total"], [each["id"] for each in page["items"]]) == (4, [1])
    for kit_id in ("99", "nothing", "..%2Fr", "9" * 30):
        answer = api.get(f"{API}/kits/{kit_id}")
        assert answer.status_code == 404
    for name in ("", " ", "a\x00"):
        assert api.post(f"{API}/kits", json={"name": name}).status_code == 422
    assert sorted(path.name for path in (tmp_path / "kits").iterdir()) == [
        "kit_808.yaml",
        "night-bus_copy.yaml",
        "night_bus_copy.yaml",
    ]


def test_files_that_people_wrote(api: httpx.Client, tmp_path: Path) -> None:
    """What cannot be read, or not be edited line by line, is named, and never written to."""
    texts = {
        "broken": "A1: [\n",
        "line": "{A1: 1, A2: 2}\n",
        "several": "kits:\n- {name: A, A1: 1}\n- {name: B, A1: 2}\n",
        "empty": "",
        "808": "name: Eight\nA1: 1\nguard: folder\n",
        "binary": "\x00\x01",
    }
    (tmp_path / "kits").mkdir()
    for name, text in texts.items():
        (tmp_path / "kits" / f"{name}.yaml").write_text(text, encoding="utf-8")
    listed = {each["id"]: each for each in api.get(f"{API}/kits").json()["items"] if each["is_file"]}
    assert listed.keys() == {"808.yaml", "binary", "broken", "empty", "line", "several"}
    assert listed["broken"]["problem"].startswith("It is not valid YAML: ")
    assert listed["several"]["problem"] == "It has several kits; only files with one kit are shown"
    assert listed["line"]["read_only"] == "It cannot be edited here: not every pad has lines of its own"
    assert (listed["line"]["samples"], listed["808.yaml"]["name"]) == (2, "Eight")
    for name in ("broken", "several", "binary"):
        answer = api.get(f"{API}/kits/{name}")
        problem(answer, 422, answer.json()["detail"])
        answer = api.patch(f"{API}/kits/{name}/pads", json={"operations": [put("A1", 1)]}, headers={"If-Match": "*"})
        problem(answer, 409 if name == "several" else 422, answer.json()["detail"])
    assert laid_out(api.get(f"{API}/kits/line").json()) == {"A1": 1, "A2": 2}
    answer = api.patch(f"{API}/kits/line/pads", json={"operations": [put("A1", 1)]}, headers={"If-Match": "*"})
    problem(answer, 409, "This kit cannot be edited here: not every pad has lines of its own")
    kept = {name: (tmp_path / "kits" / f"{name}.yaml").read_text(encoding="utf-8") for name in texts}
    assert kept == texts
    kit = api.get(f"{API}/kits/808.yaml").json()
    edit(api, kit, put("A2", 2))
    assert "guard: folder\n" in (tmp_path / "kits/808.yaml").read_text(encoding="utf-8")
    (rejected,) = api.get(f"{API}/kits/808.yaml/lint").json()["findings"]
    assert (rejected["rule"], rejected["text"]) == ("rejected", "Line 4: pad 'guard': is not a pad")
    told = api.post(f"{API}/kits/808.yaml/export").json()
    assert (told["successful"], told["rejected"]) == (2, 1)


def test_lint_names_what_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_library(tmp_path)
    (tmp_path / "lib/gone.wav").unlink()
    same = "UPDATE outputs SET content_hash = 'same' WHERE sample_id IN (1, 3)"
    for change in (same, "UPDATE outputs SET peak = 1.5 WHERE sample_id = 2"):
        records(tmp_path, change)
    with serve_library(monkeypatch, tmp_path) as api:
        kit = created(api, "K", tempo=300)
        samples = {"A1": 1, "A2": 2, "A3": 3, "A4": 6, "A5": 9, "A6": 7}
        lint = edit(api, kit, *(put(pad, number) for pad, number in samples.items()))["lint"]
        assert lint == api.get(f"{API}/kits/k/lint").json()
        found = {(f"{each['bank']}{each['pad']}", each["rule"]): each["mend"] for each in lint["findings"]}
        assert found.keys() == {
            ("A1", "tempo"),
            ("A2", "tempo"),
            ("A2", "clipping"),
            ("A3", "equal_sound"),
            ("A4", "too_short"),
            ("A5", "missing"),
            ("A6", "failed"),
        }
        assert found["A1", "tempo"] is None
        assert found["A2", "clipping"]["sound"] == {"guard": "folder"}
        assert found["A4", "too_short"]["sound"] == {"pad_to_ms": 100}
        assert found["A3", "equal_sound"]["operations"] == [{"op": "clear", "pad": "A3"}]
        assert api.get(f"{API}/kits/1/lint").json()["unheard"] == 0
        edit(
            api,
            kit,
            *found["A3", "equal_sound"]["operations"],
            *found["A5", "missing"]["operations"],
            *found["A6", "failed"]["operations"],
        )
        sound = found["A4", "too_short"]["sound"] | found["A2", "clipping"]["sound"]
        assert api.post(f"{API}/kits/k/export", json={"sound": sound}).json()["success"]


def test_what_an_export_of_a_kit_would_do_and_names_as_it_writes_them(api: httpx.Client, tmp_path: Path) -> None:
    kit = created(api, "Plan")
    edit(api, kit, put("A1", 1), put("B16", 3))
    plan = api.post(f"{API}/kits/plan/plan", json={"output_base_path": str(tmp_path / "out/k")}).json()
    assert (plan["convert"], plan["unchanged"], plan["fail"], (tmp_path / "out/k").exists()) == (2, 0, 0, False)
    told = [pad["name"] for pad in kit["pads"]]
    done = api.post(f"{API}/kits/plan/export", json={"output_base_path": str(tmp_path / "out/k")}).json()
    assert [Path(pad["output_path"]).stem for pad in done["pads"]] == told
    answer = api.get(f"{API}/kits/plan", headers={"If-None-Match": kit["etag"]})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", kit["etag"])
