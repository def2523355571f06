"""TOML and YAML as values that know their lines, with duplicate keys still there.

Parsers answer with values alone: lines come from YAML's marks, and for TOML from a scan of its statements.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import yaml

from schemas.errors import ManifestError


class Scalar(NamedTuple):
    """``text`` as it stands in the file, as far as its parser lets it be known."""

    kind: Literal["text", "integer", "nothing", "other"]
    text: str


class Map(NamedTuple):
    """A table with its duplicate keys still there."""

    entries: "tuple[Entry, ...]"


class List(NamedTuple):
    """Its entries have no keys."""

    entries: "tuple[Entry, ...]"


class Entry(NamedTuple):
    key: str
    line: int
    value: "Scalar | Map | List"

    @property
    def word(self) -> str:
        return self.key.strip().lower()


Value = Scalar | Map | List


def decode_utf8(path: str, data: bytes) -> str:
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


def parse_yaml(path: str, text: str) -> Value:
    try:
        root = yaml.compose(text, _YamlLoader)
        return _from_yaml(root) if root else Scalar("nothing", "")
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or _fault(error)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        fix = "Correct that line: a pad is written as A1: kick.wav, and odd names in quotes."
        raise ManifestError(path=path, what=f"is not valid YAML: {problem}{where}", fix=fix) from error


def _fault(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())


def _from_yaml(node: yaml.Node) -> Value:
    if isinstance(node, yaml.MappingNode):
        return Map(tuple(Entry(_yaml_key(key), key.start_mark.line + 1, _from_yaml(value)) for key, value in node.value))
    if isinstance(node, yaml.SequenceNode):
        return List(tuple(Entry("", item.start_mark.line + 1, _from_yaml(item)) for item in node.value))
    kinds: dict[str, Literal["text", "integer", "nothing"]] = {"str": "text", "int": "integer", "null": "nothing"}
    return Scalar(kinds.get(node.tag.removeprefix("tag:yaml.org,2002:"), "other"), _joined(node.value))


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


def parse_toml(path: str, text: str) -> Value:
    text = text.replace("\r\n", "\n")
    try:
        _check_dots(text)
        root = tomllib.loads(text)
        return _from_toml(root, (), _toml_lines(text), 1)
    except (ValueError, RecursionError) as error:
        fix = "Correct that line: a pad is written once, as A1 = 'kick.wav'."
        raise ManifestError(path=path, what=f"is not valid TOML: {_fault(error)}", fix=fix) from error


def _from_toml(value: Any, place: tuple[str | int, ...], lines: _Lines, line: int) -> Value:
    """``line`` is that of the table around it: inside of an inline table there is no other."""

    def entry(key: str | int, inner: Any) -> Entry:
        at = lines.get((*place, key), line)
        return Entry(str(key), at, _from_toml(inner, (*place, key), lines, at))

    if isinstance(value, dict):
        return Map(tuple(entry(key, inner) for key, inner in value.items()))
    if isinstance(value, list):
        return List(tuple(entry(at, inner) for at, inner in enumerate(value)))
    if isinstance(value, str):
        return Scalar("text", value)
    return Scalar("integer" if type(value) is int else "other", str(value).lower())


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
