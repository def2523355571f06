"""What comes out of ``convert`` is what went in, as the device wants it. Judges: libsndfile, ``wave``, bare bytes."""

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

from schemas.enums import Status
from tasks.audio.blocks import BLOCK_FRAMES
from tests.support import audio
from tests.support.audio import FORM, FORMS, Form
from tests.support.converting import Bench, small_blocks

EXACT = [form for form in FORMS if form.exact]
LOSSY = [form for form in FORMS if not form.exact]
# The fast lane has 44.1 kHz and another rate of each format, so that all rates come up; the slow lane has the rest.
EVERY_RATE = [
    pytest.param(
        form, rate, id=f"{form}-{rate}", marks=[] if rate == 44_100 or at == number % len(form.rates) else pytest.mark.slow
    )
    for number, form in enumerate(FORMS)
    for at, rate in enumerate(form.rates)
]


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
    target = bench.exported(form.save(bench.folder / f"in{form.extension}", x, 48_000), dither="none")
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
    for word in ("6 channels mixed down to stereo", "44100 Hz", "rounded to 16 bits with TPDF dither"):
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
        assert bench.exported(tagged, "1.wav").read_bytes() == bench.exported(plain, "2.wav").read_bytes()


# ---- blocks ----


@pytest.mark.parametrize("frames", [1, 333, 4_096])
@pytest.mark.parametrize("name", ["wav-16", "wav-float", "flac-24", "mp3-cbr", "m4a-aac", "wavpack"])
def test_blocks_give_the_same_bits_as_the_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, frames: int) -> None:
    form = FORM[name]
    rate = 44_100
    source = form.save(bench.folder / f"in{form.extension}", audio.noise(7_000, 2), rate)
    whole = bench.exported(source, "whole.wav").read_bytes()
    small_blocks(monkeypatch, frames)
    assert bench.exported(source, "blocks.wav").read_bytes() == whole


@pytest.mark.parametrize("channels", [1, 6])
def test_many_real_blocks(bench: Bench, channels: int) -> None:
    """Longer than three blocks, compared frame by frame with what libsndfile reads."""
    frames = 3 * BLOCK_FRAMES + 17
    x = audio.sixteen_bits(frames, channels)
    y = audio.read16(bench.exported(audio.write(bench.folder / "a.wav", x, 48_000, "WAV", "PCM_16")))
    assert len(y) == frames
    if channels == 1:
        np.testing.assert_array_equal(y, x)


def test_the_same_source_gives_the_same_bytes(bench: Bench) -> None:
    source = FORM["mp3-cbr"].save(bench.folder / "a.mp3", audio.noise(30_000, 2), 44_100)
    assert bench.exported(source, "1.wav").read_bytes() == bench.exported(source, "2.wav").read_bytes()
