"""Exports without sound: rows go in, made-up outcomes come out, and everything between is the project's own."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from schemas.jobs import Outcome, SourceInfo
from schemas.manifest import REJECT_SCHEMA, TYPED_SCHEMA
from schemas.words import AudioFormat, OrganizeBy, Status
from tasks.layout.plan import Layout, place
from tasks.layout.shards import jobs_of
from tasks.store import exports
from tasks.store.exports import Known, Place, Records
from tasks.store.records import records_of

Row = Mapping[str, Any]


def rows_of(rows: Iterable[Row]) -> pl.DataFrame:
    """Accepted manifest rows; ``source`` is the file's absolute path, the other columns may be left out."""
    whole = [
        {"line": number, "file_path": row["source"], "title": Path(row["source"]).stem} | dict(row)
        for number, row in enumerate(rows, start=2)
    ]
    return pl.DataFrame(whole, schema=TYPED_SCHEMA | {"source": pl.String})


def rejects_of(rejects: Iterable[Row]) -> pl.DataFrame:
    plain = {"sample_id": None, "kit": None, "column": "bpm", "value": "fast", "rule": "must be a number", "fix": "Fix it."}
    return pl.DataFrame([plain | dict(reject) for reject in rejects], schema=REJECT_SCHEMA)


def exported(index: int, **changes: Any) -> Outcome:
    source = SourceInfo("wav", "PCM_24", 44_100, 2, 44_100)
    facts = {"bytes": 192_044, "seconds": 0.25, "frames": 48_000, "channels": 2, "source": source, "source_bytes": 264_644}
    return Outcome(index, **({"status": Status.EXPORTED} | facts | changes))


def failed(index: int, reason: str = "too_short", **changes: Any) -> Outcome:
    return Outcome(index, Status.FAILED, error=f"It is {reason}", reason=reason, fix="Mend it.", **changes)


@dataclass(frozen=True)
class Made:
    """An export as it was recorded."""

    id: int
    rows: pl.DataFrame
    rejects: pl.DataFrame
    outcomes: dict[int, Outcome]
    records: Records


@dataclass(frozen=True)
class Ledger:
    """A database and the manifest and output folder that go with it."""

    place: Place

    @property
    def db(self) -> Path:
        return Path(self.place.db)

    def begin(self, *rows: Row) -> Known:
        return exports.begin(self.place, rows_of(rows))

    def look(self, *rows: Row) -> Known:
        return exports.look(self.place, rows_of(rows))

    def ids(self, *sources: str) -> dict[str, int]:
        """The ids that these files are given."""
        known = self.begin(*({"source": source} for source in sources)).rows
        return dict(known.select("source", "sample_id").iter_rows())

    def made(
        self,
        *rows: Row,
        rejects: Iterable[Row] = (),
        outcomes: Mapping[str, Callable[[int], Outcome]] | None = None,
        organize_by: OrganizeBy = OrganizeBy.FLAT,
    ) -> Made:
        """An export up to its records, which are not written. ``outcomes``: by source, exported where it has none."""
        known = self.begin(*rows)
        assert known.export_id is not None
        placed = place(known.rows, Layout(organize_by, AudioFormat.WAV, True), known.held)
        jobs, job_of_row = jobs_of(placed)
        by_source = outcomes or {}
        done = {
            index: by_source[source](index) if source in by_source else exported(index)
            for index, source in jobs.select("job", "source").iter_rows()
        }
        placed, refused = placed.with_columns(job=job_of_row), rejects_of(rejects)
        in_kits = placed.filter(placed["kit"].is_not_null())
        return Made(known.export_id, placed, refused, done, records_of(placed, refused, in_kits, done))

    def export(self, made: Made, user_id: int = 1) -> dict[str, Any]:
        """The row of ``sp404_exports`` for it."""
        return {
            "id": made.id,
            "user_id": user_id,
            "export_type": "batch",
            "sample_count": self.count(made),
            "output_path": self.place.output,
            "organized_by": "flat",
            "format": "wav",
            "total_size_bytes": sum(outcome.bytes for outcome in made.outcomes.values()),
            "export_duration_seconds": 1.5,
            "manifest_path": self.place.manifest,
            "label": "",
            "run_by": "test",
            "trouble": None,
        }

    @staticmethod
    def count(made: Made) -> int:
        return made.rows.height + made.rejects["line"].n_unique()

    def record(self, *rows: Row, user_id: int = 1, **how: Any) -> Made:
        made = self.made(*rows, **how)
        exports.record(self.place, self.export(made, user_id), made.records, self.count(made))
        return made

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask DuckDB itself, read-only, without the project's code."""
        with duckdb.connect(str(self.db), read_only=True) as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def tell(self, statement: str, *parameters: Any) -> None:
        with duckdb.connect(str(self.db)) as connection:
            connection.execute(statement, list(parameters))


HOLDER = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
time.sleep(float(sys.argv[2]))
connection.close()
"""


def holder_command(db: Path, after_seconds: float = 0) -> list[str]:
    """A process that holds the database until a line comes in, and for a while after it."""
    return [sys.executable, "-c", HOLDER, str(db), str(after_seconds)]
