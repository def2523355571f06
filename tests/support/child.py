"""Convert files in a process of its own, so that a crash is a finding and not the end of the tests.

``python -m tests.support.child OUTPUT_FOLDER SOURCE...`` prints a line before each file and a line of JSON after it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ROOT
from tests.support.processes import memory_bytes


@dataclass(frozen=True)
class Verdict:
    """The child's answer about one file; ``crashed`` if it died."""

    source: Path
    said: dict[str, Any]
    crashed: str = ""


def convert_apart(sources: Sequence[Path], out: Path, timeout: float = 60) -> list[Verdict]:
    """Convert all sources to ``out/<name>.wav``. After a crash a new child goes on with the next file."""
    verdicts: list[Verdict] = []
    while len(verdicts) < len(sources):
        left = sources[len(verdicts) :]
        command = [sys.executable, "-m", "tests.support.child", str(out), *map(str, left)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
        lines = done.stdout.splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        verdicts += [Verdict(source, answer) for source, answer in zip(left, said, strict=False)]
        if done.returncode:
            assert len(said) < len(left), done.stderr
            verdicts.append(Verdict(left[len(said)], {}, f"exit status {done.returncode}: {done.stderr[-300:]}"))
    return verdicts


def main(out: str, *sources: str) -> None:
    from schemas.conversion import Job, SoundSettings, Tags
    from tasks.audio.convert import check, convert

    settings = SoundSettings("wav", 100, 480_000)
    for source in sources:
        print(source, flush=True)
        target = Path(out, f"{Path(source).name}.wav")
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        job = Job(0, 1, source, str(target), Tags("", "", None, "", ""))
        outcome, checked = convert(job, settings), check(job, settings)
        answer = {
            "status": str(outcome.status),
            "error": outcome.error,
            "frames": outcome.frames,
            "channels": outcome.channels,
            "seconds": outcome.seconds,
            "checked": ["failed" if checked.error else "exported", checked.error],
            "peak_mb": memory_bytes() // 1_000_000,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
