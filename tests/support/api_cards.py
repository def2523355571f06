"""Questions to the REST API about cards, and their answers."""

from pathlib import Path
from typing import Any

import httpx

from tests.support.api_library import finished
from tests.support.serve import API


def cards(api: httpx.Client) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in api.get(f"{API}/cards").raise_for_status().json()}


def put(api: httpx.Client, name: str, export_id: int, **more: Any) -> dict[str, Any]:
    path = f"{API}/cards/{cards(api)[name]['id']}/put"
    answer = api.post(path, json={"export_id": export_id, **more})
    assert answer.status_code == 202, answer.text
    return finished(api, answer)


def files(card: Path) -> dict[str, bytes]:
    return {path.relative_to(card / "IMPORT").as_posix(): path.read_bytes() for path in (card / "IMPORT").rglob("*.wav")}


def contents(api: httpx.Client, name: str, **query: Any) -> dict[str, Any]:
    return dict(api.get(f"{API}/cards/{cards(api)[name]['id']}", params=query).raise_for_status().json())


def plan_of(api: httpx.Client, name: str, what: str) -> dict[str, Any]:
    path = f"{API}/cards/{cards(api)[name]['id']}/prune"
    return dict(api.get(path, params={"what": what}).raise_for_status().json())


def prune(api: httpx.Client, name: str, what: str, plan: str) -> dict[str, Any]:
    answer = api.post(f"{API}/cards/{cards(api)[name]['id']}/prune", json={"what": what, "plan": plan})
    assert answer.status_code == 202, answer.text
    return finished(api, answer)
