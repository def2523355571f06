"""What names tell, judged by a table of what a person reads from them: an empty value may be right, a wrong one never."""

import re
import string
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.scan_values import THRESHOLD
from tests.support.scan_table import Row, rows, told

ROWS = rows()
FIELDS = ("bpm", "musical_key", "kind")
# Of what a person can tell so much is told at least; the rest is left empty.
LEAST_TOLD = 0.9


def values(row: Row) -> dict[str, str]:
    found = told(row.stem, row.folders, row.seconds)
    return {name: found[name].value if name in found else "" for name in FIELDS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.path} {row.seconds or ''}")
def test_nothing_wrong_is_read_from_a_name(row: Row) -> None:
    for name, value in values(row).items():
        assert value in ("", row.expected[name]), name


def test_most_of_what_a_person_can_tell_is_told() -> None:
    assert len({row.path for row in ROWS}) >= 150
    expected = Counter(name for row in ROWS for name in FIELDS if row.expected[name])
    found = Counter(name for row in ROWS for name, value in values(row).items() if value)
    for name in FIELDS:
        assert expected[name] >= 30
        assert found[name] >= LEAST_TOLD * expected[name], name


WORDS = st.sampled_from(
    "loop Loop bpm BPM 120 120bpm 92.5 120,5 999bpm 0 30 20bpm Am F#m C minor maj A B - _ . ( ) # 808 kHz 96 vol 2024 break"
    " kick 夜 🔥 ١٢٠ \uff11\uff12\uff10 to -12dB 1e5 inf nan 300bpm 301bpm 00120bpm".split()
)
NAMES = st.one_of(
    st.text(max_size=60),
    st.text(string.ascii_letters + string.digits + "_- .,#()", max_size=40),
    st.lists(WORDS, max_size=8).map(" ".join),
    st.lists(WORDS, max_size=8).map("".join),
)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(NAMES, st.lists(NAMES, max_size=2), st.one_of(st.none(), st.floats(0.001, 900)))
def test_no_name_invents_a_tempo_or_a_number_that_is_not_in_it(stem: str, folders: list[str], seconds: float | None) -> None:
    found = told(stem, folders, seconds)
    assert all(THRESHOLD <= guess.confidence <= 1 and guess.source and guess.value for guess in found.values())
    if bpm := found.get("bpm"):
        assert 30 <= float(bpm.value) <= 300
        text = unicodedata.normalize("NFKC", " ".join([stem, *folders])).replace(",", ".")
        assert float(bpm.value) in {float(number) for number in re.findall(r"\d+(?:\.\d+)?", text, re.ASCII)}
    if key := found.get("musical_key"):
        assert re.fullmatch(r"[A-G][#b]?(m|maj)", key.value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([row for row in ROWS if not row.folders]), st.sampled_from(["夜 ", "Ünder ", "(x) "]))
def test_words_of_other_scripts_change_nothing(row: Row, front: str) -> None:
    found = told(front + row.stem, [], row.seconds)
    for name in ("musical_key", "kind"):
        assert name not in found or found[name].value == row.expected[name]
