"""Resample loops as what they are, sound without an end, to exactly the frames that their beats need."""

from dataclasses import dataclass

import numpy as np

from config.device import RATE_HZ
from schemas.music import BEATS, FIT_SECONDS
from tasks.audio.blocks import Block
from tasks.audio.dsp.resample import resampled_frames
from tasks.audio.sampler_chunks import Marks

# As many beats as loops have, in 4/4 and in 3/4.
_BEATS = tuple(sorted({*BEATS, 3, 6}))
# A loop is stretched to its beats by this at the most: 3.5 cents, which nobody hears. What is further off has a tail.
_FIT_RATIO = 0.002
# The whole loop is in memory: two minutes at 44.1 kHz.
_MAX_FRAMES = 120 * 44_100
# The share of the band in which a lower rate fades out, as the resampler for everything else does it.
_ROLL_OFF = 0.913


@dataclass(frozen=True)
class LoopLength:
    """The length of a loop in ``frames`` at 48 kHz, and ``why`` it is one, in words."""

    frames: int
    why: str


def detect_loop(frames: int, rate_hz: int, bpm: float | None, marks: Marks) -> LoopLength | None:
    """Detect whether a sample is a loop, by the manifest's tempo, by ``acid``, or by a ``smpl`` loop over all of it.

    Args:
        frames: Its length at ``rate_hz``.
        rate_hz: Its rate.
        bpm: The manifest's tempo.
        marks: What its chunks say.

    Returns:
        Its length at 48 kHz and the reason; None if it is not a loop, or not surely.
    """
    if not 0 < frames <= _MAX_FRAMES or (marks.acid and marks.acid.one_shot):
        return None
    seconds = frames / rate_hz
    tempos = [(beats, bpm) for beats in _BEATS if bpm]
    if marks.acid and marks.acid.tempo_bpm:
        tempos.append((marks.acid.beats, marks.acid.tempo_bpm))
    for beats, tempo in tempos:
        exact = beats * 60 / tempo
        if abs(exact - seconds) <= min(FIT_SECONDS, _FIT_RATIO * exact):
            return LoopLength(round(exact * RATE_HZ), f"{beats} beat{'' if beats == 1 else 's'} at {tempo:g} BPM")
    if any(loop.first == 0 and loop.last + 1 == frames for loop in marks.loops):
        return LoopLength(resampled_frames(frames, rate_hz, RATE_HZ), "marked as one in the file")
    return None


def resample_loop(x: Block, frames: int) -> Block:
    """Resample a loop of float32 (n, channels) to ``frames`` frames of the same loop: its end goes on at its start.

    This is done by its spectrum, which for a sound without an end is exact: no delay, no edge, any ratio.
    """
    if frames == len(x):
        return x
    out = np.empty((frames, x.shape[1]), np.float32)
    for channel in range(x.shape[1]):
        spectrum = np.fft.rfft(x[:, channel].astype(np.float64))
        if len(x) % 2 == 0:
            spectrum[-1] /= 2  # the bin at half the rate stands for two, of which a higher rate has room for both
        kept = np.zeros(frames // 2 + 1, np.complex128)
        both = min(len(kept), len(spectrum))
        kept[:both] = spectrum[:both]
        if frames < len(x):
            kept *= _fade_out_of_band(len(kept))
        out[:, channel] = np.fft.irfft(kept, frames) * (frames / len(x))
    return out


def _fade_out_of_band(bins: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    position = (np.arange(bins) / bins - _ROLL_OFF) / (1 - _ROLL_OFF)
    return 0.5 + 0.5 * np.cos(np.pi * np.clip(position, 0, 1))
