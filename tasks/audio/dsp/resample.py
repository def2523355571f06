"""Resample with soxr, which is known here alone."""

from collections.abc import Iterator

import numpy as np
import soxr

from schemas.errors import ResampleError
from tasks.audio.blocks import Block

# Very high quality costs what high quality costs; low ones are no faster. High is for the one retry.
QUALITIES = ("VHQ", "HQ")


def resampled_frames(frames: int, rate_hz: int, target_hz: int) -> int:
    """Return the length after resampling: round(frames * target_hz / rate_hz), half up, in integers."""
    return (2 * frames * target_hz + rate_hz) // (2 * rate_hz)


def resample(blocks: Iterator[Block], rate_hz: int, channels: int, target_hz: int, quality: str) -> Iterator[Block]:
    """Resample blocks of float32 (frames, channels) from ``rate_hz`` to ``target_hz``, without delay.

    Returns:
        Blocks of exactly ``resampled_frames`` frames in all.

    Raises:
        ResampleError: soxr failed. What decoding raises passes through.
    """
    if rate_hz == target_hz:
        yield from blocks
        return
    try:
        stream = soxr.ResampleStream(rate_hz, target_hz, channels, dtype="float32", quality=quality)
    except (ValueError, RuntimeError) as error:
        raise ResampleError(error=str(error)) from error
    frames = written = 0
    held: Block = np.zeros((0, channels), np.float32)  # one block late, so that the last one is known as such
    for block in blocks:
        frames += len(block)
        if len(held) and len(chunk := _chunk(stream, held, False)):
            written += len(chunk)
            yield chunk
        held = block
    last = _chunk(stream, held, True)
    wanted = resampled_frames(frames, rate_hz, target_hz) - written
    if wanted > len(last):
        last = np.concatenate([last, np.zeros((wanted - len(last), channels), np.float32)])
    if wanted > 0:
        yield last[:wanted]


def _chunk(stream: soxr.ResampleStream, block: Block, last: bool) -> Block:
    try:
        return stream.resample_chunk(block, last=last)
    except (ValueError, RuntimeError) as error:
        raise ResampleError(error=str(error)) from error
