"""What goes on, as a page asks for it again and again."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.api.export_queue import SharedProcessPool
from flows.api.jobs import JobAnswer, JobQueue, list_briefs
from flows.export import threads
from flows.export.threads import export_directly
from schemas.errors import RequestError
from schemas.export import ExportConfig, ExportRequest
from schemas.report import BatchExportResult
from tasks.bundle import plugged_cards
from tests.support.api_cards import cards
from tests.support.api_library import finished, problem, recorded_library, serve_library
from tests.support.running_export import halted_export, held_place
from tests.support.serve import API
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def activity(api: httpx.Client) -> dict[str, Any]:
    return dict(api.get(f"{API}/activity").raise_for_status().json())


def test_jobs_in_brief_and_nothing_where_nothing_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()

    def held(request: ExportRequest, progress: Any) -> BatchExportResult:
        progress.expect(3)
        progress.advance()
        progress.advance("Sample 6: no")
        assert may_go_on.wait(60)
        return export_directly(request, progress)

    later = {"Prefer": "respond-async"}
    with serve_library(monkeypatch, folder, held) as api:
        assert activity(api)["jobs"] == []
        jobs = [api.post(f"{API}/samples/{n}/export", headers=later) for n in (1, 2, 9, 3)]
        api.post(f"{API}/jobs/{jobs[3].json()['id']}/cancel").raise_for_status()
        until(lambda: any(job["done"] == 2 for job in activity(api)["jobs"]), 10)
        cancelled, running, *waiting = activity(api)["jobs"]
        assert [job["place"] for job in (cancelled, running, *waiting)] == [None, None, 1, 2]
        assert [job["state"] for job in (cancelled, running, *waiting)] == ["cancelled", "running", "queued", "queued"]
        assert (running["kind"], running["total"], running["failed"], running["export_id"]) == ("export", 3, 1, None)
        assert running["rate_per_second"] is not None
        may_go_on.set()
        results = [finished(api, job) for job in jobs[:3]]
        answer = api.get(f"{API}/activity")
        first, second, third = (job for job in answer.json()["jobs"] if job["state"] != "cancelled")
        assert (first["state"], first["export_id"]) == ("done", results[0]["result"]["export_id"])
        assert second["rate_per_second"] is None
        assert (third["state"], third["error"]) == ("failed", "Audio file not found: gone.wav")
        listed = api.get(f"{API}/jobs").raise_for_status().json()
        assert [job["state"] for job in listed] == ["done", "done", "failed", "cancelled"]
        assert listed[0] == api.get(jobs[0].headers["location"]).json()
        tag = answer.headers["etag"]
        assert not tag.startswith("W/")
        for known in (tag, f'"other", W/{tag}', "*"):
            again = api.get(f"{API}/activity", headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        api.get(f"{API}/samples?sort=title").raise_for_status()  # who reads changes nothing
        assert api.get(f"{API}/activity", headers={"If-None-Match": tag}).status_code == 304
        assert api.get(f"{API}/activity", headers={"If-None-Match": '"other"'}).status_code == 200
        problem(api.get(f"{API}/activity?x=1&x=2"), 422, "A parameter is given twice in the query")


def test_of_jobs_that_have_ended_the_last_are_shown() -> None:
    queue: JobQueue = JobQueue(SharedProcessPool(), max_queued=100)

    def fail(_progress: object) -> JobAnswer:
        raise RequestError(what="No", fix="Yes.")

    jobs = [queue.add(fail, has_client=False) for _ in range(30)]
    jobs.append(queue.add(fail, has_client=True))
    until(lambda: all(job.ended_at for job in jobs), 10)
    assert [brief.id for brief in list_briefs(queue)] == [job.id for job in jobs[10:30]]
    queue.close()


def test_another_process_that_exports_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_library(monkeypatch, folder) as api:
        with held_place(folder / "r.duckdb") as pid:
            lock = activity(api)["lock"]
            assert lock["owner"].startswith(f"process {pid} on ")
            assert lock["since"].endswith("Z")
            os.kill(pid, signal.SIGKILL)
        assert f"process {pid}" in (folder / "r.duckdb.runs/lock").read_text(encoding="utf-8")
        assert activity(api)["lock"] is None


def test_an_export_by_the_command_line_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer after it has the lock names it; no card may be taken out meanwhile; its end changes the records."""
    db = recorded_library(tmp_path, only_good=True)
    (tmp_path / "card/IMPORT").mkdir(parents=True)
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(tmp_path / "card")])
    with serve_library(monkeypatch, tmp_path) as api:
        before = activity(api)
        assert before["lock"] is None
        place = f"{API}/cards/{cards(api)['card']['id']}/flush"
        assert api.post(place).status_code == 200
        with halted_export(tmp_path / "lib/m.csv", db, tmp_path / "out") as running:
            assert activity(api)["lock"]["owner"].startswith(f"process {running.pid} on ")
            told = problem(api.post(place), 409, api.post(place).json()["detail"])
            assert (told["reason"], f"process {running.pid} " in told["detail"]) == ("card_busy", True)
        assert running.returncode == 0
        after = activity(api)
        assert (after["lock"], api.get(f"{API}/exports").json()["total"]) == (None, 2)
        assert after["revision"] != before["revision"]
        assert api.post(place).status_code == 200


def test_exports_elsewhere_change_the_revision(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_library(monkeypatch, folder) as api:
        before = activity(api)["revision"]
        assert api.get(f"{API}/samples").json()["revision"] == before
        config = ExportConfig(output_base_path=str(tmp_path / "elsewhere"))
        request = ExportRequest(manifest=str(folder / "lib/m.csv"), config=config, db=str(folder / "r.duckdb"))
        threads.export_directly(request)
        after = activity(api)["revision"]
        assert after not in (before, "")
        assert api.get(f"{API}/samples").json()["revision"] == activity(api)["revision"] == after
