"""Measure sound at 48 kHz by a DFT, and generate the sound to measure. Knows nothing of how it was converted."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tests.support.audio import RATES, lag, melody

Wave = npt.NDArray[np.float64]
Way = Callable[[Wave, int], Wave]  # sound at a rate to sound at 48 kHz

RATE_HZ = 48_000
# Lines 0.73 Hz apart for tones, and for noise so many that each holds but little of it.
LINES, LINES_OF_NOISE = 1 << 16, 1 << 20
# Kaiser's windows with side lobes at -200 dB and at -100 dB. Both keep a tone, and what there is at 0 Hz, within a skirt.
FLAT, NARROW, SKIRT = 28, 14, 16
TONE_SECONDS, TONE = 1.6, 0.5


def sine(hz: float, level: float, seconds: float, rate_hz: int) -> Wave:
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def gain_db(way: Way, rate_hz: int) -> Wave:
    """By a second's answer to an impulse: a value a hertz."""
    answer = way(np.eye(1, rate_hz, rate_hz // 2)[0] * TONE, rate_hz)
    return 20 * np.log10(np.abs(np.fft.rfft(answer, RATE_HZ)) / TONE * rate_hz / RATE_HZ + 1e-30)


def worst_spur(way: Way, rate_hz: int, tones_hz: Wave) -> float:
    """Return the strongest line that is not the tone's own, in dB of the tone as it went in; the worst of all tones."""
    tones_hz = np.floor(tones_hz * LINES / RATE_HZ) * RATE_HZ / LINES
    x = way(np.concatenate([sine(hz, TONE, TONE_SECONDS, rate_hz) for hz in tones_hz]), rate_hz)
    each = round(TONE_SECONDS * RATE_HZ)
    starts = [n * each + (each - LINES) // 2 for n in range(len(tones_hz))]
    return _decibels(max(_lines(x[start:][:LINES], FLAT, hz)[1] for start, hz in zip(starts, tones_hz, strict=True)) / TONE)


def level_and_spur(way: Way, rate_hz: int, dbfs: float) -> tuple[float, float]:
    """Of a tone of 997 Hz, and of the strongest other line, in dBFS."""
    hz = round(997 * LINES_OF_NOISE / RATE_HZ) * RATE_HZ / LINES_OF_NOISE
    x = way(sine(hz, 10 ** (dbfs / 20), LINES_OF_NOISE / RATE_HZ + 1, rate_hz), rate_hz)
    level, spur = _lines(x[RATE_HZ // 2 :][:LINES_OF_NOISE], NARROW, hz)
    return _decibels(level), _decibels(spur)


def length_and_delay(way: Way) -> tuple[int, float]:
    """Return the worst of 14 rates, in frames and in fractions of one: of short files, and of a melody known at any time."""
    length, delay = 0, 0.0
    for rate_hz in sorted({*RATES, 12_000, 24_000, 64_000}):
        for frames in (10, 1_000, rate_hz + 1):
            x = way(melody(np.arange(frames) / rate_hz), rate_hz)
            length = max(length, abs(len(x) - (2 * frames * RATE_HZ + rate_hz) // (2 * rate_hz)))
        whole = lag(x, melody(np.arange(len(x)) / RATE_HZ))
        reference = melody((np.arange(len(x)) - whole) / RATE_HZ)
        slope, rest = np.gradient(reference)[2_000:-2_000], (reference - x)[2_000:-2_000]
        delay = max(delay, abs(whole + slope @ rest / (slope @ slope)))
    return length, delay


def _lines(x: Wave, shape: float, hz: float) -> tuple[float, float]:
    """Amplitudes by a DFT of all of ``x``: at ``hz``, and the largest elsewhere; beyond 24 kHz there is nothing."""
    window = np.kaiser(len(x), shape)
    found = 2 * np.abs(np.fft.rfft(x * window)) / window.sum()
    own = round(hz * len(x) / RATE_HZ)
    level = found[own] if own < len(found) else 0.0
    found[:SKIRT] = 0
    found[max(own - SKIRT, 0) : own + SKIRT + 1] = 0
    return level, found.max()


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude + 1e-30)
