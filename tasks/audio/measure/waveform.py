"""Draw a waveform: how loud each part of a sound is."""

import numpy as np

from tasks.audio.blocks import Block

POINTS = 256
_FIRST_STEP = 64


class Waveform:
    """Finds the highest absolute values of a sound's parts, of whose length nothing is known beforehand.

    Steps are joined two by two as it goes on, so that there are never more than twice ``points``.
    """

    def __init__(self, points: int = POINTS) -> None:
        self._points = points
        self._step = _FIRST_STEP
        self._peaks = np.zeros(0, np.float32)
        self._rest = np.zeros(0, np.float32)

    def add(self, block: Block) -> int:
        """Add float32 (frames, channels), and return how many frames these were."""
        sizes = np.concatenate([self._rest, np.abs(block).max(axis=1, initial=0)])
        whole = len(sizes) // self._step * self._step
        self._rest = sizes[whole:]
        self._peaks = np.concatenate([self._peaks, sizes[:whole].reshape(-1, self._step).max(axis=1, initial=0)])
        while len(self._peaks) >= 2 * self._points:
            if len(self._peaks) % 2:
                # The odd one out is read again, as if it had not been yet.
                self._rest = np.concatenate([np.repeat(self._peaks[-1:], self._step), self._rest])
            self._peaks = self._peaks[: len(self._peaks) // 2 * 2].reshape(-1, 2).max(axis=1)
            self._step *= 2
        return len(block)

    def peaks(self) -> tuple[float, ...]:
        """Return at most ``points`` peaks, each of as many frames but for the last one."""
        last = self._rest.max(keepdims=True, initial=0) if len(self._rest) else self._rest
        found = np.concatenate([self._peaks, last])
        joined = -(-len(found) // self._points)
        starts = np.arange(0, len(found), max(joined, 1))
        return tuple(np.maximum.reduceat(found, starts).astype(np.float64).round(4).tolist()) if len(found) else ()
