"""Find what deserves a look in the folders of a plan, before anything is written there. Pure."""

from collections.abc import Callable

import polars as pl

from schemas.enums import OrganizeBy
from schemas.music import UNKNOWN_BPM
from schemas.report import Finding
from tasks.layout.paths import UNKNOWN_GENRE, UNKNOWN_KIT

_FOLDERS = {OrganizeBy.GENRE: UNKNOWN_GENRE, OrganizeBy.BPM: UNKNOWN_BPM, OrganizeBy.KIT: UNKNOWN_KIT}
# The share of rows above which it is said. That a sample of a kit layout is in no kit is always worth a word.
_TOO_MANY = {OrganizeBy.GENRE: 0.8, OrganizeBy.BPM: 0.8, OrganizeBy.KIT: 0.0}
# Of fewer rows anybody sees where they go.
_FEWEST_ROWS = 10


def find_unsorted(paths: pl.Series, organize_by: OrganizeBy, fix: str) -> list[Finding]:
    """Find a layout by genre or tempo that sorts hardly anything, since most rows have none; by kit, any row without one.

    Args:
        paths: The path of each row below the output folder.
        organize_by: The layout.
        fix: What to do about it.
    """
    folder = _FOLDERS.get(organize_by)
    unsorted = int(paths.str.starts_with(f"{folder}/").sum()) if folder else 0
    if not folder or len(paths) < _FEWEST_ROWS or unsorted <= _TOO_MANY[organize_by] * len(paths):
        return []
    what = f"{unsorted:,} of {len(paths):,} rows have no {organize_by}, and go to {folder}"
    return [Finding(where=f"layout {organize_by}", what=what, fix=fix)]


def find_same_genres(genres: pl.Series, known: Callable[[str], str]) -> list[Finding]:
    """Find genres of a table that a scan takes for one, in folders of their own: `DnB` and `Drum & Bass`.

    They are not made one: `Neurofunk` beside `Drum & Bass` may be meant.

    Args:
        genres: The genre of each row.
        known: Returns the genre that a name stands for by the vocabulary of scans; "" where it is in none.
    """
    spelt: dict[str, list[str]] = {}
    for name in genres.drop_nulls().unique(maintain_order=True):
        if genre := known(name):
            spelt.setdefault(genre, []).append(name)
    fix = "Write them alike to have one folder; a genre of your own in genres.toml tells them apart."
    return [
        Finding(where=f"genre {names[0]}", what=f"A scan takes {', '.join(names)} for one genre: {genre}", fix=fix)
        for genre, names in spelt.items()
        if len(names) > 1
    ]
