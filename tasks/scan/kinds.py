"""Guess whether a sample is a loop or a one-shot: by its header, the words of its name and folders, and its length."""

from functools import lru_cache

from schemas.instruments import DRUMS, PERCUSSIVE, RINGING, find_roles, split_music, split_words, tags_of
from schemas.music import beats_in
from schemas.scan_values import Guess, Header
from tasks.scan import vocabulary
from tasks.scan.note_names import find_note
from tasks.scan.roles import find_folder_role, find_name_roles, find_role, is_struck

_LOOP_BEATS = 4
# Single cycles of a synthesizer are loops, too, but none to play.
_LEAST_LOOP_SECONDS = 1.0
# Shorter than a beat at 120: no loop, whatever a folder says; and no hit is shorter than the other.
_LONGEST_HIT, _SHORTEST_HIT = 0.5, 0.02
# So short there is no loop unless a word says so.
_LONGEST_SHOT = 1.0
# How sure a kind is that a folder is named by; by an instrument it is less.
_BY_ITS_WORD = 0.8
_LONGEST_DRUM, _LONGEST_RINGING = 6.0, 12.0


def guess_kind(header: Header, stem: str, folders: list[str], believed_beats: int, bpm: Guess | None) -> Guess | None:
    """Guess the kind by the surest sign: unlike a tempo, it shows in many things that are right more often than not.

    Args:
        header: What the file says of itself.
        stem: Its name without extension.
        folders: The names of its folders, the nearest first.
        believed_beats: Beats of an `acid` chunk that agrees with the length; else 0.
        bpm: The tempo that was inferred.
    """
    seconds = header.seconds
    long_enough = bool(seconds and seconds >= _LEAST_LOOP_SECONDS)
    guesses = [
        Guess("loop", "acid", 0.95) if believed_beats > 1 else None,
        Guess("one-shot", "acid", 0.7) if header.acid_one_shot else None,
        Guess("loop", "smpl", 0.7) if header.is_loop and long_enough else None,
        _by_name(stem, tuple(folders), seconds),
        _by_folders(folders, seconds),
    ]
    surest = max(filter(None, guesses), key=lambda guess: guess.confidence, default=None)
    if surest and surest.confidence >= 0.6:
        return surest
    if bpm and seconds and beats_in(seconds, float(bpm.value), _LOOP_BEATS) and not _may_be_no_loop(stem, folders):
        return Guess("loop", bpm.source, 0.7)
    return surest or _by_length(header, stem, folders) or (_by_note(stem, tuple(folders), seconds) if not bpm else None)


def says_loop(words: tuple[str, ...]) -> bool:
    """Return whether the words of a name say that it is a loop."""
    if any(word in vocabulary.LOOP for word in words):
        return True
    if any(word in vocabulary.BREAK for word in words):
        return not any(word in vocabulary.NOT_A_BREAK for word in words)
    return any(word in vocabulary.AMEN for word in words) and not drums_in(words)


def says_effect(words: tuple[str, ...]) -> bool:
    """Return whether the words of a name say that it is a noise or an effect, which has no tempo."""
    return any(word in vocabulary.EFFECTS for word in words)


def _may_be_no_loop(stem: str, folders: list[str]) -> bool:
    """Return whether something may last whole beats and be no loop: an effect, or a part of a piece."""
    words = {*split_music(stem), *(split_words(folders[0]) if folders else ())}
    return not words.isdisjoint(vocabulary.EFFECTS | vocabulary.PIECES)


def says_shot(words: tuple[str, ...]) -> bool:
    """Return whether the words of a name say that it is a one-shot."""
    return any(word in vocabulary.SHOT for word in words) or " one shot" in f" {' '.join(words)}"


def drums_in(words: tuple[str, ...]) -> list[str]:
    """Return the tags of the drums among the words of a name."""
    return [tag for tag in tags_of(find_roles(words)) if tag in DRUMS]


def has_drums(stem: str) -> bool:
    """Return whether a name has a drum in it."""
    return bool(drums_in(split_music(stem)))


def is_drum_hit(path: str, title: str, tags: str) -> bool:
    """Return whether a sample is one drum, by the words of its row: its tags, else its title, file and folders."""
    *folders, name = path.split("/")
    stem = name.rpartition(".")[0]
    if any(says_loop(split_music(text)) for text in (stem, title)):
        return False
    if not PERCUSSIVE.isdisjoint(tag.strip().lower() for tag in tags.split("|")):
        return True
    near = tuple(reversed(folders))[:2]
    return is_struck(find_role(stem, near)) or is_struck(find_role(title, ()))


def _by_name(name: str, folders: tuple[str, ...], seconds: float | None) -> Guess | None:
    words = split_music(name)
    if says_loop(words):
        return None if seconds and seconds < _LONGEST_HIT and not set(words) & vocabulary.LOOP else Guess("loop", "name", 0.9)
    if "the" in words:  # a title, in which drums are words
        return None
    if says_shot(words):
        return Guess("one-shot", "name", 0.9)
    drums = [tag for tag in tags_of(find_name_roles(name, folders)) if tag in DRUMS]
    # `Dusty Drums - Kick 2` is a kick of a pack, `Kick Snare Drums` a pattern.
    phrase = vocabulary.PHRASE - {"drums"} if len(drums) == 1 else vocabulary.PHRASE
    in_beats = bool(seconds and seconds >= _LONGEST_SHOT and folders and set(split_words(folders[0])) & vocabulary.BEATS)
    if drums and not phrase & set(words) and not vocabulary.WITHOUT & set(words) and not in_beats:
        longest = _LONGEST_RINGING if RINGING & set(drums) else _LONGEST_DRUM
        return Guess("one-shot", "name", 0.75 if not seconds or seconds <= longest else 0.5)
    return None


@lru_cache(4096)
def _folder_says(folders: tuple[str, ...]) -> Guess | None:
    """Guess the kind by the nearest of some folders; its own folders tell what a code in it means."""
    words = split_music(folders[0])
    shots, loops = says_shot(words), bool(set(words) & vocabulary.LOOP)
    if shots != loops:
        return Guess("one-shot" if shots else "loop", "folder", _BY_ITS_WORD)
    if (
        not loops
        and not set(words) & (vocabulary.BREAK | vocabulary.PHRASE - {"drums"})
        and is_struck(find_folder_role(folders))
    ):
        return Guess("one-shot", "folder", 0.7)
    return None


def _by_folders(folders: list[str], seconds: float | None) -> Guess | None:
    """Guess the kind by the nearest folder that tells; `Loops/Percussion` has loops, but for hits."""
    guesses = list(filter(None, (_by_folder(tuple(folders[at:]), seconds) for at in range(len(folders)))))
    if guesses and guesses[0].confidence < _BY_ITS_WORD and seconds and seconds >= _LONGEST_SHOT:
        return next((guess for guess in guesses if guess.value == "loop"), guesses[0])
    return guesses[0] if guesses else None


def _by_folder(folders: tuple[str, ...], seconds: float | None) -> Guess | None:
    guess = _folder_says(folders)
    if not guess or not seconds:
        return guess
    if guess.value == "loop":
        return guess if seconds >= _LONGEST_HIT else None
    return guess if guess.confidence > 0.7 or seconds <= _LONGEST_RINGING else None


def _by_note(stem: str, folders: tuple[str, ...], seconds: float | None) -> Guess | None:
    """Guess a one-shot where a name ends in the note that it plays, and says nothing of a phrase."""
    if not seconds or seconds > _LONGEST_RINGING or set(split_music(stem)) & vocabulary.PHRASE:
        return None
    return Guess("one-shot", "name", 0.65) if find_note(stem, folders) else None


def _by_length(header: Header, stem: str, folders: list[str]) -> Guess | None:
    """Guess a one-shot where a sound is too short for anything else, and no word says otherwise."""
    if not header.seconds or header.is_loop or not _SHORTEST_HIT <= header.seconds < _LONGEST_SHOT:
        return None
    words = {word for name in (stem, *folders[:1]) for word in split_words(name)}
    if words & (vocabulary.CYCLES | vocabulary.SILENT) or " ".join(words).startswith("akwf"):
        return None
    if header.seconds >= _LONGEST_HIT and (words & vocabulary.PHRASE or says_loop(tuple(words))):
        return None
    return None if words & vocabulary.LOOP and says_loop(split_music(stem)) else Guess("one-shot", "length", 0.65)
