"""A kit file becomes a manifest's rows: pads in TOML or YAML for those who think in pads, and Hydrogen's drumkit.xml.

What the file says and a row cannot hold is counted in ``notes``; a pad that is no row is a reject of its own.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import TEXT_SCHEMA, whole
from schemas.music import BPM_MAX, BPM_MIN
from tasks.manifest.readers.hydrogen import HYDROGEN, parsed_xml, read_hydrogen
from tasks.manifest.readers.kit_file import Entry, List, Map, Scalar, Value, decoded, parsed_toml, parsed_yaml
from tasks.manifest.readers.kit_rows import HALF_PAIR, Cells, Found, Kits, PadError, count, encodable
from tasks.manifest.source_paths import absolute

if TYPE_CHECKING:
    from tasks.manifest.table import RawManifest

NO_PADS_FIX = "Name pads and their files: A1: kick.wav in YAML, A1 = 'kick.wav' in TOML."
# Thousands of pads; a real kit file is a hundredth of it.
_MAX_BYTES = {".toml": 1 << 19, ".yaml": 1 << 19, ".yml": 1 << 19, ".xml": 1 << 22}
_NO_NUMBER = "must be a number"
_BAD_TEMPO = f"must be {BPM_MIN} to {BPM_MAX}"
_BAD_ID = "must be an integer greater than 0 (and less than 2^63)"
_PAD = re.compile(r"([A-Za-z]+)([0-9]+)")
_FIELDS = {
    "file": "file_path",
    "file_path": "file_path",
    "id": "sample_id",
    "sample_id": "sample_id",
    "title": "title",
    "genre": "genre",
    "bpm": "bpm",
    "key": "musical_key",
    "musical_key": "musical_key",
    "tags": "tags",
}


def kit_path(path: str) -> str:
    """``path``; or the drumkit.xml in it, where it is a folder that has one."""
    inside = os.path.join(path, HYDROGEN)
    return inside if os.path.isdir(path) and os.path.lexists(inside) else path


def is_kit_file(path: str | os.PathLike[str]) -> bool:
    """Whether a manifest's path is that of a kit file: by its extension, or a folder with a drumkit.xml."""
    return Path(kit_path(os.fspath(path))).suffix.lower() in _MAX_BYTES


def read_kits(path: str) -> Kits:
    """Read the kit file at ``path``. Raises ManifestError when it is none, or names no pads at all."""
    extension = Path(path).suffix.lower()
    with open(path, "rb") as file:
        data = file.read(_MAX_BYTES[extension] + 1)
    if len(data) > _MAX_BYTES[extension]:
        what = f"is too large for a kit file: more than {_MAX_BYTES[extension]:,} bytes"
        raise ManifestError(path=path, what=what, fix="Spread it over several kit files, or write a CSV manifest.")
    found = Found(path)
    if extension == ".xml":
        read_hydrogen(found, parsed_xml(path, data))
    else:
        parsed = parsed_toml if extension == ".toml" else parsed_yaml
        _read_pads(found, parsed(path, decoded(path, data)))
    return found.kits()


def unknown_ids(raw: "RawManifest") -> list[int]:
    """The ids of a kit file's rows that name a sample but no file: what ``with_known_files`` wants to know."""
    ids = raw.frame.filter(pl.col("file_path").is_null()).select(whole("sample_id")).to_series()
    return ids.filter(ids > 0).unique().sort().to_list()


def with_known_files(raw: "RawManifest", files: Mapping[int, str]) -> "RawManifest":
    """``raw`` with the files of samples that are named by their id alone; an id that is not in ``files`` is a reject."""
    asked = pl.col("file_path").is_null() & (pl.col("id") > 0)
    frame = raw.frame.with_columns(id=whole("sample_id"))
    known = pl.DataFrame({"id": files.keys(), "known": files.values()}, schema={"id": pl.Int64, "known": pl.String})
    frame = frame.join(known, on="id", how="left", maintain_order="left")
    filled = frame.with_columns(file_path=pl.when(asked).then("known").otherwise("file_path"))
    lost = (asked & pl.col("known").is_null()).fill_null(False)
    rejects = frame.filter(lost).select(
        "line",
        pl.col("id").alias("sample_id"),
        "kit",
        column=pl.lit("sample_id"),
        value=pl.col("id").cast(pl.String),
        rule=pl.format("sample {} is in no record", "id"),
        fix=pl.lit("`sp404 history --export N` shows the ids of samples; or name the file instead."),
    )
    rest = filled.filter(~frame.select(lost).to_series()).select(TEXT_SCHEMA.keys())
    return replace(raw, frame=rest, rejects=pl.concat([raw.rejects, rejects]))


def with_known_facts(raw: "RawManifest", samples: pl.DataFrame) -> "RawManifest":
    """``raw`` with what the records know of its files (``samples``) where the kit file says nothing: a kit is no reason to
    forget a tempo.
    """
    facts = ("title", "genre", "bpm", "musical_key", "tags")
    told = samples.unique("file_path", keep="first").select(
        source="file_path", **{f"known_{name}": pl.col(name).cast(pl.String) for name in facts}
    )
    frame = raw.frame.with_columns(source=absolute(raw.frame["file_path"].fill_null(""), raw.folder))
    frame = frame.join(told, on="source", how="left", maintain_order="left")
    filled = frame.with_columns(pl.coalesce(name, f"known_{name}").alias(name) for name in facts)
    return replace(raw, frame=filled.select(TEXT_SCHEMA.keys()))


def _read_pads(found: Found, root: Value) -> None:
    if not isinstance(root, Map):
        what = "is a list" if isinstance(root, List) else "is no table of pads"
        raise ManifestError(path=found.path, what=what, fix=f"{NO_PADS_FIX} Several kits go into a list `kits`.")
    listed = [entry for entry in root.entries if entry.word == "kits"]
    if not listed:
        pads = _read_kit(found, root, encodable(Path(found.path).stem))
    else:
        pads = sum(_read_list(found, entry) for entry in listed)
        for entry in root.entries:
            if entry.word != "kits":
                fault = "stands beside the list of kits"
                found.reject(entry.line, None, PadError("kit", entry.key, fault, "Put it into one of the kits, or remove it."))
    if not pads:
        raise ManifestError(path=found.path, what="names no pads", fix=NO_PADS_FIX)


def _read_list(found: Found, kits: Entry) -> int:
    if not isinstance(kits.value, List):
        found.reject(
            kits.line, None, PadError("kit", kits.key, "must be a list of kits", "Begin each kit with `- name: My Kit`.")
        )
        return 0
    pads = []
    for entry in kits.value.entries:
        if isinstance(entry.value, Map):
            pads.append(_read_kit(found, entry.value, None))
        else:
            fault = "must be a table with a name and pads"
            found.reject(entry.line, None, PadError("kit", _shown(entry.value), fault, "Begin each kit with `- name: My Kit`."))
    if empty := pads.count(0):
        found.notes.append(count(empty, "kit has no pads", "kits have no pads"))
    return sum(pads)


def _read_kit(found: Found, table: Map, stem: str | None) -> int:
    """The number of its pads. A kit that has to have a name and has none leaves its rows without: they are rejected."""
    heads = _once(found, table, ("name", "tempo"))
    kit = _name_of(found, heads["name"], stem) if "name" in heads else stem
    if "tempo" in heads:
        _read_tempo(found, heads["tempo"], kit)
    count = 0
    for entry in table.entries:
        if entry.word == "pads" and isinstance(entry.value, Map):
            count += sum(_read_pad(found, pad, kit) for pad in entry.value.entries)
        elif entry.word == "pads":
            found.reject(entry.line, kit, PadError("pad", _shown(entry.value), "must be a table of pads", NO_PADS_FIX))
        elif entry.word not in heads:
            count += _read_pad(found, entry, kit)
    return count


def _once(found: Found, table: Map, words: Iterable[str]) -> dict[str, Entry]:
    first: dict[str, Entry] = {}
    for entry in table.entries:
        if entry.word in words and first.setdefault(entry.word, entry) is not entry:
            bad = PadError(_column_of(entry.word), entry.key, f"{entry.word} is there twice", "Remove one of them.")
            found.reject(entry.line, None, bad)
    return first


def _column_of(word: str) -> str:
    return {"name": "kit", "tempo": "bpm"}.get(word) or _FIELDS[word]


def _name_of(found: Found, entry: Entry, stem: str | None) -> str | None:
    try:
        name = _text(entry, "kit").strip()
        if name != encodable(name):
            raise PadError("kit", name, *HALF_PAIR)
    except PadError as bad:
        found.reject(entry.line, None, bad)
        return None
    return name or stem


def _read_tempo(found: Found, entry: Entry, kit: str | None) -> None:
    try:
        text = _text(entry, "bpm").strip()
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
            raise PadError("bpm", text, _NO_NUMBER)
        if not BPM_MIN <= float(text) <= BPM_MAX:
            raise PadError("bpm", text, _BAD_TEMPO)
        if kit is not None and found.tempos.setdefault(kit, float(text)) != float(text):
            raise PadError("bpm", text, "differs from the tempo that the kit has above", "Give each kit a name of its own.")
    except PadError as bad:
        found.reject(entry.line, kit, bad)


def _read_pad(found: Found, entry: Entry, kit: str | None) -> bool:
    """Whether the key is a pad's. Bank and pad are not looked at: ``validate`` does, and says which slot is taken."""
    pad = _PAD.fullmatch(entry.key.strip())
    try:
        if not pad:
            raise PadError("pad", entry.key, "is no pad", "Pads are A1 to J16; a kit has a name and a tempo beside them.")
        found.row(entry.line, {"kit": kit, "bank": pad[1], "pad": pad[2]} | _cells(entry.value))
    except PadError as bad:
        found.reject(entry.line, kit, bad)
    return bool(pad)


def _cells(value: Value) -> Cells:
    if isinstance(value, Map):
        return _cells_of_table(value)
    if isinstance(value, Scalar) and value.kind == "text":
        return {"file_path": value.text}
    if isinstance(value, Scalar) and value.kind == "integer":
        return {"sample_id": _id(value.text)}
    fix = "Write A1: kick.wav, A1: 17 or A1: {file: kick.wav, bpm: 93}."
    raise PadError("file_path", _shown(value), "must be a path, the id of a sample, or a table", fix)


def _cells_of_table(table: Map) -> Cells:
    cells: Cells = {}
    for entry in table.entries:
        column = _FIELDS.get(entry.word)
        if column is None:
            raise PadError(
                "pad", entry.key, "is nothing that a pad can have", "It can have file, id, title, genre, bpm, key, tags."
            )
        if column in cells:
            raise PadError(column, entry.key, f"{entry.word} is there twice", "Remove one of them.")
        value = entry.value
        parts = value.entries if column == "tags" and isinstance(value, List) else (entry,)
        cells[column] = "|".join(_text(part, column) for part in parts)
    if sample_id := (cells.get("sample_id") or "").strip():
        cells["sample_id"] = _id(sample_id)
    return cells


def _id(text: str) -> str:
    """A leading zero means octal in YAML 1.1 and nothing in 1.2: such an id could be that of another sample."""
    if not re.fullmatch(r"\+?[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise PadError("sample_id", text, _BAD_ID, "Give the whole number that `sp404 history` shows, without leading zeros.")
    return text


def _text(entry: Entry, column: str) -> str:
    if not isinstance(entry.value, Scalar):
        raise PadError(column, _shown(entry.value), "must be text or a number", "Write it without brackets.")
    return "" if entry.value.kind == "nothing" else entry.value.text


def _shown(value: Value) -> str:
    if isinstance(value, Scalar):
        return value.text
    return "(a list)" if isinstance(value, List) else "(a table)"
