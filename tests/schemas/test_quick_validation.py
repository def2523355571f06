"""The quick pass over a frame gives Pandera's verdict, whatever is wrong with the frame."""

import pandera.errors
import pandera.polars as pa
import polars as pl
import pytest

from schemas.quick_validation import validate_quickly
from schemas.records import EXPORT_SAMPLES, SAMPLES

_VALUES = {pl.String: "exported", pl.Int64: 1, pl.Float64: 1.0, pl.Boolean: True}


def frame_of(schema: pa.DataFrameSchema, rows: int = 2) -> pl.DataFrame:
    dtypes = {name: column.dtype.type.base_type() for name, column in schema.columns.items()}
    whole = pl.DataFrame([pl.Series(name, [_VALUES[dtype]] * rows, dtype) for name, dtype in dtypes.items()])
    return whole.with_columns(id=pl.int_range(1, rows + 1)) if "id" in dtypes else whole


def is_right(frame: pl.DataFrame, schema: pa.DataFrameSchema, quick: bool) -> bool:
    try:
        validate_quickly(frame, schema) if quick else schema.validate(frame)
    except pandera.errors.SchemaError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("schema", [EXPORT_SAMPLES, SAMPLES], ids=["export_samples", "samples"])
def test_the_quick_pass_agrees_with_pandera(schema: pa.DataFrameSchema, monkeypatch: pytest.MonkeyPatch) -> None:
    right = frame_of(schema)
    cases = [right, right.clear(), right.head(1), right.select(reversed(right.columns))]
    cases += [right.with_columns(more=1), right.drop(right.columns[-1])]
    for name, dtype in right.schema.items():
        number, other = (dtype, dtype) if dtype.is_numeric() else (pl.Int64(), pl.Int8())
        wrong = [
            pl.lit(None, dtype),
            pl.when(pl.int_range(pl.len()) == 0).then(name),
            pl.lit("other"),
            pl.lit(-1).cast(number),
            pl.lit(0).cast(other),
        ]
        cases += [right.with_columns(value.alias(name)) for value in wrong]
    verdicts = [is_right(case, schema, quick=False) for case in cases]
    assert [is_right(case, schema, quick=True) for case in cases] == verdicts
    assert {True, False} == set(verdicts)

    def slow(*_: object, **__: object) -> None:
        raise AssertionError("Pandera was asked for a frame that is right")

    monkeypatch.setattr(pa.DataFrameSchema, "validate", slow)
    validate_quickly(right, schema)
    validate_quickly(right.clear(), schema)
