"""``sp404 up`` as a person has it: one command, real processes, on a home of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from config.settings import load
from schemas.errors import RequestError
from tasks.sound import synth

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)
    return found


class Desk:
    """A running ``sp404 up``, and questions to its server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.home = folder / "home"
        self.library = folder / "lib/m.csv"
        self.library.parent.mkdir()
        for n in range(3):
            synth.write(self.library.with_name(f"{n}.wav"), synth.bass(44_100, 40 + n, 0.2), 44_100)
        self.library.write_text("file_path\n0.wav\n1.wav\n2.wav\n", encoding="utf-8")
        self.environment = os.environ | {
            "SP404_LIBRARY": str(self.library),
            "SP404_DB": str(folder / "r.duckdb"),
            "SP404_OUTPUT_BASE_PATH": str(folder / "out"),
            "SP404_TIMEZONE": "Europe/Berlin",
        }
        self.environment.pop("PREFECT_API_URL", None)
        self.said = folder / "said.txt"

    def command(self, *more: object) -> list[str]:
        where = ("--home", self.home, "--port", self.port)
        return [sys.executable, "-m", "flows.cli", "up", *map(str, more or where)]

    def start(self) -> "subprocess.Popen[bytes]":
        with self.said.open("wb") as said:
            return subprocess.Popen(self.command(), env=self.environment, cwd=ROOT, stdout=said, stderr=said)

    def another(self, *more: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*more), env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}/api{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=10
        ) as answer:
            return json.load(answer)

    def pids(self) -> list[int]:
        """Every process that has this home in its environment."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if f"PREFECT_HOME={self.home}".encode() in environment.split(b"\0"):
                found.append(int(folder.name))
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"))
    running = made.start()
    try:
        until(lambda: "Ctrl-C stops all" in made.said.read_text() or running.poll() is not None, 150)
        assert running.poll() is None, made.said.read_text()
        yield made
        begun = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=10) == 0
        assert time.monotonic() - begun < 10
        assert made.said.read_text().rstrip().endswith("Stopped.")
        assert made.pids() == [], "nothing of it is left"
    finally:
        for pid in [running.pid, *made.pids()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_all_deployments_are_served_with_their_schedules(desk: Desk) -> None:
    found = {one["name"]: one for one in desk.ask("/deployments/filter", {})}
    assert set(found) == {"library-nightly", "manifest", "kit", "verify-weekly"}
    assert all(one["entrypoint"].startswith("flows.") for one in found.values()), "modules, no paths"
    nightly = found["library-nightly"]["schedules"][0]["schedule"]
    assert (nightly["cron"], nightly["timezone"]) == ("0 3 * * *", "Europe/Berlin")
    assert found["library-nightly"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    form = found["manifest"]["parameter_openapi_schema"]
    assert "organize_by" in json.dumps(form)


def test_a_run_on_demand_exports_and_another_verifies(desk: Desk) -> None:
    ids = {one["name"]: one["id"] for one in desk.ask("/deployments/filter", {})}

    def ended(deployment: str, parameters: dict[str, Any]) -> Any:
        run = desk.ask(f"/deployments/{ids[deployment]}/create_flow_run", {"parameters": parameters})
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return until(lambda: (now := desk.ask(f"/flow_runs/{run['id']}"))["state"]["type"] in final and now, 90)["state"]

    state = ended("manifest", {"request": {"manifest": str(desk.library), "config": {"organize_by": "flat"}}})
    assert (state["type"], state["message"]) == ("COMPLETED", "3 exported of 3")
    with duckdb.connect(str(desk.folder / "r.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM sp404_exports").fetchall() == [(1,)]
    state = ended("verify-weekly", {})
    assert (state["type"], state["message"]) == ("COMPLETED", "6 of 6 files as they were written")
    next((desk.folder / "out").glob("*.wav")).unlink()
    state = ended("verify-weekly", {})
    assert state["type"] == "FAILED"
    assert "1 missing" in state["message"]


def test_a_part_that_dies_is_started_again(desk: Desk) -> None:
    runner = next(pid for pid in desk.pids() if b"flows.deployments" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(runner, signal.SIGKILL)
    until(lambda: "The runner ended (signal 9): starting it again" in desk.said.read_text(), 20)
    new = until(lambda: [p for p in desk.pids() if b"flows.deployments" in Path(f"/proc/{p}/cmdline").read_bytes()], 20)
    assert runner not in new


def test_a_second_one_and_a_taken_port_are_refused_in_words(desk: Desk, tmp_path: Path) -> None:
    again = desk.another()
    assert again.returncode == 3
    assert "is running already: process " in again.stderr
    elsewhere = desk.another("--home", tmp_path, "--port", desk.port)
    assert elsewhere.returncode == 3
    assert f"Port {desk.port} is taken by a Prefect server" in elsewhere.stderr
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Port {port} is taken by another program" in desk.another("--home", tmp_path, "--port", port).stderr


def test_a_service_is_printed_and_nothing_started(desk: Desk, tmp_path: Path) -> None:
    said = desk.another("--install-service", "--home", tmp_path / "new")
    assert said.returncode == 0
    assert f"--db {desk.folder / 'r.duckdb'}" in said.stdout
    assert f'Environment="SP404_LIBRARY={desk.library}"' in said.stdout
    assert "systemctl --user" in said.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", "CET+1"])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(RequestError, match="timezone"):
        load({"timezone": zone}, lambda _path, _seconds: {})
