"""Waveforms for the eye, beside what numpy finds in the whole sound at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.audio.measure.waveform import Waveform


@given(st.integers(0, 40_000), st.integers(1, 2), st.lists(st.integers(1, 9_000), max_size=6), st.integers(2, 40))
def test_each_peak_is_that_of_its_part_however_the_sound_was_cut(
    frames: int, channels: int, cuts: list[int], points: int
) -> None:
    sound = np.random.default_rng(frames).uniform(-1, 1, (frames, channels)).astype(np.float32)
    waveform, start = Waveform(points), 0
    for cut in [*cuts, frames + 1]:
        waveform.add(sound[start : start + cut])
        start += cut
    peaks = waveform.peaks()
    assert len(peaks) <= points
    if not frames:
        assert peaks == ()
        return
    # Parts are equal but for the last one, and a power of two times the first step, or two or so of those.
    size = next(64 * n for n in range(1, 2_000) if -(-frames // (64 * n)) == len(peaks) and matches(sound, 64 * n, peaks))
    assert size * (len(peaks) - 1) < frames <= size * len(peaks)
    assert max(peaks) == round(float(np.abs(sound).max()), 4)


def matches(sound: np.ndarray, size: int, peaks: tuple[float, ...]) -> bool:
    found = [np.abs(sound[start : start + size]).max() for start in range(0, len(sound), size)]
    return np.allclose(found, peaks, atol=1e-4)
