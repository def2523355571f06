"""Where samples go: by the contract's table, safe on any card, each its own path, and the same however rows come."""

import random
import re

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.device import RESERVED_NAMES
from schemas.enums import AudioFormat, OrganizeBy
from tasks.layout.paths import FOREIGN_SAMPLE, PathRules, assign_paths
from tests.support.lanes import examples
from tests.support.layout_judges import Row, assert_apart, assert_safe, caseless, frame_of, paths_of, titled

STRATEGIES = [str(strategy) for strategy in OrganizeBy]
NAME = r"[a-z0-9_][a-z0-9_-]*"
BUCKETS = r"(slow|70-90|90-110|110-130|130-150|fast|unknown_bpm)"
PATTERNS = {
    "flat": rf"{NAME}\.(wav|aiff)",
    "genre": rf"{NAME}/{NAME}\.(wav|aiff)",
    "bpm": rf"{BUCKETS}/{NAME}\.(wav|aiff)",
    "folder": rf"({NAME}/)*{NAME}\.(wav|aiff)",
    "kit": rf"({NAME}/bank_[A-J]/pad_(0[1-9]|1[0-6])_{NAME}|unknown_kit/{NAME})\.(wav|aiff)",
}

# ---- rows as manifests hold them, and worse ----

COLLIDING = [
    "kick",
    "Kick",
    "KICK ",
    "kick.",
    "kick__2",
    "kick__7",
    "kick_2",
    "kick 7",
    "_7",
    "__7",
    "sample_3",
    "é",
    "e\u0301",
    "É",
]
HOSTILE = [
    "..",
    "../../etc/passwd",
    "/etc",
    "C:\\x",
    "con",
    "NUL.txt",
    "a\0b",
    "a\nb",
    "-rf",
    ".x",
    "~",
    " ",
    "",
    "x.",
    "\u202e",
    "a/b",
]
LONG = [
    "🔥" * 300,
    "é" * 100,
    "a" * 100,
    "a" * 67,
    "a" * 46 + "b" * 30,
    "pack " * 20 + "kick",
    "-" * 90 + "con",
    "y" * 9 + "con." + "z" * 63,
]
FOLDED_DIGITS = ["kick__\uff17", "kick__²", "kick\uff3f\uff3f3", "kick__\u0967", "\u0390", "\u03aa\u0301", "ß", "ẞ", "SS"]
TEXTS = st.one_of(*map(st.sampled_from, (COLLIDING, HOSTILE, LONG, FOLDED_DIGITS)), st.text(max_size=12))
# Of each sample, by its id.
SOURCES = [
    None,
    "/lib/Dusty/Kicks/a.wav",
    "/lib/Vinyl/Kicks/a.wav",
    "/lib/Dusty/003.wav",
    "/lib/7 8/003.wav",
    "/lib/con/3.wav",
    "/lib/kick.wav/x.wav",
    "/lib/..x/2/É.wav",
    "/x_metadata.txt/y.wav",
    "/lib/" + "\U0001f525" * 60 + "/z.wav",
    "/lib/7/kick.wav",
]
PLAIN = st.sampled_from([*COLLIDING, "snare", "hat", "日本", "F#m", "003", "3", "kick dusty"])
KITS = st.one_of(
    st.none(),
    st.sampled_from(["My Kit!", "my kit", "MY-KIT", "unknown_kit", "Unknown_Kit", "k__2", "K", "k", "con", "../x", "🔥"]),
    TEXTS,
)


@st.composite
def manifests(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS, ids: st.SearchStrategy[int] | None = None) -> list[Row]:
    """Rows as ``assign_paths`` gets them: one sample per slot of a kit, and kits numbered in the order they came."""
    row = st.tuples(
        st.integers(1, 9) if ids is None else ids,
        texts,
        st.none() | texts,
        st.none() | st.floats(20, 300),
        KITS,
        st.sampled_from("ABJ"),
        st.integers(1, 16),
    )
    names = ("sample_id", "title", "genre", "bpm", "kit", "bank", "pad")
    rows = [dict(zip(names, cells, strict=True)) for cells in draw(st.lists(row, max_size=10))]
    rows = [row | {"source": SOURCES[row["sample_id"] % len(SOURCES)]} for row in rows]
    return numbered(rows)


def numbered(rows: list[Row], kit_ids: dict[object, int] | None = None) -> list[Row]:
    ids = {} if kit_ids is None else kit_ids
    slots: set[object] = set()
    done = []
    for row in rows:
        slot = (row["kit"], row["bank"], row["pad"])
        if not row["kit"] or slot in slots:
            done.append(row | {"kit": None, "kit_id": None, "bank": None, "pad": None})
        else:
            slots.add(slot)
            done.append(row | {"kit_id": ids.setdefault(row["kit"], len(ids) + 1)})
    return done


def held_by(rows: list[Row], paths: list[str]) -> pl.DataFrame:
    """What the record knows after an export."""
    held = {(path, row["sample_id"]) for row, path in zip(rows, paths, strict=True)}
    return pl.DataFrame(sorted(held, key=str), {"path": pl.String, "sample_id": pl.Int64}, orient="row")


relaxed = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
strategies = st.sampled_from(STRATEGIES)

# ---- what the contract's table says ----


@pytest.mark.thorough
@relaxed
@given(organize_by=strategies, rows=manifests(), audio_format=st.sampled_from(["wav", "aiff"]))
def test_clean_paths_are_those_of_the_contract(organize_by: str, rows: list[Row], audio_format: str) -> None:
    paths = paths_of(rows, organize_by, audio_format=audio_format)
    for row, path in zip(rows, paths, strict=True):
        assert_safe(path)
        assert re.fullmatch(PATTERNS[organize_by], path)
        assert path.endswith(f".{audio_format}")
        assert not {part.split(".")[0] for part in path.split("/")} & RESERVED_NAMES
        if organize_by == "kit":
            assert path.startswith("unknown_kit/") == (row["kit"] is None)
            if row["kit"]:
                assert f"/bank_{row['bank']}/pad_{row['pad']:02d}_" in path
    assert_apart(rows, paths)


@pytest.mark.thorough
@relaxed
@given(organize_by=strategies, rows=manifests())
def test_titles_kept_as_they_are_give_safe_paths(organize_by: str, rows: list[Row]) -> None:
    for row, path in zip(rows, paths_of(rows, organize_by, sanitize=False), strict=True):
        assert_safe(path)
        if organize_by != "folder":
            assert path.count("/") == {"flat": 0, "kit": 2 if row["kit"] else 1}.get(organize_by, 1)


@pytest.mark.thorough
@pytest.mark.slow
@relaxed
@given(organize_by=strategies, rows=manifests())
def test_titles_kept_as_they_are_stay_apart(organize_by: str, rows: list[Row]) -> None:
    assert_apart(rows, paths_of(rows, organize_by, sanitize=False))


@pytest.mark.parametrize(
    ("bpm", "bucket"),
    [
        (None, "unknown_bpm"),
        (20.0, "slow"),
        (69.999, "slow"),
        (70.0, "70-90"),
        (89.999, "70-90"),
        (90.0, "90-110"),
        (109.999, "90-110"),
        (110.0, "110-130"),
        (129.999, "110-130"),
        (130.0, "130-150"),
        (149.999, "130-150"),
        (150.0, "fast"),
        (300.0, "fast"),
    ],
)
@pytest.mark.parametrize("sanitize", [True, False])
def test_a_bucket_holds_its_lower_bound(bpm: float | None, bucket: str, sanitize: bool) -> None:
    assert paths_of([{"sample_id": 1, "title": "x", "bpm": bpm}], "bpm", sanitize) == [f"{bucket}/x.wav"]


@pytest.mark.parametrize(
    ("row", "organize_by", "path"),
    [
        ({"title": "Sick Beat (2024) 🔥.mp3"}, "flat", "sick_beat_2024.wav"),
        ({"title": "Café"}, "flat", "cafe.wav"),
        ({"title": "90.5"}, "flat", "90_5.wav"),
        ({"title": "Kick", "genre": "Hip-Hop"}, "genre", "hip-hop/kick.wav"),
        ({"title": "Kick", "genre": None}, "genre", "unknown_genre/kick.wav"),
        ({"title": "Kick", "genre": ".."}, "genre", "unknown_genre/kick.wav"),
        ({"title": "../../Kick", "genre": "../../etc"}, "genre", "etc/kick.wav"),
        (
            {"title": "Kick", "kit": "My Kit Name", "kit_id": 1, "bank": "A", "pad": 1},
            "kit",
            "my_kit_name/bank_A/pad_01_kick.wav",
        ),
        ({"title": "Kick", "kit": "../../etc", "kit_id": 1, "bank": "J", "pad": 16}, "kit", "etc/bank_J/pad_16_kick.wav"),
        ({"title": "Kick"}, "kit", "unknown_kit/kick.wav"),
    ],
)
def test_worked_examples(row: Row, organize_by: str, path: str) -> None:
    assert paths_of([row | {"sample_id": 1}], organize_by) == [path]


@pytest.mark.parametrize("organize_by", STRATEGIES)
@pytest.mark.parametrize("sanitize", [True, False])
def test_a_plan_of_nothing_is_empty(organize_by: str, sanitize: bool) -> None:
    assert paths_of([], organize_by, sanitize) == []


# ---- who gets a name ----


def test_the_lowest_id_keeps_the_name_and_the_others_carry_theirs() -> None:
    rows: list[Row] = [{"sample_id": number, "title": title} for number, title in ((30, "Kick"), (4, "kick"), (200, "KICK!"))]
    assert paths_of(rows) == ["kick__30.wav", "kick.wav", "kick__200.wav"]


def test_rows_of_one_sample_share_a_path() -> None:
    rows: list[Row] = [{"sample_id": 1, "title": "kick"}, {"sample_id": 2, "title": "kick"}, {"sample_id": 1, "title": "Kick"}]
    assert paths_of(rows) == ["kick.wav", "kick__2.wav", "kick.wav"]


@pytest.mark.parametrize("sanitize", [True, False])
def test_a_title_that_looks_like_a_suffix_takes_no_name_away(sanitize: bool) -> None:
    for titles in (
        ("kick", "kick", "kick__2"),
        ("kick__2", "kick", "kick"),
        ("kick__3", "kick", "kick"),
        ("kick__1", "kick__1", "kick"),
    ):
        assert_apart(titled(*titles), paths_of(titled(*titles), sanitize=sanitize))


@pytest.mark.parametrize("title", ["kick__\uff13", "kick__³", "kick__③", "kick\uff3f\uff3f3", "kick_\ufe4d3"], ids=ascii)
def test_digits_of_other_scripts_are_no_suffix(title: str) -> None:
    rows = titled(title, "kick", "kick")
    assert_apart(rows, paths_of(rows, sanitize=False))


@pytest.mark.parametrize(
    "titles",
    [
        ("kick", "Kick", "KICK"),
        ("é", "e\u0301", "É"),
        ("a", "a.", "a ", "a..."),
        ("a:b", "a/b", "a*b"),
        ("🔥" * 300, "🔥" * 299 + "🔥", "🔥" * 17),
    ],
    ids=ascii,
)
def test_titles_that_a_card_takes_for_one_are_told_apart(titles: tuple[str, ...]) -> None:
    rows = titled(*titles)
    paths = paths_of(rows, sanitize=False)
    assert_apart(rows, paths)
    assert len({caseless(path) for path in paths}) == len(titles)
    for path in paths:
        assert_safe(path)


@pytest.mark.parametrize(("small", "great"), [("\u0390", "\u03aa\u0301"), ("\u03b0", "\u03ab\u0301")])
def test_accented_letters_without_a_capital_of_their_own(small: str, great: str) -> None:
    rows = titled(small, great)
    assert_apart(rows, paths_of(rows, sanitize=False))


@pytest.mark.parametrize("device", ["con.", "é.nul.", "Aux ."])
def test_a_suffix_does_not_lay_bare_a_reserved_name(device: str) -> None:
    """What is cut off in front to make room for a suffix may leave a device's name there."""
    titles = ["y" * before + device + "z" * (64 - before - len(device)) for before in range(12, 36)]
    rows = titled(*titles, *titles)
    for path in paths_of(rows, sanitize=False) + paths_of(kick_in([*titles, *map(str.upper, titles)]), "kit", sanitize=False):
        assert_safe(path)


# ---- folders of kits ----


def kick_in(kits: list[str]) -> list[Row]:
    """A sample on the first pad of each kit."""
    kick: Row = {"title": "kick", "bank": "A", "pad": 1}
    return [kick | {"sample_id": number, "kit": kit, "kit_id": number} for number, kit in enumerate(kits, 1)]


@pytest.mark.parametrize(
    "kits",
    [
        ["My Kit", "my kit", "MY-KIT", "my_kit", "My Kit!"],
        ["kit", "!!!", "...", "-", "kit__2", "KIT"],
        ["unknown_kit", "Unknown Kit", "unknown_kit_kit", "UNKNOWN_KIT"],
        ["a" * 300, "b" + "a" * 300, "A" * 300],
        ["Café", "Cafe", "CAFE\u0301"],
        ["k__3", "k", "K"],
        ["K__2", "k"],
    ],
    ids=lambda kits: ascii(kits[0])[:20],
)
@pytest.mark.parametrize("sanitize", [True, False])
def test_kits_stay_apart(kits: list[str], sanitize: bool) -> None:
    loose: Row = {"sample_id": 99, "title": "kick"}
    paths = paths_of([*kick_in(kits), loose], "kit", sanitize)
    folders = [caseless(path.split("/")[0]) for path in paths]
    assert len(set(folders)) == len(kits) + 1
    assert len({path.split("/", 1)[1] for path in paths[:-1]}) == 1


@pytest.mark.thorough
@pytest.mark.slow
@relaxed
@given(st.lists(st.one_of(KITS.filter(bool), st.text(min_size=1, max_size=4)), unique=True, max_size=8), st.booleans())
def test_no_two_kits_share_a_folder(kits: list[str], sanitize: bool) -> None:
    paths = paths_of(kick_in(kits), "kit", sanitize)
    assert len({caseless(path.split("/")[0]) for path in paths}) == len(kits)


def test_the_oldest_kit_keeps_the_plain_folder() -> None:
    rows = kick_in(["My Kit", "my-kit", "my kit"])
    assert paths_of(list(reversed(rows)), "kit")[::-1] == [
        "my_kit/bank_A/pad_01_kick.wav",
        "my-kit/bank_A/pad_01_kick.wav",
        "my_kit__3/bank_A/pad_01_kick.wav",
    ]


# ---- names that stay ----


@pytest.mark.thorough
@relaxed
@given(organize_by=strategies, rows=manifests(), sanitize=st.booleans(), seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(organize_by: str, rows: list[Row], sanitize: bool, seed: int) -> None:
    paths = paths_of(rows, organize_by, sanitize)
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    shuffled = paths_of([rows[at] for at in order], organize_by, sanitize)
    assert shuffled == [paths[at] for at in order]


@pytest.mark.thorough
@relaxed
@given(organize_by=strategies, rows=manifests(PLAIN), more=manifests(PLAIN, st.integers(10, 19)), sanitize=st.booleans())
def test_names_stay_when_newer_samples_come(organize_by: str, rows: list[Row], more: list[Row], sanitize: bool) -> None:
    grown = numbered([*rows, *more])[: len(rows) + len(more)]
    old = grown[: len(rows)]
    assert paths_of(grown, organize_by, sanitize)[: len(old)] == paths_of(old, organize_by, sanitize)


@pytest.mark.thorough
@relaxed
@given(organize_by=strategies, rows=manifests(PLAIN), more=manifests(PLAIN), sanitize=st.booleans())
def test_names_stay_by_the_record_whatever_comes(organize_by: str, rows: list[Row], more: list[Row], sanitize: bool) -> None:
    grown = numbered([*rows, *more])
    old = grown[: len(rows)]
    before = paths_of(old, organize_by, sanitize)
    paths = paths_of(grown, organize_by, sanitize, held_by(old, before))
    assert paths[: len(old)] == before
    assert_apart(grown, paths)


def test_a_newcomer_with_a_lower_id_does_not_take_a_held_name() -> None:
    held = pl.DataFrame({"path": ["kick.wav"], "sample_id": [7]})
    rows: list[Row] = [{"sample_id": 7, "title": "Kick"}, {"sample_id": 1, "title": "kick"}]
    assert paths_of(rows, held=held) == ["kick.wav", "kick__1.wav"]


@pytest.mark.parametrize("taken", [["kick.wav"], ["KICK.wav"], ["kick.wav", "kick__5.wav"], ["kick__5.wav"]], ids="+".join)
def test_what_another_library_holds_is_given_to_no_one(taken: list[str]) -> None:
    held = pl.DataFrame({"path": taken, "sample_id": [FOREIGN_SAMPLE] * len(taken)})
    rows: list[Row] = [{"sample_id": 5, "title": "kick"}, {"sample_id": 9, "title": "kick"}]
    paths = paths_of(rows, held=held)
    assert not {caseless(path) for path in paths} & {caseless(path) for path in taken}
    assert_apart(rows, paths)


def test_a_second_spelling_of_a_sample_does_not_rename_it() -> None:
    one, two = {"sample_id": 1, "title": "kick"}, {"sample_id": 1, "title": "KICK"}
    (before,) = paths_of([one], sanitize=False)
    assert paths_of([one, two], sanitize=False, held=held_by([one], [before])) == [before, before]


STRANGERS = st.tuples(
    st.sampled_from(["kick.wav", "KICK.wav", "kick__2.wav", "Kick__2-2.wav", "é.wav", "slow/kick.wav", "x/y.wav"]),
    st.just(FOREIGN_SAMPLE) | st.integers(1, 9),
)


@pytest.mark.thorough
@pytest.mark.slow
@relaxed
@given(organize_by=strategies, rows=manifests(PLAIN), strangers=st.lists(STRANGERS, max_size=6), sanitize=st.booleans())
@example(organize_by="flat", rows=titled("kick", "Kick"), strangers=[("kick.wav", 9), ("KICK.wav", 2)], sanitize=True)
def test_whatever_the_record_holds_paths_stay_apart(
    organize_by: str, rows: list[Row], strangers: list[tuple[str, int]], sanitize: bool
) -> None:
    by_path = {caseless(path): (path, holder) for path, holder in strangers}
    held = pl.DataFrame(list(by_path.values()), {"path": pl.String, "sample_id": pl.Int64}, orient="row")
    paths = paths_of(rows, organize_by, sanitize, held)
    assert_apart(rows, paths)
    for path in paths:
        assert_safe(path)
        assert by_path.get(caseless(path), ("", None))[1] != FOREIGN_SAMPLE


def test_other_columns_and_the_order_of_rows_are_kept() -> None:
    rows = frame_of(titled("b", "a", "a")).with_columns(line=pl.Series([7, 5, 9]))
    placed = assign_paths(rows, PathRules(OrganizeBy.FLAT, AudioFormat.WAV, True))
    assert placed.select(rows.columns).equals(rows)
    assert placed.columns == [*rows.columns, "bpm_bucket", "path"]


def test_a_genre_keeps_its_folder_when_its_first_spelling_is_gone() -> None:
    """Again and again, for the order of distinct values is another each time."""
    genres = ["hip hop", *(f"genre {number}" for number in range(40))]
    rows: list[Row] = [{"sample_id": n, "title": f"T {n}", "genre": genre} for n, genre in enumerate(genres, 1)]
    held = pl.DataFrame({"path": ["hip-hop/t_1.wav", "genre_3/t_5.wav"], "sample_id": [1, 5]})
    assert {paths_of(rows, OrganizeBy.GENRE, held=held)[0] for _ in range(30)} == {"hip-hop/t_1.wav"}
