"""Fingerprint samples: equal for equal sound, whatever file it stands in."""

import sys

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from tasks.audio.blocks import Block
from tasks.audio.dsp.quantize import MoreThanSixteenBitsError, as_int16


class Fingerprint:
    """BLAKE3 of samples without their file, so that a source that passes unchanged has the fingerprint of its output.

    It is of 16-bit integers where these hold the samples, else of 32-bit floats; interleaved, little-endian.

    Args:
        floats: Hash floats whatever comes. Else the first block decides, and a later one that would decide otherwise raises
            MoreThanSixteenBitsError.
    """

    def __init__(self, floats: bool = False) -> None:
        self._hash = blake3()
        self._sixteen_bits: bool | None = False if floats else None
        self.frames = 0

    def add(self, block: Block) -> None:
        """Add a block of float32 (frames, channels), as a source gives them."""
        whole = None if self._sixteen_bits is False else as_int16(block)
        if whole is None and self._sixteen_bits:
            raise MoreThanSixteenBitsError
        self._sixteen_bits = whole is not None
        self.add_samples(block if whole is None else whole)

    def add_samples(self, samples: Block | npt.NDArray[np.int16]) -> None:
        """Add samples in the form that is hashed."""
        self.frames += len(samples)
        if sys.byteorder == "big":
            samples = samples.byteswap()
        self._hash.update(np.ascontiguousarray(samples).reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """Return the fingerprint of all samples so far, in 64 hexadecimal digits."""
        return str(self._hash.hexdigest())
