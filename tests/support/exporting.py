"""Exports without sound: rows go in, invented outcomes come out, and everything between is the project's own."""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from schemas.conversion import Outcome, SourceInfo
from schemas.enums import AudioFormat, OrganizeBy, Status
from schemas.manifest import REJECT_SCHEMA, TYPED_SCHEMA
from schemas.records import REQUESTED_ROWS
from tasks.layout.actions import SOURCE_STAMP
from tasks.layout.paths import PathRules, assign_paths
from tasks.layout.sharding import make_jobs
from tasks.store import export_records, run_folder
from tasks.store.checkpoints import write_checkpoint
from tasks.store.database import Database
from tasks.store.export_records import ExportSpec, ExportTarget, PriorState
from tasks.store.outcome_table import frame_of

NOTHING_DONE = pl.DataFrame(schema={"manifest_line": pl.Int64})
NOTHING_REFRESHED = pl.DataFrame(
    schema={"path": pl.String, "sample_id": pl.Int64, "source": pl.String, **dict.fromkeys(SOURCE_STAMP, pl.Int64)}
)

Row = Mapping[str, Any]


def rows_of(rows: Iterable[Row]) -> pl.DataFrame:
    """Return accepted manifest rows; ``source`` is the file's absolute path, the other columns may be left out."""
    whole = [
        {"line": number, "file_path": row["source"], "title": Path(row["source"]).stem} | dict(row)
        for number, row in enumerate(rows, start=2)
    ]
    return pl.DataFrame(whole, schema=TYPED_SCHEMA | {"source": pl.String})


def rejects_of(rejects: Iterable[Row]) -> pl.DataFrame:
    plain = {"sample_id": None, "kit": None, "column": "bpm", "value": "fast", "rule": "must be a number", "fix": "Fix it."}
    plain["file_path"] = None
    return pl.DataFrame([plain | dict(reject) for reject in rejects], schema=REJECT_SCHEMA)


def exported(index: int, **changes: Any) -> Outcome:
    source = SourceInfo("wav", "PCM_24", 44_100, 2, 44_100)
    facts = {
        "bytes": 192_044,
        "seconds": 0.25,
        "frames": 48_000,
        "channels": 2,
        "source": source,
        "source_bytes": 264_644,
        "file_hash": "0f" * 32,
    }
    return Outcome(index, **({"status": Status.EXPORTED} | facts | changes))


def failed(index: int, reason: str = "too_short", **changes: Any) -> Outcome:
    return Outcome(index, Status.FAILED, error=f"It is {reason}", reason=reason, fix="Mend it.", **changes)


@dataclass(frozen=True)
class Made:
    """An export's specification and its outcomes, as a shard hands them to the records."""

    spec: ExportSpec
    outcomes: pl.DataFrame

    @property
    def id(self) -> int:
        return self.spec.id


@dataclass(frozen=True)
class Ledger:
    """A database and the manifest and output folder that go with it."""

    target: ExportTarget

    @property
    def database(self) -> Database:
        return self.target.database

    @property
    def db(self) -> Path:
        return Path(self.target.database.path)

    def begin(self, *rows: Row, identity: str = "") -> PriorState:
        return export_records.begin(self.target, rows_of(rows), identity)

    def look(self, *rows: Row) -> PriorState:
        return export_records.read_prior_state(self.target, rows_of(rows))

    def ids(self, *sources: str) -> dict[str, int]:
        """Return the ids that these files are given."""
        known = self.begin(*({"source": source} for source in sources)).rows
        return dict(known.select("source", "sample_id").iter_rows())

    def made(
        self,
        *rows: Row,
        rejects: Iterable[Row] = (),
        outcomes: Mapping[str, Callable[[int], Outcome]] | None = None,
        organize_by: OrganizeBy = OrganizeBy.FLAT,
        user_id: int = 1,
        identity: str = "",
    ) -> Made:
        """Prepare an export up to its records, which are not written. ``outcomes``: by source, exported where it has none."""
        known = self.begin(*rows, identity=identity)
        assert known.reservation.export_id > 0
        placed = assign_paths(
            known.rows, PathRules(organize_by, AudioFormat.WAV, True), known.outputs.select("path", "sample_id")
        )
        placed = placed.with_columns(owns_output=pl.col("path").is_first_distinct())
        by_source = outcomes or {}
        done = [
            (path, by_source[source](index) if source in by_source else exported(index))
            for index, path, source in make_jobs(placed).select("job", "path", "source").iter_rows()
        ]
        refused = rejects_of(rejects)
        blank = {name: pl.lit(None, dtype) for name, dtype in REQUESTED_ROWS.items() if name not in placed.columns}
        asked = placed.select(pl.col(name).cast(REQUESTED_ROWS[name]) for name in placed.columns if name in REQUESTED_ROWS)
        rows_asked = asked.with_columns(**blank).select(*REQUESTED_ROWS)
        count = placed.height + refused["line"].n_unique()
        export = self.export(known.reservation.export_id, count, organize_by, user_id, identity)
        in_kits = asked.filter(pl.col("kit").is_not_null())
        return Made(ExportSpec(export, rows_asked, refused, in_kits, NOTHING_REFRESHED), frame_of(done))

    def export(self, export_id: int, count: int, organize_by: OrganizeBy, user_id: int, identity: str) -> dict[str, Any]:
        """Return the row of ``sp404_exports``, as an export begins."""
        return {
            "id": export_id,
            "user_id": user_id,
            "export_type": "batch",
            "sample_count": count,
            "output_path": self.target.output,
            "organized_by": str(organize_by),
            "format": "wav",
            "created_at": datetime.now(UTC).replace(tzinfo=None),
            "manifest_path": self.target.manifest,
            "label": "",
            "run_by": "test",
            "identity": identity,
            "mount_point": "/",
            "settings": "{}",
        }

    def start(self, made: Made) -> None:
        export_records.start(self.target, made.spec, NOTHING_DONE)

    def write_part(self, made: Made) -> Path:
        """Write the part of a shard with all outcomes; it is not yet in the records."""
        return write_checkpoint(made.outcomes, run_folder.new_pass(self.target.database, made.id), "part-0000000")

    def finish(self, made: Made, why: str = "the run was stopped before its turn came") -> None:
        export_records.finish(self.target, made.spec, {"seconds": 1.5, "trouble": None, "warning": None, "why": why})

    def write(self, made: Made) -> None:
        """Write all of the records, in the order of a run of one shard."""
        self.start(made)
        export_records.add_parts(self.target, made.spec, [self.write_part(made)])
        self.finish(made)

    def record(self, *rows: Row, **how: Any) -> Made:
        made = self.made(*rows, **how)
        self.write(made)
        return made

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask DuckDB itself, read-only, without the project's code."""
        with duckdb.connect(str(self.db), read_only=True) as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def forget_database(self) -> None:
        """Remove the database and what its exports recorded beside it."""
        self.db.unlink()
        shutil.rmtree(run_folder.runs_folder(self.database), ignore_errors=True)

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
    """Return a command that holds the database until a line comes in, and for a while after it."""
    return [sys.executable, "-c", HOLDER, str(db), str(after_seconds)]
