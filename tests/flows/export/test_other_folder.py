"""A forgotten --out: the export says where the manifest went so far, before anything is converted."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.export import pipeline, preview, threads
from flows.export.request import resolve
from schemas.report import BatchExportResult
from tasks.convert.progress import Progress
from tasks.store import renames, run_folder
from tasks.store.database import Database
from tests.support import audio
from tests.support.command_line import Run
from tests.support.nightly import Nightly


def note_of(night: Nightly, name: str, here: Path, earlier: Path, others: str = "") -> str:
    went = f"Earlier exports of {name} went to {earlier}{others}, this one goes to {here}"
    return f"{went}: --out {shlex.quote(str(earlier))} goes on there"


def told(night: Nightly, out: Path, **how: Any) -> list[str]:
    return [note for note in preview.plan(night.request(out=out, **how)).notes if note.startswith("Earlier exports")]


@pytest.fixture
def library(night: Nightly) -> Nightly:
    night.add("a.wav", 300, genre="house", kit="Kit", bank="A", pad=1)
    night.add("b.wav", 400, genre="dub")
    night.write()
    return night


def test_it_is_said_once_in_plan_and_export_before_anything_is_converted(library: Nightly) -> None:
    first, other = library.folder / "my sp404", library.folder / "other"
    said: list[tuple[str, bool]] = []

    def run(out: Path) -> BatchExportResult:
        progress = Progress(on_note=lambda text: said.append((text, out.exists() and any(out.glob("*.wav")))))
        return pipeline.run_export(resolve(library.request(out=out)), threads.DIRECT, progress)

    assert (told(library, first), run(first).other_folder, said) == ([], "", [])
    assert (told(library, first), run(first).other_folder, said) == ([], "", [])
    note = note_of(library, "m.csv", other, first)
    assert "'" in note, "the path is quoted for a shell"
    assert told(library, other) == told(library, other) == [note]
    batch = run(other)
    assert said == [(note, False)]
    assert batch.other_folder == note
    assert note not in batch.notes, "it was said already"
    assert (told(library, other), told(library, first)) == ([], [])
    assert (run(other).other_folder, len(said)) == ("", 1)
    third = library.folder / "third"
    assert told(library, third) == [note_of(library, "m.csv", third, other, " and 1 other folder")], "the last one first"
    assert run(first).unchanged == 2
    assert told(library, third) == [note_of(library, "m.csv", third, first, " and 1 other folder")], "also if nothing changed"


def test_the_command_line_says_it_once(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio.write(tmp_path / "a.wav", audio.tone(0.3, 48_000), 48_000, "WAV")
    (tmp_path / "m.csv").write_text("file_path\na.wav\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command, db = ("export", "m.csv", "--direct"), ("--db", tmp_path / "r.duckdb")
    assert "Earlier" not in sp404(*command, "--out", "mine", *db).err
    note = f"Note: Earlier exports of m.csv went to {tmp_path}/mine, this one goes to {tmp_path}/sp404-export: --out "
    for said in (sp404("plan", "m.csv", *db), sp404(*command, "--dry-run", *db), sp404(*command, *db)):
        assert said.err.count(note) == 1
    assert "Earlier" not in sp404("plan", "m.csv", *db).err
    assert "Earlier" not in sp404(*command, *db).err


def test_folders_that_are_gone_moved_or_forgotten_do_not_count(library: Nightly) -> None:
    first, moved, other = (library.folder / name for name in ("first", "moved", "other"))
    library.export(out=first, whole=False)
    first.rename(moved)
    assert told(library, other) == [], "the folder is gone"
    assert told(library, moved) == [], "it is the same one under another name"
    copy = shutil.copytree(moved, library.folder / "copy")
    database = Database(str(library.db), 5)
    renames.relocate(database, str(first), str(moved))
    assert told(library, copy) == []
    assert told(library, other) == [note_of(library, "m.csv", other, moved)]
    renames.forget(database, str(moved))
    assert told(library, other) == []


def test_a_manifest_under_another_name_is_the_same_one(library: Nightly) -> None:
    first, other = library.folder / "first", library.folder / "other"
    library.export(out=first, whole=False)
    renamed = library.manifest.rename(library.lib / "new name.csv")
    assert told(library, other, manifest=renamed) == [note_of(library, "new name.csv", other, first)]
    second = library.write(library.lib / "second.csv")
    library.write()
    assert told(library, other, manifest=second) == [], "none of its exports went anywhere"


def test_kits_and_the_rest_of_a_library_have_folders_of_their_own(library: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder is named, other layouts have, too."""
    songs, kits, other = (library.folder / name for name in ("songs", "kits", "other"))
    library.export(out=songs, organize_by="genre", whole=False)
    assert told(library, kits, kits=("Kit",)) == told(library, kits, organize_by="kit") == []
    library.export(out=kits, kits=("Kit",), whole=False)
    assert told(library, other, kits=("Kit",)) == [note_of(library, "m.csv", other, kits)]
    assert told(library, other, organize_by="genre") == [note_of(library, "m.csv", other, songs)]
    assert told(library, other) == told(library, other, organize_by="bpm") == []
    monkeypatch.setenv("SP404_OUTPUT_BASE_PATH", str(other))
    for layout in ("genre", "bpm", "flat"):
        planned = preview.plan(library.request(output_base_path=None, organize_by=layout))
        assert note_of(library, "m.csv", other, songs) in planned.notes


def test_an_export_that_made_nothing_went_nowhere(library: Nightly) -> None:
    """Who stops it at the note and forgets --out again is told again."""
    first, other = library.folder / "first", library.folder / "other"
    library.export(out=first, whole=False)
    stopped = Progress()
    stopped.stopped.set()
    assert not pipeline.run_export(resolve(library.request(out=other)), threads.DIRECT, stopped).successful
    assert told(library, other) == [note_of(library, "m.csv", other, first)]


def test_neither_a_fallback_nor_a_request_of_a_client_is_a_forgotten_folder(library: Nightly) -> None:
    (library.folder / "a file").write_text("in the way")
    library.export(out=library.folder / "first", whole=False)
    batch = library.export(out=library.folder / "a file/out", fall_back=True, whole=False)
    assert (batch.other_folder, bool(batch.warnings)) == ("", True)
    folder = run_folder.requests_folder(Database(str(library.db), 5))
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "3fa9.csv"
    for name in ("first", "other"):
        for row in library.rows:
            row["file_path"] = str(library.lib / Path(row["file_path"]).name)
        library.write(manifest)
        assert told(library, library.folder / name, manifest=manifest) == []
        library.export(out=library.folder / name, manifest=manifest, whole=False)
