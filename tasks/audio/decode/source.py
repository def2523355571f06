"""Open any supported audio file as blocks of float32, in bounded memory, and notice what is missing of it.

A length is known only when two independent facts agree (docs/decisions/0012): what a header counts is held against the bytes
that are there (``riff_chunks``, ``mpeg``), against what its container counts (``ogg``, ``mp4``), and against the frames that a
decoder gives. Where they disagree the other decoder is asked; what then still disagrees fails.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from schemas.conversion import SourceInfo
from schemas.errors import LoadError, NothingLeftError, TruncatedError
from tasks.audio.blocks import Block
from tasks.audio.decode import flac, mp4, mpeg, ogg
from tasks.audio.decode.byte_range import ByteRange, hash_content
from tasks.audio.decode.chunk_layout import ChunkLayout, ExtraChunks, SampleFormat
from tasks.audio.decode.detect import find_sound, is_wavpack_cut, open_file
from tasks.audio.decode.ffmpeg import open_with_ffmpeg, read_speakers, read_start
from tasks.audio.decode.libsndfile import open_with_libsndfile
from tasks.audio.decode.pcm import unpack
from tasks.audio.decode.riff_chunks import read_chunk_layout
from tasks.audio.decode.track import CutOffError, DecoderError, Length, Track, unaligned
from tasks.fs.file_status import is_same_state, times_of

# A false header may claim anything; it is believed only within these bounds, before a byte is allocated.
RATE_MIN_HZ, RATE_MAX_HZ = 1_000, 768_000
MAX_CHANNELS = 32
# libsndfile loses nearly half of a VBR MP3 without a Xing header, and knows none of the others.
_BY_FFMPEG = frozenset(["mp3", "mp4", "adts", "wavpack", "ac3", "asf"])
# Their encoders put silence in front and say nowhere how much of it.
_UNALIGNED = {"adts": "AAC without a container", "ac3": "AC-3", "asf": "WMA"}
# In an FL Studio WAV the stream's first page may stand behind data of the codec.
_OGG_SEARCH_BYTES = 1 << 16
# Of the errors of two decoders, the one that says most.
_MOST_TOLD = (TruncatedError, NothingLeftError)
_LOAD_PREFIX = LoadError.text.partition("{")[0]
Result = TypeVar("Result")
Decoder = Callable[[ByteRange, str, Length], AbstractContextManager[Track]]


@dataclass(frozen=True)
class AudioSource:
    """An open source.

    Attributes:
        info: What its header says.
        content_hash: Hashes the bytes of the file, with BLAKE3.
        bytes: The size of the file.
        mtime_ns: When its content changed last; 0, as ``ctime_ns``, if it is so new that it could change once more unnoticed.
        ctime_ns: When its status changed last.
        blocks: float32 (frames, channels); they can be read once.
        extras: A WAV file's own chunks.
        notes: What the user should know of how it was read; complete when the blocks are read.
        warnings: Those of them that should be looked at.
    """

    info: SourceInfo
    content_hash: Callable[[], str]
    bytes: int
    mtime_ns: int
    ctime_ns: int
    blocks: Iterator[Block]
    extras: ExtraChunks
    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Part:
    """One of the files that were put together in a file; most files are one.

    Attributes:
        source: Its bytes.
        length: What its container counts.
        decoders: Those that know it, the best one first.
    """

    source: ByteRange
    length: Length
    decoders: tuple[Decoder, ...]


@dataclass(frozen=True)
class _SoundFile:
    """What is known of a file before a decoder is started.

    Attributes:
        kind: Its container.
        source: The part of the file that is this container.
        layout: Where its chunks say that the sound stands.
        parts: What it is made of.
    """

    kind: str
    source: ByteRange
    layout: ChunkLayout | None
    parts: tuple[_Part, ...]


def read_audio(path: str, read: Callable[[AudioSource], Result], *, keep_truncated: bool = False) -> Result:
    """Open the audio file at ``path``, and return what ``read`` makes of it.

    Args:
        path: The file.
        read: Reads the blocks. It is called again with another decoder, if the first one fails or gives another length than the
            file's container counts.
        keep_truncated: Take what is there of a file that is cut, instead of refusing it.

    Raises:
        AudioNotFoundError: There is no such file.
        UnsupportedFormatError: It is not audio.
        LoadError: It cannot be read whole.
    """
    errors: list[LoadError] = []
    for number in range(2):
        try:
            return _read(path, read, number)
        except LoadError as error:
            errors.append(error)
    best = min(errors, key=lambda error: _MOST_TOLD.index(type(error)) if type(error) in _MOST_TOLD else len(_MOST_TOLD))
    if type(best) is TruncatedError and keep_truncated:
        return _read(path, read, errors.index(best), keep_truncated=True)
    raise best


def _read(path: str, read: Callable[[AudioSource], Result], number: int, keep_truncated: bool = False) -> Result:
    with open_audio(path, number, keep_truncated) as source:
        return read(source)


@contextmanager
def open_audio(path: str, number: int = 0, keep_truncated: bool = False) -> Iterator[AudioSource]:
    """Open the audio file at ``path`` with the decoder that reads it best, or with the second best (``number`` 1).

    Raises:
        AudioNotFoundError: There is no such file.
        UnsupportedFormatError: It is not audio.
        LoadError: It cannot be read whole; also while blocks are read. Or there is no such decoder.
    """
    with open_file(path) as (whole, status), ExitStack() as stack:
        sound = _look(whole, path, keep_truncated)
        track = stack.enter_context(_open_track(sound, number))
        info = track.info
        if not RATE_MIN_HZ <= info.rate_hz <= RATE_MAX_HZ:
            raise LoadError(error=f"its header claims {info.rate_hz} Hz")
        if not 1 <= info.channels <= MAX_CHANNELS:
            raise LoadError(error=f"its header claims {info.channels} channels")
        if info.channels > 2 and not info.speakers:
            info = replace(info, speakers=(sound.layout and sound.layout.speakers) or _read_speakers(sound))
        warnings: list[str] = []
        if keep_truncated:
            info = replace(info, frames=None)  # which the end would have counted
        blocks = _check_complete(track, warnings if keep_truncated else None)
        checked = _check_unchanged(whole.fd, status, blocks)
        extras = sound.layout.extras if sound.layout else ExtraChunks()
        content = partial(hash_content, whole.fd)
        track.notes.extend(_notes(sound, info))
        yield AudioSource(info, content, status.st_size, *times_of(status), checked, extras, track.notes, warnings)


def _look(whole: ByteRange, path: str, keep_truncated: bool) -> _SoundFile:
    """Find the sound in a file, and count its frames by its container.

    Raises:
        LoadError: It is not audio; or its end is missing, and may not.
    """
    kind, source = find_sound(whole, path)
    layout = read_chunk_layout(source, kind)
    if layout and not layout.whole and not keep_truncated:
        raise truncation_error(layout)
    if layout and layout.is_ogg:
        inner = source.part(layout.start, layout.there)
        kind, source = "ogg", inner.part(max(inner.read(_OGG_SEARCH_BYTES, 0).find(b"OggS\0"), 0))
    if kind == "ogg":
        links = ogg.read_links(source) or [ogg.Link(0, source.size)]
        parts = tuple(_ogg_part(source, link) for link in links)
    elif kind == "mp3":
        parts = tuple(_Part(part.source, part.length, (open_with_ffmpeg,)) for part in mpeg.read_parts(source))
    else:
        length = _count(kind, source, layout)
        parts = (_Part(source, length, _decoders(kind, layout, length)),)
    return _SoundFile(kind, source, layout, parts)


def _ogg_part(source: ByteRange, link: ogg.Link) -> _Part:
    """Choose the decoders of one stream of an Ogg file: libsndfile knows Vorbis and Opus, where they are alone."""
    part, length = source.part(link.start, link.stop - link.start), link.length()
    by_both: tuple[Decoder, ...] = (_open_ogg_with_ffmpeg,)
    if link.codec in ("vorbis", "opus"):
        by_both = (open_with_libsndfile if link.is_alone else partial(_open_alone, link), _open_ogg_with_ffmpeg)
        if link.is_one_page:  # of which FFmpeg loses the first block, and so the start
            return _Part(part, length, by_both)
        if not link.is_long:  # what a page cannot hold is no count
            return _Part(part, replace(length, expected=None, is_exact=False), by_both)
    if link.audio and link.audio.goes_back:  # libsndfile believes the last one
        return _Part(part, length, (_open_ogg_with_ffmpeg,))
    start = read_start(part)
    if start > 0 and ogg.is_damaged(part):  # else it was cut from a longer one, and its time stamps begin there
        raise LoadError(error="a part of it is damaged")
    if length.expected is not None:
        length = replace(length, expected=max(length.expected - start, 0))
    if start < 0:
        note = "its time stamps begin before 0, as of a file cut from a longer one: all of its sound was read"
        note = unaligned("Speex") if link.codec == "speex" else note
        length = replace(length, notes=(*length.notes, note))
        return _Part(part, length, (_open_ogg_with_ffmpeg,))  # libsndfile leaves out the end
    return _Part(part, length, by_both)


@contextmanager
def _open_alone(link: ogg.Link, source: ByteRange, kind: str, length: Length) -> Iterator[Track]:
    """Open with libsndfile a stream that has others beside it, from a copy without them."""
    with tempfile.TemporaryFile(buffering=0) as file:
        ogg.write_alone(source, link, file.write)
        size = file.tell()
        file.seek(0)  # where libsndfile begins to read
        with open_with_libsndfile(ByteRange(file.fileno(), 0, size), kind, length) as track:
            yield track


def _open_ogg_with_ffmpeg(source: ByteRange, kind: str, length: Length) -> AbstractContextManager[Track]:
    if ogg.is_damaged(source):
        raise LoadError(error="a part of it is damaged")
    return open_with_ffmpeg(source, kind, length)


def _count(kind: str, source: ByteRange, layout: ChunkLayout | None) -> Length:
    """Count the frames of a source by its container."""
    frames, missing, surplus, is_cut = None, 0, None, False
    notes = (layout.note,) if layout and layout.note else ()
    if kind == "flac":
        info = flac.read_stream_info(source)
        if contradiction := flac.find_contradiction(info):
            raise LoadError(error=contradiction)
        frames = info.frames or None
        if frames and flac.count_by_last_frame(source, info) > frames:
            notes, frames = (f"its header counts {frames:,} frames, and more are there and were read",), None
    elif kind == "adts" and mpeg.is_interrupted(source):
        raise LoadError(error="a part of it is damaged")
    elif kind in ("mp4", "wavpack"):
        is_cut = (mp4.is_cut if kind == "mp4" else is_wavpack_cut)(source)
    elif layout and not layout.whole:
        is_cut = True
    elif layout and layout.packets and layout.packets.frames > 0:
        frames = layout.packets.frames
        if not layout.packets.priming and not layout.packets.remainder:
            missing = layout.packets.packet_frames
    elif layout and layout.counted:
        frames, surplus = layout.counted, layout.block_frames  # the last block is filled up
    elif layout and layout.block_frames:
        notes = (*notes, f"may end with silence: its last block of {layout.block_frames:,} frames may not be full")
    is_exact = frames is not None and not missing
    return Length(frames, is_exact=is_exact, missing=missing, surplus=surplus, is_cut=is_cut, notes=notes)


def _decoders(kind: str, layout: ChunkLayout | None, length: Length) -> tuple[Decoder, ...]:
    if layout and layout.form:
        return (partial(_open_plain, layout, layout.form),)
    if kind in _BY_FFMPEG or (layout and layout.by_ffmpeg) or (kind == "flac" and length.expected is None):
        return (open_with_ffmpeg,)  # libsndfile does not know them, or not without their length
    return (open_with_libsndfile, open_with_ffmpeg)


def _open_plain(
    layout: ChunkLayout, form: SampleFormat, source: ByteRange, kind: str, length: Length
) -> AbstractContextManager[Track]:
    frames = layout.there // form.frame_bytes
    promised = frames if layout.promised is None else layout.promised // form.frame_bytes
    info = SourceInfo(kind, form.subtype, form.rate_hz, form.channels, frames, layout.speakers)
    return nullcontext(Track(info, unpack(source, layout, form), replace(length, expected=promised), list(length.notes)))


@contextmanager
def _open_track(sound: _SoundFile, number: int) -> Iterator[Track]:
    """Open all parts of the sound as one, with the decoders of this number."""
    if number >= max(len(part.decoders) for part in sound.parts):
        raise LoadError(error="there is no other decoder")
    with _open_part(sound, sound.parts[0], number) as first:
        if len(sound.parts) == 1:
            yield first
            return
        counts = [part.length.expected_at(first.info.rate_hz) for part in sound.parts]
        expected = None if None in counts else sum(filter(None, counts))
        frames = expected if all(part.length.is_exact for part in sound.parts) else None
        length = Length(
            expected,
            is_exact=frames is not None,
            missing=sum(part.length.missing for part in sound.parts),
            is_cut=any(part.length.is_cut for part in sound.parts),
        )
        notes = [f"made of {len(sound.parts)} files put together, all of which were read"]
        yield Track(replace(first.info, frames=frames), _read_parts(sound, first, number, notes), length, notes)


def _read_parts(sound: _SoundFile, first: Track, number: int, notes: list[str]) -> Iterator[Block]:
    yield from first.blocks
    notes.extend(first.notes)
    for part in sound.parts[1:]:
        try:
            with _open_part(sound, part, number) as track:
                if (track.info.rate_hz, track.info.channels) != (first.info.rate_hz, first.info.channels):
                    raise DecoderError("its rate or channels change in the middle")
                yield from track.blocks
                notes.extend(note for note in track.notes if note not in notes)
        except LoadError as error:
            raise DecoderError(str(error).removeprefix(_LOAD_PREFIX)) from error


def _open_part(sound: _SoundFile, part: _Part, number: int) -> AbstractContextManager[Track]:
    return part.decoders[min(number, len(part.decoders) - 1)](part.source, sound.kind, part.length)


def truncation_error(layout: ChunkLayout, fix: str = "") -> TruncatedError:
    """Return the error of a file that is not whole. ``fix``: what to do, where it is another thing than usual."""
    promised = layout.promised or 0
    if not layout.form or not layout.form.rate_hz:
        return _cut_error(layout.there, f"{layout.there:,} of {promised:,} bytes of sound", fix)
    frame_bytes = layout.form.frame_bytes
    there = layout.there // frame_bytes
    return _cut_error(there, _describe_cut(there, promised // frame_bytes, layout.form.rate_hz), fix)


def _cut_error(there: int, how_much: str, fix: str = "") -> TruncatedError:
    """Return the error of a file that is cut: if nothing is ``there`` of its sound, then nothing can be kept, either."""
    if there:
        return TruncatedError(error=f"truncated: {how_much}", fix=fix)
    return NothingLeftError(error=how_much)


def _describe_cut(there: int, promised: int, rate_hz: int) -> str:
    missing_s = (promised - there) / rate_hz
    if missing_s < 0.001:
        return f"{there:,} of {promised:,} frames"
    digits = 1 if missing_s >= 0.1 else 3
    return f"{there / rate_hz:.{digits}f} s of {promised / rate_hz:.{digits}f} s"


def _read_speakers(sound: _SoundFile) -> tuple[str, ...]:
    return () if sound.kind in ("wav", "w64") else read_speakers(sound.source)  # whose headers were read here


def _notes(sound: _SoundFile, info: SourceInfo) -> Iterator[str]:
    if sound.kind in _UNALIGNED:
        yield unaligned(_UNALIGNED[sound.kind])
    if sound.kind in ("wav", "w64") and info.subtype in ("MP3", "AAC", "AC3"):
        yield unaligned(f"{info.subtype} in a WAV")
    if sound.layout and sound.layout.is_unaligned:
        yield unaligned("this CAF")


def _check_complete(track: Track, kept: list[str] | None) -> Iterator[Block]:
    """Yield the blocks, as long as they are numbers that a converter can take, and as many as there must be.

    Args:
        track: What a decoder gives.
        kept: Where to say what is missing, if the file may be cut; None if it may not.
    """
    rate_hz, length = track.info.rate_hz, track.length
    done, is_cut = 0, length.is_cut
    are_integers = track.info.subtype.startswith("PCM_")
    try:
        for block in track.blocks:
            if not are_integers and not (finite := np.isfinite(block)).all():
                first = done + int(np.argmin(finite.all(axis=1)))
                raise LoadError(error=f"frame {first} ({first / rate_hz:.3f} s) is not a number")
            done += len(block)
            yield block
    except CutOffError:
        is_cut = True
    except DecoderError as error:
        if not length.is_cut:
            raise _decoding_error(error, done, track) from error
    is_short = length.expected is not None and done < length.expected - (0 if is_cut else length.missing)
    if not done and not is_short:
        raise LoadError(error="it holds no sound (0 frames)")
    if is_short or is_cut:
        how_much = (
            _describe_cut(done, length.expected or 0, rate_hz)
            if is_short
            else f"{done / rate_hz:.1f} s, and the end is missing"
        )
        if kept is None or not done:
            raise _cut_error(done, how_much)
        kept.append(f"truncated: {how_much}")


def _decoding_error(error: DecoderError, done: int, track: Track) -> LoadError:
    rate_hz, expected = track.info.rate_hz, track.length.expected
    whole = f" of {expected / rate_hz:.1f} s" if expected else ""
    return LoadError(error=f"{error}, after {done / rate_hz:.1f} s{whole}")


def _check_unchanged(fd: int, before: os.stat_result, blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield the blocks, and check at their end that the file is still the one that was opened."""
    yield from blocks
    if not is_same_state(before, os.fstat(fd)):
        raise LoadError(error="it changed while it was read", fix="Export it again.")
