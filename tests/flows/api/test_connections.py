"""Clients that are silent, slow or many, each made for real at a real port with limits of parts of a second."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.api import connections
from flows.api.connections import ConnectionLimits
from tests.support.api_library import serve_library
from tests.support.serve import API
from tests.support.waiting import until

LIMITS = ConnectionLimits(connections=12, header_seconds=0.4, body_seconds=0.6, stall_seconds=1.5, patience_seconds=30)
LARGE_BYTES = 12 << 20
GET = f"GET {API}/samples/1/audio HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture(scope="module")
def bounded(folder: Path) -> Iterator[httpx.Client]:
    """The REST API with those limits, over a library whose first sample is larger than what sockets buffer."""
    with (folder / "lib/kick.wav").open("ab") as file:
        file.truncate(LARGE_BYTES)
    with pytest.MonkeyPatch.context() as monkeypatch, serve_library(monkeypatch, folder, limits=LIMITS) as client:
        yield client


def connect(api: httpx.Client, sent: bytes = b"", receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(10)
    client.connect((api.base_url.host, api.base_url.port or 80))
    client.sendall(sent)
    return client


def rest_of(client: socket.socket) -> bytes:
    received = b""
    try:
        while block := client.recv(1 << 16):
            received += block
    except ConnectionResetError:
        pass
    client.close()
    return received


def problem_of(received: bytes) -> dict[str, object]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    told = dict(json.loads(body))
    assert head.startswith(f"HTTP/1.1 {told['status']} ".encode())
    assert told["fix"]
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "trickle"),
    [
        (b"", b""),
        (f"GET {API}/samples HTTP/1.1\r\nX-A".encode(), b"a"),
        (f"PUT {API}/preferences HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n".encode(), b" "),
    ],
)
def test_a_request_must_be_whole_in_time(bounded: httpx.Client, sent: bytes, trickle: bytes) -> None:
    client = connect(bounded, sent)
    begun = time.monotonic()
    client.settimeout(0.05)
    received = b""
    while not received:
        try:
            received = client.recv(1 << 16)
        except TimeoutError:
            client.sendall(trickle)
        assert time.monotonic() - begun < 5
    assert problem_of(received)["status"] == 408
    assert time.monotonic() - begun > 0.3
    client.close()


@pytest.mark.slow
def test_what_is_not_http_has_a_problem(bounded: httpx.Client) -> None:
    assert problem_of(rest_of(connect(bounded, b"\x16\x03\x01 hello\r\n\r\n")))["status"] == 400


@pytest.mark.slow
def test_silent_connections_make_room(bounded: httpx.Client) -> None:
    silent = [connect(bounded, b"GET / HTTP/1.1\r\n") for _ in range(3 * LIMITS.connections)]
    with httpx.Client(base_url=bounded.base_url, timeout=5) as client:
        assert client.get("/openapi.json").status_code == 200
    for each in silent:
        each.close()


@pytest.mark.slow
def test_a_reader_that_stands_still_is_let_go(bounded: httpx.Client) -> None:
    stalled = connect(bounded, GET, receive_buffer=4096)
    time.sleep(LIMITS.stall_seconds + 0.7)
    assert len(rest_of(stalled)) < LARGE_BYTES // 2


@pytest.mark.slow
def test_a_slow_reader_gets_all(bounded: httpx.Client) -> None:
    """It reads little at a time, but goes on for longer than a standstill may last."""
    slow = connect(bounded, GET, receive_buffer=1 << 16)
    received, begun = 0, time.monotonic()
    while time.monotonic() - begun < 2 * LIMITS.stall_seconds:
        received += len(slow.recv(1 << 16))
        time.sleep(0.03)
    assert received < LARGE_BYTES
    assert received + len(rest_of(slow)) > LARGE_BYTES


@pytest.mark.slow
def test_where_all_connections_work_one_more_is_told_to_come_again(bounded: httpx.Client) -> None:
    busy = [connect(bounded, GET, receive_buffer=4096) for _ in range(LIMITS.connections)]
    until(lambda: [each.recv(1) for each in busy], 5)
    received = rest_of(connect(bounded))
    assert problem_of(received)["status"] == 503
    assert b"retry-after: " in received
    for each in busy:
        each.close()
    until(lambda: bounded.get("/openapi.json").status_code == 200, 5)


def test_a_message_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    repeat = connections.RepeatFilter()

    def said(text: str) -> str:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, text, ("a",), None)
        return record.getMessage() if repeat.filter(record) else ""

    assert [said("no %s") for _ in range(3)] == ["no a", "", ""]
    assert said("other %s") == "other a"
    now += 61
    assert said("no %s") == "no a (2 more times since)"


def test_most_connections_leave_files_for_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(connections.resource, "setrlimit", lambda _kind, limit: limits.append(limit))
    for soft, hard, connections_allowed, raised in [
        (1024, 1 << 20, 512, [(4096, 1 << 20)]),
        (1024, 1024, 384, []),
        (256, connections.resource.RLIM_INFINITY, 512, [(4096, connections.resource.RLIM_INFINITY)]),
        (64, 64, 16, []),
    ]:
        limits.clear()
        monkeypatch.setattr(connections.resource, "getrlimit", lambda _kind, now=(soft, hard): now)
        assert connections.raise_file_limit().connections == connections_allowed
        assert limits == raised
