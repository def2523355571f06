"""What stands below an output folder, held against the records: what is damaged, and what nobody asks for any more."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from tasks.bundle.metadata_file import metadata_path
from tasks.fs.atomic import hash_of, is_part, is_regular, remove, remove_empty


class Damage(StrEnum):
    MISSING = "missing"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    LEFT = "left by a killed run"


FIXES = {
    Damage.MISSING: "The next export writes it again.",
    Damage.CHANGED: "The next export with --verify-outputs writes it again.",
    Damage.UNKNOWN: "No record says that it was written by an export: it is left alone.",
    Damage.LEFT: "The next run of the same command removes it.",
}


@dataclass(frozen=True)
class Finding:
    path: str
    damage: Damage


def verify(
    outputs: pl.DataFrame, everything: pl.DataFrame, beside: Sequence[str], workers: int
) -> tuple[list[Finding], int, int]:
    """Read the files of ``outputs`` (``output_path, path, output_bytes, file_hash, metadata_hash``), and list what else is in
    their folders that is not in ``everything`` either; nor below what begins like one of ``beside``. Of a folder that is gone
    the files are not listed. The other figures: how many files there must be, and how many are as they were written.

    Files of which no hash is recorded are held against their size alone. Two files of one name but for its extension share
    a metadata file: that is whole if it is that of one of them.
    """
    folders = outputs["output_path"].unique(maintain_order=True)
    checks = list(_checks(outputs))
    with ThreadPoolExecutor(workers) as pool:
        bad = [finding for finding in pool.map(_checked, checks) if finding]
    gone = [folder for folder in folders if not os.path.isdir(folder)]
    found = [finding for finding in bad if not finding.path.startswith(tuple(f"{folder}/" for folder in gone))]
    found += [Finding(folder, Damage.MISSING) for folder in gone]
    known = {check.path for check in _checks(everything)}
    for path in {path for folder in folders for path in _files(folder)} - known:
        if not path.startswith(tuple(beside)):
            found.append(Finding(path, Damage.LEFT if is_part(os.path.basename(path)) else Damage.UNKNOWN))
    return sorted(found, key=lambda finding: finding.path), len(checks), len(checks) - len(bad)


@dataclass(frozen=True)
class _Check:
    """A file that must be there: its size and its hash, as far as they are recorded; one of ``hashes`` will do."""

    path: str
    size: int | None
    hashes: frozenset[str]


def _checks(outputs: pl.DataFrame) -> Iterator[_Check]:
    texts: dict[str, set[str]] = {}
    columns = ("output_path", "path", "output_bytes", "file_hash", "metadata_hash")
    for folder, path, size, file_hash, text_hash in outputs.select(columns).iter_rows():
        audio = os.path.join(folder, path)
        yield _Check(audio, size, frozenset(filter(None, [file_hash])))
        if text_hash:
            texts.setdefault(metadata_path(audio), set()).add(text_hash)
    yield from (_Check(path, None, frozenset(hashes)) for path, hashes in texts.items())


def _checked(check: _Check) -> Finding | None:
    if not os.path.lexists(check.path):
        return Finding(check.path, Damage.MISSING)
    return None if _is(check) else Finding(check.path, Damage.CHANGED)


def _is(check: _Check) -> bool:
    try:
        if not is_regular(check.path) or check.size not in (None, os.stat(check.path).st_size):
            return False
        return not check.hashes or hash_of(check.path) in check.hashes
    except OSError:
        return False


def _files(folder: str) -> Iterator[str]:
    """All that is below ``folder`` and no folder itself; links are not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in (*names, *links))


def prune(folder: str, stale: pl.DataFrame, forget: Callable[[list[str]], None]) -> list[str]:
    """Remove the files of ``stale`` that are still what an export wrote, with their metadata files; those paths.

    ``forget`` takes the paths out of the records that are gone then: also those that were gone already.
    """
    removed, gone = [], []
    for path, size, file_hash, text_hash in stale.select("path", "output_bytes", "file_hash", "metadata_hash").iter_rows():
        audio = os.path.join(folder, path)
        if os.path.realpath(os.path.dirname(audio)) != os.path.dirname(audio):
            continue
        if file_hash and _is(_Check(audio, size, frozenset([file_hash]))):
            remove(audio)
            if text_hash and _is(_Check(metadata_path(audio), None, frozenset([text_hash]))):
                remove(metadata_path(audio))
            remove_empty(os.path.dirname(audio), folder)
            removed.append(path)
        if not os.path.lexists(audio):
            gone.append(path)
    forget(gone)
    return [path for path in removed if path in gone]
