"""Read ``smpl`` loops, ``cue `` points and ``acid`` tempo of a WAV file, move them to another rate, and write them again."""

import struct
from dataclasses import dataclass, replace
from typing import NamedTuple

from config.device import RATE_HZ
from tasks.audio.decode.chunk_layout import ExtraChunks

# Microsoft, "Multimedia Programming Interface and Data Specifications 1.0": smpl and cue; acid: docs/decisions/0005.
_SMPL, _LOOP = struct.Struct("<9I"), struct.Struct("<6I")
_CUE = struct.Struct("<II4sIII")
_ACID = struct.Struct("<IHHfIHHf")
_ONE_SHOT, _HAS_ROOT = 1, 2


@dataclass(frozen=True)
class Acid:
    """The tags of a loop editor. ``beats`` and ``tempo_bpm`` are 0, and ``root`` (a MIDI note) None, where it says nothing."""

    one_shot: bool
    beats: int
    tempo_bpm: float
    root: int | None


class Loop(NamedTuple):
    """A loop. ``first`` and ``last`` frame are both played.

    ``kind``: 0 forward, 1 to and fro, 2 backward. 0 ``plays``: for ever.
    """

    id: int
    kind: int
    first: int
    last: int
    plays: int


class Cue(NamedTuple):
    """A cue point: its number in the file, and its frame."""

    id: int
    frame: int


@dataclass(frozen=True)
class Marks:
    """Loops, cue points and tempo of a WAV file, with the chunks that they were read from."""

    loops: tuple[Loop, ...]
    cues: tuple[Cue, ...]
    acid: Acid | None
    chunks: ExtraChunks

    def __bool__(self) -> bool:
        return bool(self.loops or self.cues or self.acid)

    def __str__(self) -> str:
        counts = ((len(self.loops), "loop"), (len(self.cues), "cue point"))
        parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n]
        return ", ".join(parts + (["acid tempo"] if self.acid else []))


NO_MARKS = Marks((), (), None, ExtraChunks())


def read_marks(chunks: ExtraChunks) -> Marks:
    """Read the marks of a WAV file's chunks, without those that are cut short or make no sense."""
    if chunks == ExtraChunks():
        return NO_MARKS
    smpl, cue, acid = chunks.smpl, chunks.cue, None
    loops = [
        Loop(name, kind, first, last, plays)
        for name, kind, first, last, _, plays in _LOOP.iter_unpack(_whole(_LOOP, smpl[_SMPL.size :]))
    ]
    cues = [Cue(fields[0], fields[5]) for fields in _CUE.iter_unpack(_whole(_CUE, cue[4:]))]
    loop_count = _SMPL.unpack_from(smpl)[7] if len(smpl) >= _SMPL.size else 0
    cue_count = int.from_bytes(cue[:4], "little")
    if len(chunks.acid) >= _ACID.size:
        flags, root, _, _, beats, _, _, tempo = _ACID.unpack_from(chunks.acid)
        known = beats > 0 and 0 < tempo < 1000
        has_root = flags & _HAS_ROOT and root < 128
        acid = Acid(bool(flags & _ONE_SHOT), beats if known else 0, tempo if known else 0.0, root if has_root else None)
    sensible = tuple(loop for loop in loops[:loop_count] if loop.first <= loop.last)
    return Marks(sensible, tuple(cues[:cue_count]), acid, chunks)


def move_marks(found: Marks, ratio: float, kept: tuple[int, int], whole: int) -> Marks:
    """Move marks to another rate and to what a trim leaves.

    A mark outside of that is dropped, and so is the tempo of what was trimmed, whose beats are gone.

    Args:
        found: The marks of the source.
        ratio: New frames per old one.
        kept: The first new frame that is left, and the one behind the last.
        whole: New frames before the trim.
    """
    if not found:
        return found

    start, stop = kept
    frames = stop - start

    def place(frame: int) -> int:
        return round(frame * ratio) - start

    ends = [loop._replace(first=place(loop.first), last=min(place(loop.last + 1), frames) - 1) for loop in found.loops]
    cues = [cue._replace(frame=place(cue.frame)) for cue in found.cues]
    return replace(
        found,
        loops=tuple(loop for loop in ends if 0 <= loop.first <= loop.last),
        cues=tuple(cue for cue in cues if 0 <= cue.frame < frames),
        acid=found.acid if frames == whole else None,
    )


def write_chunks(found: Marks) -> bytes:
    """Return the chunks that stand behind ``data`` at 48 kHz. The sampler's own data, which is not public, is left out."""
    chunks = []
    if found.loops:
        head = list(_SMPL.unpack_from(found.chunks.smpl))
        head[2], head[7], head[8] = round(1e9 / RATE_HZ), len(found.loops), 0
        loops = (_LOOP.pack(loop.id, loop.kind, loop.first, loop.last, 0, loop.plays) for loop in found.loops)
        chunks.append((b"smpl", _SMPL.pack(*head) + b"".join(loops)))
    if found.cues:
        cues = (_CUE.pack(cue.id, cue.frame, b"data", 0, 0, cue.frame) for cue in found.cues)
        chunks.append((b"cue ", len(found.cues).to_bytes(4, "little") + b"".join(cues)))
    if found.acid:
        chunks.append((b"acid", found.chunks.acid[: _ACID.size]))
    return b"".join(struct.pack("<4sI", name, len(data)) + data for name, data in chunks)


def _whole(kind: struct.Struct, data: bytes) -> bytes:
    """Return as many whole records as ``data`` has."""
    return data[: len(data) - len(data) % kind.size]
