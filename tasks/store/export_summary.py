"""The summary of one export, by the records: for its report."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from schemas.report import DETAILS, SHOWN_FILES
from tasks.store.database import Database, run

_SLOWEST = 5
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class ExportSummary:
    """Rows as their queries (``queries/summary_*.sql``) give them. ``previous`` and ``changes`` are None for a first export.

    ``compared``: the exports that the changes are since, the newest first: more than one where ``previous`` was interrupted.
    """

    previous: dict[str, Any] | None
    changes: dict[str, Any] | None
    buckets: Rows
    loudness: Rows
    slowest: Rows
    reasons: Rows
    failures: Rows
    compared: Rows = field(default_factory=list)


def summarize_export(database: Database, export_id: int, most_reasons: int, most_failures: int) -> ExportSummary:
    """Read the summary of an export, with at most so many reasons and failures. Raises DatabaseError."""
    this = {"export_id": export_id}
    with database.connect() as connection:

        def ask(query: str, **more: Any) -> Rows:
            return run(connection, query, this | more).dicts()

        compared = ask("summary_previous")
        ids = pl.DataFrame({"id": [row["id"] for row in compared]}, {"id": pl.Int64})
        changes = run(connection, "summary_changes", this | {"most": SHOWN_FILES}, compared=ids).dicts() if compared else []
        return ExportSummary(
            next(iter(compared), None),
            next(iter(changes), None),
            ask("summary_buckets"),
            ask("summary_loudness"),
            ask("summary_slowest", most=_SLOWEST),
            ask("summary_reasons", most=most_reasons, details=DETAILS),
            ask("summary_troubles", most=most_failures),
            compared,
        )
