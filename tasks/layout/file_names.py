"""Make names that the device shows and plays, and that a card can hold.

Pure. All functions take and give a whole column of Strings: only distinct names are looked at, and only those that are
not ASCII leave Polars.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import partial

import polars as pl
from anyascii import anyascii

from config.device import NAME_BYTES, RESERVED_NAMES
from schemas.music import TITLE_EXTENSIONS, extension_pattern

# Room for `_metadata.txt`, the longest thing that is put after a stem.
STEM_BYTES = NAME_BYTES - len("_metadata.txt")
_TITLE_EXTENSION = extension_pattern(TITLE_EXTENSIONS)

# In this order. `F#m` is another key than `Fm`, so a sharp is spelt out; `#3` is a number; `90.5` is not `905`.
_REPLACEMENTS = (
    (r"['`]", ""),
    (r"_", " "),
    (r"(^|[^0-9A-Za-z])#([0-9])", "${1}no${2}"),
    (r"#", "sharp"),
    (r"&", " and "),
    (r"\+", " plus "),
    (r"@", " at "),
    (r"%", " percent "),
    (r"[^0-9A-Za-z-]", "_"),
    (r"_*-[_-]*", "-"),
    (r"_+", "_"),
)
# Windows takes a device's name with any extension for the device.
RESERVED_START = "(?i)^((?:" + "|".join(map(re.escape, sorted(RESERVED_NAMES))) + r") *(?:\.|$))"
_ASCII = r"^[\x00-\x7f]*$"
_UNSAFE = r'[\x00-\x1f\x7f/\\:*?"<>|]'
# Symbols that stand for a sound or a word (sharp, flat, quotes, dashes); other symbols and emoji are decoration.
_MUSICAL = str.maketrans(
    {"\u266f": "#", "\u266d": "b", "\uff03": "#", "\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": "-"}
)


def sanitize_names(names: pl.Series, max_bytes: int = STEM_BYTES) -> pl.Series:
    """Reduce titles to ``[a-z0-9_-]``: transliterated, without an audio extension, and with no dash in front.

    Args:
        names: Titles or file names (String).
        max_bytes: The longest name. Of a longer one the end is kept.

    Returns:
        A name for each; "" where no word is left.
    """
    return _map_distinct(names, partial(_sanitize, max_bytes=max_bytes))


def make_names_safe(names: pl.Series, max_bytes: int = STEM_BYTES) -> pl.Series:
    """Keep titles as they are, except for what no file system takes: separators, control characters, reserved names, length.

    Args:
        names: Titles (String).
        max_bytes: The longest name in UTF-8. Of a longer one the end is kept.
    """
    return _map_distinct(names, lambda distinct: distinct.map_elements(partial(_make_safe, max_bytes=max_bytes), pl.String))


def fold_names(names: pl.Series) -> pl.Series:
    """Fold names as a card compares them: without case, and with accents composed."""
    if names.str.contains(_ASCII).all():
        return names.str.to_lowercase()
    return names.map_elements(_fold, pl.String)


def _fold(name: str) -> str:
    for _ in range(2):  # folding can compose what folds once more (Unicode, 3.13 D146)
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())
    return name


def _map_distinct(names: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    distinct = names.unique()
    return names.replace_strict(distinct, change(distinct), return_dtype=pl.String)


def _sanitize(distinct: pl.Series, max_bytes: int) -> pl.Series:
    # Step by step: in one expression Polars would do each step again for every place that it stands in, and call
    # the function of a `when` for ASCII names too.
    stems = distinct.str.replace(_TITLE_EXTENSION, "")
    foreign = stems.filter(~stems.str.contains(_ASCII)).unique()
    stems = stems.replace(foreign, foreign.map_elements(_transliterate, pl.String))
    for pattern, replacement in _REPLACEMENTS:
        stems = stems.str.replace_all(pattern, replacement)
    stems = stems.str.to_lowercase().str.strip_chars("_-")
    long = stems.filter(stems.str.len_bytes() > max_bytes).unique()
    stems = stems.replace(long, _shorten(long, max_bytes))
    reserved = stems.filter(stems.is_in(RESERVED_NAMES)).unique()
    return stems.replace(reserved, "x_" + reserved)


def _shorten(stems: pl.Series, max_bytes: int) -> pl.Series:
    """Keep the end, from a word on: a pack's name stands in front, what tells samples apart behind."""
    return stems.str.tail(max_bytes).str.replace(r"^[^_-]{0,20}[_-]", "").str.strip_chars("_-")


def _transliterate(name: str) -> str:
    spelt = unicodedata.normalize("NFC", name).translate(_MUSICAL)
    words = anyascii("".join(" " if unicodedata.category(c) in ("So", "Sk", "Cf", "Cn", "Co") else c for c in spelt))
    # A title of nothing but emoji becomes their names: better than nothing.
    return words if re.search("[0-9A-Za-z]", words) else anyascii(spelt)


def _make_safe(name: str, max_bytes: int) -> str:
    name = re.sub(_UNSAFE, "_", unicodedata.normalize("NFC", name)).rstrip(". ")
    name = re.sub(r"^[.\- ]", "_", name)
    name = name.encode()[len("x_") - max_bytes :].decode(errors="ignore").lstrip(".- ")
    reserved = name.lower() in RESERVED_NAMES or name.split(".")[0].strip().lower() in RESERVED_NAMES
    return f"x_{name}" if reserved else name
