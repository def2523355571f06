"""Names by the contract's rules, judged by an oracle that reads them letter by letter."""

import string
import unicodedata
from collections.abc import Callable

import polars as pl
import pytest
from anyascii import anyascii
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.device import RESERVED_NAMES
from tasks.layout import file_names
from tests.support.lanes import examples
from tests.support.layout_judges import CLEAN, WINDOWS_FORBIDDEN, assert_safe, caseless, is_windows_device

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
ROOM = 80 - len("_metadata.txt")
LOSSLESS = {"wav", "wave", "w64", "rf64", "aif", "aiff", "aifc", "flac", "caf", "au", "snd", "wv"}
EXTENSIONS = LOSSLESS | {"mp3", "m4a", "mp4", "aac", "ogg", "oga", "opus"}
MUSICAL = {"♯": "#", "♭": "b", "\u2019": "'", "\u2018": "'", "\u2013": "-", "\u2014": "-", "\uff03": "#"}
WORDS = {"&": " and ", "+": " plus ", "@": " at ", "%": " percent "}


def sanitized(title: str) -> str:
    return file_names.sanitize_names(pl.Series([title])).item()


def made_safe(title: str) -> str:
    return file_names.make_names_safe(pl.Series([title])).item()


# ---- the oracle ----


def oracle(title: str) -> str:
    """The name as the rules give it, before it is shortened."""
    letters = [c for c in in_ascii(without_extension(title)) if c not in "'`"]
    spelt = "".join(letter_for(letters, at) for at in range(len(letters))).lower()
    name = ""
    for run in runs(spelt):
        if set(run) <= set("_-"):
            name += "-" if "-" in run else "_"
        else:
            name += run
    name = name.strip("_-")
    return f"x_{name}" if name in RESERVED_NAMES else name


def without_extension(title: str) -> str:
    stem, dot, extension = title.rpartition(".")
    return stem if dot and extension.lower() in EXTENSIONS else title


def in_ascii(name: str) -> str:
    """Letter by letter; emoji and other ornaments are left out, unless nothing else is there."""
    if name.isascii():
        return name
    letters = [MUSICAL.get(c, c) for c in unicodedata.normalize("NFC", name)]
    words = "".join(anyascii(" " if unicodedata.category(c) in {"So", "Sk", "Cf", "Cn", "Co"} else c) for c in letters)
    return words if any(c in LETTERS_AND_DIGITS for c in words) else "".join(anyascii(c) for c in letters)


def letter_for(letters: list[str], at: int) -> str:
    letter = letters[at]
    if letter in LETTERS_AND_DIGITS or letter == "-":
        return letter
    if letter == "#":
        before = letters[at - 1] if at else ""
        after = letters[at + 1] if at + 1 < len(letters) else ""
        is_number = after in set(string.digits) and before not in set(LETTERS_AND_DIGITS)
        return "no" if is_number else "sharp"
    return WORDS.get(letter, "_").replace(" ", "_")


def runs(text: str) -> list[str]:
    """The text cut where separators begin and end."""
    parts: list[str] = []
    for c in text:
        if parts and (c in "_-") == (parts[-1][-1] in "_-"):
            parts[-1] += c
        else:
            parts.append(c)
    return parts


# ---- sanitized ----

LATIN = st.sampled_from(
    ["Kick", "snare", "808", "F#m", "C#3", "#1", "##", "90.5", "Café", "Größe", "con", "NUL", "com1", "aux."]
)
OTHER_SCRIPTS = st.sampled_from(
    ["日本", "キック", "Москва", "🔥", "👍🏽", "♯", "♭", "é", "e\u0301", "½", "№", "™", "ﬁ", "com¹"]
)
MARKS = st.sampled_from(
    ["'", "\u2019", "`", "_", "__", "-", "--", "\u2013", " ", ".", "..", "/", "\\", "&", "+", "@", "%", "~"]
)
CONTROLS = st.sampled_from(["\0", "\t", "\n", "\x85", "\u200b", "\u202e", "\ue000"])
EXTENSION = st.sampled_from([".wav", ".WAV", ".mp3", ".Aif", ".opus", ".txt"])
PIECES = st.one_of(LATIN, OTHER_SCRIPTS, MARKS, CONTROLS, EXTENSION)
TITLES = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join), st.text(min_size=60, max_size=120))


@pytest.mark.thorough
@settings(max_examples=examples(250), deadline=None)
@given(TITLES)
@example("Sick Beat (2024) 🔥.mp3")
@example("x" * 200)
@example("a b c " * 40)
@example("-" * 100)
@example("#1'#2 #3 ##4 a#5")
def test_names_agree_with_the_oracle(title: str) -> None:
    name, whole = sanitized(title), oracle(title)
    if len(whole) <= ROOM:
        assert name == whole
    else:
        assert whole.endswith(name)
        assert ROOM - 22 <= len(name) <= ROOM
        assert name[0] not in "_-"
    assert not name or CLEAN.fullmatch(name)
    assert not is_windows_device(name)
    assert "__" not in name


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(TITLES)
def test_a_name_that_is_clean_stays(title: str) -> None:
    name = sanitized(title)
    assert sanitized(name) == name


@pytest.mark.thorough
@settings(max_examples=examples(30), deadline=None)
@given(st.lists(TITLES, max_size=8))
def test_a_column_gives_what_its_cells_give(titles: list[str]) -> None:
    column = pl.Series(titles, dtype=pl.String)
    assert file_names.sanitize_names(column).to_list() == [sanitized(title) for title in titles]
    assert file_names.make_names_safe(column).to_list() == [made_safe(title) for title in titles]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Sick Beat (2024) 🔥.mp3", "sick_beat_2024"),
        ("Café", "cafe"),
        ("Cafe\u0301", "cafe"),
        ("Straße", "strasse"),
        ("90.5", "90_5"),
        ("905", "905"),
        ("Fm", "fm"),
        ("KICK.WAV", "kick"),
        ("kick.wav.wav", "kick_wav"),
        ("kick.txt", "kick_txt"),
        ("hip-hop", "hip-hop"),
        ("a - b", "a-b"),
        (".hidden", "hidden"),
        ("-dash-", "dash"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\Windows\\kick", "c_windows_kick"),
        ("Don't", "dont"),
        ("Don\u2019t", "dont"),
        ("", ""),
        ("...", ""),
        ("_-_", ""),
    ],
)
def test_worked_examples(title: str, name: str) -> None:
    assert sanitized(title) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("F#m", "Fm"), ("F♯m", "Fm"), ("90.5", "905"), ("C#", "C"), ("a-b", "ab"), ("Kick #1", "Kick 2"), ("+6dB", "6dB")],
)
def test_what_differs_to_a_musician_differs(one: str, other: str) -> None:
    assert sanitized(one) != sanitized(other)


@pytest.mark.parametrize("title", ["日本語", "キック", "мой бит", "드럼", "鼓", "ไทย", "हिन्दी", "عربي", "🔥", "🥁🥁"])
def test_no_script_becomes_empty(title: str) -> None:
    assert CLEAN.fullmatch(sanitized(title))


def test_a_long_name_keeps_its_end_from_a_word_on() -> None:
    name = sanitized("Some Sample Pack Volume Three Deluxe Edition " * 3 + "Kick Hard 07.wav")
    assert name.endswith("_kick_hard_07")
    assert len(name) <= ROOM
    assert name.split("_")[0] in ("some", "sample", "pack", "volume", "three", "deluxe", "edition")


# ---- made_safe ----


@pytest.mark.thorough
@settings(max_examples=examples(500), deadline=None)
@given(TITLES)
@example("🔥" * 300)
@example("e\u0301" * 100)
def test_a_title_made_safe_is_safe(title: str) -> None:
    name = made_safe(title)
    if name:
        assert_safe(f"{name}.wav")
        assert_safe(f"{name}/x.wav")


@pytest.mark.parametrize("title", ["a" * 20 + "-" * 64 + "con", "y" * 10 + "con." + "z" * 63, "é" * 60 + " . NUL"])
def test_shortening_does_not_lay_bare_a_reserved_name(title: str) -> None:
    assert_safe(f"{made_safe(title)}.wav")


ORDINARY = st.characters(categories=["L", "N", "So"], include_characters="()[]{}!,;'&+=#@%~^$ -_.") | st.sampled_from("🔥é日 ")


@settings(max_examples=200, deadline=None)
@given(st.text(ORDINARY, min_size=1, max_size=15))
def test_a_safe_title_is_kept_as_it_is(title: str) -> None:
    title = unicodedata.normalize("NFC", title)
    is_safe = (
        title[0] not in ".- " and title[-1] not in ". " and len(title.encode()) <= ROOM and not set(title) & WINDOWS_FORBIDDEN
    )
    if is_safe and title.split(".")[0].strip().lower() not in RESERVED_NAMES and title.lower() not in RESERVED_NAMES:
        assert made_safe(title) == title


@pytest.mark.parametrize("make", [file_names.sanitize_names, file_names.make_names_safe])
def test_reserved_names_are_never_given(make: Callable[[pl.Series], pl.Series]) -> None:
    wraps = ("{}", "{}.wav", "{} ", " {}", "{}.", "{}.txt", "_{}_", "-{}")
    titles = [wrap.format(word) for name in RESERVED_NAMES for word in (name, name.upper(), name.title()) for wrap in wraps]
    for name in make(pl.Series(titles)):
        assert name.lower() not in RESERVED_NAMES
        assert not is_windows_device(name)


# ---- folded ----


CASED = "aAéÉe\u0301ßẞsS\u017fiI\u0131K\u212aµ\u03bcΣ\u03c3ς_7\uff17"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(CASED, max_size=4), min_size=2, max_size=6))
def test_names_that_match_without_case_fold_alike(titles: list[str]) -> None:
    folded = file_names.fold_names(pl.Series(titles)).to_list()
    by_fold = {caseless(title): fold for title, fold in zip(titles, folded, strict=True)}
    assert all(by_fold[caseless(title)] == fold for title, fold in zip(titles, folded, strict=True))


def test_folding_of_ascii_does_not_depend_on_its_neighbours() -> None:
    ascii_names = ["Kick", "KICK__7", "a-b", "~"]
    alone = file_names.fold_names(pl.Series(ascii_names)).to_list()
    assert file_names.fold_names(pl.Series([*ascii_names, "é"])).to_list()[:-1] == alone


@pytest.mark.parametrize(
    ("small", "great"),
    [
        ("\u0390", "\u03aa\u0301"),
        ("\u03b0", "\u03ab\u0301"),
        ("\u1fb7", "\u0391\u0342\u0399"),
        ("é", "E\u0301"),
        ("ß", "ẞ"),
        ("ǰ", "J\u030c"),
    ],
)
def test_case_and_accents_fold_together(small: str, great: str) -> None:
    assert caseless(small) == caseless(great)
    folded = file_names.fold_names(pl.Series([small, great]))
    assert folded[0] == folded[1]
