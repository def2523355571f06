"""One source to one file that the device plays; whatever goes wrong with it is in the Outcome."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import FileIO

from config.device import RATE_HZ
from schemas.errors import (
    ResampleError,
    SampleError,
    TooLongError,
    TooShortError,
    write_failure,
)
from schemas.jobs import Job, Outcome, SoundSettings, SourceInfo
from schemas.words import AudioFormat, Status
from tasks.files import in_the_making, same_file, take_place, write_all
from tasks.sound import pcm
from tasks.sound.decode import Audio, Block, audio
from tasks.sound.resample import QUALITIES, resample, resampled_frames


def convert(job: Job, settings: SoundSettings) -> Outcome:
    """Convert ``job.source`` to ``job.target``: 48 kHz, 16 bits, mono or stereo.

    The target appears whole or not at all. A sample that cannot be converted is a ``failed`` Outcome; only failing
    surroundings (a full disk, an output folder that cannot be written) raise, as SurroundingsError.
    """
    started = time.perf_counter()
    try:
        outcome = _convert(job, settings)
    except SampleError as error:
        outcome = failed(job.index, error)
    return replace(outcome, seconds=time.perf_counter() - started)


def check(job: Job, settings: SoundSettings) -> Outcome:
    """Read ``job.source`` to its end as ``convert`` would, and write nothing."""
    try:
        with audio(job.source) as source:
            frames = sum(len(block) for block in _bounded(source, settings))
        return _outcome(job, source, resampled_frames(frames, source.info.rate_hz, RATE_HZ), 0)
    except SampleError as error:
        return failed(job.index, error)


def failed(index: int, error: SampleError) -> Outcome:
    return Outcome(index, Status.FAILED, error=str(error), reason=error.reason, fix=error.fix)


def _convert(job: Job, settings: SoundSettings) -> Outcome:
    *qualities, lowest = QUALITIES
    for quality in qualities:
        with suppress(ResampleError, MemoryError):
            return _attempt(job, settings, quality)
    try:
        return _attempt(job, settings, lowest)
    except MemoryError as error:
        raise ResampleError(error="not enough memory") from error


def _attempt(job: Job, settings: SoundSettings, quality: str) -> Outcome:
    with audio(job.source) as source:
        try:
            os.makedirs(os.path.dirname(job.target), exist_ok=True)
            with in_the_making(job.target) as file:
                frames, size = _write(file, source, settings, quality)
                take_place(file, job.target, ours=job.ours and not same_file(job.source, job.target))
        except OSError as error:
            raise write_failure(job.target, error) from error
        return _outcome(job, source, frames, size)


def _write(file: FileIO, source: Audio, settings: SoundSettings, quality: str) -> tuple[int, int]:
    """Writes the converted source; returns its frames and its size in bytes."""
    file_format = AudioFormat(settings.format)
    channels = min(source.info.channels, 2)
    blocks = _bounded(source, settings)
    if source.info.channels > 2:
        blocks = map(pcm.mixed_down, blocks)
    frames = 0
    write_all(file, pcm.header(0, channels, file_format))
    for block in resample(blocks, source.info.rate_hz, channels, RATE_HZ, quality):
        frames += len(block)
        write_all(file, pcm.encoded(pcm.quantised(block), file_format))
    size = file.tell()
    file.seek(0)
    write_all(file, pcm.header(frames, channels, file_format))
    return frames, size


def _bounded(source: Audio, settings: SoundSettings) -> Iterator[Block]:
    """The source's blocks. Raises TooLongError as soon as it is known, TooShortError at the end or by the header."""
    info = source.info
    if info.frames:
        _check_length(info.frames, info, settings, ended=True)
    done = 0
    for block in source.blocks:
        done += len(block)
        _check_length(done, info, settings, ended=False)
        yield block
    _check_length(done, info, settings, ended=True)


def _check_length(frames: int, info: SourceInfo, settings: SoundSettings, ended: bool) -> None:
    if resampled_frames(frames, info.rate_hz, RATE_HZ) > settings.max_frames:
        raise TooLongError(duration_s=frames / info.rate_hz, maximum_s=settings.max_frames / RATE_HZ)
    if ended and frames * 1000 < settings.min_duration_ms * info.rate_hz:
        duration_ms = frames * 1000 // info.rate_hz
        raise TooShortError(duration_ms=duration_ms, minimum_ms=settings.min_duration_ms)


def _outcome(job: Job, source: Audio, frames: int, size: int) -> Outcome:
    info = source.info
    return Outcome(
        job.index,
        Status.EXPORTED,
        bytes=size,
        frames=frames,
        channels=min(info.channels, 2),
        source=info,
        source_bytes=source.bytes,
        source_mtime_ns=source.mtime_ns,
        done=tuple(_done(info)),
    )


def _done(info: SourceInfo) -> Iterator[str]:
    if info.channels > 2:
        yield f"{info.channels} channels mixed down to stereo (ITU-R BS.775)"
    if info.rate_hz != RATE_HZ:
        yield f"resampled from {info.rate_hz} Hz (soxr)"
    if not info.subtype.endswith(("_16", "_S8", "_U8")):
        yield f"quantised from {info.subtype} to 16 bits"
