"""Names that fit the device's screen: tempo and key in front, then what tells the samples of one folder apart. Pure."""

import re
from itertools import takewhile

import polars as pl

from config.device import RESERVED_NAMES
from tasks.layout.file_names import sanitized

# What is cut later may be long now: a pack's name is found in whole names only.
_WHOLE_BYTES = 1_000
# A name that says what it is: `kick`, not `01` or `c2`.
_WORD = "[a-z]{2}"
_END_OF_WORDS = re.compile(r"^(.*[_-])?[^_-]*$")


def split(rows: pl.DataFrame) -> pl.DataFrame:
    """``head`` (tempo and key: ``120_fsm_``, or nothing) and ``rest`` (the title without its folder's common prefix) of rows.

    ``rows`` needs ``sample_id, title, bpm, musical_key, source``.
    """
    names = rows.select("sample_id", "source", stem=sanitized(rows["title"], _WHOLE_BYTES)).with_columns(
        folder=pl.col("source").str.extract(r"^(.*)/").fill_null("")
    )
    rest = _without_prefix(names)
    told = zip(rows["bpm"], rows["musical_key"], rest, names["sample_id"], strict=True)
    parts = [_split(bpm, key, name or f"sample_{number}") for bpm, key, name, number in told]
    return pl.DataFrame(parts, {"head": pl.String, "rest": pl.String}, orient="row")


def fitted(most_chars: int) -> pl.Expr:
    """``head``, ``rest`` and ``suffix`` in one name of so many characters: words of the rest go from the front on."""
    return pl.struct("head", "rest", "suffix").map_elements(lambda row: _fitted(most_chars, **row), pl.String)


def _without_prefix(names: pl.DataFrame) -> pl.Series:
    """The stems without the words that all names of their folder begin with: a pack's name. Something readable remains."""
    ends = names.group_by("folder").agg(low=pl.col("stem").min(), high=pl.col("stem").max())
    prefixes = {folder: _words(_common(low, high)) for folder, low, high in ends.iter_rows() if low != high}
    while True:
        prefix = pl.col("folder").replace_strict(prefixes, default="", return_dtype=pl.String)
        found = names.with_columns(rest=pl.col("stem").str.strip_prefix(prefix))
        unreadable = found.filter(~pl.col("rest").str.contains(_WORD))["folder"].unique()
        bare = [folder for folder in unreadable if prefixes.get(folder)]
        if not bare:
            return found["rest"]
        prefixes |= {folder: _words(prefixes[folder].rstrip("_-")) for folder in bare}


def _common(low: str, high: str) -> str:
    """What the first and the last of many names begin with, and so all of them."""
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))


def _words(text: str) -> str:
    """Its whole words, with the separator behind them."""
    whole = _END_OF_WORDS.match(text)
    return (whole[1] if whole else "") or ""


def _split(bpm: float | None, key: str | None, name: str) -> tuple[str, str]:
    """Head and rest of one name. A tempo or a key that stands in the name as well is not said twice."""
    tempo = "" if bpm is None else f"{bpm:.2f}".rstrip("0").rstrip(".").replace(".", "_")
    short, long = (sanitized(pl.Series([spelt]))[0] for spelt in ((key or "").replace("#", "s"), key or ""))
    alike = ([f"(bpm[_-]?)?{tempo}([_-]?bpm)?"] if tempo else []) + ([f"({short}|{long})"] if short else [])
    rest = name
    for pattern in alike:
        rest = re.sub(f"(?<![a-z0-9]){pattern}(?![a-z0-9])", "", rest)
    rest = re.sub("[_-]*_[_-]*|-+", lambda gap: gap[0][0], rest).strip("_-")
    return "".join(f"{part}_" for part in (tempo, short) if part), rest or name


def _fitted(most_chars: int, head: str, rest: str, suffix: str) -> str:
    room = most_chars - len(head) - len(suffix)
    if room < 1:  # an id of so many digits leaves no room for a tempo
        head, room = "", max(most_chars - len(suffix), 1)
    if len(rest) > room:
        cut = rest[-room:]
        whole = re.sub(r"^[^_-]*[_-]+", "", cut) if rest[-room - 1] not in "_-" else cut
        rest = (whole if re.search(_WORD, whole) else cut).strip("_-") or "x"
    name = head + rest + suffix
    return f"x_{name}" if name in RESERVED_NAMES else name
