"""Every row of the table of speed, ours beside its peer in turn, and the table in README.md beside this file written anew:

    uv run python -m tests.bench.all /usr/share/hydrogen/data /usr/share/sonic-pi/samples
    uv run python -m tests.bench.all --only library,tiny --pairs 7 FOLDERS...
    uv run python -m tests.bench.all --scaling FOLDERS...

Needs sox and ffmpeg; all of it takes an hour, ``--scaling`` (the plot in docs/img) another ten minutes. Before and after each
row the machine is watched for a second in which nothing of ours runs: where others use it, seconds are not held against a
target, and only ratios are. Rows that were not measured this time stay as they are in README.md.
"""

import argparse
import json
import os
import platform
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log10
from pathlib import Path

from tests.bench import api as rest
from tests.bench import bench, sound
from tests.support import ROOT
from tests.support.serve import API

README = Path(__file__).with_name("README.md")
PLOT = ROOT / "docs/img/scaling.svg"
_BEGIN, _END = "<!-- written by tests.bench.all -->", "<!-- to here -->"
# The share of all cores that others may use on a machine that is called quiet.
_QUIET = 0.05
_TINY, _MANY = 10_000, 100_000
# Ours, and what it is held against; the second is 0 where there is no peer.
Pair = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """What all rows share: folders with real audio, a scratch folder, and how many pairs are measured."""

    folders: list[Path]
    scratch: Path
    pairs: int

    @cached_property
    def sources(self) -> list[str]:
        return sound.collected(self.folders)

    @cached_property
    def real(self) -> Path:
        """A manifest of the real audio."""
        return bench.real_manifest(self.scratch, self.folders)[0]

    @cached_property
    def prefect_walls(self) -> dict[str, list[float]]:
        """The seconds of whole exports of the real audio: `direct`, `warm` (a server runs) and `cold`, in turn."""
        return bench.measured_ways(self.real, self.scratch, self.pairs, [])[0]

    def tiny(self, count: int) -> Path:
        """A manifest of so many files of a tenth of a second."""
        manifest = self.scratch / str(count) / "tiny.csv"
        return manifest if manifest.exists() else bench.tiny_manifest(manifest.parent, count)

    def place(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=self.scratch)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        what: What is measured, and beside what.
        target: What the median of all pairs should be at the most.
        measure: Yields the pairs, measured in turn.
        value: Makes of a pair the figure that has the target.
        is_ratio: The figure has no unit; else it is seconds, which count on a quiet machine alone.
    """

    what: str
    target: float
    measure: Callable[[Scene], Iterator[Pair]]
    value: Callable[[Pair], float] = lambda pair: pair[0] / pair[1]
    is_ratio: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scaling", action="store_true", help="draw the plot instead")
    options = parser.parse_args()
    sound.check_peers()
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as scratch:
        scene = Scene(options.folders, Path(scratch), options.pairs)
        if options.scaling:
            draw_scaling(scene)
            return
        for name in options.only:
            write_line(name, measured_line(ROWS[name], scene))


def others_share() -> float:
    """Return what share of all cores works while nothing of ours does."""
    before, _, after = _ticks(), time.sleep(1), _ticks()
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


def _ticks() -> tuple[int, int]:
    """Return the ticks in which cores had nothing to do (idle, or waiting for a disk), and all ticks."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def measured_line(row: Row, scene: Scene) -> str:
    before = others_share()
    pairs = list(row.measure(scene))
    busy = max(before, others_share())
    value = statistics.median(map(row.value, pairs))
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    counts = row.is_ratio or busy <= _QUIET
    verdict = sound.verdict(value <= row.target) if counts else "not judged: the machine was busy"
    unit, beside = "" if row.is_ratio else " s", f"{theirs:.2f} s" if theirs else ""
    cells = (row.what, f"{ours:.2f} s", beside, f"{value:.2f}{unit}", f"{row.target:g}{unit}", verdict)
    return f"| {' | '.join(cells)} | {len(pairs)}, {100 * busy:.0f} % |"


def write_line(name: str, line: str) -> None:
    """Put a row into the table in README.md, in the order of ``ROWS``."""
    print(line, flush=True)
    text = README.read_text(encoding="utf-8")
    head, rest_of_text = text.split(_BEGIN)
    table, tail = rest_of_text.split(_END)
    known = {row.what: other for other, row in ROWS.items()}
    lines = {known[found[1]]: found[0] for found in re.finditer(r"^\| (.+?) \| .*$", table, re.MULTILINE) if found[1] in known}
    lines[name] = line
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    header = "| what, beside what | ours | peer | figure | target | | pairs, others' CPU |\n|---|---|---|---|---|---|---|"
    body = "\n".join(lines[row] for row in ROWS if row in lines)
    README.write_text(f"{head}{_BEGIN}\n\n{machine}; medians.\n\n{header}\n{body}\n\n{_END}{tail}", encoding="utf-8")


# ---- rows ----


def whole_export(manifest: Path, scene: Scene, *options: str) -> float:
    """Return the seconds of a whole `sp404 export --direct` into new folders."""
    return bench.export(manifest, scene.scratch, ["--direct", "--organize-by", "genre", "--no-metadata", *options], {})[0]


def library(scene: Scene) -> Iterator[Pair]:
    for _ in range(scene.pairs):
        yield whole_export(scene.real, scene), sound.lap("sox", scene.sources, sound.WORKERS, scene.scratch)["seconds"]


def engine(peer: str) -> Callable[[Scene], Iterator[Pair]]:
    return lambda scene: laps(scene, scene.sources, peer)


def laps(scene: Scene, sources: list[str], peer: str) -> Iterator[Pair]:
    for _ in range(scene.pairs):
        ours, theirs = (sound.lap(way, sources, sound.WORKERS, scene.scratch)["seconds"] for way in ("ours", peer))
        yield ours, theirs


def long_files(scene: Scene) -> Iterator[Pair]:
    with scene.place() as place:
        sources = [sound.music_file(Path(place, f"{n}.wav"), 180, 44_100) for n in range(12)]
        yield from laps(scene, sources, "ffmpeg")


def tiny(scene: Scene) -> Iterator[Pair]:
    manifest = scene.tiny(_TINY)
    sources = [str(path) for path in bench.audio_files([manifest.parent])]
    for _ in range(scene.pairs):
        yield whole_export(manifest, scene), sound.lap("plain", sources, sound.WORKERS, scene.scratch)["seconds"]


def with_prefect(way: str) -> Callable[[Scene], Iterator[Pair]]:
    return lambda scene: zip(scene.prefect_walls[way], scene.prefect_walls["direct"], strict=True)


def one_sample(way: str) -> Callable[[Scene], Iterator[Pair]]:
    def measure(scene: Scene) -> Iterator[Pair]:
        with scene.place() as place, ExitStack() as stack:
            api = stack.enter_context(rest.way(way, Path(place), rest.library(Path(place))))
            for lap in range(rest.LAPS + 1):
                begun = time.perf_counter()
                where = {"output_base_path": f"lap {lap}"}
                api.post(f"{API}/samples/{lap % rest.SAMPLES + 1}/export", json=where).raise_for_status()
                if lap:  # the first starts what stays
                    yield time.perf_counter() - begun, 0

    return measure


def unchanged(scene: Scene) -> Iterator[Pair]:
    manifest = scene.tiny(_MANY)
    with scene.place() as place:
        command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--json", "--direct", "--no-metadata"]
        command += ["--out", f"{place}/out", "--db", f"{place}/r.duckdb"]
        for lap in range(scene.pairs + 2):
            said = json.loads(bench.run(command, {}))
            if lap > 1:  # the first exports, and what is so new is read again
                yield said["total_time_seconds"], 0


def scan(is_first: bool) -> Callable[[Scene], Iterator[Pair]]:
    def measure(scene: Scene) -> Iterator[Pair]:
        packs = scene.tiny(_MANY).parent / "packs"
        with scene.place() as place:
            for lap in range(scene.pairs + (not is_first)):
                end = f"{place}/{lap if is_first else 0}"
                command = [sys.executable, "-m", "flows.cli", "scan", str(packs), "-o", f"{end}.csv", "--db", f"{end}.duckdb"]
                before = _cpu_of_children()
                bench.run([*command, "--json"], {})
                if is_first or lap:
                    yield _cpu_of_children() - before, 0

    return measure


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pool(scene: Scene) -> Iterator[Pair]:
    manifest = scene.tiny(20_000)
    with bench.running_server(scene.scratch / "home") as api, bench.workers(scene.scratch, api):
        for _ in range(scene.pairs):
            ways = (["--runner", "pool"], [])
            ours, threads = (bench.export(manifest, scene.scratch, way, {"PREFECT_API_URL": api})[0] for way in ways)
            yield ours, threads


def million_rows(scene: Scene) -> Iterator[Pair]:
    manifest = bench.rows_manifest(scene.scratch, 1_000_000)
    for _ in range(scene.pairs):
        begun = time.perf_counter()
        bench.run([sys.executable, "-m", "tests.bench.bench", "one-plan", str(manifest)], {})
        yield time.perf_counter() - begun, 0


def _ours(pair: Pair) -> float:
    return pair[0]


def _over(pair: Pair) -> float:
    return pair[0] - pair[1]


ROWS = {
    "library": Row("real library, whole `export --direct`, beside sox `rate -v` with dither, two at a time", 0.45, library),
    "floor": Row("engine alone, beside its floor: decode, soxr VHQ, bytes", 1.25, engine("floor")),
    "plain": Row("engine alone, beside soundfile + soxr + sf.write", 0.85, engine("plain")),
    "long": Row("twelve long 24-bit files, beside ffmpeg at equal quality", 0.85, long_files),
    "tiny": Row("10,000 tiny files, whole export, beside soundfile + soxr + sf.write in two threads", 2.0, tiny),
    "warm": Row(
        "real library with a Prefect server running, over `--direct`", 1.5, with_prefect("warm"), _over, is_ratio=False
    ),
    "cold": Row("real library with a server of its own, over `--direct`", 4.0, with_prefect("cold"), _over, is_ratio=False),
    "rest": Row("one sample by REST", 0.15, one_sample("direct"), _ours, is_ratio=False),
    "rest-prefect": Row("one sample by REST as a flow run", 0.4, one_sample("prefect"), _ours, is_ratio=False),
    "unchanged": Row("100,000 unchanged rows, the export's own work", 2.0, unchanged, _ours, is_ratio=False),
    "scan": Row("first scan of 100,000 tiny files, CPU time", 12.0, scan(True), _ours, is_ratio=False),
    "scan-again": Row("second scan of them, CPU time", 3.0, scan(False), _ours, is_ratio=False),
    "pool": Row("20,000 tiny files on a work pool of two, beside threads", 1.2, pool),
    "rows": Row("1,000,000 rows read, validated and planned, whole process", 8.0, million_rows, _ours, is_ratio=False),
}


# ---- scaling ----


def draw_scaling(scene: Scene) -> None:
    """Measure what an export costs by its files and the engine by a file's length; draw both, with their exponents."""
    files = [(count, whole_export(scene.tiny(count), scene)) for count in (100, 1_000, 10_000, 100_000)]
    lengths = []
    with scene.place() as place:
        for seconds in (2, 10, 60, 600, 3_600):  # a bar takes two
            source = [sound.music_file(Path(place, f"{seconds}.wav"), seconds, 44_100)]
            lengths.append(
                (seconds, statistics.median(sound.lap("ours", source, 1, scene.scratch)["seconds"] for _ in range(3)))
            )
    curves = {"tiny files: seconds of an export by their number": files, "one file: seconds by its length in seconds": lengths}
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(svg(curves), encoding="utf-8")
    for name, points in curves.items():
        print(name, points, f"exponent at the end {exponent(points):.2f}")


def exponent(points: list[tuple[float, float]]) -> float:
    """Return how cost grows between the last two points: 1 where twice as much takes twice as long."""
    (x, y), (x2, y2) = points[-2:]
    return log10(y2 / y) / log10(x2 / x)


def svg(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Draw curves with logarithmic axes, one beside the other."""
    parts = []
    for number, (name, points) in enumerate(curves.items()):
        left, width, height, low = 40 + 360 * number, 280, 200, -3
        places = [(left + width * log10(x) / 5, 20 + height * (1 - (log10(y) - low) / 5)) for x, y in points]
        axes = f"M{left} 20V{20 + height}H{left + width}"
        lines = "".join(f'<path d="M{x:.0f} {y:.0f}L{x2:.0f} {y2:.0f}"/>' for (x, y), (x2, y2) in pairwise(places))
        dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="currentColor"/>' for x, y in places)
        marks = "".join(
            f'<text x="{x + 6:.0f}" y="{y + 14:.0f}">{count:,}: {seconds:.3g} s</text>'
            for (x, y), (count, seconds) in zip(places, points, strict=True)
        )
        title = f'<text x="{left}" y="{height + 45}">{name}; exponent at the end {exponent(points):.2f}</text>'
        parts.append(f'<g fill="none" stroke="currentColor"><path d="{axes}"/>{lines}{dots}</g><g>{marks}{title}</g>')
    style = "text { font: 11px sans-serif; fill: currentColor } svg { color: #888 }"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 260"><style>{style}</style>{"".join(parts)}</svg>\n'


if __name__ == "__main__":
    main()
