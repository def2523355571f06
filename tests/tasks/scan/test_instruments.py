"""Instruments and kinds that names tell, judged by a table of what a person reads from them: none may be wrong."""

from collections import Counter

from tests.support.scan_table import instrument_rows, rows

ROWS = instrument_rows()
LEAST_TOLD = 0.97


def test_no_wrong_instrument_and_kind_and_hardly_any_that_is_missing() -> None:
    assert len({row.path for row in ROWS} | {row.path for row in rows()}) >= 600
    wrong, expected, found = [], Counter[str](), Counter[str]()
    for row in ROWS:
        for column, value in row.told().items():
            truth = row.tags if column == "tags" else row.kind
            if truth is None:
                continue
            expected[column] += bool(truth)
            found[column] += bool(value)
            if value not in ("", truth):
                wrong.append((row.path, row.seconds, column, truth, value))
    assert not wrong
    assert expected["tags"] >= 250
    assert expected["kind"] >= 250
    for column, count in expected.items():
        assert found[column] >= LEAST_TOLD * count, column
