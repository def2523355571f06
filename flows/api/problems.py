"""Errors as problem documents (RFC 9457) for who asks over a network: in the words of the contract, and without folders."""

import os
import re
from http import HTTPStatus

from schemas.api import Problem
from schemas.errors import DatabaseBusyError, RangeError, Sp404Error, UnauthorizedError, statuses_by_reason

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5
# From the start of an absolute path to its last name, or to that of the last path in a text: better too much than too little.
_FOLDERS = re.compile(r"(?<!\w)/(?:[^/]*/)*")
_INTERNAL = "The server met an error of its own"


class ProblemError(Exception):
    """A problem that is none of ``schemas.errors``, or one that the records tell of."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def without_folders(text: str) -> str:
    """``text`` with the names of files alone, where it has paths from the root on."""
    return _FOLDERS.sub("", text)


def problem(status: int, detail: str, reason: str, fix: str = "", errors: list[dict[str, str]] | None = None) -> Problem:
    return Problem(
        type=f"urn:sp404-export:{reason}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=without_folders(detail),
        reason=reason,
        fix=without_folders(fix),
        errors=errors or [],
    )


def problem_of(error: BaseException) -> Problem:
    """What is said of any error; of one that is not ours, nothing but that it happened."""
    if isinstance(error, ProblemError):
        return error.problem
    if not isinstance(error, Sp404Error):
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL, "internal", "The server's log says more.")
    facts = {name: _base(fact) for name, fact in error.facts.items()}
    told = type(error)(**facts)
    return problem(error.http_status, (error.public or "").format(**facts) or str(told), error.reason, told.fix)


def problem_of_row(error: str, reason: str, fix: str) -> Problem:
    """What is said of a sample that failed, by its row in the records."""
    return problem(statuses_by_reason().get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), error, reason, fix)


def headers_of(error: BaseException) -> dict[str, str]:
    """What HTTP wants to be said beside the document."""
    if isinstance(error, DatabaseBusyError):
        return {"Retry-After": str(_RETRY_SECONDS)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RangeError):
        return {"Content-Range": f"bytes */{error.facts['size']}"}
    return {}


def _base(fact: object) -> object:
    return os.path.basename(fact) if isinstance(fact, str) and os.path.isabs(fact) else fact
