"""Decode with libsndfile: FLAC, Ogg Vorbis, Opus, and the PCM and ADPCM files that are not unpacked here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import soundfile

from schemas.conversion import SourceInfo
from schemas.errors import LoadError
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.track import Length, Track, decoding, opening

# Vorbis and Opus keep the centre second and the LFE last (Vorbis I, 4.3.9); the order here is WAV's.
_VORBIS_TO_WAV = {
    3: [0, 2, 1],
    5: [0, 2, 1, 3, 4],
    6: [0, 2, 1, 5, 3, 4],
    7: [0, 2, 1, 6, 5, 3, 4],
    8: [0, 2, 1, 7, 5, 6, 3, 4],
}
# libsndfile's word for the length of a FLAC that does not say it.
_UNKNOWN_FRAMES = 1 << 62


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from start to end.

    soundfile seeks to where it is after every block of a file that can, which takes as long as decoding it.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def open_with_libsndfile(source: ByteRange, kind: str, length: Length) -> Iterator[Track]:
    """Open a source with libsndfile.

    Args:
        source: The file.
        kind: Its container.
        length: What the container counts. What it counts itself must be as many, or a few more that are no sound.

    Raises:
        LoadError: It cannot be opened, or two counts of its frames disagree.
    """
    is_whole = not source.start and source.size == os.fstat(source.fd).st_size
    with opening("libsndfile"):
        # A descriptor of its own: libsndfile closes what it is given.
        file = _Forward(os.dup(source.fd) if is_whole else source.open())
    with file:
        counted, expected = file.frames, length.expected_at(file.samplerate)
        missing, surplus = length.missing, length.surplus or 0
        if length.rate_hz not in (0, file.samplerate):  # what it is rounded to
            missing = surplus = 1
        if counted >= _UNKNOWN_FRAMES:
            raise LoadError(error="libsndfile does not know how long it is")
        if expected is not None and not expected - missing <= counted <= expected + surplus:
            raise LoadError(error=f"libsndfile counts {counted:,} frames, and its container {expected:,}")
        frames = counted if expected is None else min(counted, expected)
        info = SourceInfo(kind, file.subtype, file.samplerate, file.channels, frames)
        known = Length(frames, is_exact=True, is_cut=length.is_cut)
        yield Track(info, _read_blocks(file, kind, frames), known, list(length.notes))


def _read_blocks(file: soundfile.SoundFile, kind: str, frames: int) -> Iterator[Block]:
    order = _VORBIS_TO_WAV.get(file.channels) if kind == "ogg" else None
    rest = frames
    while rest > 0:  # no further: tags behind the last frame of a FLAC are an error to libsndfile
        with decoding("libsndfile"):
            block = file.read(min(BLOCK_FRAMES, rest), dtype="float32", always_2d=True)
        if not len(block):
            return
        rest -= len(block)
        yield block[:, order] if order else block
