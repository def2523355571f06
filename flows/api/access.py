"""The door of the REST API: whom it lets in, before anything is read. Plain ASGI; knows no web framework."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from config.settings import Settings
from flows.api.problems import MEDIA_TYPE, headers_of, problem_of
from schemas.errors import BodyTooLargeError, ForbiddenError, RequestError, Sp404Error, UnauthorizedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES = 1 << 18
_LEAST_TOKEN = 16
# The description of the API is no secret, and a browser cannot send a token for it.
_OPEN = {"/docs", "/openapi.json"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Rules:
    """``names``: the hosts that it may be called by; ``any_address``: also by any address. ``token``: empty if not needed."""

    names: frozenset[str]
    any_address: bool
    token: bytes


def rules_of(settings: Settings) -> Rules:
    """Raises RequestError where the address can be reached from elsewhere and there is no token, or a bad one."""
    token = _token(settings)
    host = settings.api_host.lower().strip("[]")
    beyond = not _is_loopback(host)
    if beyond and not token:
        what = f"The REST API would listen at {host}, which is not this machine alone, without a token"
        raise RequestError(what=what, fix="Set SP404_API_TOKEN or api_token_file, or leave api_host at 127.0.0.1.")
    return Rules(frozenset({*_LOOPBACK, host, *settings.api_names.lower().split()}), beyond, token)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(settings: Settings) -> bytes:
    """Never part of a message: not even of why it cannot be used."""
    token = settings.api_token.get_secret_value()
    if not token and settings.api_token_file:
        try:
            token = Path(settings.api_token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            what = f"The file of the token cannot be read: {settings.api_token_file}"
            raise RequestError(what=what, fix="Correct api_token_file.") from error
        if not token:
            raise RequestError(what=f"The file of the token is empty: {settings.api_token_file}", fix="Write one into it.")
    if token and not (len(token) >= _LEAST_TOKEN and token.isascii() and token.isprintable() and " " not in token):
        what = f"The token of the REST API is not {_LEAST_TOKEN} or more letters, digits and signs"
        raise RequestError(what=what, fix="This makes a good one: openssl rand -hex 32.")
    return token.encode()


class Guard:
    """Refuses requests that did not come by one of our names, that another web page sends, that lack the token, or whose
    body is too large.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            _check(scope, self._rules)
            body = await _body(scope, receive)
        except Sp404Error as error:
            await _refuse(error, send)
            return
        await self._app(scope, _again(body, receive), send)


def _check(scope: Message, rules: Rules) -> None:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value for name, value in headers if name == "host"]
    if len(hosts) != 1 or not _is_ours(hosts[0], rules):
        # A page elsewhere can give its own name our address (DNS rebinding): then the browser lets it read answers.
        raise ForbiddenError(what="This host name is not one of this server's", fix="Add it to the setting api_names.")
    told = dict(headers)
    origin = told.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower()
    if foreign or told.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise ForbiddenError(
            what="A web page of another origin cannot use this server", fix="Ask from a program, or from its own page."
        )
    if rules.token and scope["path"] not in _OPEN:
        scheme, _, token = told.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode("latin-1"), rules.token):
            raise UnauthorizedError


def _is_ours(host: str, rules: Rules) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in rules.names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return rules.any_address


async def _body(scope: Message, receive: Receive) -> bytes:
    """All of a request's body. Raises BodyTooLargeError."""
    names = {name.lower(): value for name, value in scope["headers"]}
    if b"content-length" not in names and b"transfer-encoding" not in names:
        return b""
    length = names.get(b"content-length", b"0")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise BodyTooLargeError(maximum=MOST_BYTES)
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise BodyTooLargeError(maximum=MOST_BYTES)
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """What hands out ``body`` as if it had not been read, and then goes on."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


async def _refuse(error: Sp404Error, send: Send) -> None:
    document = problem_of(error).model_dump_json().encode()
    told = {"content-type": MEDIA_TYPE, "content-length": str(len(document)), "connection": "close"} | headers_of(error)
    headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": document})
