"""What is said of the REST API, tried: the examples for curl, its description by a tool that believes every word."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.api_library import recorded_library
from tests.support.serve import API, process
from tests.support.tools import tool


@pytest.mark.slow
def test_the_examples_for_curl(tmp_path: Path) -> None:
    """Each answers as it should, one after the other, in a shell."""
    tool("curl")
    page = (ROOT / "docs/usage/rest-api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(API=.*?)```", page, re.DOTALL)
    lines = [line for line in block.splitlines() if line]
    assert len(lines) > 10
    db = recorded_library(tmp_path)
    with process(tmp_path, db=db, output_base_path=tmp_path / "out") as (api, _):
        script = block.replace("http://127.0.0.1:4404", str(api.base_url).rstrip("/")).replace(
            "curl -s", "curl -s --fail-with-body"
        )
        said = subprocess.run(["bash", "-exc", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-2000:]
    assert "HTTP/1.1 202 Accepted" in said.stdout
    assert (tmp_path / "sp404-export-2.zip").stat().st_size > 1000
    assert (tmp_path / "head.wav").read_bytes() == (tmp_path / "lib/kick.wav").read_bytes()[:1024]


@pytest.mark.slow
def test_every_operation_is_described_with_examples_and_problems(tmp_path: Path) -> None:
    with process(tmp_path, db=tmp_path / "r.duckdb", output_base_path=tmp_path / "out") as (api, _):
        told = api.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(told)
    for path, methods in told["paths"].items():
        assert path.startswith(API)
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert {"422", "500", "503"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                kinds = answer.get("content", {}).keys()
                assert kinds == {"application/problem+json"} if status >= "400" else kinds or status in ("204", "304"), path
    examples = [name for name, schema in told["components"]["schemas"].items() if "example" in schema or "examples" in schema]
    assert {"BatchRequest", "SingleExport", "Problem", "Preferences", "Peaks", "ExportConfig"} <= set(examples)


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """All its checks, in all its phases; each value of a field of a body once."""
    # That a kit was changed meanwhile is no fault of a request, as little as that a name is taken (409).
    accepted = ["2xx", "3xx", "401", "403", "404", "409", "412", "428", "429", "5xx"]
    text = f'hooks = "tests.support.rest_cases"\n[checks.positive_data_acceptance]\nexpected-statuses = {accepted}\n'
    (tmp_path / "schemathesis.toml").write_text(text, encoding="utf-8")
    settings = {"db": recorded_library(tmp_path, only_good=True), "output_base_path": tmp_path / "out"}
    # It counts a 503 as a fault, and fills the queue itself.
    with process(tmp_path, api_wait_seconds=300, api_max_queued=10_000, **settings) as (api, _):
        command = [str(Path(sys.executable).with_name("st")), "run", f"{api.base_url}/openapi.json", "--checks", "all"]
        options = ["--max-examples", "10", "--seed", "404", "--request-timeout", "300", "--max-response-time", "300"]
        said = subprocess.run(
            [*command, *options],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert said.returncode == 0, said.stdout[-6000:]
    assert " Stateful" in said.stdout
    log = (tmp_path / "api.log").read_text(encoding="utf-8")
    assert "Traceback" not in log, log[-3000:]
