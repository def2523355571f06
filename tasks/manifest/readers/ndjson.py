"""Read NDJSON: one JSON object a line, in UTF-8, or in UTF-16 with a byte order mark."""

import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, PATH_ALIASES, Reject
from tasks.fs.mojibake import without_marks
from tasks.manifest.readers.source_table import (
    SHOWN_CHARS,
    UTF_16_MARKS,
    Cells,
    SourceTable,
    check_can_be_updated,
    check_has_short_line,
    check_is_not_binary,
    cut_chunks,
    normalize_name,
)
from tasks.manifest.readers.text_encoding import read_utf8_alone, to_utf8

_NAMES = (*COLUMNS, *PATH_ALIASES)


def open_ndjson(path: str, head: bytes) -> SourceTable:
    """Open an NDJSON file, whose rows may name their columns in any order and leave some out.

    Args:
        path: The file.
        head: Its first bytes.

    Raises:
        ManifestError: It is not text, or is one JSON array.
    """
    check_is_not_binary(path, head)
    check_has_short_line(path, head)
    utf_16 = to_utf8(path, Path(path).read_bytes())[0].decode() if head.startswith(UTF_16_MARKS) else None
    start = head.decode(errors="ignore") if utf_16 is None else utf_16
    if without_marks(start).lstrip().startswith("["):
        raise ManifestError(path=path, what="is a JSON array", fix="Write one object a line (NDJSON).")
    return SourceTable(cut_chunks(_rows(path, utf_16), list(_NAMES)), is_named_by_rows=True)


def read_all_ndjson(path: str) -> pl.DataFrame:
    """Read every column as text under its own name, null where a row does not have it.

    Raises:
        ManifestError: A line is not a JSON object, a column is missing or there twice, or the file is not UTF-8.
    """
    rows = []
    for line, text in enumerate(read_utf8_alone(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            if not isinstance(row, dict):
                raise ValueError("is not a JSON object")
        except (ValueError, RecursionError) as error:
            raise ManifestError(path=path, what=f"line {line} is not a JSON object", fix="Correct or remove it.") from error
        rows.append({name: _to_text(value) for name, value in row.items()})
    names = dict.fromkeys(name for row in rows for name in row)
    check_can_be_updated(path, list(names))
    return pl.DataFrame([[row.get(name) for name in names] for row in rows], dict.fromkeys(names, pl.String), orient="row")


def _to_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return "|".join(value)
    return json.dumps(value)


def _rows(path: str, utf_16: str | None) -> Iterator[tuple[int, Cells | Reject]]:
    """Yield the rows of a text in UTF-16, which was read as a whole; or else of the file, which is UTF-8."""
    with open(path, encoding="utf-8", newline="\n") if utf_16 is None else io.StringIO(utf_16, newline="\n") as file:
        for line, text in enumerate(file, start=1):
            text = without_marks(text) if line == 1 else text  # noqa: PLW2901
            if not text.strip():
                continue
            try:
                pairs = _decode(text)
                if not isinstance(pairs, _Pairs):
                    raise ValueError("is not a JSON object")
                yield line, pairs.cells()
            except (ValueError, RecursionError) as error:
                rule = str(error) if type(error) is ValueError else "is not valid JSON"
                fix = 'One object a line: {"file_path": "kick.wav"}.'
                yield line, Reject(line, "(row)", text.strip()[:SHOWN_CHARS], rule, fix)


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicate keys still there."""

    def cells(self) -> Cells:
        places = _find_columns(tuple(key for key, _ in self))
        return [None if at is None else _cell(name, self[at][1]) for name, at in places]


# One for all rows: to make one takes as long as to read a row with it.
_decode = json.JSONDecoder(object_pairs_hook=_Pairs).decode


@lru_cache(256)
def _find_columns(keys: tuple[str, ...]) -> tuple[tuple[str, int | None], ...]:
    """Return where each column stands among the keys of a row; None: nowhere. The rows of a file have few sets of keys.

    Raises:
        ValueError: A column is there twice.
    """
    places = {normalize_name(key): at for at, key in enumerate(keys)}
    if len(places) < len(keys):
        raise ValueError("names a column twice")
    return tuple((name, places.get(name)) for name in _NAMES)


def _cell(name: str, value: object) -> str | None:
    if type(value) is str and value.isascii():  # nearly all of them
        return value
    if name == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        value = "|".join(value)
    if isinstance(value, (list, bool)):
        raise ValueError(f"has a {name} that is neither text nor a number")
    text = None if value is None else str(value)
    if text and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"has a {name} with half a surrogate pair") from error
    return text
