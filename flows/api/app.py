"""The routes of the REST API. What they do is in ``exports``, ``library`` and ``downloads`` beside this file."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import metadata
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from config.settings import SettingsInForce
from flows.api.access import AccessControl, build_rules
from flows.api.activity import ActivityReport
from flows.api.byte_ranges import SpanResponse, select_span
from flows.api.card_routes import card_router
from flows.api.cards import ServerCards
from flows.api.dependencies import (
    ApiServices,
    DownloadFiles,
    Exporter,
    IfRangeHeader,
    Jobs,
    KitId,
    Library,
    PreferHeader,
    PreviewFiles,
    RangeHeader,
    RecordId,
    WaveformDrawer,
    reject_repeated_parameters,
)
from flows.api.docs_page import add_docs_page
from flows.api.downloads import AUDIO_MEDIA_TYPES, Downloads
from flows.api.export_queue import SharedProcessPool
from flows.api.exports import ExportRunner, PreparedExport, RecordExporter
from flows.api.folder_scans import FolderScans
from flows.api.jobs import JobAnswer, JobQueue, describe_job, find_job
from flows.api.kit_routes import kit_router
from flows.api.kit_shelf import KitShelf
from flows.api.library import LibraryPages
from flows.api.openapi import ACCEPTED, describe_api, describe_files, describe_problems
from flows.api.page_routes import page_router
from flows.api.previews import Previews
from flows.api.problems import MEDIA_TYPE, ProblemError, make_problem, problem_from_error, problem_headers
from flows.api.waveforms import Waveforms
from flows.api.web_page import add_web_page
from schemas.api import (
    BatchExport,
    ExportDetail,
    ExportFilter,
    KitExport,
    ListedExports,
    Page,
    Preferences,
    SingleExport,
    Work,
)
from schemas.enums import PreviewKind
from schemas.errors import QueueError, Sp404Error, StoppedError, TooManyFilesError
from schemas.export import ExportConfig
from schemas.kit_api import KitExportConfig
from schemas.page_api import ExportSampleFilter, ExportSamples, RetryOrder
from schemas.sample_api import (
    BatchRequest,
    ListedSamples,
    ManyPeaks,
    Peaks,
    SampleDetail,
    SampleFacets,
    SampleFilter,
    SamplePage,
)

log = logging.getLogger("sp404")
PREFIX = "/api/v1/sp404"
_DESCRIPTION = "Exports samples and kits of the records to where a Roland SP-404MKII can play them."
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_IDS = r"^[0-9]{1,15}(,[0-9]{1,15}){0,49}$"
_SEE_DOCS = "See /docs for what each request may contain."
_EXPORT_RESPONSES = describe_problems(404, 409, 507) | ACCEPTED


router = APIRouter(prefix=PREFIX, dependencies=[Depends(reject_repeated_parameters)])


# ---- exports ----


@router.post("/samples/{sample_id:int}/export", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_sample(
    exporter: Exporter, sample_id: RecordId, config: ExportConfig | None = None, prefer: PreferHeader = None
) -> SingleExport:
    """Export one sample."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_sample(sample_id, config or ExportConfig()))


@router.post("/samples/export-batch", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_batch(exporter: Exporter, batch: BatchRequest, prefer: PreferHeader = None) -> BatchExport:
    """Export many samples. One that fails is named in `errors`; the others are exported."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_batch(batch))


@router.post("/exports/{export_id:int}/retry", tags=["export"], responses=_EXPORT_RESPONSES)
async def retry_export(
    exporter: Exporter, export_id: RecordId, order: RetryOrder | None = None, prefer: PreferHeader = None
) -> BatchExport:
    """Export those samples of an export that failed once more, with its settings but for what is asked for, to its folder."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_retry(export_id, order or RetryOrder()))


@router.post("/kits/{kit_id}/export", tags=["export"], responses=_EXPORT_RESPONSES)
async def export_kit(
    exporter: Exporter, kit_id: KitId, config: KitExportConfig | None = None, prefer: PreferHeader = None
) -> KitExport:
    """Export a kit, pad by pad."""
    return await _answer(exporter, prefer, lambda: exporter.prepare_kit(kit_id, config or KitExportConfig()))


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
    answer: JobAnswer = await asyncio.shield(asyncio.wrap_future(queued.answer))
    return answer


@router.get("/jobs/{job_id}", tags=["export"], responses=describe_problems(404))
def job(jobs: Jobs, job_id: str) -> Work:
    """Say how far a job is, such as an export with `Prefer: respond-async`. It is forgotten when the server stops."""
    return describe_job(find_job(jobs, job_id))


@router.post("/jobs/{job_id}/cancel", tags=["export"], responses=describe_problems(404))
def cancel_job(jobs: Jobs, job_id: str) -> Work:
    """Cancel a job. What is done stays, and the same request resumes it."""
    queued = find_job(jobs, job_id)
    queued.cancel()
    return describe_job(queued)


# ---- history ----


@router.get("/exports", tags=["history"], responses=describe_problems())
def list_exports(library: Library, wanted: Annotated[ExportFilter, Query()]) -> ListedExports:
    """List exports, newest first."""
    return library.exports(wanted)


@router.get("/exports/{export_id:int}", tags=["history"], responses=describe_problems(404))
def export(library: Library, export_id: RecordId, wanted: Annotated[Page, Query()]) -> ExportDetail:
    """Get one export, and a page of its samples."""
    return library.export(export_id, wanted)


@router.get("/exports/{export_id:int}/samples", tags=["history"], responses=describe_problems(404))
def export_samples(library: Library, export_id: RecordId, wanted: Annotated[ExportSampleFilter, Query()]) -> ExportSamples:
    """List the samples of an export, and count why some were not exported."""
    return library.export_samples(export_id, wanted)


@router.get(
    "/exports/{export_id:int}/download",
    tags=["history"],
    response_class=StreamingResponse,
    responses=describe_files("application/zip") | describe_problems(404, 409, 410, 416, 507),
)
def download(
    downloads: DownloadFiles, export_id: RecordId, range_: RangeHeader = None, if_range: IfRangeHeader = None
) -> Response:
    """Download the files of an export as a ZIP: exactly those that were written, or none."""
    fd = downloads.open_zip(export_id)
    try:
        span = select_span(fd, range_, if_range)
        return SpanResponse(span, "application/zip", f"attachment; filename=sp404-export-{export_id}.zip")
    finally:
        os.close(fd)


# ---- the library ----


@router.get("/samples", tags=["library"], responses=describe_problems())
def list_samples(library: Library, wanted: Annotated[SamplePage, Query()]) -> ListedSamples:
    """List samples."""
    return library.samples(wanted)


@router.get("/samples/facets", tags=["library"], responses=describe_problems())
def facets(library: Library, wanted: Annotated[SampleFilter, Query()]) -> SampleFacets:
    """Count samples by genre, key, kind, format, status and tempo."""
    return library.facets(wanted)


@router.get("/samples/{sample_id:int}", tags=["library"], responses=describe_problems(404))
def sample(library: Library, sample_id: RecordId) -> SampleDetail:
    """Get one sample: what was measured of it, where its files stand, and its kits."""
    return library.sample_detail(sample_id)


@router.get(
    "/samples/{sample_id:int}/audio",
    tags=["library"],
    response_class=StreamingResponse,
    responses=describe_files(*AUDIO_MEDIA_TYPES) | describe_problems(404, 416),
)
def audio(
    downloads: DownloadFiles, sample_id: RecordId, range_: RangeHeader = None, if_range: IfRangeHeader = None
) -> Response:
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
    previews: PreviewFiles,
    sample_id: RecordId,
    kind: Annotated[PreviewKind, Query(alias="as")],
    range_: RangeHeader = None,
    if_range: IfRangeHeader = None,
) -> Response:
    """Listen to the first minute as a WAV: the original, or what an export would write for the device."""
    fd = previews.open(sample_id, kind)
    try:
        return SpanResponse(select_span(fd, range_, if_range), "audio/wav", "inline")
    finally:
        os.close(fd)


@router.get("/samples/{sample_id:int}/peaks", tags=["library"], responses=describe_problems(404))
def peaks(waveforms: WaveformDrawer, sample_id: RecordId) -> Peaks:
    """Get a small waveform."""
    return waveforms.draw(sample_id)


@router.get("/samples/peaks", tags=["library"], responses=describe_problems())
def many_peaks(waveforms: WaveformDrawer, ids: Annotated[str, Query(pattern=_IDS, examples=["1,2,3"])]) -> ManyPeaks:
    """Get up to 50 waveforms at once, as far as they are drawn; ask again for those that are `pending`."""
    return waveforms.draw_many([int(number) for number in ids.split(",")])


@router.get("/preferences", tags=["preferences"], responses=describe_problems())
def preferences(library: Library) -> Preferences:
    """Get what counts where a request says nothing; null is not set."""
    return library.preferences()


@router.put("/preferences", tags=["preferences"], responses=describe_problems())
def set_preferences(library: Library, wanted: Preferences) -> Preferences:
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
    queue: JobQueue = JobQueue(process_pool, settings.api_max_queued)
    kits = KitShelf(settings, library)
    exporter = RecordExporter(in_force, library, kits, queue, run)
    services = ApiServices(
        process_pool=process_pool,
        queue=queue,
        library=library,
        kits=kits,
        exporter=exporter,
        downloads=Downloads(settings, library),
        waveforms=Waveforms(settings, library, process_pool),
        previews=Previews(settings, library, process_pool),
        activity=ActivityReport(settings, queue),
        folders=FolderScans(settings, queue),
        cards=ServerCards(settings, queue),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(services.close)

    version = metadata.version("sp404-export")
    app = FastAPI(
        title="sp404-export", version=version, description=_DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    add_docs_page(app)
    add_web_page(app)
    app.state.services = services
    app.state.rules = rules
    app.include_router(page_router)
    app.include_router(kit_router)
    app.include_router(card_router)
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
