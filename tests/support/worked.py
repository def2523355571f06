"""The worked example: ten samples, nine of them good."""

import os
import wave
from pathlib import Path

import soundfile

from schemas.enums import OrganizeBy
from schemas.export import ExportConfig, ExportRequest
from schemas.report import BatchExportResult
from tasks.audio import synth
from tests.support.records import query

# sample_id, file, BPM, rate, seconds
SAMPLES = (
    (1, "sample_001.mp3", "85", 44_100, 1.0),
    (2, "sample_002.wav", "120", 48_000, 0.7),
    (3, "sample_003.mp3", "140", 48_000, 0.5),
    (4, "sample_004.flac", "95", 96_000, 0.8),
    (5, "sample_005.m4a", "", 44_100, 1.3),
    (6, "sample_006.wav", "128", 44_100, 0.05),
    (7, "sample_007.wav", "100", 44_100, 0.4),
    (8, "sample_008.mp3", "75", 32_000, 0.6),
    (9, "sample_009.wav", "160", 22_050, 0.9),
    (10, "sample_010.aiff", "110", 44_100, 1.1),
)
FOLDERS = {
    "70-90": {1, 8},
    "90-110": {4, 7},
    "110-130": {2, 10},
    "130-150": {3},
    "fast": {9},
    "unknown_bpm": {5},
}
ERROR = "Sample 6: Duration too short: 50ms (minimum: 100ms)"


def make(folder: Path) -> Path:
    """Write the ten files and their manifest; return the manifest's path."""
    lines = ["sample_id,file_path,bpm"]
    for sample_id, name, bpm, rate_hz, seconds in SAMPLES:
        synth.write(folder / name, synth.bass(rate_hz, 40, seconds), rate_hz)
        lines.append(f"{sample_id},{name},{bpm}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def request(manifest: Path, folder: Path) -> ExportRequest:
    config = ExportConfig(organize_by=OrganizeBy.BPM, output_base_path=str(folder / "out"))
    return ExportRequest(manifest=str(manifest), config=config, db=str(folder / "records.duckdb"))


def check(batch: BatchExportResult, folder: Path, source: Path) -> None:
    """Assert that the export of ``make`` into ``folder`` gave the right answer, files and records."""
    assert (batch.total_requested, batch.successful, batch.failed, batch.rejected) == (10, 9, 1, 0)
    assert batch.errors == [ERROR]
    out = folder / "out"
    found = {path.name: {int(file.stem[-3:]) for file in path.glob("*.wav")} for path in out.iterdir() if path.is_dir()}
    assert found == FOLDERS
    durations = {sample_id: seconds for sample_id, _, _, _, seconds in SAMPLES}
    for result in batch.results:
        if not result.success:
            assert result.sample_id == 6
            continue
        with wave.open(str(result.output_path)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
            assert abs(file.getnframes() - durations[result.sample_id] * 48_000) <= 1
        assert os.path.getsize(str(result.output_path)) == result.file_size_bytes
    assert (
        soundfile.read(out / "110-130/sample_002.wav", dtype="int16")[0]
        == soundfile.read(source / "sample_002.wav", dtype="int16")[0]
    ).all()
    db = folder / "records.duckdb"
    assert query(db, "SELECT export_type, sample_count, organized_by, format FROM sp404_exports") == [
        ("batch", 10, "bpm", "wav")
    ]
    assert query(db, "SELECT count(*), count(*) FILTER (conversion_successful) FROM sp404_export_samples") == [(10, 9)]
    failed = "SELECT sample_id, error_message FROM sp404_export_samples WHERE conversion_successful = FALSE"
    assert query(db, failed) == [(6, ERROR.removeprefix("Sample 6: "))]
    assert not [path for path in folder.rglob("*") if path.suffix == ".part" or path.name == "plan.arrow"]
