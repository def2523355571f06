"""``sp404 export``, ``plan``, ``check`` and ``demo``: what they print, and their exit status."""

import json
import os
from pathlib import Path

import pytest

from tasks.audio import synth
from tests.support import audio, worked
from tests.support.command_line import Run, one_clear_error


def test_the_worked_example(sp404: Run, library: Path, tmp_path: Path) -> None:
    out, db = tmp_path / "out", tmp_path / "r.duckdb"
    said = sp404("export", library / "manifest.csv", "--organize-by", "bpm", "--out", out, "--db", db, "--direct", "--json")
    assert said.status == 1
    assert said.err == ""
    result = json.loads(said.out)
    assert list(result) == [
        "export_id", "export_type", "total_requested", "successful", "unchanged", "failed", "rejected", "total_size_bytes",
        "total_time_seconds", "output_base_path", "organized_by", "format", "results", "errors",
    ]  # fmt: skip
    assert list(result["results"][0]) == [
        "success", "sample_id", "output_path", "output_filename", "format", "file_size_bytes", "conversion_time_seconds",
        "status", "error",
    ]  # fmt: skip
    assert result["errors"] == [worked.ERROR]
    assert (result["successful"], result["failed"], result["export_type"]) == (9, 1, "batch")
    history = sp404("history", "--db", db)
    assert history.status == 0
    assert "batch, bpm, wav" in history.out
    failed = sp404("history", "--db", db, "--failed")
    assert "Duration too short: 50ms (minimum: 100ms)" in failed.out
    assert len(json.loads(sp404("history", "--db", db, "--export", 1, "--json").out)) == 10
    assert [row["export_id"] for row in json.loads(sp404("history", "--db", db, "--sample", 3, "--json").out)] == [1]
    one_clear_error(sp404("history", "--db", db, "--export", 9), 2, "Export 9 not found")
    (night,) = json.loads(sp404("history", "--db", db, "--trend", "--json").out)
    assert (night["samples"], night["exported"], night["failed"]) == (10, 9, 1)
    assert "\u2588" in sp404("history", "--db", db, "--trend").out
    one_clear_error(sp404("history", "--db", db, "--trend", "--failed"), 2, "--trend is of whole exports")


def test_status_0_when_all_is_done(sp404: Run, library: Path, tmp_path: Path) -> None:
    where = ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    said = sp404("export", library / "manifest.csv", "--sample", 2, "--sample", 9, "--direct", *where)
    assert said.status == 0
    assert said.err == ""
    assert "2 exported of 2" in said.out


@pytest.mark.slow
def test_export_json_says_once_why_there_is_no_zip(sp404: Run, library: Path, tmp_path: Path) -> None:
    where = ("--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    for options in ((), ("--json",)):
        said = sp404("export", library / "manifest.csv", "--sample", 6, "--direct", "--zip", *where, *options)
        assert said.status == 1
        assert said.err.count("No ZIP: ") == 1, said.err


@pytest.mark.slow
def test_check_says_what_would_fail_and_what_to_do_and_writes_nothing(sp404: Run, library: Path, tmp_path: Path) -> None:
    (library / "broken.flac").write_bytes(b"fLaC" + b"\x55" * 5000)
    manifest = library / "more.csv"
    text = (library / "manifest.csv").read_text() + "11,broken.flac,90\n12,gone.wav,90\n13,sample_002.wav,fast\n"
    manifest.write_text(text)
    before = sorted(tmp_path.rglob("*"))
    said = sp404("check", manifest, "--db", tmp_path / "r.duckdb")
    assert said.status == 1
    assert "13 rows: 9 good, 1 rejected, 3 would fail" in said.out
    for words in (
        "line 14",
        "bpm 'fast': must be a number",
        "Duration too short: 50ms",
        "Audio file not found",
        "Failed to load audio",
    ):
        assert words in said.out
    assert sorted(tmp_path.rglob("*")) == before
    # What check foretells is what export does.
    done = json.loads(
        sp404("export", manifest, "--direct", "--json", "--out", tmp_path / "o", "--db", tmp_path / "r.duckdb").out
    )
    assert (done["successful"], done["rejected"], done["failed"]) == (9, 1, 3)


@pytest.mark.slow
def test_plan_is_what_export_then_writes(sp404: Run, library: Path, tmp_path: Path) -> None:
    options = ("--organize-by", "bpm", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb", "--json")
    before = sorted(tmp_path.rglob("*"))
    planned = json.loads(sp404("plan", library / "manifest.csv", *options).out)
    assert sorted(tmp_path.rglob("*")) == before
    done = json.loads(sp404("export", library / "manifest.csv", "--direct", *options).out)
    promised = {f"{tmp_path}/out/{file['path']}" for file in planned["files"]}
    assert promised - {f"{tmp_path}/out/110-130/sample_006.wav"} == {r["output_path"] for r in done["results"] if r["success"]}
    shown = sp404("plan", library / "manifest.csv", *options[:-1])
    assert "70-90/sample_001.wav  <-  " in shown.out


@pytest.mark.slow
@pytest.mark.parametrize("sound", [(), ("--sound", "pad_to_ms=100")], ids=["as it is", "padded"])
def test_plan_knows_what_a_scan_has_seen(sp404: Run, tmp_path: Path, sound: tuple[str, ...]) -> None:
    """Of a scanned folder plan, check and export count alike, and name the same file; one that is longer now is fine."""
    (tmp_path / "lib").mkdir()
    for name, frames in (("kick", 44_100), ("tick", 4_000), ("tock", 4_409), ("tack", 4_410)):
        audio.write(tmp_path / f"lib/{name}.wav", audio.tone(frames / 44_100, 44_100), 44_100, "WAV")
    db, out = ("--db", tmp_path / "r.duckdb"), ("--out", tmp_path / "out")
    assert sp404("scan", tmp_path / "lib", "-o", tmp_path / "m.csv", *db).status == 0

    def faults(command: str) -> list[str]:
        options = ["--json", *sound, *db, *out[: 2 * (command != "check")], *["--direct"][: command == "export"]]
        told = json.loads(sp404(command, tmp_path / "m.csv", *options).out)
        if command == "export":
            return sorted(row["error"] for row in told["results"] if not row["success"])
        return sorted(row["what"] for row in told["troubles"])

    planned = faults("plan")
    assert planned == faults("check") == faults("export")
    assert len(planned) == (0 if sound else 2)
    audio.write(tmp_path / "lib/tick.wav", audio.tone(0.2, 44_100), 44_100, "WAV")
    assert faults("plan") == faults("check") == faults("export")


NO_TABLES: dict[str, bytes] = {
    "empty": b"",
    "header only": b"file_path,title\n",
    "no file_path": b"sample,title\na.wav,A\n",
    "twice the same column": b"file_path,title,title\na.wav,A,B\n",
    "cut utf-16": "file_path\na.wav\n".encode("utf-16")[:-1],
    "utf-16 without BOM": "file_path\na.wav\n".encode("utf-16-le"),
    "a Mac's": "file_path\nCafé.wav\n".encode("mac_roman"),
    "binary": bytes(range(256)) * 20,
    "excel": b"PK\x03\x04" + b"\0" * 100,
    "open quote": b'file_path,title\n"a.wav,A\nb.wav,B\n',
}


@pytest.mark.parametrize("content", NO_TABLES.values(), ids=NO_TABLES)
def test_a_manifest_that_is_no_table_is_one_clear_error_and_nothing_is_written(
    sp404: Run, tmp_path: Path, content: bytes
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    for command in ("export", "check", "plan"):
        extra = ("--out", tmp_path / "out") if command != "check" else ()
        direct = ("--direct",) if command == "export" else ()
        one_clear_error(sp404(command, manifest, *extra, *direct, "--db", tmp_path / "r.duckdb"), 2, str(manifest))
    assert sorted(tmp_path.rglob("*")) == before


def test_manifests_that_are_no_files(sp404: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name, words in (("folder.csv", "is a folder"), ("pipe.csv", "not a regular file"), ("zero.csv", "not a regular file")):
        one_clear_error(sp404("export", tmp_path / name, "--direct"), 2, words)


@pytest.mark.slow
def test_sources_that_are_no_files_are_failed_rows(sp404: Run, tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    synth.write(lib / "good.wav", synth.hat(48_000), 48_000)
    (lib / "folder.wav").mkdir()
    os.mkfifo(lib / "pipe.wav")
    (lib / "zero.wav").symlink_to("/dev/zero")
    (lib / "empty.wav").touch()
    (lib / "text.txt").write_text("hello")
    (lib / "loop.wav").symlink_to("loop.wav")
    names = [
        "good.wav",
        "folder.wav",
        "pipe.wav",
        "zero.wav",
        "empty.wav",
        "text.txt",
        "loop.wav",
        "/etc/passwd",
        "gone.wav",
        "a" * 300,
    ]
    (lib / "m.csv").write_text("file_path\n" + "\n".join(names) + "\n")
    said = sp404("export", lib / "m.csv", "--direct", "--json", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    result = json.loads(said.out)
    assert said.status == 1
    assert (result["successful"], result["failed"]) == (1, 9)
    errors = "\n".join(result["errors"])
    for words in (
        "a folder",
        "a pipe",
        "a device",
        "empty (0 bytes)",
        "Unsupported format: .txt",
        "Audio file not found",
        "Unsupported format: passwd",
    ):
        assert words in errors


@pytest.mark.slow
def test_a_ten_megabyte_cell_is_one_rejected_row(sp404: Run, tmp_path: Path) -> None:
    synth.write(tmp_path / "a.wav", synth.hat(48_000), 48_000)
    (tmp_path / "m.csv").write_text("file_path,title\na.wav,A\na.wav," + "x" * 10_000_000 + "\n")
    said = sp404("export", tmp_path / "m.csv", "--direct", "--out", tmp_path / "out", "--db", tmp_path / "r.duckdb")
    assert said.status == 1
    assert "1 exported, 1 rejected of 2" in said.out
    assert len(said.err) < 500


@pytest.mark.slow
def test_demo(sp404: Run, tmp_path: Path) -> None:
    said = sp404("demo", "--direct", "--out", tmp_path / "demo")
    assert said.status == 0
    assert said.err == ""
    assert len(said.out.splitlines()) < 50
    assert "1. Exported by BPM: 21 exported, 2 failed of 23" in said.out
    assert "2. Exported the kit 'Night Bus': 14 exported of 14" in said.out
    for words in (
        "Duration too short: 50ms (minimum: 100ms)",
        "Failed to load audio",
        "sp404 history",
        "sp404 sql",
        "sp404 up",
        "sp404 scan",
    ):
        assert words in said.out
    kit = tmp_path / "demo/kits/night_bus"
    assert sorted(path.name for path in kit.iterdir()) == ["bank_A", "bank_B", "bank_C", "bank_D"]
    assert (kit / "bank_A/pad_01_808_kick.wav").exists()
    assert len(list((tmp_path / "demo/by-bpm").rglob("*.wav"))) == 20  # a snare stands on two pads, but once by BPM
    again = sp404("demo", "--direct", "--out", tmp_path / "demo")
    assert "21 unchanged, 2 failed of 23" in again.out
