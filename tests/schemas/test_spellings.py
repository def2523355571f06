"""Spellings of one name fold to the same, those of two names never: judged by the words that they were made of."""

import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.spellings import fold_genres, fold_kits

WORDS = st.lists(
    st.sampled_from(["night", "bus", "808", "caf\xe9", "\xfcber", "\u591c", "lo", "fi", "n"]), min_size=1, max_size=4
)
SPACES = st.sampled_from([" ", "  ", "_", "\xa0", " _ ", "\t", "\u3000", "\u2009", " \u200b"])
GAPS_OF_GENRES = st.one_of(SPACES, st.sampled_from(["", "-", " - ", "\u2013", "\u200d"]))


@st.composite
def spelt(draw: st.DrawFn, words: list[str], gaps: st.SearchStrategy[str] = SPACES) -> str:
    """A way to write words one behind the other."""
    text = "".join(draw(gaps) + draw(st.sampled_from([word, word.upper(), word.title()])) for word in words) + draw(gaps)
    return unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), text)


@given(st.data(), WORDS, WORDS)
def test_a_kit_is_known_by_its_words(data: st.DataObject, first: list[str], second: list[str]) -> None:
    names = [data.draw(spelt(words)) for words in (first, first, second)]
    one, same, other = fold_kits(pl.Series(names))
    assert one == same == " ".join(first)
    assert (one == other) == (first == second)


@given(st.data(), WORDS, WORDS)
def test_a_genre_is_known_by_its_letters(data: st.DataObject, first: list[str], second: list[str]) -> None:
    names = [data.draw(spelt(words, GAPS_OF_GENRES)) for words in (first, first, second)]
    one, same, other = fold_genres(pl.Series(names))
    assert one == same == "".join(first)
    assert (one == other) == ("".join(first) == "".join(second))


def test_other_signs_and_nulls_stay() -> None:
    kits = pl.Series(["Kit-1", "Kit 1", "Kit1", "R&B", "\U0001f525", "", None])
    assert fold_kits(kits).to_list() == ["kit-1", "kit 1", "kit1", "r&b", "\U0001f525", "", None]
    assert fold_genres(kits).to_list() == ["kit1", "kit1", "kit1", "r&b", "\U0001f525", "", None]
    assert fold_kits(kits.clear()).to_list() == []
