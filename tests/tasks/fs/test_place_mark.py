"""The mark of a folder, while others write to that folder, too."""

import os
import subprocess
import sys
from pathlib import Path

from tasks.fs.atomic import own_part_name, part_name
from tasks.fs.place_mark import MARK_FILE, PlaceMark, read_mark, write_mark


def test_only_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    """Another database may be writing its mark just now: without its file that run would fail."""
    folder = tmp_path / "out"
    folder.mkdir()
    token = own_part_name(MARK_FILE, "mark").split("-")[1]
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    alive, dead = part_name(token, os.getppid(), "mark"), part_name(token, ended.pid, "mark")
    elsewhere = part_name("0a1b2c3d", ended.pid, "mark")
    for name in (alive, dead, elsewhere, own_part_name(MARK_FILE, "mark")):
        (folder / name).write_bytes(b"half")
    mark = PlaceMark.new().next_run()
    write_mark(str(folder), mark)
    assert read_mark(str(folder)) == mark
    assert sorted(os.listdir(folder)) == sorted([MARK_FILE, alive, elsewhere])
