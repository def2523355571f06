"""Loops, cue points and tempo that stand in a WAV file: found, moved along with the sound, and written again on request.

Judges: hand-packed chunks, a reader of RIFF of the tests' own, clicks in the sound where the marks are, and what
libsndfile and ``wave`` still read.
"""

import struct
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.enums import Status
from tests.support import audio
from tests.support.converting import Bench
from tests.support.riff import ONE_SHOT, acid, chunk, chunks, cue, cues_of, loops_of, smpl, wav, wav_bytes


def clicks(frames: int, at: Sequence[int]) -> npt.NDArray[np.int16]:
    x = np.zeros(frames, np.int16)
    x[list(at)] = 20_000
    return x


def heard(path: Path) -> list[int]:
    """Where clicks are heard: the frames that are louder than all around them."""
    x = np.abs(audio.read16(path)[:, 0].astype(int))
    loud = np.flatnonzero(x > 4_000)
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > 50) + 1)
    return [int(group[np.argmax(x[group])]) for group in groups if len(group)]


RATES = (22_050, 44_100, 48_000, 96_000)


@pytest.mark.parametrize("behind", [True, False], ids=["behind", "before"])
@pytest.mark.parametrize("rate", RATES)
def test_marks_stay_with_their_sound(bench: Bench, rate: int, behind: bool) -> None:
    frames = rate // 2 + 7
    at = [rate // 50, rate // 10 + 1, rate // 5, rate // 3]
    marks = smpl((at[0], at[1]), (0, frames - 1), (at[2], at[2]), rate=rate) + cue(*at, 0, frames - 1) + acid(1, 119.9)
    source = wav(bench.folder / "a.wav", clicks(frames, at), rate, *((b"", marks) if behind else (marks, b"")))
    target = bench.exported(source, keep_chunks=True)
    sounds = heard(target)
    assert len(sounds) == 4
    found = cues_of(target)
    assert list(found) == [10, 11, 12, 13, 14, 15]
    assert np.abs(np.subtract([found[n] for n in (10, 11, 12, 13)], sounds)).max() <= 1
    end = soundfile.info(target).frames
    assert (found[14], abs(found[15] - (end - 1)) <= 48_000 / rate) == (0, True)
    assert max(found.values()) < end
    (a, b, c) = loops_of(target)
    assert [(loop[0], loop[1], loop[5]) for loop in (a, b, c)] == [(100, 0, 0), (101, 1, 3), (102, 2, 1)]
    assert abs(a[2] - sounds[0]) <= 1
    assert abs(a[3] + 1 - (at[1] + 1) * 48_000 / rate) <= 1
    assert (b[2], b[3]) == (0, end - 1)  # a loop over all of it stays one
    assert c[2] <= c[3] <= c[2] + max(48_000 // rate, 1)
    head = struct.unpack("<9I", chunks(target)[b"smpl"][:36])
    assert head[:7] == (0x41, 7, round(1e9 / 48_000), 61, 0x4000_0000, 0, 0)
    assert chunks(target)[b"acid"] == acid(1, 119.9)[8:]


@pytest.mark.parametrize("rate", RATES)
def test_marks_do_not_change_the_sound(bench: Bench, rate: int) -> None:
    x = audio.sixteen_bits(rate // 4, 2)
    marks = smpl((0, 99)) + cue(5, 50) + acid(1, 240)
    marked, plain = wav(bench.folder / "a.wav", x, rate, after=marks), wav(bench.folder / "b.wav", x, rate)
    kept, bare = bench.exported(marked, "kept.wav", keep_chunks=True), bench.exported(plain, "bare.wav")
    np.testing.assert_array_equal(audio.read16(kept), audio.read16(bare))
    with wave.open(str(kept)) as found:
        assert found.getparams()[:3] == (2, 2, 48_000)
        assert found.readframes(found.getnframes() + 9) == bare.read_bytes()[44:]
    assert bench.exported(marked, "default.wav").read_bytes() == bare.read_bytes()
    assert list(chunks(bare)) == [b"fmt ", b"data"]
    assert bench.exported(plain, "nothing.wav", keep_chunks=True).read_bytes() == bare.read_bytes()


@pytest.mark.parametrize("channels", [1, 2])
def test_chunks_behind_an_odd_number_of_bytes(bench: Bench, channels: int) -> None:
    """Of 8 bits: ``data`` has a byte of padding in the source, and none in the output."""
    data = np.random.default_rng(404).bytes(9_601 * channels)
    whole = wav_bytes(data, bits=8, channels=channels) + b"\0" * (len(data) % 2) + chunk(b"LIST", b"odd") + cue(7, 9_600)
    (bench.folder / "a.wav").write_bytes(whole)
    target = bench.exported(bench.folder / "a.wav", keep_chunks=True)
    assert cues_of(target) == {10: 7, 11: 9_600}


def test_what_is_kept_is_said(bench: Bench) -> None:
    source = wav(bench.folder / "a.wav", audio.sixteen_bits(9_600), 48_000, after=smpl((0, 9)) + cue(1, 2) + acid(1, 300))
    said = " | ".join(bench.convert(source, keep_chunks=True).done)
    assert "1 loop, 2 cue points, acid tempo" in said
    outcome = bench.convert(source, "out.aiff", keep_chunks=True)
    assert any(word.startswith("not kept") and "AIFF" in word for word in outcome.done)
    assert (bench.out / "out.aiff").stat().st_size == 54 + 2 * 9_600
    assert bench.convert(source, "default.wav").done == ()


# ---- with a trim ----


@pytest.mark.parametrize("rate", RATES)
def test_a_trim_takes_marks_along(bench: Bench, rate: int) -> None:
    """Silence, a sound with clicks, silence: what is marked in the sound stays, what was cut away is gone."""
    quarter, frames = rate // 4, rate
    x = np.zeros(frames, np.int16)
    x[quarter : 3 * quarter] = 2_000 * np.resize([1, 1, 1, -1, -1, -1], 2 * quarter)
    at = [quarter + rate // 20, 2 * quarter, 3 * quarter - rate // 20]
    x[at] = 20_000
    marks = smpl((at[0], at[2]), (100, at[1]), (at[1], frames - 1), rate=rate) + cue(*at, 100, frames - 100) + acid(2, 120)
    source = wav(bench.folder / "a.wav", x, rate, after=marks)
    target = bench.exported(source, keep_chunks=True, trim_dbfs=-40)
    sounds, end = heard(target), soundfile.info(target).frames
    assert abs(end - 24_000) < 240
    found = cues_of(target)
    assert list(found) == [10, 11, 12]
    assert np.abs(np.subtract(list(found.values()), sounds)).max() <= 1
    a, c = loops_of(target)
    assert (a[0], c[0]) == (100, 102)  # the second began before the sound
    assert np.abs(np.subtract([a[2], a[3], c[2]], [sounds[0], sounds[2], sounds[1]])).max() <= max(48_000 // rate, 1)
    assert c[3] == end - 1
    assert b"acid" not in chunks(target)


@pytest.mark.parametrize("silent", ["start", "end", "both"])
def test_a_tempo_goes_when_its_beats_are_cut_off(bench: Bench, silent: str) -> None:
    """``acid`` gives beats and tempo of the whole file: of a trimmed one they would be wrong."""
    x = audio.sixteen_bits(48_000)
    if silent != "end":
        x[:12_000] = 0
    if silent != "start":
        x[-12_000:] = 0
    source = wav(bench.folder / "a.wav", x, 48_000, after=acid(2, 120))
    assert b"acid" in chunks(bench.exported(source, "whole.wav", keep_chunks=True))
    assert b"acid" not in chunks(bench.exported(source, keep_chunks=True, trim_dbfs=-60))


def test_padding_is_no_place_for_marks(bench: Bench) -> None:
    """A cue point that lay behind the sound does not come to lie in the silence that is added."""
    source = wav(bench.folder / "a.wav", audio.sixteen_bits(9_600), 48_000, after=cue(9_599, 9_600, 12_000) + smpl((0, 12_000)))
    target = bench.exported(source, keep_chunks=True, pad_to_ms=500)
    assert soundfile.info(target).frames == 24_000
    assert cues_of(target) == {10: 9_599}
    assert all(loop[3] <= 9_599 for loop in loops_of(target))


# ---- with a loop ----


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_a_seamless_loop_keeps_its_marks(bench: Bench, rate: int) -> None:
    frames = round(4 * 60 / 93 * rate) - 20  # a little short: it is stretched
    at = [rate // 2, rate, 2 * rate]
    x = clicks(frames, at)
    source = wav(bench.folder / "a.wav", x, rate, after=acid(4, 93) + smpl((0, frames - 1)) + cue(*at))
    target = bench.exported(source, keep_chunks=True, seamless=True)
    end = soundfile.info(target).frames
    assert end == round(4 * 60 / 93 * 48_000)
    assert [loop[2:4] for loop in loops_of(target)] == [(0, end - 1)]
    assert np.abs(np.subtract(list(cues_of(target).values()), heard(target))).max() <= 1
    assert chunks(target)[b"acid"] == acid(4, 93)[8:]


@pytest.mark.parametrize("flags", [0, ONE_SHOT])
def test_the_one_shot_flag(bench: Bench, flags: int) -> None:
    """It is kept, and what it marks is no loop, whatever its tempo says."""
    frames = 22_050
    source = wav(bench.folder / "a.wav", audio.sixteen_bits(frames), 44_100, after=acid(1, 120, flags))
    outcome = bench.convert(source, keep_chunks=True, seamless=True)
    kept = struct.unpack("<IHHfIHHf", chunks(bench.out / "out.wav")[b"acid"])
    assert (kept[0], kept[1], kept[4], kept[7]) == (flags, 60, 1, 120.0)
    assert any("as a loop" in word for word in outcome.done) == (not flags)


# ---- whatever stands in them ----

words = st.one_of(st.integers(0, 10_000), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 4_799, 4_800, 2**31, 2**32 - 1]))
tails = st.binary(max_size=30)
some_smpl = st.builds(lambda head, tail: struct.pack(f"<{len(head)}I", *head) + tail, st.lists(words, max_size=40), tails)
some_cue = st.builds(
    lambda count, points, tail: struct.pack("<I", count) + b"".join(struct.pack("<II4sIII", *p) for p in points) + tail,
    words,
    st.lists(st.tuples(words, words, st.binary(min_size=4, max_size=4), words, words, words), max_size=5),
    tails,
)
some_acid = st.builds(
    lambda flags, beats, tempo, tail: struct.pack("<IHHfIHHf", flags, 0, 0, 0.0, beats, 4, 4, tempo) + tail,
    words,
    words,
    st.floats(width=32),
    tails,
)
chunk_lists = st.lists(
    st.one_of(
        st.tuples(st.just(b"smpl"), st.one_of(some_smpl, st.binary(max_size=80))),
        st.tuples(st.just(b"cue "), st.one_of(some_cue, st.binary(max_size=80))),
        st.tuples(st.just(b"acid"), st.one_of(some_acid, st.binary(max_size=80))),
    ),
    max_size=4,
)


@pytest.mark.slow
@given(before=chunk_lists, after=chunk_lists, rate=st.sampled_from([22_050, 48_000]), trim=st.booleans())
@hypothesis_settings(max_examples=150, deadline=None)
def test_no_chunk_loses_the_sound(
    before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]], rate: int, trim: bool
) -> None:
    x = audio.sixteen_bits(4_800)
    x[:500] = 0
    sound = {"trim_dbfs": -60.0} if trim else {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        plain = bench.exported(wav(bench.folder / "plain.wav", x, rate), "plain.wav", **sound)
        sides = (b"".join(chunk(*each) for each in side) for side in (before, after))
        source = wav(bench.folder / "a.wav", x, rate, *sides)
        assert bench.exported(source, "default.wav", **sound).read_bytes() == plain.read_bytes()
        target = bench.exported(source, "kept.wav", keep_chunks=True, **sound)
        np.testing.assert_array_equal(audio.read16(target), audio.read16(plain))
        end = soundfile.info(target).frames
        assert all(first <= last < end for _, _, first, last, _, _ in loops_of(target))
        assert all(frame < end for frame in cues_of(target).values())
        assert bench.convert(source, "loop.wav", keep_chunks=True, seamless=True, **sound).status is Status.EXPORTED


def test_a_chunk_that_claims_more_than_the_file_has(bench: Bench) -> None:
    x = audio.sixteen_bits(9_600)
    for name in (b"smpl", b"cue ", b"acid", b"LIST"):
        for length in (60, 2**31, 2**32 - 1):
            tail = struct.pack("<4sI", name, length) + b"\1" * 40
            source = wav(bench.folder / "a.wav", x, 48_000, after=tail)
            np.testing.assert_array_equal(audio.read16(bench.exported(source, keep_chunks=True)), x)
            chunks(bench.out / "out.wav")
