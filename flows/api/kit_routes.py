"""Routes for kits: to list and read them all, and to edit those that are files."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response

from flows.api.access import SESSION_PATH
from flows.api.dependencies import Exporter, IfNoneMatchHeader, KitId, Kits, reject_repeated_parameters
from flows.api.entity_tags import is_known
from flows.api.kit_shelf import KitShelf
from flows.api.openapi import CONFLICT, KIT, NEW_KIT, UNCHANGED, describe_problems
from flows.api.problems import MEDIA_TYPE, problem_from_error
from schemas.api import Kit, KitDetail, KitFilter, Listed
from schemas.errors import KitChangedError
from schemas.kit_api import (
    EditedKitAnswer,
    KitChange,
    KitConflict,
    KitCopyOrder,
    KitExportConfig,
    KitLint,
    KitOrder,
    NewKit,
    PadOrders,
    RenameOrder,
    TempoOrder,
)
from schemas.sample_api import ExportForecast

IfMatchHeader = Annotated[
    str | None, Header(alias="If-Match", description="The ETag of the kit as it is known; 428 without it, 412 if it changed.")
]
_PREFIX = SESSION_PATH.removesuffix("/session")
kit_router = APIRouter(prefix=_PREFIX, dependencies=[Depends(reject_repeated_parameters)])
_CHANGED = describe_problems(404, 409, 428, 507) | CONFLICT


@kit_router.get("/kits", tags=["kits"], responses=describe_problems())
def list_kits(kits: Kits, wanted: Annotated[KitFilter, Query()]) -> Listed[Kit]:
    """List kits: those with files by their names, then those of manifests by their numbers."""
    return kits.page(wanted)


@kit_router.post(
    "/kits",
    tags=["kits"],
    status_code=HTTPStatus.CREATED,
    response_model=KitDetail,
    responses=NEW_KIT | describe_problems(409, 507),
)
def create_kit(kits: Kits, wanted: NewKit) -> Response:
    """Make an empty kit: a kit file in the folder of the setting `kits_folder`."""
    return _created(kits.create(wanted))


@kit_router.get("/kits/{kit_id}", tags=["kits"], response_model=KitDetail, responses=KIT | describe_problems(404) | UNCHANGED)
def kit(kits: Kits, kit_id: KitId, if_none_match: IfNoneMatchHeader = None) -> Response:
    """Get one kit, pad by pad. That of a kit file has an ETag."""
    detail = kits.detail(kit_id)
    if detail.etag and is_known(detail.etag, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_tag_of(detail))
    return _answer_kit(detail)


@kit_router.patch("/kits/{kit_id}", tags=["kits"], response_model=EditedKitAnswer, responses=KIT | _CHANGED)
def change_kit(kits: Kits, kit_id: KitId, wanted: KitChange, if_match: IfMatchHeader = None) -> Response:
    """Change the name or the tempo of a kit. Its id stays."""
    orders: list[KitOrder] = []
    if wanted.name is not None:
        orders.append(RenameOrder(op="rename", name=wanted.name))
    if "tempo" in wanted.model_fields_set:
        orders.append(TempoOrder(op="tempo", tempo=wanted.tempo))
    return _change(kits, kit_id, if_match, orders)


@kit_router.patch("/kits/{kit_id}/pads", tags=["kits"], response_model=EditedKitAnswer, responses=KIT | _CHANGED)
def change_pads(kits: Kits, kit_id: KitId, wanted: PadOrders, if_match: IfMatchHeader = None) -> Response:
    """Put, move, swap, copy, clear and fill pads: all that is asked for, or nothing. `inverse` undoes it."""
    return _change(kits, kit_id, if_match, wanted.operations)


@kit_router.delete("/kits/{kit_id}", tags=["kits"], status_code=HTTPStatus.NO_CONTENT, responses=_CHANGED)
def remove_kit(kits: Kits, kit_id: KitId, if_match: IfMatchHeader = None) -> Response:
    """Remove the file of a kit. What was exported of it stays."""
    try:
        kits.remove(kit_id, if_match)
    except KitChangedError as error:
        return _conflict(kits, kit_id, error)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@kit_router.post(
    "/kits/{kit_id}/copy",
    tags=["kits"],
    status_code=HTTPStatus.CREATED,
    response_model=KitDetail,
    responses=NEW_KIT | describe_problems(404, 409, 507),
)
def copy_kit(kits: Kits, kit_id: KitId, wanted: KitCopyOrder | None = None) -> Response:
    """Copy a kit to a new kit file, to be edited."""
    return _created(kits.copy(kit_id, wanted.name if wanted else None))


@kit_router.get("/kits/{kit_id}/lint", tags=["kits"], responses=describe_problems(404))
def lint_kit(kits: Kits, kit_id: KitId) -> KitLint:
    """Say what deserves a look in a kit before it is exported, and what mends it. No sound is read."""
    return kits.lint(kit_id)


@kit_router.post("/kits/{kit_id}/plan", tags=["kits"], responses=describe_problems(404, 409, 507))
def plan_kit(exporter: Exporter, kit_id: KitId, config: KitExportConfig | None = None) -> ExportForecast:
    """Say what the export of a kit would do now. Nothing is written."""
    return exporter.forecast_kit(kit_id, config or KitExportConfig())


def _change(kits: KitShelf, kit_id: str, if_match: str | None, orders: list[KitOrder]) -> Response:
    try:
        changed = kits.change(kit_id, if_match, orders)
    except KitChangedError as error:
        return _conflict(kits, kit_id, error)
    return Response(changed.model_dump_json(), headers=_tag_of(changed.kit), media_type="application/json")


def _conflict(kits: KitShelf, kit_id: str, error: KitChangedError) -> Response:
    """Answer 412 with the kit as it is now."""
    now = kits.detail(kit_id)
    body = KitConflict(**problem_from_error(error).model_dump(), kit=now)
    return Response(body.model_dump_json(), error.http_status, _tag_of(now), MEDIA_TYPE)


def _created(made: KitDetail) -> Response:
    headers = _tag_of(made) | {"Location": f"{_PREFIX}/kits/{quote(str(made.id))}"}
    return Response(made.model_dump_json(), HTTPStatus.CREATED, headers, "application/json")


def _answer_kit(detail: KitDetail) -> Response:
    return Response(detail.model_dump_json(), headers=_tag_of(detail), media_type="application/json")


def _tag_of(detail: KitDetail) -> dict[str, Any]:
    return {"ETag": detail.etag} if detail.etag else {}
