"""An error of every class that the project has, with facts to fill in its text."""

import string
from collections.abc import Iterator

from schemas.errors import Sp404Error

FACTS = {
    "path": "/lib/kick {1}.wav",
    "what": "Something {odd} happened",
    "fix": "Do this.",
    "error": "it said 'no'",
    "attempts": 3,
    "ext": ".txt",
    "duration_ms": 50,
    "minimum_ms": 100,
    "duration_s": 1_000.25,
    "maximum_s": 961.0,
    "waited_seconds": 60.0,
    "owner": "process 7, since 2026-01-02 03:04:05",
    "age": "2 hours",
    "rows": 10,
    "counted": {"exported": 9},
    "real": "/elsewhere/a {1}",
    "bytes": 20 << 30,
    "maximum": 8 << 30,
    "setting": "max_decoded_mb",
    "seconds": 300.0,
    "memory_mb": 2048,
    "port": 4200,
    "options": "--port 4201",
    "name": "runner",
    "log": "/home/x/runner.log",
    "last": "ValueError: no",
    "noun": "Sample",
    "id": 99,
    "waiting": "12 exports",
    "size": 1_000,
}


def classes(of: type[Sp404Error] = Sp404Error) -> Iterator[type[Sp404Error]]:
    for kind in of.__subclasses__():
        yield kind
        yield from classes(kind)


ALL_ERRORS = sorted(set(classes()), key=lambda kind: kind.__name__)


def example_error(kind: type[Sp404Error], without: str = "") -> Sp404Error:
    """Return an error with just the facts that its text and its remedy name."""
    fields = {field for text in (kind.text, kind.remedy) for _, field, _, _ in string.Formatter().parse(text) if field}
    if not kind.remedy:
        fields.add("fix")
    return kind(**{name: FACTS[name] for name in fields if name != without})
