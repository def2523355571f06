"""Make the demo: a small synthetic library, which is exported by BPM and then as a kit."""

import csv
import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.enums import OrganizeBy
from schemas.errors import OutputNotWritableError, RequestError
from schemas.export import ExportConfig, ExportRequest
from schemas.manifest import COLUMNS
from schemas.report import BatchExportResult
from tasks.audio import synth

KIT = "Night Bus"
# Commands are shown as they have to be typed: `uv run` says so in its children's environment.
_PREFIX = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""


class _DemoRow(NamedTuple):
    """A row of the demo's manifest, and how its file is made. A file on two pads has two rows.

    Attributes:
        pad: Bank and pad such as ``A1``, or "".
        make: Makes the sound for a sample rate; None where an earlier row or ``make_library`` makes the file.
        subtype: As libsndfile names it; None for a codec.
    """

    file: str
    title: str
    genre: str
    bpm: float | None
    key: str
    tags: str
    pad: str
    make: synth.Voice | None
    rate_hz: int = 44_100
    subtype: str | None = None


def _long_chord(rate_hz: int) -> synth.Sound:
    return synth.chord(rate_hz, (57, 61, 64, 68), 4.0)


LIBRARY = (
    _DemoRow("drums/808 Kick.wav", "808 Kick", "hip-hop", None, "", "drum|kick", "A1", synth.kick, 44_100, "PCM_16"),
    _DemoRow("drums/kick_soft.aiff", "Kick", "house", None, "", "drum|kick", "A5", partial(synth.kick, seconds=0.3), 48_000, "PCM_24"),  # noqa: E501
    _DemoRow("drums/KICK (hard).wav", "kick", "house", None, "", "drum|kick", "", partial(synth.kick, seconds=0.6), 96_000, "FLOAT"),  # noqa: E501
    _DemoRow("drums/snare.wav", "Snare", "hip-hop", None, "", "drum|snare", "A2", synth.snare, 48_000, "PCM_16"),
    _DemoRow("drums/snare.wav", "Snare", "hip-hop", None, "", "drum|snare", "B2", None),
    _DemoRow("drums/old_hat.wav", "Hat, 8 bit", "hip-hop", None, "", "drum|hat", "A3", synth.hat, 44_100, "PCM_U8"),
    _DemoRow("drums/clap.flac", "Clap", "house", None, "", "drum|clap", "A4", synth.clap, 48_000, "PCM_24"),
    _DemoRow("bass/Bass F#m.wav", "Bass F#m", "dub", None, "F#m", "bass", "B1", partial(synth.bass, midi_note=30), 44_100, "PCM_24"),  # noqa: E501
    _DemoRow("bass/Bass Fm.ogg", "Bass Fm", "dub", None, "Fm", "bass", "", partial(synth.bass, midi_note=29)),
    _DemoRow("chords/Café Noir.flac", "Café Noir", "lo-fi", 78, "Am", "keys|chord", "C1", synth.chord, 96_000, "PCM_24"),
    _DemoRow("chords/夜のバス.wav", "夜のバス", "lo-fi", 78, "F#m", "keys|chord", "C2", _long_chord, 48_000, "FLOAT"),
    _DemoRow("chords/rhodes.m4a", "Rhodes", "", 85, "Am", "keys|chord", "C3", partial(synth.chord, midi_notes=(45, 52, 60)), 48_000),  # noqa: E501
    _DemoRow("chords/Sick Beat (2024) 🔥.mp3", "Sick Beat (2024) 🔥", "hip-hop", 92.5, "", "keys", "C4", synth.chord),
    _DemoRow("loops/boom_bap_90.wav", "Boom Bap", "hip-hop", 90, "", "drum|loop", "D1", partial(synth.loop, bpm=90, bars=2, swing=0.3)),  # noqa: E501
    _DemoRow("loops/house_124.mp3", "Four Floors", "house", 124, "", "drum|loop", "D2", partial(synth.loop, bpm=124, bars=2)),
    _DemoRow("loops/jungle_170.ogg", "Jungle Bus", "jungle", 170, "", "drum|loop", "D3", partial(synth.loop, bpm=170, bars=4)),
    _DemoRow("loops/garage_132.aiff", "Two Step", "garage", 132, "", "drum|loop", "", partial(synth.loop, bpm=132, swing=0.4), 44_100, "PCM_16"),  # noqa: E501
    _DemoRow("loops/dub_slow.m4a", "Slow Dub", "dub", 66, "", "drum|loop", "", partial(synth.loop, bpm=66)),
    _DemoRow("loops/edge_110.flac", "Edge of 110", "house", 110, "", "drum|loop", "", partial(synth.loop, bpm=110), 48_000, "PCM_16"),  # noqa: E501
    _DemoRow("chords/pad_lossless.m4a", "Glass Pad", "ambient", 60, "C#m", "keys|pad", "", partial(synth.chord, midi_notes=(49, 52, 56)), 48_000, "ALAC"),  # noqa: E501
    _DemoRow("bass/sub.opus", "Sub", "dub", None, "", "bass", "", partial(synth.bass, midi_note=26), 48_000),
    _DemoRow("fx/vinyl_tick.wav", "Vinyl Tick", "lo-fi", None, "", "fx", "", partial(synth.hat, seconds=0.05), 44_100, "PCM_16"),  # noqa: E501
    _DemoRow("fx/broken_tape.flac", "Broken Tape", "lo-fi", 80, "", "fx", "", None),
)  # fmt: skip
CORRUPT = "fx/broken_tape.flac"
_MARK = "MADE BY SP404 DEMO.txt"


def prepare(folder: Path) -> list[ExportRequest]:
    """Make the library and its manifest below ``folder``.

    Returns:
        The two exports to run.

    Raises:
        RequestError: Another folder named ``library`` is there.
        OutputNotWritableError: The library cannot be written.
    """
    library = folder / "library"
    if library.exists() and not (library / _MARK).exists():
        raise RequestError(what=f"{library} is there already, and was not made by a demo", fix="Choose another --out.")
    try:
        make_library(library)
    except OSError as error:
        raise OutputNotWritableError(path=str(folder), error=error.strerror or str(error)) from error
    manifest, db = str(library / "manifest.csv"), str(folder / "demo.duckdb")
    by_bpm = ExportConfig(organize_by=OrganizeBy.BPM, output_base_path=str(folder / "by-bpm"))
    by_kit = ExportConfig(organize_by=OrganizeBy.KIT, output_base_path=str(folder / "kits"))
    return [
        ExportRequest(manifest=manifest, config=by_bpm, db=db, label="demo: by BPM"),
        ExportRequest(manifest=manifest, config=by_kit, db=db, kits=(KIT,), label="demo: the kit"),
    ]


def make_library(library: Path) -> None:
    """Write the samples and their ``manifest.csv``: the same bytes each time. What an earlier demo made stays."""
    library.mkdir(parents=True, exist_ok=True)
    made = _sizes_of_last_demo(library)
    rows: list[dict[str, Any]] = []
    ids: dict[str, int] = {}
    for sample in LIBRARY:
        path = library / sample.file
        is_as_made = path.is_file() and path.stat().st_size == made.get(sample.file)
        if sample.make and not is_as_made:  # Ogg has a random serial number in it: made again it would be another file
            synth.write(path, sample.make(sample.rate_hz), sample.rate_hz, sample.subtype)
        slot = (KIT, sample.pad[0], sample.pad[1:]) if sample.pad else ("", "", "")
        sample_id = ids.setdefault(sample.file, len(ids) + 1)
        values = (sample_id, sample.file, sample.title, sample.genre, sample.bpm, sample.key, sample.tags, *slot)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    noise = np.random.default_rng(1).bytes(20_000)
    (library / CORRUPT).write_bytes(b"fLaC" + noise)
    with (library / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    sizes = "".join(f"{(library / file).stat().st_size} {file}\n" for file in ids)
    (library / _MARK).write_text(f"`sp404 demo` made this folder, and will make it again.\n{sizes}", encoding="utf-8")


def _sizes_of_last_demo(library: Path) -> dict[str, int]:
    """Return the size of each file as an earlier demo made it; empty where none did."""
    try:
        lines = (library / _MARK).read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return {}
    pairs = (line.split(" ", 1) for line in lines)
    return {file: int(size) for size, file in pairs if size.isdigit()}


def format_summary(request: ExportRequest, batches: Sequence[BatchExportResult], direct: bool) -> str:
    """Return one screen of text: where things are, what failed and why, and what to type next.

    Args:
        request: The first of ``prepare``.
        batches: The results of both, in order.
        direct: They ran without Prefect, and so are not in its UI.
    """
    by_bpm, by_kit = batches
    db = request.db or ""
    quoted, manifest = shlex.quote(db), shlex.quote(request.manifest)
    samples = Path(request.manifest).parent
    following = (
        f"sp404 check {manifest}",
        f"sp404 history --db {quoted}",
        f'sp404 sql "FROM export_stats" --db {quoted}',
        "sp404 up" if direct else "sp404 up                 and open http://127.0.0.1:4200: both runs are in the Prefect UI",
        "sp404 scan YOUR_SAMPLES -o library.csv",
        "sp404 export library.csv --organize-by genre --card /media/card",
    )
    lines = [
        "",
        f"A library of {len({s.file for s in LIBRARY})} files was made in {samples}",
        "",
        f"1. Exported by BPM: {by_bpm.counts()}  ({by_bpm.total_size_bytes / 1e6:.1f} MB in {by_bpm.total_time_seconds:.1f} s)",
        f"   {by_bpm.output_base_path}",
        *_describe_folders(by_bpm),
        "",
        f"2. Exported the kit {KIT!r}: {by_kit.counts()}",
        f"   {by_kit.output_base_path}",
        *_describe_folders(by_kit),
        "",
        "Not exported, and what to do:",
        *(f"   {line}" for line in _describe_failures(request, by_bpm)),
        "",
        "Every file is 48 kHz, 16-bit. The originals were not touched. Next:",
        *(f"   {_PREFIX}{command}" for command in following),
    ]
    return "\n".join(lines)


def _describe_folders(batch: BatchExportResult) -> list[str]:
    folders: dict[str, list[str]] = {}
    for path in sorted(result.output_path for result in batch.results if result.output_path):
        place, name = path.removeprefix(batch.output_base_path + "/").rsplit("/", 1)
        folders.setdefault(place, []).append(name)
    width = max(map(len, folders), default=0)
    return [f"      {place:{width}}  {_join_some(names)}" for place, names in folders.items()]


def _join_some(names: list[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _describe_failures(request: ExportRequest, batch: BatchExportResult) -> list[str]:
    from tasks.store import history  # noqa: PLC0415  (only at the end of a demo)
    from tasks.store.database import Database  # noqa: PLC0415  (likewise)

    failures = history.export_samples(
        Database(request.db or "", 10), user_id=None, export_id=batch.export_id, sample_id=None, failed_only=True, most=20
    )
    return [f"{os.path.basename(row['source_path'])}: {row['error_message']}. {row['fix']}" for row in failures]
