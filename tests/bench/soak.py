"""A soak of the REST API: many clients for minutes, among them such as go away, and then what the server has kept.

uv run python -m tests.bench.soak [seconds]

Prints a table for README.md beside this file. Ends with status 1 where descriptors or memory have grown beyond the bounds
below, or where a request failed with anything but "try again later".
"""

import argparse
import random
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.bench.api import SAMPLES, library
from tests.support.processes import children, open_files
from tests.support.serve import API, process

CLIENTS = 30
# Both are measured while nobody asks, the first time after a warm-up of the same kind: all routes, imports and workers.
WARM_UP_PART, SETTLE_SECONDS = 0.15, 8.0
MOST_MORE_FILES = 8
MOST_MORE_MEMORY = 0.15
MB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="sp404-soak-") as name:
        folder = Path(name)
        db = library(folder)
        with process(folder, db=db, output_base_path=folder / "out") as (api, running):
            warm_up = max(seconds * WARM_UP_PART, 20)
            soak(api.base_url, warm_up)
            before = measure(running.pid)
            answers = soak(api.base_url, seconds)
            after = measure(running.pid)
        log_bytes = (folder / "api.log").stat().st_size
    print("| seconds | clients | requests | aborted | exports | 503 | other errors | descriptors | MB of memory | log bytes |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    errors = {kind: count for kind, count in answers.items() if kind.startswith("error")}
    print(
        f"| {seconds:.0f} | {CLIENTS} | {sum(answers.values()):,} | {answers['aborted']:,} | {answers['exported']:,} |"
        f" {answers['try again later']:,} | {sum(errors.values())} | {before[0]} > {after[0]} |"
        f" {before[1] / MB:.0f} > {after[1] / MB:.0f} | {log_bytes:,} |"
    )
    for kind, count in errors.items():
        print(f"{count} x {kind}")
    if after[0] > before[0] + MOST_MORE_FILES or after[1] > before[1] * (1 + MOST_MORE_MEMORY) or errors:
        sys.exit(f"More than {MOST_MORE_FILES} descriptors or {MOST_MORE_MEMORY:.0%} of memory were kept, or requests failed")


def measure(pid: int) -> tuple[int, int]:
    """Return the descriptors and the bytes of memory of the server and its workers, when it has become quiet."""
    time.sleep(SETTLE_SECONDS)
    pids = [pid, *children(pid)]
    pages = sum(int(Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()[1]) for each in pids)
    return sum(map(open_files, pids)), pages * resource.getpagesize()


def soak(base: httpx.URL, seconds: float) -> Counter[str]:
    """Let all clients ask for some time; return how often what came of it."""
    everyone = [SoakClient(number, base, time.monotonic() + seconds) for number in range(CLIENTS)]
    for one in everyone:
        one.start()
    for one in everyone:
        one.join()
    return sum((one.answers for one in everyone), Counter())


class SoakClient(threading.Thread):
    """Now reads, now exports, now goes away in the midst of a stream, each as soon as the last is over."""

    def __init__(self, number: int, base: httpx.URL, until: float) -> None:
        super().__init__()
        self._random, self._number, self._base, self._until = random.Random(number), number, base, until
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        kinds = [self._read] * 5 + [self._abort] * 3 + [self._export, self._later]
        with httpx.Client(base_url=self._base, timeout=60) as self._api:
            while time.monotonic() < self._until:
                try:
                    self._random.choice(kinds)()
                except (httpx.HTTPError, OSError) as error:
                    self.answers[f"error: {type(error).__name__}"] += 1

    def _ask(self, outcome: str, method: str, path: str, **more: object) -> httpx.Response:
        answer = self._api.request(method, path if path.startswith("/") else f"{API}/{path}", **more)  # type: ignore[arg-type]
        if answer.status_code == 503:
            outcome = "try again later"
        elif answer.status_code >= 400:
            outcome = f"error: {answer.status_code} {answer.json()['detail']}"
        self.answers[outcome] += 1
        return answer

    def _read(self) -> None:
        number = self._random.randint(1, SAMPLES)
        paths = ["samples", "samples?genre=g1", "kits", "kits/1", "exports?page_size=10", f"samples/{number}", "preferences"]
        paths += [f"samples/{number}/audio", f"samples/{number}/peaks", "exports/1/download", "/docs", "/openapi.json"]
        self._ask("read", "GET", self._random.choice(paths))

    def _abort(self) -> None:
        """Go away with a reset: at once, after the first bytes, or before the request is whole."""
        path = self._random.choice(
            [f"samples/{self._random.randint(1, SAMPLES)}/audio", "exports/1/download", "samples/1/peaks"]
        )
        request = (
            f"GET {API}/{path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={self._random.randint(0, 99)}-\r\n\r\n".encode()
        )
        with socket.create_connection((self._base.host, self._base.port or 80), timeout=30) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            kind = self._random.randrange(3)
            client.sendall(request[: -9 if kind == 0 else None])
            if kind == 2:
                client.recv(100)
        self.answers["aborted"] += 1

    def _export(self) -> None:
        config = {"output_base_path": f"client {self._number}"}
        self._ask("exported", "POST", f"samples/{self._random.randint(1, SAMPLES)}/export", json=config)

    def _later(self) -> None:
        wanted = {"sample_ids": self._random.sample(range(1, SAMPLES + 1), 5), "config": {"output_base_path": "batches"}}
        answer = self._ask("exported", "POST", "samples/export-batch", json=wanted, headers={"Prefer": "respond-async"})
        while answer.status_code == 202 or (answer.status_code == 200 and not answer.json()["ended_at"]):
            time.sleep(0.5)
            answer = self._ask("read", "GET", answer.headers.get("location") or answer.url.path)


if __name__ == "__main__":
    main()
