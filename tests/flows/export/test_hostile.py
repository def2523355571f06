"""A hostile manifest, or a hostile output folder: nothing is written, removed or renamed but what an export may write."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from schemas.enums import OrganizeBy
from schemas.errors import DatabaseError
from schemas.report import BatchExportResult
from tasks.fs import hashing
from tasks.fs.place_mark import MARK_FILE
from tests.support import nightly
from tests.support.nightly import Nightly, Spy, Tree, sounds, statuses, tree

pytestmark = pytest.mark.slow

NASTY = (
    "../../outside/evil",
    "..",
    ".",
    "../" * 30 + "tmp/evil",
    "/etc/evil",
    "{outside}/evil",
    "{outside}/victim.wav",
    "{library}/a",
    "a/../../../outside/evil",
    "..\\..\\outside\\evil",
    "C:\\Windows\\evil",
    "\\\\server\\share",
    "nul\0byte",
    "~/evil",
    "~root",
    "$HOME/evil",
    "${HOME}",
    "%HOME%",
    "`touch evil`; rm -rf *",
    "$(touch evil)",
    "x" * 5_000,
    "é" * 3_000,
    "../" * 2_000,
    "\u2024\u2024\u2215outside",  # one dot leader, division slash
    "\uff0e\uff0e\uff0foutside",  # full width
    "..\u200b/..",
    "\u202egnp.exe",
    "CON",
    "com1.wav",
    "lpt9 .txt",
    "aux",
    "-rf",
    ".hidden",
    "trailing. . ",
    "new\nline\rhere",
    "tab\there",
    "a:stream",
    "?*|<>\"'",
    "\x1b[31mred",
    ".sp404-0a1b2c3d-1.part",
    "a_metadata",
    "records.duckdb",
    "\U0001f525",
    "\ud7ff\ue000",
    " ",
)
TEXTS = ("title", "genre", "kit", "musical_key", "tags")


@pytest.fixture
def outside(night: Nightly) -> Path:
    """A folder beside the output folder, with something in it that must stay as it is."""
    folder = night.folder / "outside"
    folder.mkdir()
    (folder / "victim.wav").write_bytes(b"somebody's only copy")
    (folder / "victim_metadata.txt").write_bytes(b"somebody's notes")
    return folder


def around(night: Nightly) -> Tree:
    """Everything in the test's own folder but for what an export may write; and what is in the working folder and at home."""
    own = f"{night.folder.name}/"
    mine = ("out/", "records.duckdb", "lib/m.")
    return {path: content for path, content in tree(night.folder.parent).items() if not path.removeprefix(own).startswith(mine)}


def assert_inside(out: Path) -> None:
    """Plain files and folders alone, with names that a card can hold."""
    for path in out.rglob("*"):
        if path == out / MARK_FILE:
            continue
        assert not path.is_symlink()
        assert path.is_file() or path.is_dir()
        name = path.name
        assert len(name.encode()) <= 100, name
        assert not set(name) & set('\0/\\:*?"<>|\n\r\t\x1b'), name
        assert not name.startswith((".", "-", "~")) or name.startswith("~"), name
        assert not name.endswith((".", " ")), name
        assert name.split(".")[0].strip().lower() not in {"con", "aux", "nul", "prn", "com1", "lpt9"}, name


@pytest.mark.parametrize("sanitize", [True, False])
@pytest.mark.parametrize("layout", list(OrganizeBy))
def test_traversal_in_every_text_column(night: Nightly, outside: Path, layout: OrganizeBy, sanitize: bool) -> None:
    night.checked = True
    for name in "ab":
        night.sound(f"{name}.wav", 300)
    manifest = night.lib / "m.ndjson"
    rows: list[dict[str, Any]] = []
    for number, value in enumerate(NASTY):
        text = value.format(outside=outside, library=night.lib) if value.startswith("{") else value
        cells = dict.fromkeys(TEXTS, text) | {"bank": "ABCDEFGHIJ"[number // 16], "pad": number % 16 + 1}
        rows.append({"sample_id": number + 1, "file_path": "ab"[number % 2] + ".wav"} | cells)
    manifest.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    before = around(night)
    how = {"manifest": manifest, "organize_by": layout, "sanitize_filenames": sanitize}
    batch = night.export(**how)
    assert around(night) == before
    assert batch.failed == 0, batch.errors
    assert batch.successful + batch.rejected == len(rows)
    assert batch.successful > len(rows) - 12, batch.errors
    assert_inside(night.out)
    for result in batch.results:
        if result.success:
            path = str(result.output_path)
            assert os.path.realpath(path) == path
            assert path.startswith(f"{night.out}/")
    for text in night.out.rglob("*_metadata.txt"):
        content = text.read_text(encoding="utf-8")
        assert [line.partition(":")[0] for line in content.splitlines()][-2:] == ["Sample id", "Export id"]
        assert content.isprintable() or {c for c in content if not c.isprintable()} == {"\n"}
    assert set(statuses(night.export(**how))) <= {"unchanged", "rejected"}
    assert around(night) == before


# ---- links in the output folder ----


def links(night: Nightly, outside: Path) -> dict[str, tuple[Path, str]]:
    return {
        "a file": (night.out / "house/a.wav", str(outside / "victim.wav")),
        "its text": (night.out / "house/a_metadata.txt", str(outside / "victim_metadata.txt")),
        "nowhere": (night.out / "house/a.wav", str(outside / "new.wav")),
        "a text to nowhere": (night.out / "house/a_metadata.txt", str(outside / "new.txt")),
        "itself": (night.out / "house/a.wav", "a.wav"),
        "its source": (night.out / "house/a.wav", str(night.lib / "a.wav")),
        "a folder": (night.out / "house", str(outside)),
        "a folder that is not there": (night.out / "house", str(outside / "none")),
        "a folder of its own": (night.out / "house", "house"),
        "the library": (night.out / "house", str(night.lib)),
        "the output folder": (night.out / "house", "."),
        "root": (night.out / "house", "/"),
    }


LINKS = ("a file", "its text", "nowhere", "a text to nowhere", "itself", "its source", "a folder")
LINKS += ("a folder that is not there", "a folder of its own", "the library", "the output folder", "root")


@pytest.mark.parametrize("name", LINKS)
def test_a_link_in_the_output_folder(night: Nightly, outside: Path, name: str) -> None:
    """It is refused and said; nothing is written through it, and the others go on."""
    night.add("a.wav", 300, genre="house")
    night.add("b.wav", 350, genre="jazz")
    night.write()
    link, to = links(night, outside)[name]
    link.parent.mkdir(parents=True)
    link.symlink_to(to)
    before = around(night)
    for again in (False, True):
        batch = night.export(organize_by="genre", whole=False)
        assert statuses(batch) == ["failed", "unchanged" if again else "exported"]
        assert around(night) == before
        assert os.readlink(link) == to
        assert set(tree(night.out)) <= {"house", "house/a.wav", "house/a_metadata.txt", "jazz/b.wav", "jazz/b_metadata.txt"}
        assert any(words in batch.errors[0] for words in ("link", "in the way", "Failed to write output file"))
    link.unlink()
    assert statuses(night.export(organize_by="genre")) == ["exported", "unchanged"]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_came_after_an_export(night: Nightly, outside: Path, name: str) -> None:
    """What was written is moved away, and a link put in its place; then the sample changes."""
    night.add("a.wav", 300, genre="house")
    night.export(organize_by="genre")
    link, to = links(night, outside)[name]
    link.rename(night.folder / "moved")
    link.symlink_to(to)
    night.sound("a.wav", 444)
    before = around(night)
    night.export(organize_by="genre", whole=False)
    assert around(night) == before
    if name not in ("its text", "a text to nowhere"):  # a link there is of a file that is ours: it may go
        assert os.readlink(link) == to


def linked_away(night: Nightly) -> Path:
    """A folder of an export, moved to another place by its owner, with a link where it was."""
    away = night.folder / "away"
    (night.out / "house").rename(away)
    (night.out / "house").symlink_to(away)
    return away


@pytest.fixture
def linked(night: Nightly) -> Nightly:
    for name, hz in (("a", 300), ("b", 350)):
        night.add(f"{name}.wav", hz, genre="house")
    night.export(organize_by="genre")
    linked_away(night)
    return night


def export_and_nothing_around(night: Nightly, **how: Any) -> BatchExportResult:
    before = around(night)
    batch = night.export(organize_by="genre", whole=False, **how)
    assert around(night) == before, "something was done through the link"
    return batch


def test_nothing_is_moved_out_through_a_link(linked: Nightly) -> None:
    linked.rows[0]["genre"] = "acid"
    export_and_nothing_around(linked)


def test_nothing_is_pruned_through_a_link(linked: Nightly) -> None:
    del linked.rows[0]
    assert export_and_nothing_around(linked, prune=True).pruned == 0


def test_no_text_is_rewritten_through_a_link(linked: Nightly) -> None:
    linked.rows[0]["tags"] = "new"
    export_and_nothing_around(linked)


def test_nothing_is_converted_through_a_link(linked: Nightly) -> None:
    export_and_nothing_around(linked, full=True)


def test_an_output_folder_that_is_a_link_is_the_folder(night: Nightly) -> None:
    """The person's own choice, unlike a link within it."""
    (night.folder / "real").mkdir()
    (night.folder / "link").symlink_to(night.folder / "real")
    night.add("a.wav", 300)
    batch = night.export(out=night.folder / "link")
    assert batch.output_base_path == str(night.folder / "real")
    assert statuses(night.export(out=night.folder / "real")) == ["unchanged"]


# ---- sources that are no samples ----


def test_sources_that_are_no_samples(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each twice, as two rows of the same size are looked at more closely."""
    night.add("good.wav", 300)
    night.export()
    output = night.out / "good.wav"
    os.mkfifo(night.lib / "pipe.wav")
    (night.lib / "folder.wav").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(night.lib)  # the path of a socket must be short
        listener.bind("socket.wav")
        (night.lib / "zero.wav").symlink_to("/dev/zero")
        (night.lib / "loop.wav").symlink_to("loop.wav")
        devices = ["/dev/zero", "/dev/random", "/dev/stdin", "/dev/tty", "/dev/full", "/proc/self/mem", "/proc/self/environ"]
        devices += ["/proc/self/maps", "/proc/self/fd/0", "/etc/shadow", "/dev", "/"]
        here = ["pipe.wav", "folder.wav", "socket.wav", "zero.wav", "loop.wav", "m.csv", ".", "..", str(night.db)]
        here += [f"{night.db}.runs/lock", f"{night.db}.runs", "gone.wav", "x" * 5_000, "a.wav/b.wav"]
        for n, path in enumerate([*devices, *here] * 2):
            night.add(path, title=f"t{n}")
        before = around(night)
        batch = night.export()
        assert statuses(batch) == ["unchanged"] + ["failed"] * (len(night.rows) - 1)
        assert all(error.startswith("Sample ") for error in batch.errors)
        assert around(night) == before
        assert set(tree(night.out)) == {"good.wav", "good_metadata.txt"}
    night.rows = night.rows[:1]
    night.add(str(output), title="from an output")
    content = output.read_bytes()
    assert night.export(whole=False).failed == 0
    assert output.read_bytes() == content


def test_no_endless_file_is_read_to_tell_it_from_another(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of /proc are regular and 0 bytes long, and some go on for 256 GB: alike in size, so all are hashed."""
    most = 64 << 20

    def bounded(fd: int) -> str:
        offset = 0
        while block := os.pread(fd, 1 << 20, offset):
            offset += len(block)
            if offset > most:
                raise AssertionError(f"{offset:,} bytes were read, and there are more")
        return "hash"

    monkeypatch.setattr(hashing, "hash_open_file", bounded)
    for name in ("one", "two"):
        (night.lib / f"{name}.wav").symlink_to("/proc/self/pagemap")
        night.add(f"{name}.wav")
    assert statuses(night.export()) == ["failed"] * 2


# ---- where the database and the library lie ----


@pytest.mark.parametrize("name", ["a.wav", "a_metadata.txt", "house", "records.duckdb", "house/a.wav", "house/a_metadata.txt"])
def test_a_database_in_the_output_folder(tmp_path: Path, spy: Spy, template: Path, name: str) -> None:
    """Also under the very name of an output: it stays a database, and the sample is a failed row at the worst."""
    night = nightly.new(tmp_path / "n", spy)
    night.db = night.out / name
    night.db.parent.mkdir(parents=True)
    shutil.copy(template, night.db)
    night.add("a.wav", 300, genre="house")
    night.add("b.wav", 350, genre="jazz")
    for export_id, layout in enumerate(("flat", "genre", "flat", "genre"), start=1):
        batch = night.export(organize_by=layout, whole=False, prune=True)
        assert batch.export_id == export_id
        assert statuses(batch)[1] in ("exported", "unchanged")
        assert night.db.read_bytes()[8:12] == b"DUCK"
    assert night.ask("SELECT count(*) FROM sp404_exports") == [(4,)]


@pytest.mark.parametrize("name", ["lib/a.wav", "lib/m.csv", "outside/victim.wav"])
def test_a_file_that_is_no_database_is_left_as_it_is(night: Nightly, outside: Path, name: str) -> None:
    night.add("a.wav", 300)
    night.write()
    night.db = night.folder / name
    before = tree(night.folder)
    nightly.refused(night, DatabaseError, write=False)
    after = tree(night.folder)
    assert {path: after[path] for path in before} == before
    assert outside.is_dir()


@pytest.mark.parametrize("layout", ["flat", "genre"])
def test_the_library_as_output_folder(night: Nightly, layout: str) -> None:
    """An original that stands where its output is to go is not replaced, and the row fails; by genre there is room."""
    for name, hz in (("house/a.wav", 300), ("b.wav", 350)):
        night.add(name, hz, genre="house" if "a" in name else "jazz", title=Path(name).stem)
    night.write()
    originals = tree(night.lib)
    batch = night.export(out=night.lib, organize_by=layout, whole=False, full=True, prune=True)
    assert statuses(batch) == (["exported", "failed"] if layout == "flat" else ["failed", "exported"])
    after = tree(night.lib)
    assert {path: after[path] for path in originals} == originals
    assert len(sounds(after)) == len(sounds(originals)) + 1


@pytest.mark.parametrize("kind", ["hard link", "link to the folder"])
def test_an_original_under_another_name(night: Nightly, kind: str) -> None:
    night.add("a.wav", 300)
    night.write()
    original = (night.lib / "a.wav").read_bytes()
    if kind == "hard link":
        night.out.mkdir()
        os.link(night.lib / "a.wav", night.out / "a.wav")
    else:
        night.out.symlink_to(night.lib)
    batch = night.export(whole=False, full=True)
    assert statuses(batch) == ["failed"]
    assert (night.lib / "a.wav").read_bytes() == original
