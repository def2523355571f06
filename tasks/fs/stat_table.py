"""Stat many paths at once, as a DataFrame.

Apart from ``file_status``, which the processes that decode import: they start faster without Polars.
"""

import operator
import os
import stat
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
    folders = paths.str.replace(r"(?s)/[^/]*$", "")
    distinct = folders.unique()
    there = distinct.filter(pl.Series([os.path.isdir(folder or "/") for folder in distinct], dtype=pl.Boolean))
    may_be = folders.is_in(there.implode())
    rows: list[tuple[int | None, ...]] = []
    for path in paths.filter(may_be).to_list():
        try:
            rows.append(_fields(stat_one(path)))
        except (OSError, ValueError):
            rows.append(_MISSING)
    columns = zip(*rows, strict=True) if rows else [()] * len(_SCHEMA)
    found = pl.DataFrame([pl.Series(name, column, _SCHEMA[name]) for name, column in zip(_SCHEMA, columns, strict=True)])
    if found.height < len(paths):
        places = pl.DataFrame({"place": may_be.arg_true()}).hstack(found)
        every = pl.DataFrame({"place": pl.int_range(len(paths), dtype=pl.UInt32, eager=True)})
        found = every.join(places, on="place", how="left", maintain_order="left").drop("place")
    return found.select(paths.alias("path"), pl.col("kind") & stat.S_IFMT(0xFFFF), pl.exclude("kind"))
