"""What is measured on the way. Judges: numpy on what soxr gives, soxr at 16 times the rate, ffmpeg, libsndfile's reading."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from blake3 import blake3
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.conversion import Levels
from schemas.enums import Status
from tasks.audio import synth
from tasks.audio.blocks import BLOCK_FRAMES
from tasks.audio.measure.meter import _TAPS, Meter, _interpolator
from tests.support import audio
from tests.support.audio import FORM, Sound
from tests.support.converting import Bench, small_blocks
from tests.support.tools import answer

RATE = 48_000


def levels(bench: Bench, x: npt.ArrayLike, rate: int = RATE) -> Levels:
    """Of a float file."""
    outcome = bench.convert(audio.write(bench.folder / "a.wav", np.asarray(x, np.float32), rate, "WAV", "FLOAT"))
    assert outcome.status is Status.EXPORTED, outcome.error
    assert outcome.levels is not None
    return outcome.levels


def db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


# ---- levels ----


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [None, 1_000])
def test_levels_are_those_of_the_sound_at_48_khz(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, rate: int, channels: int, frames: int | None
) -> None:
    """Before the last rounding; the two channels differ in all there is to measure."""
    x = (audio.noise(rate, channels, 1.2) + [0.01, -0.03][:channels]).astype(np.float32)
    x[: rate // 7] = 0.0005
    y = x if rate == RATE else soxr.resample(x, rate, RATE, quality="VHQ")
    if frames:
        small_blocks(monkeypatch, frames)
    found, exact = levels(bench, x, rate), y.astype(np.float64)
    assert found.peak == np.abs(y).max()
    assert found.clipped_samples == np.count_nonzero(np.abs(y) > 1) > 1_000
    assert found.rms == pytest.approx(np.sqrt(np.mean(exact**2)), rel=1e-5)
    assert found.dc == pytest.approx(np.abs(exact.mean(axis=0)).max(), abs=1e-6)
    assert found.leading_silence_ms == np.argmax((np.abs(y) > 0.001).any(axis=1)) / 48
    assert found.true_peak >= found.peak


def test_silence_measures_as_such(bench: Bench) -> None:
    assert levels(bench, np.zeros((12_345, 2))) == Levels(0.0, 0.0, 0, 0.0, 0.0, 12_345 / 48)


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_ends_at_60_db_below_full_scale(bench: Bench, above: bool, channels: int) -> None:
    x = audio.noise(9_600, channels, 0.00099)
    x[4_800, -1] = 0.00101 if above else 0.00099
    assert levels(bench, x).leading_silence_ms == (100 if above else 200)


@pytest.mark.parametrize("peak_db", [-0.1, 0.4, 0.6, 6.0, 60.0])
def test_overs_are_said_and_loud_ones_warned_of(bench: Bench, peak_db: float) -> None:
    x = audio.noise(9_600, 1, 0.5)
    x[[100, 5_000]] = [[10 ** (peak_db / 20)], [-(10 ** (peak_db / 20))]]
    outcome = bench.convert(audio.write(bench.folder / "a.wav", x, RATE, "WAV", "FLOAT"))
    assert outcome.levels
    assert outcome.levels.clipped_samples == (2 if peak_db > 0 else 0)
    assert [word for word in outcome.done if "clipped" in word] == (
        [f"2 values above full scale clipped ({peak_db:+.1f} dBFS)"] if peak_db > 0 else []
    )
    assert (f"{peak_db:+.1f} dBFS" in outcome.warning) == bool(outcome.warning) == (peak_db > 0.5)


def test_absurd_levels_measure_finite(bench: Bench) -> None:
    found = levels(bench, np.where(audio.noise(9_600) > 0, 3e38, -3e38))
    assert found.peak == np.float32(3e38)
    assert np.isfinite([found.true_peak, found.rms, found.dc]).all()


@pytest.mark.tools
@pytest.mark.parametrize("channels", [1, 2])
def test_ffmpeg_measures_the_same(bench: Bench, channels: int) -> None:
    """A tone between whose samples its peak lies, in a little noise."""
    x = faded(np.resize(sine(4, 45), RATE)[:, None] * 0.6 + audio.noise(RATE, channels, 0.02) + 0.02)
    found = levels(bench, x)
    judge = "ebur128=peak=true:metadata=1,astats=metadata=1,ametadata=print:file=-"
    said = answer("ffmpeg", "-v", "error", "-i", bench.folder / "a.wav", "-af", judge, "-f", "null", "-").splitlines()
    last = dict(line.split("=") for line in said if line.startswith("lavfi"))
    assert db(found.peak) == pytest.approx(float(last["lavfi.astats.Overall.Peak_level"]), abs=1e-3)
    assert db(found.rms) == pytest.approx(float(last["lavfi.astats.Overall.RMS_level"]), abs=1e-3)
    assert found.dc == pytest.approx(float(last["lavfi.astats.Overall.DC_offset"]), abs=1e-5)
    assert db(found.true_peak) == pytest.approx(db(float(last["lavfi.r128.true_peak"])), abs=0.2)
    assert db(found.true_peak / found.peak) > 2


# ---- true peak ----


def faded(x: npt.ArrayLike, frames: int = 2_000) -> Sound:
    """Without the steps at its ends, at which no two filters agree."""
    y = np.array(x, np.float64).reshape(len(np.asarray(x)), -1)
    ramp = np.hanning(2 * frames)[:frames, None]
    y[:frames] *= ramp
    y[-frames:] *= ramp[::-1]
    return y


def sine(divisor: int, degrees: float) -> Sound:
    """At 1/``divisor`` of the rate, sampled so that no sample meets its top."""
    return 0.7 * np.sin(2 * np.pi * np.arange(20_000) / divisor + np.radians(degrees))


@cache
def sounds(rate: int) -> dict[str, Sound]:
    names = ("kick", "snare", "hat", "clap", "chord", "bass")
    noises = {f"noise {seed}": audio.noise(12_000, 1 + seed % 2, seed=seed) for seed in range(5)}
    drums = {name: getattr(synth, name)(rate) for name in names} | {"loop": synth.loop(rate, 174)}
    return {name: faded(x) for name, x in (noises | drums).items()}


def by_sixteen(x: Sound) -> float:
    return float(np.abs(soxr.resample(x, RATE, 16 * RATE, quality="VHQ")).max())


TONES = {
    "fs/4 at 45 degrees": sine(4, 45),
    "fs/6 at 60 degrees": sine(6, 60),
    "997 Hz": audio.tone(0.4, RATE),
    "18 kHz": audio.tone(0.4, RATE, hz=18_000),
}


@pytest.mark.parametrize("name", TONES)
def test_the_true_peak_of_a_tone(bench: Bench, name: str) -> None:
    x = faded(TONES[name])
    found = levels(bench, x)
    assert -0.3 <= db(found.true_peak / by_sixteen(x)) <= 0.2
    assert found.true_peak >= found.peak


@pytest.mark.parametrize("name", sounds(44_100))
def test_the_true_peak_of_what_comes_from_44_1_khz(bench: Bench, name: str) -> None:
    """Four values a sample miss up to 0.48 dB of a peak made of 20 kHz (ITU-R BS.1770-5, annex 2, attachment 1)."""
    x = soxr.resample(sounds(44_100)[name], 44_100, RATE, quality="VHQ")
    found = levels(bench, x)
    assert -0.48 <= db(found.true_peak / by_sixteen(x)) <= 0.2
    assert found.true_peak >= found.peak


# Two of the four phases of the filter in ITU-R BS.1770-5, annex 2; the other two are these backwards. In 1/8192.
ITU = np.array(
    [
        [14, 90, -161, 272, -487, 1125, 7964, -838, 390, -218, 122, -68],
        [-239, 240, -424, 730, -1364, 3810, 6388, -1641, 832, -477, 271, -155],
    ]
) / 8192  # fmt: skip


@pytest.mark.parametrize("name", sounds(RATE))
def test_the_true_peak_of_what_fills_the_band_is_near_the_standards(bench: Bench, name: str) -> None:
    """Close to half the rate no short filter is right, nor is the standard's own: both miss up to 1 dB."""
    x = sounds(RATE)[name]
    standard = max(np.abs(np.convolve(channel, phase[::way])).max() for channel in x.T for phase in ITU for way in (1, -1))
    found = levels(bench, x)
    assert abs(db(found.true_peak / max(standard, found.peak))) < 0.35


def test_a_peak_between_samples_is_found(bench: Bench) -> None:
    """The samples of a sine at fs/4 and 45 degrees reach 3 dB less than it does."""
    found = levels(bench, faded(sine(4, 45)))
    assert (db(found.peak / 0.7), db(found.true_peak / 0.7)) == pytest.approx((-3.01, 0), abs=0.1)


def taps() -> list[Sound]:
    """The filter's three phases between samples, from the first columns of the matrix that the engine uses."""
    return [column.astype(np.float64) for column in _interpolator()[0][:_TAPS, :3].T]


def test_the_filter_is_an_interpolator() -> None:
    """Its taps are those of a delay by 1/4, 1/2 and 3/4 of a sample, flat to 0.2 dB up to 16 kHz, and by no other."""
    hz = np.linspace(100, 16_000, 50)
    for number, phase in enumerate(taps(), 1):
        response = np.exp(2j * np.pi * np.outer(hz, np.arange(_TAPS) - (_TAPS // 2 - 1) - number / 4) / RATE) @ phase
        assert np.abs(20 * np.log10(np.abs(response))).max() < 0.2
        assert np.abs(np.angle(response)).max() < 0.02


def metered(x: npt.NDArray[np.float32], cuts: list[int]) -> Levels:
    meter = Meter(x.shape[1])
    for start, end in pairwise([0, *sorted({cut for cut in cuts if 0 < cut < len(x)}), len(x)]):
        meter.add(x[start:end], np.abs(x[start:end]))
    return meter.levels()


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 400),
    channels=st.sampled_from([1, 2]),
    steepness=st.sampled_from([0, 2, 6, 30]),
    width=st.integers(1, 60),
    cuts=st.lists(st.integers(1, 400), max_size=8),
)
@hypothesis_settings(max_examples=400, deadline=None)
def test_what_is_passed_over_is_never_the_true_peak(
    seed: int, frames: int, channels: int, steepness: int, width: int, cuts: list[int]
) -> None:
    """Against the same filter at every place, for sound whose loudness moves, cut into blocks anywhere."""
    rng = np.random.default_rng(seed)
    swell = np.repeat(rng.uniform(0, 1, frames) ** steepness, width)[:frames]
    x = (rng.choice([-1, 1], (frames, channels)) * rng.uniform(0.3, 1, (frames, channels)) * swell[:, None]).astype(np.float32)
    every = max(np.abs(np.convolve(channel, phase[::-1])).max() for channel in x.T.astype(np.float64) for phase in taps())
    found = metered(x, cuts)
    assert found.peak == np.abs(x).max()
    assert found.true_peak == pytest.approx(max(every, found.peak), rel=1e-6)


# ---- hashes ----


@pytest.mark.parametrize("target", ["out.wav", "out.aiff"])
@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(
    "name", ["wav-u8", "wav-ulaw", "wav-16", "rifx-16", "aiff-16", "flac-16", "wav-24", "aiff-24", "wav-float"]
)
def test_hashes_are_those_of_the_samples(bench: Bench, name: str, rate: int, target: str) -> None:
    """As anybody can work them out: of 16-bit integers where they hold the source, else of floats; little-endian."""
    form = FORM[name]
    source = form.save(bench.folder / f"in{form.extension}", audio.noise(40_000, 2), rate)
    dtype = "float32" if name.endswith(("24", "float")) else "int16"
    outcome = bench.convert(source, target)
    assert outcome.source_hash == digest(source, dtype)
    assert outcome.output_hash == digest(bench.out / target, "int16")


def digest(path: Path, dtype: str) -> str:
    samples = soundfile.read(path, dtype=dtype)[0]
    return str(blake3(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest())


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_what_takes_more_than_sixteen_bits_at_its_end_is_known_by_floats(bench: Bench, rate: int) -> None:
    x = audio.sixteen_bits(3 * BLOCK_FRAMES) / 32_768
    x[-1] = 0.3 / 32_768
    source = audio.write(bench.folder / "a.wav", x, rate, "WAV", "FLOAT")
    assert bench.convert(source).source_hash == digest(source, "float32")


def test_one_bit_is_another_hash(bench: Bench) -> None:
    """The last of the last sample of the right channel."""
    x = audio.sixteen_bits(40_000, 2)
    hashes = []
    for flipped in (0, 1):
        x[-1, 1] ^= flipped
        hashes.append(
            bench.convert(audio.write(bench.folder / "a.wav", x, RATE, "WAV", "PCM_16"), f"{flipped}.wav").source_hash
        )
    assert len(set(hashes)) == 2
