"""Edit the text of a kit file in YAML pad by pad: comments, order and keys that are not known stay as they are."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import yaml

from schemas.errors import KitReadOnlyError, ManifestError
from schemas.music import BPM_MAX, BPM_MIN
from tasks.manifest.kits.pad_operations import PLACE_OF, EditedKit, pad_of
from tasks.manifest.readers.kit_rows import HALF_PAIR, replace_half_pairs
from tasks.manifest.readers.kit_syntax import compose_yaml, join_surrogates

# Of the line ends of YAML 1.1.
_BREAKS = "\n\r\x85\u2028\u2029"
_REST_OF_LINE = re.compile(f"[^{_BREAKS}]*")
_LINE_END = re.compile(f"\r\n|[{_BREAKS}]|$")
_COLON = re.compile(r"[ \t]*:")
_TEMPO = re.compile(r"([0-9]{1,9}(?:\.[0-9]*)?)(?:\s*bpm)?", re.IGNORECASE)
_ONE_A_LINE = "not every pad has lines of its own"


class _NotEditableError(Exception):
    """A kit file that can be read, but not edited line by line; with the reason."""


@dataclass(frozen=True)
class _Entry:
    """A key with its value: places in the text.

    Attributes:
        key: The key.
        indent: What is in front of it.
        start: The start of its first line.
        content: Behind its colon.
        end: The end of its last line, comment included.
        after: The start of the next line.
        value: The value.
    """

    key: str
    indent: str
    start: int
    content: int
    end: int
    after: int
    value: yaml.Node


@dataclass(frozen=True)
class KitText:
    """A kit file's text, and what it says.

    Attributes:
        text: As it is in the file.
        kit: What it says; empty where it cannot be edited.
        obstacle: Why it cannot be edited; "" where it can.
    """

    text: str
    kit: EditedKit
    obstacle: str
    _heads: dict[str, _Entry]
    _pads: dict[str, _Entry]
    _others: tuple[_Entry, ...]
    _section: _Entry | None

    @classmethod
    def empty(cls) -> "KitText":
        """Return the text of a new kit."""
        return cls("", EditedKit(None, None, {}), "", {}, {}, (), None)

    def write(self, wanted: EditedKit) -> str:
        """Return the text that says ``wanted``; what did not change is as it was.

        Raises:
            KitReadOnlyError: The file cannot be edited.
        """
        if self.obstacle:
            raise KitReadOnlyError(what=f"The kit file cannot be edited here: {self.obstacle}", fix="Edit it in an editor.")
        text = _apply(self.text, [*self._edit_heads(wanted), *self._edit_pads(wanted)], self._newline)
        with suppress(ManifestError):
            again = parse_kit_text("", text)
            if not again.obstacle and again.kit == wanted:
                return text
        what = "The kit file cannot be edited here: it is written too oddly"
        raise KitReadOnlyError(what=what, fix="Edit it in an editor.")

    def _edit_heads(self, wanted: EditedKit) -> Iterator[tuple[int, int, str]]:
        entries = [*self._heads.values(), *self._pads.values(), *self._others, *([self._section] if self._section else [])]
        first = min((entry.start for entry in entries), default=len(self.text))
        indent = next((entry.indent for entry in entries if entry.start == first), "")
        name = None if wanted.name is None else quote(wanted.name)
        tempo = None if wanted.tempo is None else _number(wanted.tempo)
        behind_name = self._heads["name"].after if "name" in self._heads else first
        for key, old, new, value, place in (
            ("name", self.kit.name, wanted.name, name, first),
            ("tempo", self.kit.tempo, wanted.tempo, tempo, behind_name),
        ):
            entry = self._heads.get(key)
            if new == old:
                continue
            if value is None:
                if entry:
                    yield entry.start, entry.after, ""
            elif entry:
                start, end = entry.value.start_mark.index, entry.value.end_mark.index
                yield max(start, entry.content), max(end, entry.content), value if start > entry.content else f" {value}"
            else:
                yield place, place, f"{indent}{key}: {value}{self._newline}"

    def _edit_pads(self, wanted: EditedKit) -> Iterator[tuple[int, int, str]]:
        section = self._section
        if section and not wanted.pads:
            yield section.start, max(entry.after for entry in self._pads.values()), ""
            return
        for pad, entry in self._pads.items():
            if pad not in wanted.pads:
                yield entry.start, entry.after, ""
            elif wanted.pads[pad] != self.kit.pads[pad]:
                yield entry.content, entry.end, wanted.pads[pad]
        around = self._pads or self._heads or {entry.key: entry for entry in self._others}
        indent = next((entry.indent for entry in around.values()), "")
        for pad in sorted(wanted.pads.keys() - self._pads.keys(), key=PLACE_OF.__getitem__):
            place = self._place_of_new(pad)
            yield place, place, f"{indent}{pad}:{wanted.pads[pad]}{self._newline}"

    def _place_of_new(self, pad: str) -> int:
        """Return where a pad's line is put: behind the pad before it, else before all pads, else behind what there is."""
        if self._pads:
            before = [other for other in self._pads if PLACE_OF[other] < PLACE_OF[pad]]
            if before:
                return self._pads[max(before, key=PLACE_OF.__getitem__)].after
            return self._pads[min(self._pads, key=PLACE_OF.__getitem__)].start
        entries = [*self._heads.values(), *self._others]
        return max((entry.after for entry in entries), default=len(self.text))

    @property
    def _newline(self) -> str:
        found = _LINE_END.search(self.text)
        return found[0] if found and found[0] else "\n"


def quote(text: str) -> str:
    """Return text as YAML that is read as this text, whatever is in it."""
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def parse_kit_text(path: str, text: str) -> KitText:
    """Parse a kit file's text.

    Args:
        path: The file, for errors.
        text: Its content.

    Raises:
        ManifestError: It is not YAML.
    """
    try:
        return _parse_text(text)
    except ManifestError as error:
        raise ManifestError(**error.facts | {"path": path}) from error


@lru_cache(32)
def _parse_text(text: str) -> KitText:
    """Parse a text; a change reads the same one several times, and PyYAML takes 30 ms for a full kit."""
    root = compose_yaml("", text)
    try:
        return _parse(text, root)
    except _NotEditableError as reason:
        return replace(KitText.empty(), text=text, obstacle=str(reason))


def _parse(text: str, root: yaml.Node | None) -> KitText:
    if root is None:
        if re.sub(rf"#[^{_BREAKS}]*", "", text).strip():
            raise _NotEditableError("it has no pads, and is not empty")
        return replace(KitText.empty(), text=text)
    if not isinstance(root, yaml.MappingNode):
        raise _NotEditableError("it is not a table of pads")
    found = _FoundEntries()
    for entry in _read_entries(text, root):
        found.add(text, entry)
    if found.above and found.inside:
        raise _NotEditableError("some pads are in `pads`, and some are not")
    pads = found.inside or found.above
    contents = {pad: text[entry.content : entry.end] for pad, entry in pads.items()}
    kit = EditedKit(_name(found.heads), _tempo(found.heads), contents)
    return KitText(text, kit, "", found.heads, pads, tuple(found.others), found.section)


class _FoundEntries:
    """The entries of a kit file by what they are: name and tempo, pads, those in `pads`, others."""

    def __init__(self) -> None:
        self.heads: dict[str, _Entry] = {}
        self.above: dict[str, _Entry] = {}
        self.inside: dict[str, _Entry] = {}
        self.others: list[_Entry] = []
        self.section: _Entry | None = None

    def add(self, text: str, entry: _Entry) -> None:
        word = entry.key.strip().lower()
        if word == "kits":
            raise _NotEditableError("it has several kits")
        if word in ("name", "tempo"):
            _add(self.heads, word, entry)
        elif word == "pads" and isinstance(entry.value, yaml.MappingNode) and entry.value.value:
            if self.section:
                raise _NotEditableError("`pads` is there twice")
            self.section = entry
            for pad in _read_entries(text, entry.value):
                name = pad_of(pad.key)
                if not name:
                    raise _NotEditableError(f"{pad.key[:20]!r} is not a pad")
                _add(self.inside, name, pad)
        elif pad_name := pad_of(entry.key):
            _add(self.above, pad_name, entry)
        else:
            self.others.append(entry)


def _add(entries: dict[str, _Entry], key: str, entry: _Entry) -> None:
    if key in entries:
        raise _NotEditableError(f"{key} is there twice")
    entries[key] = entry


def _read_entries(text: str, node: yaml.MappingNode) -> Iterator[_Entry]:
    if node.flow_style:
        raise _NotEditableError(_ONE_A_LINE)
    for key, value in node.value:
        begin, colon = key.start_mark.index, _COLON.match(text, key.end_mark.index)
        start = begin - key.start_mark.column
        if not isinstance(key, yaml.ScalarNode) or not colon or text[start:begin].strip(" "):
            raise _NotEditableError(_ONE_A_LINE)
        last = max(_end_of(value), colon.end())
        rest = _rest_of_line(text, last)
        comment = text[last:rest].strip()
        if comment and not comment.startswith("#"):
            raise _NotEditableError(_ONE_A_LINE)
        after = _LINE_END.match(text, rest)
        name = join_surrogates(key.value)
        yield _Entry(name, text[start:begin], start, colon.end(), rest, after.end() if after else rest, value)


def _rest_of_line(text: str, place: int) -> int:
    found = _REST_OF_LINE.match(text, place)
    return found.end() if found else place


def _end_of(node: yaml.Node) -> int:
    """Return where a value ends; the parser counts the comments and empty lines behind a block to it."""
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        raise _NotEditableError("a text has lines of its own (`|` or `>`)")
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return max(map(_end_of, last)) if isinstance(last, tuple) else _end_of(last)
    return int(node.end_mark.index)


def _name(heads: dict[str, _Entry]) -> str | None:
    entry = heads.get("name")
    if not entry:
        return None
    if not isinstance(entry.value, yaml.ScalarNode):
        raise _NotEditableError("its name is not a text")
    is_nothing = entry.value.tag == "tag:yaml.org,2002:null"
    name = "" if is_nothing else join_surrogates(entry.value.value).strip()
    if name != replace_half_pairs(name):
        raise _NotEditableError(f"its name {HALF_PAIR[0]}")
    return name or None


def _tempo(heads: dict[str, _Entry]) -> float | None:
    entry = heads.get("tempo")
    found = _TEMPO.fullmatch(entry.value.value.strip()) if entry and isinstance(entry.value, yaml.ScalarNode) else None
    return float(found[1]) if found and BPM_MIN <= float(found[1]) <= BPM_MAX else None


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _apply(text: str, edits: list[tuple[int, int, str]], newline: str) -> str:
    """Return ``text`` with each part (start, end) replaced; what is put in at one place stays in its order."""
    parts: list[str] = []
    place = 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        parts.append(text[place:start])
        whole_line = start == end and new[-1:] in _BREAKS
        if whole_line and (ending := next((part for part in reversed(parts) if part), "")) and ending[-1] not in _BREAKS:
            parts.append(newline)
        parts.append(new)
        place = end
    return "".join([*parts, text[place:]])
