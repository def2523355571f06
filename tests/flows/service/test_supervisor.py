"""``sp404 up`` as a person has it: one command, real processes, on a home of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from config.settings import load
from flows.api.activity import command_of
from flows.cli.exit_status import TerminationSignal, raise_on_termination, restore_ctrl_c
from flows.orchestration import prefect_server
from flows.orchestration.prefect_server import free_port
from flows.service import supervisor
from schemas.errors import RequestError
from tasks.audio import synth
from tests.support import ROOT
from tests.support.command_line import Run, Said, one_clear_error
from tests.support.processes import pids_at
from tests.support.tools import tool
from tests.support.waiting import until

# Prefect's automations see an event when they come to it.
_TOLD_SECONDS = 90


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:4404/"),
        ("0.0.0.0", "http://127.0.0.1:4404/"),
        ("::", "http://[::1]:4404/"),
        ("studio.local", "http://studio.local:4404/"),
    ],
)
def test_where_the_page_is(host: str, address: str) -> None:
    assert load({"api_host": host, "api_port": 4404}, lambda _db, _seconds: {}).settings.page_address() == address


def test_the_page_comes_first_and_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    opened: list[str] = []
    parts = [SimpleNamespace(log=tmp_path / name) for name in ("server", "runner", "rest")]
    for part in parts:
        part.start = part.wait_until_healthy = lambda: None
    monkeypatch.setattr(supervisor, "_make_services", lambda *_: parts)
    for name in ("_watch", "_stop"):
        monkeypatch.setattr(supervisor, name, lambda *_: None)
    monkeypatch.setattr(supervisor.prefect_server, "publish_api", lambda _api, **_settings: None)
    monkeypatch.setattr(supervisor.prefect_server, "end_interrupted_runs", lambda _api: ["a night"])
    monkeypatch.setattr(supervisor.webbrowser, "open", opened.append)
    in_force = load({"api_port": free_port()}, lambda _db, _seconds: {})
    address = in_force.settings.page_address()
    supervisor.run_services(in_force, str(tmp_path), free_port(), lines.append)
    assert lines[:2] == ["Starting the web page and Prefect ...", f"Page      {address}"]
    root = in_force.settings.output_base_path
    assert f"Folders   the page scans and exports below {root}; elsewhere: SP404_API_ROOT=FOLDER sp404 up" in lines
    assert "SP404_LIBRARY=" in next(line for line in lines if line.startswith("Nightly"))
    assert "Interrupted when this was stopped: a night; the next run goes on with it" in lines
    assert next(line for line in lines if line.startswith("Verify")).endswith("UTC")
    assert not opened
    supervisor.run_services(in_force, str(tmp_path), free_port(), lines.append, open_page=True)
    until(lambda: lines[-1] == f"There is no browser here. Open {address} yourself.", 10)
    assert opened == [address]


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def retry(said: Said, taken: int) -> list[str]:
    """Return the options of the command that can be typed where a port is taken."""
    one_clear_error(said, 3, f"Port {taken} is taken by another program")
    before, command, options = said.err.partition("Stop it, or choose another one: sp404 up ")
    assert (bool(before), bool(command)) == (True, True), said.err
    return options.split()


def test_a_taken_port_of_the_page_is_answered_with_a_command(
    sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a port that is free, of whichever of both it is, and with what was typed beside it."""
    home, free = tmp_path / "my home", str(free_port())
    with taken_port() as taken:
        name, number, *more = retry(sp404("up", "--port", free, "--api-port", taken, "--home", home), taken)[2:]
        assert (name, more) == ("--api-port", ["--home", *f"'{home}'".split()])
        with socket.socket() as now:
            now.bind(("127.0.0.1", int(number)))
        monkeypatch.setenv("SP404_API_PORT", str(taken))
        assert retry(sp404("up", "--port", free, "--home", home), taken)[:3] == ["--port", free, "--api-port"]
        options = retry(sp404("up", "--port", taken, "--api-port", free, "--home", home), taken)
        assert (options[0], options[2:4]) == ("--port", ["--api-port", free])
        assert options[1] not in (free, str(taken))
        both = retry(sp404("up", "--port", taken, "--home", home), taken)
        assert both[::2][:2] == ["--port", "--api-port"]
        assert len({*both[1:4:2], str(taken)}) == 3


def test_one_port_for_both_is_refused(sp404: Run, tmp_path: Path) -> None:
    port = str(free_port())
    said = sp404("up", "--port", port, "--api-port", port, "--home", tmp_path)
    one_clear_error(said, 3, f"Port {port} is taken by Prefect", f"sp404 up --port {port} --api-port ")


def test_the_page_is_served_at_the_port_that_was_given(sp404: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process reads its settings by itself."""
    seen = []
    monkeypatch.setattr(supervisor, "run_services", lambda in_force, *_, **__: seen.append(in_force))
    assert sp404("up", "--api-port", "4405", "--db", tmp_path / "r.duckdb").status == 0
    (in_force,) = seen
    assert in_force.settings.page_address() == "http://127.0.0.1:4405/"
    *_, rest = supervisor._make_services(in_force, tmp_path, 4200, "http://127.0.0.1:4200/api")
    assert rest.environment["SP404_API_PORT"] == "4405"


@pytest.mark.parametrize(
    ("port", "api_port", "files", "command"),
    [
        (4200, 4404, "", "sp404 up"),
        (4352, 4404, "", "sp404 up --port 4352"),
        (4200, 4452, "", "sp404 up --api-port 4452"),
        (4352, 4452, "", "sp404 up --port 4352 --api-port 4452"),
        (4200, 4452, "4452", "sp404 up"),
        (4200, 4404, "4452", "sp404 up --api-port 4404"),
    ],
)
def test_the_page_knows_the_command_that_starts_it_at_its_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int, api_port: int, files: str, command: str
) -> None:
    """By what its own process is given; what the files say needs no option."""
    if files:
        (tmp_path / "mine.toml").write_text(f"[sp404]\napi_port = {files}\n", encoding="utf-8")
    monkeypatch.setenv("SP404_CONFIG_DIR", str(tmp_path))
    in_force = load({"api_port": api_port}, lambda _db, _seconds: {})
    *_, rest = supervisor._make_services(in_force, tmp_path, port, f"http://127.0.0.1:{port}/api")
    monkeypatch.setattr(os, "environ", dict(rest.environment))
    assert command_of(load({}, lambda _db, _seconds: {}).settings) == command


def test_signals_that_come_together_stop_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``uv run`` hands on what its whole group was sent: the second one must not break off what the first one began."""
    stopped: list[str] = []
    parts = [SimpleNamespace(log=tmp_path / name, name=name) for name in ("server", "runner", "rest")]
    for part in parts:
        part.start = part.wait_until_healthy = lambda: None
        part.signal = lambda _number: time.sleep(0.05)
        part.wait_for_end = lambda _seconds, name=part.name: not stopped.append(name)
    both = {signal.SIGTERM, signal.SIGINT}

    def two_at_once(*_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        try:
            for number in both:
                os.kill(os.getpid(), number)
        finally:  # another thread of a test worker takes them at once, and what is started later would block them for good
            signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        time.sleep(5)

    monkeypatch.setattr(supervisor, "_make_services", lambda *_: parts)
    monkeypatch.setattr(supervisor, "_watch", two_at_once)
    for name in ("publish_api", "withdraw_api", "end_interrupted_runs"):
        monkeypatch.setattr(supervisor.prefect_server, name, lambda *_, **__: time.sleep(0.05))
    before = {number: signal.getsignal(number) for number in both}
    raise_on_termination()
    restore_ctrl_c()  # which is ignored where the tests run in the background
    handlers = {number: signal.getsignal(number) for number in both}
    try:
        in_force = load({"api_port": free_port()}, lambda _db, _seconds: {})
        with pytest.raises((KeyboardInterrupt, TerminationSignal)):
            supervisor.run_services(in_force, str(tmp_path), free_port(), lambda _line: None)
        assert {number: signal.getsignal(number) for number in both} == handlers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert stopped == ["rest", "runner", "server"]


class Listener(ThreadingHTTPServer):
    """A web address that keeps what it is told."""

    def __init__(self) -> None:
        told: list[dict[str, Any]] = []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)
        self.told = told
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Desk:
    """A running ``sp404 up``, and questions to its server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.home = folder / "home"
        self.listener = Listener()
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
            "SP404_NIGHTLY_SCAN": "true",
            "SP404_NOTIFY_URL": f"http://127.0.0.1:{self.listener.server_port}/failed",
            "HOME": str(folder),
            "SP404_API_PORT": str(free_port()),
            "PREFECT_RUNNER_POLL_FREQUENCY": "2",  # the runner looks for runs every 10 s by default
        }
        self.environment.pop("PREFECT_API_URL", None)
        self.said = folder / "said.txt"

    def command(self, *more: object) -> list[str]:
        where = ("--home", self.home, "--port", self.port)
        return [sys.executable, "-m", "flows.cli", "up", *map(str, more or where)]

    def start(self) -> "subprocess.Popen[bytes]":
        with self.said.open("wb") as said:
            return subprocess.Popen(self.command(), env=self.environment, cwd=ROOT, stdout=said, stderr=said)

    def sp404(self, *words: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "flows.cli", *map(str, words)]
        return subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    def another(self, *more: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*more), env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}/api{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)

        def answer() -> list[Any]:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return [json.loads(answer.read() or "null")]
            except urllib.error.HTTPError as error:
                if error.code != 503:  # its database is locked for a moment: Prefect's own clients ask again
                    raise
                return []

        return until(answer, 10, every=0.5, why=lambda: f"{url}: busy for ten seconds")[0]

    def deployment(self, name: str) -> str:
        return next(str(one["id"]) for one in self.ask("/deployments/filter", {}) if one["name"] == name)

    def run(self, deployment: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start a deployment as the UI's form does; the run when it has ended."""
        path = f"/deployments/{self.deployment(deployment)}/create_flow_run"
        return self.ended(self.ask(path, {"parameters": parameters})["id"])

    def ended(self, run_id: str) -> dict[str, Any]:
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return until(lambda: (now := self.ask(f"/flow_runs/{run_id}"))["state"]["type"] in final and now, 300)

    def artifacts(self, run_id: str) -> dict[str, Any]:
        found = self.ask("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
        return {one["key"]: one["data"] for one in found}

    def pids(self) -> list[int]:
        return pids_at(self.home)


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
        assert running.wait(timeout=30) == 0
        assert time.monotonic() - begun < 10
        assert made.said.read_text().rstrip().endswith("Stopped.")
        assert made.pids() == [], "nothing of it is left"
    finally:
        for pid in [running.pid, *made.pids()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.mark.slow
def test_all_deployments_are_served_with_their_schedules(desk: Desk) -> None:
    found = {one["name"]: one for one in desk.ask("/deployments/filter", {})}
    assert set(found) == {"library-nightly", "manifest", "kit", "verify-weekly"}
    assert all(one["entrypoint"].startswith("flows.") for one in found.values()), "modules, no paths"
    nightly = found["library-nightly"]["schedules"][0]["schedule"]
    assert (nightly["cron"], nightly["timezone"]) == ("0 3 * * *", "Europe/Berlin")
    assert found["library-nightly"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    form = found["manifest"]["parameter_openapi_schema"]
    assert "organize_by" in json.dumps(form)


@pytest.mark.slow
def test_a_run_on_demand_exports_and_another_verifies(desk: Desk) -> None:
    state = desk.run("manifest", {"request": {"manifest": str(desk.library), "config": {"organize_by": "flat"}}})["state"]
    assert (state["type"], state["message"]) == ("COMPLETED", "3 exported of 3")
    with duckdb.connect(str(desk.folder / "r.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM sp404_exports").fetchall() == [(1,)]
    state = desk.run("verify-weekly", {})["state"]
    assert (state["type"], state["message"]) == ("COMPLETED", "6 of 6 files as they were written")
    next((desk.folder / "out").glob("*.wav")).unlink()
    state = desk.run("verify-weekly", {})["state"]
    assert state["type"] == "FAILED"
    assert "1 missing" in state["message"]
    told = until(lambda: desk.listener.told, _TOLD_SECONDS)[0]
    assert (told["state"], told["message"]) == ("Failed", state["message"])
    assert "1 missing" in told["text"]
    lost = desk.folder / "lost.csv"
    lost.write_text("file_path\ngone.wav\naway.wav\n", encoding="utf-8")
    run = desk.run("manifest", {"request": {"manifest": str(lost)}})
    (told,) = until(lambda: [told for told in desk.listener.told if told["id"] == run["id"]], _TOLD_SECONDS)
    assert (told["deployment"], told["flow_run"]) == ("manifest", run["name"])
    assert told["url"] == f"http://127.0.0.1:{desk.port}/runs/flow-run/{run['id']}"
    for word in (told["url"], run["name"], "0 exported", "2 failed", "of 2"):
        assert word in told["text"]


@pytest.mark.slow
def test_status_tells_of_runs_that_the_records_know_nothing_of(desk: Desk) -> None:
    """A night whose library is not there ends before it has a record; a verification has none."""
    away = desk.library.with_suffix(".away")
    desk.library.rename(away)
    try:
        assert desk.run("library-nightly", {})["state"]["type"] == "FAILED"
    finally:
        away.rename(desk.library)
    said = desk.sp404("status").stdout
    assert "; last: Failed, just now\n" in said
    (told,) = until(lambda: [line for line in desk.said.read_text().splitlines() if ", Failed: " in line], 60)
    assert told.startswith("Nightly   ")
    assert f"{desk.library}: does not exist" in told
    assert f"{desk.library}: does not exist" in said
    desk.run("library-nightly", {})
    state = json.loads(desk.sp404("status", "--json").stdout)["last_nightly"]
    assert (state["state"], state["is_good"]) == ("Completed", True)


@pytest.mark.slow
def test_a_run_that_was_interrupted_stands_in_the_way_of_no_other(desk: Desk) -> None:
    """As it is after Ctrl-C: *Running*, by a runner that is gone. What a worker of a pool runs is let alone."""
    api = f"http://127.0.0.1:{desk.port}/api"
    nightly = desk.deployment("library-nightly")
    assert "before" not in desk.sp404("status").stdout
    run = desk.ask(f"/deployments/{nightly}/create_flow_run", {"state": {"type": "RUNNING", "name": "Running"}})
    assert "Nightly   one runs now, begun just now; what stands above is of the run before" in desk.sp404("status").stdout
    assert prefect_server.end_interrupted_runs(api) == [run["name"]]
    assert desk.ended(run["id"])["state"]["type"] == "CRASHED"
    assert prefect_server.end_interrupted_runs(api) == []
    assert desk.run("library-nightly", {})["state"]["type"] == "COMPLETED"


@pytest.mark.slow
def test_five_nights_that_a_sleeping_machine_missed_are_made_up_for_by_one(desk: Desk) -> None:
    nightly = desk.deployment("library-nightly")
    ids = []
    for night in range(5, 0, -1):
        due = (datetime.now(UTC) - timedelta(days=night)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
        ids.append(desk.ask(f"/deployments/{nightly}/create_flow_run", {"state": state})["id"])
    states = [desk.ended(run_id)["state"]["type"] for run_id in ids]
    assert sorted(states) == ["CANCELLED"] * 4 + ["COMPLETED"]


@pytest.mark.slow
def test_the_log_of_a_run_warns_of_what_failed(desk: Desk) -> None:
    """So that a person who looks at warnings alone sees it."""
    manifest = desk.folder / "lib/five.csv"
    manifest.write_text("file_path\n0.wav\n1.wav\n2.wav\n0.wav\nnone.wav\n", encoding="utf-8")
    where = {"organize_by": "flat", "output_base_path": str(desk.folder / "five")}
    run = desk.run("manifest", {"request": {"manifest": str(manifest), "config": where}})
    assert run["state"]["name"] == "CompletedWithFailures"
    warnings = {"logs": {"flow_run_id": {"any_": [run["id"]]}, "level": {"ge_": 30}}}
    (warned,) = until(lambda: desk.ask("/logs/filter", warnings), 10)  # which come a moment later
    assert "1 x Audio file not found (none.wav)" in warned["message"]


@pytest.mark.slow
def test_an_export_in_a_terminal_finds_it_and_its_report_says_what_changed(desk: Desk) -> None:
    """By itself, on whatever port it is; a temporary server would be told of on standard error."""
    manifest = desk.folder / "lib/two.csv"
    manifest.write_text("file_path\n0.wav\n1.wav\ngone.wav\n", encoding="utf-8")
    where = ("--out", desk.folder / "two", "--db", desk.folder / "two.duckdb", "--organize-by", "bpm")
    first = desk.sp404("export", manifest, *where)
    assert first.returncode == 1
    assert "temporary" not in first.stderr
    runs = desk.ask("/flow_runs/filter", {"flow_runs": {"name": {"any_": ["two by bpm, 3 samples"]}}})
    assert [run["state"]["message"] for run in runs] == [
        "2 exported, 1 failed of 3: more than 25% (the setting failed_share). 1 x Audio file not found (gone.wav)."
        " All of them: sp404 history --export 1 --failed"
    ]
    assert runs[0]["state"]["type"] == "FAILED"
    artifacts = desk.artifacts(runs[0]["id"])
    assert set(artifacts) >= {"export-report", "files-by-folder", "rejected-samples"}
    assert "2 exported, 1 failed of 3" in artifacts["export-report"]
    assert "- **1 x Audio file not found.** " in artifacts["export-report"]
    assert f"  For example `{desk.library.parent}/gone.wav`: Audio file not found" in artifacts["export-report"]
    assert f"`{desk.folder}/two`" in artifacts["export-report"]
    assert "| unknown_bpm | 2 | \u2588" in artifacts["files-by-folder"]
    assert "dBFS" in artifacts["files-by-folder"]
    (row,) = json.loads(artifacts["rejected-samples"])
    assert list(row)[:2] == ["file", "why"]
    assert (row["line"], row["status"], row["why"]) == (4, "failed", f"Audio file not found: {desk.library.parent}/gone.wav")
    shutil.copyfile(desk.library.parent / "2.wav", desk.library.parent / "gone.wav")
    assert desk.sp404("export", manifest, *where).returncode == 0
    second = desk.ask("/flow_runs/filter", {"flow_runs": {"name": {"any_": ["two by bpm, 3 samples"]}}})
    report = desk.artifacts(next(run["id"] for run in second if run["id"] != runs[0]["id"]))["export-report"]
    assert "| 1 | failed before, and are there now |" in report
    assert f"[export 1](http://127.0.0.1:{desk.port}/" in report
    assert runs[0]["id"] in report


@pytest.mark.tools
@pytest.mark.slow
def test_the_page_of_a_run_shows_its_counts(desk: Desk) -> None:
    """In a browser, as a person sees it."""
    chromium = tool("chromium")
    run = desk.run("manifest", {"request": {"manifest": str(desk.library), "label": "seen in a browser"}})
    page = f"http://127.0.0.1:{desk.port}/v2/runs/flow-run/{run['id']}"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom", page]

    def shows_all() -> bool:  # the page fills itself, sooner or later
        shown = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True).stdout
        return "seen in a browser" in shown and run["state"]["message"] in shown

    assert run["state"]["message"].endswith(" of 3")
    until(shows_all, 240)


@pytest.mark.slow
def test_the_rest_api_exports_under_prefect(desk: Desk) -> None:
    base = f"http://127.0.0.1:{desk.environment['SP404_API_PORT']}/api/v1/sp404"
    assert f"{base.partition('/api')[0]}/docs" in desk.said.read_text()
    with urllib.request.urlopen(f"{base}/samples", timeout=60) as answer:
        assert {sample["title"] for sample in json.load(answer)["items"]} >= {"0", "1", "2"}
    wanted = json.dumps({"output_base_path": "by rest", "organize_by": "bpm"}).encode()
    request = urllib.request.Request(f"{base}/samples/1/export", wanted, {"Content-Type": "application/json"})

    def run_of_export() -> list[Any]:
        """Export, which was possible before Prefect had started, and find the run."""
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert Path(told["output_path"]) == desk.folder / "out/by rest/unknown_bpm/lib_0.wav"  # a number alone says nothing
        assert Path(told["output_path"]).is_file()
        runs = desk.ask("/flow_runs/filter", {"flows": {"name": {"any_": ["export-library"]}}})
        return [run for run in runs if "single" in run["tags"] and run["state"]["type"] == "COMPLETED"]

    assert until(run_of_export, 60, every=1)


@pytest.mark.slow
def test_a_part_that_dies_is_started_again(desk: Desk) -> None:
    runner = next(pid for pid in desk.pids() if b"flows.orchestration.deployments" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(runner, signal.SIGKILL)
    until(lambda: "The runner ended (signal 9): starting it again" in desk.said.read_text(), 20)
    new = until(
        lambda: [p for p in desk.pids() if b"flows.orchestration.deployments" in Path(f"/proc/{p}/cmdline").read_bytes()], 20
    )
    assert runner not in new


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_that_is_killed_does_not_stay_running(desk: Desk) -> None:
    """Its signs of life end; shortened here from a minute and a half."""
    (alarm,) = [one for one in desk.ask("/automations/filter", {}) if "no sign of life" in one["name"]]
    alarm["trigger"]["within"] = 10
    kept = {name: alarm[name] for name in ("name", "description", "enabled", "trigger", "actions")}
    desk.ask(f"/automations/{alarm['id']}", kept, "PUT")
    rows = "".join(f"{n % 3}.wav,{n}\n" for n in range(20_000))
    manifest = desk.folder / "lib/many.csv"
    manifest.write_text("file_path,title\n" + rows, encoding="utf-8")
    command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--out", str(desk.folder / "many")]
    quiet = subprocess.DEVNULL
    doomed = subprocess.Popen([*command, "--full"], env=desk.environment, cwd=ROOT, stdout=quiet, stderr=quiet)
    told = len(desk.listener.told)
    named = {"flow_runs": {"name": {"any_": ["many by flat, 20,000 samples"]}}}
    run = until(lambda: desk.ask("/flow_runs/filter", named), 60)[0]
    doomed.kill()
    doomed.wait()
    state = desk.ended(run["id"])["state"]
    assert (state["type"], state["message"]) == ("CRASHED", "No sign of life for 90 s: its process died.")
    assert until(lambda: desk.listener.told[told:], _TOLD_SECONDS)[0]["state"] == "Crashed"


@pytest.mark.slow
def test_a_service_is_printed_and_nothing_started(desk: Desk, tmp_path: Path) -> None:
    said = desk.another("--install-service", "--home", tmp_path / "new")
    assert said.returncode == 0
    assert f"--db {desk.folder / 'r.duckdb'}" in said.stdout
    assert f'Environment="SP404_LIBRARY={desk.library}"' in said.stdout
    assert "systemctl --user" in said.stderr
    assert "enable-linger" in said.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", "CET+1"])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(RequestError, match="timezone"):
        load({"timezone": zone}, lambda _path, _seconds: {})


@pytest.mark.slow
def test_a_night_exports_what_is_new_in_the_scanned_folders(desk: Desk) -> None:
    before = desk.library.read_text(encoding="utf-8")
    folder = desk.folder / "drums"
    folder.mkdir()
    synth.write(folder / "kick.wav", synth.bass(44_100, 50, 0.2), 44_100)
    scanned = desk.sp404("scan", folder, "-o", desk.library)
    assert scanned.returncode == 0, scanned.stderr
    synth.write(folder / "snare.wav", synth.bass(44_100, 51, 0.2), 44_100)
    run = desk.run("library-nightly", {})
    assert run["state"]["type"] == "COMPLETED"
    with duckdb.connect(str(desk.folder / "r.duckdb")) as connection:
        query = "SELECT source_path FROM sp404_export_samples WHERE status = 'exported' AND starts_with(source_path, ?)"
        there = connection.execute(query, [str(folder)]).fetchall()
    assert sorted(there) == [(str(folder / "kick.wav"),), (str(folder / "snare.wav"),)]
    assert "drums/snare.wav" in desk.library.read_text(encoding="utf-8")
    desk.library.write_text(before, encoding="utf-8")  # for the other tests, which count its rows
    shutil.rmtree(folder)  # so no other night scans anything
