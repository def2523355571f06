"""WAV files with chunks of samplers: packed by hand, and read again by a reader of the tests' own."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.support.audio import wav_bytes

ONE_SHOT = 1


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


def smpl(*loops: tuple[int, int], rate: int = 48_000, note: int = 61) -> bytes:
    """Loops by first and last frame, with kinds and plays of their own; behind them data of the sampler's."""
    head = struct.pack("<9I", 0x41, 7, round(1e9 / rate), note, 0x4000_0000, 0, 0, len(loops), 24)
    kinds = ((0, 0), (1, 3), (2, 1))
    each = (struct.pack("<6I", 100 + n, kinds[n][0], *loop, 0x8000_0000, kinds[n][1]) for n, loop in enumerate(loops))
    return chunk(b"smpl", head + b"".join(each) + bytes(24))


def cue(*frames: int) -> bytes:
    points = (struct.pack("<II4sIII", 10 + n, frame, b"data", 0, 0, frame) for n, frame in enumerate(frames))
    return chunk(b"cue ", struct.pack("<I", len(frames)) + b"".join(points))


def acid(beats: int, tempo: float, flags: int = 0, root: int = 60) -> bytes:
    return chunk(b"acid", struct.pack("<IHHfIHHf", flags, root, 0x8000, 0.0, beats, 4, 4, tempo))


def wav(path: Path, x: npt.ArrayLike, rate: int, before: bytes = b"", after: bytes = b"") -> Path:
    """16 bits, with chunks on either side of ``data``."""
    x = np.asarray(x, np.int16).reshape(len(np.asarray(x)), -1)
    plain = wav_bytes(x.tobytes(), channels=x.shape[1], rate=rate)
    whole = plain[:36] + before + plain[36:] + after
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


def chunks(path: Path) -> dict[bytes, bytes]:
    """Return all chunks of a RIFF file, which must fill it to its end."""
    data = path.read_bytes()
    assert struct.unpack("<4sI4s", data[:12]) == (b"RIFF", len(data) - 8, b"WAVE")
    found, at = {}, 12
    while at < len(data):
        name, length = struct.unpack("<4sI", data[at : at + 8])
        assert name not in found
        found[name] = data[at + 8 : at + 8 + length]
        assert len(found[name]) == length
        at += 8 + length + length % 2
    assert at == len(data)
    assert list(found)[:2] == [b"fmt ", b"data"]
    return found


def loops_of(path: Path) -> list[tuple[int, ...]]:
    """(id, kind, first, last, fraction, plays) of each."""
    data = chunks(path).get(b"smpl", bytes(36))
    assert len(data) == 36 + 24 * struct.unpack_from("<I", data, 28)[0] + struct.unpack_from("<I", data, 32)[0]
    return list(struct.iter_unpack("<6I", data[36:]))


def cues_of(path: Path) -> dict[int, int]:
    """Frame by id."""
    data = chunks(path).get(b"cue ", bytes(4))
    points = list(struct.iter_unpack("<II4sIII", data[4:]))
    assert len(points) == struct.unpack("<I", data[:4])[0]
    assert all((kind, start, block, play) == (b"data", 0, 0, offset) for _, play, kind, start, block, offset in points)
    return {point[0]: point[5] for point in points}
