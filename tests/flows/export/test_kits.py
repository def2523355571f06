"""Kits from end to end: files pad by pad, what is said about them before, kit files, one sample alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from flows.export import preview, threads
from schemas.errors import DiskError
from schemas.report import BatchExportResult
from tasks.store import history
from tasks.store.database import Database
from tests.support import audio
from tests.support.command_line import Run
from tests.support.nightly import Nightly, sounds, tree
from tests.support.tools import answer


def slots(night: Nightly) -> list[str]:
    return sorted(path for path in night.paths() if path.endswith((".wav", ".aiff")))


def said(batch: BatchExportResult) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in batch.findings]


def test_a_sample_on_several_pads_is_converted_once(night: Nightly) -> None:
    night.add("kick.wav", 300, kit="Nacht Kit", bank="A", pad=1)
    night.rows.append(night.rows[0] | {"bank": "J", "pad": 16})
    night.add("hat.wav", 400, kit="Nacht Kit", bank="A", pad=2)
    batch = night.export(organize_by="kit")
    assert slots(night) == [
        "nacht_kit/bank_A/pad_01_kick.wav",
        "nacht_kit/bank_A/pad_02_hat.wav",
        "nacht_kit/bank_J/pad_16_kick.wav",
    ]
    assert night.spy.of("convert") == ["hat.wav", "kick.wav"]
    assert batch.export_type == "kit"
    assert batch.findings == []


@pytest.mark.slow
def test_findings_come_before_anything_is_written_and_again_without_listening(night: Nightly) -> None:
    night.sound("silent.wav", level=0.0)
    night.sound("loud.wav", 300, level=1.5, subtype="FLOAT")
    night.sound("same.wav", 500)
    shutil.copy(night.lib / "same.wav", night.lib / "again.wav")
    for pad, name in enumerate(("silent", "loud", "same", "again"), 1):
        night.add(f"{name}.wav", kit="K", bank="A", pad=pad, bpm=170 if name == "same" else 50)
    seen: list[bool] = []
    night.spy.before = lambda verb, _job: seen.append(verb == "convert" or not list(night.out.rglob("*.wav")))
    batch = night.export(organize_by="kit")
    wanted = [
        ("kit K, A1, line 2", "The sample is silent"),
        ("kit K, A2, line 3", "Louder than full scale, and will be clipped: +3.5 dBFS"),
        ("kit K, A3, line 4", "No tempo suits 170 BPM and the 50 BPM of A1: the device stretches to 50% to 150%"),
        ("kit K, A4, line 5", "The same sound as A3 (line 4)"),
    ]
    assert said(batch) == wanted
    assert all(seen)
    assert night.spy.of("measure") == ["again.wav", "loud.wav", "same.wav", "silent.wav"]
    again = night.export(organize_by="kit")
    assert said(again) == wanted
    assert night.spy.calls == []


def test_a_kit_with_failed_samples_is_exported_without_them_and_says_so(night: Nightly) -> None:
    night.checked = True
    night.add("kick.wav", 300, kit="K", bank="A", pad=1)
    night.add("gone.wav", kit="K", bank="B", pad=2)
    night.add("bad.wav", 400, kit="K", bank="A", pad=17)
    night.add("lost.wav", 400, kit="L", bank="Z", pad=1)
    batch = night.export(organize_by="kit")
    assert slots(night) == ["k/bank_A/pad_01_kick.wav"]
    assert batch.notes == [
        "Kit K is without 2 of its 3 samples: line 4, B2",
        "Kit L is without 1 of its 1 samples: line 5",
    ]
    assert said(batch) == [("kit L, line 5", "The kit is empty: none of its rows can be used")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kit.toml", "kit.yaml"])
def test_a_kit_file_is_exported_without_a_manifest(night: Nightly, name: str) -> None:
    for stem, hz in (("kick", 300), ("loop", 400), ("far", 500)):
        night.sound(f"{stem}.wav", hz)
    toml = (
        'name = "Nacht"\ntempo = 92\nA1 = "kick.wav"\nB16 = {file = "loop.wav", bpm = 46}\nC1 = {file = "far.wav", bpm = 200}\n'
    )
    yaml = "name: Nacht\ntempo: 92\nA1: kick.wav\nB16: {file: loop.wav, bpm: 46}\nC1: {file: far.wav, bpm: 200}\n"
    (night.lib / name).write_text(toml if name.endswith("toml") else yaml)
    batch = night.export(manifest=night.lib / name)
    assert slots(night) == ["nacht/bank_A/pad_01_kick.wav", "nacht/bank_B/pad_16_loop.wav", "nacht/bank_C/pad_01_far.wav"]
    places = ("row 2", "row 3") if name.endswith("toml") else ("line 4", "line 5")  # the parser of TOML gives no lines
    assert [where for where, _ in said(batch)] == [f"kit Nacht, B16, {places[0]}", f"kit Nacht, C1, {places[1]}"]
    assert night.ask("SELECT name, tempo FROM kits") == [("Nacht", 92.0)]
    assert night.export(manifest=night.lib / name).unchanged == 3
    assert [pad["tempo"] for pad in history.kit_pads(Database(str(night.db), 1), "Nacht")] == [92.0] * 3


def test_a_kit_file_names_samples_by_the_ids_that_the_records_gave(night: Nightly) -> None:
    night.columns = tuple(column for column in night.columns if column != "sample_id")
    night.add("kick.wav", 300)
    night.add("hat.wav", 400)
    night.export()
    ((hat, _),) = night.ask("SELECT id, file_path FROM samples WHERE file_path LIKE '%hat.wav'")
    (night.lib / "kit.yaml").write_text(f"A1: {hat}\nA2: 999\n")
    batch = night.export(manifest=night.lib / "kit.yaml", whole=False)
    assert slots(night)[-1] == "kit/bank_A/pad_01_hat.wav"
    assert (batch.rejected, batch.unchanged + batch.successful - batch.unchanged) == (1, 1)
    assert "sample 999 is not in the records" in batch.errors[0]


def test_a_drumkits_folder_is_exported(night: Nightly) -> None:
    for stem, hz in (("kick", 300), ("soft", 350), ("hat", 400)):
        night.sound(f"drums/{stem}.wav", hz)
    layer = "<layer><filename>{}.wav</filename><min>{}</min><max>{}</max><gain>1</gain><pitch>0</pitch></layer>"
    instruments = [
        ("Kick", layer.format("soft", 0, 0.5) + layer.format("kick", 0.5, 1)),
        ("Hat", layer.format("hat", 0, 1)),
        ("Nothing", ""),
    ]
    (night.lib / "drums/drumkit.xml").write_text(
        "<drumkit_info><name>Drums</name><instrumentList>"
        + "".join(f"<instrument><name>{name}</name>{layers}</instrument>" for name, layers in instruments)
        + "</instrumentList></drumkit_info>"
    )
    batch = night.export(manifest=night.lib / "drums")
    assert [path.rsplit("_", 1)[0] for path in slots(night)] == [
        "drums/bank_A/pad_01_kick",
        "drums/bank_A/pad_02",
        "drums/bank_B/pad_01_kick",
    ]
    assert any("softer layer" in note for note in batch.notes)
    assert any("no sample" in note for note in batch.notes)


def test_a_kit_becomes_a_project_only_when_it_is_asked_for_by_name(night: Nightly, sp404: Run) -> None:
    night.add("kick.wav", 300, kit="K", bank="A", pad=1)
    night.add("loop.wav", 400, kit="K", bank="J", pad=16, bpm=90)
    night.export(organize_by="kit")
    asked = ("project", "K", "--slot", 3, "--db", night.db, "--out", night.folder / "card")
    assert sp404(*asked).status == 2
    assert not (night.folder / "card").exists()
    assert sp404(*asked, "--experimental").status == 0
    made = night.folder / "card/EXPORT/PROJECT/PROJECT_03"
    assert sorted(path.name for path in (made / "SMPL").iterdir()) == ["BANK1-01.SMP", "BANK10-16.SMP"]
    pcm = np.frombuffer((made / "SMPL/BANK10-16.SMP").read_bytes()[512:], ">i2")
    exported = soundfile.read(night.out / "k/bank_J/pad_16_loop.wav", dtype="int16")[0]
    assert np.array_equal(pcm, exported.ravel())
    assert (made / "PADCONF.BIN").stat().st_size == 52_000
    assert sp404(*asked, "--experimental").status == 2, "never into a folder that is there"


@pytest.mark.tools
def test_the_worked_example_of_a_single(night: Nightly, sp404: Run) -> None:
    """MP3 by ffmpeg; its length by soxi."""
    source = night.lib / "Sick Beat (2024) \U0001f525.mp3"
    wav = audio.write(night.folder / "beat.wav", audio.tone(4.5, 44_100, channels=2), 44_100, "WAV", "PCM_16")
    answer("ffmpeg", "-v", "error", "-i", wav, "-b:a", "192k", source)
    night.add(source.name, genre="hip-hop", title="")
    night.add("other.wav", 300)
    night.write()
    options = ("--sample", 1, "--organize-by", "genre", "--db", night.db, "--out", night.out, "--direct", "--json")
    told = json.loads(sp404("export", night.manifest, *options).out)
    assert told["export_type"] == "single"
    found = sorted(str(path.relative_to(night.out)) for path in night.out.rglob("*/*.*"))
    assert found == ["hip-hop/sick_beat_2024.wav", "hip-hop/sick_beat_2024_metadata.txt"]
    assert answer("soxi", "-s", night.out / found[0]) == str(round(4.5 * 48_000))
    assert night.ask("SELECT export_type, sample_count FROM sp404_exports") == [("single", 1)]
    assert night.ask("SELECT sample_id, conversion_successful FROM sp404_export_samples") == [(1, True)]
    first = (night.out / found[1]).read_bytes()
    sp404("export", night.manifest, *options)
    assert (night.out / found[1]).read_bytes() == first


def test_names_for_the_screen_are_planned_side_by_side(night: Nightly, sp404: Run) -> None:
    for number in (1, 2):
        night.add(f"Vendor Pack Vol 2 - Dusty Kick 0{number}.wav", 300 + number, bpm=92, musical_key="F#m")
    night.write()
    options = ("--db", night.db, "--out", night.out, "--organize-by", "flat", "--names", "screen")
    lines = sp404("plan", night.manifest, *options).out.splitlines()
    assert lines[0].startswith("92_fsm_kick_01.wav  <-  ")
    assert lines[0].endswith("Vendor Pack Vol 2 - Dusty Kick 01.wav")
    night.export(names="screen", organize_by="flat")
    assert slots(night) == ["92_fsm_kick_01.wav", "92_fsm_kick_02.wav"]
    titles = night.ask("SELECT title FROM samples s JOIN outputs o ON o.sample_id = s.id ORDER BY path")
    assert titles == [("Vendor Pack Vol 2 - Dusty Kick 01",), ("Vendor Pack Vol 2 - Dusty Kick 02",)]


def test_what_is_kept_beside_the_sounds_is_not_put_on_a_card(night: Nightly) -> None:
    night.add("kick.wav", 300)
    card = night.folder / "card"
    (card / "IMPORT").mkdir(parents=True)
    batch = night.export(card=str(card), organize_by="genre")
    assert batch.card
    assert (batch.card.written, batch.complete) == (1, True)
    assert sorted(str(Path(path).relative_to(card)) for path in card.rglob("*.*")) == [
        ".sp404-export",
        "IMPORT/unknown_genre/kick.wav",
    ]


@pytest.mark.slow
def test_a_kit_that_names_one_sample_by_id_and_by_path_leaves_its_id_and_what_is_known_of_it(night: Nightly) -> None:
    night.columns = tuple(column for column in night.columns if column != "sample_id")
    night.add("loop.wav", 300, title="Amen", bpm=136, musical_key="Am")
    night.export()
    before = night.ask("SELECT id, title, bpm, musical_key FROM samples")
    ids = night.ask("SELECT * FROM given_ids")
    (night.lib / "kit.yaml").write_text(f"tempo: 60\nA1: loop.wav\nA2: {before[0][0]}\n")
    batch = night.export(manifest=night.lib / "kit.yaml", whole=False)
    assert [(where, what.split(":")[0]) for where, what in said(batch)] == [
        ("kit kit, A1, line 2", "136 BPM cannot be stretched to the kit's 60 BPM"),
        ("kit kit, A2, line 3", "136 BPM cannot be stretched to the kit's 60 BPM"),
    ]
    assert night.ask("SELECT id, title, bpm, musical_key FROM samples") == before
    assert night.ask("SELECT * FROM given_ids") == ids
    assert slots(night)[1:] == ["kit/bank_A/pad_01_amen.wav", "kit/bank_A/pad_02_amen.wav"]


@pytest.mark.slow
def test_a_project_has_all_pads_of_a_kit_whatever_was_exported_last(night: Nightly, sp404: Run) -> None:
    for pad in (1, 2, 3):
        night.add(f"s{pad}.wav", 300 + pad, kit="K", bank="A", pad=pad)
    night.export(organize_by="kit")
    night.export(organize_by="kit", sample_ids=(1,))
    next(night.out.rglob("pad_03*.wav")).unlink()
    night.spy.before = None
    (night.lib / "s3.wav").unlink()
    night.export(organize_by="kit", whole=False)
    told = sp404("project", "K", "--slot", 1, "--db", night.db, "--out", night.folder / "card", "--experimental")
    assert told.status in (0, 2)
    if told.status == 0:
        assert told.out.startswith("2 pads at 120 BPM")
        assert "not exported: A3" in told.err


@pytest.mark.slow
def test_a_run_that_is_stopped_while_it_listens_removes_bundles_and_copies_nothing(
    night: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.add("old.wav", 300, kit="K", bank="A", pad=1)
    card = night.folder / "card"
    (card / "IMPORT").mkdir(parents=True)
    night.export(organize_by="kit", card=str(card))
    before = (tree(night.out), tree(card))
    night.rows.clear()
    night.add("new.wav", 400, kit="K", bank="A", pad=1)
    night.write()

    def stopped(verb: str, _job: object) -> None:
        raise DiskError(path="/", error="stopped here")

    night.spy.before = stopped
    monkeypatch.chdir(night.folder)
    with pytest.raises(DiskError):
        threads.export_directly(night.request(organize_by="kit", card=str(card), prune=True, zip=True))
    assert (tree(night.out), tree(card)) == before
    assert not list(night.folder.glob("*.zip"))


def _carded(night: Nightly, card: Path, **how: Any) -> BatchExportResult:
    (card / "IMPORT").mkdir(parents=True, exist_ok=True)
    return night.export(card=str(card), include_metadata=False, whole=False, **how)


@pytest.mark.slow
def test_two_libraries_on_one_card_leave_each_others_files(night: Nightly) -> None:
    card = night.folder / "card"
    night.add("a/kick.wav", 300, title="kick")
    _carded(night, card, organize_by="flat")
    first = tree(card)
    night.rows.clear()
    night.add("b/kick.wav", 400, title="kick")
    other = night.write(night.lib / "other.csv")
    batch = _carded(night, card, organize_by="flat", manifest=other, out=night.folder / "out2")
    assert batch.card
    assert (batch.card.in_the_way, batch.card.written, batch.complete) == (["kick.wav"], 0, False)
    assert tree(card) == first


def test_two_manifests_samples_on_one_pad_are_said_in_the_folder_and_on_the_card(night: Nightly) -> None:
    """A bank that is taken in its order would have two for a pad. With the kit renamed and pruned nothing is said any more."""
    card = night.folder / "card"
    night.add("kick.wav", 300, kit="K", bank="A", pad=1)
    night.add("hat.wav", 400, kit="K", bank="A", pad=3)
    _carded(night, card, organize_by="kit")
    night.sound("other.wav", 500)
    kit = night.lib / "k.yaml"
    kit.write_text("A1: other.wav\nA2: other.wav\n")

    def others(**how: Any) -> list[str]:
        planned = preview.plan(night.request(manifest=kit, card=str(card), **how))
        return [finding.what for finding in planned.worth_a_look if "another manifest" in finding.what]

    folder, on_card = others()
    assert folder.startswith(f"1 pad has a sample of another manifest's kit below {night.out} already")
    assert on_card.startswith(f"1 pad has a sample of another manifest's kit on the card {card} already")
    assert on_card.endswith("such as k/bank_A/pad_01_kick.wav")
    assert len(others(out=night.folder / "out2")) == 1
    _carded(night, card, organize_by="kit", manifest=kit)
    night.rows[0]["kit"] = night.rows[1]["kit"] = "K Two"
    _carded(night, card, organize_by="kit", prune=True)
    assert others() == []
    assert sounds(tree(night.out)).keys() == {
        "k/bank_A/pad_01_other.wav",
        "k/bank_A/pad_02_other.wav",
        "k_two/bank_A/pad_01_kick.wav",
        "k_two/bank_A/pad_03_hat.wav",
    }


@pytest.mark.slow
def test_pruning_a_card_spares_what_another_folder_of_the_same_manifest_put_there(night: Nightly) -> None:
    card = night.folder / "card"
    night.add("kick.wav", 300, kit="K", bank="A", pad=1, genre="house")
    _carded(night, card, organize_by="kit")
    batch = _carded(night, card, organize_by="genre", out=night.folder / "out2", prune=True)
    assert batch.card
    assert (batch.card.removed, batch.card.stale) == (0, [])
    assert set(tree(card)) == {"IMPORT/k/bank_A/pad_01_kick.wav", "IMPORT/house/kick.wav"}


@pytest.mark.slow
def test_pruning_a_card_spares_what_the_output_folder_keeps_for_a_failed_row(night: Nightly) -> None:
    card = night.folder / "card"
    night.add("one.wav", 300)
    night.add("two.wav", 400)
    night.add("three.wav", 500)
    _carded(night, card, organize_by="flat")
    night.rows[0]["title"] = "renamed"
    (night.lib / "one.wav").write_bytes(b"broken")
    del night.rows[1]
    batch = _carded(night, card, organize_by="flat", prune=True)
    assert batch.failed == 1
    assert set(tree(card)) == {"IMPORT/one.wav", "IMPORT/three.wav"}
    assert (night.out / "one.wav").exists()


def test_a_name_that_changed_but_for_its_case_is_not_pruned_from_a_card(night: Nightly) -> None:
    """On FAT both are one file."""
    card = night.folder / "card"
    night.add("one.wav", 300, title="Kick")
    _carded(night, card, organize_by="flat", sanitize_filenames=False)
    night.rows[0]["title"] = "kick"
    batch = _carded(night, card, organize_by="flat", sanitize_filenames=False, prune=True)
    assert batch.card
    assert (batch.card.removed, batch.card.stale) == (0, [])
