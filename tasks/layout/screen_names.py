"""Make names that fit the device's screen: tempo and key in front, then what tells the samples of one folder apart.

Pure.
"""

import re
from functools import lru_cache
from itertools import takewhile

import polars as pl

from config.device import RESERVED_NAMES
from schemas.instruments import CODES, ROLE_OF, find_instrument_word, split_glued
from tasks.layout.file_names import sanitize_names

# What is cut later may be long now: a pack's name is found in whole names only.
_WHOLE_BYTES = 1_000
# A name that says what it is: `kick`, not `01` or `c2`.
_WORD = "[a-z]{2}"
_WORDS = re.compile(r"[^_-]+")
# A kit's slot, a tempo, and a key: what stands in front of a name.
_HEAD = re.compile(r"(pad_\d\d_)?((?:\d+_)*)(.*)", re.DOTALL)
# A key as it is spelt in tables, and how sanitized names spell its parts.
_KEY = re.compile(r"([A-G])([#b]?)(m|maj)")
_SIGNS = {"": "", "#": "(s|[_-]?sharp)", "b": "(b|[_-]?flat)"}
_MODES = {"m": "(m|[_-]?min(or)?)", "maj": "[_-]?maj(or)?"}
_END_OF_WORDS = re.compile(r"^(.*[_-])?[^_-]*$")


def split_names(rows: pl.DataFrame) -> pl.DataFrame:
    """Split the name of each row into what must be seen and what may be cut.

    Args:
        rows: Needs ``sample_id`` (Int64), ``title, musical_key, source`` (String) and ``bpm`` (Float64).

    Returns:
        ``head`` (String: tempo and key as in ``120_fsm_``, or ""), ``rest`` (String: the title without its folder's
        common prefix, never empty) and ``instrument`` (String: its word in the title, or ""), in the order of ``rows``.
    """
    words = [find_instrument_word(title) for title in rows["title"]]
    names = rows.select(
        "sample_id",
        "source",
        stem=sanitize_names(rows["title"], _WHOLE_BYTES),
        instrument=sanitize_names(pl.Series(words, dtype=pl.String)),
    ).with_columns(folder=pl.col("source").str.extract(r"(?s)^(.*)/").fill_null(""))
    rest = _without_prefix(names)
    cells = zip(rows["bpm"], rows["musical_key"], rest, names["sample_id"], strict=True)
    parts = [_split_name(bpm, key, name or f"sample_{sample_id}") for bpm, key, name, sample_id in cells]
    split = pl.DataFrame(parts, {"head": pl.String, "rest": pl.String}, orient="row")
    return split.with_columns(names["instrument"])


def fit_to_screen(max_chars: int) -> pl.Expr:
    """Join ``head``, ``rest`` and ``suffix`` into a name of at most ``max_chars``: words of the rest go, from the front on.

    The word of the ``instrument`` stays: key and tempo go before it does.
    """
    return pl.struct("head", "rest", "suffix", "instrument").map_elements(lambda row: _fit(max_chars, **row), pl.String)


def _without_prefix(names: pl.DataFrame) -> pl.Series:
    """Take the words off the stems that all names of their folder begin with: a pack's name. The instrument's word remains."""
    ends = names.group_by("folder").agg(
        low=pl.col("stem").min(), high=pl.col("stem").max(), instruments=pl.col("instrument").unique()
    )
    prefixes = {
        folder: _before_instrument(_whole_words(_common_prefix(low, high)), instruments)
        for folder, low, high, instruments in ends.iter_rows()
        if low != high
    }
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


def _is_instrument(word: str) -> bool:
    """Return whether a word, or one that is glued into it, is an instrument's or a drum machine's code."""
    return word in CODES or any(part in ROLE_OF for part in split_glued(word.strip("0123456789")))


def _before_instrument(prefix: str, instruments: list[str]) -> str:
    """Cut a prefix of whole words before the first that names an instrument."""
    own = tuple(filter(None, instruments))
    named = (match for match in _WORDS.finditer(prefix) if _is_instrument(match[0]) or any(word in match[0] for word in own))
    return prefix[: next((match.start() for match in named), len(prefix))]


@lru_cache(1024)
def _spell_key(key: str) -> tuple[str, str]:
    """Return a key as names spell it, `fsm`, and a pattern of all its spellings there: `fsharpm`, `f_sharp_minor`."""
    short, long = sanitize_names(pl.Series([key.replace("#", "s"), key]))
    spellings = [short, long]
    if written := _KEY.fullmatch(key):
        spellings.append(written[1].lower() + _SIGNS[written[2]] + _MODES[written[3]])
    return short, f"({'|'.join(spellings)})"


def _split_name(bpm: float | None, key: str | None, name: str) -> tuple[str, str]:
    """Return head and rest of a name. A tempo or a key that stands in the name as well is not said twice."""
    tempo = "" if bpm is None else f"{bpm:.2f}".rstrip("0").rstrip(".").replace(".", "_")
    short, spellings = _spell_key(key or "")
    alike = ([f"(bpm[_-]?)?{tempo}([_-]?bpm)?"] if tempo else []) + ([spellings] if short else [])
    rest = name
    for pattern in alike:
        rest = re.sub(f"(?<![a-z0-9]){pattern}(?![a-z0-9])", "", rest)
    rest = re.sub("[_-]*_[_-]*|-+", lambda gap: gap[0][0], rest).strip("_-")
    return "".join(f"{part}_" for part in (tempo, short) if part), rest or name


def _fit(max_chars: int, head: str, rest: str, suffix: str, instrument: str) -> str:
    name = head + rest + suffix
    if len(name) > max_chars:
        name = _fit_instrument(max_chars, head, rest, suffix, instrument) or _fit_end(max_chars, head, rest, suffix)
    return f"x_{name}" if name in RESERVED_NAMES else name


def _fit_end(max_chars: int, head: str, rest: str, suffix: str) -> str:
    """Cut the rest from the front on."""
    room = max_chars - len(head) - len(suffix)
    if room < 1:  # an id of so many digits leaves no room for a tempo
        head, room = "", max(max_chars - len(suffix), 1)
    return head + (_cut_front(rest, room) if len(rest) > room else rest) + suffix


def _fit_instrument(max_chars: int, head: str, rest: str, suffix: str, instrument: str) -> str:
    """Shorten the rest around its instrument's word; without room for that, the key goes, then the tempo. "" if none fits."""
    slot, tempo, _ = _HEAD.fullmatch(head).groups(default="")  # type: ignore[union-attr]  # it matches any text
    for front in dict.fromkeys((head, slot + tempo, slot)):
        room = max_chars - len(front) - len(suffix)
        short = rest if len(rest) <= room else _shorten_around_instrument(rest, room, instrument)
        if short:
            return front + short + suffix
    return ""


def _cut_front(rest: str, room: int) -> str:
    cut = rest[-room:]
    whole = re.sub(r"^[^_-]*[_-]+", "", cut) if rest[-room - 1] not in "_-" else cut
    return (whole if re.search(_WORD, whole) else cut).strip("_-") or "x"


def _shorten_around_instrument(rest: str, room: int, instrument: str) -> str:
    """Drop words in front of the last instrument's word, then those behind it; "" if there is none, or no room for it."""
    words, gaps = _WORDS.findall(rest), [*_WORDS.split(rest)[1:-1], ""]
    own = [place for place, word in enumerate(words) if instrument and instrument in word]
    at = max(own or (place for place, word in enumerate(words) if _is_instrument(word)), default=None)
    if at is None:
        return ""
    behind = [gap + word for gap, word in zip(gaps[at:], words[at + 1 :], strict=False)]
    fronts = ["".join(map("".join, zip(words[first:at], gaps[first:at], strict=True))) for first in range(at + 1)]
    whole = [front + words[at] + "".join(behind) for front in fronts]
    cores = _unglued(words[at], instrument)
    bare = [core + "".join(behind[first:]) for first in range(len(behind) + 1) for core in cores]
    return next((name for name in [*whole, *bare, instrument if own else ""] if len(name) <= room), "")


def _unglued(word: str, instrument: str) -> list[str]:
    """Return a word from the instrument in it on, as `rimshot` of `pearlsnarerimshot`, then the instrument alone."""
    if word.strip("0123456789") in ROLE_OF:
        return [word]
    if instrument and instrument in word:
        return list(dict.fromkeys((word[word.rindex(instrument) :], instrument)))
    parts = split_glued(word)
    first = next((at for at, part in enumerate(parts) if part in ROLE_OF), 0)
    return ["".join(parts[first:]) if len(parts) > 1 else word]
