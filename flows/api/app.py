"""The routes of the REST API. What they do is in ``exports``, ``library`` and ``downloads`` beside this file."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib import metadata
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from config.settings import SettingsInForce
from flows.api.access import AccessControl, build_rules
from flows.api.byte_ranges import SpanResponse, select_span
from flows.api.docs_page import add_docs_page
from flows.api.downloads import AUDIO_MEDIA_TYPES, Downloads
from flows.api.export_queue import SharedProcessPool
from flows.api.exports import ExportAnswer, ExportRunner, PreparedExport, RecordExporter, describe_job
from flows.api.library import LibraryPages
from flows.api.openapi import ACCEPTED, describe_api, describe_files, describe_problems
from flows.api.previews import Previews
from flows.api.problems import MEDIA_TYPE, ProblemError, make_problem, problem_from_error, problem_headers
from flows.api.waveforms import Waveforms
from schemas.api import (
    HIGHEST_ID,
    BatchExport,
    BatchRequest,
    ExportDetail,
    ExportFilter,
    Kit,
    KitDetail,
    KitExport,
    KitFilter,
    Listed,
    ListedExports,
    Page,
    Preferences,
    SingleExport,
    Work,
)
from schemas.enums import PreviewKind
from schemas.errors import QueueError, RequestError, Sp404Error, StoppedError, TooManyFilesError
from schemas.export import ExportConfig
from schemas.sample_api import ListedSamples, ManyPeaks, Peaks, SampleDetail, SampleFacets, SampleFilter, SamplePage

log = logging.getLogger("sp404")
PREFIX = "/api/v1/sp404"
_DESCRIPTION = "Exports samples and kits of the records to where a Roland SP-404MKII can play them."
# The longest that samples in hand, and then the records of their export, hold up the end of the server.
_IN_HAND_SECONDS, _LAST_SECONDS = 2.0, 0.5
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_IDS = r"^[0-9]{1,15}(,[0-9]{1,15}){0,49}$"
_REPEATABLE = {"genre", "key"}
_SEE_DOCS = "See /docs for what each request may contain."
_EXPORT_RESPONSES = describe_problems(404, 409, 507) | ACCEPTED


@dataclass(frozen=True)
class ApiServices:
    """The services that the routes call: ``app.state.services``."""

    process_pool: SharedProcessPool
    library: LibraryPages
    exporter: RecordExporter
    downloads: Downloads
    waveforms: Waveforms
    previews: Previews

    def stop(self) -> None:
        """Begin nothing more; give the samples in hand two seconds; then every client that waits has its answer."""
        self.exporter.stop(_IN_HAND_SECONDS)
        self.process_pool.close()
        self.exporter.give_up(_LAST_SECONDS)

    def close(self) -> None:
        """End all exports, and the processes that decode."""
        self.exporter.close()
        self.process_pool.close()
        self.downloads.close()
        self.previews.close()


def _service(name: str) -> Any:
    """Return the dependency that gives a route the service of this name."""

    def find(request: Request) -> Any:
        return getattr(request.app.state.services, name)

    return Depends(find)


def _reject_repeated_parameters(request: Request) -> None:
    names = [name for name, _ in request.query_params.multi_items() if name not in _REPEATABLE]
    if len(names) != len(set(names)):
        raise RequestError(what="A parameter is given twice in the query", fix="Give each parameter once.")


_Exporter = Annotated[RecordExporter, _service("exporter")]
_Library = Annotated[LibraryPages, _service("library")]
_Downloads = Annotated[Downloads, _service("downloads")]
_Waveforms = Annotated[Waveforms, _service("waveforms")]
_Previews = Annotated[Previews, _service("previews")]
_Id = Annotated[int, Path(ge=1, le=HIGHEST_ID, examples=[1])]
_Prefer = Annotated[str | None, Header(description="`respond-async`: answer 202 at once.", examples=["respond-async"])]
_Range = Annotated[str | None, Header(alias="Range", description="One range of bytes, such as bytes=0-1023.")]
_IfRange = Annotated[str | None, Header(alias="If-Range", description="The ETag that the range is of.")]
router = APIRouter(prefix=PREFIX, dependencies=[Depends(_reject_repeated_parameters)])


# ---- exports ----


@router.post("/samples/{sample_id:int}/export", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_sample(
    exporter: _Exporter, sample_id: _Id, config: ExportConfig | None = None, prefer: _Prefer = None
) -> SingleExport:
    """Export one sample."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_sample(sample_id, config or ExportConfig()))


@router.post("/samples/export-batch", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_batch(exporter: _Exporter, batch: BatchRequest, prefer: _Prefer = None) -> BatchExport:
    """Export many samples. One that fails is named in `errors`; the others are exported."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_batch(batch.sample_ids, batch.config))


@router.post("/kits/{kit_id:int}/export", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_kit(exporter: _Exporter, kit_id: _Id, config: ExportConfig | None = None, prefer: _Prefer = None) -> KitExport:
    """Export a kit, pad by pad."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_kit(kit_id, config or ExportConfig()))


async def _answer(exporter: RecordExporter, prefer: str | None, prepare: Callable[[], PreparedExport]) -> Any:
    """Export now, or answer 202 where the client asked for that.

    Raises:
        QueueError: The turn of this export did not come in time.
        StoppedError: The server stops.
    """
    is_async = "respond-async" in {word.strip().lower() for word in (prefer or "").replace(";", ",").split(",")}
    queued = exporter.enqueue(await asyncio.to_thread(prepare), has_client=not is_async)
    if is_async:
        headers = {"Location": f"{PREFIX}/jobs/{queued.id}", "Preference-Applied": "respond-async"}
        return JSONResponse(describe_job(queued).model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(queued.turn)), exporter.wait_seconds)
    except TimeoutError:
        queued.cancel()
        raise QueueError(waiting="other exports, and the turn of this one did not come in time") from None
    except asyncio.CancelledError:
        if queued.turn.cancelled():
            raise StoppedError from None
        raise
    answer: ExportAnswer = await asyncio.shield(asyncio.wrap_future(queued.answer))
    return answer


@router.get("/jobs/{job_id}", tags=["export"], responses=describe_problems(404))
def job(exporter: _Exporter, job_id: str) -> Work:
    """Say how far an export with `Prefer: respond-async` is. It is forgotten when the server stops; the records stay."""
    return describe_job(exporter.find(job_id))


@router.post("/jobs/{job_id}/cancel", tags=["export"], responses=describe_problems(404))
def cancel_job(exporter: _Exporter, job_id: str) -> Work:
    """Cancel an export. What is done stays, and the same request resumes it."""
    queued = exporter.find(job_id)
    queued.cancel()
    return describe_job(queued)


# ---- history ----


@router.get("/exports", tags=["history"], responses=describe_problems())
def list_exports(library: _Library, wanted: Annotated[ExportFilter, Query()]) -> ListedExports:
    """List exports, newest first."""
    return library.exports(wanted)


@router.get("/exports/{export_id:int}", tags=["history"], responses=describe_problems(404))
def export(library: _Library, export_id: _Id, wanted: Annotated[Page, Query()]) -> ExportDetail:
    """Get one export, and a page of its samples."""
    return library.export(export_id, wanted)


@router.get(
    "/exports/{export_id:int}/download",
    tags=["history"],
    response_class=StreamingResponse,
    responses=describe_files("application/zip") | describe_problems(404, 409, 410, 416, 507),
)
def download(downloads: _Downloads, export_id: _Id, range_: _Range = None, if_range: _IfRange = None) -> Response:
    """Download the files of an export as a ZIP: exactly those that were written, or none."""
    fd = downloads.open_zip(export_id)
    try:
        span = select_span(fd, range_, if_range)
        return SpanResponse(span, "application/zip", f"attachment; filename=sp404-export-{export_id}.zip")
    finally:
        os.close(fd)


# ---- the library ----


@router.get("/samples", tags=["library"], responses=describe_problems())
def list_samples(library: _Library, wanted: Annotated[SamplePage, Query()]) -> ListedSamples:
    """List samples."""
    return library.samples(wanted)


@router.get("/samples/facets", tags=["library"], responses=describe_problems())
def facets(library: _Library, wanted: Annotated[SampleFilter, Query()]) -> SampleFacets:
    """Count samples by genre, key, kind, format, status and tempo."""
    return library.facets(wanted)


@router.get("/samples/{sample_id:int}", tags=["library"], responses=describe_problems(404))
def sample(library: _Library, sample_id: _Id) -> SampleDetail:
    """Get one sample: what was measured of it, where its files stand, and its kits."""
    return library.sample_detail(sample_id)


@router.get(
    "/samples/{sample_id:int}/audio",
    tags=["library"],
    response_class=StreamingResponse,
    responses=describe_files(*AUDIO_MEDIA_TYPES) | describe_problems(404, 416),
)
def audio(downloads: _Downloads, sample_id: _Id, range_: _Range = None, if_range: _IfRange = None) -> Response:
    """Listen to the original."""
    with downloads.open_audio(sample_id) as (fd, media_type, name):
        return SpanResponse(select_span(fd, range_, if_range), media_type, f"inline; filename*=UTF-8''{quote(name)}")


@router.get(
    "/samples/{sample_id:int}/preview",
    tags=["library"],
    response_class=StreamingResponse,
    responses=describe_files("audio/wav") | describe_problems(404, 416, 507),
)
def preview(
    previews: _Previews,
    sample_id: _Id,
    kind: Annotated[PreviewKind, Query(alias="as")],
    range_: _Range = None,
    if_range: _IfRange = None,
) -> Response:
    """Listen to the first minute as a WAV: the original, or what an export would write for the device."""
    fd = previews.open(sample_id, kind)
    try:
        return SpanResponse(select_span(fd, range_, if_range), "audio/wav", "inline")
    finally:
        os.close(fd)


@router.get("/samples/{sample_id:int}/peaks", tags=["library"], responses=describe_problems(404))
def peaks(waveforms: _Waveforms, sample_id: _Id) -> Peaks:
    """Get a small waveform."""
    return waveforms.draw(sample_id)


@router.get("/samples/peaks", tags=["library"], responses=describe_problems())
def many_peaks(waveforms: _Waveforms, ids: Annotated[str, Query(pattern=_IDS, examples=["1,2,3"])]) -> ManyPeaks:
    """Get up to 50 waveforms at once, as far as they are drawn; ask again for those that are `pending`."""
    return waveforms.draw_many([int(number) for number in ids.split(",")])


@router.get("/kits", tags=["library"], responses=describe_problems())
def list_kits(library: _Library, wanted: Annotated[KitFilter, Query()]) -> Listed[Kit]:
    """List kits, by their ids."""
    return library.kits(wanted)


@router.get("/kits/{kit_id:int}", tags=["library"], responses=describe_problems(404))
def kit(library: _Library, kit_id: _Id) -> KitDetail:
    """Get one kit, pad by pad."""
    return library.kit(kit_id)


@router.get("/preferences", tags=["preferences"], responses=describe_problems())
def preferences(library: _Library) -> Preferences:
    """Get what counts where a request says nothing; null is not set."""
    return library.preferences()


@router.put("/preferences", tags=["preferences"], responses=describe_problems())
def set_preferences(library: _Library, wanted: Preferences) -> Preferences:
    """Set all preferences: one that is left out is no longer set."""
    return library.set_preferences(wanted)


# ---- the application ----


def create_app(in_force: SettingsInForce, run: ExportRunner) -> FastAPI:
    """Build the application.

    Args:
        in_force: The settings without the preferences, which clients can set.
        run: Carries an export out.

    Raises:
        RequestError: The settings let in more than they should.
        WorkingFolderError: The folder of the downloads cannot be made.
    """
    settings = in_force.settings
    rules = build_rules(settings)
    process_pool, library = SharedProcessPool(), LibraryPages(settings)
    exporter = RecordExporter(in_force, library, process_pool, run)
    waveforms = Waveforms(settings, library, process_pool)
    previews = Previews(settings, library, process_pool)
    services = ApiServices(process_pool, library, exporter, Downloads(settings, library), waveforms, previews)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(services.close)

    version = metadata.version("sp404-export")
    app = FastAPI(
        title="sp404-export", version=version, description=_DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    add_docs_page(app)
    app.state.services = services
    app.include_router(router)
    app.add_middleware(AccessControl, rules=rules)
    app.add_exception_handler(Exception, _respond_with_problem)
    for kind in (Sp404Error, ProblemError, RequestValidationError, HTTPException, OSError):
        app.add_exception_handler(kind, _respond_with_problem)
    app.openapi = lambda: describe_api(app, bool(rules.token))  # type: ignore[method-assign]
    return app


async def _respond_with_problem(request: Request, error: Exception) -> Response:
    headers = problem_headers(error)
    if isinstance(error, OSError) and not TooManyFilesError.is_cause(error):
        log.error("A request failed", exc_info=error)
    if isinstance(error, RequestValidationError):
        faults = _faults(error)
        problem = make_problem(422, f"{faults[0]['where']}: {faults[0]['what']}", "bad_request", _SEE_DOCS, faults)
    elif isinstance(error, HTTPException):
        problem = make_problem(error.status_code, str(error.detail), "http")
        headers |= dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the framework names the methods of the first route alone
            headers = {"Allow": ", ".join(_allowed_methods(request))}
    else:
        problem = problem_from_error(error)
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def _allowed_methods(request: Request) -> list[str]:
    scope = {"type": "http", "path": request.url.path, "headers": [], "root_path": ""}
    methods = {method for method in _METHODS if _matches(request, scope | {"method": method})}
    return sorted(methods)


def _matches(request: Request, scope: dict[str, Any]) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


def _faults(error: RequestValidationError) -> list[dict[str, str]]:
    """Say where the request is wrong and what is wrong; never what was sent."""
    return [{"where": ".".join(map(str, fault["loc"])), "what": str(fault["msg"])} for fault in error.errors()]
