"""The export as a Prefect flow, on a real server: its states, its history, its form, its schedule."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.export.request import resolve
from schemas.enums import Guard, Runner
from schemas.errors import CancelledError, ManifestError, RequestError
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from tasks.audio import synth
from tasks.convert.progress import Progress
from tasks.fs.place_mark import MARK_FILE
from tests.support import ROOT, audio, worked
from tests.support.machines import dask_cluster
from tests.support.prefect_runs import export_with, last_flow_run, prefect_client, task_runs
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def client() -> Iterator[Any]:
    with prefect_client() as client:
        yield client


def test_worked_example_with_prefect(tmp_path: Path, client: Any) -> None:
    from flows.orchestration import flow

    manifest = worked.make(tmp_path / "library")
    told: list[tuple[int, int]] = []
    progress = Progress(lambda done, total: told.append((done, total)))
    batch = flow.run_flow_and_wait(resolve(worked.request(manifest, tmp_path)), progress)
    worked.check(batch, tmp_path, manifest.parent)
    assert told == [(n, 10) for n in range(1, 11)]

    flow_run = last_flow_run(client)
    assert (flow_run.state.type.value, flow_run.state.name) == ("COMPLETED", "CompletedWithFailures")
    assert flow_run.state.message == (
        "9 exported, 1 failed of 10. 1 x Duration too short (sample_006.wav). All of them: sp404 history --export 1 --failed"
    )
    assert flow_run.name == f"{manifest.stem} by bpm, 10 samples"
    assert {"bpm", "wav", "batch"} <= set(flow_run.tags)
    runs = task_runs(client, flow_run)
    assert {run.state.type.value for run in runs} == {"COMPLETED"}
    steps = {"read manifest", "validate rows", "plan", "convert 1 of 1: sample_002 to sample_005", "record"}
    assert {run.name for run in runs} == steps
    logs = client.request("POST", "/logs/filter", json={"logs": {"flow_run_id": {"any_": [str(flow_run.id)]}}}).json()
    assert not [line for line in logs if line["level"] > 20]


@pytest.mark.slow
def test_a_good_run_is_completed_and_all_its_shards_are_in_the_history(tmp_path: Path, client: Any) -> None:
    """A run of more shards than the recorder's batch used to keep; and not a word on standard error."""
    for n in range(1000):  # the same sound would be converted but once
        synth.write(tmp_path / f"hat{n}.wav", synth.hat(48_000, 0.1) * (1 - n / 2_000), 48_000)
    rows = "".join(f"hat{n}.wav,Hat {n}\n" for n in range(1000))
    manifest = tmp_path / "m.csv"
    manifest.write_text("file_path,title\n" + rows, encoding="utf-8")
    from prefect.settings import PREFECT_API_URL

    command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--no-metadata", "--workers", "20"]
    command += ["--out", str(tmp_path / "out"), "--db", str(tmp_path / "r.duckdb")]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1,000 exported of 1,000" in done.stdout
    flow_run = last_flow_run(client)
    assert (flow_run.state.name, flow_run.state.message) == ("Completed", "1,000 exported of 1,000")
    assert flow_run.name == "m by flat, 1,000 samples"
    runs = task_runs(client, flow_run)
    assert sum(run.name.startswith("convert ") for run in runs) == 40
    assert len(runs) == 44
    assert {run.state.type.value for run in runs} == {"COMPLETED"}


@pytest.mark.slow
def test_a_night_brings_its_card_up_to_date_and_ends_well_without_one(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a run of the nightly deployment does, which has the tag; the report and the log say where the card is not there."""
    from prefect import tags

    from flows.orchestration import flow

    card = tmp_path / "CARD"
    monkeypatch.setenv("SP404_NIGHTLY_CARD", str(card))
    warned: list[str] = []
    monkeypatch.setattr(flow.log, "warning", lambda text, *facts: warned.append(text % facts))
    for name, hz in (("kick", 60), ("hat", 900)):
        audio.write(tmp_path / f"{name}.wav", audio.tone(0.3, 48_000, hz=hz), 48_000, "WAV")
    config = ExportConfig(output_base_path=str(tmp_path / "out"))
    request = ExportRequest(manifest=str(tmp_path / "m.csv"), config=config, db=str(tmp_path / "r.duckdb"))

    def run(rows: str, tag: str = "nightly") -> tuple[str, str, str, list[str]]:
        (tmp_path / "m.csv").write_text(f"file_path\n{rows}", encoding="utf-8")
        warned.clear()
        with tags(tag):
            flow.run_flow_and_wait(resolve(request), Progress())
        flow_run = last_flow_run(client)
        asked = {"artifacts": {"flow_run_id": {"any_": [str(flow_run.id)]}, "key": {"any_": ["export-report"]}}}
        (report,) = client.request("POST", "/artifacts/filter", json=asked).json()
        return flow_run.state.name, flow_run.state.message, report["data"], list(warned)

    missing = f"The card {card} is not there: not current"
    state, message, report, warnings = run("kick.wav\n")
    assert (state, message) == ("Completed", f"1 exported of 1. {missing}")
    assert f"- {missing}\n" in report
    assert warnings == [f"{missing}. Put the card in, and give the folder it is mounted on."]
    (card / "IMPORT").mkdir(parents=True)
    state, message, report, warnings = run("kick.wav\n")
    assert (state, message, warnings) == ("Completed", "1 unchanged of 1", [])
    assert f"- The card `{card}` is current" in report
    state, message, report, warnings = run("kick.wav\nhat.wav\n", tag="by-hand")
    assert [path.name for path in (card / "IMPORT").iterdir()] == ["kick.wav"]
    assert f"- The card `{card}` is not current: 1 file is missing on it; this run did not write to it" in report
    card.rename(tmp_path / "pulled")
    card.mkdir()
    state, message, report, warnings = run("kick.wav\nhat.wav\n")
    assert (state, len(warnings), list(card.iterdir())) == ("Completed", 1, [])
    assert "is empty: a card was mounted there, and is not now: not current" in report
    card.rmdir()
    (tmp_path / "pulled").rename(card)
    run("kick.wav\nhat.wav\n")
    assert sorted(path.name for path in (card / "IMPORT").iterdir()) == ["hat.wav", "kick.wav"]


@pytest.mark.slow
def test_levels_are_measured_in_task_runs_of_their_own(tmp_path: Path, client: Any) -> None:
    from flows.orchestration import flow

    request = worked.request(worked.make(tmp_path / "library"), tmp_path)
    flow.run_flow_and_wait(resolve(request.model_copy(update={"sound": SoundConfig(guard=Guard.FOLDER)})), Progress())
    names = {run.name for run in task_runs(client, last_flow_run(client)) if "1 of 1" in run.name}
    assert names == {f"convert {what}1 of 1: sample_002 to sample_005" for what in ("", "levels of ")}


@pytest.mark.slow
def test_a_manifest_that_is_none_fails_with_its_reason_and_no_traceback(
    tmp_path: Path, client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.orchestration import flow

    manifest = tmp_path / "m.csv"
    manifest.write_text("song\nkick.wav\n", encoding="utf-8")
    request = worked.request(manifest, tmp_path)
    with pytest.raises(ManifestError, match="has no 'file_path' column"):
        flow.run_flow_and_wait(resolve(request), Progress())
    flow_run = last_flow_run(client)
    assert flow_run.state.type.value == "FAILED"
    assert "has no 'file_path' column" in flow_run.state.message
    assert "Traceback" not in capfd.readouterr().err


def test_the_form_of_the_flow_is_typed() -> None:
    """The one parameter is a pydantic model, of which the UI makes a form with choices and bounds."""
    from flows.orchestration.flow import export_library

    schema = export_library.parameters.model_dump()
    assert schema["required"] == ["request"]
    request = schema["definitions"]["ExportRequest"]["properties"]
    assert set(request) == set(ExportRequest.model_fields)
    assert all(field.get("description") for field in request.values())
    assert schema["definitions"]["OrganizeBy"]["enum"] == ["flat", "genre", "bpm", "kit", "folder"]


@pytest.mark.slow
def test_a_cron_deployment_gets_scheduled_runs(client: Any) -> None:
    """With sqlalchemy 2.1 this server looks healthy but never schedules anything: so the bound in pyproject.toml."""
    from prefect.deployments.runner import EntrypointType
    from prefect.schedules import Cron

    from flows.orchestration.flow import export_library

    parameters = {"request": {"manifest": "/library.csv"}}
    schedule = Cron("0 3 * * *", timezone="Europe/Berlin")
    by_module = EntrypointType.MODULE_PATH
    deployment = export_library.to_deployment("nightly", schedule=schedule, parameters=parameters, entrypoint_type=by_module)
    deployment_id = deployment.apply()
    body = {"deployments": {"id": {"any_": [str(deployment_id)]}}}
    scheduled = until(lambda: client.request("POST", "/flow_runs/filter", json=body).json(), 60, every=0.5)
    assert {run["state"]["type"] for run in scheduled} == {"SCHEDULED"}
    assert deployment.entrypoint == "flows.orchestration.flow.export_library"


@pytest.mark.slow
def test_dask_that_is_not_installed_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.orchestration import flow

    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    request = worked.request(worked.make(tmp_path / "library"), tmp_path).model_copy(update={"runner": Runner.DASK})
    with pytest.raises(RequestError, match="prefect-dask") as refused:
        flow.run_flow_and_wait(resolve(request), Progress())
    assert "sp404-export[dask]" in refused.value.fix
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_cancel_in_the_ui_ends_a_run_within_ten_seconds_and_the_same_command_goes_on(tmp_path: Path, client: Any) -> None:
    """As the UI's button does it: the state of the run is set to Cancelling, and nobody else is told."""
    count = 120
    for n in range(count):
        audio.write(tmp_path / f"noise{n}.wav", audio.noise(1_764_000, seed=n), 44_100, "WAV", "PCM_16")
    manifest = tmp_path / "m.csv"
    manifest.write_text("file_path\n" + "".join(f"noise{n}.wav\n" for n in range(count)), encoding="utf-8")
    from prefect.settings import PREFECT_API_URL

    out = tmp_path / "out"
    command = [sys.executable, "-m", "flows.cli", "export", str(manifest), "--no-metadata", "--workers", "1"]
    # Two passes over each: there must be work left when the run hears of it.
    command += ["--out", str(out), "--db", str(tmp_path / "r.duckdb"), "--organize-by", "flat", "--sound", "normalize_dbfs=-1"]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()}
    running = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: list(out.glob("*.wav")), 60)
    flow_run = last_flow_run(client)
    told = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    client.request("POST", f"/flow_runs/{flow_run.id}/set_state", json=told).raise_for_status()
    said = running.communicate(timeout=30)
    assert running.returncode == 143, said
    assert said[1].startswith("sp404: Cancelled"), said
    assert client.read_flow_run(flow_run.id).state.type.value == "CANCELLED"
    done = len(list(out.glob("*.wav")))
    assert 0 < done < count
    assert not list(out.glob(".*.part"))
    again = subprocess.run([*command, "--direct"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again
    assert f"{count - done} exported, {done} unchanged of {count}" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("looks_again", [True, False])
def test_cancel_at_the_last_moment_is_a_cancelled_run(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch, looks_again: bool
) -> None:
    """All is done by then; Prefect refuses any other end, and would leave the run at Cancelling."""
    from flows.orchestration import flow, flow_monitor

    look = flow_monitor._FlowRunMonitor.was_cancelled

    def press_cancel(monitor: Any) -> bool:
        told = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        client.request("POST", f"/flow_runs/{monitor._run_id}/set_state", json=told).raise_for_status()
        return bool(looks_again and look(monitor))

    monkeypatch.setattr(flow_monitor._FlowRunMonitor, "was_cancelled", press_cancel)
    with pytest.raises(CancelledError):
        flow.run_flow_and_wait(resolve(worked.request(worked.make(tmp_path / "library"), tmp_path)), Progress())
    assert last_flow_run(client).state.type.value == "CANCELLED"


@pytest.mark.slow
def test_a_dask_cluster_does_the_same(tmp_path: Path) -> None:
    manifest = worked.make(tmp_path / "library")
    with dask_cluster(tmp_path) as address:
        batch = export_with(Runner.DASK, manifest, tmp_path, dask_address=address)
    worked.check(batch, tmp_path, manifest.parent)
    assert [path.name for path in (tmp_path / "out").rglob(".*")] == [MARK_FILE]


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.orchestration import flow

    monkeypatch.setattr(flow, "_DASK_SECONDS", 1)
    manifest = worked.make(tmp_path / "library")
    for address in ("tcp://127.0.0.1:9", "no address at all"):
        with pytest.raises(RequestError, match="No Dask scheduler answers at"):
            export_with(Runner.DASK, manifest, tmp_path, dask_address=address)
    assert not (tmp_path / "out").exists()
