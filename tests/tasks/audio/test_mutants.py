"""Damaged files of every format: an Outcome each, never an exception, a crash, a ``.part`` or half a target."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support import audio
from tests.support.audio import FORMS
from tests.support.child import Verdict, convert_apart
from tests.support.converting import Bench, assert_plain_wav
from tests.support.mutants import MAGICS, TEXTS, mutate

SEED = 404
MUTANTS_OF_EACH = 10


def assert_sound(verdict: Verdict, out: Path) -> None:
    """An outcome that says what happened, and a target that is whole or not there."""
    assert not verdict.crashed, verdict.crashed
    said, target = verdict.said, out / f"{verdict.source.name}.wav"
    assert said["checked"] == [said["status"], said["error"]]
    if said["status"] == "exported":
        assert_plain_wav(target, said["frames"], said["channels"])
        assert 4_800 <= said["frames"] <= 480_000  # 100 ms, and the limit that the child sets
        return
    assert said["status"] == "failed"
    assert not target.exists()
    assert said["error"].startswith(TEXTS)
    assert len(said["error"].splitlines()) == 1


@pytest.mark.slow
def test_three_hundred_damaged_files(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    sources = []
    for form in FORMS:
        rate = rng.choice([rate for rate in form.rates if rate <= 48_000])
        sound = audio.tone(0.2, rate, rng.choice((1, 2))) + audio.noise(round(0.2 * rate), 1, level=0.1)
        whole = form.save(tmp_path / f"whole{form.extension}", sound, rate).read_bytes()
        for number in range(MUTANTS_OF_EACH):
            sources.append(tmp_path / f"{form}-{number}{form.extension}")
            sources[-1].write_bytes(mutate(whole, rng))
    verdicts = convert_apart(sources, tmp_path / "out")
    assert len(verdicts) == len(FORMS) * MUTANTS_OF_EACH >= 300
    troubles = []
    for verdict in verdicts:
        try:
            assert_sound(verdict, tmp_path / "out")
        except AssertionError as error:
            troubles.append(f"{verdict.source.name}: {verdict.said} {error}")
    assert not troubles, "\n\n".join(troubles)
    done = {f"{verdict.source.name}.wav" for verdict in verdicts if verdict.said.get("status") == "exported"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == done
    assert max(verdict.said["peak_mb"] for verdict in verdicts) < 1_000
    assert max(verdict.said["seconds"] for verdict in verdicts) < 5
    exported = sum(verdict.said["status"] == "exported" for verdict in verdicts)
    assert 0.1 < exported / len(verdicts) < 0.9, "the mutations are all harmless, or all deadly"


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=300), padding=st.sampled_from([0, 30_000]))
@hypothesis_settings(max_examples=250, deadline=None)
def test_junk_behind_any_magic_is_an_outcome(magic: bytes, rest: bytes, padding: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        source = bench.folder / "junk.wav"
        source.write_bytes(magic + rest + bytes(padding))
        outcome = bench.convert(source, max_frames=480_000)
        if outcome.error:
            assert outcome.error.startswith(TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "extension"), [("aac", ".m4a"), ("alac", ".m4a"), ("aac", ".aac"), ("wavpack", ".wv")])
def test_eight_channels_by_ffmpeg_do_not_end_the_process(tmp_path: Path, codec: str, extension: str) -> None:
    """PyAV 18.1's ``AudioFrame.to_ndarray`` reads beyond the planes of a planar frame with eight of them."""
    layout = "7.1(wide)" if codec == "alac" else "7.1"
    source = audio.write_av(tmp_path / f"seven{extension}", codec, 48_000, audio.noise(24_000, 8), layout=layout)
    (verdict,) = convert_apart([source], tmp_path / "out")
    assert_sound(verdict, tmp_path / "out")
    if verdict.said["status"] == "exported":
        assert verdict.said["channels"] == 2
