"""What the file system says of files, without reading them."""

import operator
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable

import polars as pl

_SCHEMA = {
    "kind": pl.Int64,
    "bytes": pl.Int64,
    "mtime_ns": pl.Int64,
    "ctime_ns": pl.Int64,
    "device": pl.UInt64,
    "inode": pl.UInt64,
}
_fields = operator.attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_dev", "st_ino")
_MISSING = (None,) * len(_SCHEMA)
# The step of the coarsest clock, FAT's.
_CLOCK_STEP_NS = 2_000_000_000


def stat_files(paths: pl.Series, stat_one: Callable[[str], os.stat_result] = os.stat) -> pl.DataFrame:
    """Stat many paths at once.

    A folder that does not exist is looked up once, not for each file.

    Args:
        paths: Absolute paths; strings.
        stat_one: ``os.lstat`` to look at links themselves.

    Returns:
        A row a path, in their order: ``path``, ``kind`` (as ``stat.S_IFMT`` gives it), ``bytes``, ``mtime_ns``, ``ctime_ns``,
        ``device``, ``inode``; nulls where nothing can be looked at.
    """
    has_folder: dict[str, bool] = {}
    rows: list[tuple[int | None, ...]] = []
    for path in paths.to_list():
        folder = path.rpartition("/")[0]
        try:
            if folder not in has_folder:
                has_folder[folder] = os.path.isdir(folder or "/")
            rows.append(_fields(stat_one(path)) if has_folder[folder] else _MISSING)
        except (OSError, ValueError):
            rows.append(_MISSING)
    columns = zip(*rows, strict=True) if rows else [()] * len(_SCHEMA)
    table = pl.DataFrame([pl.Series(name, column, _SCHEMA[name]) for name, column in zip(_SCHEMA, columns, strict=True)])
    return table.select(paths.alias("path"), pl.col("kind") & stat.S_IFMT(0xFFFF), pl.exclude("kind"))


def is_regular(path: str) -> bool:
    """Return whether ``path`` itself is a file: not a link, a pipe or a folder."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def is_same_file(first: str, second: str) -> bool:
    """Return whether both paths lead to one file."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return False


def is_same_state(before: os.stat_result, after: os.stat_result) -> bool:
    """Return whether nothing was written to the file between the two."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (after.st_size, after.st_mtime_ns, after.st_ctime_ns)


def times_of(status: os.stat_result) -> tuple[int, int]:
    """Return when the content and the status of a file changed last, in ns.

    0 and 0 where that is less than a step of the coarsest clock ago, or in the future: such a file could change and keep
    its times.
    """
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_mtime_ns, status.st_ctime_ns) if newest < time.time_ns() - _CLOCK_STEP_NS else (0, 0)


def free_bytes(folder: str) -> int:
    """Return how many bytes are free on the file system of ``folder``; ``sys.maxsize`` where it does not say its size."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize
