"""Pandera schemas checked in one pass of Polars, for frames that are as they should be."""

from collections.abc import Callable
from typing import Any

import pandera.polars as pa
import polars as pl

_CHECKS: dict[str, Callable[[pl.Expr, dict[str, Any]], pl.Expr]] = {
    "greater_than": lambda column, facts: column > facts["min_value"],
    "greater_than_or_equal_to": lambda column, facts: column >= facts["min_value"],
    "isin": lambda column, facts: column.is_in(list(facts["allowed_values"])),
}


def validate_quickly(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> None:
    """Validate a frame against a strict schema.

    Pandera copies its schema and collects each column by itself: 17 ms of CPU time for one row of 32 columns, where this
    takes 0.5. What this pass does not find right, or cannot check, is left to Pandera, whose verdict and error count.

    Args:
        frame: Its columns; in the schema's order, where the schema is ordered.
        schema: Dtypes, nulls, uniqueness, and checks.

    Raises:
        pandera.errors.SchemaError: The frame breaks the schema.
    """
    is_known = schema.strict and not schema.checks and not schema.unique
    if not is_known or not _has_columns(frame, schema):
        schema.validate(frame)
        return
    checks: list[pl.Expr] = []
    for name, column in schema.columns.items():
        value = pl.col(name)
        if not column.nullable:
            checks.append(value.is_not_null().all())
        if column.unique:
            checks.append(value.is_unique().all())
        for check in column.checks:
            if check.name not in _CHECKS:
                schema.validate(frame)
                return
            checks.append(_CHECKS[check.name](value, check.statistics).all())
    if not all(frame.select(right.alias(str(number)) for number, right in enumerate(checks)).row(0)):
        schema.validate(frame)


def dtypes_of(schema: pa.DataFrameSchema) -> dict[str, Any]:
    """Return the Polars dtype of each column of a schema."""
    return {name: column.dtype.type for name, column in schema.columns.items()}


def _has_columns(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    dtypes = dtypes_of(schema)
    return dict(frame.schema) == dtypes and (not schema.ordered or frame.columns == list(dtypes))
