"""Operations on the pads of a kit. Pure: a list is done as a whole or not at all, and gives the list that undoes it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from schemas.errors import PadConflictError
from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT

PADS = tuple(f"{bank}{pad}" for bank in BANKS for pad in range(1, PADS_PER_BANK + 1))
PLACE_OF = {pad: place for place, pad in enumerate(PADS)}
_PAD = re.compile(r"([A-Za-z])0*([0-9]{1,2})")


def pad_of(key: str) -> str | None:
    """Return the pad that a key of a kit file names (`a01` is A1), or None."""
    named = _PAD.fullmatch(key.strip())
    pad = f"{named[1].upper()}{named[2]}" if named else ""
    return pad if pad in PLACE_OF else None


@dataclass(frozen=True)
class EditedKit:
    """A kit as its file says it.

    Attributes:
        name: None where the file gives none.
        tempo: In BPM.
        pads: What the file says of each pad, as text, by the pad: A1 to J16.
    """

    name: str | None
    tempo: float | None
    pads: Mapping[str, str]


@dataclass(frozen=True)
class PutPad:
    """Put something on a pad, whatever is there."""

    pad: str
    content: str


@dataclass(frozen=True)
class CopyPad:
    """Put on a pad what another one has."""

    source: str
    pad: str


@dataclass(frozen=True)
class MovePad:
    """Put on a pad what another one has, which is empty then."""

    source: str
    pad: str


@dataclass(frozen=True)
class SwapPads:
    """Exchange two pads; one of them may be empty."""

    source: str
    pad: str


@dataclass(frozen=True)
class ClearPad:
    """Empty a pad."""

    pad: str


@dataclass(frozen=True)
class FillPads:
    """Put many things on free pads from a bank on.

    Attributes:
        bank: The first bank.
        contents: The pad that each would have, counted from 1 from that bank on, and its content. One whose pad is taken gets
            the first free one that is left.
    """

    bank: str
    contents: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class RenameKit:
    """Give the kit a name; None: the name that its file has."""

    name: str | None


@dataclass(frozen=True)
class SetTempo:
    """Set the tempo of the kit, or none."""

    tempo: float | None


Operation: TypeAlias = PutPad | CopyPad | MovePad | SwapPads | ClearPad | FillPads | RenameKit | SetTempo


def apply_operations(kit: EditedKit, operations: Sequence[Operation]) -> tuple[EditedKit, list[Operation]]:
    """Do operations one after the other; return the kit then, and the operations that lead back to ``kit``.

    Raises:
        PadConflictError: One of them cannot be done.
    """
    pads = dict(kit.pads)
    done = kit
    for operation in operations:
        match operation:
            case RenameKit(name):
                done = replace(done, name=name)
            case SetTempo(tempo):
                done = replace(done, tempo=tempo)
            case PutPad(pad, content):
                pads[pad] = content
            case ClearPad(pad):
                _take(pads, pad)
            case CopyPad(source, pad):
                pads[pad] = _get(pads, source)
            case MovePad(source, pad):
                pads[pad] = _take(pads, source)
            case SwapPads(source, pad):
                _swap(pads, source, pad)
            case FillPads(bank, contents):
                pads |= _place(pads, bank, contents)
    done = replace(done, pads=pads)
    return done, difference(done, kit)


def difference(before: EditedKit, after: EditedKit) -> list[Operation]:
    """Return the operations that make ``after`` of ``before``."""
    operations: list[Operation] = []
    if before.name != after.name:
        operations.append(RenameKit(after.name))
    if before.tempo != after.tempo:
        operations.append(SetTempo(after.tempo))
    for pad in PADS:
        content = after.pads.get(pad)
        if content is None and pad in before.pads:
            operations.append(ClearPad(pad))
        elif content is not None and before.pads.get(pad) != content:
            operations.append(PutPad(pad, content))
    return operations


def _get(pads: Mapping[str, str], pad: str) -> str:
    if pad not in pads:
        raise PadConflictError(what=f"Pad {pad} is empty", fix="Read the kit again: another page may have changed it.")
    return pads[pad]


def _take(pads: dict[str, str], pad: str) -> str:
    content = _get(pads, pad)
    del pads[pad]
    return content


def _swap(pads: dict[str, str], first: str, second: str) -> None:
    if first not in pads and second not in pads:
        raise PadConflictError(what=f"Pads {first} and {second} are empty", fix="Swap two pads, one of them with a sample.")
    contents = pads.pop(first, None), pads.pop(second, None)
    for pad, content in zip((second, first), contents, strict=True):
        if content is not None:
            pads[pad] = content


def _place(pads: Mapping[str, str], bank: str, contents: Sequence[tuple[int, str]]) -> dict[str, str]:
    """Return the pads of what is to be filled in."""
    first = BANKS.index(bank) * PADS_PER_BANK
    free = [place for place in range(first, PADS_PER_KIT) if PADS[place] not in pads]
    if len(contents) > len(free):
        what = f"{len(contents)} samples do not fit: {len(free)} pads are free from bank {bank} on"
        raise PadConflictError(what=what, fix="Select fewer, or begin with another bank.")
    placed: dict[int, str] = {}
    homeless = []
    for number, content in sorted(contents, key=lambda one: one[0]):
        place = first + number - 1
        if place < PADS_PER_KIT and PADS[place] not in pads and place not in placed:
            placed[place] = content
        else:
            homeless.append(content)
    left = [place for place in free if place not in placed]
    placed |= dict(zip(left, homeless, strict=False))
    return {PADS[place]: content for place, content in placed.items()}
