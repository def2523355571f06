"""Errors as problem documents: with status and text, and without anything of the machine."""

import re

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.api import problems
from schemas.errors import DiskFullError, Sp404Error, TargetTakenError
from tests.support.errors import ALL_ERRORS, example_error
from tests.support.serve import API

FOLDER = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(FOLDER, min_size=1, max_size=4), FOLDER, st.sampled_from(["{}", "Cannot write: {}", "({} is full)", "'{}': no"])
)
def test_no_folder_gets_into_an_error(folders: list[str], name: str, words: str) -> None:
    path = "/" + "/".join([*folders, name])
    said = problems.strip_folders(words.format(path))
    assert f"/{name}" not in said
    assert words.format(name) == said
    full = problems.problem_from_error(DiskFullError(path=path))
    assert (full.status, full.detail) == (507, "Not enough disk space for export")
    assert path not in problems.problem_from_error(TargetTakenError(path=path)).model_dump_json()


@pytest.mark.parametrize("text", ["Duration too short: 50ms (minimum: 100ms)", "48 kHz/16-bit", "a and/or b"])
def test_a_text_without_paths_stays_as_it_is(text: str) -> None:
    assert problems.strip_folders(text) == text


def test_an_error_that_is_not_ours_says_nothing() -> None:
    told = problems.problem_from_error(ZeroDivisionError("/secret/place"))
    assert (told.status, told.detail) == (500, "Internal error of the server")
    assert not re.search("secret|ZeroDivision", told.model_dump_json())


@pytest.mark.slow
def test_a_server_that_breaks_says_nothing(monkeypatch: pytest.MonkeyPatch, api: httpx.Client) -> None:
    from tasks.store.sample_search import SampleSearch

    def broken(*_: object) -> None:
        raise ZeroDivisionError("/secret/place")

    monkeypatch.setattr(SampleSearch, "page", broken)
    answer = api.get(f"{API}/samples")
    assert (answer.status_code, answer.headers["content-type"]) == (500, problems.MEDIA_TYPE)
    assert "secret" not in answer.text


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_can_be_said_without_a_folder(kind: type[Sp404Error]) -> None:
    error = example_error(kind)
    told = problems.problem_from_error(error)
    assert (told.status, told.reason) == (error.http_status, error.reason)
    assert told.detail
    assert not re.search("/lib|/elsewhere|/home", told.model_dump_json())
