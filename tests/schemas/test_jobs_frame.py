"""The jobs table of a plan: every plan has it, and what has not is refused with the column's name."""

import time
from collections.abc import Callable
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.errors import SchemaError

from schemas import jobs_frame
from schemas.jobs_frame import DECIDED_JOBS, DRAFT_JOBS, validate_decided_jobs, validate_draft_jobs
from schemas.quick_validation import dtypes_of
from tasks.layout.actions import SOURCE_STAMP, Action
from tests.support.nightly import Nightly

STAGES = [
    pytest.param(DRAFT_JOBS, validate_draft_jobs, id="draft"),
    pytest.param(DECIDED_JOBS, validate_decided_jobs, id="decided"),
]
stages = pytest.mark.parametrize(("schema", "validate"), STAGES)
Validate = Callable[[pl.DataFrame], pl.DataFrame]
CELLS: dict[Any, Any] = {pl.UInt32: 1, pl.Int64: 1, pl.String: "text", pl.Boolean: True, pl.Float64: 1.0}


def frame(schema: pa.DataFrameSchema, height: int = 3) -> pl.DataFrame:
    return pl.DataFrame({name: pl.Series([CELLS[dtype]] * height, dtype=dtype) for name, dtype in dtypes_of(schema).items()})


def refused(schema: pa.DataFrameSchema, validate: Validate, jobs: pl.DataFrame) -> str:
    """Pandera's complaint, which the quick look must agree with."""
    with pytest.raises(SchemaError):
        schema.validate(jobs)
    with pytest.raises(SchemaError) as error:
        validate(jobs)
    return str(error.value)


@stages
@pytest.mark.parametrize("height", [0, 1, 3])
def test_a_good_frame_comes_back_as_it_is(schema: pa.DataFrameSchema, validate: Validate, height: int) -> None:
    jobs = frame(schema, height)
    assert validate(jobs) is jobs
    optional = [name for name, column in schema.columns.items() if column.nullable]
    blank = jobs.with_columns(pl.lit(None, jobs.schema[name]).alias(name) for name in optional)
    assert validate(blank) is blank
    assert schema.validate(blank).equals(blank)
    turned = jobs.select(reversed(jobs.columns))
    assert validate(turned) is turned


@stages
def test_a_missing_an_extra_and_a_renamed_column_are_refused(schema: pa.DataFrameSchema, validate: Validate) -> None:
    jobs = frame(schema)
    for name in jobs.columns:
        assert name in refused(schema, validate, jobs.drop(name))
    assert "extra" in refused(schema, validate, jobs.with_columns(extra=1))
    assert "Path" in refused(schema, validate, jobs.rename({"path": "Path"}))


@pytest.mark.slow
@stages
def test_a_wrong_dtype_is_refused_in_every_column(schema: pa.DataFrameSchema, validate: Validate) -> None:
    jobs = frame(schema)
    for name, dtype in jobs.schema.items():
        assert name in refused(schema, validate, jobs.with_columns(pl.lit(1, pl.Int32).alias(name))), dtype


@pytest.mark.slow
@stages
def test_a_null_is_refused_where_none_may_be(schema: pa.DataFrameSchema, validate: Validate) -> None:
    jobs = frame(schema)
    for name, column in schema.columns.items():
        holed = jobs.with_columns(pl.when(pl.int_range(pl.len()) != 1).then(name).alias(name))
        if column.nullable:
            assert validate(holed) is holed
        else:
            assert name in refused(schema, validate, holed)


def test_the_decided_plan_has_all_columns_of_the_draft_and_each_says_what_it_means() -> None:
    draft, decided = DRAFT_JOBS.columns, DECIDED_JOBS.columns
    assert draft.items() <= decided.items()
    assert {*SOURCE_STAMP, "job", "path", "target"} <= draft.keys()
    assert {"action", "finished", "leader", "key"} <= decided.keys() - draft.keys()
    assert all(column.description for column in decided.values())


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, pl.DataFrame]]:
    """The frames of an export as they are checked, each with the name of its schema."""
    frames: list[tuple[str, pl.DataFrame]] = []
    validate = jobs_frame.validate_quickly

    def watched(jobs: pl.DataFrame, schema: pa.DataFrameSchema) -> None:
        frames.append((str(schema.name), jobs))
        validate(jobs, schema)

    monkeypatch.setattr(jobs_frame, "validate_quickly", watched)
    return frames


@pytest.mark.slow
def test_real_plans_are_checked_where_they_are_made(night: Nightly, seen: list[tuple[str, pl.DataFrame]]) -> None:
    night.add("kick.wav", 100, kit="K", bank="A", pad=1, bpm=90, musical_key="Am")
    night.add("snare.wav", 200, kit="K", bank="A", pad=2)
    night.add("hat.wav", 300, genre="house", tags="a|b")
    night.add("none.wav", bpm="wrong")
    night.checked = True
    ways: list[dict[str, Any]] = [
        {},
        {"organize_by": "kit", "sound": {"guard": "folder"}},
        {"organize_by": "bpm", "include_metadata": False, "full": True},
        {"verify_outputs": True, "names": "screen"},
    ]
    for way in ways:
        night.export(**way)
    for row in night.rows:
        row["bpm"] = "wrong"
    night.export(whole=False)
    assert [name for name, _ in seen] == ["draft jobs", "decided jobs"] * 5
    for name, jobs in seen:
        schema = DRAFT_JOBS if name == "draft jobs" else DECIDED_JOBS
        schema.validate(jobs)
        if name == "decided jobs":
            assert set(jobs["action"]) <= set(map(str, Action))
    assert seen[-1][1].is_empty()


@stages
def test_a_good_frame_costs_next_to_nothing(schema: pa.DataFrameSchema, validate: Validate) -> None:
    """Pandera alone takes 20 to 30 ms for a frame of any height."""
    jobs = frame(schema, 100_000)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        validate(jobs)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.005
