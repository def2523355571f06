"""One export at a time; and the files that it keeps beside the database, by which a killed run is made good."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from schemas.errors import ExportRunningError, WorkingFolderError
from tasks.fs.atomic import remove
from tasks.store.checkpoints import seal, sealed, unseal

if sys.platform != "win32":
    import fcntl

_POLL_SECONDS = 0.1


def runs_folder(db: str) -> Path:
    """Where runs keep their working files: beside the database."""
    return Path(f"{db}.runs")


@contextmanager
def one_at_a_time(db: str, wait_seconds: float) -> Iterator[None]:
    """Hold the place of the one export that may run with a database; it is free again when the process ends.

    Raises ExportRunningError after ``wait_seconds``, and WorkingFolderError.
    """
    path = runs_folder(db) / "lock"

    def taken(owner: str) -> ExportRunningError:
        age = _in_words(time.time() - path.stat().st_mtime)
        return ExportRunningError(path=db, waited_seconds=wait_seconds, owner=owner, age=age)

    with held(path, taken, wait_seconds):
        yield


@contextmanager
def held(path: Path, taken: Callable[[str], Exception], wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock ``path``, which says by whom; raises what ``taken`` makes of that, after ``wait_seconds``.

    Raises WorkingFolderError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WorkingFolderError.of(path.parent, error) from error
    with file:
        deadline = time.monotonic() + wait_seconds
        while sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise taken(path.read_text(encoding="utf-8") or "it does not say which") from error
                time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield
        file.truncate(0)


def _in_words(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}{'s' if seconds >= 1.5 * size else ''}"
    return f"{max(seconds, 0):.0f} s"


def new_pass(db: str, export_id: int) -> Path:
    """A new folder for a pass over samples: for its plan and for the parts that its shards write. Raises WorkingFolderError."""
    folder = _folder(db, export_id)
    path = folder / f"{1 + max((int(old.name) for old in _passes(folder)), default=0):03d}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise WorkingFolderError.of(path, error) from error
    return path


_GIVEN = ("ids", "new-kits")
_ASKED = ("rows", "rejects", "kits", "refreshed")
_Frames: TypeAlias = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def write_asked(db: str, export: dict[str, Any], frames: _Frames) -> None:
    """Write down what an export is to do, its own row last: only with that it counts."""
    folder = new_pass(db, export["id"])
    for name, frame in (*zip(_ASKED, frames, strict=True), ("export", pl.DataFrame([export]))):
        seal(frame, folder, name)


def read_asked(db: str, export_id: int) -> tuple[dict[str, Any], _Frames] | None:
    """What ``write_asked`` wrote last; None where it is gone. Raises DamagedPartError."""
    for folder in reversed(_passes(_folder(db, export_id))):
        for export in sealed(folder, "export"):
            rows, rejects, kit_rows, refreshed = (unseal(next(sealed(folder, name), folder / name)) for name in _ASKED)
            return unseal(export).row(0, named=True), (rows, rejects, kit_rows, refreshed)
    return None


def write_ids(db: str, export_id: int, ids: pl.DataFrame, kits: pl.DataFrame) -> None:
    """Write down the ids that were given before an export, for ``repair``."""
    for name, frame in zip(_GIVEN, (ids, kits), strict=True):
        if frame.height:
            seal(frame, new_pass(db, export_id), name)


def read_ids(db: str, export_id: int) -> list[tuple[str, pl.DataFrame]]:
    """The ids that were given before an export, of files (``ids``) and of kits (``new-kits``). Raises DamagedPartError."""
    passes = _passes(_folder(db, export_id))
    return [(name, unseal(path)) for folder in passes for name in ("ids", "new-kits") for path in sealed(folder, name)]


def parts(db: str, export_id: int) -> list[Path]:
    """The parts that the shards of an export have written, in the order of its passes."""
    return [part for folder in _passes(_folder(db, export_id)) for part in sealed(folder, "part")]


def name_of(part: Path) -> str:
    """A part's name in the records: its pass, and its file."""
    return f"{part.parent.name}/{part.name}"


def write_ending(db: str, export_id: int, ending: dict[str, Any]) -> None:
    """Write down that an export ended and how, for ``repair``."""
    seal(pl.DataFrame([ending]), _folder(db, export_id), "ending")


def sweep(db: str) -> None:
    """Remove what killed runs had in the making beside the database."""
    for left in runs_folder(db).glob("export-*/**/*.part"):
        remove(str(left))


def read_ending(db: str, export_id: int) -> dict[str, Any] | None:
    """How an export ended; None if it did not. Raises DamagedPartError."""
    found = list(sealed(_folder(db, export_id), "ending"))
    return unseal(found[-1]).row(0, named=True) if found else None


def write_gone(db: str, export_id: int, gone: pl.DataFrame) -> None:
    """Write down which files an export removed (``path``), for ``repair``."""
    seal(gone, _folder(db, export_id), "gone")


def read_gone(db: str, export_id: int) -> pl.DataFrame | None:
    """Which files an export removed. Raises DamagedPartError."""
    found = [unseal(path) for path in sealed(_folder(db, export_id), "gone")]
    return pl.concat(found) if found else None


def has_changed_anything(db: str, export_id: int) -> bool:
    """Whether an export wrote, moved or removed a file."""
    return bool(parts(db, export_id)) or read_gone(db, export_id) is not None


def thin(db: str, export_id: int) -> None:
    """Remove what an export left, but for the ids that were given then: they must be the same for ever."""
    folder = _folder(db, export_id)
    for path in [*folder.glob("*/*"), *folder.glob("*.parquet")]:
        if not path.name.startswith(_GIVEN):
            remove(str(path))
    for inner in (*_passes(folder), folder):
        with suppress(OSError):  # not empty
            inner.rmdir()


def export_ids(db: str) -> list[int]:
    """The exports that left files beside the database."""
    numbers = (path.name.removeprefix("export-") for path in runs_folder(db).glob("export-*"))
    return sorted(int(number) for number in numbers if number.isdigit())


def _folder(db: str, export_id: int) -> Path:
    return runs_folder(db) / f"export-{export_id}"


def _passes(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.name.isdigit())


@dataclass(frozen=True)
class LeftBehind:
    """The plan of a killed run: what it may have written (what was free, or ours), and the token of its files."""

    plan: Path
    token: str
    targets: set[str]
    texts: set[str]


def left_behind(db: str) -> list[LeftBehind]:
    """What runs left that did not end."""
    found = []
    for plan in sorted(runs_folder(db).glob("export-*/*/plan-*.arrow")):
        try:
            jobs = pl.read_ipc(plan.read_bytes(), columns=["target", "ours", "free", "text", "ours_text", "has_text"])
        except (OSError, pl.exceptions.PolarsError):
            continue  # killed while it wrote the plan: nothing was converted then
        targets = set(jobs.filter(pl.col("ours") | pl.col("free"))["target"])
        texts = set(jobs.filter(pl.col("ours_text") | ~pl.col("has_text"))["text"])
        found.append(LeftBehind(plan, plan.stem.removeprefix("plan-"), targets, texts))
    return found


def forget_own(db: str, export_id: int) -> None:
    """Remove the plans of a run that ended: what it wrote is in the records."""
    for plan in _folder(db, export_id).glob("*/plan-*.arrow"):
        remove(str(plan))


def forget(plans: list[LeftBehind], done: pl.Series) -> None:
    """Remove the plans of killed runs all of whose targets a later run has done."""
    for left in plans:
        if left.targets <= set(done):
            remove(str(left.plan))
