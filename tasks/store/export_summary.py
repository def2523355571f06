"""The summary of one export, by the records: for its report."""

from dataclasses import dataclass
from typing import Any

from schemas.report import DETAILS
from tasks.store.database import Database, run

_SLOWEST = 5
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class ExportSummary:
    """Rows as their queries (``queries/summary_*.sql``) give them. ``previous`` and ``changes`` are None for a first export."""

    previous: dict[str, Any] | None
    changes: dict[str, Any] | None
    buckets: Rows
    loudness: Rows
    slowest: Rows
    reasons: Rows
    failures: Rows


def summarize_export(database: Database, export_id: int, most_reasons: int, most_failures: int) -> ExportSummary:
    """Read the summary of an export, with at most so many reasons and failures. Raises DatabaseError."""
    this = {"export_id": export_id}
    with database.connect() as connection:

        def ask(query: str, **more: Any) -> Rows:
            return run(connection, query, this | more).dicts()

        previous = next(iter(ask("summary_previous")), None)
        return ExportSummary(
            previous,
            ask("summary_changes", previous_id=previous["id"])[0] if previous else None,
            ask("summary_buckets"),
            ask("summary_loudness"),
            ask("summary_slowest", most=_SLOWEST),
            ask("summary_reasons", most=most_reasons, details=DETAILS),
            ask("summary_troubles", most=most_failures),
        )
