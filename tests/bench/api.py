"""Benchmarks of the REST API. Paste the tables into README.md beside this file:

uv run python -m tests.bench.api latency
uv run python -m tests.bench.api clients
uv run python -m tests.bench.api pages
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from flows.export import threads
from schemas.export import ExportConfig, ExportRequest
from tasks.audio import synth
from tasks.store.database import Database, run
from tests.bench.bench import running_server
from tests.support.serve import API, process

SAMPLES = 40
LAPS = 30
RETRY = {503}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["latency", "clients", "pages"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as name:
        folder = Path(name)
        if options.command == "pages":
            pages(folder)
            return
        db = library(folder)
        if options.command == "latency":
            latency(folder, db)
        else:
            clients(folder, db, options.clients, options.seconds)


def library(folder: Path) -> Path:
    """Make records that know some short samples."""
    (folder / "lib").mkdir()
    lines = ["sample_id,file_path,genre,bpm,kit,bank,pad"]
    for n in range(1, SAMPLES + 1):
        synth.write(folder / f"lib/{n}.wav", synth.bass(44_100, 30 + n, 0.5), 44_100)
        lines.append(f"{n},{n}.wav,g{n % 4},{80 + n}," + (f"K,A,{n}" if n <= 16 else ",,"))
    (folder / "lib/m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    db = folder / "r.duckdb"
    config = ExportConfig(output_base_path=str(folder / "first"))
    threads.export_directly(ExportRequest(manifest=str(folder / "lib/m.csv"), config=config, db=str(db)))
    return db


@contextmanager
def way(name: str, folder: Path, db: Path) -> Iterator[httpx.Client]:
    settings = {"db": db, "output_base_path": folder / name}
    if name == "direct":
        with process(folder, **settings) as (api, _):
            yield api
    else:
        with running_server(folder / "home") as server, pytest.MonkeyPatch.context() as environment:
            environment.setenv("PREFECT_API_URL", server)
            with process(folder, **settings) as (api, _):
                yield api


def latency(folder: Path, db: Path) -> None:
    """One client; each sample is exported to a new folder, so that it is converted."""
    print("| one sample | p50 s | p95 s | most s |\n|---|---|---|---|")
    for name in ("direct", "prefect"):
        with way(name, folder, db) as api:
            api.post(f"{API}/samples/1/export").raise_for_status()
            seconds = []
            for lap in range(LAPS):
                begun = time.perf_counter()
                answer = api.post(f"{API}/samples/{lap % SAMPLES + 1}/export", json={"output_base_path": f"lap {lap}"})
                seconds.append(time.perf_counter() - begun)
                assert answer.json()["status"] == "exported", answer.text
            p95 = statistics.quantiles(seconds, n=20)[-1]
            print(f"| {name} | {statistics.median(seconds):.2f} | {p95:.2f} | {max(seconds):.2f} |", flush=True)


_SAMPLES = """
INSERT INTO samples BY NAME SELECT
    i AS id, {path} AS file_path, 'Kick ' || i AS title,
    'genre ' || (i % 40) AS genre, 60 + i % 120 AS bpm, ['Am', 'C', 'F#m', 'Gmaj'][1 + i % 4] AS musical_key,
    'dusty|loop' AS tags, 'wav' AS source_format, 44100 AS source_rate_hz, 2 AS source_channels, 44100 + i AS source_frames,
    180000 AS source_bytes, now()::TIMESTAMP AS updated_at
FROM range(1, 100001) AS t(i)
"""
_HISTORY = """
INSERT INTO sp404_export_samples BY NAME SELECT
    e AS export_id, i AS sample_id, 'kick_' || i || '.wav' AS output_filename, '' AS output_subfolder,
    true AS conversion_successful, 'unchanged' AS status, i AS manifest_line, 'genre' AS genre, 180000 AS output_bytes,
    48000 AS output_frames, 0.01 AS conversion_seconds, true AS owns_output
FROM range(1, 31) AS a(e), range(1, 100001) AS t(i)
"""
_OUTPUTS = """
INSERT INTO outputs BY NAME SELECT
    '/out' AS output_path, 'kick_' || id || '.wav' AS path, 30 AS export_id, '/lib/m.csv' AS manifest_path,
    'flat' AS organized_by, 'wav' AS format, id AS sample_id, file_path AS source_path, 'exported' AS status,
    180000 AS output_bytes, 48000 AS output_frames, 0.01 AS conversion_seconds
FROM samples
"""
_PAGES = ("", "page=1000", "text=kick+777", "genre=genre-7", "status=unchanged&bpm_min=100&bpm_max=120")
_SORTED_PAGES = ("sort=title&order=desc&page=500", "text=kick+-77&genre=genre+7&key=Am&sort=bpm")


def make_records(db: Path, path: str = "'/lib/pack ' || (i % 300) || '/Kick ' || i || '.wav'") -> None:
    """Make records of 100,000 samples and their files, and 3 million rows of history; ``path``: the SQL of the i-th source."""
    with Database(str(db), 5).connect() as connection:
        connection.execute(_SAMPLES.format(path=path))
        connection.execute(_HISTORY)
        connection.execute(_OUTPUTS)
        if ("last_status",) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            run(connection, "restore_last_status")


def pages(folder: Path) -> None:
    """One client; pages of 100,000 samples with 3 million rows of history."""
    db = folder / "r.duckdb"
    make_records(db)
    asked = [f"samples?{words}" for words in (*_PAGES, *_SORTED_PAGES)] + ["samples/facets", "samples/facets?text=kick+777"]
    print("| GET | p50 ms | p95 ms |\n|---|---|---|")
    with process(folder, db=db, output_base_path=folder / "out") as (api, _):
        for path in asked:
            if api.get(f"{API}/{path}").status_code != 200:
                continue  # an earlier version
            seconds = []
            for _lap in range(LAPS):
                begun = time.perf_counter()
                api.get(f"{API}/{path}").raise_for_status()
                seconds.append(time.perf_counter() - begun)
            p95 = statistics.quantiles(seconds, n=20)[-1]
            print(f"| `{path}` | {statistics.median(seconds) * 1000:.0f} | {p95 * 1000:.0f} |", flush=True)


class Client:
    """Ask now for this and now for that, each as soon as the last was answered; remember which exports were answered."""

    def __init__(self, number: int, base: httpx.URL) -> None:
        self._random = random.Random(number)
        self._number = number
        self._api = httpx.Client(base_url=base, timeout=120)
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.exports: dict[int, int] = {}
        self.errors: list[str] = []

    def run(self, until: float) -> None:
        kinds: list[Callable[[], None]] = [self._read] * 6 + [self._single] * 3 + [self._later]
        while time.monotonic() < until:
            self._random.choice(kinds)()
        self._api.close()

    def _ask(self, kind: str, method: str, path: str, **more: Any) -> httpx.Response | None:
        begun = time.perf_counter()
        try:
            answer = self._api.request(method, path if path.startswith("/") else f"{API}/{path}", **more)
        except httpx.HTTPError as error:
            self.errors.append(f"{kind}: {error!r}")
            return None
        self.seconds[kind].append(time.perf_counter() - begun)
        self.statuses[kind][answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code not in RETRY:
            self.errors.append(f"{kind}: {answer.text[:200]}")
        return answer

    def _read(self) -> None:
        number = self._random.randint(1, SAMPLES)
        paths = ["samples", "samples?genre=g1&bpm_min=90", "kits", "exports?page_size=10", f"samples/{number}"]
        paths += [f"samples/{number}/audio", f"samples/{number}/peaks", "exports/1/download", "preferences"]
        path = self._random.choice(paths)
        self._ask(f"GET {path.partition('?')[0].replace(str(number), '{id}')}", "GET", path)

    def _single(self) -> None:
        config = {"output_base_path": f"client {self._number}"}
        self._keep(self._ask("POST one sample", "POST", f"samples/{self._random.randint(1, SAMPLES)}/export", json=config), 1)

    def _later(self) -> None:
        ids = self._random.sample(range(1, SAMPLES + 1), 5)
        wanted = {"sample_ids": ids, "config": {"output_base_path": f"batch {self._number}"}}
        answer = self._ask(
            "POST batch, async", "POST", "samples/export-batch", json=wanted, headers={"Prefer": "respond-async"}
        )
        if answer is None or answer.status_code != 202:
            return
        while True:
            status = self._ask("GET its status", "GET", answer.headers["location"])
            if status is None or status.json()["ended_at"]:
                break
            time.sleep(0.5)
        if status is not None and status.json()["result"]:
            self.exports[status.json()["result"]["export_id"]] = 5

    def _keep(self, answer: httpx.Response | None, samples: int) -> None:
        if answer is not None and answer.status_code == 200:
            self.exports[answer.json()["export_id"]] = samples


def clients(folder: Path, db: Path, count: int, seconds: float) -> None:
    with way("direct", folder, db) as api:
        everyone = [Client(number, api.base_url) for number in range(count)]
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=one.run, args=(until,)) for one in everyone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    statuses: dict[str, Counter[int]] = defaultdict(Counter)
    times: dict[str, list[float]] = defaultdict(list)
    for one in everyone:
        for kind, counted in one.statuses.items():
            statuses[kind] += counted
            times[kind] += one.seconds[kind]
    print("| request | answers | p50 s | p95 s | 503 |\n|---|---|---|---|---|")
    for kind in sorted(statuses):
        took = sorted(times[kind])
        said = ", ".join(f"{number} x {status}" for status, number in sorted(statuses[kind].items()))
        print(
            f"| {kind} | {said} | {statistics.median(took):.2f} | {took[int(len(took) * 0.95)]:.2f} | {statuses[kind][503]} |"
        )
    errors = [error for client in everyone for error in client.errors]
    answered = {export_id: samples for client in everyone for export_id, samples in client.exports.items()}
    with duckdb.connect(str(db)) as connection:
        query = "SELECT export_id, count(*) FROM sp404_export_samples GROUP BY export_id"
        recorded = dict(connection.execute(query).fetchall())
        ((unended,),) = connection.execute("SELECT count(*) FROM sp404_exports WHERE finished_at IS NULL").fetchall()
    lost = [export_id for export_id, samples in answered.items() if recorded.get(export_id) != samples]
    answers = sum(map(len, times.values()))
    print(f"\n{answers:,} answers; {len(answered):,} exports answered, {len(lost)} not in the records; {unended} not ended")
    print(f"errors other than 503: {len(errors)} {errors[:3]}")


if __name__ == "__main__":
    main()
