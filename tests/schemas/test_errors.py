"""Every error says what happened and what to do, and crosses a process border as it is."""

import copy
import errno
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from schemas import errors
from schemas.errors import DiskError, DiskFullError, OutputNotWritableError, Sp404Error, WriteError, write_failure
from tests.support.errors import ALL_ERRORS, example_error


def test_all_are_looked_at() -> None:
    here = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Sp404Error)}
    assert here == {*ALL_ERRORS, Sp404Error}
    assert len(ALL_ERRORS) >= 18


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_it_says_what_happened_and_what_to_do(kind: type[Sp404Error]) -> None:
    error = example_error(kind)
    assert str(error).strip()
    assert error.fix.strip()
    assert len(str(error).splitlines()) == len(error.fix.splitlines()) == 1
    assert "{" not in str(error).replace("{1}", "").replace("{odd}", "").replace("{'exported': 9}", "")
    assert error.exit_code in (1, 2, 3, 130, 143)
    assert 400 <= error.http_status < 600
    assert error.reason
    assert error.reason == error.reason.lower()
    assert kind.__doc__ or kind.text


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_it_pickles_by_its_facts(kind: type[Sp404Error]) -> None:
    error = example_error(kind)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (str(again), again.fix, again.facts) == (str(error), error.fix, error.facts)
        assert (again.exit_code, again.http_status, again.reason) == (error.exit_code, error.http_status, error.reason)


def test_it_crosses_a_process_border() -> None:
    error = example_error(errors.LoadError)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(errors.LoadError) as caught:
        pool.submit(raising, error).result(60)
    assert (str(caught.value), caught.value.facts) == (str(error), error.facts)


def raising(error: Sp404Error) -> None:
    raise error


def test_a_fix_of_its_own_goes_before_the_remedy() -> None:
    assert errors.LoadError(error="x", fix="Do that.").fix == "Do that."
    assert errors.LoadError(error="x").fix == errors.LoadError.remedy


@pytest.mark.parametrize("kind", [kind for kind in ALL_ERRORS if issubclass(kind, errors.SampleError)])
def test_a_sample_that_fails_exits_1(kind: type[Sp404Error]) -> None:
    assert kind.exit_code == 1


@pytest.mark.parametrize("kind", [kind for kind in ALL_ERRORS if issubclass(kind, errors.SurroundingsError)])
def test_failing_surroundings_exit_3(kind: type[Sp404Error]) -> None:
    # 128 + SIGINT, or SIGTERM, as shells have it
    stops = {errors.StoppedError: 130, errors.TerminatedError: 143, errors.CancelledError: 143}
    assert kind.exit_code == stops.get(kind, 3)


def test_reasons_are_told_apart() -> None:
    leaves = [kind for kind in ALL_ERRORS if not kind.__subclasses__()]
    assert len({kind.reason for kind in leaves}) == len(leaves)


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (errors.AudioNotFoundError(path="/a.wav"), "Audio file not found: /a.wav", 422),
        (errors.TooShortError(duration_ms=50, minimum_ms=100), "Duration too short: 50ms (minimum: 100ms)", 422),
        (errors.TruncatedError(error="truncated: 1.0 s of 2.0 s"), "Failed to load audio: truncated: 1.0 s of 2.0 s", 422),
        (errors.UnsupportedFormatError(ext=".txt"), "Unsupported format: .txt", 422),
        (errors.LoadError(error="no"), "Failed to load audio: no", 422),
        (errors.ResampleError(error="no"), "Failed to resample audio: no", 422),
        (errors.WriteError(path="/a", error="no"), "Failed to write output file", 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_texts_of_the_contract(error: Sp404Error, text: str, status: int) -> None:
    assert (str(error), error.http_status) == (text, status)


def test_a_full_disk_starts_with_the_words_of_the_contract() -> None:
    error = errors.DiskFullError(path="/card")
    assert str(error).startswith("Not enough disk space for export")
    assert error.http_status == 507


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EACCES, OutputNotWritableError),
        (errno.EPERM, OutputNotWritableError),
        (errno.EROFS, OutputNotWritableError),
        (errno.EIO, DiskError),
        (errno.ENODEV, DiskError),
        (errno.ENAMETOOLONG, WriteError),
        (errno.EFBIG, WriteError),
    ],
)
def test_what_a_write_failure_means(number: int, kind: type[Sp404Error]) -> None:
    error = write_failure("/card/a.wav", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert "/card" in f"{error} {error.fix}"


def test_a_write_failure_without_a_number() -> None:
    assert "odd" in write_failure("/card/a.wav", OSError("odd")).fix
