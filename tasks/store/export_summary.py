"""The summary of one export, by the records: for its report."""

from dataclasses import dataclass
from typing import Any

from tasks.store.database import Database, run

_SLOWEST = 5
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class ExportSummary:
    """Rows as their queries (``queries/story_*.sql``) give them. ``previous`` and ``changes`` are None for a first export."""

    previous: dict[str, Any] | None
    changes: dict[str, int] | None
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

        previous = next(iter(ask("story_previous")), None)
        return ExportSummary(
            previous,
            ask("story_changes", previous_id=previous["id"])[0] if previous else None,
            ask("story_buckets"),
            ask("story_loudness"),
            ask("story_slowest", most=_SLOWEST),
            ask("story_reasons", most=most_reasons),
            ask("story_troubles", most=most_failures),
        )
