"""What a listener hears: frequency, level, time, sides and full scale, judged by a DFT and a cross-correlation."""

import numpy as np
import pytest
import soundfile

from schemas.enums import Status
from tests.support import audio
from tests.support.audio import FORMS, Form
from tests.support.converting import Bench

# ---- one tone, one melody ----


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_tone_keeps_its_frequency_and_level(bench: Bench, form: Form) -> None:
    for rate in sorted({form.rates[0], 44_100, 48_000, form.rates[-1]} & set(form.rates)):
        source = form.save(bench.folder / f"{rate}{form.extension}", audio.tone(0.4, rate), rate)
        x = audio.read16(bench.exported(source, f"{rate}.wav"))[:, 0] / 32768
        found = audio.strongest(x, 48_000)
        assert abs(found.hz - 997) < (0.02 if form.exact else 0.5)
        assert abs(20 * np.log10(found.level / 0.5)) < (0.005 if form.exact else 0.5)
        if form.exact:
            assert found.rest_db < -80  # 16 bits of source and 16 of output: -98 dB each below full scale


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 88_200, 96_000, 176_400, 192_000])
def test_the_passband_is_flat_to_nine_tenths(bench: Bench, rate: int) -> None:
    hz = 0.9 * min(rate, 48_000) / 2
    source = audio.write(bench.folder / "a.wav", audio.tone(0.4, rate, hz=hz), rate, "WAV", "PCM_24")
    found = audio.strongest(audio.read16(bench.exported(source))[:, 0] / 32768, 48_000)
    assert abs(found.hz - hz) < 0.1
    assert abs(20 * np.log10(found.level / 0.5)) < 0.05
    assert found.rest_db < -85


@pytest.mark.parametrize("hz", [25_500, 30_000, 40_000, 47_000])
def test_what_48_khz_cannot_hold_is_gone_and_not_folded_back(bench: Bench, hz: int) -> None:
    source = audio.write(bench.folder / "a.wav", audio.tone(0.4, 96_000, hz=hz), 96_000, "WAV", "PCM_24")
    x = audio.read16(bench.exported(source))[2_000:-2_000]
    assert np.abs(x.astype(int)).max() <= 1


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_output_is_aligned_in_time(bench: Bench, form: Form) -> None:
    for rate in {44_100, 48_000, form.rates[0]} & set(form.rates):
        if rate < 8_000:
            continue
        t = np.arange(round(0.5 * rate)) / rate
        source = form.save(bench.folder / f"{rate}{form.extension}", audio.melody(t)[:, None], rate)
        x = audio.read16(bench.exported(source, f"{rate}.wav"))[:, 0] / 32768
        reference = audio.melody(np.arange(len(x)) / 48_000)
        assert audio.lag(x, reference) == 0
        if form.exact:
            assert np.abs(x - reference)[1_000:-1_000].max() < 3 / 32768


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_left_stays_left(bench: Bench, rate: int) -> None:
    x = np.concatenate([audio.tone(0.3, rate, hz=500), audio.tone(0.3, rate, hz=800, level=0.25)], axis=1)
    y = audio.read16(bench.exported(audio.write(bench.folder / "a.wav", x, rate, "WAV", "PCM_24"))) / 32768
    for channel, (hz, level) in enumerate([(500, 0.5), (800, 0.25)]):
        found = audio.strongest(y[:, channel], 48_000)
        assert (round(found.hz), round(found.level, 3)) == (hz, level)
        assert found.rest_db < -80


# ---- full scale ----


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000])
@pytest.mark.parametrize("level", [1.0, 1.5, 1_000.0, 3e38])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_too_loud_saturates_and_never_wraps_around(bench: Bench, rate: int, level: float) -> None:
    x = np.sign(audio.tone(0.2, rate, hz=100, level=1.0)) * level
    y = audio.read16(bench.exported(audio.write(bench.folder / "a.wav", x, rate, "WAV", "FLOAT")))[:, 0].astype(int)
    sign = np.sign(np.sin(2 * np.pi * 100 * np.arange(len(y)) / 48_000))
    phase = (np.arange(len(y)) * 200 / 48_000) % 1  # 0 and 1 where the sign changes
    steady = (phase > 0.2) & (phase < 0.8)
    assert np.array_equal(np.sign(y[steady]), sign[steady])
    assert np.abs(y[steady]).min() > 30_000
    assert y.max() == 32767


@pytest.mark.filterwarnings("error")
def test_absurd_levels_put_no_warning_on_standard_error(bench: Bench) -> None:
    source = audio.write(bench.folder / "a.wav", np.full((9_600, 1), 3e38), 48_000, "WAV", "FLOAT")
    assert (audio.read16(bench.exported(source)) == 32767).all()


def test_a_sine_at_full_scale_stays_a_sine(bench: Bench) -> None:
    source = audio.write(bench.folder / "a.wav", audio.tone(0.4, 44_100, level=1.0), 44_100, "WAV", "FLOAT")
    found = audio.strongest(audio.read16(bench.exported(source))[:, 0] / 32768, 48_000)
    assert abs(found.level - 1) < 1e-3
    assert found.rest_db < -80


# ---- more than two channels ----


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 10, 32])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_more_channels_become_stereo_and_it_is_said(bench: Bench, channels: int, rate: int) -> None:
    x = audio.noise(rate // 4, channels, level=1.0)
    outcome = bench.convert(audio.write(bench.folder / "a.wav", x, rate, "WAV", "PCM_24"))
    assert outcome.status is Status.EXPORTED, outcome.error
    assert outcome.channels == 2
    assert any(f"{channels} channels" in word and "stereo" in word for word in outcome.done)
    assert soundfile.info(bench.out / "out.wav").channels == 2


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 10])
def test_the_loudest_mix_does_not_clip(bench: Bench, channels: int) -> None:
    x = audio.tone(0.3, 48_000, channels, level=0.999)
    y = audio.read16(bench.exported(audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "PCM_24"))) / 32768
    for side in (0, 1):
        found = audio.strongest(y[:, side], 48_000)
        assert found.level <= 1
        assert found.rest_db < -80


SPEAKERS = {  # which side each channel of a 5.1 file belongs to
    "left": (True, False),
    "right": (False, True),
    "centre": (True, True),
    "lfe": (False, False),
    "left surround": (True, False),
    "right surround": (False, True),
}
WAV_ORDER = ("left", "right", "centre", "lfe", "left surround", "right surround")
# Vorbis I, section 4.3.9, and RFC 7845, section 5.1.1.2.
OGG_ORDER = ("left", "centre", "right", "left surround", "right surround", "lfe")


@pytest.mark.parametrize(
    ("fmt", "subtype", "order"),
    [
        ("WAV", "PCM_16", WAV_ORDER),
        ("FLAC", "PCM_16", WAV_ORDER),
        ("OGG", "VORBIS", OGG_ORDER),
        ("OGG", "OPUS", OGG_ORDER),
    ],
)
def test_each_speaker_of_5_1_goes_to_its_side(bench: Bench, fmt: str, subtype: str, order: tuple[str, ...]) -> None:
    """Each channel has a tone of its own, so that a DFT says where it went. The tones are low enough for any LFE."""
    tones = {speaker: 40 + 15 * n for n, speaker in enumerate(WAV_ORDER)}
    x = np.concatenate([audio.tone(1, 48_000, hz=tones[speaker], level=0.4) for speaker in order], axis=1)
    y = audio.read16(bench.exported(audio.write(bench.folder / "in", x, 48_000, fmt, subtype))) / 32768
    angle = 2 * np.pi * np.outer(list(tones.values()), np.arange(len(y)) / 48_000)
    level = np.abs(np.exp(-1j * angle) @ (y * np.hanning(len(y))[:, None])) / len(y)
    heard = {speaker: tuple(bool(side > 0.01) for side in level[n]) for n, speaker in enumerate(tones)}
    assert heard == SPEAKERS
