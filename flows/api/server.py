"""Serve the REST API at the address of the settings."""

import asyncio
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from config.settings import Settings, load
from flows.api.app import create_app
from flows.api.connections import BACKLOG, BoundedProtocol, ConnectionLimits, quieten_logs, raise_file_limit
from flows.api.dependencies import ApiServices
from flows.api.exports import ExportRunner
from flows.export.request import resolve
from flows.export.threads import export_directly
from schemas.errors import ServerError, Sp404Error
from schemas.export import ExportRequest
from schemas.report import BatchExportResult
from tasks.convert.progress import Progress
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate

log = logging.getLogger("sp404")
# Answers that are under way, such as downloads, have as long as this; what then still hangs ends with the process.
_STOP_SECONDS = 3
_END_SECONDS = 4.5
# How long a Prefect server may take to start beside this one.
_PREFECT_SECONDS = 180.0
# Each takes 59 MB of memory (28 MB that no other process shares) and no CPU time while it waits, for as long as the server
# runs: enough to convert a sample and to draw a waveform. A batch starts more when it needs them.
_WARM_PROCESSES = 2


def main() -> None:
    """Serve until a signal ends it; exit with a line on standard error where the settings do not allow it."""
    try:
        in_force = load({}, lambda _db, _seconds: {})
        app = create_app(in_force, choose_runner())
    except Sp404Error as error:
        sys.exit(f"sp404: {error}. {error.fix}")
    settings = in_force.settings
    warm_up(app.state.services, settings)
    server = ApiServer(app, settings.api_host, settings.api_port, raise_file_limit())
    server.must_end, server.address = True, settings.page_address()
    with suppress(KeyboardInterrupt):  # raised once more when all has ended
        server.run()


class ApiServer(uvicorn.Server):
    """uvicorn with bounded connections, which stops exports as soon as it is told to stop itself.

    Attributes:
        address: Where the page is, to be said on standard error when it answers; empty: nothing is said.
        must_end: End the process, whatever hangs in it, some seconds after a signal. Records can take that.
    """

    def __init__(self, app: FastAPI, host: str, port: int, limits: ConnectionLimits) -> None:
        protocol = type("_LimitedProtocol", (BoundedProtocol,), {"limits": limits})
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=protocol,
                ws="none",
                log_level="warning",
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self.must_end, self.address = False, ""
        self._services: ApiServices = app.state.services
        quieten_logs()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        if self.started and self.address:
            print(f"The page is at {self.address}. Ctrl-C stops the server.", file=sys.stderr, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the exports, and meanwhile let clients have the answers that are under way."""
        if self.must_end:
            last_resort = threading.Timer(_END_SECONDS, _end_process)
            last_resort.daemon = True
            last_resort.start()
        alone = ThreadPoolExecutor(1)  # requests may have all other threads
        stopping = asyncio.get_running_loop().run_in_executor(alone, self._services.stop)
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol) and connection.owes_since is not None:
                connection.transport.abort()
        await super().shutdown(sockets)
        await stopping


def _end_process() -> None:
    log.warning("Something did not stop in %.1f s; what it did can be resumed", _END_SECONDS)
    os._exit(1)


def warm_up(services: ApiServices, settings: Settings) -> None:
    """Do now what the first export would wait for: start worker processes, import DuckDB and Pandera."""
    limits = settings.limits()
    with suppress(Sp404Error):  # what fails now fails again at the first request, which says so
        if limits.contained:
            services.process_pool.get(limits, ahead=min(_WARM_PROCESSES, settings.workers))
        services.library.preferences()
    with suppress(OSError), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warm-up.ndjson")
        path.write_text('{"sample_id": 1, "file_path": "a.wav"}\n', encoding="utf-8")
        validate(read_manifest(str(path)))


def run_direct(request: ExportRequest, progress: Progress) -> BatchExportResult:
    """Carry out an export without Prefect."""
    return export_directly(request, progress)


def choose_runner() -> ExportRunner:
    """Return what exports as a flow of Prefect where a server is running; where there is none, or it goes away, without it.

    A server that ``PREFECT_API_URL`` names may still be starting: it is waited for in the background, and used from then on.
    """
    flows = [runner] if (runner := _find_flow_runner()) else []

    def wait() -> None:
        deadline = time.monotonic() + _PREFECT_SECONDS
        while not flows and time.monotonic() < deadline:
            time.sleep(1)
            flows.extend(filter(None, [_find_flow_runner()]))

    if not flows and os.environ.get("PREFECT_API_URL"):
        threading.Thread(target=wait, daemon=True).start()

    def run(request: ExportRequest, progress: Progress) -> BatchExportResult:
        return flows[0](request, progress) if flows else run_direct(request, progress)

    return run


def _find_flow_runner() -> ExportRunner | None:
    """Return what exports as a flow of the server that is running; None where there is none."""
    from flows.orchestration import prefect_server  # noqa: PLC0415  (sets the environment that Prefect reads)

    if not prefect_server.use_running_server(quiet=True):
        return None
    from flows.orchestration import flow  # noqa: PLC0415  (imports prefect, which reads its settings then)

    prefect_server.hide_final_state_logs()

    def run_flow(request: ExportRequest, progress: Progress) -> BatchExportResult:
        try:
            return flow.run_flow(resolve(request), progress)[0]
        except ServerError as error:
            log.warning("%s: exported without Prefect", error)
            return run_direct(request, progress)

    return run_flow
