"""Fold the spellings of one name into one key: names of kits and genres are compared by it, and never shown so.

Pure. Both functions take and give a whole column of Strings, nulls included; give them distinct values.
"""

import unicodedata

import polars as pl

_ASCII = r"^[\x00-\x7f]*$"
_GAPS = r"[\s_]+"
_GAPS_AND_DASHES = r"[\s_\p{Pd}\x{2212}]+"


def fold_kits(names: pl.Series) -> pl.Series:
    """Fold names of kits: case, spaces, ``_``, invisible characters and the Unicode form do not tell two kits apart."""
    return _fold_letters(names).str.replace_all(_GAPS, " ").str.strip_chars(" ")


def fold_genres(names: pl.Series) -> pl.Series:
    """Fold names of genres: as those of kits, and no dash or gap counts: `Hip-Hop`, `hip hop` and `HipHop` are one."""
    return _fold_letters(names).str.replace_all(_GAPS_AND_DASHES, "")


def _fold_letters(names: pl.Series) -> pl.Series:
    foreign = names.filter(~names.str.contains(_ASCII)).unique()
    if len(foreign):
        names = names.replace(foreign, foreign.map_elements(_fold_foreign, pl.String))
    return names.str.to_lowercase()


def _fold_foreign(name: str) -> str:
    """Fold without case, in one Unicode form (Unicode, 3.13 D145), and without characters that nobody sees."""
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold())
