"""Benchmarks of the whole way of a manifest. Run one, or all, and paste the table into README.md beside this file:

    uv run python -m tests.bench.bench rows
    uv run python -m tests.bench.bench fixed /usr/share/hydrogen/data /usr/share/sonic-pi/samples
    uv run python -m tests.bench.bench machines
    uv run python -m tests.bench.bench nightly
    uv run python -m tests.bench.bench scan /usr/share/hydrogen/data /usr/share/sonic-pi/samples
    uv run python -m tests.bench.bench contained /usr/share/hydrogen/data /usr/share/sonic-pi/samples

Every figure is of a whole process. Ways are run in turn (A B C A B C ...), so that a machine whose speed drifts is
unfair to none; medians and ratios are what to look at.
"""

import argparse
import csv
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flows.orchestration import prefect_server
from schemas.manifest import COLUMNS
from tasks.audio import synth
from tests.support import ROOT
from tests.support.processes import memory_bytes

AUDIO = {".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3", ".au", ".m4a"}
SLOTS = [(bank, pad) for bank in "ABCDEFGHIJ" for pad in range(1, 17)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("rows", help="read, validate and plan manifests of 1,000, 100,000 and 1,000,000 rows")
    fixed = commands.add_parser("fixed", help="what Prefect costs 1, 100, 1,300 and 20,000 samples; FOLDERS: a real library")
    fixed.add_argument("folders", nargs="+", type=Path)
    commands.add_parser("machines", help="20,000 samples on threads, on a work pool and on Dask, two workers each")
    commands.add_parser("nightly", help="100,000 tiny files: exported once, then again without and with a few changes")
    contained = commands.add_parser("contained", help="a real library, decoded in processes of their own and in threads")
    contained.add_argument("folders", nargs="+", type=Path)
    folders = commands.add_parser("scan", help="100,000 tiny files and a real library, scanned once and again")
    folders.add_argument("folders", nargs="+", type=Path)
    one = commands.add_parser("one-plan", help=argparse.SUPPRESS)
    one.add_argument("manifest")
    options = parser.parse_args()
    if options.command == "one-plan":
        return plan_once(options.manifest)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {options.runs} runs\n")
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as scratch:
        if options.command == "rows":
            rows(Path(scratch), options.runs)
        elif options.command == "fixed":
            fixed_costs(Path(scratch), options.runs, options.folders)
        elif options.command == "machines":
            machines(Path(scratch), options.runs)
        elif options.command == "nightly":
            nightly(Path(scratch), options.runs, 100_000)
        elif options.command == "scan":
            scans(Path(scratch), options.runs, 100_000, options.folders)
        elif options.command == "contained":
            contained_or_not(real_manifest(Path(scratch), options.folders)[0], Path(scratch), options.runs)


def rows(scratch: Path, runs: int) -> None:
    print("| rows | read s | validate s | plan s | whole process s | peak MB |")
    print("|---|---|---|---|---|---|")
    for count in (1_000, 100_000, 1_000_000):
        manifest = rows_manifest(scratch, count)
        measured = []
        for _ in range(runs):
            started = time.perf_counter()
            said = run([sys.executable, "-m", "tests.bench.bench", "one-plan", str(manifest)], {})
            measured.append([*json.loads(said), time.perf_counter() - started])
        read, validate, plan, peak, whole = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {count:,} | {read:.2f} | {validate:.2f} | {plan:.2f} | {whole:.2f} | {peak:.0f} |", flush=True)


def rows_manifest(scratch: Path, count: int) -> Path:
    """A manifest of so many rows, whose files do not exist; three in ten share their title with another."""
    manifest = scratch / f"{count}.csv"
    genres = ("hip-hop", "House", "Drum & Bass", "")
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS[:7])
        for n in range(count):
            title, place = f"Kick {n % 700_000} Big", f"packs/vendor_{n % 50}/Kick_{n}.wav"
            writer.writerow((n + 1, place, title, genres[n % 4], 60 + n % 200, "F#m", "drum|kick"))
    return manifest


def plan_once(manifest: str) -> None:
    """Print the seconds of each step and the peak memory in MB, as JSON."""
    from flows.export import plan, threads
    from flows.export.request import resolve
    from schemas.enums import OrganizeBy
    from schemas.export import ExportConfig, ExportRequest

    request = ExportRequest(manifest=manifest, config=ExportConfig(organize_by=OrganizeBy.GENRE), db="/nowhere/r.duckdb")
    resolved = resolve(request)
    laps = [time.perf_counter()]
    raw = threads.DIRECT.read(manifest)
    laps.append(time.perf_counter())
    valid = threads.DIRECT.validate(raw)
    laps.append(time.perf_counter())
    plan.draft_dry_run(resolved, valid, 0.0)
    laps.append(time.perf_counter())
    peak = memory_bytes() / 1e6
    print(json.dumps([*(after - before for before, after in pairwise(laps)), peak]))


def fixed_costs(scratch: Path, runs: int, folders: Sequence[Path]) -> None:
    """Measure whole processes: how much longer than directly, with a server running and with a temporary one."""
    manifests = {str(count): tiny_manifest(scratch / str(count), count) for count in (1, 100, 20_000)}
    real, count = real_manifest(scratch, folders)
    manifests |= {f"{count:,} (real)": real}
    print("| samples | direct s | warm s | cold s | warm - direct | of it in the export | cold - direct |")
    print("|---|---|---|---|---|---|---|")
    for name, manifest in manifests.items():
        walls, own = measured_ways(manifest, scratch, runs, [])
        direct, warm, cold = (statistics.median(walls[way]) for way in ("direct", "warm", "cold"))
        inner = statistics.median(own["warm"]) / statistics.median(own["direct"])
        cells = f"{direct:.1f} | {warm:.1f} | {cold:.1f} | {warm - direct:.1f} s ({warm / direct:.2f}) | {inner:.2f} of direct"
        print(f"| {name} | {cells} | {cold - direct:.1f} s |", flush=True)


def machines(scratch: Path, runs: int) -> None:
    """Two workers of each kind on this machine, with homes of their own; threads have a server running, too."""
    manifest = tiny_manifest(scratch, 20_000)
    measured: dict[str, list[float]] = {"threads": [], "pool": [], "dask": []}
    with running_server(scratch / "warm-home") as api, workers(scratch, api) as address:
        how = {"threads": [], "pool": ["--runner", "pool"], "dask": ["--runner", "dask", "--dask-address", address]}
        for _ in range(runs):
            for name, options in how.items():
                measured[name].append(export(manifest, scratch, options, {"PREFECT_API_URL": api})[0])
    print("| way | whole process s | ratio to threads |")
    print("|---|---|---|")
    medians = {name: statistics.median(laps) for name, laps in measured.items()}
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} | {median / medians['threads']:.2f} |", flush=True)


@contextmanager
def workers(scratch: Path, api: str) -> Iterator[str]:
    """Two workers of the work pool `sp404`, and two of a Dask cluster, whose address it is."""
    with socket.socket() as free:
        free.bind((prefect_server.HOST, 0))
        port = free.getsockname()[1]
    address = f"tcp://{prefect_server.HOST}:{port}"
    dask = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        prefect_server.HOST,
        "--port",
        str(port),
        "--no-dashboard",
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    pool = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", "sp404", "--limit", "1"]
    started = []
    try:
        for number, command in enumerate((dask, worker, worker, pool, pool)):
            home = scratch / f"machine-{number}"
            home.mkdir()
            environment = _clean() | {"PREFECT_API_URL": api, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}
            environment["SP404_WORKERS"] = "1"  # each has one of the two cores
            quiet = subprocess.DEVNULL
            started.append(subprocess.Popen(command, env=environment, cwd=home, stdout=quiet, stderr=quiet))
        while _online(api) < 2:
            time.sleep(1)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _online(api: str) -> int:
    try:
        found = prefect_server.request_json(api, "/work_pools/sp404/workers/filter", {})
    except OSError:  # the first worker makes the pool
        return 0
    return sum(one["status"] == "ONLINE" for one in found)


def measured_ways(
    manifest: Path, scratch: Path, runs: int, options: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Export directly, with a server running (warm), and with a temporary one (cold, migrated home); return the seconds of
    the whole process, and those of the export in it.
    """
    cold = {"PREFECT_HOME": str(scratch / "cold-home")}
    export(manifest, scratch, [*options], cold)  # migrates the home; not counted
    walls: dict[str, list[float]] = {"direct": [], "warm": [], "cold": []}
    own: dict[str, list[float]] = {name: [] for name in walls}
    with running_server(scratch / "warm-home") as api:
        how = {"direct": ({}, ["--direct"]), "warm": ({"PREFECT_API_URL": api}, []), "cold": (cold, [])}
        for _ in range(runs):
            for name, (environment, extra) in how.items():
                wall, seconds = export(manifest, scratch, [*options, *extra], environment)
                walls[name].append(wall)
                own[name].append(seconds)
    return walls, own


def export(manifest: Path, scratch: Path, options: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds of the whole command, and of the export in it by its own account."""
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--json", "--out", f"{place}/out"]
        started = time.perf_counter()
        said = run([*command, "--db", f"{place}/r.duckdb", *options], environment)
        wall = time.perf_counter() - started
    return wall, json.loads(said)["total_time_seconds"]


def nightly(scratch: Path, runs: int, count: int) -> None:
    """Export once, and then as in the nights after: the export's own seconds, and the whole command's."""
    manifest = tiny_manifest(scratch, count)
    command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--json", "--direct", "--organize-by", "genre"]
    command += ["--out", f"{scratch}/out", "--db", f"{scratch}/r.duckdb", "--no-metadata"]
    print("| night | exported | unchanged | export s | whole process s | database MB |")
    print("|---|---|---|---|---|---|")
    for night, changed, times in (("the first", 0, 1), ("nothing changed", 0, runs + 1), ("100 changed", 100, runs)):
        measured = []
        for lap in range(times):
            for number in range(changed):
                write_tiny(scratch / f"packs/{number % 100}/hat_{number}.wav", count * (lap + 1) + number)
            started = time.perf_counter()
            said = json.loads(run(command, {}))
            measured.append((said["total_time_seconds"], time.perf_counter() - started))
        # The first of many is not warm: the sources were new when they were read.
        own, whole = (statistics.median(column) for column in zip(*measured[times > runs :], strict=True))
        size = (scratch / "r.duckdb").stat().st_size / 1e6
        exported = said["successful"] - said["unchanged"]
        print(f"| {night} | {exported:,} | {said['unchanged']:,} | {own:.2f} | {whole:.2f} | {size:.0f} |", flush=True)


def contained_or_not(manifest: Path, scratch: Path, runs: int) -> None:
    """Export with samples decoded in processes of their own, and in threads."""
    ways = {"in processes": {}, "in threads": {"SP404_CONTAINED": "false"}}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, environment in ways.items():
            measured[name].append(export(manifest, scratch, ["--direct", "--organize-by", "bpm"], environment))
    print("| way | whole process s | of it the export s | ratio |")
    print("|---|---|---|---|")
    medians = {name: [statistics.median(column) for column in zip(*laps, strict=True)] for name, laps in measured.items()}
    for name, (whole, own) in medians.items():
        print(f"| {name} | {whole:.1f} | {own:.1f} | {own / medians['in threads'][1]:.2f} |", flush=True)


def scans(scratch: Path, runs: int, count: int, folders: Sequence[Path]) -> None:
    """Scan each library once, and then again: the scan's own seconds, and the whole command's."""
    tiny_manifest(scratch, count)
    time.sleep(3)  # what is newer than a clock's step is read again
    print("| library | scan | opened | scan s | whole process s |")
    print("|---|---|---|---|---|")
    for name, places, options in (
        (f"{count:,} tiny files", [scratch / "packs"], []),
        ("the real one", folders, []),
        ("the real one, heard", folders, ["--analyze"]),
    ):
        end = [
            "-o",
            f"{scratch}/{len(options)}{len(places)}.csv",
            "--db",
            f"{scratch}/{len(options)}{len(places)}.duckdb",
            "--json",
        ]
        command = [sys.executable, "-m", "flows.cli", "scan", *map(str, places), *options, *end]
        for lap, times in (("first", 1), ("again", runs)):
            measured = []
            for _ in range(times):
                started = time.perf_counter()
                said = json.loads(run(command, {}))
                measured.append((said["seconds"], time.perf_counter() - started))
            own, whole = (statistics.median(column) for column in zip(*measured, strict=True))
            print(f"| {name} | {lap} | {said['read']:,} | {own:.1f} | {whole:.1f} |", flush=True)


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=_clean() | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{command}: {done.stderr}")
    return done.stdout


@contextmanager
def running_server(home: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    prefect_server.set_defaults()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
    }
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start"], env=environment, stdout=quiet, stderr=quiet
    )
    try:
        while not prefect_server.is_healthy(api):
            time.sleep(0.2)
        yield api
    finally:
        process.terminate()
        process.wait()


def tiny_manifest(scratch: Path, count: int) -> Path:
    """So many files of a tenth of a second, in a hundred packs, no two of the same content."""
    scratch.mkdir(exist_ok=True)
    manifest = scratch / "tiny.csv"
    with manifest.open("w") as file:
        file.write("file_path,genre\n")
        for number in range(count):
            path = scratch / f"packs/{number % 100}/hat_{number}.wav"
            write_tiny(path, number)
            file.write(f"{path},genre {number % 40}\n")
    return manifest


def write_tiny(path: Path, number: int) -> None:
    """Return a hat at 8 kHz, 16 bits, whose first 32 samples hold the number in their lowest bits."""
    samples = _hat().copy()
    samples[:32] = samples[:32] & -2 | number >> np.arange(32) & 1
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())


@cache
def _hat() -> npt.NDArray[np.int16]:
    return (synth.hat(8_000, 0.1).reshape(-1) * 32_000).astype("<i2")


def real_manifest(scratch: Path, folders: Sequence[Path]) -> tuple[Path, int]:
    """Every audio file below the folders: the folder's name as genre, a folder of drums as kits of 160 pads at the most."""
    manifest = scratch / "library.csv"
    count = write_real_manifest(manifest, folders)
    return manifest, count


def audio_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Every file below the folders that is named like audio; of each folder in order."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in AUDIO and path.is_file())


def write_real_manifest(manifest: Path, folders: Sequence[Path]) -> int:
    found: dict[Path, list[Path]] = {}
    for path in audio_files(folders):
        found.setdefault(path.parent, []).append(path)
    count = 0
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file_path", "genre", "bpm", "kit", "bank", "pad"))
        for folder, paths in found.items():
            files = iter(paths)
            part = 0
            while chunk := list(islice(files, len(SLOTS))):
                part += 1
                kit = folder.name if part == 1 else f"{folder.name} {part}"
                for path, slot in zip(chunk, SLOTS, strict=False):
                    in_kit = (kit, *slot) if "drumkits" in path.parts else ("", "", "")
                    writer.writerow((path, folder.name, _tempo(path), *in_kit))
                    count += 1
    return count


def _tempo(path: Path) -> str:
    """Return a tempo to fill the buckets with: that of the file's name if it is above 60, else none."""
    numbers = [part for part in path.stem.replace("-", "_").split("_") if part.isdigit() and 60 < int(part) < 200]
    return numbers[-1] if numbers else ""


def _clean() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SP404_", "PREFECT_"))}
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


if __name__ == "__main__":
    main()
