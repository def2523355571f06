"""Convert one source to one file that the device plays; and read it without converting, for the other verbs."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from typing import TypeVar

import numpy as np

from config.device import BITS, RATE_HZ
from schemas.conversion import (
    TOO_LOUD,
    CheckResult,
    Job,
    JobResult,
    Levels,
    ListenResult,
    MeasuredLevels,
    Outcome,
    SizeEstimate,
    SoundSettings,
    WaveformResult,
    clips,
    decibels,
)
from schemas.enums import AudioFormat, Dither, Status, Truncated
from schemas.errors import ResampleError, SampleError, write_failure
from tasks.audio.conversion_plan import ConversionPlan, decode_to_48_khz, plan_conversion, read_bounded
from tasks.audio.decode.source import AudioSource, read_audio
from tasks.audio.dsp.effects import Survey, apply_edit, needs_survey, survey
from tasks.audio.dsp.quantize import MoreThanSixteenBitsError, Quantizer
from tasks.audio.dsp.resample import QUALITIES, resampled_frames
from tasks.audio.measure.fingerprint import Fingerprint
from tasks.audio.measure.meter import Meter
from tasks.audio.measure.waveform import Waveform
from tasks.audio.output_file import OutputWriter, float_header
from tasks.audio.sampler_chunks import move_marks, write_chunks
from tasks.fs.atomic import create_exclusively, write_all

LISTEN_SECONDS = 60
Result = TypeVar("Result", bound=JobResult)
Read = TypeVar("Read")


def convert(job: Job, settings: SoundSettings) -> Outcome:
    """Convert ``job.source`` to a new file at ``job.target``: 48 kHz, 16 bits, mono or stereo.

    Returns:
        The outcome. The file is there when it says that the sample was exported, and not otherwise.

    Raises:
        SurroundingsError: A full disk, or an output folder that cannot be written to. No other error is raised.
    """
    started = time.perf_counter()
    settings = job.own_settings(settings)
    outcome = _run(Outcome, job, lambda quality: _convert(job, settings, quality))
    return replace(outcome, seconds=time.perf_counter() - started)


def measure(job: Job, settings: SoundSettings) -> MeasuredLevels:
    """Measure the levels of ``job.source`` at 48 kHz before any gain. Write nothing."""
    return _run(MeasuredLevels, job, lambda quality: _measure(job, job.own_settings(settings), quality))


def check(job: Job, settings: SoundSettings) -> CheckResult:
    """Read ``job.source`` to its end as ``convert`` would. Write nothing."""

    def read(source: AudioSource) -> CheckResult:
        frames = sum(len(block) for block in read_bounded(source, job.own_settings(settings)))
        frames_at_48_khz = resampled_frames(frames, source.info.rate_hz, RATE_HZ)
        return CheckResult(job.index, frames=frames_at_48_khz, source=source.info, source_frames=frames)

    return _run(CheckResult, job, lambda _: _read(job, settings, read))


def estimate_size(job: Job, settings: SoundSettings) -> SizeEstimate:
    """Estimate the size of the output of ``job.source`` from its header. Write nothing."""

    def read(source: AudioSource) -> SizeEstimate:
        info = source.info
        frames = resampled_frames(info.frames or 0, info.rate_hz, RATE_HZ)
        return SizeEstimate(job.index, bytes=frames * min(info.channels, 2) * BITS // 8)

    return _run(SizeEstimate, job, lambda _: _read(job, settings, read))


def draw_waveform(job: Job, settings: SoundSettings) -> WaveformResult:
    """Draw the waveform of ``job.source`` in a few hundred values, as it is. Write nothing."""

    def read(source: AudioSource) -> WaveformResult:
        waveform = Waveform()
        frames = sum(waveform.add(block) for block in read_bounded(source, settings))
        return WaveformResult(job.index, waveform.peaks(), frames / source.info.rate_hz)

    return _run(WaveformResult, job, lambda _: _read(job, settings, read))


def decode_beginning(job: Job, settings: SoundSettings) -> ListenResult:
    """Decode the first minute of ``job.source``, at its own rate, to a new WAV of float32 at ``job.target``."""

    def read(source: AudioSource) -> ListenResult:
        rate_hz, channels, frames = source.info.rate_hz, source.info.channels, 0
        most = LISTEN_SECONDS * rate_hz
        try:
            with create_exclusively(job.target) as file:
                write_all(file, float_header(0, channels, rate_hz))
                for block in read_bounded(source, settings):
                    part = block[: most - frames]
                    write_all(file, part.astype("<f4").tobytes())
                    frames += len(part)
                    if frames == most:
                        break
                file.seek(0)
                write_all(file, float_header(frames, channels, rate_hz))
        except OSError as error:
            raise write_failure(job.target, error) from error
        return ListenResult(job.index, frames)

    return _run(ListenResult, job, lambda _: _read(job, settings, read))


def _run(kind: type[Result], job: Job, attempt: Callable[[str], Result]) -> Result:
    try:
        return _with_retry(attempt)
    except SampleError as error:
        return kind.from_error(job.index, error)


def _read(job: Job, settings: SoundSettings, read: Callable[[AudioSource], Read]) -> Read:
    return read_audio(job.source, read, keep_truncated=settings.truncated is Truncated.KEEP)


def _with_retry(attempt: Callable[[str], Result]) -> Result:
    """Try again at a lower quality where memory or the resampler failed; a corrupt file is not worth it."""
    best, lower = QUALITIES
    with suppress(ResampleError, MemoryError):
        return attempt(best)
    try:
        return attempt(lower)
    except MemoryError as error:
        fix = "Raise the setting memory_mb, or close other programs; then run the same command again."
        raise ResampleError(error="not enough memory", fix=fix) from error


def _measure(job: Job, settings: SoundSettings, quality: str) -> MeasuredLevels:
    def read(source: AudioSource) -> MeasuredLevels:
        plan = plan_conversion(job, source, settings, quality)
        meter = Meter(plan.channels)
        content = source.content_hash()
        for block in decode_to_48_khz(source, plan, settings):
            meter.add(block, np.abs(block))
        return MeasuredLevels(job.index, levels=meter.levels(), content_hash=content)

    return _read(job, settings, read)


def _survey(job: Job, settings: SoundSettings, quality: str) -> Survey | None:
    """Make a first pass over the sound, where a setting needs to know its end before its beginning."""
    if not needs_survey(settings):
        return None

    def read(source: AudioSource) -> Survey:
        plan = plan_conversion(job, source, settings, quality)
        return survey(decode_to_48_khz(source, plan, settings), settings.trim_dbfs)

    return _read(job, settings, read)


def _convert(job: Job, settings: SoundSettings, quality: str) -> Outcome:
    """Try 16 bits as they are first, for many a 24-bit file holds no more.

    The first block decides, nearly always; if it was wrong, begin again.
    """
    found = _survey(job, settings, quality)
    with suppress(MoreThanSixteenBitsError):
        return _attempt(job, settings, quality, found, sixteen_bits=True)
    return _attempt(job, settings, quality, found, sixteen_bits=False)


def _attempt(job: Job, settings: SoundSettings, quality: str, found: Survey | None, sixteen_bits: bool) -> Outcome:
    def read(source: AudioSource) -> Outcome:
        plan = plan_conversion(job, source, settings, quality, found)
        try:
            with create_exclusively(job.target) as file:
                return _write(file, source, settings, plan, index=job.index, sixteen_bits=sixteen_bits)
        except OSError as error:
            raise write_failure(job.target, error) from error

    return _read(job, settings, read)


def _write(
    file: FileIO, source: AudioSource, settings: SoundSettings, plan: ConversionPlan, *, index: int, sixteen_bits: bool
) -> Outcome:
    """Write the converted source. ``index``: the job's; ``sixteen_bits``: whether these may hold the sound as it is."""
    file_format = AudioFormat(settings.format)
    quantizer = Quantizer(exact=sixteen_bits and plan.exact, dither=settings.dither == Dither.TPDF)
    before, after = Fingerprint(floats=not sixteen_bits), Fingerprint()
    meter = Meter(plan.channels)
    blocks = decode_to_48_khz(source, plan, settings, before.add)
    content = source.content_hash()  # before it is decoded: then it is seen if the file changed since
    expected = resampled_frames(source.info.frames or 0, source.info.rate_hz, RATE_HZ)
    output = OutputWriter(file, plan.channels, file_format, expected)
    for block in apply_edit(blocks, plan.edit, plan.channels):
        size = np.abs(block)
        samples = quantizer(block, size, meter.add(block, size))
        after.add_samples(samples)
        output.add(samples)
    whole = plan.loop.frames if plan.loop else resampled_frames(before.frames, source.info.rate_hz, RATE_HZ)
    start, stop = plan.edit.kept_range(whole)
    kept = move_marks(plan.marks, whole / before.frames, (start, stop), whole)
    chunks = write_chunks(kept) if settings.keep_chunks and file_format is AudioFormat.WAV else b""
    file_bytes, file_hash = output.end(chunks)
    levels = meter.levels()
    done = [
        *source.warnings,
        *plan.done,
        *source.notes,
        *_describe_output(settings, after.frames > stop - start, quantizer.exact, levels),
    ]
    if settings.keep_chunks and plan.marks:
        done.append(f"kept: {kept}" if chunks else "not kept: loops, cue points and tempo, for which AIFF has no place")
    return Outcome(
        index,
        Status.EXPORTED,
        bytes=file_bytes,
        frames=after.frames,
        channels=plan.channels,
        source=source.info,
        source_frames=before.frames,
        source_bytes=source.bytes,
        source_mtime_ns=source.mtime_ns,
        source_ctime_ns=source.ctime_ns,
        content_hash=content,
        source_hash=before.hexdigest(),
        output_hash=after.hexdigest(),
        file_hash=file_hash,
        levels=levels,
        done=tuple(done),
        warning=" ".join(filter(None, [*_cut_warnings(source), _warning(levels)])),
    )


def _describe_output(settings: SoundSettings, padded: bool, exact: bool, levels: Levels) -> Iterator[str]:
    if padded:
        yield f"padded with silence to {settings.pad_to_ms} ms"
    if not exact:
        yield f"rounded to 16 bits {_DITHERED[settings.dither]}"
    if levels.clipped_samples:
        yield f"{levels.clipped_samples} values above full scale clipped ({_dbfs(levels.peak)})"


_DITHERED = {Dither.TPDF: "with TPDF dither", Dither.NONE: "without dither"}


def _cut_warnings(source: AudioSource) -> Iterator[str]:
    for warning in source.warnings:
        how_much = warning.partition(": ")[2]
        yield f"Cut short, and what is there was exported (--sound truncated=keep): {how_much}"


def _warning(levels: Levels) -> str:
    if not (levels.clipped_samples and clips(levels.peak)):
        return ""
    return f"{TOO_LOUD} and clipped (--sound guard=file turns it down): {_dbfs(levels.peak)}"


def _dbfs(peak: float) -> str:
    return f"{decibels(peak):+.1f} dBFS"
