"""Collect the rows, rejects and notes of a kit file on their way to a manifest."""

from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from schemas.errors import ManifestError
from schemas.manifest import COLUMNS, REJECT_SCHEMA, ROW_RULES, TEXT_SCHEMA
from schemas.spellings import fold_kits

SHOWN_CHARS = 80
HALF_PAIR = ("holds half a surrogate pair", "Write the character itself, instead of its code.")
_FIXES = {rule.text: rule.fix for rule in ROW_RULES}

Cells = dict[str, str | None]


@dataclass(frozen=True)
class KitTable:
    """The rows of a kit file (``frame``: ``TEXT_SCHEMA``, ``rejects``: ``REJECT_SCHEMA``), and what rows cannot hold.

    ``tempos``: BPM by the name of a kit. ``rows`` counts both rows and rejects. ``keys``: the dotted key of each row by its
    number, in a file whose parser gives no lines (TOML). ``row_word``: "line", or "row" where its numbers are not lines.
    """

    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    notes: tuple[str, ...] = ()
    tempos: dict[str, float] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    row_word: str = "line"


class Position(NamedTuple):
    """The position of a row in its file.

    ``line``: counted from 1; or, where the parser gives no lines, its number among all entries, and ``key`` its dotted key.
    """

    line: int
    key: str = ""


class PadError(Exception):
    """A pad that cannot become a row, in the words of its reject. ``fix``: by default that of the manifest's own rule."""

    def __init__(self, column: str, value: str, rule: str, fix: str = "") -> None:
        super().__init__(rule)
        self.column, self.value, self.rule, self.fix = column, value, rule, fix or _FIXES[rule]


class KitRowCollector:
    """The rows, rejects and notes of one kit file while it is read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.notes: list[str] = []
        self.tempos: dict[str, float] = {}
        self._kits: dict[str, str] = {}  # with a tempo: the first spelling of each
        self._rows: list[tuple[Position, Cells, PadError | None]] = []

    def add_row(self, position: Position, cells: Cells) -> None:
        """Add a pad's row, or its reject where a text cannot be encoded."""
        for column, cell in cells.items():
            if cell != replace_half_pairs(cell):
                self.add_reject(position, cells["kit"], PadError(column, cell or "", *HALF_PAIR))
                return
        self._rows.append((position, cells, None))

    def add_tempo(self, kit: str, bpm: float) -> float:
        """Add the tempo of a kit, and return the one that the kit already has above, in whatever spelling."""
        first = self._kits.setdefault(fold_kits(pl.Series([kit]))[0], kit)
        return self.tempos.setdefault(first, bpm)

    def add_reject(self, position: Position, kit: str | None, bad: PadError) -> None:
        """Add what stands at ``position`` as a reject of ``kit``."""
        self._rows.append((position, {"kit": kit}, bad))

    def to_table(self) -> KitTable:
        """Return all rows in the order of their lines.

        A line stands for a row ever after, so that rows which share one, or have none, are numbered instead, as Parquet's are.
        """
        ordered = sorted(self._rows, key=lambda row: row[0].line)
        keys = {number: position.key for number, (position, _, _) in enumerate(ordered, 1) if position.key}
        has_lines = not keys and len({position.line for position, _, _ in ordered}) == len(ordered)
        if not keys and not has_lines:
            self.notes.append("several pads are on one line of the file: its pads are numbered, instead of its lines")
        rows = [
            (position.line if has_lines else number, cells, bad) for number, (position, cells, bad) in enumerate(ordered, 1)
        ]
        good = [(line, *map(cells.get, COLUMNS)) for line, cells, bad in rows if not bad]
        rejects = [
            (line, None, cells["kit"], bad.column, replace_half_pairs(bad.value[:SHOWN_CHARS]), bad.rule, bad.fix, file)
            for line, cells, bad in rows
            if bad
            for file in [cells.get("file_path")]
        ]
        frame = pl.DataFrame(good, schema=TEXT_SCHEMA, orient="row")
        broken = pl.DataFrame(rejects, schema=REJECT_SCHEMA, orient="row")
        return KitTable(len(rows), frame, broken, tuple(self.notes), self.tempos, keys, "line" if has_lines else "row")


def read_at_most(path: str, max_bytes: int) -> bytes:
    """Read a kit file. The limit is thousands of pads; a real kit file is a hundredth of it.

    Raises:
        ManifestError: It has more than ``max_bytes``.
    """
    with open(path, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        what = f"is too large for a kit file: more than {max_bytes:,} bytes"
        raise ManifestError(path=path, what=what, fix="Spread it over several kit files, or write a CSV manifest.")
    return data


def replace_half_pairs(text: str | None) -> str | None:
    """Return ``text`` with a question mark for each half of a surrogate pair, which no UTF-8 can hold."""
    return text and text.encode(errors="replace").decode()


def count_noun(number: int, singular: str, plural: str) -> str:
    """Return the number with its noun: ``1 kit``, ``2 kits``."""
    return f"{number} {singular if number == 1 else plural}"
