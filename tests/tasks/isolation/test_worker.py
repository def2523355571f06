"""The table of verbs: each has a function, which gives the result that the verb is said to have."""

from typing import get_type_hints

from schemas.conversion import RESULT_TYPES
from schemas.enums import Verb
from tasks.isolation.worker import audio_verbs


def test_each_verb_has_a_function_that_gives_its_result() -> None:
    verbs = audio_verbs()
    assert {*verbs} == {*RESULT_TYPES} == {*Verb}
    assert {verb: get_type_hints(function)["return"] for verb, function in verbs.items()} == RESULT_TYPES
