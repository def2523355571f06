"""Read tempo and key in names. A wrong value is worse than none: what can be read in two ways is not read."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from schemas.instruments import split_camel_case, split_music, split_words
from schemas.music import LOOP_BPM_MAX, LOOP_BPM_MIN, beats_in, normalize_key
from schemas.scan_values import Guess
from tasks.scan import vocabulary
from tasks.scan.kinds import drums_in, says_loop, says_shot

# Bare numbers outside of this are indices more often than tempi.
_BARE_MIN, _BARE_MAX = 60.0, 200.0
_MIN_BEATS = 4
# A folder's name is read for each of its files: so many names are remembered.
_FOLDERS = 1024
_DASHES = re.compile("[\u2010-\u2015]")
_NUMBER = r"(?:[1-9]\d{1,2}[.,]\d{1,2}|0?[1-9]\d|[1-9]\d{2,3}|\d)"
_BPM = r"(?<![a-z])bpm(?![a-z])"
_BEFORE = re.compile(rf"(?<![\d])(?<!\d[.,])({_NUMBER})([ \t_-]*)(?=bpm(?![a-z]))", re.IGNORECASE)
_AFTER = re.compile(rf"{_BPM}([ \t_.:=-]*)({_NUMBER})(?![a-z\d]|[.,]\d)", re.IGNORECASE)
_RANGE_BEFORE = re.compile(r"(\d{2,3})\s*(?:-|~|/|\+|&|\bto\b|\band\b)\s*\d{2,3}(?:[.,]\d+)?[ \t_-]*bpm", re.IGNORECASE)
# `90_110bpm`: a range, where nothing stands in front; `drum_100_120bpm` is the hundredth at 120.
_RANGE_ALONE = re.compile(r"(\d{2,3})[ _](\d{2,3})[ _-]*bpm(?![a-z])", re.IGNORECASE)
_RANGE_AFTER = re.compile(rf"{_BPM}[ \t_.:=-]*(\d{{2,3}})\s*(?:-|~|/|\bto\b)\s*(\d{{2,3}})", re.IGNORECASE)
_ANY_BPM = re.compile(rf"{_BPM}|\dbpm(?![a-z])", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d[-_. ]\d\d?[-_. ]\d\d?|\d\d?[-_.]\d\d?[-_.](?:\d{4}|\d\d))(?!\d)")
_TOKEN = re.compile(r"[^\s_()\[\]{}+;&~=@!-]+")
_BARE = re.compile(r"[1-9]\d{1,2}(?:[.,]\d{1,2})?")
# `breaks125`: the tempo of all in that folder, or the number of one.
_GLUED = re.compile(r"([^\W\d_]+)([1-9]\d{1,2})")
_MODEL = re.compile(r"[A-Z]{1,4}-")

_ACCIDENTALS = {"♭": "b", "flat": "b", "♯": "#", "sharp": "#", "s": "#"}
_KEY = re.compile(
    r"(?<![A-Za-z0-9#])([A-G])"
    r"(#|♯|b|♭|s(?=[ _-]?(?:[Mm][Aa][Jj]|[Mm][Ii][Nn]))|[ _-]?(?:[Ss][Hh][Aa][Rr][Pp]|[Ff][Ll][Aa][Tt]))?"
    r"(?:(m)|([ _-]{0,3})((?i:major|minor|maj|min)))(?![A-Za-z0-9#])"
)
# German: `H-Moll`, `Fis-Dur`, `a-moll`. A small root needs its hyphen.
_GERMAN_KEY = re.compile(r"(?<![A-Za-z0-9#])((?:[A-H](?:is|es|s)?[ _-]?|[a-h](?:is|es|s)?-))((?i:dur|moll))(?![A-Za-z0-9#])")
# Mixed In Key puts its code and the tempo in front of a title or behind it: `8A - 124 - Title`. A code elsewhere can be a
# take, a side or a variant: `Loop 01A 128 bpm`.
_WHEEL_BESIDE_TEMPO = re.compile(
    r"(?:^|\s-\s)(?:(\d\d?[AB])\s-\s\d{2,3}(?:\s?(?i:bpm))?|\d{2,3}(?:\s?(?i:bpm))?\s-\s(\d\d?[AB]))(?=\s-\s|$)"
)
# `H minor` is German, and no other key.
_KEY_OF_H = re.compile(r"(?<![A-Za-z0-9#])H[ _-]?((?i:minor|major))(?![A-Za-z0-9#])")
_UNUSED = frozenset(["Cb", "Fb", "E#", "B#"])
_CHORD = re.compile(r"[A-G](?:#|b)?(?:m|maj|min|dim|aug|sus|add|\d|#)*")
_HOURS = re.compile(r"[1-9]|1[0-2]")
# Behind these it is "them"; and before these a chord or an interval.
_EM = frozenset("get got call let hit kill beat make shake rock drop show tell give".split())
_OF_CHORDS = re.compile(r"6|7|9|11|13|\d+(?:st|nd|rd|th)")
_NAMED_BY_I = frozenset("i who what where here there".split())


@dataclass(frozen=True)
class TempoReading:
    """The tempo that one name states.

    Attributes:
        guess: The tempo; None where it says none.
        settled: It says something that cannot be believed, so that names of folders should not be, either.
    """

    guess: Guess | None = None
    settled: bool = False


@lru_cache(4 * _FOLDERS)
def normalize(text: str) -> str:
    """Give one spelling to letters, digits and dashes that look alike, as full-width ones do."""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", text))


def find_tempo_in_name(name: str, seconds: float | None) -> TempoReading:
    """Find the tempo in the stem of a file's name; ``seconds``: how long the sound lasts, if that is known."""
    reading = find_written_tempo(name)
    if reading.guess or reading.settled:
        return reading
    return TempoReading(_bare_tempo(name, seconds))


def find_tempo_in_folder(name: str, seconds: float | None) -> TempoReading:
    """Find the tempo in a folder's name: a number alone if it fits ``seconds``; in a longer name only with the word BPM."""
    reading = find_written_tempo(name)
    if reading.guess:
        return TempoReading(Guess(reading.guess.value, "folder", 0.8), settled=True)
    number = _only_number(name.strip())
    if not reading.settled and seconds and number:
        bpm = _float(number)
        if _BARE_MIN <= bpm <= _BARE_MAX and beats_in(seconds, bpm, _MIN_BEATS):
            return TempoReading(Guess(_text(bpm), "folder", 0.75))
    return reading


def find_numbers(stem: str, folders: list[str]) -> set[float]:
    """Return the numbers of a name that can be tempi; where it has none, those of the nearest of two folders that has some."""
    found = ({number.bpm for number in _bare_numbers(_DATE.sub(" ", normalize(name)))} for name in (stem, *folders[:2]))
    return next(filter(None, found), set())


@lru_cache(_FOLDERS)
def find_written_tempo(name: str) -> TempoReading:
    """Find the number with the word BPM beside it; none where there are several or a range."""
    if "bpm" not in name.lower():
        return TempoReading()
    name = split_camel_case(name)
    if not _ANY_BPM.search(name):
        return TempoReading()
    if _states_range(name):
        return TempoReading(settled=True)
    before = {match.end(): (_float(match[1]), not match[2]) for match in _BEFORE.finditer(name)}
    after = {match.start(): _float(match[2]) for match in _AFTER.finditer(name)}
    tempi = set()
    for at in {*before, *after}:
        numbers = [before[at][0]] if at in before and _in_range(before[at][0]) else []
        attached = at in before and before[at][1]
        if at in after and _in_range(after[at]) and not (numbers and attached):
            numbers.append(after[at])
        if len(set(numbers)) > 1:
            return TempoReading(settled=True)
        tempi.update(numbers)
    if len(tempi) == 1:
        return TempoReading(Guess(_text(tempi.pop()), "name", 0.95))
    return TempoReading(settled=bool(tempi) or any(c.isdigit() for c in name))


def _states_range(name: str) -> bool:
    """Return whether a name states a range of tempi."""
    before = (match[1] for match in _RANGE_BEFORE.finditer(name))
    alone = _RANGE_ALONE.match(name.strip())
    return (
        any(not first.startswith("0") and _in_range(float(first)) for first in before)
        or (alone is not None and _BARE_MIN <= float(alone[1]) < float(alone[2]) <= _BARE_MAX)
        or _RANGE_AFTER.search(name) is not None
    )


def _bare_tempo(name: str, seconds: float | None) -> Guess | None:
    """Find the only number of a name that can be a tempo, if the length or the word loop speaks for it."""
    words = split_music(name)
    loops = says_loop(words)
    numbers = _bare_numbers(_DATE.sub(" ", name))
    if not loops and (drums_in(words) or says_shot(words)):
        numbers = [number for number in numbers if number.beside_key or number.in_brackets]  # `122_Gm_Stab`, `Percussion[120]`
    if seconds:
        least = [2 if loops and not number.is_glued else _MIN_BEATS for number in numbers]
        fitting = {number.bpm for number, beats in zip(numbers, least, strict=True) if beats_in(seconds, number.bpm, beats)}
        if len(fitting) == 1:
            return Guess(_text(fitting.pop()), "name", 0.9 if loops else 0.75)
    if len({number.bpm for number in numbers}) != 1 or not loops:
        return None
    number = numbers[0]
    if number.beside_key:
        return Guess(_text(number.bpm), "name", 0.8)
    if seconds or number.may_be_index or number.in_prose:
        return Guess(_text(number.bpm), "name", 0.5)
    return Guess(_text(number.bpm), "name", 0.7)


@dataclass(frozen=True)
class _Number:
    """A number of a name that could be a tempo.

    Attributes:
        bpm: The number.
        beside_key: A key stands next to it, as in `128_Am`.
        may_be_index: It follows the word loop.
        in_prose: It stands between two words and spaces, where it may belong to a title.
        is_glued: It is part of the word loop or break.
        in_brackets: It stands in square brackets, as Maschine writes a tempo.
    """

    bpm: float
    beside_key: bool
    may_be_index: bool
    in_prose: bool
    is_glued: bool
    in_brackets: bool


def _bare_numbers(name: str) -> list[_Number]:
    """List the numbers that stand alone in a name, do not belong to machines, units and counts, and could be a tempo."""
    tokens = list(_TOKEN.finditer(name))
    numbers = []
    for at, token in enumerate(tokens):
        text = token[0].strip(".,")
        glued = _glued_number(text)
        text = glued or text
        if not _BARE.fullmatch(text) or not _BARE_MIN <= _float(text) <= _BARE_MAX:
            continue
        before = tokens[at - 1][0].strip(".,:") if at else ""
        behind = tokens[at + 1][0].strip(".,:") if at + 1 < len(tokens) else ""
        hyphened = name[: token.start()].endswith("-") and _MODEL.fullmatch(before + "-") is not None
        last = split_words(before)[-1:]
        # `Kit01_120`: the kit has its number already.
        named = bool(last) and not before[-1].isdigit() and (last[0] in vocabulary.COUNTED or last[0] in vocabulary.MACHINES)
        if hyphened or named or behind.lower() in vocabulary.UNITS:
            continue
        keyed = any(_KEY.fullmatch(near) is not None for near in (before, behind))
        index = bool(last) and last[0] in vocabulary.LOOP | vocabulary.BREAK | vocabulary.PHRASE
        bracketed = name[token.start() - 1 : token.start()] + name[token.end() : token.end() + 1] == "[]"
        in_prose = (
            bool(before and behind) and name[token.start() - 1 : token.start()] + name[token.end() : token.end() + 1] == "  "
        )
        numbers.append(_Number(_float(text), keyed, index or bool(glued), in_prose, bool(glued), bracketed))
    return numbers


def _only_number(text: str) -> str:
    """Return the number that is all of a name, but for the word loop or break in front of it."""
    return text if _BARE.fullmatch(text) else _glued_number(text)


def _glued_number(text: str) -> str:
    """Return the number behind the word loop or break, without a gap; "" where there is none."""
    match = _GLUED.fullmatch(text)
    return match[2] if match and match[1].lower() in vocabulary.LOOP | vocabulary.BREAK | vocabulary.AMEN else ""


@lru_cache(_FOLDERS)
def find_key(name: str) -> str:
    """Find the only key in a name, spelt `Am`, `F#m`, `Bbmaj`; else "". Chords, notes and progressions are not keys."""
    keys = {normalize_key(f"{root.strip(' _-')}-{mode}") for root, mode in _GERMAN_KEY.findall(name)}
    keys |= {normalize_key(f"H-{mode}") for mode in _KEY_OF_H.findall(name)}
    keys |= {normalize_key(front or behind) for front, behind in _WHEEL_BESIDE_TEMPO.findall(name)} - {""}
    for match in _KEY.finditer(name):
        root, accidental, minor, gap, mode = match.groups()
        accidental = (accidental or "").strip(" _-").lower()
        root += _ACCIDENTALS.get(accidental, accidental)
        key = root + ("m" if minor or mode.lower().startswith("min") else "maj")
        if root in _UNUSED:
            continue
        before, behind = _neighbours(name, match.start(), match.end())
        if _is_chord(before) or _is_chord(behind) or "chord" in (before.lower(), behind.lower()):
            if _KEY.fullmatch(before) or _KEY.fullmatch(behind):  # two keys; the same one twice is one
                keys.add(key)
                continue
            return ""
        if match[0] == "Am" and (before.lower() in _NAMED_BY_I or behind.lower() == "i" or _HOURS.fullmatch(before)):
            continue
        if (match[0] == "Em" and before.lower() in _EM) or (mode and _OF_CHORDS.fullmatch(behind)):
            continue
        if gap and before.lower() in vocabulary.LETTERED:
            continue
        is_article = root == "A" and gap and behind and not behind[0].isdigit()
        if is_article and split_words(behind)[:1] and split_words(behind)[0] not in vocabulary.MUSIC:
            continue
        keys.add(key)
    return keys.pop() if len(keys) == 1 else ""


def _neighbours(name: str, start: int, end: int) -> tuple[str, str]:
    """Return the tokens in front of and behind a part of a name; "" where there is none."""
    before, behind = _TOKEN.findall(name[:start]), _TOKEN.findall(name[end:])
    return (before[-1] if before else ""), (behind[0] if behind else "")


def _is_chord(token: str) -> bool:
    return _CHORD.fullmatch(token) is not None


def _in_range(bpm: float) -> bool:
    return LOOP_BPM_MIN <= bpm <= LOOP_BPM_MAX


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _text(bpm: float) -> str:
    return f"{bpm:g}"
