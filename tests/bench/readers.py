"""Every file of real libraries as it is exported, beside independent decoders. Paste the tables into README.md beside this:

    uv run python -m tests.bench.readers /usr/share/lmms/samples /usr/share/hydrogen/data /usr/share/sonic-pi/samples
    uv run python -m tests.bench.readers --damaged 10000 /usr/share/hydrogen/data

The first compares each output with what ``ffmpeg`` makes of the same file, at 48 kHz: frames, place, peak, polarity, and the
sound itself. Where they differ, ``sox`` is asked, too; then the output has to agree with that one. The second damages files
of all kinds, and looks for exceptions and for outputs with less sound than ffmpeg finds. Needs sox and ffmpeg.
"""

import argparse
import os
import random
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from config.device import MAX_FRAMES, RATE_HZ
from schemas.conversion import Job, Outcome, SoundSettings, Tags
from schemas.enums import Dither, Status
from schemas.music import AUDIO_EXTENSIONS
from tasks.audio.convert import convert
from tests.support import audio
from tests.support.audio import FORMS
from tests.support.mutants import mutate

Wave = npt.NDArray[np.float32]
SETTINGS = SoundSettings("wav", 0, MAX_FRAMES, dither=Dither.NONE)
WORKERS = 2
# A frame of a source at 8 kHz is six at 48 kHz; resamplers round to the nearest.
FRAMES_OFF = 1
PEAK_DB = 0.1
# Of Vorbis that stands on one page ffmpeg loses the first block, of 128 or 256 frames.
LOST_FRAMES = 300
# A decoder of MPEG audio that does not know the end gives up to two frames more.
SLACK_SECONDS = 0.1


@dataclass(frozen=True)
class Verdict:
    """How one output compares.

    ``what``: right by ``ffmpeg``, ``but for`` its first block, or by ``sox``; explained by a ``note``; ``refused``; ``wrong``.
    """

    path: Path
    kind: str
    what: str
    details: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damaged", type=int, default=0, metavar="N", help="damage N files of all kinds instead")
    parser.add_argument("--seed", type=int, default=404)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.damaged:
            _damaged(arguments.damaged, arguments.seed, arguments.folders, Path(scratch))
        else:
            for folder in arguments.folders:
                _library(folder, Path(scratch))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_EXTENSIONS and path.is_file())


def _library(folder: Path, scratch: Path) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        verdicts = list(pool.map(partial(_compare, scratch=scratch), _files(folder)))
    kinds = sorted({verdict.kind for verdict in verdicts})
    counts = Counter((verdict.kind, verdict.what) for verdict in verdicts)
    print(f"{folder}: {len(verdicts)} files\n")
    print("| format | right by ffmpeg | but for its first block | right by sox | explained | refused | wrong |")
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        print(f"| {kind} |", *(f"{counts[kind, what]} |" for what in ("ffmpeg", "but for", "sox", "note", "refused", "wrong")))
    for verdict in verdicts:
        if verdict.what in ("note", "refused", "wrong"):
            print(f"  {verdict.what}: {verdict.path.relative_to(folder)}: {verdict.details}")


def _convert(source: Path, scratch: Path) -> tuple[Outcome, Wave | None]:
    target = scratch / f"{abs(hash(str(source)))}-{os.urandom(4).hex()}.wav"
    outcome = convert(Job(1, 1, str(source), str(target), Tags("", "", None, "", "")), SETTINGS)
    if outcome.status is not Status.EXPORTED:
        return outcome, None
    sound = soundfile.read(target, dtype="float32", always_2d=True)[0]
    target.unlink()
    return outcome, sound


def _compare(source: Path, scratch: Path) -> Verdict:
    kind = source.suffix.lower().removeprefix(".")
    outcome, sound = _convert(source, scratch)
    if sound is None:
        return Verdict(source, kind, "refused", outcome.error)
    assert outcome.source
    kind = f"{outcome.source.container} ({outcome.source.subtype.lower()})"
    if outcome.source.channels > 2:
        return Verdict(source, kind, "note", "; ".join(outcome.done))
    differences = []
    carved = _carve(source, scratch)
    for judge, decode in (("ffmpeg", _by_ffmpeg), ("sox", _by_sox)):
        other = decode(carved, sound.shape[1])
        difference = _difference(sound, other) if other is not None else "cannot read it"
        if not difference:
            return Verdict(source, kind, judge)
        lost = 0 if judge == "sox" or other is None else len(sound) - len(other)
        if other is not None and 0 < lost <= LOST_FRAMES and not _difference(sound[lost:], other):
            return Verdict(source, kind, "but for")
        differences.append(f"{judge} {difference}")
    notes = _notes_on_length(outcome)
    what = "note" if notes and other is not None else "wrong"
    return Verdict(source, kind, what, "; ".join([*differences, *notes]))


def _notes_on_length(outcome: Outcome) -> list[str]:
    """Return what was said of the length; that there may be silence in front excuses no loss."""
    others = ("resampled", "rounded", "may start with", "folded")
    return [word for word in outcome.done if not word.startswith(others) and "above full scale" not in word]


def _carve(source: Path, scratch: Path) -> Path:
    """Return a file that the others can read: of a WAV with an Ogg stream inside, the stream alone."""
    data = source.read_bytes()
    at = data[: 1 << 16].find(b"OggS")
    if data[:4] != b"RIFF" or at < 0:
        return source
    carved = scratch / f"{source.stem}.ogg"
    carved.write_bytes(data[at:])
    return carved


def _difference(x: Wave, y: Wave) -> str:
    """Return how two decodes of one file differ, both at 48 kHz; "" if they do not."""
    if abs(len(x) - len(y)) > FRAMES_OFF:
        return f"has {len(y):,} frames, and not {len(x):,}"
    n = min(len(x), len(y))
    x, y = x[:n], np.clip(y[:n], -1, 1)
    peak_x, peak_y = np.abs(x).max(initial=0), np.abs(y).max(initial=0)
    if max(peak_x, peak_y) < 2**-14:
        return ""
    if abs(20 * np.log10(max(peak_x, 1e-9) / max(peak_y, 1e-9))) > PEAK_DB:
        return f"has a peak of {peak_y:.4f}, and not {peak_x:.4f}"
    if (late := audio.lag(x.sum(axis=1), y.sum(axis=1))) and np.abs(x.sum(axis=1)).max() > 2**-10:
        return f"begins {late} frames earlier"
    if float((x * y).sum()) < 0:
        return "has the other polarity"
    error = float(np.sqrt(((x - y) ** 2).mean() / max((y**2).mean(), 1e-12)))
    return "" if error < 0.03 or np.abs(x - y).max() < 2**-12 else f"differs by {20 * np.log10(error):.0f} dB"


def _by_ffmpeg(source: Path, channels: int) -> Wave | None:
    resample = f"aresample={RATE_HZ}:resampler=soxr:precision=28"
    return _run(channels, "ffmpeg", "-v", "error", "-i", str(source), "-map", "0:a:0", "-af", resample, "-f", "f32le", "-")


def _by_sox(source: Path, channels: int) -> Wave | None:
    return _run(channels, "sox", "-V1", "-D", str(source), "-t", "f32", "-", "rate", "-v", str(RATE_HZ))


def _run(channels: int, *command: str) -> Wave | None:
    done = subprocess.run(command, capture_output=True, check=False)
    usable = len(done.stdout) // (4 * channels) * 4 * channels
    return np.frombuffer(done.stdout[:usable], "<f4").reshape(-1, channels) if usable else None


# ---- damaged ----


def _damaged(count: int, seed: int, folders: list[Path], scratch: Path) -> None:
    """Damage files of all kinds: those of the tests, and real ones of at most 200 kB."""
    rng = random.Random(seed)
    originals = [
        form.save(scratch / f"whole-{form}{form.extension}", _sound(form.rates[-1], rng), form.rates[-1]) for form in FORMS
    ]
    real = [path for folder in folders for path in _files(folder) if path.stat().st_size < 200_000]
    originals += rng.sample(real, min(len(real), 200))
    jobs = ((number, rng.choice(originals), rng.randrange(1 << 32)) for number in range(count))
    with ThreadPoolExecutor(WORKERS) as pool:
        verdicts = Counter[str]()
        for verdict in pool.map(partial(_damage, scratch=scratch), jobs):
            verdicts[verdict.what] += 1
            if verdict.what in ("wrong", "exception"):
                print(f"{verdict.what}: {verdict.path.name}: {verdict.details}")
    print(", ".join(f"{number:,} {what}" for what, number in verdicts.most_common()))


def _sound(rate_hz: int, rng: random.Random) -> npt.NDArray[np.float64]:
    return audio.tone(0.4, rate_hz, rng.choice((1, 2))) + audio.noise(round(0.4 * rate_hz), 1, level=0.1)


def _damage(job: tuple[int, Path, int], scratch: Path) -> Verdict:
    number, original, seed = job
    source = scratch / f"{number}-{original.name}"
    source.write_bytes(mutate(original.read_bytes(), random.Random(seed)))
    try:
        outcome, sound = _convert(source, scratch)
        if sound is None:
            return Verdict(source, "", "refused", outcome.error)
        assert outcome.source
        other = _by_ffmpeg(source, outcome.source.channels)
        missing = 0 if other is None else len(other) - len(sound)
        notes = _notes_on_length(outcome)
        if missing <= SLACK_SECONDS * RATE_HZ:
            return Verdict(source, "", "whole")
        said = f"{len(sound):,} frames of ffmpeg's {len(sound) + missing:,}: {notes}"
        return Verdict(source, "", "explained" if notes else "wrong", f"{said} (from {original}, seed {seed})")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return Verdict(source, "", "exception", f"{error!r} (from {original}, seed {seed})")
    finally:
        source.unlink()


if __name__ == "__main__":
    main()
