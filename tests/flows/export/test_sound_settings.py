"""Settings of the sound on their way from the command line to the files and the records; one gain for a folder or kit."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
import soundfile
from blake3 import blake3

from flows.export import threads
from schemas.enums import Guard, OrganizeBy
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from tests.support import ROOT, audio
from tests.support.command_line import Run, one_clear_error
from tests.support.records import query

# File, peak, kit, bank, pad.
LOUD = (
    ("hot/soft.wav", 0.25, "Live", "A", 1),
    ("hot/hard.wav", 2.0, "Live", "B", 1),
    ("cold/hat.wav", 0.5, "Live", "A", 2),
    ("cold/ride.wav", 0.4, "Studio", "A", 1),
    ("cold/gone.wav", None, "", "", ""),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    lines = ["file_path,kit,bank,pad"]
    for name, peak, *slot in LOUD:
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if peak:
            audio.write(path, audio.tone(0.3, 48_000, level=peak), 48_000, "WAV", "FLOAT")
        lines.append(",".join([name, *map(str, slot)]))
    found = tmp_path / "library" / "m.csv"
    found.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


def request(manifest: Path, guard: Guard, layout: OrganizeBy) -> ExportRequest:
    config = ExportConfig(organize_by=layout, output_base_path=str(manifest.parent.parent / "out"), include_metadata=False)
    return ExportRequest(manifest=str(manifest), config=config, sound=SoundConfig(guard=guard), db=str(manifest.parent / "r"))


def peaks(out: Path) -> dict[str, float]:
    return {path.stem.split("_")[-1]: float(np.abs(soundfile.read(path)[0]).max()) for path in out.rglob("*.wav")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "quieter"),
    [(OrganizeBy.FLAT, {"soft", "hard"}), (OrganizeBy.KIT, {"soft", "hard", "hat"})],
)
def test_one_gain_for_what_belongs_together(manifest: Path, layout: OrganizeBy, quieter: set[str]) -> None:
    """By source folder; by kit, over its banks, where kits are laid out. The rest is as loud as it was."""
    batch = threads.export_directly(request(manifest, Guard.FOLDER, layout))
    assert (batch.successful, batch.failed, batch.warnings) == (4, 1, {})
    wanted = {Path(name).stem: peak * (0.5 if Path(name).stem in quieter else 1) for name, peak, *_ in LOUD if peak}
    assert peaks(manifest.parent.parent / "out") == pytest.approx(wanted, abs=2e-4)


@pytest.mark.slow
def test_by_default_what_is_too_loud_is_clipped_and_said(manifest: Path) -> None:
    batch = threads.export_directly(request(manifest, Guard.NONE, OrganizeBy.FLAT))
    assert list(batch.warnings.values()) == [1]
    assert "clipped" in next(iter(batch.warnings))
    found = query(manifest.parent / "r", "SELECT samples FROM export_stats WHERE export_id = 1 AND dimension = 'warning'")
    assert found == [(1,)]


@pytest.mark.slow
def test_a_stop_while_levels_are_measured_is_a_stop(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are accounted for, and the caller hears of it."""
    from schemas.conversion import Shard, ShardResult
    from schemas.errors import StoppedError
    from tasks.convert import shard
    from tasks.convert.progress import Progress

    real = shard.convert_shard

    def stopping(asked: Shard, progress: Progress) -> ShardResult:
        if asked.verb == "measure":
            progress.stopped.set()
            return ShardResult(error=StoppedError())
        return real(asked, progress)

    monkeypatch.setattr(shard, "convert_shard", stopping)
    with pytest.raises(StoppedError):
        threads.export_directly(request(manifest, Guard.FOLDER, OrganizeBy.FLAT))
    assert query(manifest.parent / "r", "SELECT status, count(*) FROM sp404_export_samples GROUP BY 1") == [("failed", 5)]


@pytest.mark.slow
def test_what_was_measured_is_in_the_records(manifest: Path) -> None:
    threads.export_directly(request(manifest, Guard.NONE, OrganizeBy.FLAT))
    columns = "source_hash, output_hash, peak_dbfs, true_peak_dbfs, overs, rms_dbfs, dc_offset, leading_silence_ms"
    rows = query(manifest.parent / "r", f"SELECT output_filename, {columns} FROM sp404_export_samples ORDER BY 1 NULLS LAST")
    assert [name for name, *_ in rows] == ["gone.wav", "hard.wav", "hat.wav", "ride.wav", "soft.wav"]
    assert set(rows[0][1:]) == {None}
    source = soundfile.read(manifest.parent / "hot/hard.wav", dtype="float32")[0]
    output = soundfile.read(manifest.parent.parent / "out/hard.wav", dtype="int16")[0]
    _, source_hash, output_hash, peak, true_peak, overs, rms, dc, silence = rows[1]
    assert source_hash == blake3(source.tobytes()).hexdigest()
    assert output_hash == blake3(output.tobytes()).hexdigest()
    assert (peak, rms) == pytest.approx(
        (20 * np.log10(np.abs(source).max()), 10 * np.log10(np.square(source).mean())), abs=1e-3
    )
    assert true_peak >= peak
    assert overs == np.count_nonzero(np.abs(source) > 1)
    assert abs(dc) < 1e-3
    assert silence < 1
    assert query(manifest.parent / "r", "SELECT source_frames FROM samples WHERE file_path LIKE '%hard.wav'") == [(14_400,)]


@pytest.mark.slow
def test_a_database_of_the_first_version_is_brought_up_to_date(manifest: Path) -> None:
    """Its rows stay, and the next export is recorded beside them."""
    first = ROOT / "tasks/store/migrations/0001_initial.sql"
    with duckdb.connect(str(manifest.parent / "r")) as old:
        old.execute(first.read_text(encoding="utf-8"))
        old.execute("INSERT INTO schema_version VALUES (1)")
        old.execute("INSERT INTO samples (id, file_path, title, updated_at) VALUES (77, '/old.wav', 'Old', now()::TIMESTAMP)")
    threads.export_directly(request(manifest, Guard.NONE, OrganizeBy.FLAT))
    assert query(manifest.parent / "r", "SELECT title FROM samples WHERE id = 77") == [("Old",)]
    assert query(manifest.parent / "r", "SELECT count(output_hash) FROM sp404_export_samples") == [(4,)]


# ---- the command line ----


@pytest.mark.slow
def test_sound_settings_are_given_by_name(sp404: Run, manifest: Path) -> None:
    out = manifest.parent.parent / "out"
    place = "--direct", "--db", manifest.parent / "r", "--out", out
    said = sp404("export", manifest, *place, "--sound", "guard=file", "--sound", "pad_to_ms=500")
    assert said.status == 1
    assert "clipped" not in said.err
    assert soundfile.info(out / "hard.wav").frames == 24_000
    text = (out / "hard_metadata.txt").read_text(encoding="utf-8")
    assert "turned down by 6.0" in text
    assert "padded with silence to 500 ms" in text
    assert "1 x Louder than full scale" in sp404("export", manifest, *place).err


@pytest.mark.slow
def test_check_goes_by_them_too(sp404: Run, tmp_path: Path) -> None:
    audio.write(tmp_path / "short.wav", audio.tone(0.05, 48_000), 48_000, "WAV", "PCM_16")
    (tmp_path / "m.csv").write_text("file_path\nshort.wav\n", encoding="utf-8")
    assert sp404("check", tmp_path / "m.csv", "--db", tmp_path / "r").status == 1
    assert sp404("check", tmp_path / "m.csv", "--db", tmp_path / "r", "--sound", "pad_to_ms=100").status == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("gard=file", ("gard", "guard")),
        ("guard", ("guard", "NAME=VALUE")),
        ("guard=loud", ("loud", "'none', 'file' or 'folder'")),
        ("normalize_dbfs=3", ("normalize_dbfs", "less than or equal to 0")),
        ("fade_in_ms=-1", ("fade_in_ms", "greater than or equal to 0")),
    ],
)
def test_a_setting_that_is_none_is_said_and_nothing_is_written(
    sp404: Run,
    manifest: Path,
    given: str,
    words: tuple[str, ...],
) -> None:
    out = manifest.parent.parent / "out"
    said = sp404("export", manifest, "--direct", "--db", manifest.parent / "r", "--out", out, "--sound", given)
    one_clear_error(said, 2, *words)
    assert not out.exists()
