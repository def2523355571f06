"""Make the paths of a manifest absolute, and find the files that paths of other systems mean."""

import os
from contextlib import suppress

import polars as pl

from tasks.fs.foreign_paths import ForeignPathFinder

# A path without anything that another system would read otherwise, or a program could have garbled.
_OF_HERE = r"^[^\\:~[:^ascii:]]*$"
# Of so many files in one folder on, its listing is worth it.
_WORTH_A_LISTING = 16


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


def resolve_sources(file_paths: pl.Series, folder: str) -> pl.Series:
    """Return the absolute path of each file, also where another system wrote it, as long as exactly one file fits.

    What no file fits stays as ``absolute`` makes it. Only paths whose file does not exist are looked at any further.

    Args:
        file_paths: Paths as they stand in the manifest.
        folder: The manifest's folder.
    """
    sources = absolute(file_paths, folder)
    pairs = pl.DataFrame({"written": file_paths, "source": sources}).drop_nulls().unique("source", maintain_order=True)
    pairs = pairs.with_columns(place=pl.col("source").str.extract(r"(?s)^(.*)/").fill_null(""))
    has_folder = {place: os.path.isdir(place or "/") for place in pairs["place"].unique()}
    finder = ForeignPathFinder(folder)
    # Of a drive that is away, one look is enough for all files of a folder.
    absent = [place for place, is_there in has_folder.items() if not is_there]
    away = [place for place in absent if place.isascii() and not finder.has_folder(place)]
    pairs = pairs.filter(~(pl.col("place").is_in(away) & pl.col("written").str.contains(_OF_HERE)))
    listed = _list_files(pairs["place"])
    found: dict[str, str] = {}
    for written, source, place in pairs.iter_rows():
        if source in listed:
            continue
        if _is_missing(source, has_folder[place]) and (path := finder.find(written).path):
            found[source] = path
    return sources.replace(found) if found else sources


def _list_files(places: pl.Series) -> set[str]:
    """Return the paths of what lies in those of ``places`` that many files are in, but for links, which may lead nowhere.

    To list a folder of a thousand files takes a fifth of the time that it takes to look at each.
    """
    paths: set[str] = set()
    counts = places.value_counts()
    for place in counts.filter(pl.col("count") >= _WORTH_A_LISTING)[places.name]:
        with suppress(OSError), os.scandir(place or "/") as listing:
            paths.update(f"{place}/{entry.name}" for entry in listing if not entry.is_symlink())
    return paths


def _is_missing(path: str, has_folder: bool) -> bool:
    """Return whether nothing is at ``path``; ``has_folder``: whether its folder is there."""
    try:
        if has_folder:
            os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return not has_folder
