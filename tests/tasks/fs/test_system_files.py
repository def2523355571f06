"""Names that operating systems and sync programs put on disks, and those that only look like them."""

from pathlib import Path

import pytest

from tasks.fs import system_files

# The case of each is what the program writes.
OF_SYSTEMS = """
.DS_Store .Trashes .Trash .fseventsd .Spotlight-V100 .TemporaryItems .DocumentRevisions-V100 .AppleDouble __MACOSX
._kick.wav Thumbs.db ehthumbs.db desktop.ini $RECYCLE.BIN RECYCLER FOUND.000
lost+found .Trash-1000 .snapshots .nfs000000000012345600000001
#recycle @Recycle @eaDir #snapshot .@__thumb
.stversions .stfolder .dropbox.cache .dropbox .git .svn .sync
.syncthing.hat.wav.tmp ~syncthing~hat.wav.tmp ~$library.xlsx .~lock.library.csv#
"""
OF_PERSONS = """
Recycler Recycled Trash Trashes git sync snapshots Icon Icon.wav tmp .hidden.wav thumbs.wav desktop DS_Store found lost
~kick.wav $nare.wav #1.wav @home .Trash-mine kick.sync-conflict-20240501-120000-ABCDEFG.wav
"""


@pytest.mark.parametrize("name", [*OF_SYSTEMS.split(), "System Volume Information", "Icon\r"])
def test_names_of_systems(name: str) -> None:
    assert system_files.is_system_name(name)


@pytest.mark.parametrize("name", OF_PERSONS.split())
def test_names_of_persons(name: str) -> None:
    assert not system_files.is_system_name(name)


def test_half_downloads_placeholders_and_conflict_copies() -> None:
    assert all(map(system_files.is_half_download, ["kick.wav.part", "a.wav.crdownload", "b.wav.download", "c.wav.PARTIAL"]))
    assert not any(map(system_files.is_half_download, ["part.wav", "kick part", "apart"]))
    assert [system_files.icloud_name(name) for name in (".kick.wav.icloud", "kick.icloud", ".icloud")] == [
        "kick.wav",
        None,
        None,
    ]
    copies = [
        "kick.sync-conflict-20240501-120000-ABCDEFG.wav",
        "kick (Anna's conflicted copy 2024-05-01).wav",
        "kick (conflicted copy 2024-05-01 120000).wav",
        "kick (Case Conflict).wav",
    ]
    assert all(map(system_files.is_conflict_copy, copies))
    assert not any(
        map(system_files.is_conflict_copy, ["conflict.wav", "kick (copy).wav", "kick (1).wav", "conflicted copy.wav"])
    )


def test_junk_is_what_nobody_misses(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._kick.wav", "kick.wav", ".hidden", "Icon\r"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "._mine.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    (tmp_path / "._folder").mkdir()
    (tmp_path / "._link").symlink_to(tmp_path / "kick.wav")
    junk = sorted(path.name for path in tmp_path.iterdir() if system_files.is_junk(str(path)))
    assert junk == [".DS_Store", "._kick.wav", "Thumbs.db", "desktop.ini"]
