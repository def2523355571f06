"""Put the samples of a kit on pads: each bank a drum set that can be played, each drum where players expect it."""

import re
from collections import defaultdict, deque
from collections.abc import Mapping, Set
from typing import NamedTuple

from schemas.instruments import ROLES
from schemas.music import PADS_PER_BANK, PADS_PER_KIT

# Pad 1 is the first of the bottom row in this project's layout: kick and snare, then hats, then the rest of a drum set.
_USUAL: dict[str, tuple[int, ...]] = {
    "kick": (1,),
    "snare": (2,),
    "closed hat": (3,),
    "open hat": (4,),
    "clap": (5,),
    "rim": (6,),
    "low tom": (7,),
    "mid tom": (8,),
    "high tom": (9,),
    "tom": (7, 8, 9),
    "crash": (10,),
    "ride": (11,),
    "cymbal": (10, 11),
    "perc": (12,),
}
# Where the first of what has no usual pad is put: behind the drum set.
_BEHIND = tuple(range(12, PADS_PER_BANK + 1))
_ORDER = {role: at for at, role in enumerate((*ROLES, ""))}
_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which numbered takes sort as people count: 2 before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name.lower()) if part)


def lay_out_pads(roles: Mapping[int, str], names: Mapping[int, str]) -> dict[int, int]:
    """Fill bank after bank: in each, the next take of each drum on its usual pad, then further sounds and takes.

    Args:
        roles: The role of each sample; "" where it has none.
        names: Their names, by which takes are sorted.

    Returns:
        Pads from 1 on, for at most as many samples as a kit has pads.
    """
    takes: defaultdict[str, deque[int]] = defaultdict(deque)
    for sample in sorted(roles, key=lambda sample: (natural_key(names[sample]), sample)):
        takes[roles[sample]].append(sample)
    waiting = {role: takes[role] for role in sorted(takes, key=_ORDER.__getitem__)}
    pads: dict[int, int] = {}
    for first in range(0, PADS_PER_KIT, PADS_PER_BANK):
        pads |= {sample: first + pad for pad, sample in _fill_bank(waiting).items()}
    return pads


class StandingPads(NamedTuple):
    """The pads that a table has already. A pad is a number from 1 on, through all banks.

    Attributes:
        pads: The kit and the pad of each file that the scan sees, by path.
        held: The pads of each kit that rows keep whose files it does not see.
        last: Paths of files that are in no row: they take what the others leave.
    """

    pads: Mapping[str, tuple[str, int]]
    held: Mapping[str, Set[int]]
    last: Set[str]


def keep_pads(kit: str, paths: Mapping[int, str], proposed: Mapping[int, int], standing: StandingPads) -> dict[int, int]:
    """Leave the samples of a kit on the pads that they have; the others take theirs as proposed, or else the next free ones.

    Who plays a kit has it in the fingers: a sample that is new moves no other one.

    Args:
        kit: The name of the kit.
        paths: The path of each of its samples, by its number.
        proposed: Their pads if the kit were new; not all of them need have one.
        standing: What the table has.

    Returns:
        Pads from 1 on, for at most as many samples as a kit has pads.
    """
    had = {number: standing.pads[path] for number, path in paths.items() if path in standing.pads}
    free = [pad for pad in range(1, PADS_PER_KIT + 1) if pad not in standing.held.get(kit, ())]
    pads: dict[int, int] = {}

    def put(number: int, pad: int | None) -> None:
        if pad in free:
            pads[number] = pad
            free.remove(pad)

    for number, (_, pad) in sorted(had.items(), key=lambda entry: entry[1][0] != kit):  # else of one that has a new name
        put(number, pad)
    if not (had or standing.held.get(kit)):
        return dict(proposed)
    others = sorted(paths.keys() - pads.keys(), key=lambda n: (paths[n] in standing.last, proposed.get(n, PADS_PER_KIT + 1), n))
    for number in others:
        put(number, proposed.get(number))
    for number in others:
        if number not in pads and free:
            put(number, free[0])
    return pads


def _fill_bank(waiting: dict[str, deque[int]]) -> dict[int, int]:
    """Take the samples of one bank out of those that wait; return them by pad."""
    bank: dict[int, int] = {}
    seen: set[str] = set()
    for role, usual in _USUAL.items():
        for pad in usual:
            if waiting.get(role) and pad not in bank:
                bank[pad] = waiting[role].popleft()
                seen.add(role)
    # Roles that have no pad yet go before further takes.
    while len(bank) < PADS_PER_BANK and any(waiting.values()):
        for role in [role for role, samples in waiting.items() if samples and role not in seen]:
            if len(bank) < PADS_PER_BANK:
                bank[_free_pad(bank, behind=bool(seen))] = waiting[role].popleft()
        seen = set()
    return bank


def _free_pad(bank: dict[int, int], behind: bool) -> int:
    free = [pad for pad in range(1, PADS_PER_BANK + 1) if pad not in bank]
    return next((pad for pad in free if pad in _BEHIND and behind), free[0])
