"""16-bit PCM: mix down, quantise, and files with nothing but what the device needs."""

import struct
from functools import cache
from hashlib import shake_128

import numpy as np
import numpy.typing as npt

from config.device import BITS, RATE_HZ
from schemas.enums import AudioFormat
from tasks.audio.blocks import Block

_HALF = 0.5**0.5
# ITU-R BS.775-3, table 2: centre and surrounds at -3 dB into left and right, no LFE; in WAV's order of channels.
_LEFT = {
    3: (1, 0, _HALF),
    4: (1, 0, _HALF, 0),
    5: (1, 0, _HALF, _HALF, 0),
    6: (1, 0, _HALF, 0, _HALF, 0),
    7: (1, 0, _HALF, 0, _HALF, _HALF, 0),
    8: (1, 0, _HALF, 0, _HALF, 0, _HALF, 0),
}
_RIGHT = {
    3: (0, 1, _HALF),
    4: (0, 1, 0, _HALF),
    5: (0, 1, _HALF, 0, _HALF),
    6: (0, 1, _HALF, 0, 0, _HALF),
    7: (0, 1, _HALF, 0, _HALF, 0, _HALF),
    8: (0, 1, _HALF, 0, 0, _HALF, 0, _HALF),
}
# 48000 as an 80-bit IEEE 754 extended number, as AIFF wants its rate.
_RATE_EXTENDED = struct.pack(">HQ", 16383 + 15, RATE_HZ << 48)

_STEPS = 2 ** (BITS - 1)
# Below the last bit of 24: what a resampler leaves of digital silence.
_SILENCE = 2.0**-25
# Long enough (2.7 s of mono) that no line of its repetition stands out of the noise: the strongest is at -130 dBFS.
_NOISE_LENGTH = 1 << 17


def mixed_down(block: Block) -> Block:
    """(frames, n > 2) to (frames, 2). The gains of a side add up to 1, so that nothing can clip."""
    channels = block.shape[1]
    left = np.array(_LEFT.get(channels, [1 - n % 2 for n in range(channels)]), np.float32)
    right = np.array(_RIGHT.get(channels, [n % 2 for n in range(channels)]), np.float32)
    return block @ np.stack([left / left.sum(), right / right.sum()], axis=1)


def as_they_are(block: Block) -> npt.NDArray[np.int16] | None:
    """The samples as 16-bit integers; None if these do not hold them all."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found by not being equal
        scaled = np.multiply(block, np.float32(_STEPS))
        samples = scaled.astype(np.int16)
    return samples if np.array_equal(samples, scaled) else None


class MoreThanSixteenBitsError(Exception):
    """A sample that 16 bits do not hold as it is."""


class Quantiser:
    """Floats to 16 bits: round to nearest, saturate; with ``dither``, triangular noise of two steps' width first.

    The noise comes from a fixed table, by a sample's place in the file: the same bytes in every run and for any size
    of blocks. Digital silence stays silent. ``exact``: nothing is rounded, if the first block has nothing to be rounded;
    should a later one have, it is too late for dither: MoreThanSixteenBitsError.
    """

    def __init__(self, exact: bool, dither: bool = False) -> None:
        self.exact = exact
        self._begun = False
        self._noise = _dither_noise() if dither else None
        self._place = 0

    def __call__(self, block: Block, size: Block, peak: float) -> npt.NDArray[np.int16]:
        """``size``: the absolute values of ``block``, of which ``peak`` is the highest."""
        if self.exact:
            samples = as_they_are(block)
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
    """The sum of two even distributions of one step each (TPDF): it leaves neither distortion nor a noise that breathes.

    From SHAKE128 (FIPS 202) rather than a library's random numbers, which may change with its version.
    """
    drawn = np.frombuffer(shake_128(b"sp404-export dither 1").digest(8 * _NOISE_LENGTH), "<u4").reshape(2, -1)
    return (drawn.sum(axis=0, dtype=np.float64) / 2**32 - 1).astype(np.float32)


def encoded(samples: npt.NDArray[np.int16], file_format: AudioFormat) -> memoryview:
    order = ">i2" if file_format is AudioFormat.AIFF else "<i2"
    return samples.astype(order, copy=False).reshape(-1).view(np.uint8).data


def header(frames: int, channels: int, file_format: AudioFormat, behind: int = 0) -> bytes:
    """What stands before the samples: 44 bytes of WAV (tag 1, ``fmt `` and ``data``), or 54 of AIFF (COMM and SSND).

    ``behind``: bytes of chunks that follow the samples.
    """
    width = channels * BITS // 8
    size = frames * width
    if file_format is AudioFormat.WAV:
        whole = 36 + size + behind
        form = struct.pack(
            "<4sI4s4sIHHIIHH", b"RIFF", whole, b"WAVE", b"fmt ", 16, 1, channels, RATE_HZ, RATE_HZ * width, width, BITS
        )
        return form + struct.pack("<4sI", b"data", size)
    form = struct.pack(">4sI4s4sIHIH", b"FORM", 46 + size + behind, b"AIFF", b"COMM", 18, channels, frames, BITS)
    return form + _RATE_EXTENDED + struct.pack(">4sIII", b"SSND", 8 + size, 0, 0)
