"""Parse TOML and YAML to values that know where they stand.

YAML's marks give lines, and its duplicate keys are kept. ``tomllib`` gives neither lines nor duplicate keys (it refuses
them): entries of TOML are numbered, and known by their dotted keys.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import yaml

from schemas.errors import ManifestError
from tasks.manifest.readers.kit_rows import Position


class KitScalar(NamedTuple):
    """A single value: its ``text`` as it stands in the file, as far as the parser lets it be known."""

    kind: Literal["text", "integer", "nothing", "other"]
    text: str


class KitMap(NamedTuple):
    """A table of entries, with duplicate keys if the language lets them be."""

    entries: "tuple[KitEntry, ...]"


class KitList(NamedTuple):
    """A list of entries, which have no keys."""

    entries: "tuple[KitEntry, ...]"


class KitEntry(NamedTuple):
    """A key with its value, and where it stands."""

    key: str
    position: Position
    value: "KitScalar | KitMap | KitList"

    @property
    def word(self) -> str:
        """The key without regard to case and the spaces around it."""
        return self.key.strip().lower()


Value = KitScalar | KitMap | KitList


def decode_utf8(path: str, data: bytes) -> str:
    """Decode a kit file, with or without a BOM.

    Raises:
        ManifestError: It is not UTF-8; with the first such byte and its line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        what = f"is not UTF-8: byte 0x{error.object[error.start]:02X} on line {line}"
        raise ManifestError(path=path, what=what, fix="Save it as UTF-8 text.") from error


class _YamlLoader(yaml.SafeLoader):
    """Refuse aliases: nested, a few lines of them stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*) are not read here", problem_mark=mark)
        return super().compose_node(parent, index)


def parse_yaml(path: str, text: str) -> Value:
    """Parse YAML.

    Raises:
        ManifestError: It is not YAML, has aliases, or is nested too deeply; with the line where it is known.
    """
    try:
        root = compose_yaml(path, text)
        return _from_yaml(root) if root else KitScalar("nothing", "")
    except RecursionError as error:
        raise _not_yaml(path, error) from error


def compose_yaml(path: str, text: str) -> yaml.Node | None:
    """Parse YAML to nodes with their places; None where there is nothing.

    Raises:
        ManifestError: As ``parse_yaml``.
    """
    try:
        return yaml.compose(text, _YamlLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _not_yaml(path, error) from error


def _not_yaml(path: str, error: Exception) -> ManifestError:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or _describe(error)
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    if problem == "could not find expected ':'":  # it is missed where the next line begins
        marks.reverse()
    mark = next(filter(None, marks), None)
    where = f" (line {mark.line + 1})" if mark else ""
    fix = "Correct that line: a pad is written as A1: kick.wav, and odd names in quotes."
    return ManifestError(path=path, what=f"is not valid YAML: {problem}{where}", fix=fix)


def _describe(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())


def _from_yaml(node: yaml.Node) -> Value:
    if isinstance(node, yaml.MappingNode):
        return KitMap(tuple(KitEntry(_yaml_key(key), _position(key), _from_yaml(value)) for key, value in node.value))
    if isinstance(node, yaml.SequenceNode):
        return KitList(tuple(KitEntry("", _position(item), _from_yaml(item)) for item in node.value))
    kinds: dict[str, Literal["text", "integer", "nothing"]] = {"str": "text", "int": "integer", "null": "nothing"}
    return KitScalar(kinds.get(node.tag.removeprefix("tag:yaml.org,2002:"), "other"), join_surrogates(node.value))


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1)


def join_surrogates(text: str) -> str:
    """Join pairs of surrogates. JSON is YAML but for this: it writes one character as such a pair."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text


def _yaml_key(node: yaml.Node) -> str:
    return join_surrogates(node.value) if isinstance(node, yaml.ScalarNode) else "(a list or a table)"


# ``tomllib`` takes the square of a dotted key's parts in memory: gigabytes for the largest file that is read here. The
# pattern does not know strings, so that it also refuses a text of so many words with dots between them. Its own lengths are
# limited, for it to need no more than a time in proportion to the file's.
_MAX_KEY_PARTS = 32
_KEY_PART = r"""(?:(?<![\w-])[\w-]{1,200}|"(?:\\.|[^"\\\n]){0,200}"|'[^'\n]{0,200}')[ \t]{0,9}"""
_LONG_KEY = re.compile(rf"{_KEY_PART}(?:\.[ \t]{{0,9}}{_KEY_PART}){{{_MAX_KEY_PARTS}}}", re.ASCII)


def parse_toml(path: str, text: str) -> Value:
    """Parse TOML.

    Raises:
        ManifestError: It is not TOML, has a key twice, or is nested too deeply.
    """
    text = text.replace("\r\n", "\n")
    try:
        if long_key := _LONG_KEY.search(text):
            raise ValueError(f"it is nested too deeply (at line {1 + text.count(chr(10), 0, long_key.start())})")
        return _from_toml(tomllib.loads(text), "", itertools.count(1))
    except (ValueError, RecursionError) as error:
        fix = "Correct that line: a pad is written once, as A1 = 'kick.wav'."
        raise ManifestError(path=path, what=f"is not valid TOML: {_describe(error)}", fix=fix) from error


def _from_toml(value: Any, dotted_key: str, numbers: Iterator[int]) -> Value:
    """Return a value of ``tomllib``, its entries numbered in the order in which they are read."""

    def entry(key: str, inner_key: str, inner: Any) -> KitEntry:
        position = Position(next(numbers), inner_key)
        return KitEntry(key, position, _from_toml(inner, inner_key, numbers))

    if isinstance(value, dict):
        return KitMap(tuple(entry(key, f"{dotted_key}.{key}".lstrip("."), inner) for key, inner in value.items()))
    if isinstance(value, list):
        return KitList(tuple(entry("", f"{dotted_key}[{at}]", inner) for at, inner in enumerate(value, 1)))
    if isinstance(value, str):
        return KitScalar("text", value)
    return KitScalar("integer" if type(value) is int else "other", str(value).lower())
