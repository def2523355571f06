"""How well the tempo of loops is heard. Run it, and paste the tables into README.md beside this file:

uv run python -m tests.bench.tempo /usr/share/sonic-pi/samples /usr/share/hydrogen/data
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from tasks.audio import synth
from tasks.audio.analyze import lower_rate
from tasks.audio.measure.tempo_and_key import Tempo, estimate_tempo
from tests.support.engines import noises

RATE = 44_100
# Beats of the loops of sonic-pi-samples; with their length they give the tempo.
BEATS = {
    "3d_printer": 16, "amen": 4, "amen_full": 16, "breakbeat": 4, "compus": 16, "drone_g_97": 8, "electric": 4, "garzul": 16,
    "industrial": 2, "mehackit1": 4, "mehackit2": 4, "mika": 16, "perc1": 4, "perc2": 4, "safari": 16, "tabla": 16, "weirdo": 8,
}  # fmt: skip
# Steps of a bar in sixteenths: kick, snare, hat.
PATTERNS = {
    "boom bap": ("x......x..x.....", "....x.......x...", "x.x.x.x.x.x.x.x."),
    "house": ("x...x...x...x...", "....x.......x...", "..x...x...x...x."),
    "breaks": ("x.x.......xx....", "....x..x.x..x..x", "x.x.x.x.x.x.x.x."),
    "half time": ("x.........x.....", "........x.......", "x.x.x.x.x.x.xxxx"),
    "sparse": ("x...............", "........x.......", "................"),
    "hats": ("................", "................", "x.xxx.x.x.xxx.x."),
}
TEMPI = {
    "boom bap": (78, 85, 90, 92.5, 96, 102),
    "house": (118, 122, 124, 126, 128, 132),
    "breaks": (130, 136, 140, 160, 170, 174),
    "half time": (70, 75, 132, 140, 145, 150),
    "sparse": (80, 90, 100, 110, 120, 130),
    "hats": (84, 95, 105, 115, 125, 138),
}


class Loop(NamedTuple):
    name: str
    bpm: float
    x: "np.ndarray[tuple[int, int], np.dtype[np.float32]]"
    rate: int


def real(folder: Path) -> Iterator[Loop]:
    for name, beats in BEATS.items():
        x, rate = soundfile.read(folder / f"loop_{name}.flac", dtype="float32", always_2d=True)
        yield Loop(name, beats * 60 * rate / len(x), x, rate)


def synthetic() -> Iterator[Loop]:
    for style, tempi in TEMPI.items():
        for number, bpm in enumerate(tempi):
            bars, swing = (1, 2, 4)[number % 3], (0.0, 0.25)[number % 2]
            yield Loop(f"{style} {bpm:g}, {bars} bars, swing {swing:g}", bpm, _played(PATTERNS[style], bpm, bars, swing), RATE)


def _played(
    pattern: tuple[str, str, str], bpm: float, bars: int, swing: float
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    step = 60 / bpm / 4
    frames = round(bars * 16 * step * RATE)
    out = np.zeros((frames, 1), np.float32)
    for voice, hits in zip((synth.kick(RATE), synth.snare(RATE), synth.hat(RATE)), pattern, strict=True):
        for position in range(bars * 16):
            if hits[position % 16] == "x":
                start = round((position * step + (swing * step if position % 2 else 0)) * RATE)
                places = (start + np.arange(len(voice))) % frames  # a loop's tail sounds on at its start
                np.add.at(out[:, 0], places, voice * (0.9 if position % 4 == 0 else 0.7))
    return out


def _heard(x: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", rate: int) -> Tempo:
    mono, rate = lower_rate(x, rate)
    return estimate_tempo(mono, rate)


def judged(loops: Iterator[Loop]) -> None:
    exact = octave = sure = sure_right = count = 0
    seconds = 0.0
    for loop in loops:
        started = time.perf_counter()
        heard = _heard(loop.x, loop.rate)
        seconds += time.perf_counter() - started
        count += 1
        right = abs(heard.bpm / loop.bpm - 1) < 0.01
        up_to_octave = any(abs(heard.bpm * factor / loop.bpm - 1) < 0.01 for factor in (0.5, 1, 2))
        exact, octave = exact + right, octave + up_to_octave
        sure, sure_right = sure + (heard.confidence >= 0.6), sure_right + (right and heard.confidence >= 0.6)
        verdict = "" if right else " (octave)" if up_to_octave else " **wrong**"
        print(f"| {loop.name} | {loop.bpm:.2f} | {heard.bpm:.2f}{verdict} | {heard.alternative:.2f} | {heard.confidence:.2f} |")
    print(f"\n{exact} of {count} exactly, {octave} up to the octave; {sure} written, {sure_right} of them rightly;")
    print(f"{1000 * seconds / count:.0f} ms a loop\n")


def false_alarms(folders: list[Path]) -> None:
    """How many files that are no loops by their names would be given a tempo."""
    given = count = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".wav", ".flac", ".aiff") and "loop" not in path.name:
                x, rate = soundfile.read(path, dtype="float32", always_2d=True)
                count += 1
                heard = _heard(x, rate)
                if heard.confidence >= 0.6:
                    given += 1
                    print(f"{path}: {heard.bpm:.2f}, {heard.confidence:.2f}")
    print(f"{given} of {count} files that are no loops would be given a tempo")


def engines() -> None:
    """How many synthesised engines, pumps and wheels, which could all be loops by their length, would be given a tempo."""
    heard = [_heard(x, RATE).confidence for seed in range(5) for _, x in noises(seed)]
    print(f"{sum(confidence >= 0.6 for confidence in heard)} of {len(heard)} engines would be given a tempo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sonic_pi", type=Path)
    parser.add_argument("others", nargs="*", type=Path)
    options = parser.parse_args()
    for title, loops in (("sonic-pi-samples", real(options.sonic_pi)), ("Synthesised", synthetic())):
        print(f"### {title}\n\n| loop | BPM | heard | or | confidence |\n|---|---|---|---|---|")
        judged(loops)
    false_alarms([options.sonic_pi, *options.others])
    engines()


if __name__ == "__main__":
    main()
