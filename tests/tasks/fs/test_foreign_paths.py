"""Paths that another system wrote lead to the one file that fits, or say why there is none."""

import os
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from tasks.fs.foreign_paths import ForeignPathFinder, explain_absent_folder, explain_missing
from tasks.manifest.source_paths import resolve_sources
from tests.support.converting import within

NFC, NFD = "Caf\u00e9", "Cafe\u0301"


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def source_of(folder: Path, written: str) -> str:
    """The path that is read, below the manifest's folder where it is there."""
    (source,) = resolve_sources(pl.Series([written]), str(folder))
    return source.removeprefix(f"{folder}/")


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """A manifest's folder."""
    folder = tmp_path / "Music" / "lib"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "written",
    [
        "drums/Kick 1.wav",
        r"drums\Kick 1.wav",
        r".\drums\Kick 1.wav",
        r"..\lib\drums\Kick 1.wav",
        "DRUMS/kick 1.WAV",
        r"C:\Users\me\Music\lib\drums\Kick 1.wav",
        r"e:\lib\DRUMS\Kick 1.wav",
        "D:/drums/Kick 1.wav",
        r"\\nas\music\lib\drums\Kick 1.wav",
        r"\\?\C:\lib\drums\Kick 1.wav",
        "file:///C:/Music/lib/drums/Kick%201.wav",
        "file://localhost/C:/Music/lib/drums/Kick%201.wav",
        "file://nas/music/lib/drums/Kick%201.wav",
    ],
)
def test_one_file_is_found_by_many_spellings(lib: Path, written: str) -> None:
    made(lib, "drums/Kick 1.wav", "drums/Kick 2.wav", "loops/Loop.wav")
    found = source_of(lib, written)
    assert "\\" not in found
    assert os.path.realpath(lib / found) == f"{lib}/drums/Kick 1.wav"
    assert ".." in written or found == "drums/Kick 1.wav"


def test_a_url_of_this_system_is_its_path(lib: Path) -> None:
    made(lib, "50% & more #1/Kick.wav")
    url = f"file://{lib}/50%25%20%26%20more%20%231/Kick.wav"
    assert source_of(lib, url) == "50% & more #1/Kick.wav"


def test_the_home_folder_is_found(lib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(lib, "home/kick.wav")
    monkeypatch.setenv("HOME", str(lib / "home"))
    assert source_of(lib, "~/kick.wav") == "home/kick.wav"
    assert source_of(lib, "~\\Kick.wav") == "home/kick.wav"


@pytest.mark.parametrize(("on_disk", "written"), [(NFD, NFC), (NFC, NFD)])
def test_unicode_forms_are_one(lib: Path, on_disk: str, written: str) -> None:
    made(lib, f"{on_disk}/{on_disk} Loop.wav")
    found = source_of(lib, f"{written}/{written} Loop.wav")
    assert found == f"{on_disk}/{on_disk} Loop.wav"
    assert unicodedata.normalize("NFC", found) == f"{NFC}/{NFC} Loop.wav"


def test_what_exists_stays_as_it_is_written(lib: Path) -> None:
    made(lib, "Kick.wav", "KICK.WAV", r"a\b.wav", "a/b.wav", "C:/x.wav", f"{NFC}.wav", f"{NFD}.wav", "~/k.wav")
    for written in ("Kick.wav", "KICK.WAV", r"a\b.wav", "C:/x.wav", f"{NFC}.wav", f"{NFD}.wav", "~/k.wav"):
        assert source_of(lib, written) == written


@pytest.mark.parametrize(("encoding", "on_disk"), [("cp1252", NFC), ("latin1", NFD), ("mac_roman", NFC), ("mac_roman", NFD)])
def test_garbled_letters_are_named_and_not_taken(lib: Path, encoding: str, on_disk: str) -> None:
    made(lib, f"{NFC} in order/{on_disk} Loop.wav")
    written = f"{NFC} in order/{on_disk.encode().decode(encoding)} Loop.wav"
    assert source_of(lib, written) == written
    for why in (ForeignPathFinder(str(lib)).find(written).why_not, explain_missing(f"{lib}/{written}")):
        assert why.startswith(f"Its letters were garbled: it was {lib}/{NFC} in order/{on_disk} Loop.wav.")
    assert explain_missing(f"{lib}/{written}x") == ""


def test_the_form_goes_before_the_case(lib: Path) -> None:
    made(lib, f"{NFD}.wav", f"{NFD.upper()}.wav")
    assert source_of(lib, f"{NFC}.wav") == f"{NFD}.wav"


# ---- no file, or several ----


def test_of_two_files_none_is_taken(lib: Path) -> None:
    made(lib, "Kick.wav", "KICK.wav", "A/x.wav", "a/X.wav")
    assert source_of(lib, "kick.wav") == "kick.wav"
    why = explain_missing(f"{lib}/kick.wav")
    assert "Two files fit" in why
    assert "'KICK.wav' and 'Kick.wav'" in why
    assert "Two files fit" in explain_missing(f"{lib}/a/x.wav")


def test_two_names_of_one_file_are_one(lib: Path) -> None:
    made(lib, "Kick.wav")
    os.link(lib / "Kick.wav", lib / "KICK.wav")
    assert source_of(lib, "kick.wav") in ("Kick.wav", "KICK.wav")


@pytest.mark.parametrize(
    ("written", "word"),
    [
        (r"E:\Drums\kick.wav", "The drive E: is not here"),
        ("e:/Drums/kick.wav", "The drive E: is not here"),
        ("file:///E:/Drums/kick.wav", "The drive E: is not here"),
        (r"\\nas\music\Drums\kick.wav", r"The network share \\nas\music is not here"),
        (r"Drums\kick.wav", "Drums/kick.wav, it does not exist"),
        ("file:///nowhere/Drums%20X/kick.wav", "/nowhere/Drums X/kick.wav, it does not exist"),
        ("/Volumes/SSD/kick.wav", "'SSD' is not mounted"),
        ("/media/me/My Disk/kick.wav", "'My Disk' is not mounted"),
        ("~nobody-of-this-name/kick.wav", "no user 'nobody-of-this-name'"),
    ],
)
def test_the_reason_is_named(lib: Path, written: str, word: str) -> None:
    made(lib, "kick.wav", "loops/kick.wav")
    (source,) = resolve_sources(pl.Series([written]), str(lib))
    assert not os.path.exists(source)
    for why in (ForeignPathFinder(str(lib)).find(written).why_not, explain_missing(source)):
        assert word in why
        assert "\n" not in why


def test_a_file_of_the_same_name_is_not_enough(lib: Path) -> None:
    """A kick of another folder of that drive is another sound."""
    made(lib, "kick.wav")
    assert source_of(lib, r"E:\Other Pack\kick.wav") == r"E:\Other Pack\kick.wav"


def test_a_plain_path_of_a_missing_file_says_no_more(lib: Path) -> None:
    assert explain_missing(f"{lib}/kick.wav") == ""
    assert explain_missing("/nowhere/at/all.wav") == ""


def test_a_folder_that_cannot_be_read_is_left_alone(lib: Path) -> None:
    assert source_of(lib, "x" * 300) == "x" * 300
    assert source_of(lib, "nul\0.wav") == "nul\0.wav"


def test_names_that_are_not_utf_8_do_not_hurt(lib: Path) -> None:
    made(lib, "Kick.wav")
    (lib / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"")
    assert source_of(lib, "KICK.WAV") == "Kick.wav"


def test_nulls_stay(lib: Path) -> None:
    assert resolve_sources(pl.Series(["a.wav", None], dtype=pl.String), str(lib)).to_list() == [f"{lib}/a.wav", None]


def test_the_first_folder_that_is_missing_is_named(lib: Path) -> None:
    assert explain_absent_folder(f"{lib}/kick.wav") == ""
    assert f"The folder {lib}/gone is not there" in explain_absent_folder(f"{lib}/gone/deep/kick.wav")


@pytest.mark.parametrize("path", ["", "x.wav", "/", "//x.wav", "/x.wav"])
def test_a_path_without_a_folder_has_none_that_is_missing(path: str) -> None:
    assert within(10, lambda: explain_absent_folder(path)) == ""


def test_a_relative_path_ends_somewhere() -> None:
    assert "The folder nowhere is not there" in within(10, lambda: explain_absent_folder("nowhere/deep/x.wav"))
