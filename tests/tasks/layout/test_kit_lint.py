"""What is said about kits before they are written."""

import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.manifest import REJECT_SCHEMA
from tasks.layout.kit_lint import lint_kits

_SCHEMA = {
    "line": pl.Int64,
    "sample_id": pl.Int64,
    "kit": pl.String,
    "bank": pl.String,
    "pad": pl.Int64,
    "bpm": pl.Float64,
    "content_hash": pl.String,
    "peak": pl.Float64,
}
_NO_REJECTS = pl.DataFrame(schema=REJECT_SCHEMA)


def kit(*rows: dict[str, object]) -> pl.DataFrame:
    """Rows of kit K, on pads from A1 on, each a sample of its own."""
    blank: dict[str, object] = {"kit": "K", "bank": "A", "bpm": None, "content_hash": None, "peak": None}
    whole = [blank | {"line": number + 1, "sample_id": number, "pad": number} | row for number, row in enumerate(rows, 1)]
    return pl.DataFrame(whole, _SCHEMA)


def said(rows: pl.DataFrame, tempos: dict[str, float] | None = None, turned_down: bool = False) -> list[tuple[str, str]]:
    found = lint_kits(rows, _NO_REJECTS, tempos or {}, turned_down)
    assert all(finding.fix.endswith(".") for finding in found)
    return [(finding.where, finding.what) for finding in found]


def test_a_kit_without_faults_is_not_spoken_of() -> None:
    assert said(kit({"bpm": 90.0, "peak": 0.9, "content_hash": "a"}, {"bpm": 120.0, "peak": 1.0, "content_hash": "b"})) == []
    assert said(kit({"kit": None, "peak": 0.0})) == []


@pytest.mark.parametrize(("bpm", "tempo", "reached"), [(60, 90, True), (60, 30, True), (60, 90.5, False), (60, 29, False)])
def test_a_loop_must_reach_the_tempo_of_its_kit(bpm: float, tempo: float, reached: bool) -> None:
    found = said(kit({"bpm": None}, {"bpm": float(bpm)}), {"K": tempo})
    assert found == (
        []
        if reached
        else [("kit K, A2, line 3", f"60 BPM cannot be stretched to the kit's {tempo:g} BPM: the device reaches 30 to 90")]
    )


@given(st.lists(st.floats(20, 300), min_size=1, max_size=6))
def test_without_a_tempo_any_that_suits_all_will_do(tempos: list[float]) -> None:
    """Judged by trying: every tempo from the slowest's half to the fastest's one and a half."""
    lowest, highest = 0.5 * max(tempos), 1.5 * min(tempos)
    found = said(kit(*({"bpm": bpm} for bpm in tempos)))
    if abs(lowest - highest) > 1e-6:
        assert bool(found) == (lowest > highest)


def test_the_same_sound_under_two_ids_is_told_apart_from_one_sample_on_two_pads() -> None:
    same = {"content_hash": "x", "sample_id": 7}
    assert said(kit(same, same)) == []
    assert said(kit(same, {"content_hash": "x"})) == [("kit K, A2, line 3", "The same sound as A1 (line 2)")]
    assert said(kit(same, {"content_hash": "x", "kit": "L"})) == []


def test_silence_and_clipping() -> None:
    rows = kit({"peak": 0.0}, {"peak": 1.5}, {"peak": 1.01})
    assert said(rows) == [
        ("kit K, A1, line 2", "The sample is silent"),
        ("kit K, A2, line 3", "Louder than full scale, and will be clipped: +3.5 dBFS"),
    ]
    assert len(said(rows, turned_down=True)) == 1


def test_a_kit_of_which_no_row_is_left() -> None:
    blank: dict[str, object] = dict.fromkeys(REJECT_SCHEMA)
    rejects = pl.DataFrame(
        [blank | {"line": line, "kit": name} for line, name in ((5, "Gone"), (4, "Gone"), (9, "K"))], REJECT_SCHEMA
    )
    found = lint_kits(kit({}), rejects, {}, turned_down=False)
    assert [(finding.where, finding.what) for finding in found] == [
        ("kit Gone, line 4", "The kit is empty: none of its rows can be used")
    ]


def test_findings_stand_in_the_order_of_lines() -> None:
    rows = kit({"peak": 0.0, "kit": "B"}, {"peak": 0.0, "kit": "A"}, {"peak": 0.0, "kit": "B"})
    lines = [int(where.rsplit(" ", 1)[1]) for where, _ in said(rows)]
    assert all(one < other for one, other in itertools.pairwise(lines))
    assert len(lines) == 3
