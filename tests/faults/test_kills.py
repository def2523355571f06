"""Runs that are killed at any moment, and the same command again: nothing lost, nothing doubled, nothing half there.

``python -m tests.support.killing --kills 300`` does the same for longer.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tasks.audio import synth
from tests.support.faults import Export, assert_whole, files, tree, write_manifest
from tests.support.killing import SCENES, Moment, Running, Scene, Stage, Trial, session, trials, vanished

KILLS = 6  # a scene; four more of each are aimed
SEED = 404
# As these begin: in the middle of what must be done in one order.
PLACES = {
    "a first export": ["rename 150", "sync 2", "commit 5", "committed 4"],
    "the night after": ["rename 40", "remove 60", "rmdir 4", "committed 6"],
    "all of it again": ["rename 90", "statement 45", "commit 8", "sync 5"],
}
pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"), pytest.mark.slow]


@pytest.fixture(scope="module", params=SCENES, ids=[scene.name for scene in SCENES])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    scene: Scene = request.param
    return Stage(scene, tmp_path_factory.mktemp("stage") / "s")


def test_killed_at_random(stage: Stage) -> None:
    found = [(str(trial), fault) for trial in trials([stage], KILLS, SEED) for fault in trial.faults]
    assert not found, found


def test_killed_in_the_middle_of_things(stage: Stage) -> None:
    """All in a row, each a little further on."""
    chosen = [place.split() for place in PLACES[stage.scene.name]]
    trial = Trial(stage, [Moment("change", kind, int(number), False) for kind, number in chosen])
    trial.run()
    assert not trial.faults, (str(trial), trial.faults)
    assert trial.kills


def test_a_worker_that_outlives_its_run_leaves_nothing(tmp_path: Path) -> None:
    """It is stopped in the middle of a sample while its run is killed, and wakes up after the next run has done it all."""
    synth.write(tmp_path / "lib/a.wav", synth.bass(44_100, 100, 60), 44_100)
    manifest = write_manifest(tmp_path / "lib/m.csv", "file_path", ["a.wav"])
    options = ("--sound", "normalize_dbfs=-1", "--workers", "1")
    export = Export(manifest, tmp_path / "out", tmp_path / "records/r.duckdb", tmp_path / "home", options)
    with export.start() as running:
        worker: list[int] = []
        running.until(lambda: worker.extend(_readers(running, tmp_path / "lib/a.wav")) or worker)
        os.kill(worker[0], signal.SIGSTOP)
        running.kill(workers_too=False)
        os.kill(worker[0], signal.SIGSTOP)  # Linux wakes up those whose parent dies
        assert all(path.endswith(".part") for path in map(str, files(export.out))), "it is in the middle of the sample"
        try:
            said = export.run().ended(0)
        finally:
            os.kill(worker[0], signal.SIGCONT)
        # What it has in the making is still there, until it has woken up and is gone.
        done = {path: content for path, content in tree(export.out).items() if not path.endswith(".part")}
        assert vanished(running.pid)
        assert said.result["successful"] == 1
    assert_whole(export.out, tmp_path / "records")
    assert tree(export.out) == done


def _readers(running: Running, path: Path) -> list[int]:
    """The workers of a run that have this file open."""
    found = []
    for pid in session(running.pid):
        with suppress(OSError):
            if pid != running.pid and any(os.readlink(fd) == str(path) for fd in Path(f"/proc/{pid}/fd").iterdir()):
                found.append(pid)
    return found


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """Whenever that is: while they start, work, or wait."""
    names = [f"{n}.wav" for n in range(40)]
    for name in names:
        synth.write(tmp_path / "lib" / name, synth.hat(44_100), 44_100)
    manifest = write_manifest(tmp_path / "lib/m.csv", "file_path", names)
    export = Export(manifest, tmp_path / "out", tmp_path / "records/r.duckdb", tmp_path / "home", ("--workers", "3"))
    for wait_s in (0, 0.5):
        with export.start("--full") as running:
            running.until(lambda: len(session(running.pid)) == 4)
            time.sleep(wait_s)
            running.kill(workers_too=False)
            assert vanished(running.pid), wait_s
    export.run("--full").ended(0)
    assert not [path for path in files(tmp_path) if path.endswith(".part")]
