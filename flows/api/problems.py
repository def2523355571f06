"""Problem documents (RFC 9457): errors in the words of the contract, without the folders of this machine."""

import os
import re
from http import HTTPStatus

from schemas.api import Problem
from schemas.errors import RangeError, Sp404Error, TooManyFilesError, UnauthorizedError, public_fix, statuses_by_reason

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5
# From the start of an absolute path to its last name, or to that of the last path in a text: better too much than too little.
_FOLDERS = re.compile(r"(?<!\w)/(?:[^/]*/)*")
# What a text says of the command line, in brackets.
_OPTIONS = re.compile(r" \(--[^)]*\)")
_INTERNAL = "Internal error of the server"


class ProblemError(Exception):
    """A problem without a class in ``schemas.errors``, or one that was read from the records."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def strip_folders(text: str) -> str:
    """Return ``text`` with each absolute path cut down to its last name."""
    return _FOLDERS.sub("", text)


def strip_options(text: str) -> str:
    """Return a warning without what it says of options of the command line."""
    return _OPTIONS.sub("", text)


def make_problem(status: int, detail: str, reason: str, fix: str = "", errors: list[dict[str, str]] | None = None) -> Problem:
    """Build a problem document.

    Args:
        status: The HTTP status; its phrase becomes the title.
        detail: What happened; folders are removed.
        reason: The short key of the error, as in ``schemas.errors``.
        fix: What the client can do; folders are removed.
        errors: Each fault of a request: ``where`` it is and ``what`` it is.
    """
    return Problem(
        type=f"urn:sp404-export:{reason}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=strip_folders(detail),
        reason=reason,
        fix=strip_folders(fix),
        errors=errors or [],
    )


def problem_from_error(error: BaseException) -> Problem:
    """Describe any error; an unexpected one only by the fact that it happened."""
    if isinstance(error, ProblemError):
        return error.problem
    if TooManyFilesError.is_cause(error):  # whatever could not be done for it, and whatever fix that has
        error = TooManyFilesError()
    if not isinstance(error, Sp404Error):
        return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL, "internal", "See the server's log.")
    facts = {name: _base_name(fact) for name, fact in error.facts.items()}
    public = type(error)(**facts)
    detail = (error.public or "").format(**facts) or str(public)
    return make_problem(error.http_status, detail, error.reason, public.public_fix)


def problem_from_record(error: str, reason: str, fix: str) -> Problem:
    """Describe a sample that failed, by the columns of its row in the records."""
    status = statuses_by_reason().get(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    return make_problem(status, error, reason, public_fix(error, reason, fix))


def problem_headers(error: BaseException) -> dict[str, str]:
    """Return the HTTP headers that belong to an error."""
    if problem_from_error(error).status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(_RETRY_SECONDS)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RangeError):
        return {"Content-Range": f"bytes */{error.facts['size']}"}
    return {}


def _base_name(fact: object) -> object:
    return os.path.basename(fact) if isinstance(fact, str) and os.path.isabs(fact) else fact
