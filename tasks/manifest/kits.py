"""A kit file becomes a manifest's rows: pads in TOML or YAML for those who think in pads, and Hydrogen's drumkit.xml.

What the file says and a row cannot hold is counted in ``notes``; a pad that is no row is a reject of its own. Parsers
answer with values alone, so lines come from YAML's marks, from expat, and for TOML from a scan of its statements.
"""

import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn
from xml.parsers import expat

import polars as pl
import yaml

from schemas.errors import ManifestError
from schemas.manifest import BANKS, BPM_MAX, BPM_MIN, COLUMNS, PADS_PER_BANK, REJECT_SCHEMA, ROW_RULES, TEXT_SCHEMA, whole

if TYPE_CHECKING:
    from tasks.manifest.read import RawManifest

HYDROGEN = "drumkit.xml"
NO_PADS_FIX = "Name pads and their files: A1: kick.wav in YAML, A1 = 'kick.wav' in TOML."
# Thousands of pads; a real kit file is a hundredth of it.
_MAX_BYTES = {".toml": 1 << 19, ".yaml": 1 << 19, ".yml": 1 << 19, ".xml": 1 << 22}
_PADS_PER_KIT = PADS_PER_BANK * len(BANKS)
_SHOWN_CHARS = 80
_FIXES = {rule.text: rule.fix for rule in ROW_RULES}
_NO_NUMBER = "must be a number"
_BAD_TEMPO = f"must be {BPM_MIN} to {BPM_MAX}"
_BAD_ID = "must be an integer greater than 0 (and less than 2^63)"
_HALF_PAIR = ("holds half a surrogate pair", "Write the character itself, instead of its code.")
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

Cells = dict[str, str | None]


@dataclass(frozen=True)
class Kits:
    """What ``RawManifest`` holds of a kit file: ``frame`` has ``TEXT_SCHEMA``, ``rejects`` have ``REJECT_SCHEMA``."""

    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    notes: tuple[str, ...] = ()
    tempos: dict[str, float] = field(default_factory=dict)


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
    found = _Found(path)
    if extension == ".xml":
        _read_hydrogen(found, _parsed_xml(path, data))
    else:
        parsed = _parsed_toml if extension == ".toml" else _parsed_yaml
        _read_pads(found, parsed(path, _decoded(path, data)))
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
        fix=pl.lit("Look up its id with `sp404 history`, or name the file instead."),
    )
    rest = filled.filter(~frame.select(lost).to_series()).select(TEXT_SCHEMA.keys())
    return replace(raw, frame=rest, rejects=pl.concat([raw.rejects, rejects]))


# ---- rows and rejects on their way ----


class _PadError(Exception):
    """A pad that is no row: what its reject says."""

    def __init__(self, column: str, value: str, rule: str, fix: str = "") -> None:
        super().__init__(rule)
        self.column, self.value, self.rule, self.fix = column, value, rule, fix or _FIXES[rule]


class _Found:
    """Collects rows, rejects and notes of one file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[tuple[int, Cells, _PadError | None]] = []
        self.notes: list[str] = []
        self.tempos: dict[str, float] = {}

    def row(self, line: int, cells: Cells) -> None:
        for column, cell in cells.items():
            if cell != _encodable(cell):
                self.reject(line, cells["kit"], _PadError(column, cell or "", *_HALF_PAIR))
                return
        self.rows.append((line, cells, None))

    def reject(self, line: int, kit: str | None, bad: _PadError) -> None:
        self.rows.append((line, {"kit": kit}, bad))

    def kits(self) -> Kits:
        """A line stands for a row ever after, so that rows which share one are numbered instead, as Parquet's are."""
        rows = sorted(self.rows, key=lambda row: row[0])
        if len({line for line, _, _ in rows}) < len(rows):
            rows = [(number, cells, bad) for number, (_, cells, bad) in enumerate(rows, 1)]
            self.notes.append("several pads stand on one line of the file: its pads are numbered, instead of its lines")
        good = [(line, *map(cells.get, COLUMNS)) for line, cells, bad in rows if not bad]
        rejects = [
            (line, None, cells["kit"], bad.column, _encodable(bad.value[:_SHOWN_CHARS]), bad.rule, bad.fix)
            for line, cells, bad in rows
            if bad
        ]
        frame = pl.DataFrame(good, schema=TEXT_SCHEMA, orient="row")
        broken = pl.DataFrame(rejects, schema=REJECT_SCHEMA, orient="row")
        return Kits(len(rows), frame, broken, tuple(self.notes), self.tempos)


def _encodable(text: str | None) -> str | None:
    return text and text.encode(errors="replace").decode()


# ---- pads in TOML and YAML ----


class _Scalar(NamedTuple):
    """``text`` as it stands in the file, as far as its parser lets it be known."""

    kind: Literal["text", "integer", "nothing", "other"]
    text: str


class _Map(NamedTuple):
    """A table with its duplicate keys still there."""

    entries: "tuple[_Entry, ...]"


class _List(NamedTuple):
    """Its entries have no keys."""

    entries: "tuple[_Entry, ...]"


class _Entry(NamedTuple):
    key: str
    line: int
    value: "_Scalar | _Map | _List"

    @property
    def word(self) -> str:
        return self.key.strip().lower()


_Value = _Scalar | _Map | _List


def _read_pads(found: _Found, root: _Value) -> None:
    if not isinstance(root, _Map):
        what = "is a list" if isinstance(root, _List) else "is no table of pads"
        raise ManifestError(path=found.path, what=what, fix=f"{NO_PADS_FIX} Several kits go into a list `kits`.")
    listed = [entry for entry in root.entries if entry.word == "kits"]
    if not listed:
        pads = _read_kit(found, root, _encodable(Path(found.path).stem))
    else:
        pads = sum(_read_list(found, entry) for entry in listed)
        for entry in root.entries:
            if entry.word != "kits":
                fault = "stands beside the list of kits"
                found.reject(entry.line, None, _PadError("kit", entry.key, fault, "Put it into one of the kits, or remove it."))
    if not pads:
        raise ManifestError(path=found.path, what="names no pads", fix=NO_PADS_FIX)


def _read_list(found: _Found, kits: _Entry) -> int:
    if not isinstance(kits.value, _List):
        found.reject(
            kits.line, None, _PadError("kit", kits.key, "must be a list of kits", "Begin each kit with `- name: My Kit`.")
        )
        return 0
    pads = []
    for entry in kits.value.entries:
        if isinstance(entry.value, _Map):
            pads.append(_read_kit(found, entry.value, None))
        else:
            fault = "must be a table with a name and pads"
            found.reject(
                entry.line, None, _PadError("kit", _shown(entry.value), fault, "Begin each kit with `- name: My Kit`.")
            )
    if empty := pads.count(0):
        found.notes.append(_count(empty, "kit has no pads", "kits have no pads"))
    return sum(pads)


def _read_kit(found: _Found, table: _Map, stem: str | None) -> int:
    """The number of its pads. A kit that has to have a name and has none leaves its rows without: they are rejected."""
    heads = _once(found, table, ("name", "tempo"))
    kit = _name_of(found, heads["name"], stem) if "name" in heads else stem
    if "tempo" in heads:
        _read_tempo(found, heads["tempo"], kit)
    count = 0
    for entry in table.entries:
        if entry.word == "pads" and isinstance(entry.value, _Map):
            count += sum(_read_pad(found, pad, kit) for pad in entry.value.entries)
        elif entry.word == "pads":
            found.reject(entry.line, kit, _PadError("pad", _shown(entry.value), "must be a table of pads", NO_PADS_FIX))
        elif entry.word not in heads:
            count += _read_pad(found, entry, kit)
    return count


def _once(found: _Found, table: _Map, words: Iterable[str]) -> dict[str, _Entry]:
    first: dict[str, _Entry] = {}
    for entry in table.entries:
        if entry.word in words and first.setdefault(entry.word, entry) is not entry:
            bad = _PadError(_column_of(entry.word), entry.key, f"{entry.word} is there twice", "Remove one of them.")
            found.reject(entry.line, None, bad)
    return first


def _column_of(word: str) -> str:
    return {"name": "kit", "tempo": "bpm"}.get(word) or _FIELDS[word]


def _name_of(found: _Found, entry: _Entry, stem: str | None) -> str | None:
    try:
        name = _text(entry, "kit").strip()
        if name != _encodable(name):
            raise _PadError("kit", name, *_HALF_PAIR)
    except _PadError as bad:
        found.reject(entry.line, None, bad)
        return None
    return name or stem


def _read_tempo(found: _Found, entry: _Entry, kit: str | None) -> None:
    try:
        text = _text(entry, "bpm").strip()
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
            raise _PadError("bpm", text, _NO_NUMBER)
        if not BPM_MIN <= float(text) <= BPM_MAX:
            raise _PadError("bpm", text, _BAD_TEMPO)
        if kit is not None and found.tempos.setdefault(kit, float(text)) != float(text):
            raise _PadError("bpm", text, "differs from the tempo that the kit has above", "Give each kit a name of its own.")
    except _PadError as bad:
        found.reject(entry.line, kit, bad)


def _read_pad(found: _Found, entry: _Entry, kit: str | None) -> bool:
    """Whether the key is a pad's. Bank and pad are not looked at: ``validate`` does, and says which slot is taken."""
    pad = _PAD.fullmatch(entry.key.strip())
    try:
        if not pad:
            raise _PadError("pad", entry.key, "is no pad", "Pads are A1 to J16; a kit has a name and a tempo beside them.")
        found.row(entry.line, {"kit": kit, "bank": pad[1], "pad": pad[2]} | _cells(entry.value))
    except _PadError as bad:
        found.reject(entry.line, kit, bad)
    return bool(pad)


def _cells(value: _Value) -> Cells:
    if isinstance(value, _Map):
        return _cells_of_table(value)
    if isinstance(value, _Scalar) and value.kind == "text":
        return {"file_path": value.text}
    if isinstance(value, _Scalar) and value.kind == "integer":
        return {"sample_id": _id(value.text)}
    fix = "Write A1: kick.wav, A1: 17 or A1: {file: kick.wav, bpm: 93}."
    raise _PadError("file_path", _shown(value), "must be a path, the id of a sample, or a table", fix)


def _cells_of_table(table: _Map) -> Cells:
    cells: Cells = {}
    for entry in table.entries:
        column = _FIELDS.get(entry.word)
        if column is None:
            raise _PadError(
                "pad", entry.key, "is nothing that a pad can have", "It can have file, id, title, genre, bpm, key, tags."
            )
        if column in cells:
            raise _PadError(column, entry.key, f"{entry.word} is there twice", "Remove one of them.")
        value = entry.value
        parts = value.entries if column == "tags" and isinstance(value, _List) else (entry,)
        cells[column] = "|".join(_text(part, column) for part in parts)
    if sample_id := (cells.get("sample_id") or "").strip():
        cells["sample_id"] = _id(sample_id)
    return cells


def _id(text: str) -> str:
    """A leading zero means octal in YAML 1.1 and nothing in 1.2: such an id could be that of another sample."""
    if not re.fullmatch(r"\+?[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise _PadError("sample_id", text, _BAD_ID, "Give the whole number that `sp404 history` shows, without leading zeros.")
    return text


def _text(entry: _Entry, column: str) -> str:
    if not isinstance(entry.value, _Scalar):
        raise _PadError(column, _shown(entry.value), "must be text or a number", "Write it without brackets.")
    return "" if entry.value.kind == "nothing" else entry.value.text


def _shown(value: _Value) -> str:
    if isinstance(value, _Scalar):
        return value.text
    return "(a list)" if isinstance(value, _List) else "(a table)"


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        what = f"is not UTF-8: byte 0x{error.object[error.start]:02X} on line {line}"
        raise ManifestError(path=path, what=what, fix="Save it as UTF-8 text.") from error


class _YamlLoader(yaml.SafeLoader):
    """Aliases are refused: nested, a few lines of them stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*) are not read here", problem_mark=mark)
        return super().compose_node(parent, index)


def _parsed_yaml(path: str, text: str) -> _Value:
    try:
        root = yaml.compose(text, _YamlLoader)
        return _from_yaml(root) if root else _Scalar("nothing", "")
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or _fault(error)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        fix = "Correct that line: a pad is written as A1: kick.wav, and odd names in quotes."
        raise ManifestError(path=path, what=f"is not valid YAML: {problem}{where}", fix=fix) from error


def _fault(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())


def _from_yaml(node: yaml.Node) -> _Value:
    if isinstance(node, yaml.MappingNode):
        return _Map(tuple(_Entry(_yaml_key(key), key.start_mark.line + 1, _from_yaml(value)) for key, value in node.value))
    if isinstance(node, yaml.SequenceNode):
        return _List(tuple(_Entry("", item.start_mark.line + 1, _from_yaml(item)) for item in node.value))
    kinds: dict[str, Literal["text", "integer", "nothing"]] = {"str": "text", "int": "integer", "null": "nothing"}
    return _Scalar(kinds.get(node.tag.removeprefix("tag:yaml.org,2002:"), "other"), _joined(node.value))


def _joined(text: str) -> str:
    """JSON is YAML but for this: it writes one character as a pair of surrogates."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text


def _yaml_key(node: yaml.Node) -> str:
    return _joined(node.value) if isinstance(node, yaml.ScalarNode) else "(a list or a table)"


_TOML_TOKEN = re.compile(
    r"""
    (?P<string>"{3}(?:\\.|[^\\])*?"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<comment>\#[^\n]*) | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<equals>=) | (?P<end>\n)
    | (?P<other>[^"'\#\[\]{}=\n]+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_MAX_DOTS = 16
_Lines = dict[tuple[str | int, ...], int]


def _parsed_toml(path: str, text: str) -> _Value:
    text = text.replace("\r\n", "\n")
    try:
        _check_dots(text)
        root = tomllib.loads(text)
        return _from_toml(root, (), _toml_lines(text), 1)
    except (ValueError, RecursionError) as error:
        fix = "Correct that line: a pad is written once, as A1 = 'kick.wav'."
        raise ManifestError(path=path, what=f"is not valid TOML: {_fault(error)}", fix=fix) from error


def _from_toml(value: Any, place: tuple[str | int, ...], lines: _Lines, line: int) -> _Value:
    """``line`` is that of the table around it: inside of an inline table there is no other."""

    def entry(key: str | int, inner: Any) -> _Entry:
        at = lines.get((*place, key), line)
        return _Entry(str(key), at, _from_toml(inner, (*place, key), lines, at))

    if isinstance(value, dict):
        return _Map(tuple(entry(key, inner) for key, inner in value.items()))
    if isinstance(value, list):
        return _List(tuple(entry(at, inner) for at, inner in enumerate(value)))
    if isinstance(value, str):
        return _Scalar("text", value)
    return _Scalar("integer" if type(value) is int else "other", str(value).lower())


def _check_dots(text: str) -> None:
    """``tomllib`` takes the square of a dotted key's length, in gigabytes of memory."""
    dots = 0
    for token in _TOML_TOKEN.finditer(text):
        if token["other"]:
            _, comma, rest = token[0].rpartition(",")
            dots = rest.count(".") + (0 if comma else dots)
        elif not token["string"]:
            dots = 0
        if dots > _MAX_DOTS:
            raise ValueError(f"it is nested too deeply (at line {1 + text.count(chr(10), 0, token.start())})")


def _toml_lines(text: str) -> _Lines:
    """The line of every key that is written outside of an inline table. ``text`` is known to be TOML."""
    lines: _Lines = {}
    sizes: Counter[tuple[str | int, ...]] = Counter()
    table: tuple[str | int, ...] = ()
    for line, statement in _toml_statements(text):
        keys, is_array = _toml_keys(statement)
        place = () if statement.startswith("[") else table
        for at, key in enumerate(keys, 1):
            place = (*place, key)
            lines.setdefault(place, line)
            if is_array and at == len(keys):
                sizes[place] += 1
            if sizes[place]:
                place = (*place, sizes[place] - 1)
                lines.setdefault(place, line)
        if statement.startswith("["):
            table = place
    return lines


def _toml_keys(statement: str) -> tuple[list[str], bool]:
    """The parts of a statement's dotted key, and whether it is the header of an array's next table."""
    rest: Any = tomllib.loads(statement)
    keys: list[str] = []
    while isinstance(rest, dict) and rest:
        [(key, rest)] = rest.items()
        keys.append(key)
    return keys, isinstance(rest, list)


def _toml_statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header, and each ``key=0`` with its value left out, with the line on which it begins."""
    line, begin, depth, key_end = 1, (0, 0), 0, 0
    for token in _TOML_TOKEN.finditer(text + "\n"):
        if token["end"] and not depth:
            statement = text[begin[1] : key_end or token.start()]
            if begin[0]:
                yield begin[0], f"{statement}=0" if key_end else statement
            begin, key_end = (0, 0), 0
        elif not begin[0] and not token["comment"] and token[0].strip():
            begin = (line, token.end() - len(token[0].lstrip()))
        depth += bool(token["open"]) - bool(token["close"])
        if token["equals"] and not depth and not key_end:
            key_end = token.start()
        line += token[0].count("\n")


# ---- Hydrogen's drumkit.xml ----

# What is Hydrogen's to do with a sample, by what musicians call it, with the values that leave the sample as it is.
_NEUTRAL = {
    "volume": {"volume": "1", "gain": "1"},
    "pan": {"pan": "0", "pan_L": "1", "pan_R": "1"},
    "pitch": {"pitchOffset": "0", "randomPitchFactor": "0", "pitch": "0"},
    "filter": {"filterActive": "false"},
    "envelope": {"Attack": "0", "Decay": "0", "Sustain": "1", "Release": "1000"},
    "mute group": {"muteGroup": "-1", "exclude": "", "isStopNote": "false", "isHihat": "-1"},
    "effects": {f"FX{number}Level": "0" for number in range(1, 5)},
}


class _Element:
    __slots__ = ("children", "line", "tag", "text")

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line, self.text = tag, line, ""
        self.children: list[_Element] = []

    def all(self, tag: str) -> "list[_Element]":
        return [child for child in self.children if child.tag == tag]

    def of(self, tag: str) -> str:
        return next((child.text.strip() for child in self.all(tag)), "")

    def share(self, tag: str, default: float) -> float:
        number = _number(self.of(tag))
        return default if number is None else min(max(number, 0.0), 1.0)


@dataclass(frozen=True)
class _Layer:
    """``low`` and ``high``: the velocities at which it sounds, 0 to 1."""

    line: int
    file_path: str
    title: str
    low: float
    high: float


def _parsed_xml(path: str, data: bytes) -> _Element:
    """The root element; name spaces are taken away, as some versions of Hydrogen write one and others none.

    A document type is refused, and with it every entity that could stand for a gigabyte or for another file.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = _Element("", 0)
    stack = [top]

    def start(name: str, _attributes: dict[str, str]) -> None:
        element = _Element(name.rpartition(" ")[2], parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    def doctype(*_declared: object) -> NoReturn:
        fix = "Take the <!DOCTYPE> out: Hydrogen writes none."
        raise ManifestError(path=path, what=f"declares a document type (line {parser.CurrentLineNumber})", fix=fix)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ManifestError(path=path, what=f"is not valid XML: {error}", fix="Save the kit again in Hydrogen.") from error
    root = top.children[0]
    if root.tag != "drumkit_info":
        what = f"is no drumkit of Hydrogen: its root is {root.tag[:_SHOWN_CHARS]!r}"
        raise ManifestError(path=path, what=what, fix=f"Give a {HYDROGEN}, or a manifest as CSV.")
    return root


def _read_hydrogen(found: _Found, root: _Element) -> None:
    folder = os.path.basename(os.path.dirname(os.path.realpath(found.path)))
    name = root.of("name") or _encodable(folder) or HYDROGEN
    instruments = [one for group in root.all("instrumentList") for one in group.all("instrument")]
    heard = [(one, layers) for one in instruments if (layers := _layers(one))]
    if not heard:
        raise ManifestError(path=found.path, what="names no samples", fix="Give its instruments samples in Hydrogen.")
    main: list[_Layer] = []
    softer: list[_Layer] = []
    for _, layers in heard:
        loudest = max(layers, key=lambda layer: layer.high)
        main.append(loudest)
        softer += [layer for layer in layers if layer is not loudest]
    second = -(-len(main) // PADS_PER_BANK) * PADS_PER_BANK
    for place, layer in (*enumerate(main), *enumerate(softer, second)):
        number, slot = divmod(place, _PADS_PER_KIT)
        bank, pad = divmod(slot, PADS_PER_BANK)
        kit = f"{name} {number + 1}" if number else name
        cells: Cells = {
            "kit": kit,
            "bank": BANKS[bank],
            "pad": str(pad + 1),
            "title": layer.title,
            "file_path": layer.file_path,
        }
        found.row(layer.line, cells)
    last = (second + len(softer) if softer else len(main)) - 1
    if softer:
        many = _count(len(softer), "softer layer has a pad", "softer layers have pads")
        found.notes.append(f"{many} of their own: the device does not choose among samples by velocity")
    if last >= _PADS_PER_KIT:
        found.notes.append(f"a kit has {_PADS_PER_KIT} pads: the rest is in kits up to '{name} {last // _PADS_PER_KIT + 1}'")
    found.notes += _not_carried(root, [one for one, _ in heard], len(instruments) - len(heard))


def _layers_in(instrument: _Element) -> list[_Element]:
    """Below the instrument, below its components, or (before there were layers) the instrument itself."""
    holders = [instrument, *instrument.all("instrumentComponent")]
    layers = [layer for holder in holders for layer in holder.all("layer")]
    return layers or ([instrument] if instrument.of("filename") else [])


def _layers(instrument: _Element) -> list[_Layer]:
    elements = [layer for layer in _layers_in(instrument) if layer.of("filename")]
    layers: list[_Layer] = []
    titles: Counter[str] = Counter()
    for element in elements:
        low, high, file_path = element.share("min", 0.0), element.share("max", 1.0), element.of("filename")
        title = instrument.of("name") or PureWindowsPath(file_path).stem
        if len(elements) > 1:
            title += f" v{low * 100:.0f}-{high * 100:.0f}"
        titles[title] += 1
        title += f" {titles[title]}" if titles[title] > 1 else ""
        line = element.all("filename")[0].line
        layers.append(_Layer(line, file_path, title, low, high))
    return layers


def _not_carried(root: _Element, heard: list[_Element], silent: int) -> Iterator[str]:
    """What the kit says beyond its samples, a line for each kind of thing."""
    if silent:
        yield _count(silent, "instrument names no sample and has no pad", "instruments name no sample and have no pad")
    nameless = sum(not layer.of("filename") for instrument in heard for layer in _layers_in(instrument))
    if nameless:
        yield _count(nameless, "layer names no sample and has no pad", "layers name no sample and have no pad")
    own = [aspects for instrument in heard if (aspects := _own_sound(instrument))]
    if own:
        said = [aspect for aspect in _NEUTRAL if any(aspect in aspects for aspects in own)]
        listed = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
        verb = "are" if len(said) > 1 else "is"
        yield f"{_count(len(own), 'instrument', 'instruments')}: {listed} {verb} Hydrogen's own and {verb} not carried over"
    muted = sum(instrument.of("isMuted") == "true" for instrument in heard)
    if muted:
        yield f"{_count(muted, 'instrument is', 'instruments are')} muted in Hydrogen and exported all the same"
    parts = [part for group in root.all("componentList") for part in group.all("drumkitComponent")]
    louder = sum(_differs(part.of("volume"), "1") for part in parts)
    if louder:
        yield f"{_count(louder, 'component has a volume that is', 'components have volumes that are')} not carried over"


def _own_sound(instrument: _Element) -> set[str]:
    places = [instrument, *instrument.all("instrumentComponent"), *_layers_in(instrument)]
    return {
        aspect
        for aspect, tags in _NEUTRAL.items()
        if any(_differs(place.of(tag), neutral) for place in places for tag, neutral in tags.items())
    }


def _differs(text: str, neutral: str) -> bool:
    number = _number(text)
    return bool(text) and (text != neutral if number is None else number != _number(neutral))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
