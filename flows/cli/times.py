"""Times of the records, as a person reads them."""

from datetime import UTC, datetime, timedelta

_MOST_RELATIVE = timedelta(days=7)


def local_time(utc: datetime) -> str:
    """Return a naive UTC time of the records as local time, to the minute."""
    return f"{utc.replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"


def local_clock(utc: datetime) -> str:
    """Return the day and minute of a naive UTC time of the records as local time, such as ``Sun 03:00``."""
    return f"{utc.replace(tzinfo=UTC).astimezone():%a %H:%M}"


def local_zone() -> str:
    """Return the name of the time zone in which ``local_time`` gives times."""
    return datetime.now(UTC).astimezone().tzname() or "local time"


def ago(utc: datetime, now: datetime | None = None) -> str:
    """Return how long ago a naive UTC time was, such as ``2 h ago``; after a week the date."""
    passed = (now or datetime.now(UTC).replace(tzinfo=None)) - utc
    seconds = max(passed.total_seconds(), 0)
    if passed > _MOST_RELATIVE:
        return local_time(utc)[:10]
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"
