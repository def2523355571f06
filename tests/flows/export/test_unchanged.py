"""Nothing is done twice: an export after an export converts what has changed and nothing else, and loses nothing."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from pandera.config import config_context

from flows.export import pipeline, preview, results, threads
from flows.export.request import resolve
from schemas.enums import OrganizeBy
from schemas.errors import RequestError
from tasks.audio import synth
from tasks.convert import publish
from tasks.convert.progress import Progress
from tasks.store import repair
from tasks.store.database import Database
from tests.support import audio, nightly
from tests.support.nightly import Nightly, path_of, sounds, states, statuses, texts, tree


@pytest.fixture
def three(night: Nightly) -> Nightly:
    """Three samples, exported once by genre."""
    for name, hz, genre in (("a", 300, "house"), ("b", 400, "jazz"), ("c", 500, "jazz")):
        night.add(f"{name}.wav", hz, genre=genre, bpm=90, tags="x|y", musical_key="Am")
    first = night.export(organize_by="genre")
    assert statuses(first) == ["exported"] * 3
    assert night.spy.of("convert") == ["a.wav", "b.wav", "c.wav"]
    return night


GENRE = {"organize_by": "genre"}


# ---- what is unchanged ----


def test_a_second_run_touches_nothing_and_says_so(three: Nightly) -> None:
    before = states(three.out)
    sources = states(three.lib)
    for export_id in (2, 3):
        batch = three.export(**GENRE)
        assert statuses(batch) == ["unchanged"] * 3
        assert (batch.export_id, batch.successful, batch.unchanged) == (export_id, 3, 3)
        assert (three.spy.calls, three.spy.hashed) == ([], [])
        assert states(three.out) == before
        assert {path: state for path, state in states(three.lib).items() if path != "m.csv"} == {
            path: state for path, state in sources.items() if path != "m.csv"
        }
        assert batch.total_size_bytes == sum(path.stat().st_size for path in three.out.rglob("*.wav"))
        rows = three.ask(
            "SELECT s.status, conversion_successful, s.output_bytes, s.error_message, s.settings_hash = o.settings_hash"
            " FROM sp404_export_samples AS s JOIN outputs AS o"
            " ON o.path = s.output_subfolder || '/' || s.output_filename WHERE s.export_id = ?",
            export_id,
        )
        assert rows == [("unchanged", True, row[2], None, True) for row in rows]
        assert sum(row[2] for row in rows) == batch.total_size_bytes
    assert three.ask("SELECT total_size_bytes FROM sp404_exports ORDER BY id") == [(batch.total_size_bytes,)] * 3
    assert {export_id for (export_id,) in three.outputs("export_id")} == {1}, "the export that wrote it"


def test_the_records_hold_the_hashes_of_what_is_there(three: Nightly) -> None:
    for path, source, content, file, text, size in three.outputs(
        "path", "source_path", "content_hash", "file_hash", "metadata_hash", "output_bytes"
    ):
        output = three.out / path
        told = [Path(source), output, Path(str(output).replace(".wav", "_metadata.txt"))]
        assert [content, file, text] == [blake3(path.read_bytes()).hexdigest() for path in told]
        assert size == output.stat().st_size
    columns = "content_hash, file_hash, settings_hash"
    sql = f"SELECT {columns} FROM sp404_export_samples WHERE export_id = 1 ORDER BY ALL"
    assert three.ask(sql) == three.ask(f"SELECT {columns} FROM outputs ORDER BY ALL")


@pytest.mark.slow
def test_a_touched_source_is_looked_at_once(three: Nightly) -> None:
    before = states(three.out)
    os.utime(three.lib / "b.wav", ns=(1, 1_600_000_000_000_000_000))
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert (three.spy.calls, three.spy.hashed) == ([], ["b.wav"])
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert (three.spy.calls, three.spy.hashed) == ([], [])
    assert states(three.out) == before


@pytest.mark.slow
def test_a_new_file_with_old_times_is_found(three: Nightly) -> None:
    """Same size, same mtime: only the ctime tells."""
    path = three.lib / "b.wav"
    old = path.stat()
    content = path.read_bytes()
    three.sound("b.wav", 444)
    assert path.stat().st_size == len(content)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert statuses(three.export(**GENRE)) == ["unchanged", "exported", "unchanged"]
    assert three.spy.of("convert") == ["b.wav"]


@pytest.mark.slow
def test_times_of_a_file_that_was_just_written_are_not_trusted(three: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a card times go by steps of two seconds: what is newer than that is looked at again."""
    from tasks.fs import file_status

    monkeypatch.setattr(file_status, "_CLOCK_STEP_NS", 3_600_000_000_000)
    three.sound("b.wav", 444)
    assert statuses(three.export(**GENRE)) == ["unchanged", "exported", "unchanged"]
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert three.spy.hashed == ["b.wav"]
    assert three.spy.calls == []


def test_a_changed_content_is_converted_alone(three: Nightly) -> None:
    before = states(three.out)
    three.sound("b.wav", 444, seconds=0.12)
    batch = three.export(**GENRE)
    assert statuses(batch) == ["unchanged", "exported", "unchanged"]
    assert three.spy.of("convert") == ["b.wav"]
    after = states(three.out)
    assert {path for path in after if after[path] != before[path]} == {"jazz/b.wav", "jazz/b_metadata.txt"}
    assert "Export id: 2" in (three.out / "jazz/b_metadata.txt").read_text()
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3


SOUND = {
    "dither": "none",
    "guard": "file",
    "normalize_dbfs": -3.0,
    "trim_dbfs": -60.0,
    "pad_to_ms": 200,
    "fade_in_ms": 5,
    "fade_out_ms": 5,
    "mono": "all",
    "seamless": True,
    "truncated": "keep",
    "keep_chunks": True,
}


@pytest.mark.slow
def test_each_setting_of_the_sound_converts_anew(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas.export import SoundConfig

    assert set(SOUND) == set(SoundConfig.model_fields)
    night.add("a.wav", 300)
    night.export()
    for name, value in SOUND.items():
        assert statuses(night.export(sound={name: value})) == ["exported"], name
        assert night.spy.of("convert") == ["a.wav"], name
    assert statuses(night.export(sound={"keep_chunks": True})) == ["unchanged"]
    monkeypatch.setenv("SP404_MIN_DURATION_MS", "90")
    assert statuses(night.export()) == ["exported"]
    assert night.spy.of("convert") == ["a.wav"]
    for name, value in (("SECONDS_PER_SAMPLE", "250"), ("MEMORY_MB", "1024"), ("WORKERS", "3"), ("FALL_BACK", "true")):
        monkeypatch.setenv(f"SP404_{name}", value)
    assert statuses(night.export(label="another")) == ["unchanged"]


@pytest.mark.slow
def test_another_format_is_another_file(three: Nightly) -> None:
    batch = three.export(**GENRE, format="aiff")
    assert statuses(batch) == ["exported"] * 3
    assert batch.stale == []
    assert len(three.spy.of("convert")) == 3
    assert {path.suffix for path in three.out.rglob("*/*.*") if "metadata" not in path.name} == {".wav", ".aiff"}
    for form in ("aiff", "wav"):
        assert statuses(three.export(**GENRE, format=form)) == ["unchanged"] * 3


def test_a_release_that_converts_otherwise_converts_anew(three: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas import conversion

    monkeypatch.setattr(conversion, "CONVERSION", conversion.CONVERSION + 1)
    assert statuses(three.export(**GENRE)) == ["exported"] * 3
    assert len(three.spy.of("convert")) == 3


# ---- what only gets another name, or another text ----


@pytest.mark.slow
def test_a_source_that_moved_is_not_converted(three: Nightly) -> None:
    before = states(three.out)
    (three.lib / "deep").mkdir()
    (three.lib / "b.wav").rename(three.lib / "deep/b.wav")
    three.rows[1]["file_path"] = "deep/b.wav"
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert three.spy.hashed == ["b.wav"]
    assert three.ask("SELECT source_path FROM outputs WHERE path = 'jazz/b.wav'") == [(str(three.lib / "deep/b.wav"),)]
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert (three.spy.hashed, states(three.out)) == ([], before)


@pytest.mark.slow
def test_a_source_with_another_name_and_a_title_from_it_moves(night: Nightly) -> None:
    """As most libraries are: titles and ids come from the paths."""
    night.columns = ("file_path",)
    for n in range(3):
        night.add(f"s{n}.wav", 300 + 50 * n)
    night.export()
    inode = (night.out / "s1.wav").stat().st_ino
    (night.lib / "s1.wav").rename(night.lib / "renamed.wav")
    night.rows[1]["file_path"] = "renamed.wav"
    batch = night.export()
    assert statuses(batch) == ["unchanged", "exported", "unchanged"]
    assert (night.spy.calls, batch.stale) == ([], [])
    assert night.paths() == {"s0.wav", "renamed.wav", "s2.wav"}
    assert (night.out / "renamed.wav").stat().st_ino == inode
    assert "Original file: renamed.wav" in (night.out / "renamed_metadata.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "change", "old", "new"),
    [
        ("genre", {"genre": "Acid"}, "house/a", "acid/a"),
        ("bpm", {"bpm": 175}, "90-110/a", "fast/a"),
        ("flat", {"title": "Another"}, "a", "another"),
        ("genre", {"genre": ""}, "house/a", "unknown_genre/a"),
        ("kit", {"kit": "K", "bank": "A", "pad": 3}, "unknown_kit/a", "k/bank_A/pad_03_a"),
    ],
)
def test_what_is_named_otherwise_moves(night: Nightly, layout: str, change: dict[str, Any], old: str, new: str) -> None:
    night.add("a.wav", 300, genre="house", bpm=90)
    night.add("b.wav", 350, genre="jazz", bpm=130, kit="B", bank="B", pad=1)
    how = {"organize_by": layout}
    night.export(**how)
    was = {kind: (night.out / (old + kind)).stat().st_ino for kind in (".wav", "_metadata.txt")}
    content = (night.out / f"{old}.wav").read_bytes()
    night.rows[0] |= change
    batch = night.export(**how)
    assert statuses(batch) == ["exported", "unchanged"]
    assert (night.spy.calls, batch.stale) == ([], [])
    assert path_of(batch, 1) == f"{new}.wav"
    assert (night.out / f"{new}.wav").read_bytes() == content
    assert (night.out / f"{new}.wav").stat().st_ino == was[".wav"], "renamed, not copied"
    assert not [path for path in night.out.rglob("*") if str(path.relative_to(night.out)).startswith(f"{old}.")]
    assert not (night.out / f"{old}_metadata.txt").exists()
    if "/" in old:
        assert not (night.out / old).parent.exists(), "an empty folder is left"
    assert night.out.is_dir()
    text = (night.out / f"{new}_metadata.txt").read_text()
    assert all(str(value) in text for name, value in change.items() if name in ("genre", "bpm", "title"))
    assert (f"{old}.wav",) not in night.outputs("path")
    assert statuses(night.export(**how)) == ["unchanged"] * 2


@pytest.mark.slow
def test_a_folder_with_something_else_in_it_stays_when_a_sample_moves(three: Nightly) -> None:
    (three.out / "house/mine.txt").write_text("mine")
    three.strays = {"house/mine.txt"}
    three.rows[0]["genre"] = "acid"
    three.export(**GENRE)
    assert tree(three.out / "house") == {"mine.txt": b"mine"}


@pytest.mark.slow
def test_a_metadata_file_that_somebody_wrote_in_stays_when_its_sample_moves(three: Nightly) -> None:
    text = three.out / "house/a_metadata.txt"
    text.write_text(text.read_text() + "my notes\n")
    three.rows[0]["genre"] = "acid"
    three.export(**GENRE, whole=False)
    assert text.read_text().endswith("my notes\n")
    assert (three.out / "acid/a.wav").exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"tags": "z"}, {"musical_key": "C"}, {"bpm": 91}, {"title": "A!"}, {"sample_id": 17}])
def test_other_words_rewrite_the_text_alone(three: Nightly, change: dict[str, Any]) -> None:
    before = states(three.out)
    three.rows[0] |= change
    batch = three.export(**GENRE)
    assert statuses(batch) == ["exported", "unchanged", "unchanged"]
    assert three.spy.calls == []
    after = states(three.out)
    assert {path for path in after if after[path] != before[path]} == {"house/a_metadata.txt"}
    assert str(next(iter(change.values()))) in (three.out / "house/a_metadata.txt").read_text()
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3


@pytest.mark.slow
def test_without_metadata_and_with_it_again(three: Nightly) -> None:
    before = states(three.out)
    assert statuses(three.export(**GENRE, include_metadata=False)) == ["unchanged"] * 3
    assert states(three.out) == before
    for path in three.out.rglob("*_metadata.txt"):
        path.unlink()
    assert statuses(three.export(**GENRE, include_metadata=False, whole=False)) == ["unchanged"] * 3
    assert statuses(three.export(**GENRE)) == ["exported"] * 3
    assert three.spy.calls == []
    assert set(states(three.out)) == set(before)


@pytest.mark.slow
def test_without_metadata_first(night: Nightly) -> None:
    night.add("a.wav", 300)
    night.export(include_metadata=False)
    assert set(tree(night.out)) == {"a.wav"}
    assert statuses(night.export()) == ["exported"]
    assert night.spy.calls == []
    assert set(tree(night.out)) == {"a.wav", "a_metadata.txt"}


# ---- what is not as it was left ----


def damages() -> dict[str, tuple[Callable[[Path], object], list[str]]]:
    """Each with the sources that are converted for it."""
    return {
        "deleted": (lambda out: (out / "jazz/b.wav").unlink(), ["b.wav"]),
        "truncated": (lambda out: os.truncate(out / "jazz/b.wav", 1_000), ["b.wav"]),
        "emptied": (lambda out: os.truncate(out / "jazz/b.wav", 0), ["b.wav"]),
        "grown": (lambda out: (out / "jazz/b.wav").open("ab").write(b"x"), ["b.wav"]),
        "no text": (lambda out: (out / "jazz/b_metadata.txt").unlink(), []),
        "both gone": (lambda out: [path.unlink() for path in (out / "jazz").glob("b*")], ["b.wav"]),
        "folder gone": (lambda out: shutil.rmtree(out / "jazz"), ["b.wav", "c.wav"]),
        "all gone": (shutil.rmtree, ["a.wav", "b.wav", "c.wav"]),
    }


@pytest.mark.slow
@pytest.mark.parametrize("damage", damages())
def test_what_was_damaged_is_made_again(three: Nightly, damage: str) -> None:
    make, converted = damages()[damage]
    before = tree(three.out)
    make(three.out)
    batch = three.export(**GENRE)
    assert three.spy.of("convert") == converted
    assert statuses(batch).count("unchanged") == 3 - max(len(converted), 1)
    assert sounds(tree(three.out)) == sounds(before)
    assert texts(tree(three.out)) == texts(before)


@pytest.mark.slow
def test_an_edit_of_the_same_size_is_found_by_verify_outputs(three: Nightly) -> None:
    path = three.out / "jazz/b.wav"
    good = path.read_bytes()
    path.write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
    assert statuses(three.export(**GENRE, whole=False)) == ["unchanged"] * 3
    assert statuses(three.export(**GENRE, verify_outputs=True)) == ["unchanged", "exported", "unchanged"]
    assert three.spy.of("convert") == ["b.wav"]
    assert path.read_bytes() == good
    assert statuses(three.export(**GENRE, verify_outputs=True)) == ["unchanged"] * 3


@pytest.mark.slow
def test_an_edited_text_is_made_again_by_what_verify_advises(three: Nightly) -> None:
    """`sp404 verify` calls it changed, and says that --verify-outputs writes it again."""
    text = three.out / "jazz/b_metadata.txt"
    good = text.read_bytes()
    text.write_bytes(good.replace(b"Am", b"Bm"))
    assert three.findings() == [("out/jazz/b_metadata.txt", "changed")]
    three.export(**GENRE, verify_outputs=True)
    assert texts({"b_metadata.txt": text.read_bytes()}) == texts({"b_metadata.txt": good})


@pytest.mark.slow
def test_failed_and_rejected_rows_are_never_unchanged(night: Nightly) -> None:
    night.checked = True
    night.add("good.wav", 300)
    night.add("gone.wav")
    night.add("short.wav")
    night.sound("short.wav", seconds=0.05)
    night.add("bad.wav", 350, bpm="fast")
    for status in ("exported", "unchanged"):
        batch = night.export()
        assert statuses(batch) == [status, "failed", "failed", "rejected"]
        assert night.spy.of("convert") == (
            ["gone.wav", "good.wav", "short.wav"] if status == "exported" else ["gone.wav", "short.wav"]
        )
    assert [path for (path,) in night.outputs("path")] == ["good.wav"]
    night.sound("gone.wav", 333)
    night.rows[3]["bpm"] = "120"
    assert statuses(night.export()) == ["unchanged", "exported", "failed", "exported"]


@pytest.mark.slow
def test_a_source_that_fails_now_keeps_what_it_made(three: Nightly) -> None:
    before = tree(three.out)
    (three.lib / "b.wav").rename(three.lib / "away")
    assert statuses(three.export(**GENRE, prune=True)) == ["unchanged", "failed", "unchanged"]
    assert tree(three.out) == before
    (three.lib / "away").rename(three.lib / "b.wav")
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3
    assert three.spy.calls == []


# ---- the same audio more than once ----


@pytest.mark.slow
@pytest.mark.parametrize("copies", [2, 3])
def test_the_same_audio_is_converted_once(night: Nightly, copies: int) -> None:
    first = night.sound("copy0.wav", 300)
    night.add("other.wav", 350)
    for n in range(copies):
        shutil.copy(first, night.lib / f"copy{n}.wav") if n else None
        night.add(f"copy{n}.wav", title=f"T{n}")
    batch = night.export()
    assert statuses(batch) == ["exported"] * (copies + 1)
    assert len(night.spy.of("convert")) == 2
    found = [(night.out / f"t{n}.wav").read_bytes() for n in range(copies)]
    assert len(set(found)) == 1
    assert len({(night.out / f"t{n}.wav").stat().st_ino for n in range(copies)}) == copies, "files of their own"
    assert all(f"Original file: copy{n}.wav" in (night.out / f"t{n}_metadata.txt").read_text() for n in range(copies))
    hashes = night.ask("SELECT count(*), count(DISTINCT file_hash), count(DISTINCT source_path) FROM outputs")
    assert hashes == [(copies + 1, 2, copies + 1)]
    assert statuses(night.export()) == ["unchanged"] * (copies + 1)
    shutil.copy(first, night.lib / "late.wav")
    night.add("late.wav")
    assert statuses(night.export())[-1] == "exported"
    assert night.spy.calls == []


@pytest.mark.slow
def test_one_file_in_two_rows_is_converted_once(night: Nightly) -> None:
    """One source with two ids, and so two outputs."""
    night.add("a.wav", 300, title="one")
    night.add("a.wav", title="two")
    night.export()
    assert night.paths() == {"one.wav", "two.wav"}
    assert night.spy.of("convert") == ["a.wav"]


@pytest.mark.slow
def test_a_sample_on_three_pads_is_converted_once(night: Nightly) -> None:
    night.sound("kick.wav", 300)
    for pad in (1, 2, 3):
        night.rows.append({"sample_id": 7, "file_path": "kick.wav", "kit": "K", "bank": "A", "pad": pad})
    batch = night.export(organize_by="kit")
    assert statuses(batch) == ["exported"] * 3
    assert night.paths() == {f"k/bank_A/pad_0{pad}_kick.wav" for pad in (1, 2, 3)}
    assert night.spy.of("convert") == ["kick.wav"]


@pytest.mark.slow
def test_copies_in_kits_are_converted_once_and_pads_that_change_places_are_moved(night: Nightly) -> None:
    shutil.copy(night.sound("kick.wav", 300), night.lib / "same.wav")
    night.add("kick.wav", kit="K", bank="A", pad=1)
    night.add("same.wav", kit="K", bank="A", pad=2)
    night.add("hat.wav", 350, kit="K", bank="B", pad=1)
    night.export(organize_by="kit")
    assert night.spy.of("convert") == ["hat.wav", "kick.wav"]
    night.rows[2] |= {"bank": "C", "pad": 9}
    batch = night.export(organize_by="kit")
    assert statuses(batch) == ["unchanged", "unchanged", "exported"]
    assert night.spy.calls == []
    assert path_of(batch, 3) == "k/bank_C/pad_09_hat.wav"
    assert not (night.out / "k/bank_B").exists()


@pytest.mark.slow
def test_the_tempo_of_a_loop_is_part_of_its_sound(night: Nightly) -> None:
    """seamless=true: the same bytes at another tempo are another output; without it they are not."""
    path = night.lib / "loop.wav"
    synth.write(path, synth.loop(44_100, 240.0)[: 44_100 // 1 - 7], 44_100)
    for name in ("same.wav", "other.wav"):
        shutil.copy(path, night.lib / name)
    for name, bpm in (("loop.wav", 240), ("same.wav", 240), ("other.wav", 233)):
        night.add(name, bpm=bpm)
    batch = night.export(sound={"seamless": True})
    assert statuses(batch) == ["exported"] * 3
    assert len(night.spy.of("convert")) == 2
    alone = nightly.new(night.folder / "alone", night.spy)
    shutil.copytree(night.lib, alone.lib, dirs_exist_ok=True)
    for row in night.rows:
        alone.rows = [row]
        alone.export(sound={"seamless": True}, out=night.folder / "fresh", full=True, whole=False)
    assert sounds(tree(night.out)) == sounds(tree(night.folder / "fresh"))
    night.rows[0]["bpm"] = 233
    assert statuses(night.export(sound={"seamless": True})) == ["exported", "unchanged", "unchanged"]
    assert night.spy.calls == []
    assert sounds(tree(night.out))["loop.wav"] == sounds(tree(night.out))["other.wav"]


@pytest.mark.slow
def test_copies_of_a_file_that_fails_all_fail(night: Nightly) -> None:
    (night.lib / "bad.wav").write_bytes(b"RIFF" + bytes(500))
    for n in range(2):
        shutil.copy(night.lib / "bad.wav", night.lib / f"bad{n}.wav")
        night.add(f"bad{n}.wav")
    assert statuses(night.export()) == ["failed"] * 2


@pytest.mark.slow
def test_a_leader_that_changes_meanwhile_gives_nobody_else_its_new_sound(night: Nightly) -> None:
    """Two equal files; the one that is converted is written to after the plan was made."""
    shutil.copy(night.sound("a.wav", 300), night.lib / "b.wav")
    night.add("a.wav")
    night.add("b.wav")

    def change(verb: str, job: Any) -> None:
        if job.source.endswith("a.wav"):
            night.sound("a.wav", 999)
            night.spy.before = None

    night.spy.before = change
    night.export()
    fresh = nightly.new(night.folder / "fresh", night.spy)
    shutil.copytree(night.lib, fresh.lib, dirs_exist_ok=True)
    fresh.rows = night.rows
    fresh.export()
    assert sounds(tree(night.out)) == sounds(tree(fresh.out))


# ---- names that change hands ----


@pytest.mark.slow
def test_two_titles_that_are_swapped(three: Nightly) -> None:
    jazz = {name: (three.out / f"jazz/{name}.wav").read_bytes() for name in "bc"}
    three.rows[1]["title"], three.rows[2]["title"] = "c", "b"
    batch = three.export(**GENRE)
    assert batch.failed == 0
    assert {name: (three.out / f"jazz/{name}.wav").read_bytes() for name in "cb"} == {"c": jazz["b"], "b": jazz["c"]}
    assert "Original file: b.wav" in (three.out / "jazz/c_metadata.txt").read_text()
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3


@pytest.mark.slow
def test_two_sources_that_are_swapped(three: Nightly) -> None:
    for old, new in (("b", "x"), ("c", "b"), ("x", "c")):
        (three.lib / f"{old}.wav").rename(three.lib / f"{new}.wav")
    jazz = {name: (three.out / f"jazz/{name}.wav").read_bytes() for name in "bc"}
    three.export(**GENRE)
    assert {name: (three.out / f"jazz/{name}.wav").read_bytes() for name in "cb"} == {"c": jazz["b"], "b": jazz["c"]}


@pytest.mark.slow
@pytest.mark.parametrize("titles", ["bcd", "dab", "bca"])
def test_a_chain_of_names(night: Nightly, titles: str) -> None:
    for n, name in enumerate("abc"):
        night.add(f"{name}.wav", 300 + 50 * n)
    night.export()
    before = {name: (night.out / f"{name}.wav").read_bytes() for name in "abc"}
    for row, title in zip(night.rows, titles, strict=True):
        row["title"] = title
    batch = night.export(prune=True)
    assert batch.failed == 0
    after = sounds(tree(night.out))
    assert after == {f"{title}.wav": before[name] for name, title in zip("abc", titles, strict=True)}


# ---- the whole, parts of it, and others ----


@pytest.mark.slow
def test_full_converts_everything_again(three: Nightly) -> None:
    before = tree(three.out)
    batch = three.export(**GENRE, full=True)
    assert statuses(batch) == ["exported"] * 3
    assert three.spy.of("convert") == ["a.wav", "b.wav", "c.wav"]
    assert sounds(tree(three.out)) == sounds(before)
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3


@pytest.mark.slow
def test_a_part_and_then_the_whole(night: Nightly) -> None:
    for n, name in enumerate("abc"):
        night.add(f"{name}.wav", 300 + 50 * n, kit="K" if n else "L", bank="A", pad=n + 1)
    assert statuses(night.export(sample_ids=(2,))) == ["exported"]
    batch = night.export()
    assert statuses(batch) == ["exported", "unchanged", "exported"]
    assert night.spy.of("convert") == ["a.wav", "c.wav"]
    selected = night.export(kits=("K",))
    assert selected.organized_by == OrganizeBy.KIT
    assert statuses(selected) == ["exported"] * 2
    assert (night.spy.calls, selected.stale) == ([], [])
    assert statuses(night.export(organize_by="kit")) == ["exported", "unchanged", "unchanged"]
    assert night.spy.calls == []
    before = states(night.out)
    for how in ({"sample_ids": (1,)}, {"sample_ids": (2, 3)}, {"kits": ("L",)}):
        batch = night.export(**how, prune=True)
        assert set(statuses(batch)) == {"unchanged"}
        assert (batch.stale, batch.pruned) == ([], 0)
    assert states(night.out) == before


@pytest.mark.slow
def test_another_layout_beside_the_first(three: Nightly) -> None:
    before = tree(three.out)
    for layout, folder in (("flat", ""), ("bpm", "90-110/")):
        batch = three.export(organize_by=layout, prune=True)
        assert statuses(batch) == ["exported"] * 3
        assert (three.spy.calls, batch.stale) == ([], [])
        for name, place in (("a", "house"), ("b", "jazz"), ("c", "jazz")):
            assert tree(three.out)[f"{folder}{name}.wav"] == before[f"{place}/{name}.wav"]
    assert {path: content for path, content in tree(three.out).items() if path in before} == before
    assert statuses(three.export(**GENRE)) == ["unchanged"] * 3


@pytest.mark.slow
def test_another_layout_without_metadata(three: Nightly) -> None:
    three.export(organize_by="flat", include_metadata=False)
    assert three.spy.calls == []
    assert not (three.out / "a_metadata.txt").exists()


@pytest.mark.slow
def test_a_move_without_metadata(three: Nightly) -> None:
    three.rows[0]["genre"] = "acid"
    three.export(**GENRE, include_metadata=False)
    assert three.spy.calls == []
    assert set(tree(three.out / "acid")) == {"a.wav"}
    assert not (three.out / "house").exists()


@pytest.mark.slow
def test_a_changed_sound_without_metadata_leaves_no_text_of_the_old_one(three: Nightly) -> None:
    three.sound("a.wav", 444, seconds=0.2)
    three.export(**GENRE, include_metadata=False)
    text = three.out / "house/a_metadata.txt"
    assert not text.exists() or "Duration: 0.200 s" in text.read_text()


@pytest.mark.slow
def test_another_manifest_into_the_same_folder(three: Nightly) -> None:
    """It copies what is there, takes nothing from the first, and each prunes its own."""
    before = states(three.out)
    other = nightly.Nightly(three.folder, three.spy)
    other.rows = [dict(row) for row in three.rows[:2]]
    other.rows[0]["title"] = "mine"
    second = other.write(three.folder / "second.csv")
    second.write_text(second.read_text().replace(",a.wav", ",lib/a.wav").replace(",b.wav", ",lib/b.wav"))
    batch = three.export(**GENRE, manifest=second, prune=True)
    assert three.spy.calls == []
    assert batch.failed == 0
    assert path_of(batch, 1) == "house/mine.wav"
    after = states(three.out)
    assert {path: after[path] for path in before if path in after} == before
    assert statuses(three.export(**GENRE, prune=True)) == ["unchanged"] * 3
    assert set(before) < set(states(three.out))


# ---- one gain for all ----


@pytest.mark.slow
def test_a_gain_for_a_folder_goes_by_known_peaks(night: Nightly) -> None:
    for n, name in enumerate(("x/soft.wav", "x/loud.wav", "y/hat.wav")):
        night.sound(name, 300 + 50 * n, level=(0.2, 1.5, 0.5)[n], subtype="FLOAT")
        night.add(name)
    how: dict[str, Any] = {"sound": {"guard": "folder"}}
    night.export(**how)
    assert len(night.spy.of("measure")) == 3
    assert statuses(night.export(**how)) == ["unchanged"] * 3
    assert night.spy.calls == []
    night.sound("y/crash.wav", 700, level=1.9, subtype="FLOAT")
    night.add("y/crash.wav")
    assert statuses(night.export(**how)) == ["unchanged", "unchanged", "exported", "exported"]
    assert night.spy.of("measure") == ["crash.wav"]
    assert night.spy.of("convert") == ["crash.wav", "hat.wav"]
    softer = night.rows.pop()
    batch = night.export(**how, prune=True)
    assert statuses(batch) == ["unchanged", "unchanged", "exported"]
    assert (night.spy.of("measure"), night.spy.of("convert"), batch.pruned) == ([], ["hat.wav"], 1)
    assert softer["title"] == "crash"
    (night.lib / "z").mkdir()
    (night.lib / "y/hat.wav").rename(night.lib / "x/hat.wav")
    night.rows[2]["file_path"] = "x/hat.wav"
    assert statuses(night.export(**how)) == ["unchanged", "unchanged", "exported"], "it lies beside what is louder now"
    fresh = nightly.new(night.folder / "fresh", night.spy)
    shutil.copytree(night.lib, fresh.lib, dirs_exist_ok=True)
    fresh.rows = night.rows
    fresh.export(**how)
    assert sounds(tree(night.out)) == sounds(tree(fresh.out))


# ---- what no row names any more ----


@pytest.mark.slow
def test_stale_files_are_reported_and_kept(three: Nightly) -> None:
    before = states(three.out)
    del three.rows[1]
    for _ in range(2):
        batch = three.export(**GENRE)
        assert batch.stale == ["jazz/b.wav"]
        assert states(three.out) == before
    three.add("b.wav", genre="jazz", bpm=90, tags="x|y", musical_key="Am", sample_id=2)
    batch = three.export(**GENRE)
    assert (statuses(batch), batch.stale) == (["unchanged"] * 3, [])
    assert three.spy.calls == []


def test_prune_removes_what_the_record_says_we_wrote_and_nothing_else(three: Nightly) -> None:
    strays = {"jazz/stray.wav": b"stray", "mine.txt": b"mine", "jazz/b.wav.bak": b"x", "jazz/b_metadata.txt.old": b"y"}
    for name, content in strays.items():
        (three.out / name).write_bytes(content)
    three.strays = set(strays)
    three.rows = three.rows[:1]
    edited = three.out / "jazz/c.wav"
    edited.write_bytes(edited.read_bytes()[:-1] + b"\x01")
    batch = three.export(**GENRE, prune=True, whole=False)
    assert (batch.pruned, batch.stale) == (1, ["jazz/c.wav"])
    left = tree(three.out)
    assert set(left) == {"house/a.wav", "house/a_metadata.txt", "jazz/c.wav", "jazz/c_metadata.txt", *strays}
    assert {name: left[name] for name in strays} == strays
    assert [path for (path,) in three.outputs("path")] == ["house/a.wav", "jazz/c.wav"]
    edited.unlink()
    batch = three.export(**GENRE, prune=True, whole=False)
    assert (batch.pruned, batch.stale) == (0, [])


@pytest.mark.slow
def test_a_stale_file_that_is_missing_is_forgotten(three: Nightly) -> None:
    del three.rows[1]
    (three.out / "jazz/b.wav").unlink()
    (three.out / "jazz/b_metadata.txt").unlink()
    batch = three.export(**GENRE, prune=True)
    assert (batch.pruned, batch.stale) == (0, [])
    assert [path for (path,) in three.outputs("path")] == ["house/a.wav", "jazz/c.wav"]


@pytest.mark.slow
def test_prune_removes_empty_folders_and_texts(three: Nightly) -> None:
    del three.rows[0]
    batch = three.export(**GENRE, prune=True)
    assert (batch.pruned, batch.stale) == (1, [])
    assert not (three.out / "house").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad",
    [
        {"bpm": "fast"},
        {"bpm": "fast", "sample_id": "x"},
        {"sample_id": -2},
    ],
)
def test_prune_spares_what_a_rejected_row_can_mean(three: Nightly, bad: dict[str, Any]) -> None:
    three.checked = True
    before = tree(three.out)
    three.rows[1] |= bad
    three.rows[1]["genre"] = "other"
    batch = three.export(**GENRE, prune=True)
    assert statuses(batch) == ["unchanged", "rejected", "unchanged"]
    assert batch.pruned == 0
    assert tree(three.out) == before


@pytest.mark.slow
def test_prune_spares_what_a_failed_row_made_elsewhere(three: Nightly) -> None:
    before = tree(three.out)
    three.rows[1]["genre"] = "other"
    (three.lib / "b.wav").write_bytes(b"no sound")
    batch = three.export(**GENRE, prune=True)
    assert statuses(batch) == ["unchanged", "failed", "unchanged"]
    assert batch.pruned == 0
    assert tree(three.out) == before


@pytest.mark.slow
def test_what_a_rejected_row_made_is_not_given_to_another(three: Nightly) -> None:
    """The file of a row that is rejected this time stays where it is, also when another row has the same audio."""
    three.checked = True
    before = (three.out / "jazz/b.wav").read_bytes()
    shutil.copy(three.lib / "b.wav", three.lib / "copy.wav")
    three.rows[1]["bpm"] = "fast"
    three.add("copy.wav", genre="jazz")
    batch = three.export(**GENRE)
    assert statuses(batch) == ["unchanged", "rejected", "unchanged", "exported"]
    assert (three.out / "jazz/b.wav").read_bytes() == before


@pytest.mark.slow
def test_prune_keeps_a_selection_in_mind(three: Nightly) -> None:
    """What a selection leaves out is no reason to remove it; what no row names is, whatever was selected."""
    gone = three.rows.pop(1)
    batch = three.export(**GENRE, sample_ids=(3,), prune=True)
    assert gone["title"] == "b"
    assert batch.pruned == 1
    assert three.paths() == {"house/a.wav", "jazz/c.wav"}


# ---- originals are never ours ----


@pytest.mark.slow
def test_a_library_as_output_folder_loses_no_original(night: Nightly) -> None:
    """A source that already is what an export would write stands where its output goes: it was not written by us."""
    night.add("a.wav", 300)
    night.add("b.wav", 350)
    other = night.folder / "first"
    night.export(out=other, include_metadata=False)
    for name in ("a.wav", "b.wav"):  # 48 kHz and 16 bits now, in the very bytes of an export
        shutil.copy(other / name, night.lib / name)
    originals = {name: (night.lib / name).read_bytes() for name in ("a.wav", "b.wav")}
    night.export(out=night.lib, include_metadata=False, whole=False)
    night.rows[0]["title"] = "renamed"
    del night.rows[1]
    night.export(out=night.lib, include_metadata=False, whole=False, prune=True)
    assert {name: (night.lib / name).read_bytes() for name in originals if (night.lib / name).exists()} == originals


@pytest.mark.slow
def test_somebody_elses_file_of_the_same_bytes_is_not_ours(night: Nightly) -> None:
    """It is left as it is, and never moved or pruned: no export ever wrote these bytes to that path."""
    night.add("a.wav", 300)
    night.add("b.wav", 350)
    other = night.folder / "first"
    night.export(out=other, include_metadata=False)
    night.out.mkdir()
    shutil.copy(other / "a.wav", night.out / "theirs.wav")
    night.rows[0]["title"] = "theirs"
    night.export(include_metadata=False, whole=False)
    del night.rows[0]
    night.export(include_metadata=False, whole=False, prune=True)
    assert (night.out / "theirs.wav").exists()


@pytest.mark.slow
def test_an_output_that_is_a_source_now_has_a_text_that_is_recorded(night: Nightly) -> None:
    night.add("a.wav", 300)
    night.export()
    night.add(str(night.out / "a.wav"), title="loop")
    night.export()


@pytest.mark.slow
def test_an_output_that_is_a_source_now_is_not_pruned(three: Nightly) -> None:
    three.rows.pop(0)
    three.add(str(three.out / "house/a.wav"), title="again", genre="jazz")
    batch = three.export(**GENRE, prune=True, whole=False)
    assert batch.failed == 0
    assert (three.out / "house/a.wav").exists()


@pytest.mark.slow
def test_an_output_that_is_a_source_now_is_not_moved(night: Nightly) -> None:
    """A row names a file of an earlier export, which is also what another row's output would be made of."""
    night.add("a.wav", 300)
    night.export(include_metadata=False)
    source = night.rows[0]
    source["title"] = "renamed"
    night.add(str(night.out / "a.wav"), title="loop")
    batch = night.export(include_metadata=False, whole=False)
    assert batch.failed == 0
    assert (night.out / "a.wav").exists(), "a row has it as its source"


@pytest.mark.slow
def test_a_text_of_somebody_else_is_not_overwritten(night: Nightly) -> None:
    """Exported without metadata; then somebody writes notes under the name that the metadata file would have."""
    night.add("a.wav", 300)
    night.export(include_metadata=False)
    notes = night.out / "a_metadata.txt"
    notes.write_text("my notes")
    night.export(whole=False)
    assert notes.read_text() == "my notes"


# ---- what else can happen ----


def test_plan_says_what_an_export_then_does(three: Nightly) -> None:
    three.sound("b.wav", 444)
    three.rows[0]["genre"] = "acid"
    three.write()
    records = three.outputs("*")
    planned = preview.plan(three.request(**GENRE))
    assert {file.path: file.unchanged for file in planned.files} == {
        "acid/a.wav": False,
        "jazz/b.wav": False,
        "jazz/c.wav": True,
    }
    assert three.outputs("*") == records
    batch = three.export(**GENRE)
    assert {path_of(batch, sample_id) for sample_id in (1, 2, 3)} == {file.path for file in planned.files}


@pytest.mark.slow
def test_a_record_without_a_file_to_move_converts(three: Nightly) -> None:
    (three.out / "house/a.wav").unlink()
    three.rows[0]["genre"] = "acid"
    batch = three.export(**GENRE, whole=False)
    assert statuses(batch) == ["exported", "unchanged", "unchanged"]
    assert three.spy.of("convert") == ["a.wav"]
    assert (three.out / "acid/a.wav").exists()


@pytest.mark.slow
def test_a_damaged_file_is_not_moved_nor_copied(three: Nightly) -> None:
    path = three.out / "house/a.wav"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"\x55")
    three.rows[0]["genre"] = "acid"
    three.export(**GENRE, whole=False)
    assert three.spy.of("convert") == ["a.wav"]
    assert (three.out / "acid/a.wav").read_bytes() == good
    three.export(organize_by="flat", whole=False)
    assert (three.out / "a.wav").read_bytes() == good


@pytest.mark.slow
def test_nothing_is_moved_onto_a_file_of_somebody_else(three: Nightly) -> None:
    (three.out / "acid").mkdir()
    (three.out / "acid/a.wav").write_bytes(b"mine")
    three.strays = {"acid/a.wav"}
    three.rows[0]["genre"] = "acid"
    before = tree(three.out)
    batch = three.export(**GENRE)
    assert statuses(batch) == ["failed", "unchanged", "unchanged"]
    assert tree(three.out) == before
    (three.out / "acid/a.wav").unlink()
    assert statuses(three.export(**GENRE)) == ["exported", "unchanged", "unchanged"]
    assert three.spy.calls == []


@pytest.mark.slow
def test_nothing_is_left_behind_when_a_move_meets_the_same_bytes(three: Nightly) -> None:
    three.strays = {"acid/a.wav"}
    (three.out / "acid").mkdir()
    shutil.copy(three.out / "house/a.wav", three.out / "acid/a.wav")
    three.rows[0]["genre"] = "acid"
    three.export(**GENRE, prune=True)
    assert (three.out / "acid/a.wav").exists()


@pytest.mark.slow
def test_large_sources_are_not_read_to_tell_them_apart(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused by their size; of two that are equally long all bytes would be read for nothing."""
    monkeypatch.setenv("SP404_MAX_FILE_MB", "1")
    for name in ("one.wav", "two.wav"):
        with (night.lib / name).open("wb") as file:
            file.truncate(1 << 25)
        night.add(name)
    assert statuses(night.export()) == ["failed"] * 2
    assert night.spy.hashed == []


@pytest.mark.slow
@pytest.mark.parametrize("at", ["text", "audio"])
def test_a_move_that_is_killed_half_way_is_done_by_the_next_run(
    three: Nightly, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Between the new name and the part that says so."""
    before = tree(three.out)
    three.rows[0]["genre"] = "acid"
    three.write()
    real = publish.rename_into_place

    def rename_into_place(part: str, target: str, ours: bool) -> None:
        real(part, target, ours)
        if target.endswith("_metadata.txt") == (at == "text"):
            raise nightly.Killed

    def end(*_: object) -> Any:
        raise nightly.Killed

    monkeypatch.setattr(publish, "rename_into_place", rename_into_place)
    with pytest.raises(nightly.Killed):
        pipeline.run_export(resolve(three.request(**GENRE)), replace(threads.DIRECT, record=end))
    monkeypatch.setattr(publish, "rename_into_place", real)
    batch = three.export(**GENRE, whole=False)
    assert (batch.export_id, statuses(batch), three.spy.calls) == (2, ["exported", "unchanged", "unchanged"], [])
    assert sounds(tree(three.out)) == {path.replace("house", "acid"): content for path, content in sounds(before).items()}
    assert three.findings() == []


@pytest.mark.slow
def test_after_a_repair_all_is_unchanged(three: Nightly) -> None:
    three.rows[0]["genre"] = "acid"
    three.sound("b.wav", 444)
    three.export(**GENRE)
    before = states(three.out)
    three.db.write_bytes(b"not a database" * 1000)
    assert repair.repair(Database(str(three.db), 5)).losses == []
    batch = three.export(**GENRE)
    assert (batch.export_id, statuses(batch)) == (3, ["unchanged"] * 3)
    assert (three.spy.calls, states(three.out)) == ([], before)


@pytest.mark.slow
def test_a_selection_that_cannot_be_changes_nothing(three: Nightly) -> None:
    before = three.ask("SELECT count(*) FROM sp404_exports")
    nightly.refused(three, RequestError, sample_ids=(99,))
    assert three.ask("SELECT count(*) FROM sp404_exports") == before


def test_a_lost_row_ends_the_run(three: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all rows are unchanged."""
    from schemas.errors import AccountingError

    real = results.account
    monkeypatch.setattr(results, "account", lambda running, answers: real(running, answers)[1:])
    nightly.refused(three, AccountingError, **GENRE)


# ---- nights at random ----

WORDS = ("kick", "hat", "snare", "pad")
GENRES = ("house", "jazz", "Dub!")


class Walk:
    """A library that changes in every way that one can, and what must be true after each export."""

    def __init__(self, night: Nightly, rng: random.Random) -> None:
        self.night, self.rng = night, rng
        self.made = 0
        self.mine = b"somebody else's"
        self.damaged: set[str] = set()

    def edit(self) -> str:
        edits = (self.add, self.remove, self.rename, self.retitle, self.regenre, self.content, self.touch, self.copy)
        edits = (*edits, self.delete_output, self.cut_output, self.retag, self.swap, self.delete_text)
        edit = self.rng.choice(edits if len(self.night.rows) > 1 else (self.add,))
        return f"{edit.__name__} {edit() or ''}"

    def _name(self) -> str:
        self.made += 1
        return f"s{self.made}.wav"

    def _row(self) -> dict[str, Any]:
        return self.rng.choice(self.night.rows)

    def add(self) -> None:
        hz = self.rng.choice((300, 350, 400))  # now and then one that is there already
        sample_id = self.rng.choice([n for n in range(1, 40) if n not in {row["sample_id"] for row in self.night.rows}])
        cells = {"title": self.rng.choice(WORDS), "genre": self.rng.choice(GENRES), "sample_id": sample_id}
        self.night.add(self._name(), hz, **cells)

    def remove(self) -> None:
        self.night.rows.remove(self._row())

    def rename(self) -> None:
        row, name = self._row(), self._name()
        old = row["file_path"]
        (self.night.lib / old).rename(self.night.lib / name)
        for one in self.night.rows:
            if one["file_path"] == old:
                one["file_path"] = name

    def retitle(self) -> None:
        self._row()["title"] = self.rng.choice(WORDS)

    def regenre(self) -> None:
        self._row()["genre"] = self.rng.choice(GENRES)

    def retag(self) -> None:
        self._row()["tags"] = self.rng.choice(("x", "y"))

    def content(self) -> None:
        self.night.sound(self._row()["file_path"], self.rng.choice((300, 350, 400, 450)))

    def touch(self) -> None:
        os.utime(self.night.lib / self._row()["file_path"], (1, self.rng.randrange(1 << 30)))

    def copy(self) -> None:
        name, row = self._name(), self._row()
        shutil.copy(self.night.lib / row["file_path"], self.night.lib / name)
        self.night.add(name, title=self.rng.choice(WORDS), genre=row["genre"])

    def swap(self) -> None:
        one, other = self.rng.sample(self.night.rows, 2)
        one["title"], other["title"] = other["title"], one["title"]
        one["genre"], other["genre"] = other["genre"], one["genre"]

    def _output(self, ending: str) -> Path | None:
        found = sorted(path for path in self.night.out.rglob(f"*{ending}") if path.name != "mine.txt")
        return self.rng.choice(found) if found else None

    def delete_output(self) -> None:
        if path := self._output(".wav"):
            path.unlink()

    def delete_text(self) -> None:
        if path := self._output("_metadata.txt"):
            path.unlink()

    def cut_output(self) -> None:
        if path := self._output(".wav"):
            os.truncate(path, 1_000)
            self.damaged.add(os.path.relpath(path, self.night.out))

    def look(self, batch: Any, prune: bool, template: Path) -> None:
        night = self.night
        assert batch.failed == batch.rejected == 0
        self.damaged -= {os.path.relpath(str(result.output_path), night.out) for result in batch.results}
        fresh = nightly.new(night.folder / "fresh", night.spy, template)
        fresh.rows = night.rows
        request = night.request(organize_by="genre").model_copy(update={"db": str(fresh.db)})
        config = request.config.model_copy(update={"output_base_path": str(fresh.out)})
        with config_context(validation_enabled=False):
            new = threads.export_directly(request.model_copy(update={"config": config}))
        pairs = list(zip(batch.results, new.results, strict=True))
        for old, one in pairs:
            assert old.sample_id == one.sample_id
            assert Path(str(old.output_path)).read_bytes() == Path(str(one.output_path)).read_bytes()
        titles = [(row["title"], row["genre"]) for row in night.rows]
        if len(set(titles)) == len(titles):
            relative = [os.path.relpath(str(old.output_path), night.out) for old, _ in pairs]
            assert relative == [os.path.relpath(str(one.output_path), fresh.out) for _, one in pairs]
            now, then = tree(night.out), tree(fresh.out)
            assert {path: now[path] for path in sounds(then)} == sounds(then)
            assert {path: text for path, text in texts(now).items() if path in then} == texts(then)
        assert (night.out / "mine.txt").read_bytes() == self.mine
        if prune:
            asked = {os.path.relpath(str(old.output_path), night.out) for old, _ in pairs}
            assert night.paths() - self.damaged == asked
        shutil.rmtree(fresh.folder)


SEEDS = range(int(os.environ.get("WALKS", "2")))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_any_nights_end_as_one_fresh_export(night: Nightly, template: Path, seed: int) -> None:
    rng = random.Random(seed)
    walk = Walk(night, rng)
    night.out.mkdir()
    (night.out / "mine.txt").write_bytes(walk.mine)
    night.strays = {"mine.txt"}
    for _ in range(4):
        walk.add()
    told: list[object] = []
    for number in range(6):
        prune = number == 0 or rng.random() < 0.6
        told.append([walk.edit() for _ in range(rng.randrange(1, 4))] if number else "made")
        batch = night.export(organize_by="genre", prune=prune, whole=False)
        told.append(("export, pruned" if prune else "export", batch.counts()))
        try:
            if prune:
                asked = {f"out/{os.path.relpath(str(result.output_path), night.out)}" for result in batch.results}
                # What is stale and was damaged is neither ours to remove nor to mend.
                assert [one for one in night.findings() if one[1] == "unknown" or one[0] in asked] == []
            walk.look(batch, prune, template)
            again = night.export(organize_by="genre", whole=False)
            assert set(statuses(again)) <= {"unchanged"}
            assert night.spy.calls == []
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {told}") from error


# ---- tables of spreadsheets and of other systems ----


@pytest.mark.slow
def test_a_row_that_names_no_file_stops_neither_pruning_nor_moving(three: Nightly) -> None:
    """A row of totals means no file: it is rejected, and what left the manifest goes."""
    three.checked = True
    three.rows[0]["genre"] = "acid"
    three.rows = [*three.rows[:2], {"title": "Total", "bpm": "2 files"}, {"title": " "}]
    batch = three.export(**GENRE, prune=True, whole=False)
    assert (batch.total_requested, batch.rejected, batch.pruned, batch.not_pruned) == (3, 1, 1, "")
    assert three.spy.of("convert") == []
    assert set(sounds(tree(three.out))) == {"acid/a.wav", "jazz/b.wav"}


def test_a_rejected_row_that_names_a_file_stops_pruning(three: Nightly) -> None:
    three.checked = True
    three.rows[1]["bpm"] = "junk"
    del three.rows[2]
    batch = three.export(**GENRE, prune=True, whole=False)
    assert (batch.rejected, batch.pruned) == (1, 0)
    assert batch.not_pruned
    assert set(sounds(tree(three.out))) == {"house/a.wav", "jazz/b.wav", "jazz/c.wav"}


@pytest.mark.slow
def test_paths_of_another_system_are_the_same_files(three: Nightly) -> None:
    for row, path in zip(three.rows, (r".\A.WAV", "C:\\lib\\b.wav", "file:///C:/lib/C.wav"), strict=True):
        row["file_path"] = path
    assert statuses(three.export(**GENRE, whole=False)) == ["unchanged"] * 3


@pytest.mark.slow
def test_a_path_that_fits_no_file_fails_with_the_reason(three: Nightly) -> None:
    three.rows[1]["file_path"] = "E:\\Drums\\b.wav"
    three.write()
    checked = preview.check(three.request(**GENRE), Progress())
    (finding,) = checked.troubles
    assert finding.what == f"Audio file not found: {three.lib}/E:\\Drums\\b.wav"
    assert "The drive E: is not here" in finding.fix


def test_a_sample_moves_into_the_folder_that_another_one_leaves_empty(night: Nightly) -> None:
    """The one is about to be renamed into the folder when the other's move removes it, since it is empty then."""
    night.add("a.wav", 300, genre="house", title="kick")
    night.add("b.wav", 400, genre="jazz", title="snare")
    night.export(organize_by="genre")
    night.rows[0]["genre"], night.rows[1]["genre"] = "jazz", "dub"
    batch = night.export(organize_by="genre", include_metadata=False, workers=1)
    assert statuses(batch) == ["exported"] * 2, batch.errors
    assert night.paths() == {"jazz/kick.wav", "dub/snare.wav"}
    assert night.spy.of("convert") == []


def test_a_resumed_export_counts_the_warnings_of_all_its_runs(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        night.add(f"s{number}.wav", 300 + 20 * number)
        loud = 1.5 * audio.tone(0.3, 48_000, hz=300 + 20 * number, level=1.0)
        audio.write(night.lib / f"s{number}.wav", loud, 48_000, "WAV", "FLOAT")
    nightly.killed(night, monkeypatch, merged=1, unrecorded=1, organize_by="flat")
    batch = night.export(organize_by="flat")
    assert (batch.resumed, list(batch.warnings.values())) == (True, [6])
    assert night.ask("SELECT count(warning) FROM sp404_export_samples") == [(6,)]
