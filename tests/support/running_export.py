"""An export by the command line in a process of its own, seen by its lock."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import ROOT
from tests.support.waiting import until


def export_command(manifest: Path, db: Path, out: Path, *more: str) -> list[str]:
    """Return the command that exports a manifest without Prefect."""
    command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--direct", "--db", str(db), "--out", str(out)]
    return [*command, *more]


_HOLD = """
import sys
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports

with lock_exports(Database(sys.argv[1], 5)):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_place(db: Path) -> Iterator[int]:
    """Hold the place of an export in another process, which has not the database open; yield its id."""
    command = [sys.executable, "-c", _HOLD, str(db)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"mine\n"
        yield holder.pid


@contextmanager
def halted_export(manifest: Path, db: Path, out: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start an export, and halt it as soon as it has noted in the lock that it is its; at the end of the block it goes on."""
    lock = Path(f"{db}.runs/lock")
    command = export_command(manifest, db, out, *more)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            until(lambda: running.poll() is not None or f"process {running.pid} " in lock.read_text(encoding="utf-8"), 60)
            running.send_signal(signal.SIGSTOP)
            yield running
            running.send_signal(signal.SIGCONT)
            running.wait(120)
        finally:
            with suppress(ProcessLookupError):
                running.kill()
