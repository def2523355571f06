"""Files by REST: ZIPs of exports, originals and waveforms of samples."""

import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from flows.api import previews
from flows.api.export_queue import SharedProcessPool
from tasks.audio import synth
from tests.support.api_library import problem, recorded_library, serve_library
from tests.support.serve import API

pytestmark = pytest.mark.slow


def test_a_download_is_exactly_what_was_exported(api: httpx.Client, folder: Path) -> None:
    made = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1, 2], "config": {"output_base_path": "zip"}}).json()
    url = f"{API}/exports/{made['export_id']}/download"
    answer = api.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f"attachment; filename=sp404-export-{made['export_id']}.zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    there = {path.name: path.read_bytes() for path in (folder / "out/zip").glob("[!.]*")}
    assert found == there
    middle = api.get(url, headers={"Range": "bytes=10-99"})
    assert (middle.status_code, middle.content) == (206, answer.content[10:100])
    assert middle.headers["content-range"] == f"bytes 10-99/{len(answer.content)}"
    tail = api.get(url, headers={"Range": "bytes=-7", "If-Range": middle.headers["etag"]})
    assert (tail.status_code, tail.content) == (206, answer.content[-7:])
    whole = api.get(url, headers={"Range": "bytes=-7", "If-Range": '"other"'})
    assert (whole.status_code, whole.content) == (200, answer.content)
    beyond = api.get(url, headers={"Range": f"bytes={len(answer.content)}-"})
    problem(beyond, 416, f"The range is outside of the file ({len(answer.content):,} bytes)")
    assert beyond.headers["content-range"] == f"bytes */{len(answer.content)}"


def test_a_download_of_what_is_unknown_changed_or_gone(api: httpx.Client, folder: Path) -> None:
    problem(api.get(f"{API}/exports/9999/download"), 404, "Export 9999 not found")
    config = {"output_base_path": "damaged", "include_metadata": False}
    made = api.post(f"{API}/samples/export-batch", json={"sample_ids": [1, 2], "config": config}).json()
    url = f"{API}/exports/{made['export_id']}/download"
    assert api.get(url).status_code == 200
    path = folder / "out/damaged/kick_one.wav"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\0\1")
    changed = api.get(url)
    problem(changed, 409, changed.json()["detail"])
    assert "1 of 2 files are not as recorded" in changed.json()["detail"]
    path.unlink()
    gone = api.get(url)
    problem(gone, 410, gone.json()["detail"])
    path.write_bytes(content)
    assert api.get(url).status_code == 200
    failed = api.post(f"{API}/samples/export-batch", json={"sample_ids": [6]}).json()
    nothing = api.get(f"{API}/exports/{failed['export_id']}/download")
    problem(nothing, 404, f"Export {failed['export_id']} has no files: nothing of it was exported")


def test_audio_is_the_original_in_whole_and_in_parts(api: httpx.Client, folder: Path) -> None:
    original = (folder / "lib/bass.mp3").read_bytes()
    answer = api.get(f"{API}/samples/2/audio")
    assert (answer.content, answer.headers["content-type"]) == (original, "audio/mpeg")
    part = api.get(f"{API}/samples/2/audio", headers={"Range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, original[100:])
    problem(api.get(f"{API}/samples/9/audio"), 422, "Audio file not found: gone.wav")
    problem(api.get(f"{API}/samples/8/audio"), 422, "Unsupported format: .xyz")


def test_a_preview_of_the_device_is_what_an_export_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte; that of the original is what libsndfile reads in it, at its own rate."""
    recorded_library(tmp_path)
    with serve_library(monkeypatch, tmp_path) as api:

        def listen(number: int, kind: str, **headers: str) -> httpx.Response:
            return api.get(f"{API}/samples/{number}/preview", params={"as": kind}, headers=headers)

        for number, name in ((1, "kick_one.wav"), (2, "bass_two.wav"), (3, "pad_three.wav")):
            answer = listen(number, "device")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
            assert answer.content == (tmp_path / "first" / name).read_bytes()
        for number, name in ((1, "kick.wav"), (3, "pad.flac"), (6, "click.wav")):
            heard, rate = soundfile.read(io.BytesIO(listen(number, "original").content), dtype="float32")
            sound, its_rate = soundfile.read(tmp_path / "lib" / name, dtype="float32")
            assert rate == its_rate
            assert np.array_equal(heard, sound)
        with monkeypatch.context() as patch:
            patch.setattr(SharedProcessPool, "get", None)  # nothing is decoded any more
            part = listen(2, "device", Range="bytes=10-99")
            assert (part.status_code, part.content) == (206, (tmp_path / "first/bass_two.wav").read_bytes()[10:100])
        problem(listen(6, "device"), 422, "Duration too short: 50ms (minimum: 100ms)")
        problem(listen(99, "device"), 404, "Sample 99 not found")
        assert list((tmp_path / "r.duckdb.runs/previews").glob(".*")) == []


def test_a_preview_is_a_minute_at_the_most_and_256_mb_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_library(tmp_path, only_good=True)
    synth.write(tmp_path / "lib/kick.wav", synth.bass(48_000, 40, 61), 48_000)
    monkeypatch.setattr(previews, "_MAX_BYTES", 12_000_000)
    with serve_library(monkeypatch, tmp_path) as api:
        for kind in ("device", "original"):
            answer = api.get(f"{API}/samples/1/preview", params={"as": kind})
            heard, _ = soundfile.read(io.BytesIO(answer.content))
            sound, _ = soundfile.read(tmp_path / "lib/kick.wav")
            assert len(heard) == 60 * 48_000
            assert np.array_equal(heard, sound[: len(heard)])
        (kept,) = (tmp_path / "r.duckdb.runs/previews").iterdir()
        assert kept.stat().st_size == len(answer.content) == 58 + 60 * 48_000 * 4


def test_many_peaks_are_drawn_a_few_a_call_and_kept_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_library(tmp_path)
    (tmp_path / "lib/gone.wav").unlink()
    with serve_library(monkeypatch, tmp_path) as api:

        def ask(ids: str) -> tuple[list[list[float] | None], list[int]]:
            told = api.get(f"{API}/samples/peaks", params={"ids": ids}).raise_for_status().json()
            return [item and item["peaks"] for item in told["items"]], told["pending"]

        items, pending = ask("1,2,3,6,7,9,99")
        assert [item is not None for item in items] == [True, True, True, True, False, False, False]
        assert pending == [7]
        assert ask("7") == ([None], []), "it was tried, and cannot be drawn"
        sound, _ = soundfile.read(tmp_path / "lib/click.wav", always_2d=True)
        assert max(items[3] or ()) == pytest.approx(np.abs(sound).max(), abs=1e-4), "50 ms are too short for the device alone"
        with monkeypatch.context() as patch:
            patch.setattr(SharedProcessPool, "get", None)  # nothing is drawn any more
            again, _ = ask("6,3,2,1")
            assert again == items[3::-1]
            assert api.get(f"{API}/samples/3/peaks").json()["peaks"] == items[2]
        (tmp_path / "lib/kick.wav").write_bytes((tmp_path / "lib/click.wav").read_bytes())
        assert ask("1")[0] == [items[3]]
        assert api.get(f"{API}/samples/peaks", params={"ids": ",".join(["1"] * 51)}).status_code == 422


def test_peaks_are_those_of_the_sound(api: httpx.Client, folder: Path) -> None:
    told = api.get(f"{API}/samples/1/peaks").json()
    sound, rate = soundfile.read(folder / "lib/kick.wav", always_2d=True)
    assert told["seconds"] == len(sound) / rate
    assert 128 <= len(told["peaks"]) <= 256
    assert max(told["peaks"]) == pytest.approx(np.abs(sound).max(), abs=1e-4)
    assert told["peaks"][0] == pytest.approx(np.abs(sound[:64]).max(), abs=0.2)
    broken = api.get(f"{API}/samples/7/peaks")
    problem(broken, 422, broken.json()["detail"])
