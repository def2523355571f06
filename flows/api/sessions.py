"""Sessions of people who signed in on the page with the token of the REST API. They end with the server."""

import hmac
import secrets
import threading
import time
from collections import deque

from schemas.errors import TooManyTriesError, UnauthorizedError

COOKIE = "sp404_session"
SECONDS = 12 * 3600
_MOST_SESSIONS = 1_000
_WRONG_TRIES, _TRY_SECONDS = 5, 60.0


class Sessions:
    """The sessions of one server, each known by a random id that only its browser has."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._lock = threading.Lock()
        self._ends: dict[str, float] = {}
        self._wrong: deque[float] = deque(maxlen=_WRONG_TRIES)

    def begin(self, token: str) -> str:
        """Return the id of a new session.

        Raises:
            UnauthorizedError: That is not the token.
            TooManyTriesError: There were five wrong ones within a minute.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._wrong) == _WRONG_TRIES and now - self._wrong[0] < _TRY_SECONDS:
                raise TooManyTriesError
            if not hmac.compare_digest(token.encode(), self._token):
                self._wrong.append(now)
                raise UnauthorizedError
            self._ends = {key: end for key, end in self._ends.items() if end > now}
            while len(self._ends) >= _MOST_SESSIONS:
                del self._ends[next(iter(self._ends))]
            session = secrets.token_urlsafe(32)
            self._ends[session] = now + SECONDS
            return session

    def is_valid(self, session: str) -> bool:
        """Return whether a session with this id goes on."""
        return self._ends.get(session, 0.0) > time.monotonic()

    def end(self, session: str) -> None:
        """End a session."""
        with self._lock:
            self._ends.pop(session, None)
