"""Exports on other machines' terms: workers of a work pool and of a Dask cluster, each a process with a home of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.export.request import resolve
from schemas.enums import Runner
from schemas.errors import RequestError
from schemas.report import BatchExportResult
from tasks.convert.progress import Progress
from tests.support import ROOT, audio, worked
from tests.support.processes import pids_at
from tests.support.waiting import until

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]
POOL = "studio"


class Machine:
    """A Prefect worker with a home and a work folder of its own, which takes one slice at a time."""

    def __init__(self, folder: Path, api: str) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self._environment = os.environ | {"PREFECT_HOME": str(self.home), "PREFECT_API_URL": api, "HOME": str(self.home)}
        # A checkout is not installed on the tests' machine alone.
        self._environment["PYTHONPATH"] = str(ROOT)
        self.log = folder / "worker.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", POOL]
            self.process = subprocess.Popen(
                [*command, "--limit", "1", "--name", folder.name], env=self._environment, cwd=folder, stdout=log, stderr=log
            )

    def pids(self) -> list[int]:
        return pids_at(self.home)

    def die(self) -> None:
        """All at once, as when the power goes."""
        for _ in range(2):
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def machines(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[list[Machine]]:
    folder = tmp_path_factory.mktemp("machines")
    with client() as asked, suppress(Exception):  # the second time it is there
        asked.request("POST", "/work_pools/", json={"name": POOL, "type": "process"})
    made = [Machine(folder / name, prefect_server) for name in ("one", "two")]
    try:
        until(lambda: online() == 2, 90)
        yield made
    finally:
        for machine in made:
            machine.die()
        forget_workers()


def client() -> Any:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def online() -> int:
    with client() as asked:
        found = asked.request("POST", f"/work_pools/{POOL}/workers/filter", json={}).json()
    return sum(worker["status"] == "ONLINE" for worker in found)


def forget_workers() -> None:
    with client() as asked:
        for worker in asked.request("POST", f"/work_pools/{POOL}/workers/filter", json={}).json():
            asked.request("DELETE", f"/work_pools/{POOL}/workers/{worker['name']}")


def library(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        audio.write(folder / f"noise{n}.wav", audio.noise(66_150, seed=n), 44_100, "WAV", "PCM_16")
    manifest = folder / "m.csv"
    manifest.write_text("file_path\n" + "".join(f"noise{n}.wav\n" for n in range(count)), encoding="utf-8")
    return manifest


def exported(manifest: Path, folder: Path, runner: Runner, **more: Any) -> BatchExportResult:
    from flows.orchestration import flow

    request = worked.request(manifest, folder).model_copy(update={"runner": runner, **more})
    return flow.run_flow_and_wait(resolve(request), Progress())


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file below the output folder, hidden ones too; metadata without the line of the export."""
    files = (path for path in (folder / "out").rglob("*") if path.is_file())
    return {str(path.relative_to(folder / "out")): path.read_bytes() for path in files}


def records(folder: Path) -> list[tuple[Any, ...]]:
    """What is recorded of each row, but for seconds and paths of this test."""
    with duckdb.connect(str(folder / "records.duckdb")) as connection:
        rows = connection.execute(
            "SELECT manifest_line, sample_id, status, output_subfolder, output_filename, error_message, reason, output_bytes,"
            " output_frames, content_hash, file_hash, settings_hash, owns_output FROM sp404_export_samples"
            " ORDER BY manifest_line"
        ).fetchall()
        standing = connection.execute(
            "SELECT path, file_hash, output_hash, source_hash, metadata_hash IS NULL FROM outputs ORDER BY path"
        ).fetchall()
    return rows + standing


def unfinished() -> list[str]:
    """The names of all runs, of flows and of tasks, that are said to be at work."""
    body = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    with client() as asked:
        flows = asked.request("POST", "/flow_runs/filter", json={"flow_runs": body}).json()
        tasks = asked.request("POST", "/task_runs/filter", json={"task_runs": body}).json()
    return [run["name"] for run in [*flows, *tasks]]


def test_a_pool_makes_the_same_files_and_the_same_records_as_threads(tmp_path: Path, machines: list[Machine]) -> None:
    manifest = worked.make(tmp_path / "library")
    for runner in (Runner.THREADS, Runner.POOL):
        (tmp_path / runner).mkdir()
        batch = exported(manifest, tmp_path / runner, runner, work_pool=POOL)
        worked.check(batch, tmp_path / runner, manifest.parent)
    assert outputs(tmp_path / "pool") == outputs(tmp_path / "threads")
    assert records(tmp_path / "pool") == records(tmp_path / "threads")
    again = exported(manifest, tmp_path / "pool", Runner.POOL, work_pool=POOL)
    assert again.counts() == "9 unchanged, 1 failed of 10"


def test_what_a_machine_had_in_hand_when_it_died_is_done_by_the_other_once(
    tmp_path: Path, machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.orchestration import work_pool

    monkeypatch.setattr(work_pool, "_SILENCE_SECONDS", 8.0)
    manifest = library(tmp_path / "library", 300)
    (tmp_path / "threads").mkdir()
    (tmp_path / "pool").mkdir()
    exported(manifest, tmp_path / "threads", Runner.THREADS)
    killed = threading.Thread(target=kill_in_the_middle, args=(machines[1], tmp_path / "pool"))
    killed.start()
    batch = exported(manifest, tmp_path / "pool", Runner.POOL, work_pool=POOL)
    killed.join()
    assert not machines[1].pids(), "it died while it had a slice"
    assert batch.counts() == "300 exported of 300"
    assert outputs(tmp_path / "pool") == outputs(tmp_path / "threads")
    assert records(tmp_path / "pool") == records(tmp_path / "threads")
    until(lambda: unfinished() == [], 20, why=unfinished)  # what ended well may be said a moment later
    with client() as asked:
        slices = asked.request("POST", "/flow_runs/filter", json={"flow_runs": {"name": {"like_": "attempt 2"}}}).json()
    assert [run["state"]["type"] for run in slices] == ["COMPLETED"]


def kill_in_the_middle(machine: Machine, folder: Path) -> None:
    """When it converts: when it has files in the making, or has answered for some shards and not for all."""

    def at_work() -> bool:
        return b"tasks.isolation.worker" in b"".join(cmdline(pid) for pid in machine.pids())

    until(at_work, 120)
    machine.die()


def cmdline(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_pool_that_is_none_or_has_no_workers_is_said_in_words(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    with pytest.raises(RequestError, match="There is no work pool 'elsewhere'") as refused:
        exported(manifest, tmp_path, Runner.POOL, work_pool="elsewhere")
    assert "prefect worker start --type process --pool elsewhere" in refused.value.fix
    with client() as asked:
        asked.request("POST", "/work_pools/", json={"name": "idle", "type": "process"})
    with pytest.raises(RequestError, match="No worker of the work pool 'idle' is online"):
        exported(manifest, tmp_path, Runner.POOL, work_pool="idle")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a Dask scheduler with two workers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet = {"env": environment, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started = [subprocess.Popen([*scheduler, "--no-dashboard"], **quiet)]
    started += [subprocess.Popen([*worker, "--local-directory", str(tmp_path / f"dask{n}")], **quiet) for n in range(2)]
    try:
        yield address
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def test_a_dask_cluster_does_the_same(tmp_path: Path, cluster: str) -> None:
    manifest = worked.make(tmp_path / "library")
    batch = exported(manifest, tmp_path, Runner.DASK, dask_address=cluster)
    worked.check(batch, tmp_path, manifest.parent)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_scheduler_that_does_not_answer_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.orchestration import flow

    monkeypatch.setattr(flow, "_DASK_SECONDS", 1)
    manifest = worked.make(tmp_path / "library")
    for address in ("tcp://127.0.0.1:9", "no address at all"):
        with pytest.raises(RequestError, match="No Dask scheduler answers at"):
            exported(manifest, tmp_path, Runner.DASK, dask_address=address)
    assert not (tmp_path / "out").exists()
