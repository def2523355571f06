"""Measure the levels of a sample on its way: peak, true peak (ITU-R BS.1770), RMS, DC, clipping. Nothing changes the sound."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from config.device import RATE_HZ
from schemas.conversion import Levels
from tasks.audio.blocks import Block

# What counts as silence at a sample's start: -60 dBFS, about what a mouse click is worth on a pad.
_AUDIBLE = 10 ** (-60 / 20)
# Sums of such levels overflow; what holds them is not a sound.
_ABSURD = 1e12
# Four values a sample (ITU-R BS.1770-5, annex 2), by twelve taps of a windowed sine cardinal; the windows in which
# they are worked out together are 16 samples long.
_OVERSAMPLING, _TAPS, _WINDOW, _KAISER_BETA = 4, 12, 16, 4.0
_SPAN = _WINDOW + _TAPS - 1
# Larger products are shared out to threads by OpenBLAS, in the way of the ones that convert.
_BATCH = 192


class Meter:
    """Measures blocks that are about to be rounded to 16 bits; the same for any size of blocks but for rounding."""

    def __init__(self, channels: int) -> None:
        self._frames = 0
        self._peak = 0.0
        self._clipped_samples = 0
        self._squares = 0.0
        self._sums = np.zeros(channels)
        self._silence: int | None = None
        self._true_peak = TruePeak(channels)

    def add(self, block: Block, size: Block) -> float:
        """Measure the next block.

        Args:
            block: float32 (frames, channels).
            size: The absolute values of ``block``.

        Returns:
            The highest of them.
        """
        flat, loudness = block.reshape(-1), size.reshape(-1)
        peak = float(loudness.max())
        if self._silence is None and peak > _AUDIBLE:
            self._silence = self._frames + int((loudness > _AUDIBLE).argmax()) // block.shape[1]
        if peak > 1:
            self._clipped_samples += int(np.count_nonzero(loudness > 1))
        self._peak = max(self._peak, peak)
        if peak < _ABSURD:
            self._true_peak.add(block, size, peak)
            self._squares += float(np.einsum("i,i->", flat, flat))
            self._sums += sum_channels(block)
        self._frames += len(block)
        return peak

    def levels(self) -> Levels:
        """Return the levels of all blocks. No block can be added after that."""
        self._true_peak.end()
        frames = max(self._frames, 1)
        silence = self._frames if self._silence is None else self._silence
        return Levels(
            peak=self._peak,
            true_peak=max(self._peak, self._true_peak.found),
            clipped_samples=self._clipped_samples,
            rms=(self._squares / frames / len(self._sums)) ** 0.5,
            dc=float(np.abs(self._sums / frames).max()),
            leading_silence_ms=1000 * silence / RATE_HZ,
        )


class TruePeak:
    """Finds the highest value between samples, by the filter of ITU-R BS.1770-5, annex 2.

    Exact for that filter, but fast: where no tap meets a sample that is loud enough to beat what was found, nothing is
    worked out.
    """

    def __init__(self, channels: int) -> None:
        self.found = 0.0
        self._rest = np.zeros((_TAPS - 1, channels), np.float32)
        self._matrix, self._reach = _interpolator()

    def add(self, block: Block, size: Block, peak: float) -> None:
        """Search the next block. ``size`` has its absolute values; ``peak`` is the highest of them."""
        self.found = max(self.found, peak)
        if max(peak, float(np.abs(self._rest).max(initial=0.0))) * self._reach <= self.found:
            self._rest = np.concatenate([self._rest, block[1 - _TAPS :]])[1 - _TAPS :]
            return
        joined = np.concatenate([self._rest, block])
        windows = max((len(joined) - _TAPS + 1) // _WINDOW, 0)
        if windows:
            self._search(joined, np.concatenate([np.abs(self._rest), size])[: windows * _WINDOW], windows)
        self._rest = joined[windows * _WINDOW :]

    def end(self) -> None:
        """Search what is left, with silence behind it."""
        if float(np.abs(self._rest).max(initial=0.0)) * self._reach <= self.found:
            return
        silence = np.zeros((_TAPS + _WINDOW, self._rest.shape[1]), np.float32)
        self.add(silence, silence, 0.0)

    def _search(self, x: Block, size: Block, windows: int) -> None:
        channels = x.shape[1]
        frame = channels * x.itemsize
        overlapping = (_WINDOW * frame, frame, x.itemsize)
        seen: Block = np.ndarray((windows, _SPAN, channels), np.float32, x, 0, overlapping)
        loudest = int(size.argmax()) // (_WINDOW * channels)
        self._try(seen[loudest : loudest + 1])
        # Eight flags at a time: a window is hopeful if itself or the next one has a loud sample.
        eights = (size.reshape(-1) > self.found / self._reach).view(np.uint64).reshape(windows, -1)
        loud = eights[:, 0] != 0
        for column in range(1, eights.shape[1]):
            loud |= eights[:, column] != 0
        loud[:-1] |= loud[1:]
        loud[-1] = True  # the one behind it is not known yet
        self._try(seen[loud])

    def _try(self, windows: npt.NDArray[np.float32]) -> None:
        """``windows``: (n, _SPAN, channels)."""
        lines = np.ascontiguousarray(windows.transpose(0, 2, 1)).reshape(-1, _SPAN)
        for start in range(0, len(lines), _BATCH):
            between = lines[start : start + _BATCH] @ self._matrix
            found = max(float(between.max()), -float(between.min()))
            if self.found < found < math.inf:
                self.found = found


@cache
def _interpolator() -> tuple[npt.NDArray[np.float32], float]:
    """Make the matrix from a window of samples to the values between them; return how much it can amplify, too."""
    at = np.arange(_TAPS) - (_TAPS // 2 - 1)
    phases = []
    for phase in range(1, _OVERSAMPLING):
        distance = at - phase / _OVERSAMPLING
        window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (2 * distance / _TAPS) ** 2, 0, 1)))
        taps = np.sinc(distance) * window
        phases.append(taps / taps.sum())
    matrix = np.zeros((_SPAN, _WINDOW * len(phases)), np.float32)
    for start in range(_WINDOW):
        for number, taps in enumerate(phases):
            matrix[start : start + _TAPS, start * len(phases) + number] = taps
    return matrix, float(max(np.abs(taps).sum() for taps in phases))


def sum_channels(block: Block) -> npt.NDArray[np.float64]:
    """Return the sum of each channel: in rows of 64 frames first, which numpy adds up eight times as fast."""
    frames, channels = block.shape
    even = frames - frames % 64
    wide = block[:even].reshape(-1, 64 * channels).sum(axis=0, dtype=np.float32).reshape(64, channels)
    return wide.sum(axis=0, dtype=np.float64) + block[even:].sum(axis=0, dtype=np.float64)
