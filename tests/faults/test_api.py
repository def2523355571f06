"""Faults made for real under the REST API: a full disk, writes that fail, records that cannot be used."""

import os
import resource
import shutil
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from flows.export import threads
from schemas.export import ExportConfig, ExportRequest
from tests.support import means
from tests.support.api_library import problem, recorded_library
from tests.support.processes import children, open_files
from tests.support.serve import API, process, served
from tests.support.waiting import until

pytestmark = pytest.mark.slow

LARGE_BYTES = 12 << 20


def recorded(folder: Path, manifest: Path) -> Path:
    """The records, which know the samples of ``manifest``."""
    config = ExportConfig(output_base_path=str(folder / "first"))
    threads.export_directly(ExportRequest(manifest=str(manifest), config=config, db=str(folder / "r.duckdb")))
    return folder / "r.duckdb"


@pytest.fixture
def db(ground: Path) -> Path:
    return recorded_library(ground)


@pytest.mark.faults("mount")
@pytest.mark.parametrize("path", ["samples/1/export", "samples/export-batch", "kits/1/export"])
def test_a_full_disk(ground: Path, db: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    wanted = {"sample_ids": [1, 2]} if "batch" in path else {}
    with (
        means.mounted(ground / "out", "size=16k", "mode=1777") as out,
        served(monkeypatch, db=db, output_base_path=out) as api,
    ):
        problem(api.post(f"{API}/{path}", json=wanted), 507, "Not enough disk space for export")
        assert not list(out.rglob("*.wav"))
        job = api.post(f"{API}/{path}", json=wanted, headers={"Prefer": "respond-async"}).headers["location"]
        told = until(lambda: (now := api.get(job).json())["ended_at"] and now, 60)
        assert (told["problem"]["status"], told["problem"]["detail"]) == (507, "Not enough disk space for export")


def test_a_write_that_fails(ground: Path) -> None:
    """The file would be larger than a process may write."""
    (ground / "lib").mkdir()
    soundfile.write(ground / "lib/long.wav", np.zeros((LARGE_BYTES // 2, 1)), 48_000, subtype="PCM_16")
    (ground / "lib/m.csv").write_text("sample_id,file_path\n1,long.wav\n", encoding="utf-8")
    db = recorded(ground, ground / "lib/m.csv")
    assert db.stat().st_size < LARGE_BYTES
    with process(ground, db=db, output_base_path=ground / "out") as (api, running):
        workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text(encoding="ascii").split()
        for pid in (running.pid, *map(int, workers)):  # the workers were started with the server
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LARGE_BYTES, LARGE_BYTES))
        problem(api.post(f"{API}/samples/1/export"), 500, "Failed to write output file")
        assert not list((ground / "out").rglob("*.wav"))
        batch = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1]}).json()
        assert batch["errors"] == ["Sample 1: Failed to write output file"]


def test_records_that_cannot_be_used_and_then_can(ground: Path, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost: what was written is found again."""
    with served(monkeypatch, db=db, output_base_path=ground / "out") as api:
        assert api.post(f"{API}/samples/1/export").json()["status"] == "exported"
        shutil.copy(db, ground / "kept")
        db.write_bytes(b"no database" * 1000)
        for answer in (api.get(f"{API}/samples"), api.post(f"{API}/samples/1/export")):
            told = problem(answer, 500, answer.json()["detail"])
            assert told["detail"].startswith("The database cannot be used")
        shutil.copy(ground / "kept", db)
        assert api.post(f"{API}/samples/1/export").json()["status"] == "unchanged"


@pytest.mark.faults("mount")
def test_a_card_that_is_pulled(ground: Path, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"db": db, "output_base_path": ground / "card/IMPORT"}
    with means.mounted(ground / "card", "size=16m", "mode=1777"), served(monkeypatch, **settings) as api:
        assert api.post(f"{API}/samples/1/export").status_code == 200
        means.unmount(ground / "card")
        problem(api.post(f"{API}/samples/2/export"), 500, "Failed to write output file")
        whole: httpx.Response = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1, 2]})
        told = problem(whole, 500, whole.json()["detail"])
        assert told["detail"].startswith("Batch export failed: The output folder is no longer there")


def leave_early(api: httpx.Client, path: str, after_bytes: int) -> None:
    """Ask for a file and go away with a reset, as a player does that seeks."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(f"GET {API}/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if after_bytes:
            client.recv(after_bytes)


def test_clients_that_go_away_leave_no_file_open(ground: Path, db: Path) -> None:
    with process(ground, db=db, output_base_path=ground / "out") as (api, running):
        for path in ("samples/1/audio", "exports/1/download"):
            api.get(f"{API}/{path}").raise_for_status()
        before = open_files(running.pid)
        for n in range(100):
            leave_early(api, "samples/1/audio", n % 2)
            leave_early(api, "exports/1/download", n % 2)
        assert api.get(f"{API}/samples/1/audio").status_code == 200
        until(lambda: open_files(running.pid) <= before + 3, 15)


def test_a_process_that_may_open_no_more_files_says_so(ground: Path, db: Path) -> None:
    """The advice to repair the database would be wrong, and dangerous."""
    with process(ground, db=db, output_base_path=ground / "out") as (api, running):
        api.get(f"{API}/exports/1/download").raise_for_status()
        hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)[1]
        full = max(int(name) for name in os.listdir(f"/proc/{running.pid}/fd")) + 1
        fds = {int(name) for name in os.listdir(f"/proc/{running.pid}/fd")}
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (min(set(range(full + 1)) - fds), hard))
        asked = [("GET", "samples"), ("GET", "samples/1/audio"), ("GET", "exports/1/download"), ("GET", "preferences")]
        for method, path in [*asked, ("POST", "samples/1/export"), ("POST", "kits/1/export")]:
            answer = api.request(method, f"{API}/{path}")
            problem(answer, 503, "Too many files are open")
            assert answer.headers["retry-after"]
            assert "repair" not in answer.text
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert api.get(f"{API}/samples").status_code == 200
        assert api.post(f"{API}/samples/1/export").status_code == 200


def test_a_pipe_in_the_place_of_the_database_is_an_error_at_once(
    ground: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.unlink()
    os.mkfifo(db)
    with served(monkeypatch, db=db, output_base_path=ground / "out") as api:
        api.timeout = 10
        for answer in (api.get(f"{API}/samples"), api.get(f"{API}/preferences"), api.post(f"{API}/samples/1/export")):
            problem(answer, 500, "The database cannot be used: r.duckdb: it is a pipe, not a file")


def test_half_open_connections_shut_nobody_out(ground: Path, db: Path) -> None:
    """More than the process may have files; each client still has its answer, and the log says it once."""
    with process(ground, most_files=1024, db=db, output_base_path=ground / "out") as (api, running):
        silent = []
        for n in range(1_100):
            silent.append(socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10))
            silent[-1].sendall(b"POST / HTTP/1.1\r\nHost: loc" if n % 2 else b"")
        for path in ("samples", "samples/1/audio", "exports/1/download"):
            begun = time.monotonic()
            assert httpx.get(f"{api.base_url}{API}/{path}", timeout=10).status_code == 200
            assert time.monotonic() - begun < 5
        assert open_files(running.pid) < 600
        assert (ground / "api.log").stat().st_size < 2_000
        for each in silent:
            each.close()


def test_a_signal_ends_the_server_in_five_seconds_and_tells_who_waits(ground: Path, db: Path) -> None:
    """The workers are made to stand still with a sample in hand; one client reads nothing of its download."""
    with (ground / "lib/bass.mp3").open("ab") as file:
        file.truncate(LARGE_BYTES)
    with process(ground, db=db, output_base_path=ground / "out", workers=2) as (api, running):
        with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(f"GET {API}/samples/2/audio HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert slow.recv(10)
            for pid in children(running.pid):
                os.kill(pid, signal.SIGSTOP)
            answers: list[httpx.Response] = []

            def ask(path: str) -> None:
                method = "POST" if path.endswith("export") else "GET"
                answers.append(httpx.request(method, f"{api.base_url}{API}/{path}", timeout=60))

            waiting = [threading.Thread(target=ask, args=(f"samples/{path}",)) for path in ("1/export", "3/export", "1/peaks")]
            for each in waiting:
                each.start()
            time.sleep(1.5)
            assert not answers
            begun = time.monotonic()
            running.terminate()
            running.wait(20)
            assert time.monotonic() - begun < 5
            for each in waiting:
                each.join(10)
        assert len(answers) == 3
        for answer in answers:
            problem(answer, 503, "Stopped before it was done")
    with process(ground, db=db, output_base_path=ground / "out") as (api, _):
        assert api.post(f"{API}/samples/1/export").json()["success"]


def test_clients_that_wait_for_waveforms_starve_nobody(ground: Path, db: Path) -> None:
    """The workers are made to stand still; they go on when everybody else had an answer."""
    with process(ground, db=db, output_base_path=ground / "out", workers=2) as (api, running):
        workers = children(running.pid)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(httpx.get(f"{api.base_url}{API}/samples/1/peaks", timeout=60))

        waiting = [threading.Thread(target=ask) for _ in range(60)]
        for each in waiting:
            each.start()
        until(lambda: len(answers) == 50, 15)
        for answer in answers:
            problem(answer, 503, "Too many requests are waiting: other waveforms")
            assert answer.headers["retry-after"]
        for path in ("samples", "kits/1", "samples/1/audio", "exports/1/download"):
            begun = time.monotonic()
            assert httpx.get(f"{api.base_url}{API}/{path}", timeout=30).status_code == 200
            assert time.monotonic() - begun < 3
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        for each in waiting:
            each.join(60)
        assert [answer.status_code for answer in answers[50:]] == [200] * 10
