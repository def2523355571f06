"""Gain, trim, padding, fades and mono: each against numpy on what went in, and none of it unless it is asked for."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.conversion import Outcome
from schemas.enums import Guard, Mono, Status
from tasks.audio.convert import convert, measure
from tests.support import audio
from tests.support.audio import FORM, Sound
from tests.support.converting import Bench, settings, small_blocks

FULL = 1 - 1.5 / 32768  # full scale, less what rounding and dither need
Samples = npt.NDArray[np.int16]
Run = Callable[..., tuple[Outcome, Samples]]


@pytest.fixture
def run(bench: Bench) -> Run:
    """Converts what is given, a sound or a file; without dither, unless asked for. The source must stay as it is."""
    return lambda x, rate=48_000, **sound: edited(bench, x, rate, **sound)


def edited(
    bench: Bench, x: Sound | Path, rate: int, *, bpm: float | None = None, loudest: float = 0.0, **sound: Any
) -> tuple[Outcome, Samples]:
    source = x if isinstance(x, Path) else audio.write(bench.folder / "a.wav", x, rate, "WAV", subtype_for(x))
    before, status = source.read_bytes(), source.stat()
    job = bench.job(source)
    job = replace(job, loudest=loudest, tags=replace(job.tags, bpm=bpm))
    outcome = convert(job, settings(**({"dither": "none"} | sound)))
    assert outcome.status is Status.EXPORTED, outcome.error
    assert (source.read_bytes(), source.stat().st_mtime_ns) == (before, status.st_mtime_ns)
    y = audio.read16(bench.out / "out.wav")
    assert y.shape == (outcome.frames, outcome.channels)
    return outcome, y


def subtype_for(x: Sound) -> str:
    return "PCM_16" if x.dtype == np.int16 else "FLOAT"


def said(outcome: Outcome) -> str:
    return " | ".join(outcome.done)


def assert_scaled(y: Samples, x: Sound, gain: float) -> None:
    """The same gain for every sample, and nothing clipped."""
    assert np.abs(y - x * gain * 32768).max() <= 0.5 + 0.01
    assert np.abs(y.astype(int)).max() <= 32767


# ---- gain ----


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("dither", ["none", "tpdf"])
def test_guard_turns_a_loud_file_down(run: Run, rate: int, dither: str) -> None:
    """A sound twice too loud, against the same sound at a quarter: one ratio for all samples, and no flat tops."""
    x = audio.melody(np.arange(rate // 2) / rate)[:, None] * 8
    quiet, loud = run(x / 16, rate)[1], run(x, rate)
    assert loud[0].levels.clipped_samples > 100
    assert loud[0].warning
    outcome, y = run(x, rate, guard=Guard.FILE, dither=dither)
    assert outcome.levels.clipped_samples == 0
    assert not outcome.warning
    assert np.count_nonzero(np.abs(y.astype(int)) >= 32767) <= 1
    gain = float((y * 1.0).ravel() @ quiet.ravel() / (quiet * 1.0).ravel().dot(quiet.ravel()))
    assert np.abs(y - gain * quiet).max() <= 0.5 * gain + 2
    assert 32764 <= np.abs(y.astype(int)).max() <= 32767
    assert "turned down by" in said(outcome)


def test_guard_is_exact_at_48_khz(run: Run) -> None:
    x = audio.noise(9_600, 2, level=3.7)
    assert_scaled(run(x, guard=Guard.FILE)[1], x, FULL / np.abs(x.astype(np.float32)).max())


def test_guard_turns_down_what_only_resampling_makes_too_loud(run: Run) -> None:
    """A square wave at full scale in 16 bits, which fits, and whose overshoot at another rate does not."""
    x = (32_767 * np.sign(audio.tone(0.5, 44_100, hz=441.7))).astype(np.int16)
    assert run(x, 44_100)[0].levels.clipped_samples > 100
    outcome, y = run(x, 44_100, guard=Guard.FILE)
    assert (outcome.levels.clipped_samples, np.abs(y.astype(int)).max() <= 32767) == (0, True)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_guard_leaves_others_alone(run: Run, rate: int) -> None:
    for x in (audio.noise(9_600, 2, level=0.4), audio.sixteen_bits(9_600) // 4):
        (plain, a), (outcome, b) = run(x, rate, dither="tpdf"), run(x, rate, dither="tpdf", guard=Guard.FILE)
        np.testing.assert_array_equal(a, b)
        assert outcome.done == plain.done


def test_full_scale_in_16_bits_is_not_too_loud(run: Run) -> None:
    x = audio.sixteen_bits(9_600, 2)
    outcome, y = run(x, guard=Guard.FILE)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


@pytest.mark.parametrize("level", [0.01, 0.3, 2.0])
def test_guard_of_a_folder_is_one_gain_for_all(run: Run, level: float) -> None:
    x = audio.noise(9_600, 2, level=level)
    outcome, y = run(x, guard=Guard.FOLDER, loudest=2.0)
    assert_scaled(y, x, FULL / 2)
    assert "turned down by 6.02 dB" in said(outcome)


def test_a_folder_that_fits_is_left_alone(run: Run) -> None:
    x = audio.sixteen_bits(9_600)
    for loudest in (0.0, 0.3, 1.0):
        outcome, y = run(x, guard=Guard.FOLDER, loudest=loudest)
        np.testing.assert_array_equal(y, x)
        assert outcome.done == ()


def test_the_loudest_is_measured_before_any_gain(bench: Bench) -> None:
    x = audio.noise(9_600, 2, level=3.0)
    source = audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "FLOAT")
    outcome = measure(bench.job(source), settings(guard=Guard.FILE, normalize_dbfs=-20.0))
    assert outcome.levels.peak == np.abs(x.astype(np.float32)).max()
    assert not list(bench.out.iterdir())


@pytest.mark.parametrize("dbfs", [0.0, -1.0, -12.5])
@pytest.mark.parametrize("level", [0.001, 0.5, 8.0])
def test_normalize(run: Run, dbfs: float, level: float) -> None:
    x = audio.noise(9_600, 2, level=level)
    outcome, y = run(x, normalize_dbfs=dbfs)
    assert_scaled(y, x, min(10 ** (dbfs / 20), FULL) / np.abs(x.astype(np.float32)).max())
    assert f"normalized to {dbfs:g} dBFS" in said(outcome)
    assert outcome.levels.clipped_samples == 0


def test_silence_cannot_be_normalized(run: Run) -> None:
    assert not run(np.zeros((9_600, 2)), 44_100, normalize_dbfs=-1.0, guard=Guard.FILE, dither="tpdf")[1].any()


# ---- trim ----


@pytest.mark.parametrize("channels", [1, 2])
def test_trim_cuts_where_numpy_finds_the_sound(run: Run, channels: int) -> None:
    """From the first to the last sample above the threshold, of any channel; what is quieter within stays."""
    x = np.random.default_rng(404).integers(-32, 33, (48_000, channels)).astype(np.int16)  # below -60 dBFS
    x[11_111:30_000, -1] = 9_000
    x[20_000:40_404, 0] = -9_000
    x[25_000:27_000] = 0
    loud = np.flatnonzero((np.abs(x.astype(int)) > 32.8).any(axis=1))
    outcome, y = run(x, trim_dbfs=-60.0)
    np.testing.assert_array_equal(y, x[loud[0] : loud[-1] + 1])
    ms = (loud[0] / 48, (47_999 - loud[-1]) / 48)
    assert f"trimmed {ms[0]:.0f} ms at the start and {ms[1]:.0f} ms at the end, below -60 dBFS" in said(outcome)


@pytest.mark.parametrize("rate", [22_050, 96_000])
def test_trim_at_other_rates(run: Run, rate: int) -> None:
    x = np.zeros((rate, 1))
    x[rate // 4 : rate // 2] = audio.tone(0.3, rate, hz=500)[: rate // 2 - rate // 4] + 0.3
    whole, y = run(x, rate)[1], run(x, rate, trim_dbfs=-40.0)[1]
    loud = np.flatnonzero(np.abs(whole[:, 0].astype(int)) > 328)
    np.testing.assert_array_equal(y, whole[loud[0] : loud[-1] + 1])
    assert abs(len(y) - 12_000) < 100


@pytest.mark.parametrize(("first", "frames"), [(0, 10), (100, 960), (20_000, 1), (20_000, 4_799), (47_999, 1), (47_000, 300)])
def test_trim_leaves_100_ms(run: Run, first: int, frames: int) -> None:
    x = np.zeros((48_000, 1), np.int16)
    x[first : first + frames] = 5_000
    y = run(x, trim_dbfs=-60.0)[1]
    assert len(y) == 4_800
    assert np.count_nonzero(y) == frames
    assert y[0] or y[-1] or first in (20_000, 47_000)


@pytest.mark.parametrize("x", [np.zeros((9_600, 2), np.int16), np.full((9_600, 1), 20, np.int16)], ids=["silent", "quiet"])
def test_what_is_silent_all_over_stays(run: Run, x: Samples) -> None:
    outcome, y = run(x, trim_dbfs=-60.0)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


def test_what_has_no_silence_around_it_passes_unchanged(run: Run) -> None:
    x = audio.sixteen_bits(9_600, 2)
    outcome, y = run(x, trim_dbfs=-60.0)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


# ---- padding ----


@pytest.mark.parametrize("pad_to_ms", [100, 333, 1_000])
def test_padding_makes_a_short_sample_pass(bench: Bench, run: Run, pad_to_ms: int) -> None:
    x = audio.sixteen_bits(2_400, 2)
    source = audio.write(bench.folder / "short.wav", x, 48_000, "WAV", "PCM_16")
    assert bench.refused(source, "short.wav").error == "Duration too short: 50ms (minimum: 100ms)"
    outcome, y = run(source, pad_to_ms=pad_to_ms)
    assert len(y) == pad_to_ms * 48
    np.testing.assert_array_equal(y[:2_400], x)
    assert not y[2_400:].any()
    assert outcome.done == (f"padded with silence to {pad_to_ms} ms",)


@pytest.mark.parametrize("name", ["wav-24", "mp3-cbr", "m4a-aac", "flac-16"])
def test_padding_of_any_format(bench: Bench, run: Run, name: str) -> None:
    form = FORM[name]
    source = form.save(bench.folder / f"a{form.extension}", audio.noise(9_000), 44_100)
    plain, padded = run(source, dither="tpdf")[1], run(source, dither="tpdf", pad_to_ms=1_000)[1]
    assert len(padded) == 48_000
    np.testing.assert_array_equal(padded[: len(plain)], plain)
    assert not padded[len(plain) :].any()


def test_padding_shorter_than_the_minimum_or_the_sample_does_nothing(bench: Bench, run: Run) -> None:
    short = audio.write(bench.folder / "short.wav", audio.sixteen_bits(2_400), 48_000, "WAV", "PCM_16")
    assert bench.convert(short, pad_to_ms=99).error == "Duration too short: 50ms (minimum: 100ms)"
    x = audio.sixteen_bits(9_601)
    outcome, y = run(x, pad_to_ms=200)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


# ---- fades ----


@pytest.mark.parametrize(("fade_in", "fade_out"), [(10, 0), (0, 20), (50, 100), (1, 1)])
def test_fades_follow_a_raised_cosine(run: Run, fade_in: int, fade_out: int) -> None:
    """Of a constant; rising, then level, then falling, and 0 to 1 symmetrically."""
    outcome, y = run(np.full((9_600, 2), 0.5), fade_in_ms=fade_in, fade_out_ms=fade_out)
    found = y[:, 0] / 16_384

    def envelope(ms: int) -> Sound:
        return np.sin(np.pi / 2 * np.clip((np.arange(9_600) + 0.5) / max(48 * ms, 0.1), 0, 1)) ** 2

    assert np.abs(found - envelope(fade_in) * envelope(fade_out)[::-1]).max() <= 0.6 / 16_384
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    rising, falling = found[: 48 * fade_in], found[9_600 - 48 * fade_out :]
    assert (np.diff(rising) >= 0).all()
    assert (np.diff(falling) <= 0).all()
    assert (found[48 * fade_in : 9_600 - 48 * fade_out] == 1).all()
    for ms, word in ((fade_in, "faded in"), (fade_out, "faded out")):
        assert (f"{word} over {ms} ms" in said(outcome)) == bool(ms)


def test_fades_longer_than_the_sound(run: Run) -> None:
    y = run(np.full((9_600, 1), 0.5), fade_in_ms=10_000, fade_out_ms=10_000)[1]
    assert abs(int(y[0, 0])) <= 1
    assert abs(int(y[-1, 0])) <= 1
    assert np.abs(np.diff(y[:, 0].astype(int))).max() <= 20


def test_a_sine_keeps_its_phase_under_a_fade(run: Run) -> None:
    x = audio.tone(0.5, 48_000, level=0.9)
    ramp = np.sin(np.pi / 2 * (np.arange(4_800) + 0.5) / 4_800) ** 2
    y = run(x, fade_in_ms=100)[1]
    assert np.abs(y[:4_800, 0] - ramp * x[:4_800, 0] * 32768).max() <= 0.6
    assert np.abs(y[4_800:] - x[4_800:] * 32768).max() <= 0.51


def test_fades_are_at_the_ends_of_what_trim_leaves_and_before_padding(run: Run) -> None:
    x = np.zeros((48_000, 1))
    x[12_000:24_000] = 0.5
    y = run(x, trim_dbfs=-60.0, fade_in_ms=10, fade_out_ms=10, pad_to_ms=1_000)[1][:, 0] / 16_384
    assert len(y) == 48_000
    assert (y[480:11_520] == 1).all()
    assert (y[0] < 0.001, y[11_999] < 0.001) == (True, True)
    assert not y[12_000:].any()


# ---- mono ----


@pytest.mark.parametrize("name", ["wav-16", "flac-24", "mp3-cbr", "m4a-alac"])
def test_identical_channels_are_folded_to_one(bench: Bench, run: Run, name: str) -> None:
    form = FORM[name]
    source = form.save(bench.folder / f"a{form.extension}", audio.tone(0.3, 44_100, 2), 44_100)
    stereo, (outcome, mono) = run(source)[1], run(source, mono=Mono.IDENTICAL)
    assert mono.shape[1] == 1
    np.testing.assert_array_equal(mono[:, 0], stereo[:, 0])
    assert "mono" in said(outcome)


def test_a_fold_is_exact_where_16_bits_are(run: Run) -> None:
    x = audio.sixteen_bits(9_600)
    outcome, y = run(np.repeat(x, 2, axis=1), mono=Mono.IDENTICAL, dither="tpdf")
    np.testing.assert_array_equal(y, x)
    assert len(outcome.done) == 1


@pytest.mark.parametrize("at", [0, 5_000, 9_599])
def test_one_step_of_difference_is_stereo(run: Run, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    small_blocks(monkeypatch, 1_000)
    x = np.repeat(audio.sixteen_bits(9_600) // 2, 2, axis=1)
    x[at, 1] += 1
    outcome, y = run(x, mono=Mono.IDENTICAL)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


@pytest.mark.parametrize("mono", Mono)
def test_mono_stays_mono(run: Run, mono: Mono) -> None:
    x = audio.sixteen_bits(9_600)
    outcome, y = run(x, mono=mono)
    np.testing.assert_array_equal(y, x)
    assert outcome.done == ()


def test_all_to_mono_is_the_middle(run: Run) -> None:
    x = audio.sixteen_bits(9_600, 2)
    outcome, y = run(x, mono=Mono.ALL)
    assert np.abs(y[:, 0] - x.mean(axis=1)).max() <= 0.5
    assert "mixed to mono" in said(outcome)


@pytest.mark.parametrize("channels", [3, 4, 6, 8])
def test_many_channels_to_mono(run: Run, channels: int) -> None:
    x = audio.noise(9_600, channels)
    stereo, (outcome, y) = run(x)[1], run(x, mono=Mono.ALL)
    assert y.shape[1] == 1
    assert np.abs(y[:, 0] - stereo.mean(axis=1)).max() <= 1.01
    assert f"{channels} channels mixed down" in said(outcome)


@pytest.mark.parametrize("channels", [3, 6])
def test_a_centre_alone_is_not_lost_in_the_fold(run: Run, channels: int) -> None:
    """Mixed down it is the same on both sides, and that is what is folded; not the left channel, which is silent."""
    x = np.zeros((9_600, channels))
    x[:, 2] = audio.tone(0.2, 48_000)[:, 0]
    stereo, mono = run(x)[1], run(x, mono=Mono.IDENTICAL)[1]
    np.testing.assert_array_equal(stereo[:, 0], stereo[:, 1])
    np.testing.assert_array_equal(mono[:, 0], stereo[:, 0])
    assert np.abs(mono).max() > 1_000


# ---- all of them ----

ALL: dict[str, Any] = {"mono": Mono.ALL, "normalize_dbfs": -3.0, "trim_dbfs": -50.0, "pad_to_ms": 1_500, "fade_in_ms": 20,
                       "fade_out_ms": 70, "guard": Guard.FILE, "dither": "tpdf"}  # fmt: skip


def with_silence_around(rate: int) -> Sound:
    x = np.zeros((rate, 2))
    x[rate // 5 : -rate // 4] = audio.noise(rate - rate // 5 - rate // 4, 2, level=1.2)
    return x


def test_every_edit_is_named(run: Run) -> None:
    words = said(run(with_silence_around(44_100), 44_100, **ALL)[0])
    for word in ("mixed to mono", "normalized to -3 dBFS", "trimmed", "padded", "faded in over 20", "faded out over 70"):
        assert word in words


def test_without_any_setting_nothing_is_edited(run: Run) -> None:
    outcome, y = run((with_silence_around(48_000) * 20_000).astype(np.int16))
    assert (outcome.done, len(y)) == ((), 48_000)


@given(
    blocks=st.one_of(st.integers(200, 9_000), st.sampled_from([960, 3_360, 4_799, 4_800])),
    rate=st.sampled_from([44_100, 48_000]),
    chosen=st.fixed_dictionaries(
        {},
        optional={
            "mono": st.sampled_from(Mono),
            "guard": st.sampled_from([Guard.NONE, Guard.FILE]),
            "normalize_dbfs": st.sampled_from([-20.0, 0.0]),
            "trim_dbfs": st.sampled_from([-50.0, -20.0]),
            "pad_to_ms": st.integers(100, 700),
            "fade_in_ms": st.integers(0, 500),
            "fade_out_ms": st.integers(0, 500),
        },
    ),
)
@hypothesis_settings(max_examples=50, deadline=None)
def test_blocks_do_not_matter(blocks: int, rate: int, chosen: dict[str, Any]) -> None:
    x = with_silence_around(rate)[rate // 10 : rate // 2]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        bench = Bench(Path(folder))
        whole, y = edited(bench, x, rate, **({"dither": "tpdf"} | chosen))
        small_blocks(patched, blocks)
        outcome, z = edited(bench, x, rate, **({"dither": "tpdf"} | chosen))
    np.testing.assert_array_equal(y, z)
    assert (outcome.done, outcome.output_hash, outcome.source_hash) == (whole.done, whole.output_hash, whole.source_hash)


def test_a_loop_keeps_its_ends(run: Run) -> None:
    """Trim, fades and padding would make it stumble; a gain is the same all along."""
    frames = round(4 * 60 / 93 * 44_100)
    x = audio.noise(frames, 2, level=0.5)
    x[:5_000] = x[-5_000:] = 0
    loop = {"bpm": 93, "seamless": True}
    plain, y = run(x, 44_100, **loop)
    outcome, z = run(x, 44_100, trim_dbfs=-50.0, fade_in_ms=50, fade_out_ms=50, pad_to_ms=5_000, **loop)
    np.testing.assert_array_equal(y, z)
    assert (outcome.frames, outcome.done) == (round(4 * 60 / 93 * 48_000), plain.done)
    louder = run(x, 44_100, normalize_dbfs=-1.0, trim_dbfs=-50.0, **loop)[1]
    assert len(louder) == len(y)
    assert np.abs(louder * (np.abs(y).max() / np.abs(louder).max()) - y).max() <= 2
