"""What is heard of sounds, judged by how they were made: loops of a known tempo, notes of a known pitch, faults put in."""

from pathlib import Path

import numpy as np
import pytest

from schemas.conversion import AnalysisResult, Job, SoundSettings, Tags
from schemas.scan_values import THRESHOLD, SoundAnalysis
from tasks.audio import synth
from tasks.audio.analyze import analyze, lower_rate
from tasks.audio.measure.tempo_and_key import estimate_tempo, find_root_note
from tests.support import audio
from tests.support.audio import FORM
from tests.support.engines import noises

RATE = 44_100
TONE = audio.tone(1, RATE, hz=440)


def result(path: Path) -> AnalysisResult:
    return analyze(Job(7, 7, str(path), "", Tags("", "", None, "", "")), SoundSettings("wav", 100, 1 << 40))


def heard(path: Path) -> SoundAnalysis:
    found = result(path)
    assert found.analysis, found
    return found.analysis


def heard_of(tmp_path: Path, x: audio.Sound) -> SoundAnalysis:
    return heard(audio.write(tmp_path / "x.wav", x, RATE, "WAV", "FLOAT"))


@pytest.mark.parametrize("bpm", [84, 92.5, 100, 118, 124, 132.5])
@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_the_tempo_of_a_drum_loop(bpm: float, rate: int) -> None:
    found = estimate_tempo(*lower_rate(synth.loop(rate, bpm, bars=2), rate))
    assert found.bpm == pytest.approx(bpm, rel=0.001)
    assert min(found.alternative / bpm, bpm / found.alternative) == pytest.approx(0.5, rel=0.001)
    assert found.confidence >= 0.55


@pytest.mark.parametrize(("bpm", "bars"), [(100, 2), (124, 2), (132, 4)])
@pytest.mark.parametrize("off", [0.03, 0.01, -0.01, -0.025])
def test_a_tail_or_a_cut_does_not_make_a_wrong_tempo_that_is_written(bpm: float, bars: int, off: float) -> None:
    x = synth.loop(RATE, bpm, bars)
    more = round(abs(off) * len(x))
    x = x[:-more] if off < 0 else np.concatenate([x, np.zeros((more, x.shape[1]), np.float32)])
    found = estimate_tempo(*lower_rate(x, RATE))
    if found.confidence >= THRESHOLD:
        assert found.bpm == pytest.approx(bpm, rel=0.004)
        assert min(found.alternative / bpm, bpm / found.alternative) == pytest.approx(0.5, rel=0.004)


def test_engines_have_no_tempo_and_a_drum_alone_has_one() -> None:
    heard = {name: estimate_tempo(*lower_rate(x, RATE)).confidence for name, x in noises(404, [2.0, 4.0])}
    assert len(heard) == 24
    assert not [name for name, confidence in heard.items() if confidence >= THRESHOLD]
    beat = np.zeros(RATE // 2, np.float32)
    beat[: len(synth.kick(RATE))] = synth.kick(RATE)
    for beats in (4, 8, 16):
        assert estimate_tempo(*lower_rate(np.tile(beat, beats)[:, None], RATE)).confidence >= THRESHOLD


def test_what_has_no_beat_is_given_none() -> None:
    rng = np.random.default_rng(404)
    for seconds in (0.3, 1.0, 2.0, 3.7, 8.0, 61.0):
        frames = round(seconds * RATE)
        for x in (audio.tone(seconds, RATE), rng.normal(size=(frames, 1)) * np.exp(-np.arange(frames) / RATE / 0.3)[:, None]):
            assert estimate_tempo(*lower_rate(x.astype(np.float32), RATE)).confidence < THRESHOLD
    # A loop that was cut somewhere within a beat has no whole number of them.
    cut = synth.loop(RATE, 120, bars=4)[: round(6.77 * RATE)]
    assert estimate_tempo(*lower_rate(cut, RATE)).confidence < THRESHOLD
    assert estimate_tempo(np.zeros(0, np.float32), RATE).bpm == 0


@pytest.mark.parametrize(("note", "name"), [(33, "A"), (36, "C"), (42, "F#"), (50, "D"), (64, "E")])
def test_the_root_of_a_note(note: int, name: str) -> None:
    assert find_root_note(*lower_rate(synth.bass(RATE, note)[:, None], RATE))[0] == name


def test_a_root_is_sure_where_one_note_rules(tmp_path: Path) -> None:
    found = heard_of(tmp_path, TONE)
    assert found.root == "A"
    assert THRESHOLD <= found.root_confidence < 0.9
    fifths = TONE / 2 + audio.tone(1, RATE, hz=440 * 1.5) / 2
    phrase = np.concatenate([audio.tone(0.25, RATE, hz=261.63 * 2 ** (step / 12)) for step in (0, 3, 5, 7)])
    for x in (fifths, phrase, audio.noise(RATE, 1)):
        assert heard_of(tmp_path, x).root_confidence < THRESHOLD


def test_the_same_sound_is_known_in_another_file(tmp_path: Path) -> None:
    x = np.round(audio.noise(RATE, 2) * 32768) / 32768
    marks = set()
    for name in ("wav-16", "wav-24", "aiff-16", "flac-16", "m4a-alac", "wavpack"):
        marks.add(heard(FORM[name].save(tmp_path / f"x{FORM[name].extension}", x, RATE)).fingerprint)
    assert len(marks) == 1
    x[RATE // 2, 0] += 1 / 32768
    marks.add(heard(FORM["wav-16"].save(tmp_path / "other.wav", x, RATE)).fingerprint)
    marks.add(heard(FORM["wav-16"].save(tmp_path / "faster.wav", x, 48_000)).fingerprint)
    assert len(marks) == 3


def test_faults_are_told_and_good_sounds_have_none(tmp_path: Path) -> None:
    assert heard_of(tmp_path, TONE).tags == ()
    assert heard_of(tmp_path, synth.kick(RATE)[:, None]).tags == ()
    assert heard_of(tmp_path, TONE / 500).tags == ("near-silent",)
    assert heard_of(tmp_path, TONE * 0).tags == ("near-silent",)
    assert heard_of(tmp_path, np.clip(TONE * 3, -1, 1)).tags == ("clipped",)
    assert heard_of(tmp_path, TONE * 1.9999).tags == ()  # full scale, and not cut
    assert heard_of(tmp_path, TONE + 0.1).tags == ("dc-offset",)
    assert heard_of(tmp_path, np.concatenate([np.zeros((RATE // 10, 1)), TONE])).tags == ("leading-silence",)
    assert heard_of(tmp_path, np.concatenate([np.zeros((RATE // 50, 1)), TONE])).tags == ()


def test_a_file_that_cannot_be_decoded_fails(tmp_path: Path) -> None:
    path = FORM["flac-16"].save(tmp_path / "x.flac", audio.noise(RATE), RATE)
    path.write_bytes(path.read_bytes()[:2000])
    found = result(path)
    assert (found.index, found.reason, found.analysis) == (7, "load_failed", None)
    assert "Failed to load audio" in found.error
