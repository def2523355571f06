"""Limits of connections: the time until a request is whole, the time until an answer is read, and their number.

uvicorn limits none of this: its ``limit_concurrency`` counts silent connections like others, so they keep everybody out; and
where no descriptor is left, asyncio logs a traceback for each place in the backlog, 2 MB a second.
"""

import asyncio
import logging
import resource
import socket
import time
from dataclasses import dataclass

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from flows.api.problems import MEDIA_TYPE, make_problem
from schemas.api import Problem

log = logging.getLogger("sp404.connections")
# asyncio accepts as many connections at once, before any of them can be refused.
BACKLOG = 512
_FILES = 4096
_OTHER_FILES = 256
_SEND_BUFFER_BYTES = 1 << 17
_LOG_SECONDS = 60.0
_MAX_REMEMBERED_MESSAGES = 200
_TOO_MANY = make_problem(503, "Too many connections are open", "too_many_connections", "Try again in a moment.")
_INVALID = make_problem(400, "This is not an HTTP request", "bad_request", "Speak HTTP/1.1 to this port.")
_TOO_SLOW = make_problem(408, "The request did not arrive in time", "too_slow_request", "Send all of it at once.")


@dataclass(frozen=True)
class ConnectionLimits:
    """The number of connections, and the time that each may keep the server waiting.

    Attributes:
        connections: The highest number; for one more, the connection that has owed a request for longest is closed.
        header_seconds: For the first line and the headers of a request, from the opening or from the last answer.
        body_seconds: For the body, which has 256 KiB at the most.
        stall_seconds: How long a client may read nothing of its answer.
        patience_seconds: The same where others want the place.
    """

    connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 20.0
    stall_seconds: float = 60.0
    patience_seconds: float = 10.0


def raise_file_limit() -> ConnectionLimits:
    """Let this process open as many files as it can use, and return limits that leave some for other work than connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = _FILES if soft == resource.RLIM_INFINITY else soft
    # Each may have a file open beside its socket.
    return ConnectionLimits(connections=max(min(ConnectionLimits.connections, (files - _OTHER_FILES) // 2), 16))


class BoundedProtocol(H11Protocol):
    """One HTTP connection of uvicorn's, held to limits."""

    limits = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse the connection."""
        self.owes_since: float | None = None
        self.stalled_since: float | None = None
        self._their_state: object = None
        self._request_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        # What is in the kernel's buffer counts as read.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._note_state()
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._refuse(b"503 Service Unavailable\r\nretry-after: 5", _TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        for timer in (self._request_timer, self._stall_timer):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived."""
        super().handle_events()
        self._note_state()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._note_state()

    def pause_writing(self) -> None:
        """Begin to wait for the reader of an answer."""
        super().pause_writing()
        self.stalled_since = time.monotonic()
        self._stall_timer = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: something was read."""
        super().resume_writing()
        self.stalled_since = None
        if self._stall_timer:
            self._stall_timer.cancel()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: such a request is answered like others."""

    def _note_state(self) -> None:
        state = self.conn.their_state
        if state is self._their_state:
            return
        self._their_state = state
        if self._request_timer:
            self._request_timer.cancel()
        waits = {h11.IDLE: self.limits.header_seconds, h11.SEND_BODY: self.limits.body_seconds}
        seconds = waits.get(state)
        self.owes_since = None if seconds is None else time.monotonic()
        self._request_timer = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._refuse(b"408 Request Timeout", _TOO_SLOW)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem."""
        self._refuse(b"400 Bad Request", _INVALID)

    def _refuse(self, status_line: bytes, problem: Problem) -> None:
        """Answer outside of a request, where no answer has begun, and close the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = problem.model_dump_json().encode()
        head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status_line, MEDIA_TYPE.encode(), len(body)) + body)
        self.transport.close()

    def _make_room(self) -> bool:
        """Close one other connection: that which has owed a request for longest, or else one whose reader has stalled."""
        others = [other for other in self.connections if isinstance(other, BoundedProtocol) and other is not self]
        others = [other for other in others if not other.transport.is_closing()]
        if len(others) < self.limits.connections:
            return True
        log.warning(
            "%d connections are open, the highest number: the longest silent one is closed for each new one", len(others)
        )
        long_ago = time.monotonic() - self.limits.patience_seconds
        owing = [(other.owes_since, id(other), other) for other in others if other.owes_since is not None]
        stalled = [(other.stalled_since, id(other), other) for other in others if other.stalled_since is not None]
        waiting = owing or [each for each in stalled if each[0] < long_ago]
        if waiting:
            min(waiting)[2].transport.abort()
        return bool(waiting)


class RepeatFilter(logging.Filter):
    """Lets the same message pass once a minute, and then says how often it was left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log it."""
        key = (record.msg, _place_of(record))
        now = time.monotonic()
        since, left_out = self._seen.get(key, (now - _LOG_SECONDS, 0))
        if now - since < _LOG_SECONDS:
            self._seen[key] = since, left_out + 1
            return False
        if len(self._seen) >= _MAX_REMEMBERED_MESSAGES:
            self._seen.clear()
        self._seen[key] = now, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more times since)"
        return True


def _place_of(record: logging.LogRecord) -> object:
    """Return what an exception is and where it was raised."""
    if not record.exc_info or not record.exc_info[1]:
        return None
    trace = record.exc_info[2]
    while trace and trace.tb_next:
        trace = trace.tb_next
    return record.exc_info[0], trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


def quieten_logs() -> None:
    """Keep clients from filling the log."""
    for name in ("asyncio", "uvicorn.error", log.name):
        logger = logging.getLogger(name)
        if not any(isinstance(each, RepeatFilter) for each in logger.filters):
            logger.addFilter(RepeatFilter())
