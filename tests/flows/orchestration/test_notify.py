"""The web address that is told of failed runs: by the block that ``sp404 up`` saves, against servers that misbehave."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prefect.blocks.webhook import Webhook

from config.settings import load
from flows.orchestration.automations import webhook
from schemas.errors import RequestError


class Server(ThreadingHTTPServer):
    """Sends whoever posts elsewhere, or never answers under ``/silent``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str] = []
        self.ended = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.seen.append(self.path)
        if self.path == "/silent":
            self.server.ended.wait(30)
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd" if self.path == "/file" else "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


def call(block: Webhook) -> httpx.Response:
    return asyncio.run(block.call("{}"))


@pytest.mark.parametrize("path", ["/file", "/here"])
def test_it_is_not_sent_elsewhere(server: Server, path: str) -> None:
    assert call(webhook(f"http://127.0.0.1:{server.server_port}{path}")).status_code == 302
    assert server.seen == [path]


@pytest.mark.slow
def test_one_that_never_answers_is_given_up(server: Server) -> None:
    with pytest.raises(httpx.TimeoutException):
        call(webhook(f"http://127.0.0.1:{server.server_port}/silent"))


def test_its_address_is_a_secret_where_blocks_are_shown() -> None:
    block = webhook("https://hooks.example/T000/SECRET")
    assert "SECRET" not in repr(block) + str(block.model_dump())


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x.example/", "hooks.example/x", "http://", "gopher://a"])
def test_only_web_addresses_are_taken(address: str) -> None:
    with pytest.raises(RequestError, match="notify_url"):
        load({"notify_url": address}, lambda *_: {})
    assert load({"notify_url": "https://hooks.example/x"}, lambda *_: {}).settings.notify_url
