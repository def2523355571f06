"""Whom the REST API lets in: by its address, its names, where a page came from, a token, and how much it is sent."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.settings import load
from flows.api import access, problems
from schemas.errors import RequestError
from tests.support.serve import API, served

TOKEN = "a-token-of-more-than-sixteen-letters"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[httpx.Client]:
    with served(monkeypatch, db=tmp_path / "r.duckdb", api_root=tmp_path / "out") as client:
        yield client


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    settings = {"db": tmp_path / "r.duckdb", "api_token_file": tmp_path / "token", "api_names": "studio.local"}
    with served(monkeypatch, **settings) as client:
        yield client


def status(api: httpx.Client, **headers: str) -> int:
    answer = api.get(f"{API}/samples", headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 200 or answer.headers["content-type"] == problems.MEDIA_TYPE
    return answer.status_code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("127.0.0.1", 200),
        ("localhost:4404", 200),
        ("LOCALHOST", 200),
        ("[::1]:4404", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("localhost@evil.example", 403),
        ("192.168.0.7", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_only_by_its_own_names(api: httpx.Client, host: str, wanted: int) -> None:
    assert status(api, host=host) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"origin": "http://localhost:4404", "host": "localhost:4404"}, 200),
        ({"origin": "http://localhost:3000", "host": "localhost:4404"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
    ],
)
def test_no_web_page_of_elsewhere(api: httpx.Client, headers: dict[str, str], wanted: int) -> None:
    assert status(api, **headers) == wanted


def test_a_web_socket_is_answered_like_any_request(locked: httpx.Client) -> None:
    """The token comes first; then there is no such thing."""
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "a" * 22 + "==",
    }
    assert status(locked, **upgrade) == 401
    assert status(locked, authorization=f"Bearer {TOKEN}", **upgrade) == 200
    answer = locked.get("/ws", headers=upgrade | {"authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, problems.MEDIA_TYPE)


def test_a_form_of_a_web_page_is_no_request(api: httpx.Client) -> None:
    """What a page can send without asking first: a body that is not called JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = api.post(f"{API}/samples/export-batch", content=b'{"sample_ids": [1]}', headers={"content-type": kind})
        assert answer.status_code == 422


def test_no_answer_may_be_read_by_another_origin(api: httpx.Client) -> None:
    answer = api.options(f"{API}/samples", headers={"origin": "https://evil.example", "access-control-request-method": "GET"})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [None, "", TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"])
def test_without_the_token_nothing(locked: httpx.Client, sent: str | None) -> None:
    answer = locked.get(f"{API}/samples", headers={"authorization": sent} if sent is not None else {})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "A token is needed"
    assert TOKEN not in answer.text


def test_with_the_token(locked: httpx.Client) -> None:
    assert status(locked, authorization=f"Bearer {TOKEN}") == 200
    assert status(locked, authorization=f"bearer {TOKEN}", host="studio.local") == 200
    described = locked.get("/openapi.json").json()
    assert described["security"] == [{"token": []}]
    assert TOKEN not in json.dumps(described)
    assert locked.get("/docs").status_code == 200


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.0.7", "studio.local"])
def test_no_address_beyond_this_machine_without_a_token(address: str) -> None:
    settings = load({"api_host": address}, lambda _path, _seconds: {}).settings
    with pytest.raises(RequestError, match="without a token"):
        access.build_rules(settings)
    allowed = load({"api_host": address, "api_token": TOKEN}, lambda _path, _seconds: {}).settings
    assert access.build_rules(allowed).token == TOKEN.encode()


@pytest.mark.slow
def test_a_server_that_may_not_start_says_why_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.api"]
    environment = os.environ | {"SP404_API_HOST": "0.0.0.0", "SP404_DB": str(tmp_path / "r.duckdb")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1
    assert said.stderr.startswith("sp404: The REST API would listen at 0.0.0.0")
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize("token", ["short", "with a space in the midst", "ümlaut-ümlaut-ümlaut"])
def test_a_bad_token_is_refused_and_never_said(token: str) -> None:
    settings = load({"api_token": token}, lambda _path, _seconds: {}).settings
    with pytest.raises(RequestError) as caught:
        access.build_rules(settings)
    assert token not in f"{caught.value} {caught.value.fix} {caught.value!r}"


def test_the_token_is_in_no_settings_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP404_API_TOKEN", TOKEN)
    from click.testing import CliRunner

    from flows.cli.main import cli

    for command in (["config"], ["config", "--json"], ["up", "--install-service"]):
        said = CliRunner().invoke(cli, command, standalone_mode=False)
        assert said.exception is None
        assert TOKEN not in said.output
    assert TOKEN not in repr(load({}, lambda _path, _seconds: {}))


def test_what_is_too_large_is_refused_before_it_is_read(api: httpx.Client) -> None:
    large = b'{"sample_ids": [1' + b" " * access.MAX_BODY_BYTES + b"]}"
    as_json = {"content-type": "application/json"}
    assert api.post(f"{API}/samples/export-batch", content=large, headers=as_json).status_code == 413
    chunks = (large[n : n + 10_000] for n in range(0, len(large), 10_000))
    assert api.post(f"{API}/samples/export-batch", content=chunks, headers=as_json).status_code == 413
    connection = http.client.HTTPConnection(api.base_url.host, api.base_url.port or 80, timeout=10)
    connection.putrequest("POST", f"{API}/samples/export-batch")
    connection.putheader("Content-Length", "100000000000")
    connection.endheaders()
    assert connection.getresponse().status == 413, "and it does not wait for all of it"
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        {"sample_ids": []},
        {"sample_ids": list(range(1, 10_002))},
        {"sample_ids": [0]},
        {"sample_ids": ["1"]},
        {"sample_ids": [True]},
        {"sample_ids": [1.5]},
        {"sample_ids": [1], "config": {"organize_by": "colour"}},
        {"sample_ids": [1], "config": {"output_base": "x"}},
        {"sample_ids": [1], "config": {"include_metadata": "yes"}},
        {"sample_ids": [1], "db": "/etc/passwd"},
        {},
        [],
    ],
)
def test_bodies_that_are_refused(api: httpx.Client, body: Any) -> None:
    answer = api.post(f"{API}/samples/export-batch", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"].startswith("body")


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["page=0", "page_size=501", "bpm_min=nan", "bpm_max=x", "colour=red", "page=1&page=2", "text=%00"]
)
def test_queries_that_are_refused(api: httpx.Client, query: str) -> None:
    answer = api.get(f"{API}/samples?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, problems.MEDIA_TYPE)


def test_paths_of_clients_stay_within_the_root(api: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "outside")
    bad = ["..", "../outside", "/etc", "a/../../outside", "link", "link/x", str(tmp_path / "out2")]
    for path in bad:
        content = json.dumps({"output_base_path": path})
        answer = api.put(f"{API}/preferences", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 403, path
        assert str(tmp_path) not in answer.text
    for path in ("", ".", "a/b", "a/../b", "~x", "Beats (2024) é 日本 \U0001f469\u200d\U0001f3a4", str(tmp_path / "out/c")):
        answer = api.put(f"{API}/preferences", json={"output_base_path": path})
        assert answer.json()["output_base_path"].startswith(str(tmp_path / "out")), path
    assert list((tmp_path / "outside").iterdir()) == []


def test_paths_of_clients_are_text_that_can_be_shown(api: httpx.Client) -> None:
    before = api.get(f"{API}/preferences").json()
    signs = ["\0", "\ud800", "\x1b[2J", "\a", "\n", "\x7f", "\x9b", "\u2028", "\u202e"]
    for path in [*(f"a{sign}b" for sign in signs), "n" * 300, "ä" * 128, "x/" * 1001]:
        batch = {"sample_ids": [1], "config": {"output_base_path": path}}
        for method, route, wanted in [("PUT", "preferences", batch["config"]), ("POST", "samples/export-batch", batch)]:
            headers = {"content-type": "application/json"}
            answer = api.request(method, f"{API}/{route}", content=json.dumps(wanted), headers=headers)
            assert answer.status_code == 422, ascii(path)
            assert answer.json()["detail"].startswith("output_base_path has ")
            assert path.encode(errors="replace") not in answer.content
    assert api.get(f"{API}/preferences").json() == before
