"""Standard streams and the current folder: made usable, or refused, before a command begins."""

import os
import sys

from schemas.errors import RequestError


def keep_standard_streams() -> None:
    """Open a standard stream that is closed, for reading nothing and writing to nowhere.

    Else the next file that is opened gets its number, and whatever a library prints is written into that file.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def discard_output() -> None:
    """Send to nowhere what is left to be printed: Python tries it again at its end, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def check_current_folder() -> None:
    """Check that the current folder exists.

    Raises:
        RequestError: It was deleted.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise RequestError(what="The current folder does not exist any more", fix="cd to one that does.") from error
