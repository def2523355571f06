"""One call of a night fails, whichever: one more run makes what an unbroken one makes.

``python -m tests.support.injecting --trials 300`` tries all kinds of calls on all kinds of files; here are a few of them.
"""

import pytest

from tests.support.injecting import Nights, Trial, search

pytestmark = pytest.mark.slow

TRIALS, SEED = 16, 404


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Return the unbroken nights, of which all trials are copies: two runs, and four to count their calls."""
    return Nights(tmp_path_factory.mktemp("nights"))


@pytest.mark.faults("strace")
def test_after_any_call_that_fails_one_more_run_makes_it_whole(nights: Nights) -> None:
    trials = search(nights, TRIALS, SEED, abreast=1)
    assert len(nights.places) > 300
    assert len(trials) == TRIALS
    assert [line for trial in trials for line in trial.found] == []
    assert sum(trial.failed for trial in trials) > TRIALS / 2, "most calls that failed did no harm: do they fail at all?"


@pytest.mark.faults("strace")
def test_the_second_name_of_a_new_database_is_removed_by_the_next_run(nights: Nights) -> None:
    places = [
        place for place in nights.places if (place.night, place.call) == (1, "unlink") and place.about.endswith("db.part")
    ]
    assert places
    for number, place in enumerate(places):
        assert Trial(nights, place, "EIO").run(nights.folder / f"second-name-{number}").found == []
