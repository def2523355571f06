"""The whole export, without Prefect and with it, against libsndfile's and Python's own reading of what came out."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.export import passes, pipeline, threads
from flows.export.request import resolve
from schemas.enums import OrganizeBy
from schemas.errors import AccountingError, DiskFullError, ExportRunningError, OutputNotWritableError, RequestError
from schemas.export import ExportConfig, ExportRequest
from tasks.audio import synth
from tasks.convert import shard
from tasks.convert.plan_file import write_plan
from tasks.manifest.table import RawManifest
from tasks.manifest.validate import Manifest, validate
from tasks.store import database_file
from tests.support import ROOT, audio, worked
from tests.support.command_line import Run, one_clear_error
from tests.support.lanes import examples
from tests.support.records import query
from tests.support.waiting import until


def test_worked_example_directly(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in manifest.parent.iterdir()}
    worked.check(threads.export_directly(worked.request(manifest, tmp_path)), tmp_path, manifest.parent)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in manifest.parent.iterdir()} == before


@pytest.mark.usefixtures("uncontained")
def test_a_plan_that_cannot_be_read_ends_the_run(tmp_path: Path, sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With status 3 and one line: no sample is to blame. The same command makes a new plan."""
    synth.write(tmp_path / "kick.wav", synth.kick(48_000), 48_000)
    (tmp_path / "m.csv").write_text("file_path\nkick.wav\n", encoding="utf-8")
    command = ("export", tmp_path / "m.csv", "--direct", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")

    def write_and_lose(*plan: Any) -> str:
        path = write_plan(*plan)
        os.truncate(path, 100)
        return path

    with monkeypatch.context() as patch:
        patch.setattr(passes, "write_plan", write_and_lose)
        one_clear_error(sp404(*command), 3, "the plan of this run cannot be read", "Run the same command again")
    assert query(tmp_path / "r.duckdb", "SELECT status, reason FROM sp404_export_samples") == [("failed", "not_reached")]
    assert sp404(*command).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
def test_a_second_run_leaves_the_same_files_and_a_record_of_its_own(tmp_path: Path, full: bool) -> None:
    request = worked.request(worked.make(tmp_path / "library"), tmp_path)
    threads.export_directly(request)
    first = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.wav")}
    again = threads.export_directly(request.model_copy(update={"full": full}))
    assert again.export_id == 2
    assert (again.successful, again.unchanged) == (9, 0 if full else 9)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.wav")} == first
    columns = "manifest_line, sample_id, output_subfolder, output_filename, conversion_successful, output_bytes, output_frames"
    sql = f"SELECT {columns} FROM sp404_export_samples WHERE export_id = ? ORDER BY ALL"
    one, two = (query(tmp_path / "records.duckdb", sql, export_id) for export_id in (1, 2))
    assert one == two
    assert len(one) == 10


def test_a_sample_opens_the_database_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for the preferences, where there are any, and once for the export, if nothing takes longer than the idle time."""
    monkeypatch.setattr("tasks.store.database._IDLE_SECONDS", 120.0)
    opened: list[str] = []
    attach = database_file._attach

    def counted(path: str) -> database_file.OpenFile:
        opened.append(path)
        return attach(path)

    monkeypatch.setattr(database_file, "_attach", counted)
    synth.write(tmp_path / "kick.wav", synth.kick(48_000), 48_000)
    manifest = tmp_path / "m.csv"
    manifest.write_text("sample_id,file_path\n7,kick.wav\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(tmp_path / "out"))
    request = ExportRequest(manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb"), sample_ids=(7,), full=True)
    for openings in (1, 2):
        opened.clear()
        assert threads.export_directly(request).successful == 1
        assert len(opened) <= openings


@pytest.mark.slow
def test_workers_and_shards_change_nothing(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    outputs = []
    for workers in (1, 3):
        request = worked.request(manifest, tmp_path / str(workers)).model_copy(update={"workers": workers})
        threads.export_directly(request)
        out = tmp_path / str(workers) / "out"
        outputs.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*/*") if path.is_file()})
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_ids_given_by_path_stay_when_the_manifest_grows_and_is_shuffled(tmp_path: Path) -> None:
    names = [f"{name}.wav" for name in "abcdef"]
    for name in names:
        synth.write(tmp_path / name, synth.hat(48_000), 48_000)
    manifest, db = tmp_path / "m.csv", tmp_path / "r.duckdb"
    seen: dict[str, set[int | None]] = {}
    outputs: dict[str, set[str]] = {}
    for part in (names[:3], list(reversed(names)), random.Random(1).sample(names, 6)):
        # All titles are alike: the names hang on the ids.
        manifest.write_text("file_path,title\n" + "".join(f"{name},Hat\n" for name in part), encoding="utf-8")
        request = ExportRequest(manifest=str(manifest), config=ExportConfig(output_base_path=str(tmp_path / "out")), db=str(db))
        batch = threads.export_directly(request)
        for name, result in zip(part, batch.results, strict=True):
            seen.setdefault(name, set()).add(result.sample_id)
            outputs.setdefault(name, set()).add(str(result.output_path))
    assert all(len(ids) == 1 for ids in seen.values())
    assert all(len(paths) == 1 for paths in outputs.values())
    assert len(set.union(*outputs.values())) == 6


@pytest.mark.slow
def test_a_sample_on_three_pads_is_three_rows_and_one_sample(tmp_path: Path) -> None:
    synth.write(tmp_path / "kick.wav", synth.kick(48_000), 48_000)
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "sample_id,file_path,kit,bank,pad\n" + "".join(f"7,kick.wav,K,A,{pad}\n" for pad in (1, 2, 16)), encoding="utf-8"
    )
    config = ExportConfig(organize_by=OrganizeBy.KIT, output_base_path=str(tmp_path / "out"))
    request = ExportRequest(manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb"))
    batch = threads.export_directly(request)
    assert batch.successful == batch.total_requested == 3
    assert sorted(path.name for path in (tmp_path / "out/k/bank_A").glob("*.wav")) == [
        f"pad_{n:02}_kick.wav" for n in (1, 2, 16)
    ]
    assert query(tmp_path / "r.duckdb", "SELECT count(*) FROM samples") == [(1,)]
    assert query(tmp_path / "r.duckdb", "SELECT bank, pad FROM kit_samples ORDER BY pad") == [("A", 1), ("A", 2), ("A", 16)]
    flat = request.model_copy(update={"config": ExportConfig(output_base_path=str(tmp_path / "flat"))})
    batch = threads.export_directly(flat)
    assert batch.successful == 3
    assert [path.name for path in (tmp_path / "flat").glob("*.wav")] == ["kick.wav"]
    assert batch.total_size_bytes == (tmp_path / "flat/kick.wav").stat().st_size


@pytest.mark.slow
def test_a_selection_has_the_names_that_the_whole_has(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        synth.write(tmp_path / name, synth.hat(48_000), 48_000)
    manifest = tmp_path / "m.csv"
    manifest.write_text("sample_id,file_path,title\n1,a.wav,Hat\n2,b.wav,Hat\n3,c.wav,Hat\nx,d.wav,Hat\n", encoding="utf-8")
    config = ExportConfig(output_base_path=str(tmp_path / "out"))
    request = ExportRequest(manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb"), sample_ids=(2,))
    batch = threads.export_directly(request)
    assert (batch.export_type, batch.total_requested, batch.successful) == ("single", 1, 1)
    assert batch.results[0].output_filename == "hat__2.wav"


@pytest.mark.slow
def test_an_unknown_sample_writes_nothing(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    request = worked.request(manifest, tmp_path).model_copy(update={"sample_ids": (99,)})
    with pytest.raises(RequestError, match="Sample 99 not found"):
        threads.export_directly(request)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["library"]


@pytest.mark.slow
def test_a_file_that_we_did_not_write_is_left_alone(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    theirs = tmp_path / "out/fast/sample_009.wav"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"a person's own")
    batch = threads.export_directly(worked.request(manifest, tmp_path))
    assert theirs.read_bytes() == b"a person's own"
    assert batch.failed == 2
    assert any("is in the way" in error for error in batch.errors)


@pytest.mark.slow
def test_the_library_itself_as_output_folder_harms_no_original(tmp_path: Path) -> None:
    library = tmp_path / "library"
    manifest = worked.make(library)
    before = {path: path.read_bytes() for path in library.iterdir()}
    request = ExportRequest(
        manifest=str(manifest), config=ExportConfig(output_base_path=str(library)), db=str(tmp_path / "r.duckdb")
    )
    for _ in range(2):
        threads.export_directly(request)
        assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_finished_and_accounts_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = worked.make(tmp_path / "library")
    real = shard._stage

    def full_after_three(planned: Any, *how: Any) -> object:
        if planned.job.index >= 3:
            raise DiskFullError(path="/card")
        return real(planned, *how)

    monkeypatch.setattr(shard, "_stage", full_after_three)
    with pytest.raises(DiskFullError):
        threads.export_directly(worked.request(manifest, tmp_path))
    db = tmp_path / "records.duckdb"
    assert query(db, "SELECT status, count(*) FROM sp404_export_samples GROUP BY ALL ORDER BY ALL") == [
        ("exported", 2),
        ("failed", 8),
    ]  # one of the three is too short
    assert query(db, "SELECT trouble FROM sp404_exports") == [("Not enough disk space for export: /card",)]
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 2


@pytest.mark.slow
def test_a_shard_that_breaks_is_accounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(shard: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shard, "read_jobs", broken)
    batch = threads.export_directly(worked.request(worked.make(tmp_path / "library"), tmp_path))
    assert batch.failed == 10


@pytest.mark.slow
def test_an_output_folder_that_cannot_be(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(OutputNotWritableError):
        threads.export_directly(worked.request(manifest, tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("uncontained")
def test_nothing_leaves_the_output_folder(tmp_path: Path) -> None:
    synth.write(tmp_path / "lib/a.wav", synth.hat(48_000), 48_000)
    evil = "../../../etc/passwd"
    manifest = tmp_path / "lib/m.csv"
    lines = [f"a.wav,{evil},{evil},{evil},A,1", f"a.wav,/abs/{evil},..,..,B,2", "a.wav,.hidden,/,-,C,3"]
    manifest.write_text("file_path,title,genre,kit,bank,pad\n" + "\n".join(lines) + "\n", encoding="utf-8")
    there = set(tmp_path.rglob("*"))
    for strategy in OrganizeBy:
        for sanitize in (True, False):
            out = tmp_path / "deep/down" / f"{strategy}-{sanitize}"
            config = ExportConfig(organize_by=strategy, output_base_path=str(out), sanitize_filenames=sanitize)
            db = str(tmp_path / "deep/r.duckdb")
            batch = threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=db))
            assert batch.successful == 3
            for result in batch.results:
                assert Path(str(result.output_path)).resolve().is_relative_to(out)
    assert {path for path in tmp_path.rglob("*") if "deep" not in path.parts} == there


ROW = st.tuples(
    st.sampled_from(["a.wav", "b.flac", "gone.wav", "short.wav", "junk.wav", "", "."]),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
    st.sampled_from(["", "120", "90.5", "x", "-5", "1e9", "NaN"]),
    st.sampled_from(["", "K", "L"]),
    st.sampled_from(["", "A", "Z"]),
    st.sampled_from(["", "1", "2", "17"]),
)


@pytest.mark.thorough
@pytest.mark.usefixtures("uncontained")
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=12), strategy=st.sampled_from(list(OrganizeBy)), salt=st.integers(0, 10**9))
def test_rows_in_are_rows_accounted_for(tmp_path: Path, rows: list[tuple[str, ...]], strategy: OrganizeBy, salt: int) -> None:
    """exported + unchanged + rejected + failed, in the result, in the table, and by the files that are there."""
    lib = tmp_path / "lib"
    if not lib.exists():
        synth.write(lib / "a.wav", synth.hat(48_000), 48_000)
        synth.write(lib / "b.flac", synth.hat(44_100), 44_100)
        synth.write(lib / "short.wav", synth.hat(44_100, 0.05), 44_100)
        (lib / "junk.wav").write_bytes(b"junk" * 99)
    manifest = lib / "m.ndjson"
    columns = ("file_path", "title", "bpm", "kit", "bank", "pad")
    manifest.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows), encoding="utf-8")
    folder = tmp_path / f"{salt}-{len(list(tmp_path.iterdir()))}"
    config = ExportConfig(organize_by=strategy, output_base_path=str(folder / "out"))
    batch = threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=str(folder / "r.duckdb")))
    assert batch.total_requested == len(rows) == len(batch.results)
    assert batch.successful + batch.rejected + batch.failed == len(rows)
    statuses = dict(query(folder / "r.duckdb", "SELECT status, count(*) FROM sp404_export_samples GROUP BY status"))
    assert statuses.get("exported", 0) == batch.successful
    assert (statuses.get("failed", 0), statuses.get("rejected", 0)) == (batch.failed, batch.rejected)
    files = {str(path) for path in (folder / "out").rglob("*.wav")}
    assert files == {result.output_path for result in batch.results if result.success}


@pytest.mark.slow
def test_a_killed_run_leaves_only_whole_files(tmp_path: Path) -> None:
    """SIGKILL in the middle of the work: what has a final name is a whole file, by libsndfile's reading."""
    lib = tmp_path / "lib"
    names = [f"{n:03}.wav" for n in range(300)]
    for n, name in enumerate(names):  # the same sound would be converted but once
        synth.write(lib / name, synth.kick(44_100) * (1 - n / 1_000), 44_100)
    (lib / "m.csv").write_text("file_path\n" + "\n".join(names) + "\n", encoding="utf-8")
    whole = len(synth.kick(48_000))
    command = [sys.executable, "-m", "flows.cli", "export", str(lib / "m.csv"), "--direct", "--out", str(tmp_path / "out")]
    command += ["--db", str(tmp_path / "r.duckdb")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    until(lambda: process.poll() is not None or len(list((tmp_path / "out").glob("*.wav"))) >= 20, 60, every=0.002)
    process.kill()
    assert process.wait() == -9
    outputs = list((tmp_path / "out").glob("*.wav"))
    assert 20 <= len(outputs) < 300
    assert {soundfile.info(path).frames for path in outputs} == {whole}
    synth.write(lib / names[0], synth.snare(44_100), 44_100)  # changed since: what the killed run left is still ours
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.wav"))) == 300
    assert soundfile.info(tmp_path / "out/lib_000.wav").frames == len(synth.snare(48_000))
    assert not list(tmp_path.rglob("*.part"))
    runs = tmp_path / "r.duckdb.runs"  # with the parts from which records can be made again; the plans are gone
    assert sorted(path.name for path in runs.iterdir()) == ["export-1", "lock"]
    assert not list(runs.rglob("plan-*"))
    assert query(tmp_path / "r.duckdb", "SELECT id, trouble FROM sp404_exports") == [(1, None)]
    assert query(tmp_path / "r.duckdb", "SELECT status, count(*) FROM sp404_export_samples GROUP BY 1") == [("exported", 300)]


@pytest.mark.slow
def test_ctrl_c_ends_soon_and_records_what_was_finished(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    names = [f"{n:03}.wav" for n in range(400)]
    lib.mkdir()
    for n, name in enumerate(names):  # half a minute of silence each, and none like another
        (lib / name).write_bytes(audio.wav_bytes(b"", rate=44_100, claimed_bytes=2_600_000 + 2 * n))
        os.truncate(lib / name, 44 + 2_600_000 + 2 * n)
    (lib / "m.csv").write_text("file_path\n" + "\n".join(names) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "flows.cli", "export", str(lib / "m.csv"), "--direct", "--out", str(tmp_path / "out")]
    command += ["--db", str(tmp_path / "r.duckdb")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until(lambda: process.poll() is not None or len(list((tmp_path / "out").glob(".sp404-*.part"))) >= 8, 60, every=0.01)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said.splitlines()[0]) == (130, "sp404: Stopped")
    done = len(list((tmp_path / "out").glob("*.wav")))
    assert 4 <= done < 400
    sql = "SELECT status, count(*) FROM sp404_export_samples GROUP BY ALL ORDER BY ALL"
    assert query(tmp_path / "r.duckdb", sql) == [("exported", done), ("failed", 400 - done)]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_exports_with_one_database_take_turns(tmp_path: Path) -> None:
    from tasks.store.database import Database
    from tasks.store.export_lock import lock_exports

    manifest = worked.make(tmp_path / "library")
    request = worked.request(manifest, tmp_path)
    with lock_exports(Database(str(tmp_path / "records.duckdb"), 0)):
        os.environ["SP404_LOCK_WAIT_SECONDS"] = "0.2"
        try:
            with pytest.raises(ExportRunningError, match=f"process {os.getpid()}"):
                threads.export_directly(request)
        finally:
            del os.environ["SP404_LOCK_WAIT_SECONDS"]
    assert threads.export_directly(request).successful == 9


@pytest.mark.slow
def test_a_row_that_gets_lost_on_the_way_fails_the_run(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")

    def forgetful(raw: RawManifest) -> Manifest:
        valid = validate(raw)
        return replace(valid, frame=valid.frame.head(7))

    steps = replace(threads.DIRECT, validate=forgetful)
    with pytest.raises(AccountingError, match="10 rows went in, but 7"):
        pipeline.run_export(resolve(worked.request(manifest, tmp_path)), steps)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_original_is_no_target_however_its_path_is_spelt(tmp_path: Path) -> None:
    """A sample of ours is put aside by a file of the person's own, under the same name, which then joins the manifest."""
    synth.write(tmp_path / "a.wav", synth.hat(44_100), 44_100)
    manifest = tmp_path / "lists/m.csv"
    manifest.parent.mkdir()
    manifest.write_text("sample_id,file_path,title\n1,../a.wav,boom\n")
    config = ExportConfig(output_base_path=str(tmp_path))
    request = ExportRequest(manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb"))
    assert threads.export_directly(request).successful == 1
    synth.write(tmp_path / "boom.wav", synth.clap(44_100), 44_100)
    own = (tmp_path / "boom.wav").read_bytes()
    manifest.write_text("sample_id,file_path,title\n1,../a.wav,boom\n2,../boom.wav,my own\n")
    threads.export_directly(request)
    assert (tmp_path / "boom.wav").read_bytes() == own


@pytest.mark.slow
def test_a_manifest_by_another_spelling_is_the_same_library(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    request = worked.request(manifest, tmp_path)
    threads.export_directly(request)
    files = sorted((tmp_path / "out").rglob("*"))
    (tmp_path / "library/sub").mkdir()
    again = request.model_copy(update={"manifest": str(tmp_path / "library/sub/../manifest.csv")})
    assert threads.export_directly(again).successful == 9
    assert sorted((tmp_path / "out").rglob("*")) == files


@pytest.mark.slow
def test_three_libraries_with_the_same_names_and_ids_share_a_folder(tmp_path: Path) -> None:
    outputs = set()
    for name, voice in (("one", synth.kick), ("two", synth.snare), ("three", synth.clap)):
        synth.write(tmp_path / name / "kick.wav", voice(48_000), 48_000)
        (tmp_path / name / "m.csv").write_text("sample_id,file_path\n1,kick.wav\n")
        config = ExportConfig(output_base_path=str(tmp_path / "out"))
        for _ in range(2):
            request = ExportRequest(manifest=str(tmp_path / name / "m.csv"), config=config, db=str(tmp_path / "r.duckdb"))
            batch = threads.export_directly(request)
            assert batch.complete, batch.errors
            outputs.add(batch.results[0].output_filename)
    assert outputs == {"kick.wav", "kick_two.wav", "kick_three.wav"}
