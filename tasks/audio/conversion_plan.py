"""Decide mixdown, resampling and effects of a source before reading it, and decode it by that plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from config.device import RATE_HZ
from schemas.conversion import Job, SoundSettings, SourceInfo
from schemas.enums import Mono
from schemas.errors import TooLargeError, TooLongError, TooShortError
from tasks.audio.blocks import BLOCK_FRAMES, Block
from tasks.audio.decode.source import AudioSource
from tasks.audio.decode.speakers import usual_speakers
from tasks.audio.dsp.effects import Edit, Survey, plan_edit
from tasks.audio.dsp.loop import LoopLength, detect_loop, resample_loop
from tasks.audio.dsp.mixdown import Mix, plan_mixdown, take_left, take_middle
from tasks.audio.dsp.resample import resample, resampled_frames
from tasks.audio.sampler_chunks import Marks, read_marks


@dataclass(frozen=True)
class ConversionPlan:
    """The way from a source to 48 kHz, decided by its header and the settings.

    Attributes:
        channels: 1 or 2, of the output.
        mix: Mixes the source's channels, block by block; None leaves them as they are.
        loop: The length to which a loop is resampled as a whole; None for what is not a loop.
        marks: Loops, cue points and tempo in the source.
        edit: Trim, gain, fades and padding, which come after resampling.
        quality: The resampler's (``dsp.resample.QUALITIES``).
        exact: Whether 16 bits hold the output as it is, provided they hold the source.
        done: What is done, in words for the user.
    """

    channels: int
    mix: Mix | None
    loop: LoopLength | None
    marks: Marks
    edit: Edit
    quality: str
    exact: bool
    done: tuple[str, ...]


def plan_conversion(
    job: Job, source: AudioSource, settings: SoundSettings, quality: str, found: Survey | None = None
) -> ConversionPlan:
    """Decide mixdown, resampling and effects of a source before reading it.

    Args:
        job: Its tempo and the peak of its folder count.
        source: Opened, and not read.
        settings: What touches the sound.
        quality: The resampler's.
        found: The survey of a first pass; None where none was needed, or where this is that pass.
    """
    info, known, done = source.info, read_marks(source.extras), []
    channels, computes = min(info.channels, 2), False
    mix: Mix | None = None
    if info.channels > 2:
        mix, how = plan_mixdown(info.speakers or usual_speakers(info.channels))
        computes = True
        done.append(how)
    if channels == 2 and settings.mono == Mono.ALL:
        channels, computes = 1, True
        mix = _after(mix, take_middle)
        done.append("mixed to mono")
    elif channels == 2 and settings.mono == Mono.IDENTICAL and found and found.identical:
        channels, mix = 1, _after(mix, take_left)
        done.append("folded to mono: both channels are the same")
    loop = None
    if settings.seamless and info.frames:
        loop = detect_loop(info.frames, info.rate_hz, job.tags.bpm, known)
    if loop and (info.rate_hz != RATE_HZ or loop.frames != info.frames):
        computes = True
        done.append(f"resampled as a loop ({loop.why}) from {info.frames} frames at {info.rate_hz} Hz to {loop.frames}")
    elif info.rate_hz != RATE_HZ:
        computes = True
        done.append(f"resampled from {info.rate_hz} Hz (soxr {quality})")
    edit = plan_edit(settings, found, job.loudest, is_loop=loop is not None)
    exact = not computes and not edit.computes
    return ConversionPlan(channels, mix, loop, known, edit, quality, exact, (*done, *edit.done))


def decode_to_48_khz(
    source: AudioSource, plan: ConversionPlan, settings: SoundSettings, seen: Callable[[Block], None] | None = None
) -> Iterator[Block]:
    """Decode, mix and resample a whole source as planned; only the edit is left to do.

    Args:
        source: Opened, and not read.
        plan: The decisions of ``plan_conversion``.
        settings: Its limits of size and length count.
        seen: Called with every block of the source as it was decoded.

    Returns:
        float32 (frames, ``plan.channels``) at 48 kHz.

    Raises:
        SampleError: LoadError, TooShortError, TooLongError, TooLargeError or ResampleError, here or while blocks are read.
    """
    blocks = read_bounded(source, settings)
    if seen:
        blocks = _show(blocks, seen)
    if plan.mix:
        blocks = map(plan.mix, blocks)
    if plan.loop:
        return _resample_loop(blocks, plan.loop.frames)
    return resample(blocks, source.info.rate_hz, plan.channels, RATE_HZ, plan.quality)


def read_bounded(source: AudioSource, settings: SoundSettings) -> Iterator[Block]:
    """Read a source's blocks, within the limits of size and length.

    Raises:
        SampleError: TooLargeError, TooLongError or TooShortError, as soon as it is known: by the header before a block is read.
    """
    if source.bytes > settings.max_file_bytes:
        raise TooLargeError(what="The file", bytes=source.bytes, maximum=settings.max_file_bytes, setting="max_file_mb")
    if source.info.frames:
        _check_length(source.info.frames, source.info, settings, ended=True)
    return _stop_at_limit(source, settings)


def _stop_at_limit(source: AudioSource, settings: SoundSettings) -> Iterator[Block]:
    info = source.info
    done = 0
    for block in source.blocks:
        done += len(block)
        _check_length(done, info, settings, ended=False)
        yield block
    _check_length(done, info, settings, ended=True)


def _check_length(frames: int, info: SourceInfo, settings: SoundSettings, ended: bool) -> None:
    if resampled_frames(frames, info.rate_hz, RATE_HZ) > settings.max_frames:
        raise TooLongError(duration_s=frames / info.rate_hz, maximum_s=settings.max_frames / RATE_HZ)
    decoded_bytes = frames * info.channels * np.dtype(np.float32).itemsize
    if decoded_bytes > settings.max_decoded_bytes:
        largest = settings.max_decoded_bytes
        raise TooLargeError(what="The decoded sound", bytes=decoded_bytes, maximum=largest, setting="max_decoded_mb")
    padded = settings.pad_to_ms >= settings.min_duration_ms
    if ended and not padded and frames * 1000 < settings.min_duration_ms * info.rate_hz:
        duration_ms = frames * 1000 // info.rate_hz
        raise TooShortError(duration_ms=duration_ms, minimum_ms=settings.min_duration_ms)


def _show(blocks: Iterator[Block], seen: Callable[[Block], None]) -> Iterator[Block]:
    for block in blocks:
        seen(block)
        yield block


def _resample_loop(blocks: Iterator[Block], frames: int) -> Iterator[Block]:
    whole = resample_loop(np.concatenate(list(blocks)), frames)
    for start in range(0, frames, BLOCK_FRAMES):
        yield whole[start : start + BLOCK_FRAMES]


def _after(first: Mix | None, then: Mix) -> Mix:
    return (lambda block: then(first(block))) if first else then
