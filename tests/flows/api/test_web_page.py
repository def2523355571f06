"""The files of the page as they are served: the policy that browsers hold them to, what they may keep, and nothing else."""

import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import ROOT
from tests.support.api_library import problem
from tests.support.serve import API, process, served

# Of the page's specification, literally.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SERVE_WHEEL = """
import sys
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flows.api import web_page
app = FastAPI()
web_page.add_web_page(app)
print(web_page.__file__, TestClient(app).get("/").status_code)
"""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = {"db": tmp_path / "r.duckdb", "output_base_path": tmp_path, "api_token": "a-token-of-sixteen"}
    with served(monkeypatch, **settings) as client:
        yield client


def files(api: httpx.Client) -> list[str]:
    """The paths of all files that the page and its modules name."""
    found, waiting = [], re.findall(r'(?:src|href)="(/[^"]+)"', api.get("/").text)
    while waiting:
        path = waiting.pop()
        found.append(path)
        if path.endswith(".js"):
            names = re.findall(r'(?:from|import)\s*\(?"\./([^"]+)"', api.get(path).text)
            waiting += {f"{path.rpartition('/')[0]}/{name}" for name in names}.difference(found, waiting)
    return found


def test_the_policy_and_what_may_be_kept(api: httpx.Client) -> None:
    """Without a token: a browser cannot send one for them. Everything that the page names is there."""
    page = api.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert len(files(api)) > 10
    for path in ("/", *files(api)):
        answer = api.get(path)
        assert answer.status_code == 200, path
        assert {name: answer.headers[name] for name in SAFE} == SAFE
        assert re.search(r"https?://(?!www\.w3\.org/)", answer.text) is None, path
        if path != "/":
            assert re.fullmatch(r"/ui/[0-9a-f]{12}/[a-z]+\.(js|css|svg)", path)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["content-type"].startswith(("text/javascript", "text/css", "image/svg+xml"))
    assert api.get(f"{API}/samples").status_code == 401


def test_nothing_is_sent_twice(api: httpx.Client) -> None:
    for path in ("/", files(api)[0]):
        tags = set()
        for accepted in ("gzip", "identity"):
            answer = api.get(path, headers={"Accept-Encoding": accepted})
            assert answer.headers.get("content-encoding", "identity") == accepted
            assert answer.headers["vary"] == "Accept-Encoding"
            again = api.get(path, headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["content-security-policy"] == POLICY
            tags.add(answer.headers["etag"])
        assert len(tags) == 2
        with api.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
        assert gzip.decompress(raw) == api.get(path, headers={"Accept-Encoding": "identity"}).content


def test_no_other_file(api: httpx.Client) -> None:
    base = files(api)[0].rpartition("/")[0]
    names = ("", "index.html", "app.py", "..", "../web_page.py", "%2e%2e/web_page.py", "..%2fweb_page.py", "APP.JS")
    for path in (*(f"{base}/{name}" for name in names), "/ui/", "/ui/000000000000/app.js", "/index.html", "/ui"):
        answer = httpx.get(f"{api.base_url}{path}")
        assert answer.status_code in (401, 404), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert "def " not in answer.text
    refused = api.post("/")
    problem(refused, 405, "Method Not Allowed")


@pytest.mark.slow
def test_the_server_says_where_the_page_is(tmp_path: Path) -> None:
    with process(tmp_path, db=tmp_path / "r.duckdb", output_base_path=tmp_path / "out") as (api, _):
        assert api.get("/").status_code == 200
        log = (tmp_path / "api.log").read_text(encoding="utf-8")
    assert log == f"The page is at {api.base_url}/. Ctrl-C stops the server.\n"


@pytest.mark.slow
def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", str(tmp_path)], cwd=ROOT, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    folder = Path("flows/api/page")
    assert {path.name: path.read_bytes() for path in (tmp_path / "wheel" / folder).iterdir()} == {
        path.name: path.read_bytes() for path in (ROOT / folder).iterdir() if path.is_file()
    }
    command = [sys.executable, "-c", _SERVE_WHEEL]
    environment = {"PYTHONPATH": str(tmp_path / "wheel"), "PATH": ""}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.split() == [str(tmp_path / "wheel/flows/api/web_page.py"), "200"]
