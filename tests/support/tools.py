"""Programs from outside the package registry, used as judges: ffmpeg, ffprobe, soxi; and somebody else than root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REQUIRED = "REQUIRE_OUTSIDE_TOOLS"


def tool(name: str) -> str:
    """Return the path of a program. Skip the test if it is missing; fail it if REQUIRE_OUTSIDE_TOOLS is set."""
    path = shutil.which(name)
    if path:
        return path
    if os.environ.get(REQUIRED):
        pytest.fail(f"{name} is not installed, and {REQUIRED} is set")
    pytest.skip(f"{name} is not installed (apt-get install ffmpeg sox); set {REQUIRED} to fail instead")


def answer(name: str, *arguments: object) -> str:
    """Return what a program prints on standard output; its complaints fail the test."""
    command = [tool(name), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout.strip()


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that anybody can enter: those of pytest are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read and write everything, so it becomes ``nobody`` for a moment."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
