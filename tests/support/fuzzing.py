"""Damaged sounds and damaged manifests by the thousand, each through a whole export.

``python -m tests.support.fuzzing --audio 10000 --manifests 10000 --seed 1``. All is decided by the seed: the findings of a
batch are found again by ``--only audio:17``, which that batch's files outlive (it says where).

Exports run in children of this process, so that even the end of a process is a finding and not the end of the search.
"""

import argparse
import csv
import faulthandler
import io
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from tests.support import ROOT, audio
from tests.support.faults import files
from tests.support.mutants import MAGICS, TEXTS, mutate
from tests.support.workbooks import write_workbook

AUDIO_A_RUN = 250
MANIFESTS_A_BATCH = 50
SIZES = {"audio": AUDIO_A_RUN, "manifests": MANIFESTS_A_BATCH}
INTACT = 5  # of each run's files
HUNG_S = 240
ENVIRONMENT = {
    "SP404_SECONDS_PER_SAMPLE": "60",
    "SP404_MEMORY_MB": "1024",
    "SP404_WORKERS": "2",
    "POLARS_MAX_THREADS": "1",
    "PYTHONFAULTHANDLER": "1",
}
Judged = tuple[Counter[str], list[str]]


# ---- damaged sounds ----


def make_bases(folder: Path) -> None:
    """Write a short sound in every format there is, always of the same bytes."""
    folder.mkdir(parents=True)
    for form in audio.FORMS:
        rate = [rate for rate in form.rates if rate <= 48_000][-1]
        sound = audio.tone(0.15, rate, 2) + audio.noise(round(0.15 * rate), 1, level=0.1)
        path = form.save(folder / f"{form.name}{form.extension}", sound, rate)
        path.write_bytes(_steady(path.read_bytes()))


def _steady(data: bytes) -> bytes:
    """Without what libsndfile makes of the time: the number of an Ogg stream, the date in a PEAK chunk."""
    out, at = bytearray(data), data.find(b"PEAK")
    if at > 0:
        out[at + 12 : at + 16] = bytes(4)
    at = 0
    while out[at : at + 4] == b"OggS":
        segments = out[at + 27 : at + 27 + out[at + 26]]
        end = at + 27 + len(segments) + sum(segments)
        out[at + 14 : at + 18], out[at + 22 : at + 26] = b"\x94\x01\0\0", bytes(4)
        out[at + 22 : at + 26] = struct.pack("<I", _ogg_crc(out[at:end]))
        at = end
    return bytes(out)


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def chunks(data: bytes) -> list[bytes]:
    """Cut a RIFF, FORM or MP4 file into its head and its chunks; any other into four pieces."""
    if data[4:8] == b"ftyp":
        at, head, size_of = 0, 0, lambda at: struct.unpack_from(">I", data, at)[0]
    elif data[:4] in (b"RIFF", b"FORM"):
        order = "<I" if data[:4] == b"RIFF" else ">I"
        at = head = 12
        size_of = lambda at: 8 + (struct.unpack_from(order, data, at + 4)[0] + 1 & ~1)  # noqa: E731
    else:
        quarter = len(data) // 4
        return [data[:quarter], data[quarter : 2 * quarter], data[2 * quarter : 3 * quarter], data[3 * quarter :]]
    found = [data[:head]]
    while at + 8 <= len(data):
        size = max(size_of(at), 8)
        found.append(data[at : at + size])
        at += size
    return found


def worse(data: bytes, rng: random.Random) -> bytes:
    try:
        return mutate(data, rng)
    except ValueError:  # too little is left to be damaged
        return data[:1]


def damaged(bases: Sequence[tuple[str, bytes]], rng: random.Random) -> tuple[str, bytes]:
    """Return the extension and the bytes of a damaged file."""
    (extension, data), (other, others) = rng.choice(bases), rng.choice(bases)
    match rng.randrange(10):
        case 0:
            pieces = chunks(data)
            rest = pieces[1:]
            rng.shuffle(rest)
            data = pieces[0] + b"".join(rest[: rng.choice((len(rest), len(rest), max(len(rest) - 1, 1)))])
        case 1:
            junk = (b"TAG" + bytes(125), bytes(5_000), rng.randbytes(3_000), data, others, b"APETAGEX" + rng.randbytes(24))
            data += rng.choice(junk)
        case 2:
            cut = rng.choice((12, 44, 100, 400))
            data = data[:cut] + others[cut:]
        case 3:
            data = rng.choice((b"ID3\x04\0\0\0\0\x02\0" + bytes(256), bytes(700), rng.randbytes(50), others[:200])) + data
        case 4:
            data = rng.choice(MAGICS) + rng.randbytes(rng.choice((10, 300, 9_000)))
        case _:
            data = worse(data, rng)
    if rng.random() < 0.2:
        data = worse(data, rng)
    return rng.choice((extension,) * 9 + (other,)), data


def random_sound(rng: random.Random) -> dict[str, Any]:
    """Return settings of the sound: each is the default half of the time."""
    ways: dict[str, tuple[Any, ...]] = {
        "dither": ("tpdf", "none"),
        "guard": ("file", "folder"),
        "normalize_dbfs": (-1.0, 0, -30.5),
        "trim_dbfs": (-60, -20, -120),
        "pad_to_ms": (50, 400),
        "fade_in_ms": (1, 300),
        "fade_out_ms": (5, 10_000),
        "mono": ("identical", "all"),
        "seamless": (True,),
        "keep_chunks": (True,),
    }
    return {name: rng.choice(values) for name, values in ways.items() if rng.random() < 0.3}


def random_config(rng: random.Random, out: Path) -> dict[str, Any]:
    return {
        "organize_by": rng.choice(("flat", "genre", "bpm", "kit")),
        "format": rng.choice(("wav", "wav", "aiff")),
        "include_metadata": rng.random() < 0.5,
        "sanitize_filenames": rng.random() < 0.8,
        "output_base_path": str(out),
    }


# ---- damaged manifests ----

COLUMNS = ["sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad", "note"]
WORDS = (
    *("", " ", "\t", "\0", "a\0b", '"', '""', "'", ",", ";", "|", "\\", "\n", "\r", "\r\n", "\x1a", "\x1b[31m", "\x85"),
    *("..", "../evil", "../../evil", "/evil", "C:\\evil", "\\\\host\\evil", "~", "~root/evil", "$HOME", "a/../../evil"),
    *("CON", "nul.wav", "COM1", "-rf", "--", ".hidden", "trailing. ", "=1+1", "@SUM(A1)", "<script>", "%s%n", "{0}", "./"),
    *("NaN", "nan", "inf", "-inf", "1e999", "-0", "1e-320", "0x10", "1_000", "\uff11\uff12\uff10", "120,5", "1,000.5"),
    *("0", "-1", "1.0", "1e3", str(2**63 - 1), str(2**63), str(-(2**63) - 1), "9" * 400, "true", "null", "x" * 300),
    *("Café", "キック", "🥁", "\u202egpj.wav", "\ufeff", "é" * 130, "ß", "a\u0301" * 90, "\u200b", "\u017f", "\ud7ff\ue000"),
    *("/dev/zero", "/dev/stdin", "/dev/tty", "/proc/self/mem", "/proc/self/environ", "/etc/passwd", "a.wav/b.wav", "m.csv"),
    *("{evil}", "{db}", "{out}", "{out}/a.wav", "../records/r.duckdb", "file:///etc/passwd", "http://127.0.0.1/a.wav"),
)
ENCODINGS = ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "shift_jis", "utf-7", "cp500")
Table = list[list[Any]]


def whole_table(rng: random.Random) -> Table:
    """Return a good manifest over the sources ``a.wav`` to ``d.wav``, with all columns or some."""
    rows: Table = []
    for n in range(rng.choice((1, 4, 9))):
        kit = [f"kit {n % 3}", "ABCDEFGHIJ"[n % 10], n + 1] if rng.random() < 0.7 else ["", "", ""]
        rows.append([n + 1, "abcd"[n % 4] + ".wav", f"Title {n}", "house", 120.5, "F#m", "a|b", *kit, "?"])
    kept = [n for n, name in enumerate(COLUMNS) if name == "file_path" or rng.random() < 0.8]
    return [[row[n] for n in kept] for row in [COLUMNS, *rows]]


def word(rng: random.Random, ground: Path) -> str:
    places = {"{evil}": f"{ground}/evil", "{db}": f"{ground}/records/r.duckdb", "{out}": f"{ground}/out"}
    if rng.random() < 0.05:
        return rng.choice('xé🥁\0"/ ') * rng.choice((70_000, 300_000))
    found = rng.choice(WORDS)
    for name, place in places.items():
        found = found.replace(name, place)
    return found + rng.choice(("", "", "", rng.choice(WORDS)))


def torn_table(table: Table, rng: random.Random, ground: Path) -> Table:
    """Damage some of: cells (any content or none), columns (renamed, doubled, gone, moved), rows (too many, few, short)."""
    table = [[*row] for row in table]
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        header, row = table[0], rng.choice(table)
        column = rng.randrange(max(len(header), 1))
        match rng.randrange(12):
            case 0 if header:
                old = str(header[column])
                header[column] = rng.choice((old.upper(), f" {old} ", "file_path", word(rng, ground)))
            case 1:
                for cells in table:
                    cells.insert(rng.randrange(len(cells) + 1), cells[column % len(cells)] if cells else "")
            case 2 if len(header) > 1:
                for cells in table:
                    del cells[column : column + 1]
            case 3:
                table.insert(rng.randrange(1, len(table) + 1), [*row])
            case 4 if len(table) > 1:
                del table[rng.randrange(1, len(table))]
            case 5 if len(row) > 1:
                del row[rng.randrange(len(row)) :]
            case 6:
                row.append(word(rng, ground))
            case 7:
                for cells in table[1:]:
                    cells[column : column + 1] = [None]
            case 8:
                row[column : column + 1] = [rng.choice((None, True, 3, -0.5, 2**70, float("nan"), [1, [2]], {"a": None}))]
            case _:
                for _ in range(rng.choice((1, 3))):
                    row[column : column + 1] = [word(rng, ground)]
                    row = rng.choice(table)
    return table


def text_of(table: Table, rng: random.Random, delimiter: str) -> str:
    buffer = io.StringIO()
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE, csv.QUOTE_NONNUMERIC))
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    try:
        writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end)
        writer.writerows(table)
    except csv.Error:  # what needs quotes and gets none
        buffer.write(end.join(delimiter.join(map(str, row)) for row in table))
    return buffer.getvalue()


def ndjson_of(table: Table, rng: random.Random) -> str:
    header, *rows = table
    lines = []
    for row in rows:
        pairs = [(str(name), cell) for name, cell in zip(header, row, strict=False) if rng.random() < 0.97]
        line = json.dumps(dict(pairs), ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.05:
            odd = ("[1, 2]", "null", '"x"', "3", "[" * 3_000, '{"file_path": "\\ud800.wav"}', line[:-1] + ", " + line[1:])
            line = rng.choice(odd)
        lines.append(line)
    return "\n".join(lines) + "\n"


def parquet_of(table: Table, rng: random.Random) -> bytes:
    """By Polars, with columns of the types that they happen to have, or of others."""
    import polars as pl

    header, *rows = table
    types = (pl.String, pl.String, pl.Int64, pl.Float32, pl.Categorical, pl.Binary, pl.Boolean, pl.Date, pl.List(pl.String))
    columns: dict[str, pl.Series] = {}
    for n, name in enumerate(header):
        cells = [row[n] if n < len(row) else None for row in rows]
        series = pl.Series(str(name), cells, strict=False)
        with suppress(pl.exceptions.PolarsError):
            series = series.cast(rng.choice(types), strict=False) if rng.random() < 0.3 else series
        columns[str(name)] = series
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer, compression=rng.choice(("zstd", "snappy", "uncompressed")))
    return buffer.getvalue()


def xlsx_of(table: Table, rng: random.Random) -> bytes:
    """By XlsxWriter, below other rows now and then, and with cells of the types that they happen to have."""
    above = [["My drums"], [], [1.5]][: rng.choice((0, 0, 0, 1, 3))]
    is_cell = (str, float, int, bool, type(None))
    rows = [[cell if isinstance(cell, is_cell) else str(cell) for cell in row] for row in [*above, *table]]
    rows = [[cell[:30_000] if isinstance(cell, str) else _number_of_excel(cell) for cell in row] for row in rows]
    buffer = io.BytesIO()
    write_workbook(buffer, {"S": rows, "Notes": [["nothing"]]} if rng.random() < 0.3 else {"S": rows})
    return buffer.getvalue()


def _number_of_excel(cell: Any) -> Any:
    """A cell that a workbook can hold: neither infinite nor more than a float."""
    return str(cell) if isinstance(cell, (int, float)) and not -1e300 < cell < 1e300 else cell


def m3u_of(table: Table, rng: random.Random) -> str:
    lines = ["#EXTM3U"] * (rng.random() < 0.9)
    for path, title in _columns(table, "file_path", "title"):
        info = rng.choice((f"#EXTINF:1,{title}", f'#EXTINF:-1 a="b,c",{title}', "# note", "", "#EXTINF", "#EXTINF:,"))
        lines += [info, path]
    return rng.choice(("\n", "\r\n", "\r")).join(lines)


def rekordbox_of(table: Table, rng: random.Random) -> str:
    names = {"file_path": "Location", "title": "Name", "genre": "Genre", "bpm": "AverageBpm", "musical_key": "Tonality"}
    tracks = []
    for cells in _columns(table, *names):
        pairs = [(name, cell) for name, cell in zip(names.values(), cells, strict=True) if rng.random() < 0.95]
        pairs = [(name, quote(cell, errors="ignore") if rng.random() < 0.3 else cell) for name, cell in pairs]
        tracks.append(f"<TRACK {' '.join(f'{name}={quoteattr(cell)}' for name, cell in pairs)}/>")
    text = rng.choice(("\n", "\n", "")).join(tracks)
    above = rng.choice(("", '<?xml version="1.0" encoding="UTF-8"?>\n', "<!DOCTYPE x>\n"))
    return f"{above}<DJ_PLAYLISTS><COLLECTION>{text}</COLLECTION><PLAYLISTS/></DJ_PLAYLISTS>"


def _columns(table: Table, *names: str) -> Iterator[list[str]]:
    """Yield the cells of these columns, row by row, as text."""
    header, *rows = table
    places = [header.index(name) if name in header else len(header) for name in names]
    for row in rows:
        yield [str(row[at]) if at < len(row) else "" for at in places]


LISTS = {".ndjson": ndjson_of, ".m3u8": m3u_of, ".xml": rekordbox_of}
# How often each kind comes; those of a process of their own take half a second each.
KINDS = {".csv": 38, ".tsv": 13, ".txt": 6, ".ndjson": 26, ".parquet": 6, ".xlsx": 3, ".m3u8": 4, ".xml": 4}


def torn_bytes(data: bytes, rng: random.Random) -> bytes:
    """Damage a file as bad memory, a bad editor or a bad line does."""
    out = bytearray(data)
    for _ in range(rng.choice((0, 0, 1, 1, 3))):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(8):
            case 0 | 1:
                for _ in range(rng.choice((1, 4, 30))):
                    if out:
                        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
            case 2:
                del out[at:]
            case 3:
                odd = (b"\0", b'"', b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\xed\xa0\x80", rng.randbytes(20))
                out[at:at] = rng.choice(odd)
            case 4:
                out = bytearray(rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n", b"# note\n", b"sep=;\n"))) + out
            case 5:
                del out[at : at + rng.choice((1, 5, 50))]
            case 6:
                out += out[at:] * rng.choice((1, 2))
            case 7:
                with suppress(UnicodeError):
                    out = bytearray(out.decode().encode(rng.choice(ENCODINGS), errors="replace"))
    return bytes(out)


def torn_manifest(rng: random.Random, ground: Path) -> tuple[str, bytes]:
    """Return a damaged manifest's extension and bytes."""
    table = torn_table(whole_table(rng), rng, ground)
    kind = rng.choices([*KINDS], [*KINDS.values()])[0]
    if kind == ".parquet":
        try:
            data = parquet_of(table, rng)
        except Exception:  # noqa: BLE001 (what Polars does not write can't come)
            data = parquet_of(whole_table(rng), rng)
    elif kind == ".xlsx":
        data = xlsx_of(table, rng)
    elif kind in LISTS:
        data = LISTS[kind](table, rng).encode(errors="surrogatepass")
    else:
        delimiter = "\t" if kind == ".tsv" else rng.choice(",;\t|" if kind == ".txt" else ",,;\t")
        data = text_of(table, rng, delimiter).encode(errors="surrogatepass")
    if rng.random() < 0.03:
        kind = rng.choice([*KINDS])
    return kind, torn_bytes(data, rng)


# ---- one export, and what must be true of it ----


@dataclass(frozen=True)
class Ground:
    """The folders of a batch, and what lies around them."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("lib", "out", "records", "home", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        (self.folder / "precious.txt").write_text("not yours\n")
        (self.folder / "home/.precious").write_text("not yours\n")

    @property
    def lib(self) -> Path:
        return self.folder / "lib"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def db(self) -> Path:
        return self.folder / "records/r.duckdb"

    def around(self) -> dict[str, tuple[str, int]]:
        """Return all files but outputs and records: their content, and when they were written."""
        inside = (f"{self.out}/", f"{self.db.parent}/")
        return {path: _state(path) for path in files(self.folder) if not path.startswith(inside)}


def _state(path: str) -> tuple[str, int]:
    with open(path, "rb") as file:
        return blake2b(file.read(), digest_size=8).hexdigest(), os.fstat(file.fileno()).st_mtime_ns


def exported(manifest: Path, ground: Ground, rng: random.Random, **more: Any) -> Judged:
    """Run an export with settings by chance. The statuses of its rows, and what is wrong with it."""
    from flows.export import threads
    from schemas.errors import ManifestError, RequestError
    from schemas.export import ExportRequest
    from tasks.store.database import Database

    around, there = ground.around(), {*files(ground.out)}
    fields = {"manifest": str(manifest), "db": str(ground.db), "config": random_config(rng, ground.out), **more}
    request = ExportRequest.model_validate(fields)
    try:
        batch = threads.export_directly(request)
    except (ManifestError, RequestError) as error:
        counts = Counter({type(error).__name__: 1})
        faults = [f"its text: {text!r}" for text in (str(error), error.fix) if not _is_clear(text)]
        if {*files(ground.out)} != there:
            faults.append(f"refused ({error}), and yet written: {sorted({*files(ground.out)} ^ there)[:3]}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        counts, faults = Counter({type(error).__name__: 1}), [f"{error!r} ({error}): {_way_of(error)}"]
    else:
        counts = Counter(str(row.status) for row in batch.results)
        faults = []
        result = batch.model_dump(mode="json")
        with Database(str(ground.db), 5).connect() as connection:
            faults += list(_row_faults(result, connection))
        faults += list(_outputs_faults(result, ground))
        for row in batch.results:
            if row.status == "failed":
                counts[f"failed: {re.split('[:/0-9]', row.error or '')[0].strip()}"] += 1
                faults += list(_failure_faults(row.error or ""))
    if (found := ground.around()) != around:
        faults.append(f"around the output folder: {sorted({*found.items()} ^ {*around.items()})[:3]}")
    return counts, faults


def _row_faults(result: dict[str, Any], connection: Any) -> Iterator[str]:
    """Rows in = exported + unchanged + rejected + failed: by the answer, and by the table."""
    counts = Counter(row["status"] for row in result["results"])
    reported = {name: result[name] for name in ("unchanged", "failed", "rejected") if result[name]}
    reported |= {"exported": result["successful"] - result["unchanged"]} if result["successful"] > result["unchanged"] else {}
    lines = "SELECT status, count(DISTINCT manifest_line), count(*) FROM sp404_export_samples WHERE export_id = ? GROUP BY 1"
    rows = connection.execute(lines, [result["export_id"]]).fetchall()
    sample_count = connection.execute("SELECT sample_count FROM sp404_exports WHERE id = ?", [result["export_id"]]).fetchall()
    in_table = {status: count for status, count, all_of_them in rows if count == all_of_them}
    if not (
        reported == counts == in_table and sample_count == [(counts.total(),)] and counts.total() == result["total_requested"]
    ):
        said = f"{result['total_requested']} asked for, reported {reported}, answered {dict(counts)}"
        yield f"rows: {said}, recorded {rows}, {sample_count}"


def _is_clear(text: str) -> bool:
    return bool(text.strip()) and len(text) < 2_000 and "Traceback" not in text


def _way_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames)


def _outputs_faults(result: dict[str, Any], ground: Ground) -> Iterator[str]:
    import soundfile

    wanted = set()
    for row in result["results"]:
        if row["status"] not in ("exported", "unchanged"):
            continue
        path = row["output_path"]
        wanted.add(path)
        if not os.path.realpath(path).startswith(f"{ground.out}/") or os.path.islink(path):
            yield f"outside: {path!r}"
        try:
            found = soundfile.info(path)
        except soundfile.LibsndfileError as error:
            yield f"{path!r}: {error}"
            continue
        if (found.samplerate, found.subtype) != (48_000, "PCM_16") or not found.frames or found.channels > 2:
            yield f"{path!r}: {found.samplerate} Hz, {found.subtype}, {found.frames} frames, {found.channels} channels"
    if parts := [path for path in files(ground.out) if path.endswith(".part")]:
        yield f"in the making: {parts[:3]}"
    if lacking := wanted - {*files(ground.out)}:
        yield f"lacking: {sorted(lacking)[:3]}"


def _failure_faults(error: str) -> Iterator[str]:
    """Yield what is wrong with the text of a failure; a mistake of ours in a worker only looks like a crash."""
    if re.search(r"\(\w+\.py:\d+\)$", error):
        yield f"an exception in a worker: {error}"
    elif len(error.splitlines()) != 1 or "Traceback" in error:
        yield f"text of a failure: {error!r}"
    elif error.startswith("Not done after"):
        yield f"too slow: {error}"
    elif not error.startswith((*TEXTS, "The decoder crashed", "More memory", "Audio file", "Source", "Another file")):
        yield f"an unknown failure: {error!r}"


def audio_batch(seed: int, batch: int, ground: Ground, bases: Path, count: int) -> Iterator[Judged]:
    """One run over ``count`` damaged files and some that are not."""
    rng = random.Random(f"{seed}/audio/{batch}")
    known = [(path.suffix, path.read_bytes()) for path in sorted(bases.iterdir())]
    lines = ["sample_id,file_path,bpm,genre"]
    for n in range(count + INTACT):
        extension, data = damaged(known, rng) if n < count else rng.choice(known)
        name = f"{n:04}{'-intact' if n >= count else ''}{extension}"
        (ground.lib / name).write_bytes(data)
        lines.append(f"{n + 1},{name},{rng.choice(('', 60, 120.5))},{rng.choice(('', 'house', 'dub'))}")
    (ground.lib / "m.csv").write_text("\n".join(lines) + "\n")
    counts, faults = exported(ground.lib / "m.csv", ground, rng, sound=random_sound(rng))
    if counts["exported"] + counts["failed"] != count + INTACT:
        faults.append(f"not all rows are exported or failed: {counts}")
    yield counts, faults + [f"an intact file failed: {row}" for row in _intact_failed(ground, count)]


def _intact_failed(ground: Ground, count: int) -> list[Any]:
    import duckdb

    with duckdb.connect(str(ground.db), read_only=True) as connection:
        sql = "SELECT source_path, error_message FROM sp404_export_samples WHERE sample_id > ? AND status <> 'exported'"
        return connection.execute(sql, [count]).fetchall()


def manifest_batch(seed: int, batch: int, ground: Ground, bases: Path, count: int) -> Iterator[Judged]:
    """``count`` damaged manifests, one after the other, into the same folder and with the same database."""
    from tasks.audio import synth
    from tasks.store.database import Database

    os.environ |= {"SP404_CONTAINED": "false", "SP404_WORKERS": "1"}
    for n, name in enumerate("abcd"):
        synth.write(ground.lib / f"{name}.wav", synth.hat(48_000, 0.11 + n / 100), 48_000, "PCM_16")
    with Database(str(ground.db), 5).hold():
        for number in range(count):
            rng = random.Random(f"{seed}/manifests/{batch}/{number}")
            extension, data = torn_manifest(rng, ground.folder)
            manifest = ground.lib / f"m{number:03}{extension}"
            manifest.write_bytes(data)
            more: dict[str, Any] = {"prune": rng.random() < 0.2, "full": rng.random() < 0.1}
            if rng.random() < 0.05:
                more["kits"] = ("kit 1",)
            if rng.random() < 0.05:
                more["sample_ids"] = (1, 2)
            counts, faults = exported(manifest, ground, rng, **more)
            yield counts, [f"{manifest.name}: {fault}" for fault in faults]
            manifest.unlink()


BATCHES: dict[str, Callable[[int, int, Ground, Path, int], Iterator[Judged]]] = {
    "audio": audio_batch,
    "manifests": manifest_batch,
}


# ---- children ----


@dataclass
class Findings:
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def child(kind: str, seed: int, batches: Sequence[int], count: int, place: Path, kept: Path) -> None:
    """Print a line of JSON for each export: its batch, its counts, and what is wrong."""
    for batch in batches:
        faulthandler.dump_traceback_later(HUNG_S, exit=True)
        for counts, faults in BATCHES[kind](seed, batch, Ground(place), kept / "bases", count):
            print(json.dumps([batch, counts, faults]), flush=True)
            if faults:
                shutil.copytree(place, kept / f"found-{kind}-{batch}", dirs_exist_ok=True)
    faulthandler.cancel_dump_traceback_later()


def search(kind: str, seed: int, batches: Sequence[int], folder: Path, abreast: int = 2) -> Findings:
    """Run the batches in ``abreast`` children at a time; a child that dies is a finding, and another goes on behind it."""
    if not (folder / "bases").exists():
        make_bases(folder / "bases")
    found = Findings()
    with ThreadPoolExecutor(abreast) as pool:
        for part in pool.map(partial(_searched, kind, seed, folder), [batches[n::abreast] for n in range(abreast)]):
            found.counts.update(part.counts)
            found.faults += part.faults
    return found


def _searched(kind: str, seed: int, folder: Path, batches: Sequence[int]) -> Findings:
    found, left = Findings(), [*batches]
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where a sync takes no time
    while left:
        with tempfile.TemporaryDirectory(prefix="sp404-fuzz-", dir=memory) as scratch:
            place = Path(scratch).resolve()
            words = [kind, seed, ",".join(map(str, left)), SIZES[kind], place, folder]
            places = {"HOME": f"{place}/home", "TMPDIR": f"{place}/tmp", "PYTHONPATH": str(ROOT)}
            environment = os.environ | ENVIRONMENT | places
            command = [sys.executable, "-m", "tests.support.fuzzing", "--child", *map(str, words)]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
            for batch, counts, faults in answers:
                found.counts.update(counts)
                found.counts["exports"] += 1
                found.faults += [f"{kind}:{batch} {fault}" for fault in faults]
            last = answers[-1][0] if answers else left[0]
            if noise := re.search(r"Traceback|panicked|Fatal|Error", done.stderr):
                found.faults.append(f"{kind}:{last} said on standard error: {done.stderr[noise.start() : noise.start() + 500]}")
            if not done.returncode:
                break
            behind = sum(answer[0] == last for answer in answers)
            if behind >= (1 if kind == "audio" else SIZES[kind]):
                last, behind = left[left.index(last) + 1], 0
            found.faults.append(f"{kind}:{last} died of {done.returncode} behind {behind} exports: {done.stderr[-1_000:]}")
            shutil.copytree(place, folder / f"found-{kind}-{last}", dirs_exist_ok=True)
            left = left[left.index(last) + 1 :]
    return found


def batches_for(kind: str, cases: int) -> range:
    return range(-(-cases // SIZES[kind]))


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        kind, seed, batches, count, place, kept = sys.argv[2:]
        child(kind, int(seed), [int(batch) for batch in batches.split(",")], int(count), Path(place), Path(kept))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=int, default=0)
    parser.add_argument("--manifests", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one batch: audio:17")
    options = parser.parse_args()
    kind, _, number = (options.only or "").partition(":")
    work = {kind: [int(number)]} if kind else {kind: batches_for(kind, getattr(options, kind)) for kind in SIZES}
    folder = Path(tempfile.mkdtemp(prefix="sp404-fuzz-")).resolve()
    faults = []
    for kind, batches in work.items():
        if batches:
            began = time.monotonic()
            found = search(kind, options.seed, batches, folder)
            faults += found.faults
            print(f"{len(batches) * SIZES[kind]:,} {kind}, {time.monotonic() - began:.0f} s: {len(found.faults)} findings")
            for what, count in found.counts.most_common():
                print(f"  {count:7,} {what}")
            for fault in found.faults:
                print(f"  {fault}")
    if faults:
        print(f"What was found lies in {folder}/found-*; seed {options.seed}")
    else:
        shutil.rmtree(folder)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
