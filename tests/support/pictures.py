"""Make the pictures of the documents from the demo: ``python -m tests.support.pictures`` (needs chromium; a minute)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tests.support import ROOT

PICTURES = ROOT / "docs/pictures"
_PREFECT, _PAGE = 4291, 4292
_SP404 = (sys.executable, "-m", "flows.cli")


def make() -> None:
    """Make all five."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "PREFECT_HOME": f"{folder}/prefect",
            "SP404_DB": f"{folder}/demo/demo.duckdb",
            "SP404_LIBRARY": f"{folder}/demo/library/manifest.csv",
            "SP404_OUTPUT_BASE_PATH": f"{folder}/demo/by-bpm",
            "SP404_API_PORT": str(_PAGE),
            "PYTHONPATH": str(ROOT),
            "HOME": folder,
        }
        demo = subprocess.run(
            [*_SP404, "demo", "--direct"], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        (folder_demo := Path(folder, "demo")).symlink_to(Path(folder, "sp404-demo"))
        assert folder_demo.exists()
        _draw_terminal(demo.stdout.replace(folder, "~"))
        with _up(folder, environment):
            _photograph(f"http://127.0.0.1:{_PAGE}/", "page.png", "1200,800", folder)
            _photograph(f"http://127.0.0.1:{_PAGE}/#/kits/{_make_kit()}?bank=A", "kit.png", "1280,900", folder)
            run = _export()
            _photograph(f"http://127.0.0.1:{_PREFECT}/runs/flow-run/{run}", "prefect.png", "1200,1000", folder)
            (report,) = _ask(
                "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": ["export-report"]}}}
            )
            _photograph(f"http://127.0.0.1:{_PREFECT}/artifacts/artifact/{report['id']}", "report.png", "1200,1000", folder)


def _draw_terminal(text: str) -> None:
    lines = [line[:100] for line in text.strip().splitlines()][:26]
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=100, file=nowhere, force_terminal=True)
        console.print(Text("$ sp404 demo", style="bold"))
        console.print(Text("\n".join(lines)))
        console.save_svg(str(PICTURES / "terminal.svg"), title="sp404 demo")


@contextlib.contextmanager
def _up(folder: str, environment: dict[str, str]) -> Iterator[None]:
    command = [*_SP404, "up", "--port", str(_PREFECT)]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            for address in (f"http://127.0.0.1:{_PAGE}/", f"http://127.0.0.1:{_PREFECT}/api/health"):
                _wait_for(address)
            time.sleep(15)  # the runner registers the deployments
            yield
        finally:
            process.send_signal(signal.SIGINT)


def _wait_for(address: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.3)
    raise TimeoutError(address)


def _make_kit() -> str:
    """Make a kit of all samples of the demo, at 92 BPM; return its id."""
    api = f"http://127.0.0.1:{_PAGE}/api/v1/sp404"
    kit = _send(f"{api}/kits", {"name": "Night Bus, late", "tempo": 92})
    fill = {"operations": [{"op": "fill", "bank": "A", "sample_ids": list(range(1, 23))}]}
    _send(f"{api}/kits/{kit['id']}/pads", fill, "PATCH", {"If-Match": kit["etag"]})
    return str(kit["id"])


def _export() -> str:
    (deployment,) = _ask("/deployments/filter", {"deployments": {"name": {"any_": ["manifest"]}}})
    run = _ask(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {}})
    for _ in range(200):
        (now,) = _ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        if now["state_type"] in ("COMPLETED", "FAILED", "CRASHED"):
            break
        time.sleep(0.5)
    return str(run["id"])


def _ask(path: str, body: dict[str, Any]) -> Any:
    for _ in range(20):
        with contextlib.suppress(urllib.error.HTTPError):
            return _send(f"http://127.0.0.1:{_PREFECT}/api{path}", body)
        time.sleep(1)  # the server is busy
    raise TimeoutError(path)


def _send(address: str, body: dict[str, Any], method: str = "POST", headers: dict[str, str] | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def _photograph(address: str, name: str, size: str, folder: str) -> None:
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={size}",
        "--virtual-time-budget=20000",
    ]
    command += [f"--user-data-dir={folder}/chromium", f"--screenshot={PICTURES / name}", address]
    subprocess.run(command, capture_output=True, check=True, timeout=120)


if __name__ == "__main__":
    make()
