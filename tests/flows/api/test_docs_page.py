"""The page at /docs: all that it loads is this server's, under a policy that lets nothing else in, and a browser shows it."""

import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.support.serve import API, served
from tests.support.waiting import until


def test_it_needs_nothing_of_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served(monkeypatch, db=tmp_path / "r.duckdb", output_base_path=tmp_path, api_token="a-token-of-sixteen") as api:
        page = api.get("/docs")
        links = re.findall(r"""(?:src|href)="([^"]*)\"""", page.text)
        assert len(links) == 3
        assert "http" not in page.text.replace("http-equiv", "")
        for link in links:
            assert link.startswith("/docs/")
            assert api.get(link).status_code == 200
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
        assert policy["script-src"] == f"'self' 'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"
        for path in ("/docs/../api/v1/sp404/samples", "/docs/files/../../x", "/docs/files/%2e%2e/__init__.py", f"{API}/kits"):
            assert httpx.get(f"{api.base_url}{path}").status_code in (401, 404), path


@pytest.mark.slow
@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_shows_every_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It finds no name but this server's."""
    with served(monkeypatch, db=tmp_path / "r.duckdb", output_base_path=tmp_path) as api:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'home'}"]
        alone = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--virtual-time-budget=10000"]

        def shown() -> str:
            page = [*command, *alone, "--dump-dom", f"{api.base_url}/docs"]
            said = subprocess.run(page, capture_output=True, text=True, timeout=120, check=False)
            return said.stdout if "opblock" in said.stdout else ""

        dom = until(shown, 60)
        for path in api.get("/openapi.json").json()["paths"]:
            assert f'data-path="{path}"' in dom
