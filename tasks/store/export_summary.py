"""What one export was like, by the records: for the report of it."""

from dataclasses import dataclass
from typing import Any

from tasks.store.database import connected, run

_SLOWEST = 5
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Story:
    """Rows as their queries (``queries/story_*.sql``) give them. ``previous`` and ``changes`` are None for a first export."""

    previous: dict[str, Any] | None
    changes: dict[str, int] | None
    buckets: Rows
    loudness: Rows
    slowest: Rows
    reasons: Rows
    troubles: Rows


def story(db: str, wait_seconds: float, export_id: int, most_reasons: int, most_troubles: int) -> Story:
    """Raises DatabaseBusyError and DatabaseError."""
    this = {"export_id": export_id}
    with connected(db, wait_seconds) as connection:

        def ask(query: str, **more: Any) -> Rows:
            return run(connection, query, this | more).dicts()

        previous = next(iter(ask("story_previous")), None)
        return Story(
            previous,
            ask("story_changes", previous_id=previous["id"])[0] if previous else None,
            ask("story_buckets"),
            ask("story_loudness"),
            ask("story_slowest", most=_SLOWEST),
            ask("story_reasons", most=most_reasons),
            ask("story_troubles", most=most_troubles),
        )
