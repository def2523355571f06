"""Run ``sp404`` in this process, and judge what it prints. The fixture ``sp404`` in tests/conftest.py gives the runner."""

import gc
import signal
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from flows.cli import main


class Said(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Said]


def runner(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the console script's main in this process with the arguments that it is given."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["sp404", *map(str, arguments)])
        capfd.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        garbage = gc.get_threshold()
        try:
            with pytest.raises(SystemExit) as ended:
                main.main()
        finally:
            gc.set_threshold(*garbage)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Said(int(ended.value.code or 0), out, err)

    return run


def one_clear_error(said: Said, status: int, *words: str) -> None:
    assert said.status == status, said
    assert said.out == ""
    lines = said.err.splitlines()
    assert 1 <= len(lines) <= 2, said.err
    assert lines[0].startswith("sp404: ")
    assert all(word in said.err for word in words), said.err
