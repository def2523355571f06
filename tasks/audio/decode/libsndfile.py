"""Decode with libsndfile: FLAC, Ogg Vorbis, Opus, and the PCM files that are not unpack here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import soundfile

from schemas.conversion import SourceInfo
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode.track import Track, decoding, opening

# Vorbis and Opus keep the centre second and the LFE last (Vorbis I, 4.3.9); the order here is WAV's.
_VORBIS_TO_WAV = {
    3: [0, 2, 1],
    5: [0, 2, 1, 3, 4],
    6: [0, 2, 1, 5, 3, 4],
    7: [0, 2, 1, 6, 5, 3, 4],
    8: [0, 2, 1, 7, 5, 6, 3, 4],
}


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from start to end.

    soundfile seeks to where it is after every block of a file that can, which takes as long as decoding it.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def open_with_libsndfile(fd: int, kind: str) -> Iterator[Track]:
    """Open a source. ``kind`` is its container. Raises LoadError."""
    with opening():
        file = _Forward(os.dup(fd))  # a descriptor of its own: libsndfile closes what it is given
    with file:
        info = SourceInfo(kind, file.subtype, file.samplerate, file.channels, file.frames)
        yield Track(info, _read_blocks(file, kind), file.frames)


def _read_blocks(file: soundfile.SoundFile, kind: str) -> Iterator[Block]:
    order = _VORBIS_TO_WAV.get(file.channels) if kind == "ogg" else None
    rest = file.frames
    while rest > 0:  # no further: tags behind the last frame of a FLAC are an error to libsndfile
        with decoding():
            block = file.read(min(BLOCK_FRAMES, rest), dtype="float32", always_2d=True)
        if not len(block):
            return
        rest -= len(block)
        yield block[:, order] if order else block
