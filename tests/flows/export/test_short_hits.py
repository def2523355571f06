"""Drum hits that are too short get silence where the setting says so; other files are as they would be without it."""

import pytest
import soundfile

from flows.export import preview
from flows.export.request import identity_of, resolve
from tasks.audio import header
from tasks.convert.progress import Progress
from tests.support.nightly import Nightly, statuses


@pytest.mark.slow
def test_short_drums_are_padded_every_night_and_nothing_else_changes(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = header.read_header
    monkeypatch.setattr(header, "read_header", lambda path: (read.append(path), real(path))[1])
    rows = [("Kick 1", 0.05, ""), ("blip", 0.05, ""), ("x7", 0.06, "fx|Clap"), ("Snare", 0.2, ""), ("Hat Loop", 0.06, "")]
    for name, seconds, tags in rows:
        night.sound(f"{name}.wav", 300 + 10 * len(night.rows), seconds)
        night.add(f"{name}.wav", tags=tags)

    def run(word: str) -> list[str]:
        read.clear()
        monkeypatch.setenv("SP404_PAD_SHORT_HITS", word)
        return statuses(night.export(whole=False))

    for word in ("ask", "no"):
        assert run(word)[:3] == ["failed"] * 3
        assert read == []
    assert run("yes") == ["exported", "failed", "exported", "unchanged", "failed"]
    assert sorted(night.spy.of("convert")) == ["Hat Loop.wav", "Kick 1.wav", "blip.wav", "x7.wav"]
    assert [soundfile.info(night.out / f"{name}.wav").frames for name in ("kick_1", "x7")] == [4800, 4800]
    assert night.ask("SELECT sound_changes LIKE '%padded with silence to 100 ms%' FROM outputs WHERE path = 'x7.wav'") == [
        (True,)
    ]
    checked = preview.check(night.request(), Progress())
    assert [(finding.sample_id, finding.reason) for finding in checked.troubles] == [(2, "too_short"), (5, "too_short")]
    forecast = preview.forecast(night.request())
    assert (forecast.unchanged, forecast.fail) == (3, 2)
    assert run("yes") == ["unchanged", "failed", "unchanged", "unchanged", "failed"]
    assert read == []
    assert run("ask") == ["failed", "failed", "failed", "unchanged", "failed"]


def test_the_setting_is_part_of_the_identity_of_a_run_only_where_it_changes_files(
    night: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.add("Kick.wav", 200)
    night.write()
    found = {}
    for word in ("ask", "no", "yes"):
        monkeypatch.setenv("SP404_PAD_SHORT_HITS", word)
        resolved = resolve(night.request())
        found[word] = identity_of(resolved.request, resolved.settings)
    assert found["ask"] == found["no"] != found["yes"]
