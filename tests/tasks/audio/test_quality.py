"""How good the sound is. Judges: a DFT in numpy, soxr in one call, and the statistics that dither must have."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.enums import Dither, Status
from tasks.audio.blocks import BLOCK_FRAMES
from tasks.audio.decode import source as decode_source
from tasks.audio.dsp.resample import QUALITIES, resample, resampled_frames
from tests.support import audio
from tests.support.audio import RATES, Sound
from tests.support.child import convert_apart
from tests.support.converting import Bench, small_blocks

ODD_RATES = (1_000, 1_001, 7_350, 12_345, 37_800, 44_056, 47_999, 48_001, 352_800, 768_000)
BETA = 38.0  # A Kaiser window with side lobes below -280 dB; its main lobe is 12 bins wide on either side.
LOBE = 14


def resampled(x: npt.ArrayLike, rate: int, quality: str = QUALITIES[0], cuts: Sequence[int] = ()) -> Sound:
    """By the engine, cut into blocks at ``cuts``; (frames, channels) of float64 that hold its float32."""
    blocks = np.split(np.atleast_2d(np.asarray(x, np.float32).T).T, cuts)
    out = list(resample(iter(blocks), rate, blocks[0].shape[1], 48_000, quality))
    return np.concatenate([np.zeros((0, blocks[0].shape[1])), *out])


def tones(hz: npt.ArrayLike, rate: int, seconds: float = 1.0, level: float = 1.0) -> Sound:
    """(frames, tones): each channel is a sine of its own."""
    return level * np.sin(2 * np.pi * np.outer(np.arange(round(seconds * rate)) / rate, hz))


def spectrum(x: Sound) -> Sound:
    """dBFS of each bin, (bins, channels): a sine of full scale reads 0."""
    window = np.kaiser(len(x), BETA)
    return 20 * np.log10(np.abs(np.fft.rfft(x * window[:, None], axis=0)) * 2 / window.sum() + 1e-30)


def spurs(x: Sound, hz: Sequence[float]) -> Sound:
    """The loudest bin of each channel away from its tone, in dBFS."""
    found = spectrum(x)
    distance = np.arange(len(found))[:, None] - np.asarray(hz) * len(x) / 48_000
    return np.where(np.abs(distance) > LOBE, found, -300).max(axis=0)


@cache
def impulse_at_one_second(rate: int) -> Sound:
    x = np.zeros(2 * rate)
    x[rate] = 1
    return resampled(x, rate)[:, 0]


def transfer(rate: int, hz: npt.ArrayLike) -> npt.NDArray[np.complex128]:
    """Gain and phase by the DFT of an impulse, of which the input's time is the origin."""
    y = impulse_at_one_second(rate)
    near = slice(48_000 - 6_000, 48_000 + 6_000)
    return np.exp(-2j * np.pi * np.outer(hz, np.arange(len(y))[near] / 48_000 - 1)) @ y[near] * (rate / 48_000)


# ---- the resampler, before the last rounding ----


def test_the_passband_is_flat_to_20_khz_and_ends_beyond_20_9() -> None:
    gain = 20 * np.log10(np.abs(transfer(44_100, np.arange(50, 20_901, 50))))
    assert np.ptp(gain[:400]) <= 0.01
    assert gain.min() >= -3


# The tests of the test: what the retry uses must not pass for the best.
@pytest.mark.parametrize(("quality", "best"), [(QUALITIES[0], True), (QUALITIES[1], False)])
def test_a_tone_leaves_nothing_but_itself(quality: str, best: bool) -> None:
    hz = [20.3, 99.7, 997, 3_001, 7_993, 9_999, 12_007, 15_013, 17_011, 18_313, 19_301, 19_997]
    worst = spurs(resampled(tones(hz, 44_100), 44_100, quality), hz).max()
    assert (worst <= -150) == best


@pytest.mark.parametrize(("quality", "best"), [(QUALITIES[0], True), (QUALITIES[1], False)])
def test_nothing_folds_back_from_above_24_25_khz(quality: str, best: bool) -> None:
    hz = [24_250, 24_301, 24_507, 25_013, 26_003, 28_001, 31_013, 35_023, 40_009, 44_017, 46_507, 47_503]
    assert (spectrum(resampled(tones(hz, 96_000), 96_000, quality)).max() <= -150) == best


@pytest.mark.parametrize("rate", sorted({*RATES, *ODD_RATES} - {48_000}))
def test_nothing_comes_earlier_or_later(rate: int) -> None:
    """At 5 Hz a tenth of a second would be seen as such, and at no other frequency may there be anything either."""
    hz = np.linspace(5, 0.4 * min(rate, 48_000), 50)
    delay = -np.unwrap(np.angle(transfer(rate, hz))) / (2 * np.pi * hz) * 48_000
    assert np.abs(delay).max() < 0.0005


@given(rate=st.sampled_from([*RATES, *ODD_RATES]) | st.integers(1_000, 768_000), frames=st.integers(1, 20_000))
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_length_is_rounded(rate: int, frames: int) -> None:
    wanted = int(Fraction(frames * 48_000, rate) + Fraction(1, 2))
    assert resampled_frames(frames, rate, 48_000) == wanted
    if wanted < 100_000:
        assert len(resampled(np.zeros(frames), rate)) == wanted


@given(
    rate=st.sampled_from(sorted({*RATES, *ODD_RATES} - {48_000})),
    frames=st.integers(1, 9_000),
    cuts=st.lists(st.integers(0, 9_000), max_size=12).map(sorted),
    channels=st.sampled_from([1, 2]),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_cut_gives_the_bits_of_one_call(rate: int, frames: int, cuts: list[int], channels: int) -> None:
    """soxr's own one call, to the last frame; cuts behind the end and twice at a place make empty blocks."""
    x = audio.noise(frames, channels).astype(np.float32)
    np.testing.assert_array_equal(resampled(x, rate, cuts=cuts), soxr.resample(x, rate, 48_000, quality="VHQ"))


# ---- the last rounding ----


def write24(path: Path, steps: npt.ArrayLike, rate: int = 48_000) -> Path:
    """Steps of 1/256 of a 16-bit step, kept to the bit."""
    return audio.write(path, np.asarray(steps).astype(np.int32) << 8, rate, "WAV", "PCM_24")


def errors(bench: Bench, steps: npt.NDArray[np.generic], rate: int = 48_000, **sound: Any) -> Sound:
    """What rounding adds, in 16-bit steps; what soxr gives is the reference, where the rate is another."""
    reference = steps / 2**23
    if rate != 48_000:
        reference = soxr.resample(reference.astype(np.float32), rate, 48_000, quality="VHQ").astype(np.float64)
    return audio.read16(bench.exported(write24(bench.folder / "a.wav", steps, rate), **sound)) - reference * 32_768


def tone24(seconds: float, rate: int, dbfs: float, channels: int = 1) -> Sound:
    return np.rint(audio.tone(seconds, rate, channels, level=2**23 * 10 ** (dbfs / 20)))


@pytest.mark.parametrize("dither", Dither)
@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_quiet_tone_has_no_spurs(bench: Bench, rate: int, dither: Dither, channels: int) -> None:
    """In ten seconds the noise is at -140 dBFS a bin, so what stands at -125 is a tone. Without dither there are some."""
    y = audio.read16(bench.exported(write24(bench.folder / "a.wav", tone24(11, rate, -60, channels), rate), dither=dither))
    worst = spurs(y[: 1 << 19] / 32_768, [997] * channels).max()
    assert worst <= -125 if dither is Dither.TPDF else worst > -115


@pytest.mark.parametrize("dither", Dither)
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_tone_of_one_step_keeps_its_level(bench: Bench, rate: int, dither: Dither) -> None:
    y = audio.read16(bench.exported(write24(bench.folder / "a.wav", tone24(11, rate, -90), rate), dither=dither))
    wrong_db = abs(20 * np.log10(level_of(y[:, 0] / 32_768, 997)) + 90)
    assert wrong_db <= 0.05 if dither is Dither.TPDF else wrong_db > 0.5


def level_of(y: Sound, hz: float) -> float:
    """Of a tone whose frequency is known, by a DFT at it."""
    window = np.hanning(len(y))
    return float(2 * np.abs(np.exp(-2j * np.pi * hz * np.arange(len(y)) / 48_000) @ (y * window)) / window.sum())


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_noise_is_white_and_as_loud_as_it_must_be(bench: Bench, rate: int) -> None:
    """Triangular noise of two steps has a variance of 1/6, rounding adds 1/12: -93.3 dB below a sine of full scale."""
    found = errors(bench, tone24(3, rate, -6, 2), rate)[: 1 << 17]
    assert 10 * np.log10(np.mean(found**2) / 2**30 * 2) == pytest.approx(-93.3, abs=0.1)
    assert np.abs(found.mean(axis=0)).max() < 0.01
    bands = (np.abs(np.fft.rfft(found, axis=0)[1:]) ** 2).reshape(16, -1, 2).mean(axis=1)
    assert np.abs(10 * np.log10(bands / bands.mean(axis=0))).max() < 0.4
    assert np.abs(found).max() <= 1.5 + 1e-6


def test_left_and_right_have_noise_of_their_own(bench: Bench) -> None:
    """Both channels hold the same sound. At no shift in time is one's noise the other's."""
    left, right = (np.fft.rfft(channel) for channel in errors(bench, tone24(1.5, 48_000, -6, 2))[: 1 << 16].T)
    alike = np.fft.irfft(left * right.conj()) / (1 << 16) / 0.25
    assert np.abs(alike).max() < 6 / 256


def test_the_noise_does_not_hear_the_sound(bench: Bench) -> None:
    """Steady levels between two steps: with less noise, its mean or its power would follow the level."""
    frames, eighths = 1 << 17, np.arange(1, 17)
    found = errors(bench, np.repeat(eighths * 32, frames)[:, None]).reshape(len(eighths), frames)
    assert np.abs(found.mean(axis=1)).max() < 0.01
    assert np.abs(found.var(axis=1) - 0.25).max() < 0.005


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_bytes_are_the_same_however_they_come_about(bench: Bench, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    """In another process, by two threads at once, in blocks of any size."""
    source = write24(bench.folder / "a.wav", audio.noise(70_000, 2) * 2**23, rate)
    wanted = bench.exported(source).read_bytes()
    assert not convert_apart([source], bench.out)[0].crashed
    assert (bench.out / "a.wav.wav").read_bytes() == wanted
    with ThreadPoolExecutor(2) as pool:
        for target in pool.map(lambda n: Bench(bench.folder / f"{n}").exported(source), range(6)):
            assert target.read_bytes() == wanted
    for frames in (999, 4_096, 65_537, 1 << 20):
        small_blocks(monkeypatch, frames)
        assert bench.exported(source, f"blocks-{frames}.wav").read_bytes() == wanted


# ---- where nothing is to be rounded ----


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_silence_between_sounds_is_silent(bench: Bench, rate: int) -> None:
    """But for 140 samples of the filter's own ringing; the right channel is silent all the time."""
    x = audio.noise(rate, 2) * 2**23
    x[rate // 3 : 2 * rate // 3] = x[:, 1] = 0
    y = audio.read16(bench.exported(write24(bench.folder / "a.wav", x, rate)))
    ringing = 140 * 48_000 // min(rate, 48_000)
    assert not y[16_000 + ringing : 32_000 - ringing].any()
    assert not y[:, 1].any()
    assert np.mean(y[:16_000, 0] == 0) < 0.01
    assert np.mean(y[32_000:, 0] == 0) < 0.01


@pytest.mark.parametrize(
    ("fmt", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("AIFF", "PCM_24"), ("FLAC", "PCM_24")],
)
def test_sixteen_bits_in_any_container_pass_as_they_are(bench: Bench, fmt: str, subtype: str) -> None:
    x = audio.sixteen_bits(2 * BLOCK_FRAMES, 2)
    samples = x / 32_768 if subtype == "FLOAT" else x.astype(np.int32) << 16
    outcome = bench.convert(audio.write(bench.folder / "in", samples, 48_000, fmt, subtype))
    np.testing.assert_array_equal(audio.read16(bench.out / "out.wav"), x)
    assert outcome.source_hash == outcome.output_hash
    assert outcome.done == ()


def test_one_sample_of_more_bits_at_the_end_is_dithered_from_the_start(bench: Bench) -> None:
    """As a file whose first sample says so at once; on a whole step triangular noise changes one sample in four."""
    late = audio.sixteen_bits(3 * BLOCK_FRAMES, 1)[3:] / 32_768 * 0.5
    late = np.rint(late * 32_768) / 32_768
    late[-1] = 0.3 / 32_768
    early = late.copy()
    early[0] += 0.3 / 32_768
    found = []
    for name, x in (("late", late), ("early", early)):
        source = audio.write(bench.folder / f"{name}.wav", x, 48_000, "WAV", "FLOAT")
        found.append(audio.read16(bench.exported(source, name + ".wav"))[1:])
    np.testing.assert_array_equal(*found)
    changed = np.split(found[0] != late[1:] * 32_768, [BLOCK_FRAMES, 2 * BLOCK_FRAMES])
    assert [np.mean(part) for part in changed] == pytest.approx([0.25] * 3, abs=0.015)


# ---- trouble ----


def breaking(error: type[Exception], words: str, qualities: Sequence[str], late: bool) -> Callable[..., Any]:
    """A ``soxr.ResampleStream`` that fails with these qualities, when it is made or ``late``: at its second block."""
    real = soxr.ResampleStream

    class Broken:
        def __init__(self, *arguments: Any, quality: str, **options: Any) -> None:
            self._stream = real(*arguments, quality=quality, **options)
            self._good = 2 * late if quality in qualities else 1_000
            self._count()

        def resample_chunk(self, *arguments: Any, **options: Any) -> Any:
            self._count()
            return self._stream.resample_chunk(*arguments, **options)

        def _count(self) -> None:
            self._good -= 1
            if self._good < 0:
                raise error(*words.splitlines())

    return Broken


@pytest.mark.parametrize("error", [RuntimeError, ValueError, MemoryError])
@pytest.mark.parametrize("late", [False, True])
def test_trouble_with_resampling_is_tried_once_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[Exception], late: bool
) -> None:
    frames, words = 3 * BLOCK_FRAMES, "" if error is MemoryError else "soxr says no"
    source = audio.write(bench.folder / "a.wav", audio.noise(frames), 44_100, "WAV", "PCM_16")
    with monkeypatch.context() as patch:
        patch.setattr(soxr, "ResampleStream", breaking(error, words, ["VHQ"], late))
        outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    assert "resampled from 44100 Hz (soxr HQ)" in outcome.done
    assert outcome.frames == len(audio.read16(bench.out / "out.wav")) == round(frames * 48_000 / 44_100)
    monkeypatch.setattr(soxr, "ResampleStream", breaking(error, words, ["VHQ", "HQ"], late))
    failed = bench.convert(source, "twice.wav")
    assert failed.error == f"Failed to resample audio: {words or 'not enough memory'}"
    assert not (bench.out / "twice.wav").exists()


@pytest.mark.parametrize("corrupt", [False, True])
def test_a_source_is_opened_once_by_a_decoder(bench: Bench, monkeypatch: pytest.MonkeyPatch, corrupt: bool) -> None:
    source = audio.write(bench.folder / "a.flac", audio.noise(100_000), 44_100, "FLAC", "PCM_16")
    if corrupt:
        source.write_bytes(source.read_bytes()[:90_000])
    calls: list[str] = []
    real = decode_source.open_file
    monkeypatch.setattr(decode_source, "open_file", lambda path: calls.append(path) or real(path))
    assert bench.convert(source).status is (Status.FAILED if corrupt else Status.EXPORTED)
    assert calls == [str(source)] * (2 if corrupt else 1)
