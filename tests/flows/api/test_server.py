"""The serving process: its worker processes are there before the first request, cost nothing while idle, and end with it."""

import os
import time
from pathlib import Path

import pytest

from tests.support.api_library import recorded_library
from tests.support.processes import children
from tests.support.serve import API, process
from tests.support.waiting import until

IDLE_SECONDS = 3.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_workers_are_warm_idle_and_end_with_the_server(tmp_path: Path) -> None:
    db = recorded_library(tmp_path, only_good=True)
    with process(tmp_path, db=db, output_base_path=tmp_path / "out", workers=2) as (api, running):
        workers = children(running.pid)
        assert len(workers) == 2
        assert api.post(f"{API}/samples/1/export").json()["status"] == "exported"
        assert children(running.pid) == workers, "the export started none of its own"
        spent = {pid: cpu_seconds(pid) for pid in [running.pid, *workers]}
        time.sleep(IDLE_SECONDS)
        idle = {pid: cpu_seconds(pid) - before for pid, before in spent.items()}
        assert max(idle.values()) < 0.05 * IDLE_SECONDS, idle
    until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()], 10)
