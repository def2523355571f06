"""A card's root is found or it is said why not; what is put there is whole, in order, and nobody else's."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import CardError, DiskError, DiskFullError, OutputGoneError
from tasks.bundle import card
from tasks.bundle.card import WantedFile


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which nothing is."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "card/IMPORT").mkdir(parents=True)
    return tmp_path / "card"


def wanted(folder: Path, files: dict[str, bytes]) -> list[WantedFile]:
    """The files of an export, by their paths."""
    made = []
    for path, content in files.items():
        source = folder / "export" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content)
        made.append(WantedFile(path, str(source), len(content), blake3(content).hexdigest()))
    return made


def on_card(root: Path) -> dict[str, bytes]:
    found = root / "IMPORT"
    return {str(path.relative_to(found)): path.read_bytes() for path in sorted(found.rglob("*")) if path.is_file()}


def put(root: Path, files: list[WantedFile], recorded: dict[str, str] | None = None, verify: bool = False) -> card.CopyResult:
    records = recorded if recorded is not None else {}

    def record(batch: list[WantedFile]) -> None:
        records.update({one.path: one.file_hash for one in batch})

    return card.copy_files(card.find_at(str(root)), files, records, record, verify)


# ---- which folder is a card ----


@pytest.mark.parametrize(
    ("made", "asked", "words"),
    [
        ([], "no", "is not there"),
        (["file.txt"], "file.txt", "is a file"),
        ([], "", "is empty"),
        (["System Volume Information/x", ".Trashes/y"], "", "is empty"),
        (["IMPORT/kick.wav"], "IMPORT", "--card {root}"),
        (["import/kick.wav"], "import", "not its root"),
        (["import/kick.wav"], "", "has import instead of a folder IMPORT"),
        (["EXPORT/PROJECT/x"], "EXPORT", "EXPORT folder"),
        (["BKUP/x"], "", "has BKUP/, but no IMPORT/"),
        (["ROLAND/IMPORT/x"], "", "IMPORT at the card's root"),
        (["PADCONF.BIN", "SMPL/x"], "", "a project or a backup"),
        (["IMPORT/x", "PADCONF.BIN"], "", "a project or a backup"),
        (["Documents/x", "Music/y"], "", "it has Documents, Music"),
    ],
)
def test_what_is_no_card_is_told_what_it_is(place: Path, made: list[str], asked: str, words: str) -> None:
    for path in made:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).touch()
    before = sorted(place.rglob("*"))
    with pytest.raises(CardError) as error:
        card.find_at(str(place / asked))
    assert words.format(root=place) in f"{error.value} {error.value.fix}"
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("made", "may"), [([], True), (["BKUP"], True), ([".Spotlight-V100"], True), (["Music"], False)])
def test_only_an_empty_card_or_one_of_the_device_is_initialized(place: Path, made: list[str], may: bool) -> None:
    for name in made:
        (place / name).mkdir()
    if may:
        assert card.find_at(str(place), initialize=True).root == str(place)
        assert (place / "IMPORT").is_dir()
    else:
        with pytest.raises(CardError, match="not a card"):
            card.find_at(str(place), initialize=True)
        assert not (place / "IMPORT").exists()


def test_a_card_keeps_the_number_that_it_was_given(root: Path) -> None:
    number = card.ensure_card_id(card.find_at(str(root)))
    assert len(number) == 32
    assert card.ensure_card_id(card.find_at(str(root))) == card.card_id(str(root)) == number
    assert sorted(path.name for path in root.iterdir()) == [".sp404-export", "IMPORT"]
    (root / ".sp404-export").write_text("somebody else's")
    assert card.card_id(str(root)) is None
    with pytest.raises(CardError, match="not what sp404-export wrote"):
        card.ensure_card_id(card.find_at(str(root)))
    assert (root / ".sp404-export").read_text() == "somebody else's"


# ---- what is put there ----

FILES = {"b/kick.wav": b"kick" * 99, "a/snare.wav": b"snare" * 50, "hat.wav": b"h"}


def test_all_files_are_there_and_a_second_time_none_is_written(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    files = wanted(tmp_path, FILES)
    first = put(root, files, records)
    assert on_card(root) == FILES
    assert len(first.written) == 3
    states = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*.wav")}
    again = put(root, files, records)
    assert (len(again.written), len(again.unchanged)) == (0, 3)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*.wav")} == states
    assert [path.name for path in root.iterdir()] == ["IMPORT"], "nothing is left in the making"


def test_files_are_written_in_the_order_of_their_paths(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []
    real = os.replace

    def watched(part: str, target: str) -> None:
        named.append(os.path.relpath(target, root / "IMPORT"))
        real(part, target)

    monkeypatch.setattr(os, "replace", watched)
    files = {f"{folder}/{number:03d}.wav": b"%d" % number for folder in "ba" for number in range(99)}
    put(root, wanted(tmp_path, files))
    assert named == sorted(files)


def test_what_was_changed_in_the_library_is_written_anew(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    put(root, wanted(tmp_path, FILES), records)
    done = put(root, wanted(tmp_path, FILES | {"hat.wav": b"other"}), records)
    assert [one.path for one in done.written] == ["hat.wav"]
    assert on_card(root) == FILES | {"hat.wav": b"other"}


def test_a_file_that_is_not_ours_or_was_changed_by_others_stays(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    (root / "IMPORT/hat.wav").write_bytes(b"a person's own")
    done = put(root, wanted(tmp_path, FILES), records)
    assert done.in_the_way == ["hat.wav"]
    (root / "IMPORT/b/kick.wav").write_bytes(b"edited on the device")
    done = put(root, wanted(tmp_path, FILES | {"b/kick.wav": b"new"}), records)
    assert done.in_the_way == ["b/kick.wav", "hat.wav"]
    assert on_card(root) == FILES | {"hat.wav": b"a person's own", "b/kick.wav": b"edited on the device"}


def test_the_same_bytes_are_taken_for_ours_whoever_put_them_there(tmp_path: Path, root: Path) -> None:
    """A run that was killed before it could say so, or another database."""
    put(root, wanted(tmp_path, FILES), {})
    records: dict[str, str] = {}
    done = put(root, wanted(tmp_path, FILES), records)
    assert (len(done.written), len(done.unchanged)) == (0, 3)
    assert set(records) == set(FILES)


def test_a_damaged_file_of_the_same_size_is_found_by_its_bytes(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    put(root, wanted(tmp_path, FILES), records)
    (root / "IMPORT/hat.wav").write_bytes(b"x")
    assert put(root, wanted(tmp_path, FILES), records).in_the_way == []
    assert put(root, wanted(tmp_path, FILES), records, verify=True).in_the_way == ["hat.wav"]


def test_a_folder_that_is_a_link_is_not_written_through(tmp_path: Path, root: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "IMPORT/a").symlink_to(tmp_path / "elsewhere")
    assert put(root, wanted(tmp_path, FILES)).in_the_way == ["a/snare.wav"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_reads_back_otherwise_gets_no_name(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = card._copy

    def flipped(one: WantedFile, part: str) -> str:
        copied = real(one, part)
        if one.path == "hat.wav":
            Path(part).write_bytes(b"H")
        return copied

    monkeypatch.setattr(card, "_copy", flipped)
    records: dict[str, str] = {}
    with pytest.raises(DiskError, match=r"hat\.wav reads back differently"):
        put(root, wanted(tmp_path, FILES), records)
    assert on_card(root) == {}
    assert records == {}
    assert [path.name for path in root.iterdir()] == ["IMPORT"]


def test_what_is_not_what_was_exported_is_left_out_and_the_rest_is_put(tmp_path: Path, root: Path) -> None:
    files = wanted(tmp_path, FILES)
    (tmp_path / "export/hat.wav").write_bytes(b"edited")
    (tmp_path / "export/a/snare.wav").unlink()
    records: dict[str, str] = {}
    done = put(root, files, records)
    assert sorted(done.modified) == ["a/snare.wav", "hat.wav"]
    assert set(on_card(root)) == set(records) == {"b/kick.wav"}


def test_a_card_that_is_gone_is_missed(tmp_path: Path, root: Path) -> None:
    """Pulled: its folder is there, on another file system."""
    files, there = wanted(tmp_path, FILES), card.find_at(str(root))
    gone = replace(there, device=there.device + 1)
    put(root, files, {})
    before = on_card(root)
    for attempt in (
        lambda: card.copy_files(gone, files, {}, lambda _: None, verify=False),
        lambda: card._write(gone, files, "abcd"),
        lambda: card.ensure_card_id(gone),
        lambda: card.prune(gone, {one.path: one.file_hash for one in files}),
    ):
        with pytest.raises(OutputGoneError):
            attempt()
    assert on_card(root) == before
    assert [path.name for path in root.iterdir()] == ["IMPORT"]


def test_what_cannot_fit_is_not_begun(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(root)
    files = wanted(tmp_path, {f"{number}.wav": b"x" for number in range(10)})

    def told(clusters_free: int) -> None:
        answer = os.statvfs_result((32_768, 32_768, real.f_blocks, clusters_free, clusters_free, *tuple(real)[5:10]))
        monkeypatch.setattr(os, "statvfs", lambda _path: answer)

    told(10)  # ten bytes, but ten clusters; and one more for the folder itself
    with pytest.raises(DiskFullError) as error:
        put(root, files)
    assert "needs 0 MB" in error.value.fix
    assert on_card(root) == {}
    told(12)
    assert len(put(root, files).written) == 10


def test_only_what_is_still_ours_is_removed(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    put(root, wanted(tmp_path, FILES), records)
    (root / "IMPORT/hat.wav").write_bytes(b"edited")
    (root / "IMPORT/b/own.wav").write_bytes(b"a person's own")
    assert sorted(card.prune(card.find_at(str(root)), records)) == ["a/snare.wav", "b/kick.wav"]
    assert on_card(root) == {"b/own.wav": b"a person's own", "hat.wav": b"edited"}
    assert not (root / "IMPORT/a").exists()


def test_what_a_killed_run_left_in_the_making_is_swept(tmp_path: Path, root: Path) -> None:
    (root / ".sp404-abcd1234-7.part").write_bytes(b"half")
    (root / ".sp404-mine").write_bytes(b"not a part")
    put(root, wanted(tmp_path, FILES))
    assert sorted(path.name for path in root.iterdir()) == [".sp404-mine", "IMPORT"]


_NAMES = st.sampled_from(["a.wav", "b.wav", "x/a.wav", "x/c.wav", "y/z/d.wav"])
_CONTENTS = st.binary(max_size=4)
_STEP = st.tuples(st.sampled_from(["put", "person", "delete"]), st.dictionaries(_NAMES, _CONTENTS, max_size=5))


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEP, max_size=6))
def test_a_persons_files_outlive_whatever_is_put(steps: list[tuple[str, dict[str, bytes]]]) -> None:
    """Held against a model: what a person wrote last under a name is never replaced by other bytes."""
    with tempfile.TemporaryDirectory() as folder:
        _hold_against_a_model(Path(folder), steps)


def _hold_against_a_model(folder: Path, steps: list[tuple[str, dict[str, bytes]]]) -> None:
    root = folder / "card"
    (root / "IMPORT").mkdir(parents=True)
    records: dict[str, str] = {}
    persons: dict[str, bytes] = {}
    for kind, files in steps:
        for path, content in files.items() if kind != "put" else ():
            target = root / "IMPORT" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if kind == "person":
                target.write_bytes(content)
                persons[path] = content
            else:
                target.unlink(missing_ok=True)
                persons.pop(path, None)
        if kind == "put":
            done = put(root, wanted(folder, files), records, verify=True)
            assert len(done.written) + len(done.unchanged) + len(done.in_the_way) == len(files)
            there = on_card(root)
            for path, content in files.items():
                assert (there[path] == content) == (path not in done.in_the_way)
                # What equals ours is ours from then on, and a person who wrote it would not miss it.
                if persons.get(path) == content or path not in done.in_the_way:
                    persons.pop(path, None)
        assert all(on_card(root).get(path) == content for path, content in persons.items())
