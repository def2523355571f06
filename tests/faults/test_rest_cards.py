"""Cards by REST as people have them: real FAT32 and exFAT, where systems mount cards."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.bundle import plugged_cards
from tests.support import means
from tests.support.api_cards import cards, contents, files, plan_of, prune, put
from tests.support.api_library import recorded_library, serve_library
from tests.support.serve import API

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mount point; what else is plugged into this machine is not seen."""
    folder = Path("/mnt", f"sp404 {tmp_path.name}")
    mounts = plugged_cards.list_mounts
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [root for root in mounts() if root == str(folder)])
    yield folder
    means.unmount(folder)
    folder.rmdir()


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.faults(kind)) for kind in ("fat", "exfat")])
def test_a_card_is_looked_at_cleaned_flushed_and_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Path, kind: str
) -> None:
    """After the flush the bytes are in the image, as another computer that mounts a copy of it sees them."""
    recorded_library(tmp_path, only_good=True)
    image, name = tmp_path / "card.img", place.name
    with serve_library(monkeypatch, tmp_path) as api:
        with getattr(means, kind)(place, image) as card:
            assert contents(api, name)["card"]["has_import"] is False
            assert put(api, name, 1, initialize=True)["result"]["written"] == 3
            (card / "IMPORT/bass_two.wav").unlink()
            (card / "IMPORT/._kick_one.wav").write_bytes(b"\0\5\26\7")
            seen = contents(api, name, compare="bytes")
            assert seen["counts"] == {"there": 2, "missing": 1, "changed": 0, "stale": 0}
            assert seen["junk"]["paths"] == ["IMPORT/._kick_one.wav"]
            free = os.statvfs(card)
            assert seen["card"]["free_bytes"] == free.f_bavail * free.f_frsize
            mine = os.urandom(1 << 20)
            assert prune(api, name, "junk", plan_of(api, name, "junk")["plan"])["result"]["removed"] == 1
            (card / "IMPORT/mine.wav").write_bytes(mine)
            path = f"{API}/cards/{cards(api)[name]['id']}"
            assert api.post(f"{path}/flush").raise_for_status().json()["safe_to_remove"] is True
            shutil.copyfile(image, tmp_path / "pulled.img")
        assert cards(api) == {}
        assert api.get(path).status_code == 404
    with getattr(means, kind)(place, tmp_path / "pulled.img") as card:
        first = {path.name: path.read_bytes() for path in (tmp_path / "first").glob("*.wav")}
        del first["bass_two.wav"]
        assert files(card) == first | {"mine.wav": mine}
