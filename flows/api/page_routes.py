"""Routes that the web page needs beside those for programs: to sign in, to plan an export, to see what is under way."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from flows.api.access import SESSION_PATH, AccessRules, read_cookie
from flows.api.dependencies import Exporter, Folders, IfNoneMatchHeader, Jobs, WhatGoesOn, reject_repeated_parameters
from flows.api.entity_tags import entity_tag, is_known
from flows.api.jobs import QueuedJob, describe_job
from flows.api.openapi import ACCEPTED, UNCHANGED, describe_problems
from flows.api.sessions import COOKIE, SECONDS
from schemas.api import SessionState, SignIn, Work
from schemas.page_api import Activity, FolderList, FolderPath, ScanOrder
from schemas.sample_api import BatchRequest, ExportForecast

_PREFIX = SESSION_PATH.removesuffix("/session")
page_router = APIRouter(prefix=_PREFIX, dependencies=[Depends(reject_repeated_parameters)])


@page_router.post("/session", tags=["session"], status_code=HTTPStatus.NO_CONTENT, responses=describe_problems(429))
def sign_in(request: Request, wanted: SignIn) -> Response:
    """Sign in with the token: the answer sets a cookie that does instead of it, for twelve hours."""
    rules: AccessRules = request.app.state.rules
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    if rules.token:
        session = rules.sessions.begin(wanted.token)
        is_safe = request.url.scheme == "https"
        response.set_cookie(COOKIE, session, max_age=SECONDS, httponly=True, samesite="strict", secure=is_safe)
    return response


@page_router.get("/session", tags=["session"], responses=describe_problems())
def session_state(request: Request) -> SessionState:
    """Say whether a token is needed, and whether this browser has signed in."""
    rules: AccessRules = request.app.state.rules
    session = read_cookie(request.headers.get("cookie", ""))
    return SessionState(needs_token=bool(rules.token), signed_in=not rules.token or rules.sessions.is_valid(session))


@page_router.delete("/session", tags=["session"], status_code=HTTPStatus.NO_CONTENT, responses=describe_problems())
def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    rules: AccessRules = request.app.state.rules
    rules.sessions.end(read_cookie(request.headers.get("cookie", "")))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@page_router.post("/exports/plan", tags=["export"], responses=describe_problems(404, 507))
def plan_export(exporter: Exporter, batch: BatchRequest) -> ExportForecast:
    """Say what the export of these samples would do now. Nothing is written."""
    return exporter.forecast(batch)


@page_router.get("/jobs", tags=["export"], responses=describe_problems())
def list_jobs(jobs: Jobs) -> list[Work]:
    """List the jobs that wait or run, in their order, and the last that have ended."""
    return [describe_job(job) for job in jobs.all()]


@page_router.get("/activity", tags=["export"], response_model=Activity, responses=describe_problems() | UNCHANGED)
async def activity(report: WhatGoesOn, if_none_match: IfNoneMatchHeader = None) -> Response:
    """Say what goes on: the jobs in brief, who else exports, and whether the records changed. To be asked often."""
    body = report.now().model_dump_json().encode()
    headers = {"ETag": entity_tag(body), "Cache-Control": "no-cache"}
    if is_known(headers["ETag"], if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


# ---- folders ----


@page_router.get("/folders", tags=["folders"], responses=describe_problems(404))
def list_folders(folders: Folders, path: Annotated[FolderPath, Query(alias="in")] = "") -> FolderList:
    """List the folders in a folder of the one that clients may use."""
    return folders.list(path)


@page_router.post(
    "/scans",
    tags=["folders"],
    status_code=HTTPStatus.ACCEPTED,
    response_model=Work,
    responses=describe_problems(404) | ACCEPTED,
)
def scan_folder(folders: Folders, wanted: ScanOrder) -> JSONResponse:
    """Scan a folder, as a job: its samples are in its `sp404-manifest.csv` then, and in the records, to be exported."""
    return respond_later(folders.scan(wanted))


def respond_later(job: QueuedJob) -> JSONResponse:
    """Answer 202 with a job, and where to ask for it."""
    headers = {"Location": f"{_PREFIX}/jobs/{job.id}"}
    return JSONResponse(describe_job(job).model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)
