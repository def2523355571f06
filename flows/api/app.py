"""The REST API: routes, and nothing else. What they do is in ``flows.api.service``, whom they let in in ``flows.api.access``.

``python -m flows.api.app`` serves it at the address of the settings.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import metadata
from typing import Annotated, Any
from urllib.parse import quote

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from config.settings import InForce, load
from flows.api import service
from flows.api.access import Guard, rules_of
from flows.api.byte_ranges import Span, span
from flows.api.problems import MEDIA_TYPE, ProblemError, headers_of, problem, problem_of
from flows.api.service import Answer, Order, Service
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
    Peaks,
    Preferences,
    Problem,
    Sample,
    SampleFilter,
    SingleExport,
    Work,
)
from schemas.errors import QueueError, RequestError, Sp404Error, UnknownError
from schemas.export import ExportConfig
from tasks.audio.decode.detect import container, opened

PREFIX = "/api/v1/sp404"
_DESCRIPTION = "Exports samples and kits of the records to where a Roland SP-404MKII can play them."
_MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4", "ogg": "audio/ogg"}
_MEDIA_TYPES |= {"flac": "audio/flac", "aiff": "audio/aiff"}
_OTHER_AUDIO = "application/octet-stream"
_AUDIO = {*_MEDIA_TYPES.values(), _OTHER_AUDIO}
_STOP_SECONDS = 3
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SEE_DOCS = "The description of this API says what is understood."


def _problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """How errors are described: every route can find the request or the surroundings at fault."""
    every = {*statuses, 400, 401, 403, 413, 422, 500, 503}
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted(int(status) for status in every):
        described[status] = {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
    described[503]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return described


_EXPORT_PROBLEMS = _problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.INSUFFICIENT_STORAGE)
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Work,
        "description": "Under way; `Prefer: respond-async` was asked for",
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "Where to ask how far it is."},
            "Preference-Applied": {"schema": {"type": "string"}},
        },
    }
}
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FILE_HEADERS = {
    "Content-Length": {"schema": {"type": "integer"}},
    "Content-Disposition": {"schema": {"type": "string"}},
    "Accept-Ranges": {"schema": {"type": "string"}},
    "ETag": {"schema": {"type": "string"}},
}


def _files(*media_types: str) -> dict[int | str, dict[str, Any]]:
    content = dict.fromkeys(media_types, _FILE)
    part = _FILE_HEADERS | {"Content-Range": {"schema": {"type": "string"}}}
    return {
        200: {"description": "The whole file", "content": content, "headers": _FILE_HEADERS},
        206: {"description": "The part that was asked for", "content": content, "headers": part},
    }


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _once_each(request: Request) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) != len(set(names)):
        raise RequestError(what="A parameter stands twice in the query", fix="Give each of them once.")


_Service = Annotated[Service, Depends(_service)]
_Id = Annotated[int, Path(ge=1, le=HIGHEST_ID, examples=[1])]
_Prefer = Annotated[str | None, Header(description="`respond-async`: answer 202 at once.", examples=["respond-async"])]
_Range = Annotated[str | None, Header(alias="Range", description="One range of bytes, such as bytes=0-1023.")]
_IfRange = Annotated[str | None, Header(alias="If-Range", description="The ETag that the range is of.")]
router = APIRouter(prefix=PREFIX, dependencies=[Depends(_once_each)])


# ---- exports ----


@router.post("/samples/{sample_id:int}/export", tags=["export"], responses=_EXPORT_PROBLEMS | _ACCEPTED)
async def export_sample(
    service: _Service, sample_id: _Id, config: ExportConfig | None = None, prefer: _Prefer = None
) -> SingleExport:
    """Export one sample."""
    return await _answered(service, prefer, lambda: service.single(sample_id, config or ExportConfig()))


@router.post("/samples/export-batch", tags=["export"], responses=_EXPORT_PROBLEMS | _ACCEPTED)
async def export_batch(service: _Service, batch: BatchRequest, prefer: _Prefer = None) -> BatchExport:
    """Export many samples. One that fails is told of in `errors`; the others are exported."""
    return await _answered(service, prefer, lambda: service.batch(batch.sample_ids, batch.config))


@router.post("/kits/{kit_id:int}/export", tags=["export"], responses=_EXPORT_PROBLEMS | _ACCEPTED)
async def export_kit(service: _Service, kit_id: _Id, config: ExportConfig | None = None, prefer: _Prefer = None) -> KitExport:
    """Export a kit, pad by pad."""
    return await _answered(service, prefer, lambda: service.kit(kit_id, config or ExportConfig()))


async def _answered(service: Service, prefer: str | None, order: Callable[[], Order]) -> Any:
    """What became of an export; or 202, where that was asked for. Raises QueueError when its turn does not come in time."""
    at_once = "respond-async" in {word.strip().lower() for word in (prefer or "").replace(";", ",").split(",")}
    piece = service.put(await asyncio.to_thread(order), waits=not at_once)
    if at_once:
        headers = {"Location": f"{PREFIX}/jobs/{piece.id}", "Preference-Applied": "respond-async"}
        return JSONResponse(service.work(piece).model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(piece.begun)), service.wait_seconds)
    except TimeoutError:
        piece.cancel()
        raise QueueError(waiting="other exports, and the turn of this one did not come in time") from None
    answer: Answer = await asyncio.shield(asyncio.wrap_future(piece.answer))
    return answer


@router.get("/jobs/{job_id}", tags=["export"], responses=_problems(HTTPStatus.NOT_FOUND))
def job(service: _Service, job_id: str) -> Work:
    """How far an export is that was not waited for. It is forgotten when the server stops; the records are not."""
    return service.work(_piece(service, job_id))


@router.post("/jobs/{job_id}/cancel", tags=["export"], responses=_problems(HTTPStatus.NOT_FOUND))
def cancel_job(service: _Service, job_id: str) -> Work:
    """Cancel it. What is done stays, and the same request goes on."""
    piece = _piece(service, job_id)
    piece.cancel()
    return service.work(piece)


def _piece(service: Service, job_id: str) -> Any:
    piece = service.lane.find(job_id)
    if not piece:
        raise UnknownError(noun="Job", id=job_id, fix="The list of exports has what was exported.")
    return piece


# ---- history ----


@router.get("/exports", tags=["history"], responses=_problems())
def list_exports(service: _Service, which: Annotated[ExportFilter, Query()]) -> ListedExports:
    """Exports, newest first."""
    return service.exports(which)


@router.get("/exports/{export_id:int}", tags=["history"], responses=_problems(HTTPStatus.NOT_FOUND))
def export(service: _Service, export_id: _Id, which: Annotated[Page, Query()]) -> ExportDetail:
    """One export, and a page of its samples."""
    return service.export(export_id, which)


@router.get(
    "/exports/{export_id:int}/download",
    tags=["history"],
    response_class=StreamingResponse,
    responses=_files("application/zip") | _problems(*map(HTTPStatus, (404, 409, 410, 416, 507))),
)
def download(service: _Service, export_id: _Id, range_: _Range = None, if_range: _IfRange = None) -> Response:
    """The files of an export as a ZIP: exactly those that were written, or none."""
    fd = service.zipped(export_id)
    try:
        return _sent(span(fd, range_, if_range), "application/zip", f"attachment; filename=sp404-export-{export_id}.zip")
    finally:
        os.close(fd)


# ---- the library ----


@router.get("/samples", tags=["library"], responses=_problems())
def list_samples(service: _Service, which: Annotated[SampleFilter, Query()]) -> Listed[Sample]:
    """Samples, by their ids."""
    return service.samples(which)


@router.get("/samples/{sample_id:int}", tags=["library"], responses=_problems(HTTPStatus.NOT_FOUND))
def sample(service: _Service, sample_id: _Id) -> Sample:
    """One sample."""
    return service.sample(sample_id)


@router.get(
    "/samples/{sample_id:int}/audio",
    tags=["library"],
    response_class=StreamingResponse,
    responses=_files(*sorted(_AUDIO)) | _problems(*map(HTTPStatus, (404, 416))),
)
def audio(service: _Service, sample_id: _Id, range_: _Range = None, if_range: _IfRange = None) -> Response:
    """The original, for listening."""
    path = service.source(sample_id)
    with opened(path) as (fd, _):
        kind = container(fd, path)
        name = f"inline; filename*=UTF-8''{quote(os.path.basename(path))}"
        return _sent(span(fd, range_, if_range), _MEDIA_TYPES.get(kind, _OTHER_AUDIO), name)


@router.get("/samples/{sample_id:int}/peaks", tags=["library"], responses=_problems(HTTPStatus.NOT_FOUND))
def peaks(service: _Service, sample_id: _Id) -> Peaks:
    """A small waveform."""
    return service.peaks(sample_id)


def _sent(part: Span, media_type: str, disposition: str) -> Response:
    status = HTTPStatus.PARTIAL_CONTENT if part.is_part else HTTPStatus.OK
    headers = part.headers | {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(part.blocks(), status, headers, media_type)


@router.get("/kits", tags=["library"], responses=_problems())
def list_kits(service: _Service, which: Annotated[KitFilter, Query()]) -> Listed[Kit]:
    """Kits, by their ids."""
    return service.kits(which)


@router.get("/kits/{kit_id:int}", tags=["library"], responses=_problems(HTTPStatus.NOT_FOUND))
def kit(service: _Service, kit_id: _Id) -> KitDetail:
    """One kit, pad by pad."""
    return service.one_kit(kit_id)


@router.get("/preferences", tags=["preferences"], responses=_problems())
def preferences(service: _Service) -> Preferences:
    """What holds where a request says nothing; null is not set."""
    return service.preferences()


@router.put("/preferences", tags=["preferences"], responses=_problems())
def set_preferences(service: _Service, wanted: Preferences) -> Preferences:
    """Set all of them: what is left out is no longer set."""
    return service.set_preferences(wanted)


# ---- the whole ----


def application(in_force: InForce, run: service.Run) -> FastAPI:
    """The API with these settings (``Service``). Raises RequestError where they let in more than they should."""
    rules, service = rules_of(in_force.settings), Service(in_force, run)

    @asynccontextmanager
    async def until_the_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    version = metadata.version("sp404-export")
    app = FastAPI(title="sp404-export", version=version, description=_DESCRIPTION, lifespan=until_the_end, redoc_url=None)
    app.state.service = service
    app.include_router(router)
    app.add_middleware(Guard, rules=rules)
    app.add_exception_handler(Exception, _problem_response)
    for kind in (Sp404Error, ProblemError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _problem_response)
    app.openapi = lambda: _described(app, bool(rules.token))  # type: ignore[method-assign]
    return app


async def _problem_response(request: Request, error: Exception) -> Response:
    headers = headers_of(error)
    if isinstance(error, RequestValidationError):
        found = _faults(error)
        told = problem(
            422,
            f"{found[0]['where']}: {found[0]['what']}",
            "bad_request",
            "The description of this API says what is understood.",
            found,
        )
    elif isinstance(error, HTTPException):
        told = problem(error.status_code, str(error.detail), "http")
        headers |= dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the framework names the methods of the first route alone
            headers = {"Allow": ", ".join(_allowed(request))}
    else:
        told = problem_of(error)
    return Response(told.model_dump_json(), told.status, headers, MEDIA_TYPE)


def _allowed(request: Request) -> list[str]:
    asked = {"type": "http", "path": request.url.path, "headers": [], "root_path": ""}
    methods = {method for method in _METHODS if _matches(request, asked | {"method": method})}
    return sorted(methods)


def _matches(request: Request, scope: dict[str, Any]) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


def _faults(error: RequestValidationError) -> list[dict[str, str]]:
    """Where and what; not what was sent."""
    return [{"where": ".".join(map(str, fault["loc"])), "what": str(fault["msg"])} for fault in error.errors()]


def _described(app: FastAPI, needs_token: bool) -> dict[str, Any]:
    """OpenAPI, with our own errors instead of the framework's, and with the token where one is needed."""
    if not app.openapi_schema:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema(mode="serialization")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        if needs_token:
            made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


def main() -> None:
    try:
        in_force = load({}, lambda _db, _seconds: {})
        app = application(in_force, service.under_prefect())
    except Sp404Error as error:
        sys.exit(f"sp404: {error}. {error.fix}")
    settings = in_force.settings
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
