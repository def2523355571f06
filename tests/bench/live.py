"""What pages that are open cost an export by the command line: its wall time with five of them and with none, in turns.

On a busy machine the ratio of wall times is noise; the CPU time of the server and of the browser during the export is not:

uv run python -m tests.bench.live

Paste the table into README.md beside this file, where the machine was quiet.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser

from tasks.audio import synth
from tests.support import ROOT
from tests.support.browser import chromium, opened, settled
from tests.support.processes import children, cpu_seconds
from tests.support.running_export import export_command
from tests.support.serve import process
from tests.support.waiting import until

PAGES = 5
PAIRS = 5
_ROWS = "document.querySelector('.row .name') !== null"
# Waves are drawn, and what is wanted of a page that opens is answered.
_LOADED_MS = 4000
# When the page first shows that somebody exports.
_WATCH = """
new MutationObserver(() => {
    if (document.querySelector(".badge:not([hidden])")) window.seen ??= Date.now();
}).observe(document, { subtree: true, attributeFilter: ["hidden"] });
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    options = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; {options.samples:,} samples of half a second\n")
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as name:
        folder = Path(name)
        (folder / "lib").mkdir()
        for number in range(options.samples):
            synth.write(folder / f"lib/{number}.wav", synth.bass(44_100, 30 + number % 60, 0.5), 44_100)
        lines = ["file_path,title", *(f"lib/{number}.wav,Bass {number}" for number in range(options.samples))]
        (folder / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        export(folder)
        with process(folder, db=folder / "r.duckdb", output_base_path=folder / "out") as (api, server), chromium() as browser:
            print("| load | none, s | five pages, s | ratio | seen after, s | CPU of the server, s | of Chromium, s |")
            print("|---|---|---|---|---|---|---|")
            ratios = [pair(folder, api, server.pid, browser) for _ in range(PAIRS)]
    print(f"\nmedian {statistics.median(ratios):.3f}")


def export(folder: Path, meanwhile: Callable[[], Any] = lambda: None) -> float:
    """Export all once more, and return the seconds that it took."""
    command = export_command(folder / "m.csv", folder / "r.duckdb", folder / "out", "--full")
    begun = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        meanwhile()
        assert running.wait() == 0
    return time.perf_counter() - begun


def pair(folder: Path, api: httpx.Client, server: int, browser: Browser) -> float:
    load, lock = os.getloadavg()[0], folder / "r.duckdb.runs/lock"
    alone = export(folder)
    with ExitStack() as stack:
        opens = partial(opened, browser, str(api.base_url), before=lambda page: page.add_init_script(_WATCH))
        pages = [stack.enter_context(opens()) for _ in range(PAGES)]
        for page in pages:
            settled(page, _ROWS)
        pages[0].wait_for_timeout(_LOADED_MS)
        begun: list[float] = []

        def look() -> None:
            until(lambda: lock.read_text(encoding="utf-8"), 60)
            begun.append(time.time())

        of_browser = [pid for pid in _descendants(os.getpid()) if pid not in {server, *_descendants(server)}]
        before = cpu_seconds([server]), cpu_seconds(of_browser)
        watched = export(folder, look)
        spent = cpu_seconds([server]) - before[0], cpu_seconds(of_browser) - before[1]
        seen = max(page.evaluate("seen") for page in pages) / 1000 - begun[0]
    times = f"{alone:.2f} | {watched:.2f} | {watched / alone:.3f} | {seen:.2f} | {spent[0]:.2f} | {spent[1]:.2f}"
    print(f"| {load:.1f} | {times} |", flush=True)
    return watched / alone


def _descendants(pid: int) -> list[int]:
    try:
        found = children(pid)
    except FileNotFoundError:  # a thread ended just now
        return _descendants(pid)
    return [each for child in found for each in (child, *_descendants(child))]


if __name__ == "__main__":
    main()
