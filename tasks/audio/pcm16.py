"""Read the samples of a file that an export wrote, as they stand there: 48 kHz, 16 bits."""

import numpy as np

from config.device import BITS, MAX_FRAMES, RATE_HZ
from schemas.errors import LoadError, TooLongError
from tasks.audio.decode.detect import find_sound, open_file
from tasks.audio.decode.riff_chunks import read_chunk_layout


def read_pcm16(path: str) -> tuple[int, bytes]:
    """Read an exported file without converting anything.

    Returns:
        The number of channels (1 or 2), and signed 16-bit samples, interleaved, big-endian.

    Raises:
        SampleError: It cannot be read, is of another kind, or was cut.
    """
    with open_file(path) as (whole, _):
        kind, source = find_sound(whole, path)
        found = read_chunk_layout(source, kind)
        form = found.form if found else None
        if not found or not form or (form.code[1], form.bits, form.rate_hz) != ("i", BITS, RATE_HZ) or form.channels > 2:
            what = f"it is not {RATE_HZ // 1000} kHz, {BITS}-bit PCM, mono or stereo"
            raise LoadError(error=what, fix="Export it, and take the exported file.")
        if not found.whole:
            raise LoadError(error="it was cut short", fix="Export it again.")
        frames = found.there // form.frame_bytes
        if frames > MAX_FRAMES:
            raise TooLongError(duration_s=frames / RATE_HZ, maximum_s=MAX_FRAMES / RATE_HZ)
        raw = bytearray(frames * form.frame_bytes)
        source.fill(memoryview(raw), found.start)
    if form.code[0] == "<":
        np.frombuffer(raw, "<i2").byteswap(inplace=True)
    return form.channels, bytes(raw)
