"""Quantize float32 to 16 bits, with dither."""

from functools import cache
from hashlib import shake_128

import numpy as np
import numpy.typing as npt

from config.device import BITS
from tasks.audio.blocks import Block

_STEPS = 2 ** (BITS - 1)
# Below the last bit of 24: what a resampler leaves of digital silence.
_SILENCE = 2.0**-25
# Long enough (2.7 s of mono) that no line of its repetition stands out of the noise: the strongest is at -130 dBFS.
_NOISE_LENGTH = 1 << 17


def as_int16(block: Block) -> npt.NDArray[np.int16] | None:
    """Return float32 (frames, channels) as int16; None if these do not hold every value as it is."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found by not being equal
        scaled = np.multiply(block, np.float32(_STEPS))
        samples = scaled.astype(np.int16)
    return samples if np.array_equal(samples, scaled) else None


class MoreThanSixteenBitsError(Exception):
    """A sample that 16 bits do not hold as it is."""


class Quantizer:
    """Quantizes float32 to 16 bits: round to nearest, saturate; with ``dither``, triangular noise of two steps' width first.

    The noise comes from a fixed table, by a sample's place in the file: the same bytes in every run and for any size
    of blocks. Digital silence stays silent.

    Args:
        exact: Round nothing, if the first block has nothing to be rounded. Should a later one have, it is too late for
            dither, and MoreThanSixteenBitsError is raised.
        dither: Whether to add noise before rounding.
    """

    def __init__(self, exact: bool, dither: bool = False) -> None:
        self.exact = exact
        self._begun = False
        self._noise = _dither_noise() if dither else None
        self._place = 0

    def __call__(self, block: Block, size: Block, peak: float) -> npt.NDArray[np.int16]:
        """Quantize the next block.

        Args:
            block: float32 (frames, channels).
            size: The absolute values of ``block``.
            peak: The highest of them.

        Returns:
            int16 (frames, channels).

        Raises:
            MoreThanSixteenBitsError: See ``exact``.
        """
        if self.exact:
            samples = as_int16(block)
            if samples is None and self._begun:
                raise MoreThanSixteenBitsError
            self.exact, self._begun = samples is not None, True
            if samples is not None:
                return samples
        if peak > 2:  # what is clipped anyway must not overflow first
            block = np.clip(block, -2, 2)
        scaled = np.multiply(block, np.float32(_STEPS)).reshape(-1)
        if self._noise is not None:
            self._add(self._noise, scaled, size.reshape(-1))
        np.rint(scaled, out=scaled)
        if peak * _STEPS > _STEPS - 3:  # noise and rounding add a step and a half
            np.clip(scaled, -_STEPS, _STEPS - 1, out=scaled)
        return scaled.astype(np.int16).reshape(block.shape)

    def _add(self, noise: npt.NDArray[np.float32], scaled: npt.NDArray[np.float32], size: npt.NDArray[np.float32]) -> None:
        has_silence = size.min(initial=1.0) <= _SILENCE
        done = 0
        while done < len(scaled):
            drawn = noise[self._place : self._place + len(scaled) - done]
            part = slice(done, done + len(drawn))
            scaled[part] += drawn * (size[part] > _SILENCE) if has_silence else drawn
            done += len(drawn)
            self._place = (self._place + len(drawn)) % len(noise)


@cache
def _dither_noise() -> npt.NDArray[np.float32]:
    """Make the sum of two even distributions of one step each (TPDF): it leaves neither distortion nor a noise that breathes.

    From SHAKE128 (FIPS 202) rather than a library's random numbers, which may change with its version.
    """
    drawn = np.frombuffer(shake_128(b"sp404-export dither 1").digest(8 * _NOISE_LENGTH), "<u4").reshape(2, -1)
    return (drawn.sum(axis=0, dtype=np.float64) / 2**32 - 1).astype(np.float32)
