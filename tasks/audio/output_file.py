"""Encode WAV and AIFF files with nothing but what the device needs: 48 kHz, 16 bits."""

import struct
from io import FileIO

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from config.device import BITS, RATE_HZ
from schemas.enums import AudioFormat
from tasks.fs.atomic import write_all
from tasks.fs.hashing import hash_open_file

# 48000 as an 80-bit IEEE 754 extended number, as AIFF wants its rate.
_RATE_EXTENDED = struct.pack(">HQ", 16383 + 15, RATE_HZ << 48)


class OutputWriter:
    """Writes an audio file, and hashes what it writes on the way.

    Args:
        file: Open for reading and writing, and empty.
        channels: 1 or 2.
        file_format: WAV or AIFF.
        expected_frames: How long it will likely be: then its header is right from the start.
    """

    def __init__(self, file: FileIO, channels: int, file_format: AudioFormat, expected_frames: int) -> None:
        self._file, self._channels, self._format = file, channels, file_format
        self._header = file_header(expected_frames, channels, file_format)
        self._hash = blake3(self._header)
        self._frames = 0
        write_all(file, self._header)

    def add(self, samples: npt.NDArray[np.int16]) -> None:
        """Write int16 (frames, channels). Raises OSError."""
        encoded = encode_samples(samples, self._format)
        self._hash.update(encoded)
        self._frames += len(samples)
        write_all(self._file, encoded)

    def end(self, chunks: bytes = b"") -> tuple[int, str]:
        """Write chunks behind the samples, and the header anew if it was wrong.

        Returns:
            The size of the file, and the hash of its bytes.

        Raises:
            OSError: The disk does not take them.
        """
        write_all(self._file, chunks)
        size = self._file.tell()
        header = file_header(self._frames, self._channels, self._format, len(chunks))
        if header == self._header:
            return size, str(self._hash.hexdigest())
        self._file.seek(0)
        write_all(self._file, header)
        return size, hash_open_file(self._file.fileno())


def encode_samples(samples: npt.NDArray[np.int16], file_format: AudioFormat) -> memoryview:
    """Encode int16 (frames, channels): little-endian for WAV, big-endian for AIFF."""
    order = ">i2" if file_format is AudioFormat.AIFF else "<i2"
    return samples.astype(order, copy=False).reshape(-1).view(np.uint8).data


def file_header(frames: int, channels: int, file_format: AudioFormat, behind: int = 0) -> bytes:
    """Return what stands before the samples: 44 bytes of WAV (tag 1, ``fmt `` and ``data``), or 54 of AIFF (COMM and SSND).

    Args:
        frames: The length.
        channels: 1 or 2.
        file_format: WAV or AIFF.
        behind: How many bytes of chunks follow the samples.
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


def float_header(frames: int, channels: int, rate_hz: int) -> bytes:
    """Return what stands before float32 samples in a WAV: 58 bytes (tag 3, ``fmt ``, ``fact`` and ``data``)."""
    width = channels * 4
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, channels, rate_hz, rate_hz * width, width, 32, 0)
    chunks = form + struct.pack("<4sII", b"fact", 4, frames) + struct.pack("<4sI", b"data", frames * width)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks) + frames * width, b"WAVE") + chunks
