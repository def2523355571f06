"""Propose kits: from folders of one-shots, and from folders whose subfolders are the drums of one machine."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from schemas.instruments import (
    DRUMS,
    ROLE_OF,
    find_code,
    find_roles,
    split_camel_case,
    split_glued,
    split_music,
    tag_of,
    tags_of,
)
from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT
from schemas.spellings import fold_kits
from tasks.scan.pad_layout import StandingPads, keep_pads, lay_out_pads
from tasks.scan.roles import find_folder_role, find_role, is_struck

# Fewer one-shots do not make a kit.
_MIN_SAMPLES = 4
# So many drums make one kit of several folders, where a name in common holds these together; and where nothing does.
_MIN_ROLES_NAMED, _MIN_ROLES = 2, 3
# Where one instrument has more than this share, a folder is a collection of it.
_MOST_OF_ONE = 0.75
_FOLDERS_ABOVE = 3
_NUMBERED = re.compile(r"(?:(?:^|[ _-])pad[ _-]?(\d{1,3})|^([A-J])[ _-]?(\d{1,2}))(?=$|[ _.-])", re.IGNORECASE)
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
# Folders of a machine that hold what is no drum of their own.
_OTHERS = frozenset("misc miscellaneous other others fx sfx effects extra extras various".split())
# Beside an instrument's word they say nothing of which machine it is.
_PLAIN_WORDS = frozenset(
    "drum drums one shot shots oneshot oneshots hit hits sample samples sound sounds hi side stick wav".split()
)


@dataclass
class _Folder:
    """A folder with one-shots or loops in it: the numbers of its rows, the names around it, and its role in a kit."""

    path: str
    members: list[int] = field(default_factory=list)
    role: str = ""
    machine: str = ""

    @property
    def parent(self) -> str:
        return os.path.dirname(self.path)


class _Proposal(NamedTuple):
    """A kit: its samples by their rows' numbers, the pads (from 1) of those that have one, and how sure it is."""

    samples: list[int]
    pads: dict[int, int]
    confidence: str


_NO_PADS = StandingPads({}, {}, frozenset())


def propose_kits(rows: pl.DataFrame, standing: StandingPads = _NO_PADS) -> pl.DataFrame:
    """Propose a kit for each folder of drums, for the folders of one machine together, and where files are numbered like pads.

    Loops get no pad, unless they are numbered. A folder of one instrument gets no kit.

    Args:
        rows: Needs ``path``, ``kind`` and ``kind_source`` (String).
        standing: The pads that samples have already: they keep them, but where files are numbered like pads.

    Returns:
        ``rows`` with ``kit, bank, pad, kit_source, kit_confidence`` (String, null where no kit is proposed).
    """
    paths, kinds = rows["path"].to_list(), rows["kind"].to_list()
    by_length = (rows["kind_source"] == "length").fill_null(False).to_list()
    folders = _list_folders(paths)
    proposed: dict[str, _Proposal] = {}
    taken: set[str] = set()
    for name, together in _machines(folders):
        shots = [at for folder in together for at in folder.members if kinds[at] != "loop"]
        if len(shots) >= _MIN_SAMPLES:
            proposed[name] = _Proposal(shots, _lay_out(shots, paths), "0.7")
            taken.update(folder.path for folder in together)
    for folder in folders.values():
        if folder.path in taken:
            continue
        numbered = _pads_by_number({at: _stem(paths[at]) for at in folder.members})
        shots = [at for at in folder.members if kinds[at] != "loop"]
        if numbered:
            proposed[folder.path] = _Proposal([], numbered, "0.8")
        elif _is_kit(shots, folder, paths, [kinds[at] == "one-shot" and not by_length[at] for at in shots]):
            proposed[folder.path] = _Proposal(shots, _lay_out(shots, paths), "0.6")
    return _with_pads(rows, proposed, standing)


def lay_out_files(paths: Mapping[int, str]) -> dict[int, int]:
    """Put samples on the pads where players expect them, by the names of their files and folders.

    Args:
        paths: The path of each sample, by its number.

    Returns:
        Pads from 1 on, for at most as many samples as a kit has pads.
    """
    roles = {number: find_role(_stem(path), _names(os.path.dirname(path))) for number, path in paths.items()}
    return lay_out_pads(roles, {number: _stem(path) for number, path in paths.items()})


def _list_folders(paths: list[str]) -> dict[str, _Folder]:
    """Return the folders that hold files, by path; those below a drum's folder belong to it."""
    folders: dict[str, _Folder] = {}
    for at, path in enumerate(paths):
        place = os.path.dirname(path)
        if place not in folders:
            folders[place] = _Folder(place)
            folders[place].role, folders[place].machine = _read_folder(place)
        folders[place].members.append(at)
    return folders


def _names(folder: str) -> tuple[str, ...]:
    """Return the names of a folder and of those above it, the nearest first."""
    return tuple(unicodedata.normalize("NFC", name) for name in reversed(folder.split(os.sep)[-_FOLDERS_ABOVE:]))


def _read_folder(folder: str) -> tuple[str, str]:
    """Return the role that a folder is named by, or "other", and the machine that its name says; "" where it has none."""
    names = _names(folder)
    name = names[0]
    role = find_folder_role(names) or _several_drums(name)
    tokens = _TOKEN.findall(split_camel_case(name))
    if role and is_struck(role):
        coded = None if any(_is_word_of_drums(word) for word in split_music(name)) else find_code(name)
        if coded:
            return role, "" if coded.front.isdigit() and len(coded.front) < len("808") else _machine_as_written(
                name, coded.front
            )
        rest = [token for token in tokens if not _is_plain(token)]
        return role, _without_index(rest)
    words = [token.lower() for token in tokens]
    if words and words[-1] in _OTHERS:
        return "other", _without_index(tokens[:-1])
    return "", ""


def _is_word_of_drums(word: str) -> bool:
    """Return whether a word is an instrument's, or says how it is played: `VEC1 Closed HH` is no machine called VEC1 Closed."""
    return len(word) > 2 and (word in ROLE_OF or word in ("closed", "open"))


def _several_drums(name: str) -> str:
    """Return the first role of a folder of several drums and nothing else, such as `CLAPS-SNARES`; else ""."""
    roles = find_roles(split_music(name))
    return roles[0] if len(roles) > 1 and all(map(is_struck, roles)) else ""


def _machine_as_written(name: str, front: str) -> str:
    """Return the beginning of a name that has the letters and digits of ``front``."""
    for size in range(1, len(name) + 1):
        if re.sub(r"[\W_]", "", name[:size]).lower() == front:
            return name[:size].strip(" _-.")
    return ""


def _is_plain(token: str) -> bool:
    parts = split_glued(token.lower())
    return all(
        part in ROLE_OF or part in _PLAIN_WORDS or part in ("closed", "open", "low", "mid", "high", "lo") for part in parts
    )


def _without_index(tokens: list[str]) -> str:
    """Return the words, but for a number in front or behind that only counts folders."""
    kept = [token for token in tokens if not (token.isdigit() and len(token) < len("808"))]
    return " ".join(kept)


def _machines(folders: dict[str, _Folder]) -> list[tuple[str, list[_Folder]]]:
    """Find the folders that are the drums of one machine: those side by side whose names have the same beginning, else all.

    Returns:
        A path that names the kit, and its folders.
    """
    beside: defaultdict[str, list[_Folder]] = defaultdict(list)
    for folder in folders.values():
        beside[folder.parent].append(folder)
    found = []
    for parent, here in beside.items():
        by_machine: defaultdict[str, list[_Folder]] = defaultdict(list)
        for folder in here:
            if folder.role:
                by_machine[_letters(folder.machine)].append(folder)
        loose: list[_Folder] = []
        for machine, together in by_machine.items():
            if machine and _is_set(together, _MIN_ROLES_NAMED):
                found.append((_kit_path(parent, together[0].machine), together))
            else:
                loose += [folder for folder in together if folder.role != "other"]
        if _is_set(loose, _MIN_ROLES) and 2 * len(loose) >= len(here) - sum(len(t) for _, t in found if t[0].parent == parent):
            found.append((parent, loose))
    return [(name, _with_subfolders(together, folders)) for name, together in found]


def _is_set(together: list[_Folder], least: int) -> bool:
    roles = {folder.role for folder in together} - {"other"}
    return len(roles) >= least and len({tag_of(role) for role in roles}) > 1


def _with_subfolders(together: list[_Folder], folders: dict[str, _Folder]) -> list[_Folder]:
    """Return the folders of a machine with those right below them."""
    paths = {folder.path for folder in together}
    return together + [folder for folder in folders.values() if folder.parent in paths and folder.path not in paths]


def _kit_path(parent: str, machine: str) -> str:
    """Return the parent where it is named like the machine, else a folder of the machine's name in it."""
    own = _letters(os.path.basename(parent))
    return parent if _letters(machine) in own or (len(own) > 2 and own in _letters(machine)) else os.path.join(parent, machine)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", text)).lower()


def _is_kit(shots: list[int], folder: _Folder, paths: list[str], sure: list[bool]) -> bool:
    """Return whether the shots of a folder make a kit: mostly one-shots, of more than one instrument."""
    roles = [find_role(_stem(paths[at]), _names(folder.path)) for at in shots]
    count = sum(known or is_struck(role) for known, role in zip(sure, roles, strict=True))
    if count < _MIN_SAMPLES or 2 * count < len(folder.members):
        return False
    tags = Counter(tag_of(role) for role in roles if role)
    if tags:
        (_, most), *others = tags.most_common()
        if not others or most > _MOST_OF_ONE * len(shots):
            return False
    elif is_struck(find_folder_role(_names(folder.path))):
        return False
    return len(shots) <= PADS_PER_KIT or len(tags) >= _MIN_SAMPLES


def _lay_out(shots: list[int], paths: list[str]) -> dict[int, int]:
    return lay_out_files({at: paths[at] for at in shots})


def _with_pads(rows: pl.DataFrame, proposed: dict[str, _Proposal], standing: StandingPads) -> pl.DataFrame:
    """Fill in the columns of kits; ``proposed``: by folder."""
    kits: list[str | None] = [None] * rows.height
    slots: list[tuple[str, int] | None] = [None] * rows.height
    confidences: list[str | None] = [None] * rows.height
    names, paths = _name_kits(list(proposed)), rows["path"].to_list()
    for folder, kit in proposed.items():
        pads = kit.pads
        if kit.samples:
            pads = keep_pads(names[folder], {at: paths[at] for at in kit.samples}, pads, standing)
        for at, pad in pads.items():
            kits[at], confidences[at] = names[folder], kit.confidence
            slots[at] = BANKS[(pad - 1) // PADS_PER_BANK], (pad - 1) % PADS_PER_BANK + 1
    return rows.with_columns(
        pl.Series("kit", kits, pl.String),
        pl.Series("bank", [slot and slot[0] for slot in slots], pl.String),
        pl.Series("pad", [slot and str(slot[1]) for slot in slots], pl.String),
        pl.Series("kit_source", [kit and "folder" for kit in kits], pl.String),
        pl.Series("kit_confidence", confidences, pl.String),
    )


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _pads_by_number(stems: dict[int, str]) -> dict[int, int]:
    """Read the pad in each name, counted from 1 through all banks; nothing unless all have one, and none twice."""
    pads: dict[int, int] = {}
    lettered = drums = 0
    for at, stem in stems.items():
        match = _NUMBERED.search(stem)
        if not match:
            return {}
        number = int(match[1] or match[3])
        bank = BANKS.index(match[2].upper()) if match[2] else 0
        lettered += bool(match[2])
        drums += any(tag in DRUMS for tag in tags_of(find_roles(split_music(stem))))
        if not 1 <= number <= (PADS_PER_BANK if match[2] else PADS_PER_KIT):
            return {}
        pads[at] = bank * PADS_PER_BANK + number
    if 2 * drums < lettered:  # C3 is a note, where it is not beside a drum
        return {}
    return pads if len(pads) >= _MIN_SAMPLES and len(set(pads.values())) == len(pads) else {}


def _name_kits(folders: list[str]) -> dict[str, str]:
    """Name each kit by its folder, with the folder above it where two have the same name, in whatever spelling.

    Accents are composed (NFC).
    """
    parts = [unicodedata.normalize("NFC", folder).split(os.sep) for folder in folders]
    plain = _fold([names[-1] for names in parts])
    counts = Counter(plain)
    candidates = [" ".join(names[-2:]) if counts[kit] > 1 else names[-1] for names, kit in zip(parts, plain, strict=True)]
    seen: Counter[str] = Counter()
    named = {}
    for folder, name, kit in zip(folders, candidates, _fold(candidates), strict=True):
        seen[kit] += 1
        named[folder] = name if seen[kit] == 1 else f"{name} {seen[kit]}"
    return named


def _fold(names: list[str]) -> list[str]:
    return fold_kits(pl.Series(names, dtype=pl.String)).to_list()
