"""Machines of a Prefect work pool and of a Dask cluster: processes with homes and work folders of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.orchestration.prefect_server import free_port
from tests.support import ROOT
from tests.support.prefect_runs import prefect_client
from tests.support.processes import pids_at
from tests.support.waiting import until

POOL = "studio"
# A worker imports all of Prefect first, beside the other one and a server.
_ONLINE_SECONDS = 240


class Machine:
    """A Prefect worker that takes one slice at a time."""

    def __init__(self, folder: Path, api: str) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        environment = os.environ | {"PREFECT_HOME": str(self.home), "PREFECT_API_URL": api, "HOME": str(self.home)}
        # Another machine would have the package installed.
        environment |= {"PYTHONPATH": str(ROOT), "PREFECT_WORKER_QUERY_SECONDS": "2"}  # 10 by default
        with (folder / "worker.log").open("wb") as log:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", POOL]
            command += ["--limit", "1", "--name", folder.name]
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    def pids(self) -> list[int]:
        """Return all its processes."""
        return pids_at(self.home)

    def is_converting(self) -> bool:
        """Return whether it has begun with a slice: whether a process that decodes is running."""
        return any(b"tasks.isolation.worker" in _command_line(pid) for pid in self.pids())

    def die(self) -> None:
        """Kill all its processes at once, as when the power goes."""
        for _ in range(2):
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def two_machines(folder: Path, api: str) -> Iterator[list[Machine]]:
    """Start two workers of the pool, and wait until both are online."""
    with prefect_client() as client, suppress(Exception):  # the second time it is there
        client.request("POST", "/work_pools/", json={"name": POOL, "type": "process"})
    machines = [Machine(folder / name, api) for name in ("one", "two")]
    try:
        until(lambda: _count_online() == 2, _ONLINE_SECONDS)
        yield machines
    finally:
        for machine in machines:
            machine.die()
        _forget_workers()


@contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """Start a Dask scheduler with two workers, and yield its address."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet = {"env": environment, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started = [subprocess.Popen([*scheduler, "--no-dashboard"], **quiet)]
    started += [subprocess.Popen([*worker, "--local-directory", str(folder / f"dask{n}")], **quiet) for n in range(2)]
    try:
        yield address
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _count_online() -> int:
    with prefect_client() as client:
        workers = client.request("POST", f"/work_pools/{POOL}/workers/filter", json={}).json()
    return sum(worker["status"] == "ONLINE" for worker in workers)


def _forget_workers() -> None:
    with prefect_client() as client:
        for worker in client.request("POST", f"/work_pools/{POOL}/workers/filter", json={}).json():
            client.request("DELETE", f"/work_pools/{POOL}/workers/{worker['name']}")


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
