"""The web page at ``/`` and its files below ``/ui/``, with the policy that browsers hold them to."""

import gzip
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources

from blake3 import blake3
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from flows.api.entity_tags import entity_tag, is_known

_FOLDER = resources.files("flows.api") / "page"
_PAGE = "index.html"
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class _PageFile:
    """A file of the page, also compressed."""

    body: bytes
    packed: bytes
    media_type: str

    def respond(self, request: Request, caching: str) -> Response:
        is_packed = "gzip" in request.headers.get("accept-encoding", "")
        body = self.packed if is_packed else self.body
        headers = _HEADERS | {"Cache-Control": caching, "ETag": entity_tag(body)}
        if is_known(headers["ETag"], request.headers.get("if-none-match")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        packing = {"Content-Encoding": "gzip"} if is_packed else {}
        return Response(body, headers=headers | packing, media_type=self.media_type)


def add_web_page(app: FastAPI) -> None:
    """Serve the page and its files, and nothing else of the folder: they are read once, when the server starts.

    The files have the hash of them all in their paths, so that browsers keep them until a release changes one.
    """
    contents = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.name.endswith(tuple(_MEDIA_TYPES))}
    base = f"/ui/{blake3(b''.join(contents[name] for name in sorted(contents))).hexdigest(6)}"
    contents[_PAGE] = contents[_PAGE].replace(b"{base}", base.encode())
    files = {name: _make_file(name, body) for name, body in contents.items()}

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return files[_PAGE].respond(request, "no-cache")

    @app.get(base + "/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        if name not in files or name == _PAGE:
            raise HTTPException(404)
        return files[name].respond(request, "public, max-age=31536000, immutable")


def _make_file(name: str, body: bytes) -> _PageFile:
    return _PageFile(body, gzip.compress(body, mtime=0), _MEDIA_TYPES[name[name.rindex(".") :]])
