"""The engine beside its peers, from the same files in one run. Paste the tables into README.md beside this file:

    uv run --group bench python -m tests.bench.sound quality
    uv run --group bench python -m tests.bench.sound library /usr/share/hydrogen/data /usr/share/sonic-pi/samples
    uv run --group bench python -m tests.bench.sound --runs 5 all /usr/share/hydrogen/data /usr/share/sonic-pi/samples

and likewise ``long``, ``memory`` and ``workers FOLDERS``. Needs sox and ffmpeg (apt-get install ffmpeg sox).

Every lap is a fresh process. Of Python ways the work is timed, after imports and one short file, in two processes with the
environment of an export's workers, as an export decodes; of sox and ffmpeg all, as one process a file is how they are used.
Ways are run in turn (A B C A B C ...); medians and ratios are what to look at. Whatever a way wrote is looked at, too: as many
files as there are sources, 48 kHz, 16 bits.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from config.device import RATE_HZ
from schemas.conversion import Job, SoundSettings, Tags
from schemas.enums import Status
from tasks.audio import synth
from tasks.audio.convert import convert
from tasks.audio.decode.source import open_audio
from tasks.audio.dsp.resample import QUALITIES, resample
from tasks.isolation.process_pool import worker_environment
from tests.bench import judge
from tests.support.processes import memory_bytes

Convert = Callable[[str, str], object]

WORKERS = 2
SETTINGS = SoundSettings("wav", 0, 10**9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("quality", help="ripple, spurs, aliases, dither, length and delay")
    commands.add_parser("long", help="twelve 3-minute 24-bit files, against ffmpeg")
    commands.add_parser("memory", help="the peak for an hour of 96 kHz 24-bit stereo")
    for name in ("library", "workers", "all"):
        helped = {"library": "a real library, against all peers", "workers": "two workers against one", "all": "all tables"}
        commands.add_parser(name, help=helped[name]).add_argument("folders", nargs="+", type=Path)
    one = commands.add_parser("one-lap", help=argparse.SUPPRESS)
    one.add_argument("way")
    one.add_argument("pairs", type=Path)
    one.add_argument("workers", type=int)
    options = parser.parse_args()
    if options.command == "one-lap":
        return one_lap(options.way, json.loads(options.pairs.read_text()), options.workers)
    check_peers("librosa")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {options.runs} runs")
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as scratch:
        tables: dict[str, Callable[[], None]] = {
            "quality": lambda: quality(Path(scratch)),
            "library": lambda: library(Path(scratch), options.runs, options.folders),
            "long": lambda: long(Path(scratch), options.runs),
            "memory": lambda: memory(Path(scratch), options.runs),
            "workers": lambda: workers(Path(scratch), options.runs, options.folders),
        }
        for name in tables if options.command == "all" else [options.command]:
            print(flush=True)
            tables[name]()


def check_peers(*libraries: str) -> None:
    """Exit where a program or one of these libraries is missing."""
    missing = [name for name in ("sox", "ffmpeg", "xargs") if not shutil.which(name)]
    missing += [f"{name} (uv run --group bench ...)" for name in libraries if not importlib.util.find_spec(name)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")


# ---- the ways from a file to a file; for the table of quality to floats, too ----


def ours(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)  # of an earlier run
    outcome = convert(Job(0, 0, source, target, Tags("", "", None, "", "")), SETTINGS)
    if outcome.status is not Status.EXPORTED:
        sys.exit(f"{source}: {outcome.error}")


def our_floats(source: str, target: str) -> None:
    """Return what ``convert`` has just before it quantises."""
    with open_audio(source) as found:
        blocks = list(resample(found.blocks, found.info.rate_hz, found.info.channels, RATE_HZ, QUALITIES[0]))
    soundfile.write(target, np.concatenate(blocks), RATE_HZ, "FLOAT")


def plain(source: str, target: str, subtype: str = "PCM_16") -> None:
    soundfile.write(target, _decoded(source), RATE_HZ, subtype)


def floor(source: str, target: str) -> None:
    """Decode, resample, and write as many bytes as there would be, but not the sound."""
    x = _decoded(source)
    with open(target, "wb", buffering=0) as file:
        os.write(file.fileno(), x.reshape(-1).view(np.uint8)[: x.nbytes // 2].data)


def _decoded(source: str) -> npt.NDArray[np.float32]:
    x, rate_hz = soundfile.read(source, dtype="float32")
    return x if rate_hz == RATE_HZ else soxr.resample(x, rate_hz, RATE_HZ, "VHQ")


def by_librosa(source: str, target: str, quality: str = "soxr_vhq", subtype: str = "PCM_16") -> None:
    import librosa

    x, _ = librosa.load(source, sr=RATE_HZ, mono=False, res_type=quality)
    soundfile.write(target, x.T, RATE_HZ, subtype)


def sox(source: str, target: str) -> list[str]:
    return ["sox", source, "-b", "16", target, "rate", "-v", "48000", "dither"]


def sox_unrounded(source: str, target: str) -> list[str]:
    """32-bit integers: what sox writes as floats it rounds to 25 bits first."""
    return ["sox", source, "-e", "signed-integer", "-b", "32", target, "rate", "-v", "48000"]


def ffmpeg(source: str, target: str, codec: str = "pcm_s16le") -> list[str]:
    resampled = "aresample=48000:resampler=soxr:precision=28:dither_method=triangular"
    return ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", source, "-vn", "-af", resampled, "-c:a", codec, target]


def started(command: Callable[[str, str], list[str]]) -> Convert:
    return lambda source, target: subprocess.run(command(source, target), check=True, capture_output=True)


PYTHON: dict[str, Convert] = {"ours": ours, "librosa": by_librosa, "plain": plain, "floor": floor}
PROGRAMS: dict[str, Callable[[str, str], list[str]]] = {"sox": sox, "ffmpeg": ffmpeg}
HQ = "soxr_hq"  # librosa's default
SIXTEEN_BITS: dict[str, Convert] = {
    "ours": ours,
    "sox": started(sox),
    "ffmpeg": started(ffmpeg),
    "librosa": partial(by_librosa, quality=HQ),
    "plain": plain,
}
FLOATS: dict[str, Convert] = {
    "ours": our_floats,
    "sox": started(sox_unrounded),
    "ffmpeg": started(partial(ffmpeg, codec="pcm_f32le")),
    "librosa": partial(by_librosa, quality=HQ, subtype="FLOAT"),
    "plain": partial(plain, subtype="FLOAT"),
}


# ---- laps ----


def one_lap(way: str, pairs: list[tuple[str, str]], workers: int) -> None:
    """Convert all but the first pair, a short one to start with; print the seconds, and of one worker two sizes in MB."""
    if workers > 1:
        print(json.dumps({"seconds": _in_processes(way, pairs, workers)}))
        return
    PYTHON[way](*pairs[0])
    idle = memory_bytes("VmRSS") / 1e6
    started = time.perf_counter()
    for pair in pairs[1:]:
        PYTHON[way](*pair)
    print(json.dumps({"seconds": time.perf_counter() - started, "idle": idle, "peak": memory_bytes() / 1e6}))


def _in_processes(way: str, pairs: list[tuple[str, str]], workers: int) -> float:
    """Return the seconds from when all processes have converted the first pair."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(workers + 1)
    with ProcessPoolExecutor(workers, spawn, _begin, (ready, way, pairs[0])) as pool:
        futures = [pool.submit(PYTHON[way], *pair) for pair in pairs[1:]]
        ready.wait()
        started = time.perf_counter()
        for future in futures:
            future.result()
        return time.perf_counter() - started


def _begin(ready: Barrier, way: str, first: tuple[str, str]) -> None:
    PYTHON[way](first[0], f"{first[1]}-{os.getpid()}.wav")
    ready.wait()


def lap(way: str, sources: Sequence[str], threads: int, scratch: Path) -> dict[str, float]:
    """One way over all sources, into a new folder: what ``one_lap`` prints."""
    from tests.bench.bench import run

    with tempfile.TemporaryDirectory(dir=scratch) as place:
        out = Path(place, "out")
        out.mkdir()
        pairs = [(source, str(out / f"{n}.wav")) for n, source in enumerate(sources)]
        if way in PROGRAMS:
            return {"seconds": _programs(way, pairs, threads)} | _checked(way, out, len(pairs))
        first = (write(Path(place, "first.wav"), judge.sine(997, 0.5, 0.5, 44_100), 44_100, "PCM_24"), f"{place}/first-out.wav")
        todo = Path(place, "pairs.json")
        todo.write_text(json.dumps([first, *pairs]))
        said = run([sys.executable, "-m", "tests.bench.sound", "one-lap", way, str(todo), str(threads)], worker_environment())
        if not said:
            sys.exit(f"{way} failed; see for yourself: one-lap {way} with {pairs[0][0]}")
        return json.loads(said) | _checked(way, out, len(pairs))


def _programs(way: str, pairs: list[tuple[str, str]], threads: int) -> float:
    """Seconds of one process a file, started by xargs, which costs less than starting them from here."""
    commands = [PROGRAMS[way](*pair) for pair in pairs]
    words = b"".join(os.fsencode(word) + b"\0" for command in commands for word in command[1:])
    command = ["xargs", "-0", "-P", str(threads), "-n", str(len(commands[0]) - 1), commands[0][0]]
    started = time.perf_counter()
    subprocess.run(command, input=words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _checked(way: str, out: Path, count: int) -> dict[str, float]:
    """Return the megabytes in ``out``; exit if they are not what they should be."""
    outputs = list(out.glob("[!.]*"))
    if len(outputs) != count:
        sys.exit(f"{way} wrote {len(outputs)} files of {count}")
    for path in outputs if way != "floor" else []:
        info = soundfile.info(path)
        if (info.samplerate, info.subtype) != (RATE_HZ, "PCM_16"):
            sys.exit(f"{way} wrote {info.samplerate} Hz, {info.subtype}")
    return {"megabytes": sum(path.stat().st_size for path in outputs) / 1e6}


def in_turn(ways: Sequence[tuple[str, int]], sources: Sequence[str], runs: int, scratch: Path) -> list[dict[str, float]]:
    """Medians for each (way, workers), run in turn."""
    for source in sources:  # into the system's cache, for the first as for the last
        with open(source, "rb") as file:
            while file.read(1 << 24):
                pass
    laps = [[lap(way, sources, threads, scratch) for way, threads in ways] for _ in range(runs)]
    return [{name: statistics.median(one[name] for one in column) for name in column[0]} for column in zip(*laps, strict=True)]


def collected(folders: Sequence[Path]) -> list[str]:
    """Every audio file below the folders that libsndfile reads, if there is any sound in it."""
    from tests.bench.bench import audio_files

    found = []
    for path in audio_files([folder.resolve() for folder in folders]):
        with suppress(soundfile.SoundFileError):
            if soundfile.info(path).frames:
                found.append(str(path))
    return found or sys.exit("no audio files there")


def verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


# ---- tables of speed and memory ----


def library(scratch: Path, runs: int, folders: Sequence[Path]) -> None:
    targets = {"sox": 0.40, "ffmpeg": 0.08, "librosa": 0.35, "plain": 0.80, "floor": 1.3}
    names = {
        "ours": "ours, 2 processes",
        "sox": "sox `rate -v ... dither`, 2 processes",
        "ffmpeg": "ffmpeg, soxr precision 28, triangular dither, 2 processes",
        "librosa": "a loop of librosa.load (soxr_vhq) and sf.write",
        "plain": "soundfile + soxr VHQ + sf.write, 2 processes",
        "floor": "floor: decode, soxr VHQ, bytes written, 2 processes",
    }
    at_once = dict.fromkeys(names, WORKERS) | {"librosa": 1}  # as librosa's users write it
    sources = collected(folders)
    size = sum(os.path.getsize(source) for source in sources) / 1e6
    measured = dict(zip(names, in_turn([(way, at_once[way]) for way in names], sources, runs, scratch), strict=True))
    print(f"{len(sources):,} files, {size:.0f} MB in, {measured['ours']['megabytes']:.0f} MB out.\n")
    print("| way | wall s | ours / it | target | |\n|---|---|---|---|---|")
    for way, name in names.items():
        ratio = measured["ours"]["seconds"] / measured[way]["seconds"]
        cells = f"{ratio:.3f} | {targets[way]:.2f} | {verdict(ratio <= targets[way])}" if way in targets else "| |"
        print(f"| {name} | {measured[way]['seconds']:.2f} | {cells} |")


def long(scratch: Path, runs: int) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        sources = [music_file(Path(place, f"{n}.wav"), 180, 44_100) for n in range(12)]
        mine, its = in_turn([("ours", WORKERS), ("ffmpeg", WORKERS)], sources, runs, scratch)
    ratio = mine["seconds"] / its["seconds"]
    print("Twelve 3-minute files of drums and piano, 44.1 kHz, 24 bits, stereo, two at a time; ffmpeg as above.\n")
    print("| ours s | ffmpeg s | ours / ffmpeg | target | |\n|---|---|---|---|---|")
    print(f"| {mine['seconds']:.2f} | {its['seconds']:.2f} | {ratio:.2f} | 1.00 | {verdict(ratio <= 1)} |")


def memory(scratch: Path, runs: int) -> None:
    if shutil.disk_usage(scratch).free < 4e9:
        sys.exit(f"needs 4 GB in {scratch}")
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        source = music_file(Path(place, "hour.wav"), 3_600, 96_000)
        (found,) = in_turn([("ours", 1)], [source], runs, scratch)
    more = found["peak"] - found["idle"]
    print("One hour of 96 kHz, 24 bits, stereo (2 GB); idle is after imports and a short file.\n")
    print("| wall s | idle MB | peak MB | more than idle MB | target | |\n|---|---|---|---|---|---|")
    cells = f"{found['seconds']:.1f} | {found['idle']:.0f} | {found['peak']:.0f} | {more:.0f}"
    print(f"| {cells} | 120 | {verdict(more <= 120)} |")


def workers(scratch: Path, runs: int, folders: Sequence[Path]) -> None:
    sources = collected(folders)
    alone, both = in_turn([("ours", 1), ("ours", 2)], sources, runs, scratch)
    gain = alone["seconds"] / both["seconds"]
    print(f"{len(sources):,} files.\n")
    print("| 1 worker s | 2 workers s | speed of 2 against 1 | target | |\n|---|---|---|---|---|")
    print(f"| {alone['seconds']:.2f} | {both['seconds']:.2f} | {gain:.2f} | 1.70 | {verdict(gain >= 1.7)} |")


def music_file(path: Path, seconds: int, rate_hz: int) -> str:
    """24-bit stereo: a bar of drums and an electric piano, two seconds long, again and again."""
    bar = 0.6 * synth.loop(rate_hz, 120)
    bar += 0.4 * synth.chord(rate_hz, seconds=2.0)
    with soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_24") as file:
        for _ in range(seconds // 2):
            file.write(bar)
    return str(path)


# ---- quality ----

# What it is, how it is shown, the target, and -1 where more is better.
QUALITY = (
    ("44.1 to 48 kHz: ripple to 20 kHz, dB", ".4f", 0.01, 1),
    ("44.1 to 48 kHz: -3 dB at, kHz", ".2f", 20.9, -1),
    ("44.1 to 48 kHz: worst spur of 40 tones to 20 kHz, dB", ".1f", -150, 1),
    ("96 to 48 kHz: worst alias of 95 tones from 24.25 kHz, dB", ".1f", -150, 1),
    ("14 rates from 8 to 192 kHz: worst length error, frames", ".0f", 0, 1),
    ("14 rates from 8 to 192 kHz: worst delay, samples", ".3f", 0.0005, 1),
    ("997 Hz, -60 dBFS, 24 bits, in 16 bits: worst spur, dBFS", ".1f", -125, 1),
    ("997 Hz, -90 dBFS, 24 bits, in 16 bits: level error, dB", ".3f", 0.05, 1),
)


def quality(scratch: Path) -> None:
    columns = {name: _figures(FLOATS[name], SIXTEEN_BITS[name], scratch) for name in FLOATS}
    print("First what there is before quantising, then 16 bits from 44.1 and from 48 kHz, the worse of them; librosa by its")
    print("default (soxr_hq), the others by soxr VHQ or its like, with dither (or without) as in the table of the library.\n")
    print(f"| | target | {' | '.join(columns)} | |\n|---|---|{'---|' * len(columns)}---|")
    for (what, form, limit, sign), values in zip(QUALITY, zip(*columns.values(), strict=True), strict=True):
        cells = " | ".join(f"{value:{form}}" for value in values)
        print(f"| {what} | {limit:g} | {cells} | {verdict(sign * values[0] <= sign * limit)} |")


def _figures(to_floats: Convert, to_sixteen_bits: Convert, scratch: Path) -> tuple[float, ...]:
    """Of one way, in the order of ``QUALITY``."""
    floats, sixteen_bits = _by_files(to_floats, scratch, "FLOAT"), _by_files(to_sixteen_bits, scratch, "PCM_24")
    gain = judge.gain_db(floats, 44_100)
    return (
        np.abs(gain[:20_001]).max(),
        np.argmax(gain < -3) / 1000,
        judge.worst_spur(floats, 44_100, np.linspace(50, 20_000, 40)),
        judge.worst_spur(floats, 96_000, np.linspace(24_251, 47_990, 95)),
        *judge.length_and_delay(floats),
        max(judge.level_and_spur(sixteen_bits, rate_hz, -60)[1] for rate_hz in (44_100, RATE_HZ)),
        max(abs(judge.level_and_spur(sixteen_bits, rate_hz, -90)[0] + 90) for rate_hz in (44_100, RATE_HZ)),
    )


def _by_files(way: Convert, scratch: Path, subtype: str) -> judge.Way:
    """Make a converter of files into one of sound."""

    def converted(x: judge.Wave, rate_hz: int) -> judge.Wave:
        with tempfile.TemporaryDirectory(dir=scratch) as place:
            way(write(Path(place, "in.wav"), x, rate_hz, subtype), f"{place}/out.wav")
            return soundfile.read(f"{place}/out.wav")[0]

    return converted


def write(path: Path, x: judge.Wave, rate_hz: int, subtype: str) -> str:
    """libsndfile rounds 24 bits down; here they are rounded to nearest."""
    soundfile.write(path, np.rint(x * 2**23).astype(np.int32) << 8 if subtype == "PCM_24" else x, rate_hz, subtype)
    return str(path)


if __name__ == "__main__":
    main()
