"""Infer title, genre, tempo, key, tags and kind of a sample: the most trusted source that says something decides."""

import re
import unicodedata

from schemas.instruments import split_words, tag_of, tags_of
from schemas.music import FIT_SECONDS, LOOP_BPM_MAX, LOOP_BPM_MIN, NOTES, UNCHOSEN_NOTE, beats_in, parse_key, parse_tempo
from schemas.scan_values import THRESHOLD, Guess, Header
from tasks.scan import name_parser
from tasks.scan.genre_names import GenreVocabulary
from tasks.scan.kinds import guess_kind, has_drums
from tasks.scan.roles import find_folder_role, find_name_roles, find_role, is_struck

# Raise it when a release infers other values of the same files: then they are inferred again.
RULES = 6
# By the names of ``schemas.scan_values.INFERRED``.
Guesses = dict[str, Guess]
_LOOP_BEATS = 4
# U+FFFD stands where a program lost a letter: as good as a gap, and not to be written.
_GAPS = re.compile(r"[\s_\ufffd]+")


def infer(header: Header, stem: str, folders: list[str], genres: GenreVocabulary) -> Guesses:
    """Infer all that can be known of a file without decoding it, where it is sure enough.

    Args:
        header: What the file says of itself.
        stem: Its name without extension.
        folders: The names of its folders, the nearest first.
        genres: The genres that are known, and their spellings.

    Returns:
        A guess for each column that has one of at least ``THRESHOLD``.
    """
    stem = name_parser.normalize(stem)
    folders = [name_parser.normalize(folder) for folder in folders]
    bpm = _tempo(header, stem, folders)
    guesses = {
        "title": _title(header, stem),
        "genre": _genre(header, stem, folders, genres),
        "bpm": bpm,
        "musical_key": _key(header, stem, folders),
        "tags": _tags(stem, folders),
        "kind": guess_kind(header, stem, folders, _believed_beats(header), bpm),
    }
    return {name: guess for name, guess in guesses.items() if guess and guess.confidence >= THRESHOLD}


def _tempo(header: Header, stem: str, folders: list[str]) -> Guess | None:
    if _believed_beats(header):
        return Guess(f"{header.acid_bpm:g}", "acid", 0.95)
    reading = name_parser.find_tempo_in_name(stem, header.seconds)
    tag = _tempo_tag(header.bpm)
    if tag and not (reading.guess and _only_second_fits(header.seconds, tag, reading.guess)):
        return tag
    for folder in folders:
        if reading.guess or reading.settled:
            break
        reading = name_parser.find_tempo_in_folder(folder, header.seconds)
    return reading.guess


def _believed_beats(header: Header) -> int:
    """Return the beats of an `acid` chunk whose tempo agrees with the length; else 0."""
    if header.acid_one_shot or not header.seconds or not LOOP_BPM_MIN <= header.acid_bpm <= LOOP_BPM_MAX:
        return 0
    fits = abs(header.acid_beats * 60 / header.acid_bpm - header.seconds) <= FIT_SECONDS
    return header.acid_beats if fits else 0


def _tempo_tag(text: str) -> Guess | None:
    bpm = parse_tempo(text) if text else None
    return Guess(f"{bpm:g}", "tag", 0.85) if bpm else None


def _only_second_fits(seconds: float | None, first: Guess, second: Guess) -> bool:
    """Return whether the length decides for the less trusted guess: programs write a tag of 120 where nobody chose one."""
    if not seconds:
        return False
    return not beats_in(seconds, float(first.value)) and bool(beats_in(seconds, float(second.value), _LOOP_BEATS))


def _key(header: Header, stem: str, folders: list[str]) -> Guess | None:
    """Guess the key; a root note without major or minor comes last, since programs often write one where nobody chose it."""
    if header.musical_key and (key := parse_key(header.musical_key)):
        return Guess(key, "tag", 0.85)
    if key := name_parser.find_key(stem):
        return Guess(key, "name", 0.9)
    for folder in folders:
        if key := name_parser.find_key(folder):
            return Guess(key, "folder", 0.7)
    if header.acid_root is not None and (_believed_beats(header) or _plays_acid_root(header, stem, tuple(folders))):
        return Guess(NOTES[header.acid_root % 12], "acid", 0.65)
    if header.smpl_root is not None and not has_drums(stem):
        return Guess(NOTES[header.smpl_root % 12], "smpl", 0.6)
    return None


def _plays_acid_root(header: Header, stem: str, folders: tuple[str, ...]) -> bool:
    """Return whether the root note of an `acid` chunk that says one-shot is one that somebody chose, and no drum's."""
    return header.acid_one_shot and header.acid_root != UNCHOSEN_NOTE and not is_struck(find_role(stem, folders))


def _genre(header: Header, stem: str, folders: list[str], genres: GenreVocabulary) -> Guess | None:
    stem, *folders = map(_without_ebm, (stem, *folders))
    guesses = (genres.guess_from_tag(header.genre), genres.guess_from_name(stem), genres.guess_from_folders(folders))
    return next((guess for guess in guesses if guess and guess.confidence >= THRESHOLD), None)


def _without_ebm(name: str) -> str:
    """Return a name without its key of E flat minor, which is spelt as a genre (EBM) is."""
    return name.replace("Ebm", " ") if name_parser.find_key(name) == "Ebm" else name


def _tags(stem: str, folders: list[str]) -> Guess | None:
    """Guess the instruments by the name, else the one instrument by the nearest folder that names just one."""
    if instruments := tags_of(find_name_roles(stem, tuple(folders))):
        return Guess("|".join(instruments), "name", 0.8)
    for at in range(len(folders)):
        if role := find_folder_role(tuple(folders[at:])):
            return Guess(tag_of(role), "folder", 0.7)
    return None


def _title(header: Header, stem: str) -> Guess | None:
    """Guess the title: the name as people write it, or a tag that says the same and more; never a number alone.

    Accents are the same in one letter or in two.
    """
    text = _GAPS.sub(" ", stem).strip()
    own = {word for word in split_words(text) if len(word) > 2}
    if own and "\ufffd" not in header.title and own <= set(split_words(name_parser.normalize(header.title))):
        return Guess(unicodedata.normalize("NFC", header.title), "tag", 0.8)
    return Guess(text, "name", 0.7) if split_words(text) else None
