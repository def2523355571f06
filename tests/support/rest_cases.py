"""Hook of schemathesis: its coverage phase sends each value of each field of a body once to each operation, and not twice."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import schemathesis

_sent: dict[str, set[tuple[str, str]]] = defaultdict(set)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out a good body of which each field had its value before, in other company.

    Where a body may have two shapes, it varies all fields in both; and each body that is accepted is a whole export.
    """
    meta = case.meta
    if meta is None or (meta.phase.name, meta.generation.mode) != ("coverage", "positive") or not isinstance(case.body, dict):
        return True
    is_new = False
    for path, value in _values(case.body):
        # What is selected is looked up in one way for all operations.
        sent = _sent["" if path.startswith(".selection") else case.operation.label]
        is_new |= (path, value) not in sent
        sent.add((path, value))
    return is_new


def _values(body: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each field within fields, and its value."""
    if isinstance(body, dict) and body:
        for name, value in body.items():
            yield from _values(value, f"{path}.{name}")
    else:
        yield path, json.dumps(body, sort_keys=True)
