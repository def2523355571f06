"""``sp404 config``: each setting with its value and where it came from."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Run


def test_config_says_where_each_value_came_from(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP404_WORKERS", "3")
    Path("config").mkdir()
    Path("config/studio.toml").write_text('[sp404]\nformat = "aiff"\n')
    said = json.loads(sp404("config", "--json").out)
    assert said["workers"] == {"value": 3, "from": "environment"}
    assert said["format"] == {"value": "aiff", "from": "config/studio.toml"}
    assert said["organize_by"] == {"value": "flat", "from": "built-in"}
    assert "config/studio.toml" in sp404("config").out
