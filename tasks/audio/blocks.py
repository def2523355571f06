"""Blocks of samples, which the steps of a conversion hand to each other."""

import numpy as np
import numpy.typing as npt

# float32 (frames, channels), interleaved; full scale is 1.0.
Block = npt.NDArray[np.float32]

# Small enough to stay in a core's cache on its way from the file to the file: measured the fastest (docs/decisions/0005).
BLOCK_FRAMES = 1 << 15
