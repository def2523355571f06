"""Propose kits from folders of one-shots: each drum on the pad where players expect it."""

import os
import re
import unicodedata
from collections import Counter, defaultdict

import polars as pl

from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT
from schemas.spellings import fold_kits
from tasks.scan import vocabulary

# Fewer one-shots do not make a kit.
_MIN_SAMPLES = 4
# Pad 1 is the first of the bottom row in this project's layout: kick and snare, then hats, then the rest of a drum set.
_USUAL = {"kick": 1, "snare": 2, "closed": 3, "open": 4, "clap": 5, "rim": 6, "tom": 7, "crash": 10, "ride": 11, "perc": 12}
_ORDER = (*_USUAL, *vocabulary.INSTRUMENTS)
_NUMBERED = re.compile(r"(?:(?:^|[ _-])pad[ _-]?(\d{1,3})|^([A-J])[ _-]?(\d{1,2}))(?=$|[ _.-])", re.IGNORECASE)
_OPEN = ("open", "op", "ohh", "oh", "ho")


def propose_kits(rows: pl.DataFrame) -> pl.DataFrame:
    """Propose a kit for each folder that is mostly one-shots, or whose files are numbered like pads.

    Loops get no pad, unless they are numbered. A folder with more samples than a kit has pads gets no kit.

    Args:
        rows: Needs ``path`` and ``kind`` (String).

    Returns:
        ``rows`` with ``kit, bank, pad, kit_source, kit_confidence`` (String, null where no kit is proposed).
    """
    folders: defaultdict[str, list[int]] = defaultdict(list)
    paths, kinds = rows["path"].to_list(), rows["kind"].to_list()
    for at, path in enumerate(paths):
        folders[os.path.dirname(path)].append(at)
    proposed = {}
    for folder, members in folders.items():
        numbered = _pads_by_number({at: _stem(paths[at]) for at in members})
        shots = [at for at in members if kinds[at] != "loop"]
        sure_shots = sum(kinds[at] == "one-shot" for at in shots)
        if numbered:
            proposed[folder] = numbered, "0.8"
        elif sure_shots >= _MIN_SAMPLES and 2 * sure_shots >= len(members) and len(shots) <= PADS_PER_KIT:
            proposed[folder] = _pads_by_instrument({at: _stem(paths[at]) for at in shots}), "0.6"
    return _with_pads(rows, proposed)


def _with_pads(rows: pl.DataFrame, proposed: dict[str, tuple[dict[int, int], str]]) -> pl.DataFrame:
    """Fill in the columns of kits; ``proposed``: by folder the pad (from 1) of each row's number, and the confidence."""
    kits: list[str | None] = [None] * rows.height
    slots: list[tuple[str, int] | None] = [None] * rows.height
    confidences: list[str | None] = [None] * rows.height
    names = _name_kits(list(proposed))
    for folder, (pads, confidence) in proposed.items():
        for at, pad in pads.items():
            kits[at], confidences[at] = names[folder], confidence
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
        drums += _role(stem) in vocabulary.DRUMS | {"open", "closed"}
        if not 1 <= number <= (PADS_PER_BANK if match[2] else PADS_PER_KIT):
            return {}
        pads[at] = bank * PADS_PER_BANK + number
    if 2 * drums < lettered:  # C3 is a note, where it is not beside a drum
        return {}
    return pads if len(pads) >= _MIN_SAMPLES and len(set(pads.values())) == len(pads) else {}


def _pads_by_instrument(stems: dict[int, str]) -> dict[int, int]:
    """Put the first of each instrument on its usual pad, the others behind in the order of instruments."""
    order = sorted(stems, key=lambda at: (_ORDER.index(role) if (role := _role(stems[at])) else len(_ORDER), stems[at]))
    pads: dict[int, int] = {}
    for at in order:
        usual = _USUAL.get(_role(stems[at]))
        if usual and usual not in pads.values():
            pads[at] = usual
    free = (pad for pad in range(1, PADS_PER_KIT + 1) if pad not in set(pads.values()))
    rest = [at for at in order if at not in pads]
    return pads | dict(zip(rest, list(free), strict=False))


def _role(stem: str) -> str:
    """Return the first instrument in a name, with open and closed hats apart; "" if there is none."""
    words = vocabulary.split_words(stem)
    instruments = vocabulary.find_instruments(words)
    if not instruments:
        return ""
    if instruments[0] != "hat":
        return instruments[0]
    return "open" if any(word in _OPEN for word in words) or "hhopen" in words else "closed"


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
