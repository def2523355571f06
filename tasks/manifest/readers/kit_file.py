"""Read kit files in TOML and YAML: pads and their files, for those who think in pads.

What the file says and a row cannot hold is counted in the notes; a pad that cannot become a row is a reject of its own.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from schemas.errors import ManifestError
from schemas.music import BPM_MAX, BPM_MIN
from tasks.manifest.readers.kit_rows import (
    HALF_PAIR,
    Cells,
    KitRowCollector,
    PadError,
    count_noun,
    read_at_most,
    replace_half_pairs,
)
from tasks.manifest.readers.kit_syntax import KitEntry, KitList, KitMap, KitScalar, Value, decode_utf8, parse_toml, parse_yaml
from tasks.manifest.readers.source_table import SourceTable, near_name, table_of_kits

NO_PADS_FIX = "Name pads and their files: A1: kick.wav in YAML, A1 = 'kick.wav' in TOML."
_MAX_BYTES = 1 << 19
_NOT_A_NUMBER = "must be a number"
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


def open_toml(path: str) -> SourceTable:
    """Read a kit file in TOML.

    Raises:
        ManifestError: It is too large, not UTF-8 or not TOML, or names no pads.
    """
    return _open(path, parse_toml)


def open_yaml(path: str) -> SourceTable:
    """Read a kit file in YAML.

    Raises:
        ManifestError: It is too large, not UTF-8 or not YAML, or names no pads.
    """
    return _open(path, parse_yaml)


def _open(path: str, parse: Callable[[str, str], Value]) -> SourceTable:
    collector = KitRowCollector(path)
    _read_pads(collector, parse(path, decode_utf8(path, read_at_most(path, _MAX_BYTES))))
    return table_of_kits(collector.to_table())


def _read_pads(collector: KitRowCollector, root: Value) -> None:
    if not isinstance(root, KitMap):
        what = "is a list" if isinstance(root, KitList) else "is not a table of pads"
        raise ManifestError(path=collector.path, what=what, fix=f"{NO_PADS_FIX} Several kits go into a list `kits`.")
    listed = [entry for entry in root.entries if entry.word == "kits"]
    if not listed:
        pads = _read_kit(collector, root, replace_half_pairs(Path(collector.path).stem))
    else:
        pads = sum(_read_list(collector, entry) for entry in listed)
        for entry in root.entries:
            if entry.word != "kits":
                rule = "is beside the list of kits"
                collector.add_reject(
                    entry.position, None, PadError("kit", entry.key, rule, "Put it into one of the kits, or remove it.")
                )
    if not pads:
        raise ManifestError(path=collector.path, what="names no pads", fix=NO_PADS_FIX)


def _read_list(collector: KitRowCollector, kits: KitEntry) -> int:
    if not isinstance(kits.value, KitList):
        collector.add_reject(
            kits.position, None, PadError("kit", kits.key, "must be a list of kits", "Begin each kit with `- name: My Kit`.")
        )
        return 0
    pads = []
    for entry in kits.value.entries:
        if isinstance(entry.value, KitMap):
            pads.append(_read_kit(collector, entry.value, None))
        else:
            rule = "must be a table with a name and pads"
            collector.add_reject(
                entry.position, None, PadError("kit", _shown(entry.value), rule, "Begin each kit with `- name: My Kit`.")
            )
    if empty := pads.count(0):
        collector.notes.append(count_noun(empty, "kit has no pads", "kits have no pads"))
    return sum(pads)


def _read_kit(collector: KitRowCollector, table: KitMap, stem: str | None) -> int:
    """Read the pads of one kit, and return how many there are.

    Args:
        collector: Takes the rows.
        table: The kit.
        stem: Its name where the table gives none; None where it must: its rows have no kit then, and are rejected.
    """
    heads = _take_once(collector, table, ("name", "tempo"))
    kit = _read_name(collector, heads["name"], stem) if "name" in heads else stem
    if "tempo" in heads:
        _read_tempo(collector, heads["tempo"], kit)
    pads = 0
    for entry in table.entries:
        if entry.word == "pads" and isinstance(entry.value, KitMap):
            pads += sum(_read_pad(collector, pad, kit) for pad in entry.value.entries)
        elif entry.word == "pads":
            collector.add_reject(
                entry.position, kit, PadError("pad", _shown(entry.value), "must be a table of pads", NO_PADS_FIX)
            )
        elif entry.word not in heads:
            pads += _read_pad(collector, entry, kit)
    return pads


def _take_once(collector: KitRowCollector, table: KitMap, words: Iterable[str]) -> dict[str, KitEntry]:
    """Return the first entry of each of ``words``; reject the others."""
    first: dict[str, KitEntry] = {}
    for entry in table.entries:
        if entry.word in words and first.setdefault(entry.word, entry) is not entry:
            bad = PadError(_column_of(entry.word), entry.key, f"{entry.word} is there twice", "Remove one of them.")
            collector.add_reject(entry.position, None, bad)
    return first


def _column_of(word: str) -> str:
    return {"name": "kit", "tempo": "bpm"}.get(word) or _FIELDS[word]


def _read_name(collector: KitRowCollector, entry: KitEntry, stem: str | None) -> str | None:
    try:
        name = _text(entry, "kit").strip()
        if name != replace_half_pairs(name):
            raise PadError("kit", name, *HALF_PAIR)
    except PadError as bad:
        collector.add_reject(entry.position, None, bad)
        return None
    return name or stem


def _read_tempo(collector: KitRowCollector, entry: KitEntry, kit: str | None) -> None:
    try:
        text = re.sub(r"(?i)\s*bpm$", "", _text(entry, "bpm").strip())
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
            raise PadError("bpm", text, _NOT_A_NUMBER)
        if not BPM_MIN <= float(text) <= BPM_MAX:
            raise PadError("bpm", text, _BAD_TEMPO)
        if kit is not None and collector.add_tempo(kit, float(text)) != float(text):
            raise PadError("bpm", text, "differs from the tempo that the kit has above", "Give each kit a name of its own.")
    except PadError as bad:
        collector.add_reject(entry.position, kit, bad)


def _read_pad(collector: KitRowCollector, entry: KitEntry, kit: str | None) -> bool:
    """Read a pad, and return whether its key is one.

    Bank and pad are not looked at: ``validate`` does, and says which slot is taken.
    """
    pad = _PAD.fullmatch(entry.key.strip())
    try:
        if not pad:
            raise PadError("pad", entry.key, "is not a pad", "Pads are A1 to J16; a kit has a name and a tempo beside them.")
        collector.add_row(entry.position, {"kit": kit, "bank": pad[1], "pad": pad[2]} | _cells(entry.value))
    except PadError as bad:
        collector.add_reject(entry.position, kit, bad)
    return bool(pad)


def _cells(value: Value) -> Cells:
    if isinstance(value, KitMap):
        return _cells_of_table(value)
    if isinstance(value, KitScalar) and value.kind == "text":
        return {"file_path": value.text}
    if isinstance(value, KitScalar) and value.kind == "integer":
        return {"sample_id": _check_id(value.text)}
    fix = "Write A1: kick.wav, A1: 17 or A1: {file: kick.wav, bpm: 93}."
    raise PadError("file_path", _shown(value), "must be a path, the id of a sample, or a table", fix)


def _cells_of_table(table: KitMap) -> Cells:
    cells: Cells = {}
    for entry in table.entries:
        column = _FIELDS.get(entry.word)
        if column is None:
            near = near_name(entry.word, list(_FIELDS))
            fix = f"{f'Did you mean {near}? ' if near else ''}It can have file, id, title, genre, bpm, key, tags."
            raise PadError("pad", entry.key, "is not a field of a pad", fix)
        if column in cells:
            raise PadError(column, entry.key, f"{entry.word} is there twice", "Remove one of them.")
        value = entry.value
        parts = value.entries if column == "tags" and isinstance(value, KitList) else (entry,)
        cells[column] = "|".join(_text(part, column) for part in parts)
    if sample_id := (cells.get("sample_id") or "").strip():
        cells["sample_id"] = _check_id(sample_id)
    return cells


def _check_id(text: str) -> str:
    """Check a sample's id. A leading zero means octal in YAML 1.1 and nothing in 1.2: it could be another sample's id."""
    if not re.fullmatch(r"\+?[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise PadError("sample_id", text, _BAD_ID, "Give the whole number that `sp404 history` shows, without leading zeros.")
    return text


def _text(entry: KitEntry, column: str) -> str:
    if not isinstance(entry.value, KitScalar):
        raise PadError(column, _shown(entry.value), "must be text or a number", "Write it without brackets.")
    return "" if entry.value.kind == "nothing" else entry.value.text


def _shown(value: Value) -> str:
    if isinstance(value, KitScalar):
        return value.text
    return "(a list)" if isinstance(value, KitList) else "(a table)"
