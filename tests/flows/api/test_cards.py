"""Cards by REST: which are plugged in, and exports put on them."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from flows.export.threads import export_directly
from schemas.export import ExportConfig, ExportRequest
from tasks.audio import synth
from tasks.bundle import card as bundle_card
from tasks.bundle import plugged_cards
from tests.support.api_cards import cards, contents, files, plan_of, prune, put
from tests.support.api_library import make_library, problem, recorded_library, serve_library
from tests.support.serve import API

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ground = tmp_path_factory.mktemp("cards")
    recorded_library(ground, only_good=True)
    return ground


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card/IMPORT").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    return tmp_path / "card"


@pytest.fixture
def api(ground: Path, card: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(card), str(card.parent / "empty")])
    with serve_library(monkeypatch, ground) as client:
        yield client


def test_an_export_that_stands_is_put_on_a_card(api: httpx.Client, ground: Path, card: Path) -> None:
    """Its bytes, none twice, and nothing that is there goes; not even the originals are needed."""
    (card / "IMPORT/mine.wav").write_bytes(b"mine")
    shutil.rmtree(ground / "lib", ignore_errors=True)
    before = cards(api)["card"]
    assert (before["card_id"], before["has_import"]) == (None, True)
    assert 0 < before["free_bytes"] <= before["total_bytes"]
    told = put(api, "card", 1)
    assert (told["kind"], told["state"], told["done"], told["total"]) == ("card", "done", 3, 3)
    first = {path.name: path.read_bytes() for path in (ground / "first").glob("*.wav")}
    assert files(card) == first | {"mine.wav": b"mine"}
    result = told["result"]
    assert (result["written"], result["unchanged"], result["in_the_way"], result["export_id"]) == (3, 0, [], 1)
    assert result["written_bytes"] == sum(map(len, first.values()))
    assert cards(api)["card"]["card_id"] == result["card_id"]
    places = api.get(f"{API}/samples/1").json()["places"]
    assert [place["path"] for place in places if place["card_id"] == result["card_id"]] == ["kick_one.wav"]
    again = put(api, "card", 1)["result"]
    assert (again["written"], again["unchanged"]) == (0, 3)
    (card / "IMPORT/kick_one.wav").write_bytes(b"another's")
    (card / "IMPORT/bass_two.wav").unlink()
    repaired = put(api, "card", 1)["result"]
    assert (repaired["written"], repaired["unchanged"], repaired["in_the_way"]) == (1, 1, ["kick_one.wav"])
    assert api.get(f"{API}/exports").json()["total"] == 1


def last(api: httpx.Client) -> Any:
    return api.get(f"{API}/cards/last").raise_for_status().json()


def test_the_card_that_was_written_last_is_there_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: Path
) -> None:
    """As ``sp404 card`` finds it: by the records and its mark. No other folder is, and none that a client names."""
    db = recorded_library(tmp_path, only_good=True)
    monkeypatch.setattr(plugged_cards, "list_mounts", list)
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve_library(monkeypatch, tmp_path) as api:
        assert (cards(api), last(api)) == ({}, None)
        config = ExportConfig(output_base_path=str(tmp_path / "first"))
        export_directly(ExportRequest(manifest=str(tmp_path / "lib/m.csv"), config=config, db=str(db), card=str(card)))
        assert last(api) == {"place": "~/card", "is_there": True}
        assert contents(api, "card")["counts"] == {"there": 3, "missing": 0, "changed": 0, "stale": 0}
        (card / "IMPORT/kick_one.wav").unlink()
        assert put(api, "card", 1)["result"]["written"] == 1
        mark = (card / ".sp404-export").read_bytes()
        (card / ".sp404-export").write_bytes(bytes(reversed(mark[:32])) + mark[32:])
        assert (cards(api), last(api)["is_there"]) == ({}, False), "another card"
        (card / ".sp404-export").write_bytes(mark)
        card.rename(tmp_path / "elsewhere")
        assert (cards(api), last(api)) == ({}, {"place": "~/card", "is_there": False})
        monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(tmp_path / "elsewhere")])
        assert last(api) == {"place": "~/elsewhere", "is_there": True}


def test_cards_are_listed_while_another_process_has_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: Path
) -> None:
    db = recorded_library(tmp_path, only_good=True)
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(card)])
    with serve_library(monkeypatch, tmp_path) as api:
        put(api, "card", 1)
        monkeypatch.setattr(plugged_cards, "list_mounts", list)
        assert list(cards(api)) == ["card"]
        change = "held.execute('CREATE TABLE x (y INT)')"
        script = f"import duckdb; held = duckdb.connect({str(db)!r}); {change}; print('held', flush=True); input()"
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout
            assert other.stdout.readline() == b"held\n"
            assert list(cards(api)) == ["card"]
            other.communicate(b"\n")


def test_a_card_without_import(api: httpx.Client, card: Path) -> None:
    told = cards(api)["empty"]
    assert told["has_import"] is False
    answer = api.post(f"{API}/cards/{told['id']}/put", json={"export_id": 1})
    assert "initialize" in problem(answer, 422, "empty has no folder IMPORT")["fix"]
    assert put(api, "empty", 1, initialize=True)["result"]["written"] == 3
    assert len(files(card.parent / "empty")) == 3


def test_what_cannot_be_put(api: httpx.Client, ground: Path, card: Path) -> None:
    """What is wrong with the request is said at once, what is wrong with the card by the job."""
    problem(api.post(f"{API}/cards/{card.name}/put", json={"export_id": 1}), 404, "Card card not found")
    number = cards(api)["card"]["id"]
    problem(api.post(f"{API}/cards/{number}/put", json={"export_id": 77}), 404, "Export 77 not found")
    for body in ({}, {"export_id": "1"}, {"export_id": 1, "path": "/etc"}, {"export_id": 0}):
        answer = api.post(f"{API}/cards/{number}/put", json=body)
        problem(answer, 422, answer.json()["detail"])
    (card / ".sp404-export").write_text("a person's", encoding="utf-8")
    told = put(api, "card", 1)
    assert (told["state"], told["problem"]["detail"]) == ("failed", ".sp404-export is not what sp404-export wrote")
    shutil.rmtree(card / "IMPORT")
    assert cards(api)["card"]["id"] == number
    assert cards(api)["card"]["has_import"] is False
    kept = (ground / "first/bass_two.wav").read_bytes()
    (ground / "first/bass_two.wav").write_bytes(b"edited")
    (card / ".sp404-export").unlink()
    (card / "IMPORT").mkdir()
    assert put(api, "card", 1)["result"]["modified"] == ["bass_two.wav"]
    assert "bass_two.wav" not in files(card)
    (ground / "first/bass_two.wav").write_bytes(kept)


def damage(card: Path) -> None:
    """Of three files one is changed in place, one goes; beside them a person's file, and what Finder leaves."""
    kick = card / "IMPORT/kick_one.wav"
    kick.write_bytes(kick.read_bytes()[:-1] + b"\x7f")
    (card / "IMPORT/bass_two.wav").unlink()
    (card / "IMPORT/mine.wav").write_bytes(b"mine")
    (card / "IMPORT/._pad_three.wav").write_bytes(b"\0\5\26\7")
    (card / ".DS_Store").write_bytes(b"\0")


def test_what_is_on_a_card_and_from_where(api: httpx.Client, ground: Path, card: Path) -> None:
    """A byte that changed is seen by reading all of them; everything is listed, with export and sample, a page at a time."""
    assert contents(api, "card")["counts"] == {"there": 0, "missing": 0, "changed": 0, "stale": 0}
    assert contents(api, "empty")["card"]["has_import"] is False
    put(api, "card", 1)
    damage(card)
    seen = contents(api, "card")
    assert seen["counts"] == {"there": 2, "missing": 1, "changed": 0, "stale": 0}
    assert [(file["path"], file["state"], file["sample_id"]) for file in seen["items"]] == [("bass_two.wav", "missing", 2)]
    size = sum(path.stat().st_size for path in (ground / "first").glob("*.wav"))
    manifest = str(ground / "lib/m.csv")
    assert seen["exports"] == [{"export_id": 1, "manifest_path": manifest, "files": 3, "bytes": size, "attention": 1}]
    assert seen["unknown"] == {"total": 1, "paths": ["mine.wav"]}
    assert seen["junk"] == {"total": 2, "paths": [".DS_Store", "IMPORT/._pad_three.wav"]}
    assert (seen["busy"], seen["compared"]) == (None, "sizes")
    usage = shutil.disk_usage(card)
    assert seen["card"]["total_bytes"] == usage.total
    read = contents(api, "card", compare="bytes", show="changed")
    assert read["counts"] == {"there": 1, "missing": 1, "changed": 1, "stale": 0}
    assert [file["path"] for file in read["items"]] == ["kick_one.wav"]
    page = contents(api, "card", show="all", export_id=1, limit=1, offset=2)
    assert (page["total"], [file["title"] for file in page["items"]]) == (3, ["Pad Three"])
    assert contents(api, "card", show="all", export_id=2)["total"] == 0


def test_a_card_is_safe_to_remove_when_all_of_it_is_written(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is asked to write what it holds back of the card's own file system; a card that does not take it is told."""
    synced: list[str] = []
    monkeypatch.setattr(bundle_card, "sync_file_system", synced.append)
    place = f"{API}/cards/{cards(api)['card']['id']}/flush"
    assert api.post(place).raise_for_status().json()["safe_to_remove"] is True
    assert [Path(folder).name for folder in synced] == ["card"]

    def fail(folder: str) -> None:
        raise OSError(errno.EIO, "Input/output error", folder)

    monkeypatch.setattr(bundle_card, "sync_file_system", fail)
    assert problem(api.post(place), 500, "The disk reports an error: card (Input/output error)")["reason"] == "disk_error"
    problem(api.post(f"{API}/cards/elsewhere/flush"), 404, "Card elsewhere not found")


def test_what_was_shown_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: Path) -> None:
    """What left the library and its output folder; not a person's file, not one that was changed, not a file of a new take."""
    manifest = make_library(tmp_path / "lib", only_good=True)
    request = ExportRequest(
        manifest=str(manifest),
        config=ExportConfig(output_base_path=str(tmp_path / "first")),
        db=str(tmp_path / "r.duckdb"),
        prune=True,
    )
    export_directly(request)
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(card)])
    with serve_library(monkeypatch, tmp_path) as api:
        put(api, "card", 1)
        first = files(card)
        (card / "IMPORT/mine.wav").write_bytes(b"mine")
        none = plan_of(api, "card", "stale")
        assert (none["files"], none["paths"], none["kept"]["total"]) == (0, [], 0)
        header, kick, *_ = manifest.read_text(encoding="utf-8").splitlines()
        manifest.write_text(f"{header}\n{kick}\n", encoding="utf-8")
        synth.write(tmp_path / "lib/kick.wav", synth.bass(48_000, 50, 0.4), 48_000)
        export_directly(request)
        assert contents(api, "card")["counts"] == {"there": 3, "missing": 0, "changed": 0, "stale": 3}
        plan = plan_of(api, "card", "stale")
        assert (plan["files"], plan["paths"]) == (2, ["bass_two.wav", "pad_three.wav"])
        assert plan["bytes"] == len(first["bass_two.wav"]) + len(first["pad_three.wav"])
        (card / "IMPORT/pad_three.wav").write_bytes(b"a person's")
        refused = prune(api, "card", "stale", plan["plan"])
        assert (refused["state"], refused["problem"]["reason"]) == ("failed", "card_plan")
        assert files(card).keys() == {*first, "mine.wav"}
        plan = plan_of(api, "card", "stale")
        assert (plan["paths"], plan["kept"]) == (["bass_two.wav"], {"total": 1, "paths": ["pad_three.wav"]})
        done = prune(api, "card", "stale", plan["plan"])
        assert (done["kind"], done["state"], done["done"], done["total"]) == ("prune", "done", 1, 1)
        assert done["result"] == {"what": "stale", "removed": 1, "kept": ["pad_three.wav"]}
        kept = {"kick_one.wav": first["kick_one.wav"], "pad_three.wav": b"a person's", "mine.wav": b"mine"}
        assert files(card) == kept
        assert contents(api, "card")["counts"]["missing"] == 0
        damage_junk = [card / ".DS_Store", card / "IMPORT/._mine.wav"]
        for path in damage_junk:
            path.write_bytes(b"\0")
        assert prune(api, "card", "junk", plan_of(api, "card", "junk")["plan"])["result"]["removed"] == 2
        assert not [path for path in damage_junk if path.exists()]
        put(api, "card", 2)
        assert files(card)["kick_one.wav"] == (tmp_path / "first/kick_one.wav").read_bytes() != first["kick_one.wav"]


def test_a_folder_that_the_records_forgot_says_nothing_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: Path
) -> None:
    """Its files on the card are stale, and stay."""
    recorded_library(tmp_path, only_good=True)
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(card)])
    with serve_library(monkeypatch, tmp_path) as api:
        put(api, "card", 1)
        with duckdb.connect(str(tmp_path / "r.duckdb")) as connection:
            connection.execute("DELETE FROM outputs")
        assert contents(api, "card")["counts"]["stale"] == 3
        assert plan_of(api, "card", "stale")["files"] == 0
