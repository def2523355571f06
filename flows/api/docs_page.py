"""The page at ``/docs``: Swagger UI from the wheel of ``fastapi-offline``, so that it works without a network."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

DOCS = "/docs"
_FILES = f"{DOCS}/files"
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(app: FastAPI) -> None:
    """Serve the page and its files. Its policy lets in the scripts of this server alone, and its one inline script by hash."""
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "",
        title=app.title,
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},  # else it asks swagger.io
    )
    body = bytes(page.body)
    hashes = [b64encode(sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(body)]
    scripts = " ".join(["'self'", *(f"'sha256-{each}'" for each in hashes)])
    policy = f"default-src 'none'; connect-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'"
    headers = {"Content-Security-Policy": f"{policy}; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"}

    @app.get(DOCS, include_in_schema=False)
    async def docs() -> Response:
        return Response(body, headers=headers, media_type="text/html")

    app.mount(_FILES, StaticFiles(directory=str(resources.files("fastapi_offline") / "static")))
