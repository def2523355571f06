"""Tempo, key and kind as names tell them. A wrong value is worse than none: what can be read in two ways is not read."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from schemas.music import LOOP_BPM_MAX, LOOP_BPM_MIN, beats_in
from schemas.scan import Guess
from tasks.scan import vocabulary

# Bare numbers outside of this are indices more often than tempi.
_BARE_MIN, _BARE_MAX = 60.0, 200.0
_LEAST_BEATS = 4
# What a folder tells is asked for each of its files.
_FOLDERS = 1024
_DASHES = re.compile("[\u2010-\u2015]")
_NUMBER = r"(?:[1-9]\d{1,2}[.,]\d{1,2}|0?[1-9]\d|[1-9]\d{2,3}|\d)"
_BPM = r"(?<![a-z])bpm(?![a-z])"
_BEFORE = re.compile(rf"(?<![\d])(?<!\d[.,])({_NUMBER})([ \t_-]*)(?=bpm(?![a-z]))", re.IGNORECASE)
_AFTER = re.compile(rf"{_BPM}([ \t_.:=-]*)({_NUMBER})(?![a-z\d]|[.,]\d)", re.IGNORECASE)
_RANGE_BEFORE = re.compile(r"(\d{2,3})\s*(?:-|~|/|\+|&|\bto\b|\band\b)\s*\d{2,3}(?:[.,]\d+)?[ \t_-]*bpm", re.IGNORECASE)
_RANGE_AFTER = re.compile(rf"{_BPM}[ \t_.:=-]*(\d{{2,3}})\s*(?:-|~|/|\bto\b)\s*(\d{{2,3}})", re.IGNORECASE)
_ANY_BPM = re.compile(rf"{_BPM}|\dbpm(?![a-z])", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d[-_. ]\d\d?[-_. ]\d\d?|\d\d?[-_.]\d\d?[-_.](?:\d{4}|\d\d))(?!\d)")
_TOKEN = re.compile(r"[^\s_()\[\]{}+;&~=@!-]+")
_BARE = re.compile(r"[1-9]\d{1,2}(?:[.,]\d{1,2})?")
_MODEL = re.compile(r"[A-Z]{1,4}-")

_ACCIDENTALS = {"♭": "b", "flat": "b", "♯": "#", "sharp": "#", "s": "#"}
_KEY = re.compile(
    r"(?<![A-Za-z0-9#])([A-G])"
    r"(#|♯|b|♭|s(?=[ _-]?(?:[Mm][Aa][Jj]|[Mm][Ii][Nn]))|[ _-]?(?:[Ss][Hh][Aa][Rr][Pp]|[Ff][Ll][Aa][Tt]))?"
    r"(?:(m)|([ _-]{0,3})((?i:major|minor|maj|min)))(?![A-Za-z0-9#])"
)
_UNUSED = frozenset(["Cb", "Fb", "E#", "B#"])
_CHORD = re.compile(r"[A-G](?:#|b)?(?:m|maj|min|dim|aug|sus|add|\d|#)*")
_HOURS = re.compile(r"[1-9]|1[0-2]")
# Behind these it is "them"; and before these a chord or an interval.
_EM = frozenset("get got call let hit kill beat make shake rock drop show tell give".split())
_OF_CHORDS = re.compile(r"6|7|9|11|13|\d+(?:st|nd|rd|th)")
_NAMED_BY_I = frozenset("i who what where here there".split())


@dataclass(frozen=True)
class Read:
    """What one name says of the tempo. ``settled``: it says something that cannot be believed, and nothing else should be."""

    guess: Guess | None = None
    settled: bool = False


def normal(text: str) -> str:
    """One spelling of letters, digits and dashes that look alike, as full-width ones do."""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", text))


def tempo_in_name(name: str, seconds: float | None) -> Read:
    """The tempo that the stem of a file's name tells; ``seconds``: how long it lasts, if that is known."""
    told = written_tempo(name)
    if told.guess or told.settled:
        return told
    return Read(_bare_tempo(name, seconds))


def tempo_in_folder(name: str, seconds: float | None) -> Read:
    """A folder's number alone is a tempo if it fits; what is in a longer name has to be written out."""
    told = written_tempo(name)
    if told.guess:
        return Read(Guess(told.guess.value, "folder", 0.8), settled=True)
    if not told.settled and seconds and _BARE.fullmatch(name.strip()):
        bpm = _float(name.strip())
        if _BARE_MIN <= bpm <= _BARE_MAX and beats_in(seconds, bpm, _LEAST_BEATS):
            return Read(Guess(_text(bpm), "folder", 0.75))
    return told


@lru_cache(_FOLDERS)
def written_tempo(name: str) -> Read:
    """A number with the word BPM beside it: the last one, and none where there are several or a range."""
    if not _ANY_BPM.search(name):
        return Read()
    for found in _RANGE_BEFORE.finditer(name):
        if not found[1].startswith("0") and _in_range(float(found[1])):
            return Read(settled=True)
    if _RANGE_AFTER.search(name):
        return Read(settled=True)
    before = {found.end(): (_float(found[1]), not found[2]) for found in _BEFORE.finditer(name)}
    after = {found.start(): _float(found[2]) for found in _AFTER.finditer(name)}
    tempi = set()
    for at in {*before, *after}:
        numbers = [before[at][0]] if at in before and _in_range(before[at][0]) else []
        attached = at in before and before[at][1]
        if at in after and _in_range(after[at]) and not (numbers and attached):
            numbers.append(after[at])
        if len(set(numbers)) > 1:
            return Read(settled=True)
        tempi.update(numbers)
    if len(tempi) == 1:
        return Read(Guess(_text(tempi.pop()), "name", 0.95))
    return Read(settled=bool(tempi) or any(c.isdigit() for c in name))


def _bare_tempo(name: str, seconds: float | None) -> Guess | None:
    """The only number of a name that can be a tempo, if the length or the word loop speaks for it."""
    said = vocabulary.words_of(name)
    loops = is_loop_word(said)
    if not loops and (_drums(said) or any(word in vocabulary.SHOT for word in said)):
        return None
    found = _bare_numbers(_DATE.sub(" ", name))
    if seconds:
        least = 2 if loops else _LEAST_BEATS
        fitting = {number.bpm for number in found if beats_in(seconds, number.bpm, least)}
        if len(fitting) == 1:
            return Guess(_text(fitting.pop()), "name", 0.9 if loops else 0.75)
    if len({number.bpm for number in found}) != 1 or not loops:
        return None
    number = found[0]
    if number.beside_key:
        return Guess(_text(number.bpm), "name", 0.8)
    if seconds or number.may_be_index or number.in_prose:
        return Guess(_text(number.bpm), "name", 0.5)
    return Guess(_text(number.bpm), "name", 0.7)


@dataclass(frozen=True)
class _Number:
    """``beside_key``: a key stands next to it, as in `128_Am`. ``may_be_index``: it follows the word loop. ``in_prose``: it
    stands between two words and spaces, where it may belong to a title.
    """

    bpm: float
    beside_key: bool
    may_be_index: bool
    in_prose: bool


def _bare_numbers(name: str) -> list[_Number]:
    """The numbers that stand alone in a name, are none of machines, units and counts, and could be a tempo."""
    tokens = list(_TOKEN.finditer(name))
    found = []
    for at, token in enumerate(tokens):
        text = token[0].strip(".,")
        if not _BARE.fullmatch(text) or not _BARE_MIN <= _float(text) <= _BARE_MAX:
            continue
        before = tokens[at - 1][0].strip(".,:") if at else ""
        behind = tokens[at + 1][0].strip(".,:") if at + 1 < len(tokens) else ""
        hyphened = name[: token.start()].endswith("-") and _MODEL.fullmatch(before + "-") is not None
        last = vocabulary.words_of(before)[-1:]
        named = bool(last) and (last[0] in vocabulary.COUNTED or last[0] in vocabulary.MACHINES)
        if hyphened or named or behind.lower() in vocabulary.UNITS:
            continue
        keyed = any(_KEY.fullmatch(near) is not None for near in (before, behind))
        index = bool(last) and last[0] in vocabulary.LOOP | vocabulary.BREAK | vocabulary.PHRASE
        in_prose = (
            bool(before and behind) and name[token.start() - 1 : token.start()] + name[token.end() : token.end() + 1] == "  "
        )
        found.append(_Number(_float(text), keyed, index, in_prose))
    return found


@lru_cache(_FOLDERS)
def key_in(name: str) -> str:
    """The only key that a name tells, as `Am`, `F#m`, `Bbmaj`; else "". Chords, notes and progressions are no keys."""
    found = set()
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
                found.add(key)
                continue
            return ""
        if match[0] == "Am" and (before.lower() in _NAMED_BY_I or behind.lower() == "i" or _HOURS.fullmatch(before)):
            continue
        if (match[0] == "Em" and before.lower() in _EM) or (mode and _OF_CHORDS.fullmatch(behind)):
            continue
        if gap and before.lower() in vocabulary.LETTERED:
            continue
        is_article = root == "A" and gap and behind and not behind[0].isdigit()
        if is_article and vocabulary.words_of(behind)[:1] and vocabulary.words_of(behind)[0] not in vocabulary.MUSIC:
            continue
        found.add(key)
    return found.pop() if len(found) == 1 else ""


def _neighbours(name: str, start: int, end: int) -> tuple[str, str]:
    """The tokens in front of and behind a part of a name."""
    before, behind = _TOKEN.findall(name[:start]), _TOKEN.findall(name[end:])
    return (before[-1] if before else ""), (behind[0] if behind else "")


def _is_chord(token: str) -> bool:
    return _CHORD.fullmatch(token) is not None


def is_loop_word(said: tuple[str, ...]) -> bool:
    """Whether the words of a name say that it is a loop."""
    if any(word in vocabulary.LOOP for word in said):
        return True
    if any(word in vocabulary.BREAK for word in said):
        return not any(word in vocabulary.NOT_A_BREAK for word in said)
    return any(word in vocabulary.AMEN for word in said) and not _drums(said)


def kind_in(name: str, seconds: float | None) -> Guess | None:
    """Whether a file's name says that it is a loop or a one-shot."""
    said = vocabulary.words_of(name)
    if is_loop_word(said):
        return Guess("loop", "name", 0.9)
    if "the" in said:  # a title, in which drums are words
        return None
    drums = _drums(said)
    if _is_shot(said):
        return Guess("one-shot", "name", 0.9)
    if drums and not any(word in vocabulary.PHRASE for word in said):
        longest = 12 if vocabulary.RINGING & set(drums) else 6
        return Guess("one-shot", "name", 0.75 if not seconds or seconds <= longest else 0.5)
    return None


@lru_cache(_FOLDERS)
def kind_in_folder(name: str) -> Guess | None:
    said = vocabulary.words_of(name)
    shots, loops = _is_shot(said), any(word in vocabulary.LOOP for word in said)
    if shots != loops:
        return Guess("one-shot" if shots else "loop", "folder", 0.8)
    if said and not loops and all(vocabulary.INSTRUMENT.get(word) in vocabulary.DRUMS for word in said):
        return Guess("one-shot", "folder", 0.7)
    return None


def _is_shot(said: tuple[str, ...]) -> bool:
    return any(word in vocabulary.SHOT for word in said) or " one shot" in f" {' '.join(said)}"


def has_drums(stem: str) -> bool:
    return bool(_drums(vocabulary.words_of(stem)))


def _drums(said: tuple[str, ...]) -> list[str]:
    return [tag for tag in vocabulary.instruments(said) if tag in vocabulary.DRUMS]


def _in_range(bpm: float) -> bool:
    return LOOP_BPM_MIN <= bpm <= LOOP_BPM_MAX


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _text(bpm: float) -> str:
    return f"{bpm:g}"
