"""A kit file's rows, rejects and notes on their way to a manifest."""

from dataclasses import dataclass, field

import polars as pl

from schemas.manifest import COLUMNS, REJECT_SCHEMA, ROW_RULES, TEXT_SCHEMA

SHOWN_CHARS = 80
FIXES = {rule.text: rule.fix for rule in ROW_RULES}
HALF_PAIR = ("holds half a surrogate pair", "Write the character itself, instead of its code.")

Cells = dict[str, str | None]


@dataclass(frozen=True)
class Kits:
    """What ``RawManifest`` holds of a kit file: ``frame`` has ``TEXT_SCHEMA``, ``rejects`` have ``REJECT_SCHEMA``."""

    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    notes: tuple[str, ...] = ()
    tempos: dict[str, float] = field(default_factory=dict)


class PadError(Exception):
    """A pad that is no row: what its reject says."""

    def __init__(self, column: str, value: str, rule: str, fix: str = "") -> None:
        super().__init__(rule)
        self.column, self.value, self.rule, self.fix = column, value, rule, fix or FIXES[rule]


class Found:
    """Collects rows, rejects and notes of one file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[tuple[int, Cells, PadError | None]] = []
        self.notes: list[str] = []
        self.tempos: dict[str, float] = {}

    def row(self, line: int, cells: Cells) -> None:
        for column, cell in cells.items():
            if cell != encodable(cell):
                self.reject(line, cells["kit"], PadError(column, cell or "", *HALF_PAIR))
                return
        self.rows.append((line, cells, None))

    def reject(self, line: int, kit: str | None, bad: PadError) -> None:
        self.rows.append((line, {"kit": kit}, bad))

    def kits(self) -> Kits:
        """A line stands for a row ever after, so that rows which share one are numbered instead, as Parquet's are."""
        rows = sorted(self.rows, key=lambda row: row[0])
        if len({line for line, _, _ in rows}) < len(rows):
            rows = [(number, cells, bad) for number, (_, cells, bad) in enumerate(rows, 1)]
            self.notes.append("several pads stand on one line of the file: its pads are numbered, instead of its lines")
        good = [(line, *map(cells.get, COLUMNS)) for line, cells, bad in rows if not bad]
        rejects = [
            (line, None, cells["kit"], bad.column, encodable(bad.value[:SHOWN_CHARS]), bad.rule, bad.fix)
            for line, cells, bad in rows
            if bad
        ]
        frame = pl.DataFrame(good, schema=TEXT_SCHEMA, orient="row")
        broken = pl.DataFrame(rejects, schema=REJECT_SCHEMA, orient="row")
        return Kits(len(rows), frame, broken, tuple(self.notes), self.tempos)


def encodable(text: str | None) -> str | None:
    return text and text.encode(errors="replace").decode()


def count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
