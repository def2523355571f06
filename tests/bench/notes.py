"""How well root notes are heard, by the notes of a SoundFont (Debian: timgm6mb-soundfont). Run it, and paste the table:

uv run python -m tests.bench.notes /usr/share/sounds/sf2/TimGM6mb.sf2
"""

import argparse
import re
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from schemas.music import NOTES
from tasks.audio.analyze import lower_rate
from tasks.audio.measure.tempo_and_key import MonoSound, find_root_note

# Records of the SoundFont 2.04 specification: a sample's header, a zone's first generator, a generator.
_SAMPLE, _ZONE, _GENERATOR = struct.Struct("<20sIIIIIBbHH"), struct.Struct("<HH"), struct.Struct("<Hh")
_COARSE_TUNE, _FINE_TUNE, _SAMPLE_ID, _ROOT_KEY = 51, 52, 53, 58
_CENTS = 30
_NOT_PITCHED = re.compile(
    "Snare|Hat|Cymb|Noise|Clap|Marac|Cabasa|Guiro|Shaker|Gun|Helicop|Ocean|Appla|Scratch|Rim|Snap|Drum|Tom|Tamb|Brush|Kick|"
    "Conga|Bongo|Timbale|Q|Orch|Wave$|Bird|Tele|Wood|Clave|Stick|Triangle|tick|Tumba|Cowbell|High|Hit|Bell|Slap$"
)


class Note(NamedTuple):
    """``key``: MIDI's number of the note that was recorded; None where it is a drum's, or not known."""

    name: str
    key: int | None
    x: MonoSound
    rate: int


def notes(path: Path) -> Iterator[Note]:
    """The samples, each held by its loop for 0.6 s; a note is known where all zones that play it say the same."""
    data = path.read_bytes()
    pcm = np.frombuffer(_chunk(data, b"smpl", data.find(b"sdta")), "<i2").astype(np.float32) / 32768
    headers = list(_SAMPLE.iter_unpack(_chunk(data, b"shdr")))[:-1]
    zones = [first for first, _ in _ZONE.iter_unpack(_chunk(data, b"ibag"))]
    generators = list(_GENERATOR.iter_unpack(_chunk(data, b"igen")))
    tunings: dict[int, set[tuple[int, int, int]]] = {}
    for start, stop in pairwise(zones):
        said = dict(generators[start:stop])
        if _SAMPLE_ID in said:
            tuning = (said.get(_ROOT_KEY, -1), said.get(_COARSE_TUNE, 0), said.get(_FINE_TUNE, 0))
            tunings.setdefault(said[_SAMPLE_ID], set()).add(tuning)
    for number, (raw, start, end, loop, loop_end, rate, pitch, cents, _, _) in enumerate(headers):
        name = raw.split(b"\0")[0].decode("latin-1")
        held = tunings.get(number, set())
        x = pcm[start:end]
        if len(held) != 1 or len(x) < 400:
            continue
        ((root, coarse, fine),) = held
        is_known = (
            not coarse and abs(cents + fine) <= _CENTS and (root >= 0 or pitch != 60 or re.search(r"C\d$", name) is not None)
        )
        lacking = round(0.6 * rate) - (loop_end - start)
        if loop_end - loop > 20 and lacking > 0:
            body = pcm[loop:loop_end]
            x = np.concatenate([pcm[start:loop_end], np.tile(body, lacking // len(body) + 1)])
        low, low_rate = lower_rate(x[:rate, None], rate)
        if _NOT_PITCHED.search(name):
            yield Note(name, None, low, low_rate)
        elif is_known:
            yield Note(name, root if root >= 0 else pitch, low, low_rate)


def _chunk(data: bytes, name: bytes, start: int = 0) -> bytes:
    at = data.find(name, start)
    return data[at + 8 : at + 8 + struct.unpack_from("<I", data, at + 4)[0]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soundfont", type=Path)
    found = [(note, *find_root_note(note.x, note.rate)) for note in notes(parser.parse_args().soundfont)]
    for least in (0, 0.4, 0.5, 0.6):
        sure = [(note, root) for note, root, share in found if share >= least]
        right = sum(note.key is not None and root == NOTES[note.key % 12] for note, root in sure)
        unpitched = sum(note.key is None for note, _ in sure)
        print(f"| {least} | {right} | {len(sure) - right - unpitched} | {unpitched} |")
    known = sum(note.key is not None for note, _, _ in found)
    print(f"{known} known notes, {len(found) - known} drums and noises")


if __name__ == "__main__":
    main()
