"""Values that cross borders come back as they were, and the recipe of a conversion is the one of older databases."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from schemas.conversion import (
    CheckResult,
    Levels,
    Limits,
    MeasuredLevels,
    Outcome,
    Shard,
    ShardJobResult,
    SizeEstimate,
    SoundSettings,
    SourceInfo,
)
from schemas.enums import Dither, Guard, Mono, Status, Verb
from schemas.errors import LoadError

SOUND = SoundSettings("wav", 100, 48_000)
SOURCE = SourceInfo("wav", "PCM_24", 44_100, 2, 1_000)
LEVELS = Levels(0.5, 0.6, 0, 0.1, 0.0, 2.0)
RESULTS = [
    Outcome(1, Status.EXPORTED, bytes=44, frames=1_088, source=SOURCE, levels=LEVELS, done=("resampled",)),
    MeasuredLevels(2, levels=LEVELS, content_hash="ab"),
    CheckResult(3, source=SOURCE, source_frames=1_000, frames=1_088),
    SizeEstimate(4, bytes=12),
]


@pytest.mark.parametrize("result", [*RESULTS, *(type(one).from_error(9, LoadError(error="cut")) for one in RESULTS)], ids=repr)
def test_results_cross_as_json_with_their_types(result: ShardJobResult) -> None:
    """A work pool's answers are read without the shard at hand."""
    adapter: TypeAdapter[tuple[ShardJobResult, ...]] = TypeAdapter(tuple[ShardJobResult, ...])
    assert adapter.validate_json(adapter.dump_json((result,))) == (result,)


@pytest.mark.parametrize("verb", Verb)
def test_shards_cross_as_json(verb: Verb) -> None:
    shard = Shard("1 of 1", "/p", 0, 1, 7, "/out", 1, "ab", SOUND, True, Limits(60, 100), verb, "here", True)
    adapter = TypeAdapter(Shard)
    assert adapter.validate_json(adapter.dump_json(shard)) == shard
    assert adapter.validate_json(adapter.dump_json(shard)).verb is verb


def test_a_failure_says_the_same_of_every_verb() -> None:
    error = LoadError(error="cut")
    failures = [type(one).from_error(9, error) for one in RESULTS]
    assert {(one.index, one.error, one.reason, one.fix) for one in failures} == {(9, str(error), error.reason, error.fix)}
    assert failures[0].status is Status.FAILED


def test_the_recipe_is_that_of_older_databases() -> None:
    """It is the hash of a repr: a class or field of another name would convert every library again."""
    assert SOUND.recipe() == "adb6f23300964a54"
    other = replace(SOUND, format="aiff", dither=Dither.NONE, guard=Guard.FOLDER, mono=Mono.ALL, seamless=True, trim_dbfs=-60.0)
    assert other.recipe() == "d37aa9d4aa02578c"
