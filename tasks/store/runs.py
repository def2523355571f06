"""One export at a time, and what runs leave behind that were killed."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from schemas.errors import ExportRunningError, WorkingFolderError

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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WorkingFolderError(path=str(path.parent), error=error.strerror or str(error)) from error
    with file:
        deadline = time.monotonic() + wait_seconds
        while sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    owner = path.read_text(encoding="utf-8") or "it does not say which"
                    raise ExportRunningError(path=db, waited_seconds=wait_seconds, owner=owner) from error
                time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield
        file.truncate(0)


def unfinished(db: str) -> dict[Path, set[str]]:
    """The folders of runs that did not end, and the targets that each may have written: what was free, or ours."""
    found: dict[Path, set[str]] = {}
    for plan in sorted(runs_folder(db).glob("export-*/plan.arrow")):
        try:
            jobs = pl.read_ipc(plan.read_bytes())
            found[plan.parent] = set(jobs.filter(pl.col("ours") | pl.col("free"))["target"])
        except (OSError, pl.exceptions.PolarsError):
            continue  # killed while it wrote the plan: nothing was converted then
    return found


def forget(folders: dict[Path, set[str]], done: set[str]) -> None:
    """Remove the folders of killed runs all of whose targets a later run has done."""
    for folder, targets in folders.items():
        if targets <= done:
            shutil.rmtree(folder, ignore_errors=True)
