"""What is put on a card is whole, in order, renamed where it is there already, and never in the place of another's file."""

import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DiskError, DiskFullError, OutputGoneError
from tasks.bundle import card, card_copy, card_mark
from tasks.bundle.card_copy import CopyPlan, KnownFiles, WantedFile
from tasks.fs.place_mark import PlaceMark


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


@dataclass
class Put:
    """What became of the files: as ``CopyPlan`` and ``CopyResult`` say."""

    written: list[WantedFile]
    renamed: list[WantedFile]
    unchanged: list[WantedFile]
    in_the_way: list[str]
    modified: list[str]


def put(root: Path, files: list[WantedFile], recorded: dict[str, str] | None = None, verify: bool = False) -> Put:
    """Put files on a card. What is recorded and not wanted is stale, and may get another name."""
    records = recorded if recorded is not None else {}

    def record(batch: list[WantedFile], vacated: list[str]) -> None:
        for path in vacated:
            del records[path]
        records.update({one.path: one.file_hash for one in batch})

    place = card.find_at(str(root))
    stale = {path: file_hash for path, file_hash in records.items() if path not in {one.path for one in files}}
    plan = card_copy.plan_copy(place, files, KnownFiles(records, stale), verify)
    record(plan.unchanged, [])
    card_copy.check_room(place, plan)
    done = card_copy.copy_files(place, plan, record)
    return Put(done.written, done.renamed, plan.unchanged, plan.in_the_way, done.modified)


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
    real = card_copy._copy

    def flipped(one: WantedFile, part: str) -> str:
        copied = real(one, part)
        if one.path == "hat.wav":
            Path(part).write_bytes(b"H")
        return copied

    monkeypatch.setattr(card_copy, "_copy", flipped)
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
        lambda: card_copy.plan_copy(gone, files, KnownFiles({}), verify=False),
        lambda: card_copy.copy_files(gone, CopyPlan(files, {}, [], []), lambda *_: None),
        lambda: card_mark.ensure_mark(gone),
        lambda: card_mark.raise_run(gone, PlaceMark("0" * 32, 1), 1),
        lambda: card_copy.prune(gone, {one.path: one.file_hash for one in files}),
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
    assert sorted(card_copy.prune(card.find_at(str(root)), records)) == ["a/snare.wav", "b/kick.wav"]
    assert on_card(root) == {"b/own.wav": b"a person's own", "hat.wav": b"edited"}
    assert not (root / "IMPORT/a").exists()


def test_what_a_killed_run_left_in_the_making_is_swept(tmp_path: Path, root: Path) -> None:
    (root / ".sp404-abcd1234-7.part").write_bytes(b"half")
    (root / ".sp404-mine").write_bytes(b"not a part")
    put(root, wanted(tmp_path, FILES))
    assert sorted(path.name for path in root.iterdir()) == [".sp404-mine", "IMPORT"]


# ---- what is there under another name ----

KICK, SNARE, HAT = b"kick" * 99, b"snare" * 50, b"h"
# What is on the card, what is wanted, and how many files are renamed and copied.
RENAMES = {
    "a kit has another name": (
        {"night/1.wav": KICK, "night/x/2.wav": SNARE},
        {"day/1.wav": KICK, "day/x/2.wav": SNARE, "day/3.wav": HAT},
        (2, 1),
    ),
    "two swap their names": ({"a.wav": KICK, "b.wav": SNARE}, {"a.wav": SNARE, "b.wav": KICK}, (2, 0)),
    "three in a ring, and one leaves it": (
        {"a.wav": KICK, "b.wav": SNARE, "c.wav": HAT},
        {"a.wav": HAT, "b.wav": KICK, "c.wav": b"new", "d/e.wav": SNARE},
        (3, 1),
    ),
    "two need one file": ({"a.wav": KICK}, {"b.wav": KICK, "c.wav": KICK}, (1, 1)),
    "it is wanted where it is, too": ({"a.wav": KICK}, {"a.wav": KICK, "b.wav": KICK}, (0, 1)),
}


@pytest.mark.parametrize("most_files", [1, 64])
@pytest.mark.parametrize("case", RENAMES)
def test_what_is_on_the_card_under_another_name_is_renamed_there(
    tmp_path: Path, root: Path, case: str, most_files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_copy, "_BATCH_FILES", most_files)
    before, after, (renamed, written) = RENAMES[case]
    records: dict[str, str] = {}
    put(root, wanted(tmp_path, before), records)
    inodes = {path.stat().st_ino: path.read_bytes() for path in root.rglob("*.wav")}
    done = put(root, wanted(tmp_path, after), records)
    assert (len(done.renamed), len(done.written)) == (renamed, written)
    assert on_card(root) == after
    # They are the very files that were there.
    again = {path.stat().st_ino: path.read_bytes() for path in root.rglob("*.wav")}
    assert sum(inodes.get(inode) == content for inode, content in again.items()) >= renamed
    assert records == {one.path: one.file_hash for one in wanted(tmp_path, after)}
    assert {path.name for path in root.rglob("*") if path.is_dir()} == {"IMPORT"} | {
        part for path in after for part in path.split("/")[:-1]
    }
    assert len(put(root, wanted(tmp_path, after), records).unchanged) == len(after)


def test_what_was_changed_on_the_card_is_not_renamed(tmp_path: Path, root: Path) -> None:
    records: dict[str, str] = {}
    put(root, wanted(tmp_path, {"a.wav": KICK}), records)
    (root / "IMPORT/a.wav").write_bytes(bytes(reversed(KICK)))
    done = put(root, wanted(tmp_path, {"b.wav": KICK}), records)
    assert (len(done.renamed), len(done.written)) == (0, 1)
    assert on_card(root) == {"a.wav": bytes(reversed(KICK)), "b.wav": KICK}


class Interrupted(BaseException):
    """The end of a process, or of its access to the card."""


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("case", ["a kit has another name", "two swap their names", "three in a ring, and one leaves it"])
def test_nothing_is_lost_or_there_twice_wherever_it_is_interrupted(
    tmp_path: Path, case: str, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each rename and each record, with files a batch each: a killed run removes nothing of its own."""
    before, after, _ = RENAMES[case]
    monkeypatch.setattr(card_copy, "_BATCH_FILES", 1)
    for steps in range(100):
        folder = tmp_path / str(steps)
        root = folder / "card"
        (root / "IMPORT").mkdir(parents=True)
        records: dict[str, str] = {}
        put(root, wanted(folder, before), records)
        left = iter(range(steps))

        def step(real: Any, *arguments: Any, left: Iterator[int] = left) -> Any:
            if next(left, None) is None:
                raise Interrupted if is_killed else OSError(errno.EIO, "Input/output error")
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", partial(step, os.replace))
            patch.setattr(card_copy, "sync_file_system", partial(step, card_copy.sync_file_system))
            if is_killed:
                patch.setattr(card_copy, "remove", lambda _path: None)
            try:
                put(root, wanted(folder, after), records)
            except (Interrupted, DiskError):
                pass
            else:
                break
        if case == "a kit has another name":
            assert {KICK, SNARE} <= set(on_card(root).values()), "a name is one of the two at any time"
        if not is_killed:
            assert [path.name for path in root.iterdir()] == ["IMPORT"]
        put(root, wanted(folder, after), records)
        assert on_card(root) == after
        assert {path: blake3(content).hexdigest() for path, content in after.items()}.items() <= records.items()
        assert [path.name for path in root.iterdir()] == ["IMPORT"]
    assert steps > len(after)


def test_a_rename_needs_no_room_for_its_bytes(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records: dict[str, str] = {}
    files = {f"{number}.wav": b"%05d" % number * 20_000 for number in range(4)}
    put(root, wanted(tmp_path, files), records)
    monkeypatch.setattr(card_copy, "free_bytes", lambda _folder: 50_000)
    after = {f"new/{path}": content for path, content in files.items()}
    with pytest.raises(DiskFullError):
        put(root, wanted(tmp_path, after), {})
    assert len(put(root, wanted(tmp_path, after), records).renamed) == 4
    # A swap does not need it either; a longer take in the place of a short one does.
    swapped = dict(zip(after, reversed(after.values()), strict=True))
    assert len(put(root, wanted(tmp_path, swapped), records).renamed) == 4
    monkeypatch.setattr(card_copy, "_BATCH_BYTES", 0)
    longer = {path: content + b"x" * 60_000 for path, content in swapped.items()}
    with pytest.raises(DiskFullError):
        put(root, wanted(tmp_path, longer), records)
    assert on_card(root) == swapped


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
            # What equals what we wrote there is ours, and may get another name.
            persons = {path: content for path, content in persons.items() if records.get(path) != blake3(content).hexdigest()}
            done = put(root, wanted(folder, files), records, verify=True)
            assert sum(map(len, (done.written, done.renamed, done.unchanged, done.in_the_way))) == len(files)
            there = on_card(root)
            for path, content in files.items():
                assert (there[path] == content) == (path not in done.in_the_way)
                # What equals ours is ours from then on, and a person who wrote it would not miss it.
                if persons.get(path) == content or path not in done.in_the_way:
                    persons.pop(path, None)
        assert all(on_card(root).get(path) == content for path, content in persons.items())
