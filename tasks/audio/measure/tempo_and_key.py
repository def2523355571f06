"""Estimate the tempo of a sound, if it is a loop of whole beats, and its root note, if one stands out."""

from dataclasses import dataclass, replace
from itertools import pairwise

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
# A tail, or a cut before the beat's end, makes a loop so much longer or shorter than its beats. Less is a matter of hearing.
_FARTHEST_OFF, _LEAST_OFF = 0.035, 0.0035
# The rhythm must be as well in step then, nearly; and much better where the length makes a whole tempo, as people choose it.
_NEARLY_AS_WELL, _MUCH_BETTER = -0.01, 0.04
_WHOLE = 0.0005
# How fine the spacing of onsets is looked at; and a tempo that it alone tells is whole where it is so near.
_FINER, _STEPS, _NEARLY_WHOLE = 16, 71, 0.003
# Half or double is as likely then, and nobody can be sure which it is.
_IN_DOUBT, _DOUBTFUL = 0.75, 0.55
# An engine's beats are one noise: this share of them, all bands swell alike; over two or four beats nothing comes again, by
# so much more than what never does; and yet no beat is quite like another, as it is where a drum is sampled.
_BANDS, _ALIKE, _COMES_AGAIN, _STEADY, _SAMPLED = 12, 0.915, 6.0, 0.4, 0.98
_NOISE_SURE, _PLACES = 0.5, 24


@dataclass(frozen=True)
class Tempo:
    """``bpm`` is 0 where there is none; ``alternative``: half or double of it, whichever is the likelier; confidence 0 to 1."""

    bpm: float = 0.0
    alternative: float = 0.0
    confidence: float = 0.0


def estimate_tempo(x: MonoSound, rate_hz: int) -> Tempo:
    """Estimate the tempo of ``x``, float32 (frames,), by the rhythm of its onsets.

    It is the one at which ``x`` lasts a whole number of beats, if the spacing of the onsets agrees. Otherwise that counts: the
    loop has a tail, or was cut before its end.
    """
    seconds = len(x) / rate_hz
    beats = [n for n in (*BEATS, *_THREES) if _SLOWEST <= n * 60 / seconds <= _FASTEST] if seconds else []
    if not beats or not _SHORTEST <= seconds <= LONGEST_SECONDS:
        return Tempo()
    levels = _levels(x, rate_hz)
    onsets = _onsets(levels)
    if onsets.max() < _LEAST_ONSET:
        return Tempo()
    found, beat_count = _by_length(onsets, beats, seconds)
    if found.confidence < _DOUBTFUL:
        return found
    if _is_one_noise(levels, beat_count):
        return replace(found, confidence=_NOISE_SURE)
    return _by_spacing(found, beat_count, onsets, seconds)


def _by_spacing(found: Tempo, beat_count: int, onsets: npt.NDArray[np.float64], seconds: float) -> Tempo:
    """Return the tempo that the spacing of the onsets tells, where the length is off by a tail or a cut; else ``found``."""
    longer = _spacing(onsets, beat_count)
    if abs(longer) < _LEAST_OFF:
        return found
    count = round(len(onsets) / (1 + longer))
    beats_alone = onsets[:count] if count <= len(onsets) else np.pad(onsets, (0, count - len(onsets)))
    spaced, _ = _by_length(beats_alone, [beat_count], seconds / (1 + longer))
    better = _MUCH_BETTER if _is_whole(found.bpm, _WHOLE) else _NEARLY_AS_WELL
    if spaced.confidence < found.confidence + better:
        return found
    bpm = round(spaced.bpm) if _is_whole(spaced.bpm, _NEARLY_WHOLE) else spaced.bpm
    # No surer than before: so nothing gets a tempo that had none, whatever the spacing of its onsets happens to be.
    return Tempo(bpm, bpm * spaced.alternative / spaced.bpm, found.confidence)


def _is_whole(bpm: float, within: float) -> bool:
    return abs(round(bpm) / bpm - 1) <= within


def _spacing(onsets: npt.NDArray[np.float64], beats: int) -> float:
    """Return how much faster the onsets come than ``beats`` in the whole sound, as a share."""
    around = (onsets - onsets.mean()) * np.hanning(len(onsets))
    power = np.abs(np.fft.rfft(around, _FINER * len(onsets))) ** 2
    faster = np.linspace(-_FARTHEST_OFF, _FARTHEST_OFF, _STEPS)
    said = np.zeros(_STEPS)
    for part, weight in _PARTS:
        said += weight * np.interp(_FINER * beats * part * (1 + faster), np.arange(len(power)), power, right=0)
    return float(faster[int(np.argmax(said))])


def _by_length(onsets: npt.NDArray[np.float64], beats: list[int], seconds: float) -> tuple[Tempo, int]:
    """Estimate the tempo at which ``onsets`` in ``seconds`` have one of so many ``beats``; and return how many."""
    rhythm = _rhythm(onsets)
    best = max(beats, key=lambda n: _score(n, rhythm, seconds))
    half, double = _score(best / 2, rhythm, seconds), _score(best * 2, rhythm, seconds)
    sure = _confidence(best, rhythm)
    if max(half, double) > _IN_DOUBT * _score(best, rhythm, seconds):
        sure = min(sure, _DOUBTFUL)
    other = best / 2 if half > double or best * 2 * 60 / seconds > _FASTEST else best * 2
    return Tempo(best * 60 / seconds, other * 60 / seconds, sure), best


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


def _levels(x: MonoSound, rate_hz: int) -> npt.NDArray[np.float32]:
    """Return the logarithmic spectrum of each frame of the sound, as a share of the loudest, (frames, bins).

    The sound is taken as one without an end, in frames that divide it evenly.
    """
    size = 1 << (max(int(_WINDOW_SECONDS * rate_hz), 64) - 1).bit_length()
    count = max(round(len(x) / rate_hz / _HOP_SECONDS), 8)
    starts = (np.arange(count) * len(x) / count).astype(np.int64)
    places = (starts[:, None] + np.arange(size) - size // 2) % len(x)
    spectrum = np.abs(np.fft.rfft(x[places] * np.hanning(size).astype(np.float32), axis=1))
    return np.log1p(1000 * spectrum / max(float(spectrum.max()), 1e-9)).astype(np.float32, copy=False)


def _onsets(levels: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return how much louder each band gets, all bands together, as a share of the loudest moment, (frames,)."""
    louder = np.maximum(levels - np.roll(levels, 1, axis=0), 0).sum(axis=1)
    return louder / max(float(levels.sum(axis=1).max()), 1e-9)


def _is_one_noise(levels: npt.NDArray[np.float32], beats: int) -> bool:
    """Return whether the beats of a sound are one noise, as those of an engine: however regular, it is no music."""
    edges = np.unique(np.geomspace(2, levels.shape[1], _BANDS + 1).astype(int))
    bands = np.stack([levels[:, low:high].mean(axis=1) for low, high in pairwise(edges)], axis=1).astype(np.float64)
    bands -= bands.mean(axis=0)
    times = np.arange(1, 8 * beats + beats // 2 + 1)
    power = (np.abs(np.fft.rfft(bands, axis=0)) ** 2).sum(axis=1)[1 : len(times) + 1]
    times, by_the_beat = times[: len(power)], times[: len(power)] % beats == 0
    if not _STEADY <= float(power[by_the_beat].sum() / max(float(power.sum()), 1e-12)) < _SAMPLED:
        return False
    for bar in (beats // beats_of for beats_of in (2, 4) if beats % beats_of == 0 and beats >= 2 * beats_of):
        in_bar = times % bar == 0
        if power[in_bar & ~by_the_beat].mean() >= _COMES_AGAIN * power[~in_bar].mean():
            return False
    places = np.arange(len(bands)) * beats % len(bands) * _PLACES // len(bands)
    beat = np.stack([bands[places == place].mean(axis=0) for place in range(_PLACES)])
    shapes = np.linalg.svd(beat - beat.mean(axis=0), compute_uv=False) ** 2
    return float(shapes[0]) >= _ALIKE * float(shapes.sum())


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
    """Find the note that stands out in ``x``, float32 (frames,), and its share of all twelve; ("", 0) if none does.

    The share is how sure it is: of known notes with more than 0.6 nearly all are right, and chords, phrases and noise have less
    (tests/bench/README.md).
    """
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
