"""``sp404 up``: run a Prefect server, the runner of the deployments and the REST API until a signal comes.

Knows no Prefect: it starts processes, checks their health, restarts them, and ends them.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

from config.schedules import next_time
from config.settings import Settings, SettingsInForce
from flows.orchestration import prefect_server
from schemas.errors import AlreadyUpError, PortTakenError, ServicePartError
from tasks.store.export_lock import lock_file

_START_SECONDS = 120.0
_STOP_SECONDS = 8.0
_POLL_SECONDS = 0.3
_NEWS_SECONDS = 20.0
# A process that dies as soon as it is started is restarted ever more slowly.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
# Runs on demand wait for the export before them, instead of failing after a minute.
_LOCK_WAIT_SECONDS = "3600"
# Who listens at a port that is taken is only asked to name it.
_ANSWER_SECONDS = 1.0
_HOW_ELSEWHERE = "; elsewhere: SP404_API_ROOT=FOLDER sp404 up"
_NO_LIBRARY = "Nightly   nothing: the setting `library` names no manifest, as in SP404_LIBRARY=library.csv sp404 up"


@dataclass
class _Service:
    """A process that has to be there.

    Attributes:
        is_healthy: Asked until it first answers True.
        pause: Seconds to wait before the next restart.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    is_healthy: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = field(default=_FIRST_PAUSE_SECONDS)

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is ours to hand on, in the right order.
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.started = time.monotonic()

    def restart(self) -> None:
        """Start it again; next time after a longer pause, unless it ran for a minute."""
        is_stable = time.monotonic() - self.started > _LONGEST_PAUSE_SECONDS
        self.pause = _FIRST_PAUSE_SECONDS if is_stable else min(self.pause * 2, _LONGEST_PAUSE_SECONDS)
        self.start()

    def wait_until_healthy(self) -> None:
        """Wait until it answers.

        Raises:
            ServicePartError: It ended, or does not answer after two minutes.
        """
        while not self.is_healthy():
            if self.process is None or self.process.poll() is not None:
                raise ServicePartError(name=self.name, what="ended at once", log=str(self.log), last=_last_line(self.log))
            if time.monotonic() - self.started > _START_SECONDS:
                what = f"does not answer after {_START_SECONDS:.0f} s"
                raise ServicePartError(name=self.name, what=what, log=str(self.log), last=_last_line(self.log))
            time.sleep(_POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all below it."""
        if self.process:
            for pid in [self.process.pid, *_descendants(self.process.pid)]:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def wait_for_end(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it has ended."""
        try:
            if self.process:
                self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return False
        return True


def run_services(
    in_force: SettingsInForce, home: str, port: int, say: Callable[[str], None], open_page: bool = False, *, typed: str = ""
) -> None:
    """Run all processes until a signal ends this one.

    Args:
        in_force: The settings.
        home: The folder of Prefect's data and of the logs.
        port: The port of the Prefect server.
        say: Takes each line for the user.
        open_page: Open the web page in the browser as soon as it answers.
        typed: The other options that the command was given, for a command that can be typed instead.

    Raises:
        AlreadyUpError: Another ``sp404 up`` runs with this folder.
        PortTakenError: A port is taken.
        ServicePartError: A process does not come up.
    """
    folder, settings = Path(home), in_force.settings
    check_schedules(settings)
    folder.mkdir(parents=True, exist_ok=True)
    api = f"http://{prefect_server.HOST}:{port}/api"
    with lock_file(folder / "up.lock", lambda owner: AlreadyUpError(path=home, owner=owner)), _obeying_one_signal():
        _check_ports(port, in_force, typed)
        server, runner, rest = services = _make_services(in_force, folder, port, api)
        try:
            say("Starting the web page and Prefect ...")
            server.start()
            rest.start()
            rest.wait_until_healthy()
            say(f"Page      {settings.page_address()}")
            say(f"REST API  http://{settings.api_host}:{settings.api_port}/docs")
            say(f"Folders   the page scans and exports below {settings.client_folder()}{_HOW_ELSEWHERE}")
            server.wait_until_healthy()
            say(f"Prefect   http://{prefect_server.HOST}:{port}")
            say(f"API       {api} (PREFECT_API_URL for `prefect` and other shells)")
            say("Starting the runner of nightly runs ...")
            if ended := prefect_server.end_interrupted_runs(api):
                say(f"Interrupted when this was stopped: {', '.join(ended)}; the next run goes on with it")
            runner.start()
            runner.wait_until_healthy()
            say(f"Data      {folder} (logs: {', '.join(service.log.name for service in services)})")
            for line in describe_nightly(settings, api.removesuffix("/api")):
                say(line)
            say(f"Verify    all that was exported, next: {_next(settings, 'verify_cron')}")
            say("Ctrl-C stops all.")
            prefect_server.publish_api(api, **settings.model_dump(include=set(prefect_server.PUBLISHED_SETTINGS)))
            if open_page:
                _open(settings.page_address(), say)
            _watch(services, say, _Nights(api, settings))
        finally:
            prefect_server.withdraw_api()
            _stop(services)


def check_schedules(settings: Settings) -> None:
    """Raise RequestError where a schedule cannot be read: it names the setting, before anything is started or installed."""
    for name in ("nightly_cron", "verify_cron"):
        next_time(name, getattr(settings, name), settings.timezone)


def describe_nightly(settings: Settings, ui: str) -> Iterator[str]:
    """Yield the lines that say what is exported every night, when it is next, and where its runs are seen, below ``ui``."""
    if not settings.library:
        yield _NO_LIBRARY
        return
    if not os.path.exists(settings.library):
        yield f"Nightly   {settings.library} does not exist: the setting `library` names it"
        return
    card = f", and the card {settings.nightly_card}" if settings.nightly_card else "; no card: set nightly_card"
    where = f"{settings.organize_by}, {settings.format}, to {settings.output_base_path}{card}"
    yield f"Nightly   {settings.library}, next: {_next(settings, 'nightly_cron')}"
    yield f"          {where}; `sp404 config` shows all that it goes by; changes count from the next night on"
    # The tab Runs of the deployment's own page lists only states that Prefect has names for.
    yield f"          how the nights went: {ui}/runs?tag=nightly, or sp404 status"
    yield f"          one now: {prefect_server.run_command(f'{ui}/api', prefect_server.NIGHTLY)}"


def _next(settings: Settings, name: str) -> str:
    due = next_time(name, getattr(settings, name), settings.timezone)
    return f"{due:%a %d %b %H:%M} {settings.timezone or due.tzname()}"


def _make_services(in_force: SettingsInForce, folder: Path, port: int, api: str) -> list[_Service]:
    settings = in_force.settings
    prefect_server.set_defaults()
    common = os.environ | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_API_HOST": prefect_server.HOST,
        "PREFECT_SERVER_API_PORT": str(port),
    }
    common.pop("PREFECT_API_URL", None)
    # Without it the server, which has no address of a client, cannot say where a run is to be seen.
    common.setdefault("PREFECT_UI_URL", api.removesuffix("/api"))
    client = common | {"PREFECT_API_URL": api, "SP404_DB": settings.db, "SP404_API_PORT": str(settings.api_port)}
    if in_force.sources["lock_wait_seconds"] == "built-in":
        client["SP404_LOCK_WAIT_SECONDS"] = _LOCK_WAIT_SECONDS
    wanted = set(prefect_server.DEPLOYMENTS) - (set() if settings.library else {prefect_server.NIGHTLY})
    started = time.time()
    serve = [sys.executable, "-m", "prefect", "server", "start"]
    run = [sys.executable, "-c", "from flows.orchestration.deployments import main; main()"]
    rest = [sys.executable, "-m", "flows.api"]
    return [
        _Service("Prefect server", serve, common, folder / "server.log", lambda: prefect_server.is_healthy(api)),
        _Service("runner", run, client, folder / "runner.log", lambda: wanted <= _list_deployed(api, started)),
        _Service(
            "REST API", rest, client, folder / "api.log", lambda: _accepts_connections(settings.api_host, settings.api_port)
        ),
    ]


def _open(address: str, say: Callable[[str], None]) -> None:
    """Open a page in the browser, which in a terminal alone may be a program that stays: so it is not waited for."""

    def open_browser() -> None:
        if not webbrowser.open(address):
            say(f"There is no browser here. Open {address} yourself.")

    threading.Thread(target=open_browser, daemon=True).start()


def _list_deployed(api: str, since: float) -> set[str]:
    """Return the deployments that were written to the server since we started: not those of an earlier run."""
    try:
        deployments = prefect_server.request_json(api, "/deployments/filter", {"limit": 200})
    except (OSError, ValueError):
        return set()
    return {deployment["name"] for deployment in deployments if _seconds(deployment["updated"]) >= since - 1}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _accepts_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _check_ports(port: int, in_force: SettingsInForce, typed: str) -> None:
    """Check that both ports are free. Raises PortTakenError, with the whole command that chooses other ones."""
    api_port = in_force.settings.api_port
    owners = {"--port": _owner_of(port), "--api-port": _owner_of(api_port)}
    if port == api_port and not owners["--port"]:
        owners["--api-port"] = "Prefect: it is that of --port, too"
    taken = {option: owner for option, owner in owners.items() if owner}
    if not taken:
        return
    option, owner = next(iter(taken.items()))
    wanted = {"--port": port, "--api-port": api_port}
    chosen: dict[str, int] = {}
    for name in taken:
        chosen[name] = _next_free(wanted[name], {*wanted.values(), *chosen.values()})
    is_typed = {"--port": port != prefect_server.PORT, "--api-port": in_force.sources["api_port"] == "command line"}
    options = [f"{name} {chosen.get(name, wanted[name])}" for name in wanted if name in chosen or is_typed[name]]
    raise PortTakenError(port=wanted[option], owner=owner, options=" ".join(filter(None, [*options, typed])))


def _owner_of(port: int) -> str:
    """Return what listens at a port, as far as it is known; empty where it is free."""
    if _is_free(port):
        return ""
    is_ours = prefect_server.is_healthy(f"http://{prefect_server.HOST}:{port}/api", _ANSWER_SECONDS)
    return "a Prefect server" if is_ours else "another program"


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((prefect_server.HOST, port))
        except OSError:
            return False
    return True


def _next_free(port: int, besides: set[int]) -> int:
    """Return the next port that is free now and not among ``besides``."""
    after = (number for number in range(port + 1, 65_536) if number not in besides and _is_free(number))
    return next(after, None) or prefect_server.free_port()


class _Nights:
    """Tells of nightly runs that have ended: the server at ``api`` is asked now and then, which costs little."""

    def __init__(self, api: str, settings: Settings) -> None:
        self.api, self.settings = api, settings
        self._told, self._due = self._ask(), time.monotonic() + _NEWS_SECONDS

    def news(self) -> Iterator[str]:
        """Yield the line of the last run, if it ended since that was last asked."""
        if time.monotonic() < self._due:
            return
        run, self._due = self._ask(), time.monotonic() + _NEWS_SECONDS
        if run and run["end_time"] and run["id"] != (self._told or {}).get("id"):
            self._told = run
            zone = ZoneInfo(self.settings.timezone) if self.settings.timezone else None
            ended = datetime.fromisoformat(run["end_time"]).astimezone(zone)
            state, message = run["state"], (run["state"]["message"] or "").partition("\n")[0]
            if state["type"] == "COMPLETED":
                message = f"{message.partition('. ')[0]}: sp404 status"  # which tells what is new, and what is mended
            yield f"Nightly   {ended:%a %H:%M}, {state['name']}: {message}"
            yield f"          next: {_next(self.settings, 'nightly_cron')}"

    def _ask(self) -> dict[str, Any] | None:
        return prefect_server.last_run_of(self.api, prefect_server.NIGHTLY) if self.settings.library else None


def _watch(services: list[_Service], say: Callable[[str], None], nights: _Nights) -> None:
    """Restart what ends by itself, and tell of the nights."""
    while True:
        time.sleep(_POLL_SECONDS)
        for line in nights.news():
            say(line)
        for service in services:
            if service.process and service.process.poll() is not None:
                ended = _describe_status(service.process.returncode)
                say(f"The {service.name} ended ({ended}): starting it again in {service.pause:.0f} s. See {service.log}")
                time.sleep(service.pause)
                service.restart()


def _describe_status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def _stop(services: list[_Service]) -> None:
    """Stop the server last, so that what the runner runs can still report how it ended. Kill what does not end."""
    deadline = time.monotonic() + _STOP_SECONDS
    for service in reversed(services):
        service.signal(signal.SIGTERM)
        left = deadline - time.monotonic() - (2.0 if service is not services[0] else 0.0)
        if not service.wait_for_end(left):
            service.signal(signal.SIGKILL)
            service.wait_for_end(1.0)


@contextmanager
def _obeying_one_signal() -> Iterator[None]:
    """Hand on the first signal that asks for the end, and ignore others: they would leave half of the processes running.

    Two can come at once: ``uv run`` hands on what a group of processes was sent.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # What is ignored, as in a script's background, stays so.
    kept = {int(number): handler for number in numbers if callable(handler := signal.getsignal(number))}

    def obey(number: int, frame: FrameType | None) -> None:
        for each in kept:  # SIG_IGN would make Python complain of one that has come already
            signal.signal(each, lambda _number, _frame: None)
        kept[number](number, frame)

    try:
        for number in kept:
            signal.signal(number, obey)
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _descendants(pid: int) -> list[int]:
    """Return the processes below ``pid``, as Linux lists them; none on other systems."""
    pids: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                pids += [int(child), *_descendants(int(child))]
    return pids


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""
    return ""
