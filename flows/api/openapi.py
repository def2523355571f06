"""The parts of the OpenAPI description beside the types: problems, files, jobs, the token."""

from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from flows.api.problems import MEDIA_TYPE
from schemas.api import Problem, Work
from schemas.kit_api import KitConflict

Responses: TypeAlias = dict[int | str, dict[str, Any]]
_TEXT = {"schema": {"type": "string"}}
_INTEGER = {"schema": {"type": "integer"}}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_FILE_HEADERS = {"Content-Length": _INTEGER, "Content-Disposition": _TEXT, "Accept-Ranges": _TEXT, "ETag": _TEXT}
# As ``access.resolve_inside_root`` checks it; a name may have 255 bytes, which a pattern cannot count.
_NAME_PATTERN = "[^/\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]{0,255}"
_PATH_PATTERN = f"^{_NAME_PATTERN}(/{_NAME_PATTERN})*$"
ACCEPTED: Responses = {
    202: {
        "model": Work,
        "description": "Under way; `Prefer: respond-async` was asked for",
        "headers": {
            "Location": _TEXT | {"description": "Where to ask for its progress."},
            "Preference-Applied": _TEXT,
        },
    }
}

_ETAG = {"headers": {"ETag": _TEXT | {"description": "Of a kit file; send it as `If-Match` with a change."}}}
KIT: Responses = {200: _ETAG}
NEW_KIT: Responses = {201: _ETAG}
CONFLICT: Responses = {
    412: {
        "description": "The kit was changed meanwhile; with the kit as it is now",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/KitConflict"}}},
    }
}
UNCHANGED: Responses = {304: {"description": "Nothing changed since the answer with the ETag in `If-None-Match`"}}


def describe_problems(*statuses: int) -> Responses:
    """Describe the errors of a route: ``statuses``, and those that every route can answer with."""
    every = {*statuses, 400, 401, 403, 413, 422, 500, 503}
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    described: Responses = {}
    for status in sorted(every):
        described[status] = {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
    described[503]["headers"] = {"Retry-After": _INTEGER | {"description": "Seconds."}}
    return described


def describe_files(*media_types: str) -> Responses:
    """Describe the answers of a route that sends a file, in whole or in part."""
    content = dict.fromkeys(media_types, _FILE)
    part = _FILE_HEADERS | {"Content-Range": _TEXT}
    return {
        200: {"description": "The whole file", "content": content, "headers": _FILE_HEADERS},
        206: {"description": "The part that was asked for", "content": content, "headers": part},
    }


def describe_api(app: FastAPI, needs_token: bool) -> dict[str, Any]:
    """Return the OpenAPI document, with our errors instead of the framework's, and with the token where one is needed."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for model in ("ExportConfig", "KitExportConfig", "Preferences"):
            text = next(each for each in schemas[model]["properties"]["output_base_path"]["anyOf"] if each["type"] == "string")
            text["pattern"] = _PATH_PATTERN
        schemas["Problem"] = Problem.model_json_schema(mode="serialization")
        conflict = KitConflict.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas["KitConflict"] = {name: value for name, value in conflict.items() if name != "$defs"}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        if needs_token:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
