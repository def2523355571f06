"""Sounds with regular onsets that are no music: engines, a pump, wheels on rails; by a seed."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from tests.support.audio import Sound

RATE = 44_100
_KINDS = ("idle", "pump", "rails")


def noises(seed: int, lengths: Iterable[float] = (2.0, 4.0, 8.0, 16.0)) -> Iterator[tuple[str, Sound]]:
    """Yield noises by name, float32 (frames, 1); in each a whole number of strokes, so that it could be a loop."""
    rng = np.random.default_rng(seed)
    for seconds in lengths:
        for hz in (2, 3, 4, 8):
            for kind in _KINDS:
                x = {"idle": _idle, "pump": _pump, "rails": _rails}[kind](rng, seconds, hz)
                yield f"{kind}, {hz} a second for {seconds:g} s", (x / np.abs(x).max()).astype(np.float32)[:, None]


def _hiss(rng: np.random.Generator, frames: int, width: int) -> npt.NDArray[np.float64]:
    return np.convolve(rng.normal(size=frames), np.ones(width) / width, "same")


def _idle(rng: np.random.Generator, seconds: float, hz: float) -> npt.NDArray[np.float64]:
    """Strokes of noise and a low tone, none as loud as the last, none quite in time, over a hum."""
    x = 0.1 * _hiss(rng, round(seconds * RATE), 8)
    t = np.arange(round(0.3 * RATE)) / RATE
    for at in np.arange(0, seconds, 1 / hz):
        start = max(round((at + 0.01 / hz * rng.normal()) * RATE), 0)
        decay = np.exp(-t / min(0.08, 0.3 / hz)) * (1 + 0.3 * rng.normal())
        stroke = (2 * _hiss(rng, len(t), 12) + np.sin(2 * np.pi * 90 * t)) * decay
        np.add.at(x, (start + np.arange(len(t))) % len(x), stroke)
    return x


def _pump(rng: np.random.Generator, seconds: float, hz: float) -> npt.NDArray[np.float64]:
    """Noise that swells and ebbs."""
    t = np.arange(round(seconds * RATE)) / RATE
    return _hiss(rng, len(t), 10) * (0.2 + 0.8 * (0.5 + 0.5 * np.sin(2 * np.pi * hz * t)) ** 2)


def _rails(rng: np.random.Generator, seconds: float, hz: float) -> npt.NDArray[np.float64]:
    """Two clacks for each joint of the rails, over rolling."""
    x = 0.15 * _hiss(rng, round(seconds * RATE), 20)
    t = np.arange(round(0.06 * RATE)) / RATE
    for at in np.arange(0, seconds, 1 / hz):
        for behind, level in ((0.0, 1.0), (0.18 / hz, 0.7)):
            clack = level * rng.normal(size=len(t)) * np.exp(-t / 0.012) * (1 + 0.1 * rng.normal())
            np.add.at(x, (round((at + behind) * RATE) + np.arange(len(t))) % len(x), clack)
    return x
