"""Access control of the REST API: host, origin, token, size of the body, folders. Plain ASGI, without a web framework."""

import hmac
import ipaddress
import os
import unicodedata
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from config.settings import Settings, real_path
from flows.api.problems import MEDIA_TYPE, problem_from_error, problem_headers
from flows.api.sessions import COOKIE, Sessions
from schemas.errors import BodyTooLargeError, ForbiddenError, RequestError, Sp404Error, UnauthorizedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 1 << 18
_MIN_TOKEN_CHARACTERS = 16
SESSION_PATH = "/api/v1/sp404/session"
# The description of the API and the page itself are no secrets, and a browser cannot send a token for them.
_PUBLIC_PATHS = {"/docs", "/openapi.json", "/", SESSION_PATH}
_PUBLIC_FOLDERS = ("/docs/", "/ui/")
# Characters that are not shown, line ends among them, and those that change the direction of what is beside them.
_CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_BIDI = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MAX_NAME_BYTES, _MAX_PATH = 255, 2_000
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class AccessRules:
    """The conditions on which a request is let in.

    Attributes:
        names: The host names that the server may be called by.
        any_address: Whether it may also be called by any IP address.
        token: The bearer token; empty where none is needed.
        sessions: Those of people who signed in with it on the page.
    """

    names: frozenset[str]
    any_address: bool
    token: bytes
    sessions: Sessions


def build_rules(settings: Settings) -> AccessRules:
    """Derive the rules from the settings.

    Raises:
        RequestError: The token cannot be used, or the address can be reached from elsewhere and there is no token.
    """
    token = _read_token(settings)
    host = settings.api_host.lower().strip("[]")
    beyond = not _is_loopback(host)
    if beyond and not token:
        what = f"The REST API would listen at {host}, which other machines can reach, without a token"
        raise RequestError(what=what, fix="Set SP404_API_TOKEN or api_token_file, or leave api_host at 127.0.0.1.")
    return AccessRules(frozenset({*_LOOPBACK, host, *settings.api_names.lower().split()}), beyond, token, Sessions(token))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_token(settings: Settings) -> bytes:
    """Read the token. It is never part of a message, not even of why it cannot be used."""
    token = settings.api_token.get_secret_value()
    if not token and settings.api_token_file:
        try:
            token = Path(settings.api_token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            what = f"The file of the token cannot be read: {settings.api_token_file}"
            raise RequestError(what=what, fix="Correct the setting api_token_file.") from error
        if not token:
            raise RequestError(what=f"The file of the token is empty: {settings.api_token_file}", fix="Write a token into it.")
    if token and not (len(token) >= _MIN_TOKEN_CHARACTERS and token.isascii() and token.isprintable() and " " not in token):
        what = f"The token of the REST API is not {_MIN_TOKEN_CHARACTERS} or more letters, digits and signs"
        raise RequestError(what=what, fix="Make one with: openssl rand -hex 32.")
    return token.encode()


class AccessControl:
    """ASGI middleware that refuses requests: a foreign host name, another origin, no token, a body that is too large."""

    def __init__(self, app: App, rules: AccessRules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or answer it with a problem."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            _check(scope, self._rules)
            body = await _read_body(scope, receive)
        except Sp404Error as error:
            await _refuse(error, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


def _check(scope: Message, rules: AccessRules) -> None:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value for name, value in headers if name == "host"]
    if len(hosts) != 1 or not _is_ours(hosts[0], rules):
        # A page elsewhere can give its own name our address (DNS rebinding): then the browser lets it read answers.
        raise ForbiddenError(what="This host name is not one of this server's", fix="Add it to the setting api_names.")
    by_name = dict(headers)
    origin = by_name.get("origin")
    foreign = origin is not None and _host_of(origin) != hosts[0].lower()
    if foreign or by_name.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise ForbiddenError(
            what="A web page of another origin cannot use this server", fix="Use a program, or the page of this server."
        )
    is_public = scope["path"] in _PUBLIC_PATHS or scope["path"].startswith(_PUBLIC_FOLDERS)
    if rules.token and not is_public and not _has_token(by_name, rules):
        _check_session(scope["method"], by_name, rules)


def _has_token(headers: dict[str, str], rules: AccessRules) -> bool:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1"), rules.token)


def _check_session(method: str, headers: dict[str, str], rules: AccessRules) -> None:
    """Let in who signed in on the page. A page of another site could make a browser send the cookie with a form."""
    if not rules.sessions.is_valid(read_cookie(headers.get("cookie", ""))):
        raise UnauthorizedError
    if method not in ("GET", "HEAD") and "origin" not in headers:
        raise ForbiddenError(what="A request with a cookie must name its origin", fix="Send the token instead.")


def read_cookie(header: str) -> str:
    """Return the id of the session in a header Cookie; empty without one."""
    with suppress(CookieError):
        morsel = SimpleCookie(header).get(COOKIE)
        return morsel.value if morsel else ""
    return ""


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as http://[
        return ""


def _is_ours(host: str, rules: AccessRules) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in rules.names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return rules.any_address


async def _read_body(scope: Message, receive: Receive) -> bytes | None:
    """Read all of a request's body; None where the client goes away before its end.

    Raises:
        BodyTooLargeError: It has more than ``MAX_BODY_BYTES``.
    """
    names = {name.lower(): value for name, value in scope["headers"]}
    if b"content-length" not in names and b"transfer-encoding" not in names:
        return b""
    length = names.get(b"content-length", b"0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise BodyTooLargeError(maximum=MAX_BODY_BYTES)
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(maximum=MAX_BODY_BYTES)
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that hands out ``body`` as if it had not been read, and then goes on with the original."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


async def _refuse(error: Sp404Error, send: Send) -> None:
    document = problem_from_error(error).model_dump_json().encode()
    by_name = {"content-type": MEDIA_TYPE, "content-length": str(len(document)), "connection": "close"}
    headers = [(name.lower().encode(), value.encode()) for name, value in (by_name | problem_headers(error)).items()]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": document})


def _check_text(path: str) -> None:
    """Refuse what would stand in records and terminals as something else than it is, and what nothing can be called."""
    sizes = [len(name.encode(errors="replace")) for name in path.split("/")]
    if any(unicodedata.category(letter) in _CONTROL_CATEGORIES or letter in _BIDI for letter in path):
        raise RequestError(what="output_base_path has control characters", fix="Use letters, digits, spaces and signs alone.")
    if max(sizes) > _MAX_NAME_BYTES or len(path) > _MAX_PATH:
        what = f"output_base_path has a name of more than {_MAX_NAME_BYTES} bytes, or more than {_MAX_PATH:,} characters in all"
        raise RequestError(what=what, fix="Use shorter names.")


def find_inside_root(path: str, root: str) -> str | None:
    """Resolve a path that a client named, without links; None where it leads out of ``root``."""
    with suppress(ValueError):
        resolved = real_path(os.path.join(root, path))
        if os.path.commonpath([resolved, root]) == root:
            return resolved
    return None


def resolve_inside_root(path: str, root: str) -> str:
    """Resolve a folder that a client named, without links.

    Args:
        path: Absolute, or relative to ``root``.
        root: The folder that clients may export to.

    Raises:
        RequestError: It has control characters, or is longer than a file system takes.
        ForbiddenError: It leads out of ``root``.
    """
    _check_text(path)
    resolved = find_inside_root(path, root)
    if resolved is not None:
        return resolved
    what = "output_base_path is not a folder within the one that clients may export to"
    raise ForbiddenError(what=what, fix="Name a folder below it, or leave it out; the setting api_root says which it is.")
