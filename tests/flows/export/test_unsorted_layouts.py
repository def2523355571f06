"""Layouts by genre and tempo of rows that have none: said before anything is converted, with the command that helps."""

from pathlib import Path

import pytest

from flows.export import pipeline, preview, threads
from flows.export.request import resolve
from tasks.convert.progress import Progress
from tasks.store import scan_memory
from tasks.store.database import Database
from tests.support import audio
from tests.support.command_line import Run
from tests.support.nightly import Nightly


@pytest.mark.slow
def test_a_layout_that_sorts_nothing_is_named_before_the_export_begins(night: Nightly) -> None:
    for number in range(10):
        night.add(f"{number}.wav", 200 + 20 * number, genre=("Drum & Bass", "DnB")[number] if number < 2 else "")
    night.rows.append(night.rows[0] | {"sample_id": 11})  # 8 of 11 are no great part
    night.write()
    said: list[str] = []
    before = []

    def note(text: str) -> None:
        said.append(text)
        before.append(night.out.exists() and any(night.out.glob("*/*.wav")))

    def run(layout: str) -> None:
        request = resolve(night.request(organize_by=layout, out=night.out / layout))
        pipeline.run_export(request, threads.DIRECT, Progress(on_note=note))

    run("genre")
    assert said == []
    (seen,) = [finding for finding in preview.plan(night.request(organize_by="genre")).worth_a_look if "scan" in finding.what]
    assert seen.what == "A scan takes Drum & Bass, DnB for one genre: drum-and-bass"
    run("bpm")
    fix = f"sp404 export {night.manifest} --organize-by folder keeps your own folders."
    assert said == [f"11 of 11 rows have no bpm, and go to unknown_bpm. Fill in the column bpm; or {fix}"]
    assert before == [False]
    scan_memory.add_roots(Database(str(night.db), 5), str(night.manifest), [str(night.lib)])
    (found,) = preview.plan(night.request(organize_by="bpm")).worth_a_look
    assert found.fix == f"sp404 scan {night.lib} -o {night.manifest} --analyze listens for the tempo of loops; {fix}"


def test_a_scan_that_has_listened_is_not_advised_again(sp404: Run, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for number in range(10):
        audio.write(tmp_path / f"lib/hit {number}.wav", audio.tone(0.2, 48_000, level=0.1 + number / 20), 48_000, "WAV")
    table, db = tmp_path / "library.csv", ("--db", tmp_path / "r.duckdb")
    for option, advised in (((), True), (("--analyze",), False)):
        sp404("scan", tmp_path / "lib", "-o", table, *option, *db)
        said = sp404("plan", table, "--organize-by", "bpm", *db)
        assert "10 of 10 rows have no bpm" in said.err
        assert ("--analyze" in said.err) is advised
        assert ("Fill in the column bpm" in said.err) is not advised
