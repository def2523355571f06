"""16-bit PCM: mix down, quantise, and files with nothing but what the device needs."""

import struct

import numpy as np
import numpy.typing as npt

from config.device import BITS, RATE_HZ
from schemas.words import AudioFormat
from tasks.sound.decode import Block

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


def mixed_down(block: Block) -> Block:
    """(frames, n > 2) to (frames, 2). The gains of a side add up to 1, so that nothing can clip."""
    channels = block.shape[1]
    left = np.array(_LEFT.get(channels, [1 - n % 2 for n in range(channels)]), np.float32)
    right = np.array(_RIGHT.get(channels, [n % 2 for n in range(channels)]), np.float32)
    return block @ np.stack([left / left.sum(), right / right.sum()], axis=1)


def quantised(block: Block) -> npt.NDArray[np.int16]:
    """Full scale 1.0 to 16 bits: round to nearest, saturate. What came from 16 bits comes back the same."""
    scaled = np.rint(np.clip(block, -1, 1) * np.float32(32768))
    return np.minimum(scaled, 32767).astype(np.int16)


def encoded(samples: npt.NDArray[np.int16], file_format: AudioFormat) -> bytes:
    return samples.astype(">i2" if file_format is AudioFormat.AIFF else "<i2", copy=False).tobytes()


def header(frames: int, channels: int, file_format: AudioFormat) -> bytes:
    """What stands before the samples: 44 bytes of WAV (tag 1, ``fmt `` and ``data``), or 54 of AIFF (COMM and SSND)."""
    width = channels * BITS // 8
    size = frames * width
    if file_format is AudioFormat.WAV:
        form = struct.pack(
            "<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, channels, RATE_HZ, RATE_HZ * width, width, BITS
        )
        return form + struct.pack("<4sI", b"data", size)
    form = struct.pack(">4sI4s4sIHIH", b"FORM", 46 + size, b"AIFF", b"COMM", 18, channels, frames, BITS)
    return form + _RATE_EXTENDED + struct.pack(">4sIII", b"SSND", 8 + size, 0, 0)
