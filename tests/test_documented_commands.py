"""What README and the documents tell people to type is typed, and prints what they say."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, audio
from tests.support.command_line import Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with samples and a card, in which the commands of README run."""
    (tmp_path / "Samples/loops").mkdir(parents=True)
    for number in range(4):
        audio.write(
            tmp_path / f"Samples/loops/boom_bap_{90 + number}.wav", audio.tone(0.3, 8_000, hz=200 + number), 8_000, "WAV"
        )
    audio.write(tmp_path / "Samples/garage snare.wav", audio.tone(0.05, 8_000), 8_000, "WAV")
    (tmp_path / "card/IMPORT").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_readme_from_the_samples_to_the_card(sp404: Run, home: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    sp404 (?!up)(.*)$", readme, re.MULTILINE)
    assert len(lines) >= 8
    printed = {}
    for line in lines:
        words = [word.replace("~", str(home)).replace("/media", str(home)) for word in shlex.split(line.partition("  #")[0])]
        words += ["--direct"] if words[0] == "export" else []
        said = sp404(*words)
        assert said.status in (0, 1), said
        printed[words[0]] = said.out + said.err
    assert "1 x" not in printed["scan"]
    assert "5 rows, 5 of them new" in printed["scan"]
    assert "Duration too short: 50ms" in printed["check"]
    assert "sp404 export library.csv --sound pad_to_ms=100" in printed["check"]
    assert "5 rows: 4 files to write, 0 unchanged, 0 rejected, 1 would fail" in printed["plan"]
    assert "4 exported, 1 failed of 5" in printed["export"]
    assert "4 files written and read back" in printed["export"]
    assert "too short" in printed["history"]
    assert "as they were written" in printed["verify"]
    assert len(list((home / "card/IMPORT").rglob("*.wav"))) == 4


@pytest.mark.slow
def test_the_keys_of_json_are_those_of_the_page(sp404: Run, home: Path) -> None:
    page = (ROOT / "docs/usage/json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \| (.*) \|$", page, re.MULTILINE)
    listed = {name.split("`")[1]: set(re.findall(r"`(\w+)`", keys.partition(";")[0])) for name, keys in rows}
    sp404("scan", "Samples", "-o", "library.csv")
    calls = {
        "export": ["library.csv", "--direct", "--card", home / "card"], "card": [home / "card"],
        "check": ["library.csv"], "plan": ["library.csv"], "history": [],
        "history --failed": [], "history --trend": [], "scan": ["Samples", "-o", "library.csv"], "verify": [], "status": [],
        "zip": ["1"], "explain": ["too_short"], "demo": ["--direct"],
    }  # fmt: skip
    for name, arguments in calls.items():
        document: Any = json.loads(sp404(*name.split(), *arguments, "--json").out)
        (first,) = document[:1] if isinstance(document, list) else [document]
        assert listed[name] <= set(first), name
    assert set(listed) - set(calls) == {"config", "sql"}
