"""What stands where: of many paths at once."""

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
_told = operator.attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_dev", "st_ino")
_NOTHING = (None,) * len(_SCHEMA)


def statuses(paths: pl.Series, ask: Callable[[str], os.stat_result] = os.stat) -> pl.DataFrame:
    """Each path's status, ``kind`` by ``stat.S_IFMT``; nulls where nothing is.

    A folder that is not there is asked for once, not for each file.
    """
    has_folder: dict[str, bool] = {}
    found: list[tuple[int | None, ...]] = []
    for path in paths.to_list():
        folder = path.rpartition("/")[0]
        try:
            if folder not in has_folder:
                has_folder[folder] = os.path.isdir(folder or "/")
            found.append(_told(ask(path)) if has_folder[folder] else _NOTHING)
        except (OSError, ValueError):
            found.append(_NOTHING)
    columns = zip(*found, strict=True) if found else [()] * len(_SCHEMA)
    told = pl.DataFrame([pl.Series(name, column, _SCHEMA[name]) for name, column in zip(_SCHEMA, columns, strict=True)])
    return told.select(paths.alias("path"), pl.col("kind") & stat.S_IFMT(0xFFFF), pl.exclude("kind"))
