"""What is known of a sample, put together: the most trusted source that says something has the word."""

import re

from schemas.music import FIT_SECONDS, LOOP_BPM_MAX, LOOP_BPM_MIN, NOTES, beats_in
from schemas.scan import THRESHOLD, Guess, Header
from tasks.scan import name_parser, vocabulary
from tasks.scan.genre_names import Vocabulary

# To be raised when a release infers other values of the same files.
RULES = 1
Guesses = dict[str, Guess]
_LOOP_BEATS = 4
_TAG_KEY = re.compile(r"([A-G])(#|b|♯|♭)?\s?(m|min|minor|maj|major)?")
_GAPS = re.compile(r"[\s_]+")
# Single cycles of a synthesizer are loops, too, but none to play.
_LEAST_LOOP_SECONDS = 1.0


def infer(header: Header, stem: str, folders: list[str], vocabulary: Vocabulary) -> Guesses:
    """All that can be told of a file without decoding it, where it is sure enough. ``folders``: the nearest first."""
    stem = name_parser.normal(stem)
    folders = [name_parser.normal(folder) for folder in folders]
    bpm = _tempo(header, stem, folders)
    found = {
        "title": _title(header, stem),
        "genre": _genre(header, stem, folders, vocabulary),
        "bpm": bpm,
        "musical_key": _key(header, stem, folders),
        "tags": _tags(stem, folders),
        "kind": _kind(header, stem, folders, bpm),
    }
    return {name: guess for name, guess in found.items() if guess and guess.confidence >= THRESHOLD}


def _tempo(header: Header, stem: str, folders: list[str]) -> Guess | None:
    if _believed_beats(header):
        return Guess(f"{header.acid_bpm:g}", "acid", 0.95)
    told = name_parser.tempo_in_name(stem, header.seconds)
    tag = _tempo_tag(header.bpm)
    if tag and not (told.guess and _only_second_fits(header.seconds, tag, told.guess)):
        return tag
    for folder in folders:
        if told.guess or told.settled:
            break
        told = name_parser.tempo_in_folder(folder, header.seconds)
    return told.guess


def _believed_beats(header: Header) -> int:
    """The beats of an `acid` chunk whose tempo agrees with the length; else 0."""
    if header.acid_one_shot or not header.seconds or not LOOP_BPM_MIN <= header.acid_bpm <= LOOP_BPM_MAX:
        return 0
    fits = abs(header.acid_beats * 60 / header.acid_bpm - header.seconds) <= FIT_SECONDS
    return header.acid_beats if fits else 0


def _tempo_tag(text: str) -> Guess | None:
    try:
        bpm = float(text)
    except ValueError:
        return None
    return Guess(f"{bpm:g}", "tag", 0.85) if LOOP_BPM_MIN <= bpm <= LOOP_BPM_MAX else None


def _only_second_fits(seconds: float | None, first: Guess, second: Guess) -> bool:
    """Whether the length decides against the more trusted one: programs write a tag of 120 where nobody chose one."""
    if not seconds:
        return False
    return not beats_in(seconds, float(first.value)) and bool(beats_in(seconds, float(second.value), _LOOP_BEATS))


def _key(header: Header, stem: str, folders: list[str]) -> Guess | None:
    """A root note without major or minor is asked last: it says less, and is often what a program puts where nobody chose."""
    if key := _tag_key(header.musical_key):
        return Guess(key, "tag", 0.85)
    if key := name_parser.key_in(stem):
        return Guess(key, "name", 0.9)
    for folder in folders:
        if key := name_parser.key_in(folder):
            return Guess(key, "folder", 0.7)
    if header.acid_root is not None and _believed_beats(header):
        return Guess(NOTES[header.acid_root % 12], "acid", 0.65)
    if header.smpl_root is not None and not name_parser.has_drums(stem):
        return Guess(NOTES[header.smpl_root % 12], "smpl", 0.6)
    return None


def _tag_key(text: str) -> str:
    """ID3's TKEY (`Dbm`; major without a word) and its like, as they are written here."""
    found = _TAG_KEY.fullmatch(text)
    if not found:
        return ""
    accidental = {"♯": "#", "♭": "b"}.get(found[2], found[2] or "")
    return found[1] + accidental + ("m" if found[3] in ("m", "min", "minor") else "maj")


def _genre(header: Header, stem: str, folders: list[str], vocabulary: Vocabulary) -> Guess | None:
    told = (vocabulary.of_tag(header.genre), vocabulary.of_name(stem), vocabulary.of_folders(folders))
    return next((guess for guess in told if guess and guess.confidence >= THRESHOLD), None)


def _kind(header: Header, stem: str, folders: list[str], bpm: Guess | None) -> Guess | None:
    """The surest: unlike a tempo, it is told by many things that are right more often than not."""
    long_enough = bool(header.seconds and header.seconds >= _LEAST_LOOP_SECONDS)
    told = [
        Guess("loop", "acid", 0.95) if _believed_beats(header) > 1 else None,
        Guess("one-shot", "acid", 0.7) if header.acid_one_shot else None,
        Guess("loop", "smpl", 0.7) if header.is_loop and long_enough else None,
        name_parser.kind_in(stem, header.seconds),
        next(filter(None, map(name_parser.kind_in_folder, folders)), None),
    ]
    sure = max(filter(None, told), key=lambda guess: guess.confidence, default=None)
    if sure or not bpm or not header.seconds:
        return sure
    return Guess("loop", bpm.source, 0.7) if beats_in(header.seconds, float(bpm.value), _LOOP_BEATS) else None


def _tags(stem: str, folders: list[str]) -> Guess | None:
    """The instruments that the name, else the nearest folder that names any, tells."""
    if found := vocabulary.instruments(vocabulary.words_of(stem)):
        return Guess("|".join(found), "name", 0.8)
    for folder in folders:
        if len(found := vocabulary.instruments(vocabulary.words_of(folder))) == 1:
            return Guess(found[0], "folder", 0.7)
    return None


def _title(header: Header, stem: str) -> Guess | None:
    """The name as people write it, or a tag that says the same and more. A number alone is none: the file's name has to do."""
    text = _GAPS.sub(" ", stem).strip()
    own = {word for word in vocabulary.words_of(text) if len(word) > 2}
    if own and header.title and own <= set(vocabulary.words_of(header.title)):
        return Guess(header.title, "tag", 0.8)
    return Guess(text, "name", 0.7) if vocabulary.words_of(text) else None
