"""Programs from outside the package registry, used as judges: ffmpeg, ffprobe, soxi."""

import os
import shutil
import subprocess

import pytest

REQUIRED = "REQUIRE_OUTSIDE_TOOLS"


def tool(name: str) -> str:
    """The path of a program. Skips the test where it is missing; fails it where REQUIRE_OUTSIDE_TOOLS is set."""
    path = shutil.which(name)
    if path:
        return path
    if os.environ.get(REQUIRED):
        pytest.fail(f"{name} is not installed, and {REQUIRED} is set")
    pytest.skip(f"{name} is not installed (apt-get install ffmpeg sox); set {REQUIRED} to fail instead")


def answer(name: str, *arguments: object) -> str:
    """What a program prints on standard output; its complaints fail the test."""
    command = [tool(name), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout.strip()
