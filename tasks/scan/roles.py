"""Find the role of a sample in a drum set by its name and its folders: by words, and by the codes of drum machines."""

import re
from functools import lru_cache

from schemas.instruments import CODES, PERCUSSIVE, CodedName, find_code, find_roles, split_music, split_words, tag_of
from tasks.scan import vocabulary

# Codes that mean nothing else: also in lower case, and alone.
_PLAIN = frozenset("bd sd sn hh".split())
# Codes that a person reads as drums in capitals; the others only beside a machine's name, or among drums.
_CAPITALS = frozenset("ch oh cp rs cb cy cr rd ht mt lt ma tb sh cg tm".split())
_DRUM_WORDS = frozenset(
    """
    drum drums schlagzeug batterie bateria batería batteria drumkit drumkits kit kits drummachine drummachines machine machines
    percussion beatbox
    """.split()
)
_DRUM_NUMBERS = re.compile(r"(?<!\d)(?:808|909|707|727|606|626|505|78)(?!\d)")
_OPENNESS = frozenset("open opened offen ouvert abierto aperto op o closed close cl c pedal foot semi".split())
_HAT_OF = {
    "open": "open hat",
    "opened": "open hat",
    "op": "open hat",
    "o": "open hat",
    "pedal": "pedal hat",
    "foot": "pedal hat",
}


def find_name_roles(stem: str, folders: tuple[str, ...]) -> tuple[str, ...]:
    """Find the roles that a file's own name states, by words or by a code.

    Args:
        stem: The name without extension.
        folders: The names of its folders, the nearest first.
    """
    roles = find_roles(split_music(stem))
    if roles and not _is_only_a_code(stem):
        return roles
    coded = _read_code(stem, folders)
    return (coded.role,) if coded else roles


@lru_cache(4096)
def find_folder_role(folders: tuple[str, ...]) -> str:
    """Find the one role that the nearest of some folders states; "" if none, or several. A word goes before a code."""
    roles = find_roles(split_music(folders[0])) if folders else ()
    if roles:
        return roles[-1] if len({tag_of(role) for role in roles}) == 1 else ""
    coded = _read_code(folders[0], folders[1:]) if folders else None
    return coded.role if coded else ""


def find_role(stem: str, folders: tuple[str, ...]) -> str:
    """Find the role that a sample plays in a kit: by its name, else by the nearest two folders with what the name adds."""
    if roles := find_name_roles(stem, folders):
        return roles[-1]
    role = find_folder_role(folders) or find_folder_role(folders[1:])
    words = split_words(stem)
    if tag_of(role) == "hat":
        return next((_HAT_OF.get(word, "closed hat") for word in words if word in _OPENNESS), role)
    return (find_roles((*words, "tom")) or (role,))[-1] if tag_of(role) == "tom" and role == "tom" else role


def is_struck(role: str) -> bool:
    """Return whether a role belongs to a drum set or to percussion."""
    return tag_of(role) in PERCUSSIVE


def _is_only_a_code(name: str) -> bool:
    return all(word in CODES or len(word) == 1 for word in split_words(name))


def _read_code(name: str, around: tuple[str, ...]) -> CodedName | None:
    """Read the code at the end of a name, if nothing else can be meant by it."""
    coded = find_code(name)
    if not coded:
        return None
    code = next(part for part in re.findall(r"[A-Za-z]{2,}", name)[::-1] if part.lower() in CODES)
    if coded.front and not coded.front.isdigit():
        return coded if _is_machine(coded.front, around) else None
    if code.lower() in _PLAIN or (code.isupper() and code.lower() in _CAPITALS) or (coded.front and len(coded.front) > 2):
        return coded
    return coded if any(_has_drums(folder) for folder in around) else None


@lru_cache(1024)
def _has_drums(folder: str) -> bool:
    return bool(_DRUM_NUMBERS.search(folder)) or any(word in _DRUM_WORDS for word in split_words(folder))


def _is_machine(front: str, around: tuple[str, ...]) -> bool:
    """Return whether what stands in front of a code is the name of a machine, or that of a folder around."""
    letters = re.sub(r"\d", "", front)
    if letters in vocabulary.COUNTED:
        return False
    if any(len(front) > 1 and front in re.sub(r"[\W_]", "", folder).lower() for folder in around[:2]):
        return True
    return _is_made_of_machines(letters) and (front != letters or len(letters) > 3)


@lru_cache(1024)
def _is_made_of_machines(letters: str) -> bool:
    if letters in vocabulary.MACHINES:
        return True
    sizes = range(2, len(letters) - 1)
    return any(letters[:size] in vocabulary.MACHINES and _is_made_of_machines(letters[size:]) for size in sizes)
