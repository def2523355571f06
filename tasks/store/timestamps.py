"""Times as the records have them."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time in UTC without a time zone, as a TIMESTAMP of DuckDB has it."""
    return datetime.now(UTC).replace(tzinfo=None)
