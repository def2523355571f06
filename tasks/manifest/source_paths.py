"""Make the paths of a manifest absolute."""

import os

import polars as pl


def absolute(file_paths: pl.Series, folder: str) -> pl.Series:
    """Put ``file_paths`` below ``folder`` unless they are absolute; remove ``./`` and ``//``, so that a file has one name.

    ``..`` stays: behind a symbolic link it means another folder than the text says.
    """
    if os.sep != "/":
        return file_paths.map_elements(lambda path: os.path.join(folder, path), pl.String)
    frame = pl.DataFrame({"path": file_paths})
    path = pl.col("path")
    joined = pl.when(path.str.starts_with("/")).then(path).otherwise(pl.concat_str(pl.lit(folder.rstrip("/") + "/"), path))
    return frame.select(joined.str.replace_all(r"/(?:\.?/)+", "/")).to_series()
