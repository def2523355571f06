"""Which files a walk finds: every file below the folders is either found or skipped, once, for a reason."""

import os
import subprocess
from pathlib import Path

import pytest

from tasks.scan.walk import ScannedFile, SkippedPath, SkipReason, parent_names, walk
from tests.support.tools import not_root, open_folder


def walked(*roots: Path) -> tuple[list[str], dict[str, SkipReason]]:
    found, skipped = [], {}
    for one in walk([str(root) for root in roots]):
        if isinstance(one, ScannedFile):
            found.append(one.path)
        else:
            assert isinstance(one, SkippedPath)
            skipped[one.path] = one.why
    return found, skipped


def test_everything_is_found_or_skipped_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "pack", tmp_path / "elsewhere"
    names = {
        "kick.wav": None,
        "sub/snare.WAV": None,
        "no extension": None,
        "._kick.wav": SkipReason.SYSTEM_FILE,
        ".DS_Store": SkipReason.SYSTEM_FILE,
        "Thumbs.db": SkipReason.SYSTEM_FILE,
        ".sp404-1a-3.part": SkipReason.SYSTEM_FILE,
        "snare.wav.part": SkipReason.HALF_DOWNLOAD,
        ".hat.wav.icloud": SkipReason.NOT_DOWNLOADED,
        "empty.wav": SkipReason.EMPTY,
        "loop.rx2": SkipReason.REX,
        "ends in a space.wav ": SkipReason.UNSUITABLE_NAME,
        "two\nlines.wav": SkipReason.UNSUITABLE_NAME,
        "=1+1.wav": None,
        "\u591c.wav": None,
    }
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.wav" else b"x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX/kick.wav").write_bytes(b"x")
    outside.mkdir()
    (outside / "far.wav").write_bytes(b"x")
    (root / "in.wav").symlink_to(root / "kick.wav")
    (root / "out.wav").symlink_to(outside / "far.wav")
    (root / "out").symlink_to(outside)
    (root / "round").symlink_to(root)
    (root / "dead").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe.wav")
    latin = os.fsencode(root) + b"/caf\xe9.wav"
    os.close(os.open(latin, os.O_CREAT | os.O_WRONLY))
    with open(latin, "wb") as file:
        file.write(b"x")
    found, skipped = walked(root)
    expected = {str(root / name): why for name, why in names.items() if why}
    expected |= {
        str(root / "__MACOSX"): SkipReason.SYSTEM_FILE,
        str(root / "in.wav"): SkipReason.LINK,
        str(root / "out.wav"): SkipReason.OUTWARD_LINK,
    }
    expected |= {
        str(root / "out"): SkipReason.OUTWARD_LINK,
        str(root / "round"): SkipReason.LINK,
        str(root / "dead"): SkipReason.LINK,
    }
    expected |= {str(root / "pipe.wav"): SkipReason.NOT_REGULAR, os.fsdecode(latin): SkipReason.NOT_UTF8}
    assert skipped == expected
    assert sorted(found) == sorted(str(root / name) for name, why in names.items() if not why)
    everything = {os.path.join(folder, name) for folder, folders, files in os.walk(root) for name in [*folders, *files]}
    accounted = {*found, *skipped}
    assert everything - {str(root / "__MACOSX/kick.wav"), str(root / "sub")} == accounted


def test_a_folder_that_cannot_be_read_is_said() -> None:
    with open_folder() as folder:
        (folder / "closed").mkdir(mode=0)
        with not_root():
            skipped = walked(folder)[1]
        assert skipped == {str(folder / "closed"): SkipReason.UNREADABLE}


def test_folders_from_the_nearest_to_the_scanned_one() -> None:
    assert parent_names("/a/House Pack/Drums/Kicks/x.wav", "/a/House Pack") == ["Kicks", "Drums", "House Pack"]
    assert parent_names("/a/House Pack/x.wav", "/a/House Pack") == ["House Pack"]


@pytest.mark.slow
def test_folders_in_folders_without_end(tmp_path: Path) -> None:
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("deep.wav").write_bytes(b"x")
    finally:
        os.chdir(before)
    found, skipped = walked(tmp_path)
    subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # for pytest it is too deep
    assert (len(found), set(skipped.values()) - {SkipReason.UNREADABLE}) == (1, set())
