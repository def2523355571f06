"""Mix channels down: to stereo by their speakers, and to mono."""

from collections.abc import Callable, Sequence

import numpy as np

from tasks.audio.blocks import Block

Mix = Callable[[Block], Block]
_HALF = 0.5**0.5
# ITU-R BS.775-3, table 2: centre and surrounds at -3 dB into left and right, a single surround at -6 dB into both, no LFE.
# It does not know the speakers above, which go where those below them go.
_GAINS = {
    "FL": (1, 0), "FR": (0, 1), "FC": (_HALF, _HALF), "LFE": (0, 0), "LFE2": (0, 0), "DL": (1, 0), "DR": (0, 1),
    "FLC": (1, 0), "FRC": (0, 1), "WL": (1, 0), "WR": (0, 1), "BC": (0.5, 0.5),
    "BL": (_HALF, 0), "BR": (0, _HALF), "SL": (_HALF, 0), "SR": (0, _HALF), "SDL": (_HALF, 0), "SDR": (0, _HALF),
    "BFL": (_HALF, 0), "BFR": (0, _HALF),
    "TFL": (_HALF, 0), "TFR": (0, _HALF), "TSL": (_HALF, 0), "TSR": (0, _HALF), "TBL": (_HALF, 0), "TBR": (0, _HALF),
}  # fmt: skip
# A channel of a speaker that is none of these, or of none beside others, is heard in the middle.
_MIDDLE = (_HALF, _HALF)


def plan_mixdown(speakers: Sequence[str]) -> tuple[Mix, str]:
    """Plan how to mix channels down to two by their speakers, by ITU-R BS.775.

    Args:
        speakers: The name of each channel's speaker (``tasks.audio.decode.speakers``); more than two.

    Returns:
        What mixes float32 (frames, n) down to (frames, 2); and what it does, in words. The gains of a side add up to 1:
        nothing can clip.
    """
    count = len(speakers)
    if any(speakers):
        gains = [_GAINS.get(name, _MIDDLE) for name in speakers]
        left_out = [f"{name} (channel {number})" for number, name in enumerate(speakers, 1) if _GAINS.get(name) == (0, 0)]
        how = "(ITU-R BS.775)" + (f", without {' and '.join(left_out)}" if left_out else "")
    else:
        gains = [(1 - number % 2, number % 2) for number in range(count)]
        how = "(no speakers are named: channels in turn left and right)"
    matrix = np.array(gains, np.float32)
    matrix /= np.maximum(matrix.sum(axis=0), np.finfo(np.float32).tiny)  # nothing but an LFE, or all on one side
    return (lambda block: block @ matrix), f"{count} channels mixed down to stereo {how}"


def take_left(block: Block) -> Block:
    """Return the left channel of float32 (frames, 2) as (frames, 1)."""
    return np.ascontiguousarray(block[:, :1])


def take_middle(block: Block) -> Block:
    """Return the mean of both channels of float32 (frames, 2) as (frames, 1)."""
    return (block[:, :1] + block[:, 1:]) / np.float32(2)
