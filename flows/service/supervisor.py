"""``sp404 up``: a Prefect server, the runner of the deployments and the REST API as one thing, until it is told to stop.

Knows no Prefect: it starts processes, looks whether they are well, starts them again, and ends them.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from config.settings import InForce
from flows.orchestration import prefect_server
from schemas.errors import AlreadyUpError, PortTakenError, ServicePartError
from tasks.store.run_folder import held

_START_SECONDS = 120.0
_STOP_SECONDS = 8.0
_POLL_SECONDS = 0.3
# A part that dies as soon as it is started is started again ever more slowly.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# Runs on demand wait for their turn, instead of failing after a minute.
_TURN_SECONDS = "3600"
# Not for a file that others may read: there it is the setting api_token_file.
_NOT_SHOWN = "SP404_API_TOKEN"
_NO_LIBRARY = "Nightly   nothing: the setting `library` names no manifest"
_UNIT = """\
[Unit]
Description=sp404-export: Prefect server and nightly exports
After=network.target

[Service]
ExecStart={command}
WorkingDirectory={folder}
{environment}Restart=on-failure
KillSignal=SIGTERM
TimeoutStopSec=15

[Install]
WantedBy=default.target
"""


@dataclass
class _Part:
    """A process that is to be there. ``is_well`` is asked until it first says so."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    is_well: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    pause: float = field(default=_FIRST_PAUSE)

    def start(self) -> None:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is ours to hand on, in the right order.
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.begun = time.monotonic()

    def wait_until_well(self) -> None:
        """Raises ServicePartError."""
        while not self.is_well():
            if self.process is None or self.process.poll() is not None:
                raise ServicePartError(name=self.name, what="ended at once", log=str(self.log), last=_last_line(self.log))
            if time.monotonic() - self.begun > _START_SECONDS:
                what = f"is not well after {_START_SECONDS:.0f} s"
                raise ServicePartError(name=self.name, what=what, log=str(self.log), last=_last_line(self.log))
            time.sleep(_POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        if self.process:
            for pid in [self.process.pid, *_descendants(self.process.pid)]:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def ended(self, seconds: float) -> bool:
        try:
            if self.process:
                self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return False
        return True


def up(in_force: InForce, home: str, port: int, say: Callable[[str], None]) -> None:
    """Run until a signal ends it. ``home`` is where Prefect keeps its data, and where the logs are.

    Raises AlreadyUpError where another one runs, PortTakenError, and ServicePartError where a part does not come up.
    """
    folder, settings = Path(home), in_force.settings
    folder.mkdir(parents=True, exist_ok=True)
    api = f"http://{prefect_server.HOST}:{port}/api"
    with held(folder / "up.lock", lambda owner: AlreadyUpError(path=home, owner=owner)):
        _check_free(port, api)
        _check_free(settings.api_port, api, fix="Stop it, or set another api_port.")
        parts = _parts(in_force, folder, port, api)
        try:
            for part in parts:
                part.start()
                part.wait_until_well()
            say(f"Prefect   http://{prefect_server.HOST}:{port}")
            say(f"API       {api}")
            say(f"REST API  http://{settings.api_host}:{settings.api_port}/docs")
            say(f"Data      {folder} (logs: {', '.join(part.log.name for part in parts)})")
            say(f"Nightly   {settings.library} ({settings.nightly_cron})" if settings.library else _NO_LIBRARY)
            say("Ctrl-C stops all.")
            prefect_server.say_running(api)
            _watch(parts, say)
        finally:
            prefect_server.say_running(None)
            _stop(parts)


def unit(home: str, port: int, db: str) -> str:
    """A systemd unit for the user who asks, with the settings of the environment that it is asked in."""
    command = [sys.executable, "-m", "flows.cli", "up", "--home", home, "--port", str(port), "--db", db]
    ours = sorted((name, value) for name, value in os.environ.items() if name.startswith("SP404_") and name != _NOT_SHOWN)
    lines = [_quoted(f"{name}={value}") for name, value in ours]
    environment = "".join(f"Environment={line}\n" for line in lines)
    return _UNIT.format(command=shlex.join(command).replace("%", "%%"), folder=os.getcwd(), environment=environment)


def _quoted(text: str) -> str:
    """As systemd reads it (systemd.syntax(7))."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _parts(in_force: InForce, folder: Path, port: int, api: str) -> list[_Part]:
    settings = in_force.settings
    prefect_server.set_defaults()
    common = os.environ | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_API_HOST": prefect_server.HOST,
        "PREFECT_SERVER_API_PORT": str(port),
    }
    common.pop("PREFECT_API_URL", None)
    client = common | {"PREFECT_API_URL": api, "SP404_DB": settings.db}
    if in_force.sources["lock_wait_seconds"] == "built-in":
        client["SP404_LOCK_WAIT_SECONDS"] = _TURN_SECONDS
    wanted = {"manifest", "kit", "verify-weekly"} | ({"library-nightly"} if settings.library else set())
    begun = time.time()
    serve = [sys.executable, "-m", "prefect", "server", "start"]
    run = [sys.executable, "-c", "from flows.orchestration.deployments import main; main()"]
    rest = [sys.executable, "-m", "flows.api"]
    return [
        _Part("Prefect server", serve, common, folder / "server.log", lambda: prefect_server.healthy(api)),
        _Part("runner", run, client, folder / "runner.log", lambda: wanted <= _served(api, begun)),
        _Part("REST API", rest, client, folder / "api.log", lambda: _listens(settings.api_host, settings.api_port)),
    ]


def _served(api: str, since: float) -> set[str]:
    """The deployments that were written to the server since we began: not those of an earlier time."""
    try:
        found = prefect_server.ask(api, "/deployments/filter", {"limit": 200})
    except (OSError, ValueError):
        return set()
    return {one["name"] for one in found if _seconds(one["updated"]) >= since - 1}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _check_free(port: int, api: str, fix: str = "") -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((prefect_server.HOST, port))
        except OSError as error:
            owner = "a Prefect server" if prefect_server.healthy(api) else "another program"
            raise PortTakenError(port=port, owner=owner, fix=fix) from error


def _watch(parts: list[_Part], say: Callable[[str], None]) -> None:
    """Start again what ends by itself."""
    while True:
        time.sleep(_POLL_SECONDS)
        for part in parts:
            if part.process and part.process.poll() is not None:
                status = part.process.returncode
                say(f"The {part.name} ended ({_in_words(status)}): starting it again in {part.pause:.0f} s. See {part.log}")
                time.sleep(part.pause)
                lived = time.monotonic() - part.begun
                part.pause = _FIRST_PAUSE if lived > _LONGEST_PAUSE else min(part.pause * 2, _LONGEST_PAUSE)
                part.start()


def _in_words(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def _stop(parts: list[_Part]) -> None:
    """The runner first, so that what it runs can still say how it ended; then the server. What does not listen is killed."""
    with _undisturbed():
        deadline = time.monotonic() + _STOP_SECONDS
        for part in reversed(parts):
            part.signal(signal.SIGTERM)
            left = deadline - time.monotonic() - (2.0 if part is not parts[0] else 0.0)
            if not part.ended(left):
                part.signal(signal.SIGKILL)
                part.ended(1.0)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not leave half of it running."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _descendants(pid: int) -> list[int]:
    """The processes below one, by Linux's own lists; empty elsewhere."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += [int(child), *_descendants(int(child))]
    return found


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""
    return ""
