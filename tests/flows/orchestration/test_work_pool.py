"""Exports on the workers of a work pool, each a process with a home of its own, as on another machine."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from schemas.enums import Runner
from schemas.errors import RequestError
from tests.support import worked
from tests.support.machines import POOL, Machine, two_machines
from tests.support.prefect_runs import export_with, outputs, prefect_client, records, unfinished_runs, write_noise_library
from tests.support.waiting import until

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


@pytest.fixture(scope="module")  # a worker takes half a minute to come online; the test that kills one is the last to use them
def machines(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[list[Machine]]:
    with two_machines(tmp_path_factory.mktemp("machines"), prefect_server) as machines:
        yield machines


def test_a_pool_makes_the_same_files_and_the_same_records_as_threads(tmp_path: Path, machines: list[Machine]) -> None:
    manifest = worked.make(tmp_path / "library")
    for runner in (Runner.THREADS, Runner.POOL):
        (tmp_path / runner).mkdir()
        batch = export_with(runner, manifest, tmp_path / runner, work_pool=POOL)
        worked.check(batch, tmp_path / runner, manifest.parent)
    assert outputs(tmp_path / "pool") == outputs(tmp_path / "threads")
    assert records(tmp_path / "pool") == records(tmp_path / "threads")
    again = export_with(Runner.POOL, manifest, tmp_path / "pool", work_pool=POOL)
    assert again.counts() == "9 unchanged, 1 failed of 10"


def test_what_a_machine_had_in_hand_when_it_died_is_done_by_the_other_once(
    tmp_path: Path, machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.orchestration import work_pool

    monkeypatch.setattr(work_pool, "_SILENCE_SECONDS", 8.0)
    manifest = write_noise_library(tmp_path / "library", 300)
    (tmp_path / "threads").mkdir()
    (tmp_path / "pool").mkdir()
    export_with(Runner.THREADS, manifest, tmp_path / "threads")
    killer = threading.Thread(target=kill_when_converting, args=(machines[1],))
    killer.start()
    batch = export_with(Runner.POOL, manifest, tmp_path / "pool", work_pool=POOL)
    killer.join()
    assert not machines[1].pids(), "it died while it had a slice"
    assert batch.counts() == "300 exported of 300"
    assert outputs(tmp_path / "pool") == outputs(tmp_path / "threads")
    assert records(tmp_path / "pool") == records(tmp_path / "threads")
    until(lambda: unfinished_runs() == [], 20, why=unfinished_runs)  # the last states may arrive a moment later
    with prefect_client() as client:
        slices = client.request("POST", "/flow_runs/filter", json={"flow_runs": {"name": {"like_": "attempt 2"}}}).json()
    assert [run["state"]["type"] for run in slices] == ["COMPLETED"]


def kill_when_converting(machine: Machine) -> None:
    until(machine.is_converting, 120)
    machine.die()


def test_a_missing_pool_and_one_without_workers_are_clear_errors(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    with pytest.raises(RequestError, match="There is no work pool 'elsewhere'") as refused:
        export_with(Runner.POOL, manifest, tmp_path, work_pool="elsewhere")
    assert "prefect worker start --type process --pool elsewhere" in refused.value.fix
    with prefect_client() as client:
        client.request("POST", "/work_pools/", json={"name": "idle", "type": "process"})
    with pytest.raises(RequestError, match="No worker of the work pool 'idle' is online"):
        export_with(Runner.POOL, manifest, tmp_path, work_pool="idle")
    assert not (tmp_path / "out").exists()


def test_a_slice_that_is_about_to_end_is_not_called_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last result is there before Prefect knows that its run is completed; that of the machine which died never will be."""
    from prefect.states import Completed, Running

    from flows.orchestration import work_pool

    states = {"died": iter(Running, None), "done": iter([Running(), Running(), Completed()])}
    crashed: list[str] = []

    class Client:
        def read_flow_run(self, run: str) -> Any:
            return SimpleNamespace(state=next(states[run]))

        def set_flow_run_state(self, run: str, state: Any, force: bool) -> None:
            crashed.append(f"{run}: {state.name}")

    monkeypatch.setattr(work_pool.zombie_runs, "crash_zombies_of", lambda _client, _run: None)
    plan = tmp_path / "plan.arrow"
    pl.DataFrame({"target": [f"{tmp_path}/out/a.wav"]}).write_ipc(plan)
    dispatcher = object.__new__(work_pool._SliceDispatcher)
    dispatcher._client, dispatcher._any_died = Client(), True
    dispatcher._shards = [SimpleNamespace(plan_path=str(plan), token="t")]
    dispatcher._slices = [SimpleNamespace(flow_runs=["died", "done"], finished=True)]
    dispatcher.close()
    assert crashed == ["died: Crashed"]
