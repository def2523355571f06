"""Layouts by genre and tempo of rows that have none: said before anything is converted, with the command that helps."""

import pytest

from flows.export import pipeline, preview, threads
from flows.export.request import resolve
from tasks.convert.progress import Progress
from tasks.store import scan_memory
from tasks.store.database import Database
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
