"""Cards as people have them: real FAT32 and exFAT, full, pulled, taken to another computer."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import soundfile

from tasks.bundle.plugged_cards import find_plugged
from tests.support import means
from tests.support.faults import Card, Export, Library, Said, make_library, tree, watched

pytestmark = pytest.mark.slow

KINDS: dict[str, Callable[[Path, Path], AbstractContextManager[Path]]] = {"fat": means.fat, "exfat": means.exfat}
BOTH = [pytest.param(kind, marks=pytest.mark.faults(kind)) for kind in KINDS]
DOTTED = (".sp404-export",)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """FAT by FUSE takes half a second a file."""
    return make_library(tmp_path_factory.mktemp("few") / "library", 12)


@pytest.fixture
def there(export: Export, few: Library, ground: Path) -> Export:
    library = few.copy(ground / "library")
    return replace(export, manifest=library.manifest, options=("--organize-by", "genre", "--no-metadata"))


def said(there: Export, card: Path, *more: object) -> Said:
    return there.run("--card", card, *more)


def report(there: Export, card: Path) -> dict[str, Any]:
    return there.sp404("card", card, "--json", "--db", there.db).result


@pytest.mark.parametrize("kind", BOTH)
def test_an_export_lands_on_a_real_card_and_is_listed_back(there: Export, ground: Path, kind: str) -> None:
    """Unmounted and mounted elsewhere in between, as on another computer; the file system's own checker has no complaint."""
    image = ground / "card.img"
    with KINDS[kind](ground / "card", image) as card:
        said(there, card).one_clear_error(2, "is empty", "--init-card")
        assert said(there, card, "--init-card").ended(0).result["failed"] == 0
        sounds = tree(there.out)
        assert tree(card / "IMPORT") == sounds
        assert [path.name for path in card.rglob(".*")] == list(DOTTED)
    _check_file_system(kind, image)
    # The very same card, mounted elsewhere.
    with KINDS[kind](ground / "elsewhere", image) as card:
        told = report(there, card)
        assert told["counts"] == {"there": len(sounds), "missing": 0, "changed": 0, "stale": 0}
        assert {file["path"] for file in told["files"]} == set(sounds)
        assert all(file["manifest_path"] == str(there.manifest) for file in told["files"])
        before = {path: path.stat().st_mtime_ns for path in card.rglob("*.wav")}
        said(there, card).ended(0)
        assert {path: path.stat().st_mtime_ns for path in card.rglob("*.wav")} == before
        _entries_are_in_order(card)


@pytest.mark.parametrize("kind", BOTH)
def test_a_clone_gets_the_new_take_and_a_renamed_folder_is_renamed_there(there: Export, ground: Path, kind: str) -> None:
    """The original first, then its clone, which the records do not describe."""
    image, clone = ground / "card.img", ground / "clone.img"
    with KINDS[kind](ground / "card", image) as card:
        said(there, card, "--init-card").ended(0)
    shutil.copyfile(image, clone)
    text = there.manifest.read_text()
    there.manifest.write_text(text.replace(",house", ",deep house"))
    take = there.manifest.parent / "001.flac"
    frames, rate = soundfile.read(take)
    soundfile.write(take, -frames, rate)
    for number, copy in enumerate((image, clone)):
        with KINDS[kind](ground / f"card{number}", copy) as card:
            done = said(there, card).ended(0).result["card"]
            assert (done["renamed"], done["written"], done["unchanged"], done["in_the_way"]) == (3, 1, 8, [])
            assert tree(card / "IMPORT") == tree(there.out)
        with KINDS[kind](ground / f"again{number}", copy) as card:
            _entries_are_in_order(card)
            done = said(there, card).ended(0).result["card"]
            assert (done["renamed"], done["written"], done["unchanged"]) == (0, 0, 12)
        _check_file_system(kind, copy)


# fusefat sometimes leaves the number of free clusters as it was: a hint for programs, from which nothing is read.
_WRONG_HINT = re.compile(
    r"fsck\.fat [^\n]*\nFree cluster summary wrong [^\n]*\n\s*Auto-correcting\.\s*\n"
    r"Leaving filesystem unchanged\.\n[^\n]*clusters\n"
)


def _check_file_system(kind: str, image: Path) -> None:
    checker = {"fat": ["fsck.fat", "-n"], "exfat": ["fsck.exfat", "-n"]}[kind]
    done = subprocess.run([means.program(checker[0]), *checker[1:], image], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or _WRONG_HINT.fullmatch(done.stdout), done.stdout


def _entries_are_in_order(card: Path) -> None:
    for folder in [path for path in (card / "IMPORT").iterdir() if path.is_dir()]:
        names = [entry.name for entry in os.scandir(folder)]
        assert names == sorted(names), "the device lists files as their entries stand"


@pytest.mark.faults("exfat")
def test_a_full_card_is_found_before_anything_is_written(there: Export, ground: Path) -> None:
    with means.exfat(ground / "card", ground / "card.img", 16) as card:
        (card / "IMPORT").mkdir()
        filler = Card(card).fill(leave_bytes=64 << 10)
        answer = said(there, card)
        assert answer.status == 3, answer
        assert "Not enough disk space" in answer.err
        assert list((card / "IMPORT").rglob("*")) == []
        filler.unlink()
        said(there, card).ended(0)
        assert tree(card / "IMPORT") == tree(there.out)


@pytest.mark.faults("exfat")
def test_a_card_that_is_pulled_while_it_is_written(export: Export, ground: Path) -> None:
    """Nothing lands below the mount point, no half file has a name, and the same command finishes it."""
    mount_point = ground / "card"
    with means.exfat(mount_point, ground / "card.img") as card:
        (card / "IMPORT").mkdir()
        there = Card(mount_point)
        kept = there.keep(ground / "kept")
        try:
            with watched(mount_point / "IMPORT"), export.start("--card", mount_point) as running:
                running.until_files(mount_point / "IMPORT", 1)
                there.pull()
                answer = running.wait()
            assert not list(mount_point.rglob("*")), "files landed below the mount point"
            assert answer.status in (0, 3), answer
            there.put_back(kept)
        finally:
            means.unmount(kept)
        export.run("--card", mount_point).ended(0)
        assert tree(mount_point / "IMPORT").keys() == {path for path in tree(export.out) if path.endswith(".wav")}


@pytest.mark.faults("exfat")
def test_a_persons_file_of_the_same_name_in_another_case_stays(there: Export, ground: Path) -> None:
    with means.exfat(ground / "card", ground / "card.img") as card:
        said(there, card, "--init-card").ended(0)
        path = next(path for path in card.rglob("*.wav"))
        upper = path.with_name(path.name.upper())
        path.unlink()
        upper.write_bytes(b"a person's own")
        answer = said(there, card)
        assert answer.status == 1, answer
        assert upper.read_bytes() == b"a person's own"
        told = report(there, card)
        assert told["counts"]["changed"] == 1


@pytest.mark.faults("exfat")
def test_what_is_stale_missing_or_unknown_is_told(there: Export, ground: Path) -> None:
    with means.exfat(ground / "card", ground / "card.img") as card:
        said(there, card, "--init-card").ended(0)
        sounds = sorted((card / "IMPORT").rglob("*.wav"))
        sounds[0].unlink()
        (card / "IMPORT/own.wav").write_bytes(b"a person's own")
        there.run("--full", "--format", "wav", "--sound", "fade_out_ms=10").ended(0)
        told = report(there, card)
        assert told["counts"] == {"there": len(sounds) - 1, "missing": 1, "changed": 0, "stale": len(sounds)}
        assert told["unknown"] == ["own.wav"]
        lines = there.manifest.read_text().splitlines()
        there.manifest.write_text("\n".join(lines[:-3]) + "\n")
        said(there, card, "--prune", "--sound", "fade_out_ms=10").ended(0)
        told = report(there, card)
        assert told["counts"] == {"there": len(sounds) - 3, "missing": 0, "changed": 0, "stale": 0}
        assert (card / "IMPORT/own.wav").read_bytes() == b"a person's own"


def test_the_records_hold_source_and_settings_of_what_is_on_a_card(there: Export, ground: Path) -> None:
    (ground / "card/IMPORT").mkdir(parents=True)
    said(there, ground / "card").ended(0)
    with duckdb.connect(str(there.db)) as connection:
        rows = connection.execute(
            "SELECT c.source_path, o.source_path, c.settings_hash, o.settings_hash"
            " FROM card_files AS c JOIN outputs AS o USING (path)"
        ).fetchall()
    assert rows
    assert all(source == same and recipe == likewise and recipe for source, same, recipe, likewise in rows)


@pytest.mark.faults("mount", "fat")
def test_a_card_is_found_where_it_is_plugged_in(ground: Path) -> None:
    place = Path("/mnt/sp404 test card")
    with means.fat(place, ground / "card.img"):
        (place / "IMPORT").mkdir()
        assert [found.name for found in find_plugged() if found.root == str(place)] == [place.name]
    assert not [found for found in find_plugged() if found.root == str(place)]
    with means.mounted(place):  # of memory
        (place / "IMPORT").mkdir()
        assert not [found for found in find_plugged() if found.root == str(place)]
    place.rmdir()
