"""Tests of the tests: what the kit says of broken files, and that its faults are those that they are said to be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.audio import synth
from tests.support import ROOT, means
from tests.support.faults import Export, Undisturbed, broken_file, completes, final_sounds, tree, watched
from tests.support.waiting import comes_true


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_every_cut_of_a_file_is_seen(tmp_path: Path, name: str) -> None:
    synth.write(tmp_path / name, synth.hat(48_000, 0.12), 48_000, "PCM_16")
    whole = (tmp_path / name).read_bytes()
    assert not broken_file(str(tmp_path / name))
    for left in (0, 4, 44, 54, 1_000, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:left])
        assert broken_file(str(tmp_path / name)), left
    (tmp_path / name).write_bytes(whole[:40] + bytes(4) + whole[44:])
    assert broken_file(str(tmp_path / name)) or name.endswith("aiff")


def test_a_file_that_is_written_in_place_is_seen(tmp_path: Path) -> None:
    synth.write(tmp_path / "source.wav", synth.hat(48_000, 0.5), 48_000)
    whole = (tmp_path / "source.wav").read_bytes()
    out = tmp_path / "out"
    out.mkdir()

    def in_place() -> None:
        with watched(out) as watch, (out / "a.wav").open("wb", buffering=0) as file:
            file.write(whole[:1_000])
            comes_true(lambda: watch.broken, 10, every=0.001)
            file.write(whole[1_000:])

    with pytest.raises(AssertionError, match=r"its header says|no header in"):
        in_place()


@pytest.mark.slow
@pytest.mark.faults("setpriv")
def test_an_ordinary_user_reads_here_and_writes_nowhere(ground: Path) -> None:
    (ground / "closed").write_text("")
    (ground / "closed").chmod(0)
    places = [str(ROOT), str(ground), "/"]
    code = f"import json, os; print(json.dumps([os.geteuid(), *(os.access(p, os.W_OK) for p in {places})"
    code += f", os.access({str(ground / 'closed')!r}, os.R_OK)]))"
    command = [*means.unprivileged(ground / "staged"), sys.executable, "-c", code]
    user, *can = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert user != 0
    assert not any(can) or os.geteuid() != 0
    assert not can[-1]


@pytest.mark.faults("fiu")
def test_short_writes_are_real(tmp_path: Path) -> None:
    code = f"import os; fd = os.open({str(tmp_path / 'x')!r}, os.O_CREAT | os.O_WRONLY)"
    code += "; said = [os.write(fd, b'x' * 1000) for _ in range(20)]; print(said, '#', os.fstat(fd).st_size)"
    command = [*means.short_writes(means.BY_PYTHON), sys.executable, "-c", code]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    told, _, size = done.stdout.partition("#")
    assert sum(json.loads(told)) == int(size) < 20_000


@pytest.mark.faults("strace")
@pytest.mark.slow
def test_kills_at_chosen_places_lose_nothing(export: Export, undisturbed: Undisturbed) -> None:
    """SIGKILL as a rename, an unlink, a write to the database begins; a reader watches all the time."""
    with watched(export.out) as watch:
        for call in ("rename:signal=KILL:when=5", "rename:signal=KILL:when=30", "fdatasync:signal=KILL:when=9"):
            assert export.run(before=means.strace(call)).status in (-9, 0)
        completes(export, undisturbed.tree())
    assert len(watch.seen) >= len(final_sounds(export.out)) == 96
    assert tree(export.out)
