"""Exit statuses of the commands, and the signals that end them. Statuses 3, 130 and 143 stand with their errors."""

import signal
from typing import NoReturn

ALL_DONE, SOME_FAILED, UNUSABLE = 0, 1, 2


class TerminationSignal(BaseException):
    """A SIGTERM or a SIGHUP. Like Ctrl-C it is not an ``Exception``, so that nothing on the way catches it by mistake."""


def raise_on_termination() -> None:
    """Turn SIGTERM and SIGHUP (where the system has it) into ``TerminationSignal``, so that a run ends in order."""
    for number in (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        signal.signal(number, _raise_termination)


def _raise_termination(_number: int, _frame: object) -> NoReturn:
    raise TerminationSignal


def restore_ctrl_c() -> None:
    """Give Ctrl-C back to Python.

    Polars takes it for itself when it is imported; a thread that waits would then not be interrupted.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
