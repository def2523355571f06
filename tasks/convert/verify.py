"""Verify output folders against the records: find missing, modified, unknown and unfinished files."""

import os
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import polars as pl

from tasks.bundle.metadata_file import metadata_path
from tasks.convert.unrecorded_runs import UnrecordedRun
from tasks.fs.atomic import is_part
from tasks.fs.hashing import is_unmodified
from tasks.fs.place_mark import MARK_FILE
from tasks.fs.system_files import has_system_name_below


class Damage(StrEnum):
    """Kinds of difference between a folder and the records, as reports name them."""

    MISSING = "missing"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    UNFINISHED = "left by a killed run"
    UNRECORDED = "not yet in the records"


# What is not ours does no harm to what is: it stays, and does not make a verification fail. Nor does what an interrupted run
# wrote or had in the making: the next export goes on from there.
HARMLESS = frozenset([Damage.UNKNOWN, Damage.UNFINISHED, Damage.UNRECORDED])
_NEEDED = {Damage.MISSING: "", Damage.CHANGED: "--verify-outputs"}
_FIX_WITHOUT_MANIFEST = "Its manifest {} is gone. Export the sample again."
_FIX_OF_FOLDER = "If it was moved: `sp404 relocate {0} NEW`, or export there. If it is not wanted any more: `sp404 forget {0}`."
_FIXES_OF_OTHERS = {
    Damage.UNKNOWN: "No record says that an export wrote it. It stays.",
    Damage.UNFINISHED: "The next run of the same command removes it.",
}


class WrittenBy(NamedTuple):
    """An export, and the manifest and the output folder that a file of it belongs to."""

    export_id: int
    manifest: str
    folder: str


@dataclass(frozen=True)
class DamagedFile:
    """An absolute path, what is wrong there, and what to do about it.

    Attributes:
        path: The file, or a folder that is gone.
        damage: What is wrong there.
        fix: What to do about it, in words.
        files: How many files it stands for, where it is a folder.
        written_by: The export of these records that wrote it last, where another one can write it again.
    """

    path: str
    damage: Damage
    fix: str
    files: int = 1
    written_by: WrittenBy | None = None


@dataclass(frozen=True)
class Verification:
    """The findings of a verification.

    Attributes:
        damaged: By path. Those that are unknown or unfinished come on top of the two figures. What a run wrote that the records
            do not know yet is one entry for the run, with its output folder.
        files: How many files there should be.
        texts: How many of them are metadata files.
        good: How many of them are as they were written.
        system_files: How many files of systems and sync programs lie among them. They do no harm.
    """

    damaged: list[DamagedFile]
    files: int
    texts: int
    good: int
    system_files: int


def verify(
    outputs: pl.DataFrame,
    everything: pl.DataFrame,
    beside: Sequence[str],
    workers: int,
    runs: Sequence[UnrecordedRun] = (),
) -> Verification:
    """Read recorded files, and list the others in their folders.

    A file without a recorded hash is compared by its size alone. Two files of one name but for its extension share a
    metadata file: that is whole if it is that of one of them. Of a folder that is gone the files are not listed.

    Args:
        outputs: The files to read: those of ``unrecorded_runs.with_unrecorded``.
        everything: All recorded files, with the same columns: they are not unknown.
        beside: Beginnings of paths that are no exports, such as the database's; nothing below them is listed.
        workers: How many files are read at a time.
        runs: What the records do not know yet. A file counts as good as they have it, too; what such a run did is named apart.
    """
    folders = outputs["output_path"].unique(maintain_order=True)
    expected = list(_expected_files(outputs))
    with ThreadPoolExecutor(workers) as pool:
        bad = [damaged for damaged in pool.map(partial(_check_file, runs=runs), expected) if damaged]
    gone = [folder for folder in folders if not os.path.isdir(folder)]
    found = [damaged for damaged in bad if not damaged.path.startswith(tuple(f"{folder}/" for folder in gone))]
    for folder in gone:
        files = sum(damaged.path.startswith(f"{folder}/") for damaged in bad)
        found.append(DamagedFile(folder, Damage.MISSING, _FIX_OF_FOLDER.format(shlex.quote(folder)), files))
    known = {file.path for file in _expected_files(everything)} | {os.path.join(folder, MARK_FILE) for folder in folders}
    system_files = 0
    others = {path: folder for folder in folders for path in _files(folder) if not path.startswith(tuple(beside))}
    for path in others.keys() - known:
        if run := _find_run(path, runs):
            found.append(_unrecorded(path, run))
        elif is_part(os.path.basename(path)):
            found.append(DamagedFile(path, Damage.UNFINISHED, _FIXES_OF_OTHERS[Damage.UNFINISHED]))
        elif has_system_name_below(path, others[path]):
            system_files += 1
        else:
            found.append(DamagedFile(path, Damage.UNKNOWN, _FIXES_OF_OTHERS[Damage.UNKNOWN]))
    in_order = sorted(_gather_by_run(found, runs), key=lambda damaged: damaged.path)
    texts = len(expected) - outputs.height
    return Verification(in_order, len(expected), texts, len(expected) - len(bad), system_files)


@dataclass(frozen=True)
class _ExpectedFile:
    """A file that must be there: its size and its hash, as far as they are recorded; one of ``hashes`` will do.

    ``options``: what an export of its manifest needs to write it again. ``recorded``: the records know of it already.
    """

    path: str
    size: int | None
    hashes: frozenset[str]
    written_by: WrittenBy
    options: str
    recorded: bool


def _expected_files(outputs: pl.DataFrame) -> Iterator[_ExpectedFile]:
    texts: dict[str, tuple[WrittenBy, str, bool, set[str]]] = {}
    columns = ("output_path", "path", "output_bytes", "file_hash", "metadata_hash", "export_id", "manifest_path", "options")
    rows = outputs.select(*columns, "recorded").iter_rows()
    for folder, path, size, file_hash, text_hash, export_id, manifest, options, recorded in rows:
        audio = os.path.join(folder, path)
        written_by = WrittenBy(export_id, manifest, folder)
        yield _ExpectedFile(audio, size, frozenset(filter(None, [file_hash])), written_by, options, recorded)
        if text_hash:
            texts.setdefault(metadata_path(audio), (written_by, options, recorded, set()))[3].add(text_hash)
    for path, (written_by, options, recorded, hashes) in texts.items():
        yield _ExpectedFile(path, None, frozenset(hashes), written_by, options, recorded)


def _check_file(file: _ExpectedFile, runs: Sequence[UnrecordedRun]) -> DamagedFile | None:
    damage = Damage.CHANGED
    if not os.path.lexists(file.path):
        damage = Damage.MISSING
    elif file.recorded and is_unmodified(file.path, *file.hashes, size=file.size):
        return None
    if run := _find_run(file.path, runs):
        return _unrecorded(file.path, run)
    manifest = os.path.basename(file.written_by.manifest)
    if not os.path.lexists(file.written_by.manifest):
        return DamagedFile(file.path, damage, _FIX_WITHOUT_MANIFEST.format(manifest))
    options = " ".join(filter(None, (file.options, _NEEDED[damage])))
    which = "An export" if file.options else "The next export"
    fix = f"{which} of {manifest}{' with ' * bool(options)}{options} writes it again."
    return DamagedFile(file.path, damage, fix, written_by=file.written_by)


def _find_run(path: str, runs: Sequence[UnrecordedRun]) -> UnrecordedRun | None:
    """Return the run by which a file is as it is now: the run wrote these bytes, or took the file away."""
    if not os.path.lexists(path):
        return next((run for run in runs if path in run.removed), None)
    return next((run for run in runs if path in run.hashes and is_unmodified(path, *run.hashes[path])), None)


def _unrecorded(path: str, run: UnrecordedRun) -> DamagedFile:
    return DamagedFile(path, Damage.UNRECORDED, run.fix)


def _gather_by_run(found: Sequence[DamagedFile], runs: Sequence[UnrecordedRun]) -> Iterator[DamagedFile]:
    """Yield what was ``found``; of what the records do not know yet an entry for each run."""
    yield from (damaged for damaged in found if damaged.damage is not Damage.UNRECORDED)
    for run in runs:
        files = sum(damaged.damage is Damage.UNRECORDED and damaged.fix == run.fix for damaged in found)
        if files:
            yield DamagedFile(run.folder, Damage.UNRECORDED, run.fix, files)


def _files(folder: str) -> Iterator[str]:
    """All that is below ``folder`` and no folder itself; links are not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in (*names, *links))
