"""What comes out of ``convert`` is what went in, as the device wants it. Judges: libsndfile, ``wave``, a DFT, bytes."""

import struct
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.words import Status
from tasks.sound import decode
from tests import audio
from tests.audio import FORM, FORMS, Form
from tests.sound.converting import Bench

EXACT = [form for form in FORMS if form.exact]
LOSSY = [form for form in FORMS if not form.exact]
EVERY_RATE = [pytest.param(form, rate, id=f"{form}-{rate}") for form in FORMS for rate in form.rates]


# ---- length and form ----


@pytest.mark.parametrize(("form", "rate"), EVERY_RATE)
def test_every_format_and_rate_keeps_its_length_and_channels(bench: Bench, form: Form, rate: int) -> None:
    for channels in (1, 2):
        frames = round(0.2137 * rate)
        source = form.save(bench.folder / f"{channels}{form.extension}", audio.noise(frames, channels), rate)
        name = f"{channels}.wav"
        outcome = bench.convert(source, name)
        assert outcome.status is Status.EXPORTED, outcome.error
        assert abs(outcome.frames - frames * 48_000 / rate) <= 1 + (0 if form.exact else 48_000 / rate)
        info = soundfile.info(bench.out / name)
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", 48_000, channels)
        assert info.frames == outcome.frames
        assert outcome.source is not None
        assert (outcome.source.rate_hz, outcome.source.channels) == (rate, channels)
        assert outcome.source_bytes == source.stat().st_size


@given(rate=st.integers(1_000, 400_000), frames=st.integers(1, 3_000), channels=st.sampled_from([1, 2]))
@hypothesis_settings(max_examples=80, deadline=None)
def test_any_rate_gives_the_rounded_number_of_frames(rate: int, frames: int, channels: int) -> None:
    frames += rate // 10 + 1
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        source = audio.write(bench.folder / "a.wav", np.zeros((frames, channels)), rate, "WAV", "PCM_16")
        outcome = bench.convert(source)
    assert outcome.status is Status.EXPORTED, outcome.error
    assert abs(outcome.frames - frames * 48_000 / rate) <= 0.5


def test_python_reads_the_wav(bench: Bench) -> None:
    x = audio.sixteen_bits(9_000, 2)
    target = bench.exported(audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "PCM_16"))
    with wave.open(str(target)) as found:
        assert found.getparams()[:4] == (2, 2, 48_000, 9_000)
        assert found.readframes(9_000) == x.astype("<i2").tobytes()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["wav-16", "wav-24", "mp3-cbr", "m4a-aac", "flac-24"])
def test_aiff_holds_the_same_samples_as_wav(bench: Bench, name: str, channels: int) -> None:
    form = FORM[name]
    source = form.save(bench.folder / f"in{form.extension}", audio.noise(10_001, channels), 44_100)
    wav, aiff = bench.exported(source), bench.exported(source, "out.aiff")
    info = soundfile.info(aiff)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("AIFF", "PCM_16", 48_000, channels)
    np.testing.assert_array_equal(audio.read16(aiff), audio.read16(wav))
    raw = aiff.read_bytes()
    assert struct.unpack(">4sI4s4sI", raw[:20]) == (b"FORM", len(raw) - 8, b"AIFF", b"COMM", 18)
    assert struct.unpack(">4sIII", raw[38:54]) == (b"SSND", len(raw) - 46, 0, 0)


# ---- samples that must not change ----


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("form", [f for f in EXACT if "24" not in f.name and "32" not in f.name], ids=str)
def test_sixteen_bits_at_48_khz_pass_unchanged(bench: Bench, form: Form, channels: int) -> None:
    x = audio.sixteen_bits(12_345, channels)
    stored = x if form.name in ("m4a-alac", "wavpack") else x / 32768
    source = form.save(bench.folder / f"in{form.extension}", stored, 48_000)
    np.testing.assert_array_equal(audio.read16(bench.exported(source)), x)


@pytest.mark.parametrize(("fmt", "subtype"), [("WAV", "PCM_U8"), ("AIFF", "PCM_S8"), ("FLAC", "PCM_S8"), ("CAF", "PCM_S8")])
def test_eight_bits_at_48_khz_pass_unchanged(bench: Bench, fmt: str, subtype: str) -> None:
    x = np.arange(-128, 128).repeat(20)[:, None]
    source = audio.write(bench.folder / "in", x / 128, 48_000, fmt, subtype)
    np.testing.assert_array_equal(audio.read16(bench.exported(source)), x * 256)


@pytest.mark.parametrize("form", [f for f in EXACT if "24" in f.name or "32" in f.name or "float" in f.name], ids=str)
def test_more_bits_are_rounded_to_the_nearest(bench: Bench, form: Form) -> None:
    x = np.clip(np.rint(audio.noise(20_000, 1, level=1.0) * 2**23), -(2**23), 2**23 - 1) / 2**23
    target = bench.exported(form.save(bench.folder / f"in{form.extension}", x, 48_000))
    wanted = np.clip(x * 32768, -32768, 32767)
    assert np.abs(audio.read16(target) - wanted).max() <= 0.5


@pytest.mark.parametrize(
    "form", [FORM[name] for name in ("wav-16", "flac-16", "aiff-16", "caf-16", "m4a-alac", "wavpack")], ids=str
)
def test_nothing_is_said_to_be_done_when_nothing_is(bench: Bench, form: Form) -> None:
    x = audio.sixteen_bits(9_600)
    source = form.save(bench.folder / f"in{form.extension}", x if form.name in ("m4a-alac", "wavpack") else x / 32768, 48_000)
    outcome = bench.convert(source)
    np.testing.assert_array_equal(audio.read16(bench.out / "out.wav"), x)
    assert outcome.done == ()


def test_what_is_done_is_said(bench: Bench) -> None:
    source = audio.write(bench.folder / "a.wav", audio.noise(9_600, 6), 44_100, "WAV", "PCM_24")
    said = " | ".join(bench.convert(source).done)
    for word in ("6 channels mixed down to stereo", "44100 Hz", "PCM_24"):
        assert word in said


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(
    "form", [*[f for f in EXACT if f.name != "wav-16"], FORM["wav-16"], FORM["wav-u8"], FORM["wav-ulaw"]], ids=str
)
def test_silence_stays_silent(bench: Bench, form: Form, rate: int) -> None:
    source = form.save(bench.folder / f"in{form.extension}", np.zeros((rate // 5, 2)), rate)
    assert not audio.read16(bench.exported(source)).any()


@pytest.mark.parametrize(
    ("real", "shown"), [("mp3-cbr", "a.wav"), ("wav-16", "a.mp3"), ("m4a-alac", "a.ogg"), ("flac-16", "a.txt")]
)
def test_the_content_decides_not_the_extension(bench: Bench, real: str, shown: str) -> None:
    form = FORM[real]
    honest = form.save(bench.folder / f"in{form.extension}", audio.noise(9_600), 48_000)
    disguised = bench.folder / shown
    disguised.write_bytes(honest.read_bytes())
    one, two = bench.exported(honest, "1.wav"), bench.exported(disguised, "2.wav")
    assert one.read_bytes() == two.read_bytes()


def test_an_id3_tag_in_front_is_passed_over(bench: Bench) -> None:
    tag = b"ID3\x04\0\0\0\0\x50\0" + bytes(0x50 << 7)
    for name in ("mp3-cbr", "flac-16"):
        form = FORM[name]
        plain = form.save(bench.folder / f"plain{form.extension}", audio.noise(9_600), 48_000)
        tagged = bench.folder / f"tagged{form.extension}"
        tagged.write_bytes(tag + plain.read_bytes())
        assert bench.exported(tagged, "1.wav", ours=True).read_bytes() == bench.exported(plain, "2.wav", ours=True).read_bytes()


# ---- what a listener hears ----


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
            assert np.abs(x - reference)[1_000:-1_000].max() < 2 / 32768


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


# ---- blocks ----


@pytest.mark.parametrize("frames", [1, 333, 4_096])
@pytest.mark.parametrize("name", ["wav-16", "wav-float", "flac-24", "mp3-cbr", "m4a-aac", "wavpack"])
def test_blocks_give_the_same_bits_as_the_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, frames: int) -> None:
    form = FORM[name]
    rate = 44_100
    source = form.save(bench.folder / f"in{form.extension}", audio.noise(7_000, 2), rate)
    whole = bench.exported(source, "whole.wav").read_bytes()
    monkeypatch.setattr(decode, "BLOCK_FRAMES", frames)
    assert bench.exported(source, "blocks.wav").read_bytes() == whole


@pytest.mark.parametrize("channels", [1, 6])
def test_many_real_blocks(bench: Bench, channels: int) -> None:
    """Longer than three blocks, compared frame by frame with what libsndfile reads."""
    frames = 3 * decode.BLOCK_FRAMES + 17
    x = audio.sixteen_bits(frames, channels)
    y = audio.read16(bench.exported(audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "PCM_16")))
    assert len(y) == frames
    if channels == 1:
        np.testing.assert_array_equal(y, x)


def test_the_same_source_gives_the_same_bytes(bench: Bench) -> None:
    source = FORM["mp3-cbr"].save(bench.folder / "a.mp3", audio.noise(30_000, 2), 44_100)
    assert bench.exported(source, "1.wav").read_bytes() == bench.exported(source, "2.wav").read_bytes()
