"""Make names that fit the device's screen: tempo and key in front, then what tells the samples of one folder apart.

Pure.
"""

import re
from itertools import takewhile

import polars as pl

from config.device import RESERVED_NAMES
from tasks.layout.file_names import sanitize_names

# What is cut later may be long now: a pack's name is found in whole names only.
_WHOLE_BYTES = 1_000
# A name that says what it is: `kick`, not `01` or `c2`.
_WORD = "[a-z]{2}"
_END_OF_WORDS = re.compile(r"^(.*[_-])?[^_-]*$")


def split_names(rows: pl.DataFrame) -> pl.DataFrame:
    """Split the name of each row into what must be seen and what may be cut.

    Args:
        rows: Needs ``sample_id`` (Int64), ``title, musical_key, source`` (String) and ``bpm`` (Float64).

    Returns:
        ``head`` (String: tempo and key as in ``120_fsm_``, or "") and ``rest`` (String: the title without its folder's
        common prefix, never empty), in the order of ``rows``.
    """
    names = rows.select("sample_id", "source", stem=sanitize_names(rows["title"], _WHOLE_BYTES)).with_columns(
        folder=pl.col("source").str.extract(r"(?s)^(.*)/").fill_null("")
    )
    rest = _without_prefix(names)
    cells = zip(rows["bpm"], rows["musical_key"], rest, names["sample_id"], strict=True)
    parts = [_split_name(bpm, key, name or f"sample_{sample_id}") for bpm, key, name, sample_id in cells]
    return pl.DataFrame(parts, {"head": pl.String, "rest": pl.String}, orient="row")


def fit_to_screen(max_chars: int) -> pl.Expr:
    """Join ``head``, ``rest`` and ``suffix`` into a name of at most ``max_chars``: words of the rest go, from the front on."""
    return pl.struct("head", "rest", "suffix").map_elements(lambda row: _fit(max_chars, **row), pl.String)


def _without_prefix(names: pl.DataFrame) -> pl.Series:
    """Take the words off the stems that all names of their folder begin with: a pack's name. Something readable remains."""
    ends = names.group_by("folder").agg(low=pl.col("stem").min(), high=pl.col("stem").max())
    prefixes = {folder: _whole_words(_common_prefix(low, high)) for folder, low, high in ends.iter_rows() if low != high}
    while True:
        prefix = pl.col("folder").replace_strict(prefixes, default="", return_dtype=pl.String)
        stems = names.with_columns(rest=pl.col("stem").str.strip_prefix(prefix))
        unreadable = stems.filter(~pl.col("rest").str.contains(_WORD))["folder"].unique()
        bare = [folder for folder in unreadable if prefixes.get(folder)]
        if not bare:
            return stems["rest"]
        prefixes |= {folder: _whole_words(prefixes[folder].rstrip("_-")) for folder in bare}


def _common_prefix(low: str, high: str) -> str:
    """Return what the first and the last of sorted names begin with, and so all of them."""
    return "".join(char for char, _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))


def _whole_words(text: str) -> str:
    """Cut a text to its whole words, with the separator behind them."""
    whole = _END_OF_WORDS.match(text)
    return (whole[1] if whole else "") or ""


def _split_name(bpm: float | None, key: str | None, name: str) -> tuple[str, str]:
    """Return head and rest of a name. A tempo or a key that stands in the name as well is not said twice."""
    tempo = "" if bpm is None else f"{bpm:.2f}".rstrip("0").rstrip(".").replace(".", "_")
    short, long = (sanitize_names(pl.Series([spelt]))[0] for spelt in ((key or "").replace("#", "s"), key or ""))
    alike = ([f"(bpm[_-]?)?{tempo}([_-]?bpm)?"] if tempo else []) + ([f"({short}|{long})"] if short else [])
    rest = name
    for pattern in alike:
        rest = re.sub(f"(?<![a-z0-9]){pattern}(?![a-z0-9])", "", rest)
    rest = re.sub("[_-]*_[_-]*|-+", lambda gap: gap[0][0], rest).strip("_-")
    return "".join(f"{part}_" for part in (tempo, short) if part), rest or name


def _fit(max_chars: int, head: str, rest: str, suffix: str) -> str:
    room = max_chars - len(head) - len(suffix)
    if room < 1:  # an id of so many digits leaves no room for a tempo
        head, room = "", max(max_chars - len(suffix), 1)
    if len(rest) > room:
        cut = rest[-room:]
        whole = re.sub(r"^[^_-]*[_-]+", "", cut) if rest[-room - 1] not in "_-" else cut
        rest = (whole if re.search(_WORD, whole) else cut).strip("_-") or "x"
    name = head + rest + suffix
    return f"x_{name}" if name in RESERVED_NAMES else name
