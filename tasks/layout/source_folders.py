"""Say of samples where they come from: the tree of their folders, and the names of files that are numbers alone. Pure."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache

import polars as pl

from schemas.enums import AudioFormat
from tasks.layout.file_names import fold_names

CleanNames = Callable[[pl.Series], pl.Series]
# Deeper trees lose their first folders: a path may be 4,096 bytes long (Linux, limits.h) with what stands in front.
MOST_BYTES = 1_000
_NEAREST = 4
# A folder whose name is longer gives no word behind a name.
LONGEST_WORD = 24


def folder_names(sources: pl.Series, clean: CleanNames) -> pl.Series:
    """Return the clean names of the folders that each source is in, folded, the nearest first (List[String])."""
    places = sources.str.extract(r"(?s)^(.*)/").fill_null("")
    distinct = places.unique()
    parts = distinct.str.split("/").list.reverse().list.head(_NEAREST)
    names = parts.explode().drop_nulls().unique()
    cleaned = dict(zip(names, fold_names(clean(names)), strict=True))
    lists = [[cleaned[part] for part in place if cleaned.get(part)] for place in parts.to_list()]
    by_place = pl.DataFrame({"place": distinct, "folders": pl.Series(lists, dtype=pl.List(pl.String))})
    return places.alias("place").to_frame().join(by_place, on="place", how="left", maintain_order="left")["folders"]


def name_numbers(rows: pl.DataFrame, held: pl.DataFrame, clean: CleanNames) -> pl.Series:
    """Put the nearest folder's name in front of titles that are a file's number: `003` in `tr808-bd` becomes `tr808-bd 003`.

    A sample whose file has a name with that number at its end from an earlier export keeps it, with or without a word.

    Args:
        rows: ``sample_id`` (Int64), ``title, source`` (String).
        held: Who has a path from earlier exports: ``held_path`` (String), ``holder`` (Int64).
        clean: Makes names of titles.
    """
    stem = pl.col("source").str.extract(r"(?s)([^/]*)$").str.replace(r"\.[^.]*$", "")
    is_number = ~pl.col("title").str.contains(r"\pL") & (pl.col("title") == stem) & pl.col("title").str.contains(r"\pN")
    numbers = rows.select("sample_id", "title", "source", is_number=is_number.fill_null(False)).with_row_index("row")
    numbers = numbers.filter("is_number").drop("is_number")
    if numbers.is_empty():
        return rows["title"]
    kept = held.filter(pl.col("holder").is_in(numbers["sample_id"].unique().implode())).sort("held_path")
    name = pl.col("held_path").str.extract(r"([^/]*)$").str.replace(r"\.[^.]*$", "")
    kept = kept.select("holder", name.str.replace(r"__[0-9]+(-[0-9]+)?$", "").str.replace(r"^pad_[0-9]{2}_", ""))
    names: defaultdict[int, list[str]] = defaultdict(list)
    for sample, own in kept.iter_rows():
        names[sample].append(own)
    titles = rows["title"].to_list()
    for (row, sample, title, source), plain in zip(numbers.iter_rows(), clean(numbers["title"]), strict=True):
        own = next(filter(None, (_up_to_number(name, (plain, title)) for name in names[sample])), "")
        titles[row] = own or f"{_word_of(os.path.dirname(source))} {title}".strip()
    return pl.Series("title", titles, pl.String)


def _up_to_number(name: str, numbers: tuple[str, str]) -> str:
    """Return a name up to the number in it, without a word that was put behind; "" if the number is not there."""
    either = "|".join(map(re.escape, numbers))
    match = re.match(rf"(?:.*[_ -])?(?:{either})(?=_[^_]|$)", name, re.DOTALL)
    return match[0] if match else ""


@lru_cache(4096)
def _word_of(folder: str) -> str:
    """Return the name of the nearest folder that has a letter."""
    return next((name for name in reversed(folder.split("/")) if any(char.isalpha() for char in name)), "")


def tree_folders(sources: pl.Series, root: str, clean: CleanNames, audio_format: AudioFormat) -> pl.Series:
    """Return the folder of each source below ``root``, or below what all sources have in common, with clean names."""
    places = sources.str.extract(r"(?s)^(.*)/").fill_null("")
    distinct = places.unique()
    base = _common_root(distinct, root)
    parts = {place: [name for name in place.removeprefix(base).split("/") if name] for place in distinct}
    names = pl.Series("name", sorted({name for below in parts.values() for name in below}), pl.String)
    cleaned = dict(zip(names, (_as_folder(name, audio_format) for name in clean(names)), strict=True))
    return places.replace_strict(distinct, [_join(below, cleaned) for below in parts.values()], return_dtype=pl.String)


def _common_root(places: pl.Series, root: str) -> str:
    inside = os.path.join(root, "")
    # A file in the root of all has no place before its slash.
    some = [place for place in places if place]
    if root and all(place == root or place.startswith(inside) for place in some):
        return root
    return os.path.commonpath(some) if some and all(place.startswith("/") for place in places) else ""


def _as_folder(name: str, audio_format: AudioFormat) -> str:
    """Return a folder's name that is not one that a file gets."""
    return f"{name}_" if name.lower().endswith((f".{audio_format}", "_metadata.txt")) else name or "folder"


def _join(names: list[str], cleaned: Mapping[str, str]) -> str:
    folders = [cleaned[name] for name in names]
    while folders and len("/".join(folders).encode()) > MOST_BYTES:
        folders = folders[1:]
    return "/".join(folders)
