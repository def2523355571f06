"""``--sound truncated=keep``: what is there of a cut file is exported; record, metadata file and report say so."""

from tests.support.nightly import Nightly, statuses


def test_a_cut_file_is_refused_unless_one_wants_what_is_there(night: Nightly) -> None:
    night.add("whole.wav", 300)
    night.add("cut.wav", 400)
    source = night.lib / "cut.wav"
    data = source.read_bytes()
    source.write_bytes(data[:-401])
    assert sorted(statuses(night.export())) == ["exported", "failed"]
    kept = night.export(sound={"truncated": "keep"})
    assert sorted(statuses(kept)) == ["exported", "exported"]
    assert list(kept.warnings) == ["Cut short, and what is there was exported (--sound truncated=keep)"]
    assert "truncated: " in (night.out / "cut_metadata.txt").read_text(encoding="utf-8")
    said = night.ask("SELECT warning FROM sp404_export_samples WHERE warning IS NOT NULL")
    assert [text.startswith("Cut short") for (text,) in said] == [True]
    assert statuses(night.export(sound={"truncated": "keep"})) == ["unchanged"] * 2
    # Refused again: what was exported stays, as everything does that a run cannot make anew.
    assert sorted(statuses(night.export())) == ["exported", "failed"]
