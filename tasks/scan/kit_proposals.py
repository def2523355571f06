"""Kits proposed from folders of one-shots: each drum on the pad where players expect it."""

import os
import re
from collections import Counter, defaultdict

import polars as pl

from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT
from tasks.scan import vocabulary

_LEAST, _MOST = 4, PADS_PER_KIT
# Pad 1 is the first of the bottom row in this project's layout: kick and snare, then hats, then the rest of a drum set.
_USUAL = {"kick": 1, "snare": 2, "closed": 3, "open": 4, "clap": 5, "rim": 6, "tom": 7, "crash": 10, "ride": 11, "perc": 12}
_ORDER = (*_USUAL, *vocabulary.INSTRUMENTS)
_NUMBERED = re.compile(r"(?:(?:^|[ _-])pad[ _-]?(\d{1,3})|^([A-J])[ _-]?(\d{1,2}))(?=$|[ _.-])", re.IGNORECASE)
_CLOSED = ("closed", "close", "cl", "chh", "ch", "hc")
_OPEN = ("open", "op", "ohh", "oh", "ho")


def with_kits(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with a kit, a bank and a pad for what is no loop in a folder that is mostly one-shots, as many as a kit has, or
    in one whose files are numbered like pads.
    """
    folders: defaultdict[str, list[int]] = defaultdict(list)
    paths, kinds = rows["path"].to_list(), rows["kind"].to_list()
    for at, path in enumerate(paths):
        folders[os.path.dirname(path)].append(at)
    kits: list[str | None] = [None] * rows.height
    slots: list[tuple[str, int] | None] = [None] * rows.height
    sure: list[str | None] = [None] * rows.height
    proposed = {}
    for folder, members in folders.items():
        numbered = _numbered({at: _stem(paths[at]) for at in members})
        shots = [at for at in members if kinds[at] != "loop"]
        told = sum(kinds[at] == "one-shot" for at in shots)
        if numbered:
            proposed[folder] = numbered, "0.8"
        elif told >= _LEAST and 2 * told >= len(members) and len(shots) <= _MOST:
            proposed[folder] = _by_instrument({at: _stem(paths[at]) for at in shots}), "0.6"
    names = _names(list(proposed))
    for folder, (pads, confidence) in proposed.items():
        for at, pad in pads.items():
            kits[at], sure[at] = names[folder], confidence
            slots[at] = BANKS[(pad - 1) // PADS_PER_BANK], (pad - 1) % PADS_PER_BANK + 1
    return rows.with_columns(
        pl.Series("kit", kits, pl.String),
        pl.Series("bank", [slot and slot[0] for slot in slots], pl.String),
        pl.Series("pad", [slot and str(slot[1]) for slot in slots], pl.String),
        pl.Series("kit_source", [kit and "folder" for kit in kits], pl.String),
        pl.Series("kit_confidence", sure, pl.String),
    )


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _numbered(stems: dict[int, str]) -> dict[int, int]:
    """The pads that the names tell, counted from 1 through all banks; nothing unless all do, and none twice."""
    pads: dict[int, int] = {}
    lettered = drums = 0
    for at, stem in stems.items():
        found = _NUMBERED.search(stem)
        if not found:
            return {}
        number = int(found[1] or found[3])
        bank = BANKS.index(found[2].upper()) if found[2] else 0
        lettered += bool(found[2])
        drums += _role(stem) in vocabulary.DRUMS | {"open", "closed"}
        if not 1 <= number <= (PADS_PER_BANK if found[2] else _MOST):
            return {}
        pads[at] = bank * PADS_PER_BANK + number
    if 2 * drums < lettered:  # C3 is a note, where it is not beside a drum
        return {}
    return pads if len(pads) >= _LEAST and len(set(pads.values())) == len(pads) else {}


def _by_instrument(stems: dict[int, str]) -> dict[int, int]:
    """The first of each instrument on its usual pad, the others behind in the order of instruments."""
    order = sorted(stems, key=lambda at: (_ORDER.index(role) if (role := _role(stems[at])) else len(_ORDER), stems[at]))
    pads: dict[int, int] = {}
    for at in order:
        usual = _USUAL.get(_role(stems[at]))
        if usual and usual not in pads.values():
            pads[at] = usual
    free = (pad for pad in range(1, _MOST + 1) if pad not in set(pads.values()))
    rest = [at for at in order if at not in pads]
    return pads | dict(zip(rest, list(free), strict=False))


def _role(stem: str) -> str:
    """The first instrument that a name tells, with hats told apart; "" if it tells none."""
    said = vocabulary.words_of(stem)
    found = vocabulary.instruments(said)
    if not found:
        return ""
    if found[0] != "hat":
        return found[0]
    return "open" if any(word in _OPEN for word in said) or "hhopen" in said else "closed"


def _names(folders: list[str]) -> dict[str, str]:
    """A name for each kit: its folder's, with the one above it where two folders have the same."""
    once = Counter(os.path.basename(folder) for folder in folders)
    twice = {
        folder: " ".join(folder.split(os.sep)[-2:]) if once[os.path.basename(folder)] > 1 else os.path.basename(folder)
        for folder in folders
    }
    seen: Counter[str] = Counter()
    names = {}
    for folder, name in twice.items():
        seen[name] += 1
        names[folder] = name if seen[name] == 1 else f"{name} {seen[name]}"
    return names
