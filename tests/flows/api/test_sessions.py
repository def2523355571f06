"""People who sign in on the page: the cookie that does instead of the token, and what it does not let in."""

import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from flows.api import sessions
from schemas.errors import UnauthorizedError
from tests.support.api_library import problem
from tests.support.serve import API, served

TOKEN = "a-token-of-more-than-sixteen-letters"


class Clock:
    """Stands for the module ``time`` in ``flows.api.sessions``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def api(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[httpx.Client]:
    with served(monkeypatch, db=tmp_path / "r.duckdb", api_root=tmp_path / "out", api_token=TOKEN) as client:
        yield client


def sign_in(api: httpx.Client, **headers: str) -> str:
    """Return the cookie, which the client does not keep."""
    answer = api.post(
        f"{API}/session", json={"token": TOKEN}, headers={name.replace("_", "-"): headers[name] for name in headers}
    )
    assert answer.status_code == 204
    api.cookies.clear()
    return answer.headers["set-cookie"]


def get(api: httpx.Client, cookie: str) -> int:
    return api.get(f"{API}/samples", headers={"Cookie": cookie}).status_code


def test_the_cookie(api: httpx.Client) -> None:
    said = sign_in(api)
    (morsel,) = SimpleCookie(said).values()
    assert (morsel["httponly"], morsel["samesite"].lower(), morsel["path"]) == (True, "strict", "/")
    assert (morsel["max-age"], morsel["domain"], morsel["secure"]) == ("43200", "", "")
    assert len(morsel.value) >= 43
    assert TOKEN not in said
    assert sign_in(api) != said
    assert "secure" in sign_in(api, X_Forwarded_Proto="https").lower().split("; ")
    assert get(api, f"{morsel.key}={morsel.value}") == 200
    state = api.get(f"{API}/session", headers={"Cookie": f"{morsel.key}={morsel.value}"}).json()
    assert state == {"needs_token": True, "signed_in": True}
    assert api.get(f"{API}/session").json() == {"needs_token": True, "signed_in": False}


def test_what_is_no_session(api: httpx.Client) -> None:
    sign_in(api)
    for cookie in (
        "",
        "sp404_session=",
        f"sp404_session={TOKEN}",
        'sp404_session="',
        "sp404_session=a; sp404_session=b",
        "=;;",
        "ü",
    ):
        answer = api.get(f"{API}/samples", headers={"Cookie": cookie.encode()})
        problem(answer, 401, "A token is needed")


def test_it_ends_after_twelve_hours_or_when_its_owner_signs_out(api: httpx.Client, clock: Clock) -> None:
    first = sign_in(api).split(";")[0]
    clock.now += 12 * 3600 - 1
    second = sign_in(api).split(";")[0]
    assert (get(api, first), get(api, second)) == (200, 200)
    clock.now += 1
    assert (get(api, first), get(api, second)) == (401, 200)
    headers = {"Cookie": second, "Origin": str(api.base_url).rstrip("/")}
    answer = api.delete(f"{API}/session", headers=headers)
    assert (answer.status_code, "max-age=0" in answer.headers["set-cookie"].lower()) == (204, True)
    assert get(api, second) == 401
    assert api.delete(f"{API}/session").status_code == 204


def test_five_wrong_tokens_a_minute(api: httpx.Client, clock: Clock) -> None:
    """Then not even the right one is taken, until a minute after the first of them; who is in stays in."""
    cookie = sign_in(api).split(";")[0]
    for token in ("", "wrong", TOKEN[:-1], f"{TOKEN} ", "ü"):
        answer = api.post(f"{API}/session", json={"token": token})
        problem(answer, 401, "A token is needed")
        assert "set-cookie" not in answer.headers
        clock.now += 10
    for token in ("wrong", TOKEN):
        problem(api.post(f"{API}/session", json={"token": token}), 429, "Too many wrong tokens")
    assert get(api, cookie) == 200
    assert api.get(f"{API}/samples", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    clock.now += 11
    sign_in(api)
    for body in ({}, {"token": 1}, {"token": TOKEN, "more": 1}, {"token": "x" * 1_001}, []):
        answer = api.post(f"{API}/session", json=body)
        assert TOKEN not in problem(answer, 422, answer.json()["detail"])["detail"]
    form = api.post(f"{API}/session", content=f'{{"token": "{TOKEN}"}}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 422


def test_other_pages_cannot_use_the_cookie(api: httpx.Client) -> None:
    """Whatever changes something needs this page's origin, and JSON, which no form of another page can send."""
    cookie, ours = sign_in(api).split(";")[0], str(api.base_url).rstrip("/")
    wanted, path = '{"organize_by": "bpm"}', f"{API}/preferences"
    json_type = {"Cookie": cookie, "Content-Type": "application/json"}
    assert api.put(path, content=wanted, headers=json_type | {"Origin": ours}).status_code == 200
    problem(api.put(path, content=wanted, headers=json_type), 403, "A request with a cookie must name its origin")
    for origin in ("http://127.0.0.1:1", "null", "https://evil.example", ours.replace("127.0.0.1", "localhost")):
        answer = api.put(path, content=wanted, headers=json_type | {"Origin": origin})
        problem(answer, 403, "A web page of another origin cannot use this server")
    for method in ("POST", "PATCH", "DELETE"):
        answer = api.request(method, f"{API}/samples/export-batch", content='{"sample_ids": [1]}', headers=json_type)
        assert answer.status_code == 403, method
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = api.put(path, content=wanted, headers={"Cookie": cookie, "Origin": ours, "Content-Type": kind})
        assert answer.status_code == 422, kind
    assert api.get(path, headers={"Cookie": cookie}).json()["organize_by"] == "bpm"
    with_token = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    assert api.put(path, content="{}", headers=with_token).status_code == 200


def test_a_server_without_a_token_needs_no_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served(monkeypatch, db=tmp_path / "r.duckdb", api_root=tmp_path / "out") as api:
        assert api.get(f"{API}/session").json() == {"needs_token": False, "signed_in": True}
        answer = api.post(f"{API}/session", json={"token": "anything"})
        assert (answer.status_code, answer.headers.get("set-cookie")) == (204, None)


def test_a_thousand_sessions_at_the_most(clock: Clock) -> None:
    kept = sessions.Sessions(TOKEN.encode())
    begun = [kept.begin(TOKEN) for _ in range(1_002)]
    assert [kept.is_valid(session) for session in begun] == [False] * 2 + [True] * 1_000
    with pytest.raises(UnauthorizedError):
        kept.begin("")
