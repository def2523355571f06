"""Manifests that meet: in one database and one output folder, each sample keeps its own sound."""

from pathlib import Path

import numpy as np
import pytest

from flows.export.threads import export_directly
from schemas.enums import Status
from schemas.export import ExportConfig, ExportRequest
from schemas.report import BatchExportResult
from tests.support import audio

Sounds = dict[str, np.ndarray]


@pytest.fixture
def sounds(tmp_path: Path) -> Sounds:
    """``one/kick.wav`` and ``two/kick.wav``: two packs, each with a kick of its own."""
    made: Sounds = {}
    for seed, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        made[name] = audio.sixteen_bits(9_600, seed=seed)
        audio.write(tmp_path / name / "kick.wav", made[name], 48_000, "WAV", "PCM_16")
    return made


def export(folder: Path, manifest: str, text: str) -> BatchExportResult:
    (folder / manifest).write_text(text)
    config = ExportConfig(output_base_path=str(folder / "out"))
    request = ExportRequest(manifest=str(folder / manifest), config=config, db=str(folder / "r.duckdb"), workers=1)
    return export_directly(request)


@pytest.mark.slow
def test_an_id_that_was_given_to_one_file_and_then_written_beside_another(tmp_path: Path, sounds: Sounds) -> None:
    """The first manifest has no id for its only file, which is given 1; later a line with the id 1 is added."""
    export(tmp_path, "m.csv", "sample_id,file_path\n,one/kick.wav\n")
    batch = export(tmp_path, "m.csv", "sample_id,file_path\n,one/kick.wav\n1,two/kick.wav\n")
    paths = [Path(str(result.output_path)) for result in batch.results if result.success]
    assert len(set(paths)) == len(paths), f"{len(paths)} samples are said to be exported to {set(paths)}"
    assert batch.total_requested == 2
    if batch.successful == 2:
        for path, name in zip(paths, sounds, strict=True):
            np.testing.assert_array_equal(audio.read16(path), sounds[name])


@pytest.mark.slow
def test_another_manifest_with_the_same_ids_does_not_replace_the_files_of_the_first(tmp_path: Path, sounds: Sounds) -> None:
    """Two packs whose manifests both count from 1, exported to one card."""
    first = export(tmp_path, "one/m.csv", "sample_id,file_path\n1,kick.wav\n")
    second = export(tmp_path, "two/m.csv", "sample_id,file_path\n1,kick.wav\n")
    np.testing.assert_array_equal(audio.read16(Path(str(first.results[0].output_path))), sounds["one"])
    if second.successful:
        np.testing.assert_array_equal(audio.read16(Path(str(second.results[0].output_path))), sounds["two"])


@pytest.mark.slow
def test_another_manifest_whose_names_are_taken_gives_way(tmp_path: Path, sounds: Sounds) -> None:
    """Contract, section 3: a loser gets a suffix derived from its ``sample_id``. It is our own file that is in the way."""
    batches = [export(tmp_path, f"{name}/m.csv", "file_path\nkick.wav\n") for name in sounds]
    assert [batch.results[0].status for batch in batches] == [Status.EXPORTED] * 2, batches[1].errors
    for batch, sound in zip(batches, sounds.values(), strict=True):
        np.testing.assert_array_equal(audio.read16(Path(str(batch.results[0].output_path))), sound)
