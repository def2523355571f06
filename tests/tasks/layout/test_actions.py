"""What is to be done for each file of a plan: rules that hold for any records and any manifest."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.layout import actions
from tasks.layout.actions import Action, ActionRules
from tests.support.lanes import examples

PATHS = [f"{folder}{n}.wav" for folder in ("", "house/") for n in range(4)]
JOBS: dict[str, type[pl.DataType]] = {
    "job": pl.UInt32,
    "path": pl.String,
    "ours": pl.Boolean,
    "content_hash": pl.String,
    "settings_hash": pl.String,
    "facts": pl.String,
    "output_size": pl.Int64,
    "has_text": pl.Boolean,
}
OUTPUTS: dict[str, type[pl.DataType]] = {
    "path": pl.String,
    "export_id": pl.Int64,
    "same_manifest": pl.Boolean,
    "organized_by": pl.String,
    "format": pl.String,
    "settings_hash": pl.String,
    "facts": pl.String,
    "output_bytes": pl.Int64,
    "content_hash": pl.String,
    "file_hash": pl.String,
}
CONTENTS = st.sampled_from(["c0", "c1", "c1", "c2", None])
RECIPES = st.sampled_from(["r0", "r0", "r0", "r1"])


def rarely(value: Any, other: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([value, value, value, other])


def job_rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    row = {
        "path": st.sampled_from(PATHS),
        "ours": rarely(True, False),
        "content_hash": CONTENTS,
        "settings_hash": RECIPES,
        "facts": rarely("f0", "f1"),
        "output_size": rarely(10, None),
        "has_text": rarely(True, False),
    }
    return st.lists(st.fixed_dictionaries(row), max_size=6, unique_by=lambda row: row["path"])


def output_rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    row = {
        "path": st.sampled_from(PATHS),
        "export_id": rarely(1, 2),
        "same_manifest": rarely(True, False),
        "organized_by": rarely("flat", "genre"),
        "format": rarely("wav", "aiff"),
        "settings_hash": st.one_of(RECIPES, st.none()),
        "facts": rarely("f0", None),
        "output_bytes": rarely(10, 20),
        "content_hash": CONTENTS,
        "file_hash": rarely("h", None),
    }
    return st.lists(st.fixed_dictionaries(row), max_size=8, unique_by=lambda row: row["path"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, ActionRules]:
    jobs = sorted(draw(job_rows()), key=lambda row: row["path"])
    beyond = draw(st.lists(st.sampled_from(PATHS), max_size=2))
    planned = pl.Series("path", [row["path"] for row in jobs] + beyond, dtype=pl.String)
    spared = pl.Series("path", draw(st.lists(st.sampled_from(PATHS), max_size=2)), dtype=pl.String)
    rules = ActionRules("flat", "wav", planned, draw(st.booleans()), spared, draw(rarely(True, False)), draw(rarely(None, 2)))
    return (
        pl.DataFrame([{"job": n} | row for n, row in enumerate(jobs)], JOBS),
        pl.DataFrame(draw(output_rows()), OUTPUTS),
        rules,
    )


def key_of(row: dict[str, Any]) -> tuple[str, str] | None:
    content, recipe = row["content_hash"], row["settings_hash"]
    return (content, recipe) if content and recipe else None


def is_there(job: dict[str, Any], recorded: dict[str, Any] | None) -> bool:
    """The words of the issue: content, settings, path and size are as recorded, and the file is ours."""
    return bool(
        recorded
        and job["ours"]
        and key_of(job)
        and key_of(job) == key_of(recorded)
        and job["output_size"] is not None
        and job["output_size"] == recorded["output_bytes"]
    )


@pytest.mark.thorough
@settings(max_examples=examples(150), deadline=None)
@given(cases())
def test_any_records_and_any_manifest(case: tuple[pl.DataFrame, pl.DataFrame, ActionRules]) -> None:
    jobs, outputs, rules = case
    result = actions.decide_actions(jobs, outputs, rules)
    assert_frame_equal(result.select(jobs.columns), jobs)  # every job, once, in order
    rows = {row["path"]: row for row in result.iter_rows(named=True)}
    by_job = {row["job"]: row for row in rows.values()}
    usable = {row["path"]: row for row in outputs.iter_rows(named=True) if rules.only_export_id in (None, row["export_id"])}
    planned, spared = set(rules.planned_paths), set(rules.protected_paths)
    open_paths = {path for path, row in rows.items() if row["action"] not in (Action.UNCHANGED, Action.RETEXT)}
    moved = [row["finished"] for row in rows.values() if row["action"] == Action.MOVE]
    copied = {row["finished"] for row in rows.values() if row["action"] == Action.COPY}
    assert len(set(moved)) == len(moved), "a finished file can be moved once"
    assert not set(moved) & planned, "somebody asks for it"
    assert not set(moved) & spared, "somebody has it as a source"
    assert rules.may_move or not moved, "a rejected row can mean it"
    assert not set(moved) & copied
    assert not (set(moved) | copied) & open_paths, "it is about to be replaced"
    for path, row in rows.items():
        action, recorded = Action(row["action"]), usable.get(path)
        there = is_there(row, recorded)
        told = bool(recorded and row["has_text"] and row["facts"] == recorded["facts"])
        assert (action in (Action.UNCHANGED, Action.RETEXT)) == there
        if there:
            assert (action is Action.RETEXT) == (rules.metadata_files and not told)
        match action:
            case Action.MOVE | Action.COPY:
                finished = usable[row["finished"]]
                assert key_of(finished) == key_of(row) is not None
                assert finished["file_hash"], "nobody can tell whether it is whole"
                if action is Action.MOVE:
                    assert finished["same_manifest"], "it is another manifest's"
                    assert (finished["organized_by"], finished["format"]) == ("flat", "wav"), "it is another layout's"
            case Action.FOLLOW:
                leader = by_job[row["leader"]]
                assert key_of(leader) == key_of(row) is not None
                assert leader["action"] in (Action.MOVE, Action.CONVERT), "whoever is followed gets its file at first hand"
            case Action.RETEXT:
                assert row["finished"] == path
            case Action.CONVERT:
                assert row["finished"] is None
    keys = [key_of(row) for row in rows.values() if row["action"] == Action.CONVERT and key_of(row)]
    assert len(set(keys)) == len(keys), "the same audio is converted once"
    kept = [row for path, row in usable.items() if path not in open_paths and row["file_hash"] and key_of(row)]
    assert not {key_of(row) for row in kept} & set(keys), "what is there is not converted"


@pytest.mark.thorough
@settings(max_examples=examples(80), deadline=None)
@given(cases())
def test_stale_is_what_nobody_asks_for_and_nobody_gets(case: tuple[pl.DataFrame, pl.DataFrame, ActionRules]) -> None:
    jobs, outputs, rules = case
    result = actions.decide_actions(jobs, outputs, rules)
    stale = actions.select_stale(outputs, result, rules)
    assert stale.schema == outputs.schema
    moved = set(result.filter(action="move")["finished"])
    wanted = {
        row["path"]
        for row in outputs.iter_rows(named=True)
        if row["same_manifest"] and (row["organized_by"], row["format"]) == ("flat", "wav")
    }
    assert set(stale["path"]) == wanted - set(rules.planned_paths) - set(rules.protected_paths) - moved
    assert not set(stale["path"]) & set(jobs["path"])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(case: tuple[pl.DataFrame, pl.DataFrame, ActionRules], rng: random.Random) -> None:
    jobs, outputs, rules = case
    orders = [rng.sample(range(frame.height), frame.height) for frame in (jobs, outputs)]
    one = actions.decide_actions(jobs, outputs, rules)
    other = actions.decide_actions(jobs[orders[0]], outputs[orders[1]], rules)
    columns = ["path", "action", "finished", "leader"]
    assert_frame_equal(one.select(columns).sort("path"), other.select(columns).sort("path"))


def test_nothing_to_do_and_nothing_known() -> None:
    jobs, outputs = pl.DataFrame(schema=JOBS), pl.DataFrame(schema=OUTPUTS)
    rules = ActionRules("flat", "wav", pl.Series("path", [], dtype=pl.String), True)
    result = actions.decide_actions(jobs, outputs, rules)
    assert result.is_empty()
    assert {"action", "finished", "leader"} <= set(result.columns)
    assert actions.select_stale(outputs, result, rules).is_empty()


# ---- by hand: the cases of the issue ----


def decide(
    jobs: list[dict[str, Any]], outputs: list[dict[str, Any]], planned: list[str] | None = None
) -> list[tuple[Any, ...]]:
    """Jobs and outputs by what differs from the plain: one that is there, with the content ``c<n>`` of its path ``<n>``."""
    plain = {"ours": True, "settings_hash": "r", "facts": "f", "output_size": 10, "has_text": True}
    told = {"export_id": 1, "same_manifest": True, "organized_by": "flat", "format": "wav", "settings_hash": "r"}
    told |= {"facts": "f", "output_bytes": 10, "file_hash": "h"}
    job_rows = [{"job": n} | plain | row for n, row in enumerate(jobs)]
    frame = pl.DataFrame(job_rows, JOBS)
    rules = ActionRules("flat", "wav", pl.Series("path", planned or list(frame["path"])), True)
    result = actions.decide_actions(frame, pl.DataFrame([told | row for row in outputs], OUTPUTS), rules)
    return result.select("action", "finished", "leader").rows()


def test_a_renamed_sample_moves_and_its_copies_follow() -> None:
    jobs = [{"path": f"{name}.wav", "content_hash": "c", "output_size": None} for name in "bcd"]
    found = decide(jobs, [{"path": "a.wav", "content_hash": "c"}])
    assert found == [("move", "a.wav", 0), ("follow", None, 0), ("follow", None, 0)]


def test_a_chain_of_names_moves_what_is_free_and_converts_what_is_overwritten() -> None:
    outputs = [{"path": f"{name}.wav", "content_hash": f"c{name}"} for name in "abc"]
    jobs = [{"path": f"{new}.wav", "content_hash": f"c{old}"} for old, new in ("ab", "bc", "cd")]
    jobs[2]["output_size"] = None
    found = decide(jobs, outputs)
    assert found[0][:2] == ("move", "a.wav")
    assert [action for action, _, _ in found[1:]] == ["convert", "convert"]


def test_a_swap_takes_nothing_from_either() -> None:
    outputs = [{"path": f"{name}.wav", "content_hash": f"c{name}"} for name in "ab"]
    found = decide([{"path": "a.wav", "content_hash": "cb"}, {"path": "b.wav", "content_hash": "ca"}], outputs)
    assert [action for action, _, _ in found] == ["convert", "convert"]


@pytest.mark.parametrize("other", [{"same_manifest": False}, {"organized_by": "genre"}, {"format": "aiff"}])
def test_what_is_of_another_layout_or_manifest_is_copied(other: dict[str, Any]) -> None:
    found = decide([{"path": "b.wav", "content_hash": "c"}], [{"path": "x/a.wav", "content_hash": "c"} | other])
    assert found[0][:2] == ("copy", "x/a.wav")


def test_what_a_selection_left_out_is_not_moved() -> None:
    found = decide([{"path": "b.wav", "content_hash": "c"}], [{"path": "a.wav", "content_hash": "c"}], ["a.wav", "b.wav"])
    assert found[0][:2] == ("copy", "a.wav")


# ---- contents, recipes, facts ----

SOURCES = [f"/lib/{n}.wav" for n in range(4)]
TIMES = st.integers(0, 2)


@st.composite
def known(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    now = {name: (draw(st.sampled_from([7, 8, 8, None, 0, 99])), draw(TIMES), draw(TIMES)) for name in SOURCES}
    sources = draw(st.lists(st.sampled_from(SOURCES), max_size=6))
    jobs = pl.DataFrame(
        [(source, *(now[source] if now[source][0] else (None, None, None))) for source in sources],
        {"source": pl.String, **dict.fromkeys(actions.SOURCE_STAMP, pl.Int64)},
        orient="row",
    )
    # The same state of a source has the same content, wherever it is recorded.
    rows = draw(st.lists(st.tuples(st.sampled_from(SOURCES), st.sampled_from([7, 8]), TIMES, TIMES, st.booleans()), max_size=8))
    recorded = [(s, size, m, c, f"{s}{size}{m}{c}" if told else None) for s, size, m, c, told in rows]
    schema = {"source_path": pl.String, **dict.fromkeys(actions.SOURCE_STAMP, pl.Int64), "content_hash": pl.String}
    return jobs, pl.DataFrame(recorded, schema, orient="row")


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(known())
def test_a_content_is_known_by_size_and_both_times_and_else_looked_at_where_it_can_matter(
    frames: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    jobs, outputs = frames
    found = actions.add_known_hashes(jobs, outputs)
    assert_frame_equal(found.select(jobs.columns), jobs)
    told = set(outputs.filter(pl.col("content_hash").is_not_null()).rows())
    for source, size, mtime, ctime, content in found.rows():
        expected = f"{source}{size}{mtime}{ctime}"
        trusted = (source, size, mtime, ctime, expected) in told and mtime > 0
        assert content == (expected if trusted else None)
    worth = actions.sources_to_hash(found, outputs, 50).to_list()
    assert len(set(worth)) == len(worth), "once a source"
    unknown = [(source, size) for source, size, _, _, content in found.rows() if content is None and size is not None]
    assert set(worth) <= {source for source, size in unknown if 0 < size <= 50}, "nothing endless, nothing that is refused"
    sizes = [size for _, size in unknown]
    recorded = set(outputs["source_bytes"])
    must = {source for source, size in unknown if 0 < size <= 50 and (size in recorded or sizes.count(size) > 1)}
    assert set(worth) == must, "two jobs of one source count, too"


def test_a_recipe_says_what_the_sound_depends_on_and_nothing_else() -> None:
    jobs = pl.DataFrame({"loudest": [0.0, 0.0, 1.5, 1.5, 1.25], "bpm": [90.0, None, 90.0, 120.5, None], "pad_to_ms": [0] * 5})
    plain = actions.sound_recipes(jobs, "base", seamless=False).to_list()
    assert plain[0] == plain[1] == "base"
    assert plain[2] == plain[3] != plain[4]
    assert all(recipe.startswith("base") for recipe in plain)
    loops = actions.sound_recipes(jobs, "base", seamless=True).to_list()
    assert len(set(loops)) == 5
    assert loops[1] == "base"
    padded = actions.sound_recipes(
        jobs.with_columns(pad_to_ms=pl.Series([0, 100, 0, 100, 200])), "base", seamless=False
    ).to_list()
    assert [recipe for recipe in padded if recipe in plain] == [plain[0], plain[2]]
    assert len(set(padded)) == 5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.text("ab|\t;", max_size=2))] * 4), min_size=2, max_size=2, unique=True))
def test_facts_differ_where_texts_do(cells: list[tuple[str | None, ...]]) -> None:
    jobs = pl.DataFrame(cells, ["title", "genre", "musical_key", "tags"], orient="row", schema_overrides={})
    jobs = jobs.cast(pl.String).with_columns(bpm=pl.lit(90.0), sample_id=pl.lit(1), source=pl.lit("/lib/a.wav"))
    one, other = actions.metadata_facts(jobs)
    blank = [tuple(cell or "" for cell in row) for row in cells]
    assert (one == other) == (blank[0] == blank[1])


@pytest.mark.parametrize("change", [{"bpm": 91.0}, {"bpm": None}, {"sample_id": 2}, {"source": "/lib/b.wav"}])
def test_facts_are_also_tempo_id_and_the_name_of_the_file(change: dict[str, Any]) -> None:
    row = {"title": "t", "genre": None, "bpm": 90.0, "musical_key": None, "tags": "x", "sample_id": 1, "source": "/lib/a.wav"}
    one, other = actions.metadata_facts(pl.DataFrame([row, row | change]))
    assert one != other
    moved = actions.metadata_facts(pl.DataFrame([row, row | {"source": "/elsewhere/a.wav"}]))
    assert moved[0] == moved[1]
