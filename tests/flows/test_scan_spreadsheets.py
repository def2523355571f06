"""Tables that go through a spreadsheet between scans: their bytes stay as that program writes them, and its damage is named."""

import codecs
import json
from pathlib import Path

import polars as pl
import pytest

from tests.support.command_line import Run, one_clear_error
from tests.support.scanning import World, snapshot, sound
from tests.support.workbooks import write_workbook


@pytest.fixture
def world(tmp_path: Path, sp404: Run) -> World:
    made = World(tmp_path / "w", sp404)
    sound(made.folder / "lib/Caf\xe9/Gr\xf6\xdfe 01.wav", 1)
    sound(made.folder / "lib/kick.wav", 2)
    return made


def test_a_new_csv_is_marked_as_utf8_and_a_tsv_is_not(world: World) -> None:
    world.scan(world.folder / "lib")
    assert world.table.read_bytes().startswith(codecs.BOM_UTF8 + b"file_path,")
    assert sorted(world.paths()) == ["lib/Caf\xe9/Gr\xf6\xdfe 01.wav", "lib/kick.wav"]
    world.run("scan", world.folder / "lib", "-o", world.folder / "m.tsv")
    assert (world.folder / "m.tsv").read_bytes().startswith(b"file_path\t")


@pytest.mark.slow
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["no mark", "mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("separator", [b",", b";"])
def test_mark_line_ends_and_separator_stay(world: World, mark: bytes, end: bytes, separator: bytes) -> None:
    world.scan(world.folder / "lib")
    data = world.table.read_bytes().removeprefix(codecs.BOM_UTF8)
    world.table.write_bytes(mark + data.replace(b"\n", end).replace(b",", separator))
    sound(world.folder / "lib/hat.wav", 3)
    assert world.scan(world.folder / "lib")["added"] == ["lib/hat.wav"]
    after = world.table.read_bytes()
    assert after.startswith(mark + b"file_path" + separator)
    assert (after.count(b"\r\n"), after.count(b"\n")) == (4 if end == b"\r\n" else 0, 4)
    again = snapshot(world.folder / "library.csv")
    assert world.scan(world.folder / "lib")["written"] is False
    assert snapshot(world.folder / "library.csv") == again


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["\xef\xbb\xbf", "\ufeff\xef\xbb\xbf", "\ufeff\ufeff"], ids=ascii)
def test_a_garbled_byte_order_mark_is_made_whole(world: World, mark: str) -> None:
    """As UTF-8 that a program took for Latin-1 begins, with a mark of its own or not."""
    world.scan(world.folder / "lib")
    text = world.table.read_text(encoding="utf-8-sig")
    world.table.write_bytes(f"{mark}{text}".encode())
    assert world.run("check", world.table).status == 0
    assert world.scan(world.folder / "lib")["written"] is False
    sound(world.folder / "lib/hat.wav", 3)
    assert world.scan(world.folder / "lib")["added"] == ["lib/hat.wav"]
    after = world.table.read_bytes()
    assert after.startswith(codecs.BOM_UTF8 + b"file_path,")
    assert after.count(b"\n") == 4


REFUSED = {
    "title.csv": ("My drums\n{}", "has 1 line above its header, which would be lost", "Remove what is above"),
    "sep.csv": ("sep=,\n\n{}", "has 2 lines above its header, which would be lost", "-o"),
    "old.csv": ("{}lib/S\xfc\xdf caf\xe9.wav,,\n", "is Windows-1252 text", "Save it as UTF-8 first."),
    "alias.csv": ("{}", "has its paths in the column 'Location'", "Rename the column to 'file_path'"),
    "alias.ndjson": (
        '{{"Location": "lib/kick.wav"}}\n',
        "has its paths in the column 'Location'",
        "Rename the column to 'file_path'",
    ),
    "alias.parquet": ("", "has its paths in the column 'Location'", "Rename the column to 'file_path'"),
    "utf-16.ndjson": ('{{"file_path": "lib/kick.wav"}}\n', "is UTF-16 text", "Save it as UTF-8 first."),
    "book.xlsx": ("", "is not a table that a scan writes", "/book.csv. It can end in .csv, .tsv"),
    "list.m3u8": ("#EXTM3U\nlib/kick.wav\n", "is not a table that a scan writes", "/list.csv. It can end in .csv, .tsv"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_a_scan_would_harm_is_refused_and_stays(world: World, name: str) -> None:
    form, what, fix = REFUSED[name]
    table = world.folder / name
    column = "Location" if name.startswith("alias") else "file_path"
    text = form.format(f"{column},title,mine\nlib/kick.wav,Kick,yes\n")
    if name.endswith(".parquet"):
        pl.DataFrame({"Location": ["lib/kick.wav"]}).write_parquet(table)
    elif name.endswith(".xlsx"):
        write_workbook(table, {"S": [["file_path"], ["lib/kick.wav"]]})
    else:
        encoding = {"old": "cp1252", "utf-16": "utf-16"}.get(table.stem, "utf-8")
        table.write_bytes(text.encode(encoding))
    before = table.read_bytes()
    said = world.run("scan", world.folder / "lib", "-o", table)
    one_clear_error(said, 2, what, fix)
    assert table.read_bytes() == before
    plan = world.run("plan", table, "--out", world.out, "--json")  # to read it is another matter
    assert plan.status in (0, 1)
    assert json.loads(plan.out)["total_requested"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_garbled_letters_of_a_path_are_recognized(world: World, encoding: str) -> None:
    world.scan(world.folder / "lib")
    text = world.table.read_bytes().removeprefix(codecs.BOM_UTF8).decode(encoding)
    world.table.write_bytes(text.encode("utf-8-sig"))
    garbled = "lib/Caf\xe9/Gr\xf6\xdfe 01.wav".encode().decode(encoding)
    before = world.table.read_bytes()
    said = world.run("scan", world.folder / "lib", "-o", world.table)
    assert f"Garbled letters in 1 path: {garbled} was lib/Caf\xe9/Gr\xf6\xdfe 01.wav" in said.err
    assert "UTF-8" in said.err
    assert garbled in world.paths()
    assert before.count(b"\n") == world.table.read_bytes().count(b"\n")
    said = world.run("check", world.table)
    assert said.status == 1
    assert "Its letters were garbled" in said.out
    for options in (["plan"], ["export", "--direct"]):
        said = world.run(options[0], world.table, "--out", world.out, *options[1:])
        assert f"{garbled} was {world.folder}/lib/Caf\xe9/Gr\xf6\xdfe 01.wav" in said.err
    assert "Its letters were garbled" in world.run("history", "--failed").out
    # A row that merely names no file is not called garbled.
    world.save([{"file_path": "lib/caf\xe9.wav"}])
    assert "arbled" not in world.run("scan", world.folder / "lib", "-o", world.table).err


@pytest.mark.slow
@pytest.mark.parametrize("lock", [".~lock.library.csv#", "~$library.csv"])
def test_a_table_that_is_open_in_a_spreadsheet_is_not_written(world: World, lock: str) -> None:
    world.scan(world.folder / "lib")
    (world.folder / lock).write_bytes(b",anna,studio,27.11.2026 08:00,file:///home/anna;")
    # Nothing to change: nothing to complain of.
    assert world.scan(world.folder / "lib")["written"] is False
    sound(world.folder / "lib/hat.wav", 3)
    before = world.table.read_bytes()
    said = world.run("scan", world.folder / "lib", "-o", world.table)
    one_clear_error(said, 2, f"{world.table} is open in a spreadsheet", "Save and close it", lock)
    assert world.table.read_bytes() == before
    assert not list(world.folder.glob(".sp404-*"))
    (world.folder / lock).unlink()
    assert len(world.scan(world.folder / "lib")["added"]) == 1
