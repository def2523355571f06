"""The files by which an export and its slices exchange requests and results."""

from pathlib import Path

import pytest

from flows.orchestration import slice_flow
from flows.orchestration.slice_flow import SliceRequest
from schemas.conversion import Limits, Outcome, Shard, ShardResult, SoundSettings
from schemas.enums import Status
from schemas.errors import DiskFullError

SHARD = Shard("1 of 1", "/p", 0, 1, 7, "/out", 1, "ab", SoundSettings("wav", 100, 48_000), True, Limits(60, 100))


def test_files_of_a_slice_have_names_by_its_request(tmp_path: Path) -> None:
    """Workers of the same version on other machines find them by these names."""
    request_path = tmp_path / "slice-003.json"
    assert slice_flow.result_path(request_path, 42) == tmp_path / "slice-003.answer-0042.json"
    assert slice_flow.heartbeat_path(request_path) == tmp_path / "slice-003.sign"
    assert slice_flow.stop_path(request_path) == tmp_path / "slice-003.stop"


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert slice_flow.read_result(path) is None
    done = ShardResult((Outcome(0, Status.EXPORTED, bytes=44),), part="part-1")
    slice_flow._write_result(path, done)
    assert slice_flow.read_result(path) == done


def test_an_error_of_another_machine_keeps_its_text_and_its_fix(tmp_path: Path) -> None:
    error = DiskFullError(path="/out", needed_mb=2.0, free_mb=1.0)
    slice_flow._write_result(tmp_path / "result.json", ShardResult(error=error))
    result = slice_flow.read_result(tmp_path / "result.json")
    assert result
    assert isinstance(result.error, Exception)
    assert (str(result.error), getattr(result.error, "fix", None)) == (str(error), error.fix)


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_later_attempt_has_its_own_unfinished_files(attempt: int) -> None:
    shard = slice_flow._for_attempt(SHARD, attempt)
    assert (shard.token, shard.again) == (("ab", False) if attempt == 1 else ("abr2", True))


def test_a_request_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "slice-001.json"
    request = SliceRequest((4,), (SHARD,))
    slice_flow.write_request(path, request)
    assert slice_flow._REQUEST_JSON.validate_json(path.read_bytes()) == request
