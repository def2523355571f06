"""Mix channels down: to stereo by their speakers, and to mono."""

import numpy as np

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


def mix_down(block: Block) -> Block:
    """Mix float32 (frames, n > 2) down to (frames, 2), by ITU-R BS.775. The gains of a side add up to 1: nothing can clip."""
    channels = block.shape[1]
    left = np.array(_LEFT.get(channels, [1 - n % 2 for n in range(channels)]), np.float32)
    right = np.array(_RIGHT.get(channels, [n % 2 for n in range(channels)]), np.float32)
    return block @ np.stack([left / left.sum(), right / right.sum()], axis=1)


def take_left(block: Block) -> Block:
    """Return the left channel of float32 (frames, 2) as (frames, 1)."""
    return np.ascontiguousarray(block[:, :1])


def take_middle(block: Block) -> Block:
    """Return the mean of both channels of float32 (frames, 2) as (frames, 1)."""
    return (block[:, :1] + block[:, 1:]) / np.float32(2)
