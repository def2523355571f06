"""What tests of real processes share: to wait for something, and to find what belongs to a home."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def until(true: Callable[[], Any], seconds: float) -> Any:
    """What ``true`` says when it is no longer nothing; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return found


def pids_at(home: Path) -> list[int]:
    """Every process that has this PREFECT_HOME in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"PREFECT_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
