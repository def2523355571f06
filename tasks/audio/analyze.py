"""Analyze a file for a scan: its fingerprint, its faults, its tempo and its root note."""

from dataclasses import replace

import numpy as np

from schemas.conversion import AnalysisResult, Job, SoundSettings
from schemas.errors import SampleError, TooLargeError
from schemas.scan_values import SoundAnalysis
from tasks.audio.blocks import Block
from tasks.audio.decode.source import AudioSource, read_audio
from tasks.audio.measure.fingerprint import Fingerprint
from tasks.audio.measure.meter import sum_channels
from tasks.audio.measure.tempo_and_key import (
    ENOUGH_HZ,
    LEAST_SECONDS,
    LONGEST_SECONDS,
    MonoSound,
    estimate_tempo,
    find_root_note,
)

# Silence to the ear, on a pad; and what is left of a sample then.
_AUDIBLE = 10 ** (-60 / 20)
_NEAR_SILENT = 10 ** (-50 / 20)
_LATE_SECONDS = 0.05
# Full scale of 16 bits, but for its last steps; so many values in a row are no peak but a cut.
_FULL_SCALE, _CUT_VALUES = 32_760 / 32_768, 4
# A short drum is never quite even around zero; this much no drum is.
_DC = 0.03


def analyze(job: Job, settings: SoundSettings) -> AnalysisResult:
    """Decode ``job.source`` to its end and find its fingerprint, faults, tempo and root note. Write nothing."""
    try:
        analysis = read_audio(job.source, lambda source: _analyze(source, settings))
        return AnalysisResult(job.index, analysis=analysis)
    except SampleError as error:
        return AnalysisResult.from_error(job.index, error)


def _analyze(source: AudioSource, settings: SoundSettings) -> SoundAnalysis:
    if source.bytes > settings.max_file_bytes:
        raise TooLargeError(what="The file", bytes=source.bytes, maximum=settings.max_file_bytes, setting="max_file_mb")
    info = source.info
    fingerprint, faults = Fingerprint(floats=True), _Faults(info.rate_hz, info.channels)
    low: list[MonoSound] = []
    most = round(LONGEST_SECONDS * info.rate_hz)
    for block in source.blocks:
        fingerprint.add(block)
        faults.add(block)
        if fingerprint.frames <= most + len(block):
            low.append(_mean(block))
    seconds = fingerprint.frames / info.rate_hz
    known_by = f"{fingerprint.hexdigest()[:32]}-{info.rate_hz}-{info.channels}"
    analysis = SoundAnalysis(known_by, tags=tuple(faults.tags()))
    if faults.peak < _NEAR_SILENT:
        return analysis
    x, rate_hz = lower_rate(np.concatenate(low)[:, None], info.rate_hz)
    root, share = find_root_note(x, rate_hz)
    analysis = replace(analysis, root=root, root_confidence=round(share, 2))
    if not LEAST_SECONDS <= seconds <= LONGEST_SECONDS:
        return analysis
    found = estimate_tempo(x, rate_hz)
    return replace(
        analysis,
        bpm=round(found.bpm, 2),
        bpm_alternative=round(found.alternative, 2),
        bpm_confidence=round(found.confidence, 2),
    )


def lower_rate(x: Block, rate_hz: int) -> tuple[MonoSound, int]:
    """Mix to mono and lower the rate to the lowest of at least ``ENOUGH_HZ`` that divides it, by means of so many frames.

    Args:
        x: float32 (frames, channels).
        rate_hz: The rate of ``x``.

    Returns:
        float32 (frames,), and its rate.
    """
    mono = _mean(x)
    together = max(rate_hz // ENOUGH_HZ, 1)
    even = len(mono) - len(mono) % together
    return (_mean(mono[:even].reshape(-1, together)), rate_hz // together) if together > 1 else (mono, rate_hz)


def _mean(x: Block) -> MonoSound:
    """Return the mean of each row, as a product: ten times as fast as numpy's own of two columns."""
    columns = x.shape[1]
    return x[:, 0] if columns == 1 else x @ np.full(columns, 1 / columns, np.float32)


class _Faults:
    """Finds clipping, DC offset and silence, block by block."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._frames = 0
        self._silence: int | None = None
        self._sums = np.zeros(channels)
        self._cut = False
        self.peak = 0.0

    def add(self, block: Block) -> None:
        size = np.abs(block)
        loudest = float(size.max())
        self.peak = max(self.peak, loudest)
        if self._silence is None and loudest > _AUDIBLE:
            self._silence = self._frames + int((size > _AUDIBLE).any(axis=1).argmax())
        if loudest >= _FULL_SCALE and not self._cut:
            self._cut = _has_run(size >= _FULL_SCALE)
        self._sums += sum_channels(block)
        self._frames += len(block)

    def tags(self) -> list[str]:
        """Return ``near-silent`` alone, or those of ``clipped``, ``dc-offset`` and ``leading-silence`` that hold."""
        if self.peak < _NEAR_SILENT:
            return ["near-silent"]
        late = self._silence is not None and self._silence > _LATE_SECONDS * self._rate_hz
        offset = float(np.abs(self._sums / max(self._frames, 1)).max()) > _DC
        tags = (("clipped", self._cut), ("dc-offset", offset), ("leading-silence", late))
        return [tag for tag, is_so in tags if is_so]


def _has_run(full: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> bool:
    """Return whether so many frames in a row of one channel are at full scale that it was cut there."""
    starts = len(full) - _CUT_VALUES + 1
    return starts > 0 and bool(np.all([full[at : at + starts] for at in range(_CUT_VALUES)], axis=0).any())
