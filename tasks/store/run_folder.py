"""The files that an export keeps beside the database: a killed run is resumed from them, and records are rebuilt."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from schemas.errors import WorkingFolderError
from tasks.fs.atomic import remove, remove_parts_below
from tasks.store.checkpoints import checkpoint_paths, read_checkpoint, write_checkpoint
from tasks.store.database import Database


def runs_folder(database: Database) -> Path:
    """Return the folder of working files beside the database."""
    return Path(f"{database.path}.runs")


def requests_folder(database: Database) -> Path:
    """Return the folder of the manifests of REST requests, which are named by a hash of their samples."""
    return runs_folder(database) / "requests"


def new_pass(database: Database, export_id: int) -> Path:
    """Create a folder for a pass over samples: for its plan and its shards' parts. Raises WorkingFolderError."""
    folder = _folder(database, export_id)
    path = folder / f"{1 + max((int(old.name) for old in _passes(folder)), default=0):03d}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise WorkingFolderError.of(path, error) from error
    return path


_GIVEN = ("ids", "new-kits", "renames")
_SAMPLES = "samples"
# What stays of an export whose records are deleted: ids must be the same for ever, and a scan is not done again by itself.
_KEPT = (*_GIVEN, _SAMPLES)
_SPEC = ("rows", "rejects", "kits", "refreshed")
_Frames: TypeAlias = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def write_spec(database: Database, export: dict[str, Any], frames: _Frames) -> None:
    """Write down what an export is to do, its own row last: only with that it counts."""
    folder = new_pass(database, export["id"])
    for name, frame in (*zip(_SPEC, frames, strict=True), ("export", pl.DataFrame([export]))):
        write_checkpoint(frame, folder, name)


def read_spec(database: Database, export_id: int) -> tuple[dict[str, Any], _Frames] | None:
    """Read what ``write_spec`` wrote last; None where it is gone. Raises DamagedPartError."""
    for folder in reversed(_passes(_folder(database, export_id))):
        for export in checkpoint_paths(folder, "export"):
            rows, rejects, kit_rows, refreshed = (
                read_checkpoint(next(checkpoint_paths(folder, name), folder / name)) for name in _SPEC
            )
            return read_checkpoint(export).row(0, named=True), (rows, rejects, kit_rows, refreshed)
    return None


def write_given(database: Database, export_id: int, ids: pl.DataFrame, kits: pl.DataFrame, renames: pl.DataFrame) -> None:
    """Write down what was settled before an export, for ``repair``: new ids, and what has another path now."""
    for name, frame in zip(_GIVEN, (ids, kits, renames), strict=True):
        if frame.height:
            write_checkpoint(frame, new_pass(database, export_id), name)


def write_found(database: Database, export_id: int, ids: pl.DataFrame, renames: pl.DataFrame, samples: pl.DataFrame) -> None:
    """Write down, for ``repair``, which samples a scan put into the records; ``export_id``: taken for it as for an export."""
    write_given(database, export_id, ids, pl.DataFrame(), renames)
    if samples.height:
        write_checkpoint(samples, new_pass(database, export_id), _SAMPLES)


def read_given(database: Database, export_id: int) -> list[tuple[str, pl.DataFrame]]:
    """Read what was settled before an export: ids of files (``ids``) and of kits (``new-kits``), and ``renames``.

    Of a scan also its ``samples``.

    Raises:
        DamagedPartError: A file of it is damaged.
    """
    passes = _passes(_folder(database, export_id))
    return [(name, read_checkpoint(path)) for folder in passes for name in _KEPT for path in checkpoint_paths(folder, name)]


def parts(database: Database, export_id: int) -> list[Path]:
    """Return the parts that the shards of an export have written, in the order of its passes."""
    return checkpoints_of(database, export_id, "part")


def checkpoints_of(database: Database, export_id: int, name: str) -> list[Path]:
    """Return the checkpoints of an export's passes whose names begin with ``name``, in the order of the passes."""
    return [path for folder in _passes(_folder(database, export_id)) for path in checkpoint_paths(folder, name)]


def name_of(part: Path) -> str:
    """Return a part's name in the records: its pass, and its file."""
    return f"{part.parent.name}/{part.name}"


def write_ending(database: Database, export_id: int, ending: dict[str, Any]) -> None:
    """Write down that an export ended and how, for ``repair``."""
    write_checkpoint(pl.DataFrame([ending]), _folder(database, export_id), "ending")


def sweep(database: Database) -> None:
    """Remove what killed runs had in the making beside the database."""
    remove_parts_below(runs_folder(database), "export-*")


def read_ending(database: Database, export_id: int) -> dict[str, Any] | None:
    """Read how an export ended; None if it did not. Raises DamagedPartError."""
    found = list(checkpoint_paths(_folder(database, export_id), "ending"))
    return read_checkpoint(found[-1]).row(0, named=True) if found else None


def write_gone(database: Database, export_id: int, gone: pl.DataFrame) -> None:
    """Write down which files an export removed (``path``), for ``repair``."""
    write_checkpoint(gone, _folder(database, export_id), "gone")


def read_gone(database: Database, export_id: int) -> pl.DataFrame | None:
    """Read which files an export removed. Raises DamagedPartError."""
    found = [read_checkpoint(path) for path in checkpoint_paths(_folder(database, export_id), "gone")]
    return pl.concat(found) if found else None


def has_changed_anything(database: Database, export_id: int) -> bool:
    """Return whether an export wrote, moved or removed a file."""
    return bool(parts(database, export_id)) or read_gone(database, export_id) is not None


def thin(database: Database, export_id: int) -> None:
    """Remove what an export left, but for ``_KEPT``."""
    folder = _folder(database, export_id)
    for path in [*folder.glob("*/*"), *folder.glob("*.parquet")]:
        if not path.name.startswith(_KEPT):
            remove(str(path))
    for inner in (*_passes(folder), folder):
        with suppress(OSError):  # not empty
            inner.rmdir()


def drop(database: Database, export_id: int) -> None:
    """Remove all that an export wrote down, which was not begun."""
    shutil.rmtree(_folder(database, export_id), ignore_errors=True)


def export_ids(database: Database) -> list[int]:
    """Return the exports that left files beside the database."""
    numbers = (path.name.removeprefix("export-") for path in runs_folder(database).glob("export-*"))
    return sorted(int(number) for number in numbers if number.isdigit())


def _folder(database: Database, export_id: int) -> Path:
    return runs_folder(database) / f"export-{export_id}"


def _passes(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.name.isdigit())


@dataclass(frozen=True)
class LeftBehind:
    """The plan of a killed run: where it may have written (what was free, or ours), and the token of its files."""

    plan: Path
    token: str
    targets: set[str]


def left_behind(database: Database) -> list[LeftBehind]:
    """Read the plans of runs that did not end."""
    found = []
    for plan in sorted(runs_folder(database).glob("export-*/*/plan-*.arrow")):
        try:
            jobs = pl.read_ipc(plan.read_bytes(), columns=["target", "ours", "free"])
        except (OSError, pl.exceptions.PolarsError):
            continue  # killed while it wrote the plan: nothing was converted then
        targets = set(jobs.filter(pl.col("ours") | pl.col("free"))["target"])
        found.append(LeftBehind(plan, plan.stem.removeprefix("plan-"), targets))
    return found


def forget_own(database: Database, export_id: int) -> None:
    """Remove the plans of a run that ended: what it wrote is in the records."""
    for plan in _folder(database, export_id).glob("*/plan-*.arrow"):
        remove(str(plan))


def forget(plans: list[LeftBehind], done: pl.Series) -> None:
    """Remove the plans of killed runs all of whose targets a later run has done."""
    for left in plans:
        if left.targets <= set(done):
            remove(str(left.plan))
