"""Read the note that a sample plays from the end of its name: `bass_drop_c`, `BS A#2`, `Piano/C3`. A drum plays none."""

import re
from functools import lru_cache

from schemas.instruments import PERCUSSIVE, tag_of, tags_of
from schemas.music import normalize_key
from schemas.scan_values import Guess
from tasks.scan import vocabulary
from tasks.scan.roles import find_folder_role, find_name_roles

_NOTE = re.compile(r"(?P<front>.*?)(?:^|[ _-])(?P<root>[A-Ga-g])(?P<sign>[#b])?(?P<octave>[0-8])?", re.DOTALL)
_LAST_WORD = re.compile(r"[^\W\d_]+(?=[\W_]*$)")
# Instruments that are sampled note by note.
_TONAL = frozenset("bass keys guitar strings brass sax flute synth lead pluck choir".split())
# Without an octave, these are sides, takes and variants more often than notes.
_OFTEN_NO_NOTE = frozenset(["A", "a", "B", "b", "ab", "db"])


@lru_cache(4096)
def find_note(stem: str, folders: tuple[str, ...]) -> Guess | None:
    """Find the note at the end of a name, without its octave.

    Args:
        stem: The name without extension.
        folders: The names of its folders, the nearest first.
    """
    match = _NOTE.fullmatch(stem.strip())
    if not match:
        return None
    letter, sign, octave = match["root"], match["sign"] or "", match["octave"] or ""
    tags = set(tags_of(find_name_roles(stem, folders)))
    last = _LAST_WORD.search(match["front"])
    if tags & PERCUSSIVE or (last and last[0].lower() in vocabulary.LETTERED):
        return None
    spelt = normalize_key(letter.upper() + sign)
    if sign == "#" or (sign and octave):
        return Guess(spelt, "name", 0.8)
    if not octave and letter + sign in _OFTEN_NO_NOTE:
        return None
    is_tonal = bool(tags & _TONAL) or (bool(octave) and tag_of(find_folder_role(folders)) in _TONAL)
    return Guess(spelt, "name", 0.8 if octave or sign else 0.65) if is_tonal else None
