"""Estimate the tempo of a sound, if it is a loop of whole beats, and its root note, if one stands out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.music import BEATS, NOTES

MonoSound = npt.NDArray[np.float32]

# What drums and notes tell lies below: so much is listened to.
ENOUGH_HZ = 16_000
_HOP_SECONDS = 0.008
_WINDOW_SECONDS = 0.04
_SLOWEST, _FASTEST = 55.0, 200.0
# Where tempi are the likeliest, and by how many octaves they spread: of two readings that fit alike, the nearer one.
_USUAL_BPM, _SPREAD = 105.0, 0.55
# How many times a beat is parted: beats, eighths, sixteenths; and how much each of them says.
_PARTS = ((1, 1.0), (2, 0.8), (4, 0.6))
# Where the onsets say next to nothing, tempo is what is usual; nobody is then sure of it.
_LEAST_SAID = 0.03
_FEWEST = 4
# What never gets louder than this at once is a steady tone.
_LEAST_ONSET = 0.05
_THREES = (3, 6, 12, 24, 48)
# Loops of three are rarer.
_THREE_WEIGHT = 0.5
_SHORTEST, LONGEST_SECONDS = 0.5, 60.0
# In less there is no tempo that anybody can be sure of.
LEAST_SECONDS = _FEWEST * 60 / _FASTEST
# Half or double is as likely then, and nobody can be sure which it is.
_IN_DOUBT, _DOUBTFUL = 0.75, 0.55


@dataclass(frozen=True)
class Tempo:
    """``bpm`` is 0 where there is none; ``alternative``: half or double of it, whichever is the likelier; confidence 0 to 1."""

    bpm: float = 0.0
    alternative: float = 0.0
    confidence: float = 0.0


def estimate_tempo(x: MonoSound, rate_hz: int) -> Tempo:
    """Estimate the tempo at which ``x``, float32 (frames,), lasts a whole number of beats, by the rhythm of its onsets."""
    seconds = len(x) / rate_hz
    beats = [n for n in (*BEATS, *_THREES) if _SLOWEST <= n * 60 / seconds <= _FASTEST] if seconds else []
    if not beats or not _SHORTEST <= seconds <= LONGEST_SECONDS:
        return Tempo()
    onsets = _onsets(x, rate_hz)
    if onsets.max() < _LEAST_ONSET:
        return Tempo()
    rhythm = _rhythm(onsets)
    best = max(beats, key=lambda n: _score(n, rhythm, seconds))
    half, double = _score(best / 2, rhythm, seconds), _score(best * 2, rhythm, seconds)
    sure = _confidence(best, rhythm)
    if max(half, double) > _IN_DOUBT * _score(best, rhythm, seconds):
        sure = min(sure, _DOUBTFUL)
    other = best / 2 if half > double or best * 2 * 60 / seconds > _FASTEST else best * 2
    return Tempo(best * 60 / seconds, other * 60 / seconds, sure)


def _score(beats: float, rhythm: npt.NDArray[np.float64], seconds: float) -> float:
    said = sum(weight * rhythm[int(beats * part)] for part, weight in _PARTS if 1 <= beats * part < len(rhythm))
    return (said + _LEAST_SAID) * _likely(beats * 60 / seconds) * (_THREE_WEIGHT if beats in _THREES else 1.0)


def _confidence(beats: int, rhythm: npt.NDArray[np.float64]) -> float:
    """Return the confidence, by how much of the rhythm comes in step with the beat.

    What is not a loop of whole beats has no more there than elsewhere; of a bar's part nothing can be said.
    """
    if beats < _FEWEST:
        return 0.0
    counted = rhythm[1 : 8 * beats + beats // 2 + 1]
    in_step = float(counted[beats - 1 :: beats].sum()) / max(float(counted.sum()), 1e-12)
    more = (in_step - 1 / beats) / (1 - 1 / beats)
    return float(np.clip(0.45 + 0.5 * more, 0, 0.9))


def _onsets(x: MonoSound, rate_hz: int) -> npt.NDArray[np.float64]:
    """Return how much louder each band gets, all bands together, as a share of the loudest moment, (frames,).

    The sound is taken as one without an end, in frames that divide it evenly.
    """
    size = 1 << (max(int(_WINDOW_SECONDS * rate_hz), 64) - 1).bit_length()
    count = max(round(len(x) / rate_hz / _HOP_SECONDS), 8)
    starts = (np.arange(count) * len(x) / count).astype(np.int64)
    places = (starts[:, None] + np.arange(size) - size // 2) % len(x)
    spectrum = np.abs(np.fft.rfft(x[places] * np.hanning(size).astype(np.float32), axis=1))
    levels = np.log1p(1000 * spectrum / max(float(spectrum.max()), 1e-9))
    louder = np.maximum(levels - np.roll(levels, 1, axis=0), 0).sum(axis=1)
    return louder / max(float(levels.sum(axis=1).max()), 1e-9)


def _rhythm(onsets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share of what the onsets do that comes n times in the loop, by n."""
    around = onsets - onsets.mean()
    power = np.abs(np.fft.rfft(around)) ** 2
    return power / max(float(power.sum()), 1e-12)


def _likely(bpm: float) -> float:
    return float(np.exp(-0.5 * (np.log2(bpm / _USUAL_BPM) / _SPREAD) ** 2))


_LOWEST_HZ, _HIGHEST_HZ = 40.0, 1_000.0
# How much a note's octave, fifth and third above sound along with it.
_PARTIALS = (1, 2, 3, 4, 5)
_ROOT_WINDOW_SECONDS = 0.25


def find_root_note(x: MonoSound, rate_hz: int) -> tuple[str, float]:
    """Find the note that stands out in ``x``, float32 (frames,), and its share of all twelve; ("", 0) if none does."""
    size = 1 << (int(_ROOT_WINDOW_SECONDS * rate_hz) - 1).bit_length()
    if len(x) < size // 4:
        return "", 0.0
    x = np.pad(x, (0, max(size - len(x), 0)))
    starts = range(0, len(x) - size + 1, size // 2)
    window = np.hanning(size).astype(np.float32)
    power = sum(np.abs(np.fft.rfft(x[start : start + size] * window)) ** 2 for start in starts)
    magnitude = np.sqrt(np.asarray(power, np.float64))
    peaks = np.flatnonzero((magnitude[1:-1] > magnitude[:-2]) & (magnitude[1:-1] >= magnitude[2:])) + 1
    hz = peaks * rate_hz / size
    in_range = (hz >= _LOWEST_HZ) & (hz <= _HIGHEST_HZ)
    peaks, hz = peaks[in_range], hz[in_range]
    if not len(peaks) or not magnitude.max() > 0:
        return "", 0.0
    chroma = np.zeros(12)
    for partial in _PARTIALS:  # each peak may be the partial of a lower note
        notes = np.rint(69 + 12 * np.log2(hz / partial / 440)).astype(int) % 12
        np.add.at(chroma, notes, magnitude[peaks] * 0.6 ** (partial - 1))
    best = int(np.argmax(chroma))
    return NOTES[best], float(chroma[best] / chroma.sum())
