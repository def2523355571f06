"""As many samples are in hand at once as the setting `workers` says, in an export and in a check: they wait for each other."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.export import preview, threads
from schemas.export import ExportConfig, ExportRequest
from tasks.convert.progress import Progress
from tasks.isolation import worker
from tests.support import audio
from tests.support.converting import within

TOGETHER = 3


@pytest.fixture
def request_of_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExportRequest:
    """One shard of three samples, none of which ends before all three are in hand."""
    for number in range(TOGETHER):
        audio.write(tmp_path / f"{number}.wav", audio.tone(0.2, 48_000, level=0.1 * (number + 1)), 48_000, "WAV")
    manifest = tmp_path / "m.csv"
    manifest.write_text("\n".join(["file_path", *(f"{number}.wav" for number in range(TOGETHER))]) + "\n", encoding="utf-8")
    meeting = threading.Barrier(TOGETHER)
    verbs = worker.audio_verbs()

    def meet(work: Callable[..., Any]) -> Callable[..., Any]:
        def work_together(*arguments: Any) -> Any:
            meeting.wait(20)
            return work(*arguments)

        return work_together

    monkeypatch.setattr(worker, "audio_verbs", lambda: {verb: meet(work) for verb, work in verbs.items()})
    monkeypatch.setenv("SP404_CONTAINED", "false")
    monkeypatch.setenv("SP404_WORKERS", str(TOGETHER))
    return ExportRequest(
        manifest=str(manifest), config=ExportConfig(output_base_path=str(tmp_path / "out")), db=str(tmp_path / "r.duckdb")
    )


def test_an_export_works_on_as_many_at_once(request_of_three: ExportRequest) -> None:
    assert within(60, lambda: threads.export_directly(request_of_three)).successful == TOGETHER


def test_a_check_works_on_as_many_at_once(request_of_three: ExportRequest) -> None:
    assert within(60, lambda: preview.check(request_of_three, Progress())).good == TOGETHER
