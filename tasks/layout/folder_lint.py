"""Find what deserves a look in the folders of a plan, before anything is written there. Pure."""

from collections.abc import Callable

import polars as pl

from schemas.enums import OrganizeBy
from schemas.music import BANKS, UNKNOWN_BPM
from schemas.report import Finding
from tasks.layout.paths import UNKNOWN_GENRE, UNKNOWN_KIT

_FOLDERS = {OrganizeBy.GENRE: UNKNOWN_GENRE, OrganizeBy.BPM: UNKNOWN_BPM}
_TOO_MANY = 0.8
# Of fewer rows anybody sees where they go.
FEWEST_ROWS = 10


def is_unsorted(unsorted: int, rows: int) -> bool:
    """Return whether a layout has no folder for so many of the rows that it sorts hardly anything."""
    return rows >= FEWEST_ROWS and unsorted > _TOO_MANY * rows


def find_unsorted(paths: pl.Series, organize_by: OrganizeBy, fix: str) -> list[Finding]:
    """Find a layout by genre or tempo that sorts hardly anything, since most rows have none.

    Args:
        paths: The path of each row below the output folder.
        organize_by: The layout.
        fix: What to do about it.
    """
    folder = _FOLDERS.get(organize_by)
    unsorted = int(paths.str.starts_with(f"{folder}/").sum()) if folder else 0
    if not folder or not is_unsorted(unsorted, len(paths)):
        return []
    what = f"{unsorted:,} of {len(paths):,} rows have no {organize_by}, and go to {folder}"
    return [Finding(where=f"layout {organize_by}", what=what, fix=fix)]


def find_without_kit(paths: pl.Series, fix: str) -> list[Finding]:
    """Find the rows of a layout by kit that are in none: they stand beside the kits, in a folder of their own.

    Args:
        paths: The path of each row below the output folder.
        fix: What to do about it.
    """
    number = int(paths.str.starts_with(f"{UNKNOWN_KIT}/").sum())
    what = f"{'has' if number == 1 else 'have'} no kit, and go{'es' if number == 1 else ''} to {UNKNOWN_KIT}"
    return [Finding(where="layout kit", what=f"{number:,} of {len(paths):,} rows {what}", fix=fix)] if number else []


def find_shared_pads(paths: pl.Series, others: pl.Series, place: str) -> list[Finding]:
    """Find pads of kits that have a file of another manifest already: a bank that is taken in its order has two for one pad.

    Args:
        paths: The path of each row below the output folder, laid out by kit.
        others: Paths of other manifests' files there, or on the card.
        place: Where that is, in words.
    """
    pad = pl.col("path").str.extract(f"^(.*/bank_[{BANKS[0]}-{BANKS[-1]}]/pad_[0-9]+)_").alias("pad")
    of_others = others.alias("path").to_frame().with_columns(pad).drop_nulls()
    ours = paths.alias("path").to_frame().with_columns(pad).drop_nulls()
    shared = of_others.join(ours, on="pad", how="semi").join(ours, on="path", how="anti").sort("path")
    if shared.is_empty():
        return []
    pads, kit = shared["pad"].n_unique(), shared["pad"][0].split("/")[0]
    has = "1 pad has" if pads == 1 else f"{pads:,} pads have"
    what = f"{has} a sample of another manifest's kit {place} already, and would have two, such as {shared['path'][0]}"
    fix = (
        "Leave one of them out; or rename the kit in the column kit of its table, where an export with --prune then removes its"
        " old files."
    )
    return [Finding(where=f"kit {kit}", what=what, fix=fix)]


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
