"""Run exports as flow runs of the session's Prefect server, and look at what became of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from schemas.enums import Runner
from schemas.report import BatchExportResult
from tasks.fs.place_mark import MARK_FILE
from tests.support import audio, worked


def prefect_client() -> Any:
    """Return a synchronous client of the server in use; a context manager."""
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def last_flow_run(client: Any) -> Any:
    """Return the flow run that was started last: one that is scheduled for tomorrow would sort before it."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    started = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.SCHEDULED, StateType.PENDING]))
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=started), sort=FlowRunSort.START_TIME_DESC, limit=1)[0]


def task_runs(client: Any, flow_run: Any) -> list[Any]:
    """Return the task runs of a flow run."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    return client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id])))


def unfinished_runs() -> list[str]:
    """Return the names of all flow runs and task runs that the server shows as at work."""
    body = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    with prefect_client() as client:
        flows = client.request("POST", "/flow_runs/filter", json={"flow_runs": body}).json()
        tasks = client.request("POST", "/task_runs/filter", json={"task_runs": body}).json()
    return [run["name"] for run in [*flows, *tasks]]


def write_noise_library(folder: Path, count: int) -> Path:
    """Write ``count`` different sounds of 1.5 s and their manifest, and return the manifest."""
    folder.mkdir()
    for n in range(count):
        audio.write(folder / f"noise{n}.wav", audio.noise(66_150, seed=n), 44_100, "WAV", "PCM_16")
    manifest = folder / "m.csv"
    manifest.write_text("file_path\n" + "".join(f"noise{n}.wav\n" for n in range(count)), encoding="utf-8")
    return manifest


def export_with(runner: Runner, manifest: Path, folder: Path, **more: Any) -> BatchExportResult:
    """Export a manifest below ``folder`` as a flow run in this process; ``more`` are fields of the request."""
    from flows.export.request import resolve
    from flows.orchestration import flow
    from tasks.convert.progress import Progress

    request = worked.request(manifest, folder).model_copy(update={"runner": runner, **more})
    return flow.run_flow_and_wait(resolve(request), Progress())


def outputs(folder: Path) -> dict[str, bytes]:
    """Return every file below the output folder but its mark, hidden ones too."""
    files: Iterable[Path] = (path for path in (folder / "out").rglob("*") if path.is_file() and path.name != MARK_FILE)
    return {str(path.relative_to(folder / "out")): path.read_bytes() for path in files}


def records(folder: Path) -> list[tuple[Any, ...]]:
    """Return what is recorded of each row and output, except seconds and the paths of this test."""
    with duckdb.connect(str(folder / "records.duckdb")) as connection:
        rows = connection.execute(
            "SELECT manifest_line, sample_id, status, output_subfolder, output_filename, error_message, reason, output_bytes,"
            " output_frames, content_hash, file_hash, settings_hash, owns_output FROM sp404_export_samples"
            " ORDER BY manifest_line"
        ).fetchall()
        files = connection.execute(
            "SELECT path, file_hash, output_hash, source_hash, metadata_hash IS NULL FROM outputs ORDER BY path"
        ).fetchall()
    return rows + files
