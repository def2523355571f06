"""A sound and its metadata file go together, whatever ends the run between them."""

import errno
import os

import pytest

from tasks.fs import atomic
from tests.support.nightly import Killed, Nightly, tree


@pytest.mark.parametrize("call", [2, *(pytest.param(call, marks=pytest.mark.slow) for call in (1, 3))])
@pytest.mark.parametrize("end", [Killed(), pytest.param(OSError(errno.EIO, "Input/output error"), marks=pytest.mark.slow)])
def test_a_pair_that_was_half_removed(night: Nightly, monkeypatch: pytest.MonkeyPatch, call: int, end: BaseException) -> None:
    """A kill, or a disk that refuses, at three of the four removals: one more run leaves nothing of either pair."""
    for number, name in enumerate(("kick", "snare", "hat")):
        night.add(f"{name}.wav", 300 + 100 * number, genre="house")
    night.export(organize_by="genre")
    kept, stale = night.rows[:1], ("house/snare", "house/hat")
    night.rows = kept
    calls, unlink = iter(range(1, 1_000)), os.unlink

    def fail(path: str) -> None:
        if os.path.basename(path).startswith(("snare", "hat")) and next(calls) == call:
            raise end
        unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "unlink", fail)
        if isinstance(end, Killed):
            with pytest.raises(Killed):
                night.export(organize_by="genre", prune=True)
        else:
            batch = night.export(organize_by="genre", prune=True, whole=False)
            whole = [name for name in stale if {f"{name}.wav", f"{name}_metadata.txt"}.isdisjoint(tree(night.out))]
            assert batch.pruned == len(whole) == 1, "what is said to be removed is, with its text"
            assert len(batch.stale) == 1
    night.export(organize_by="genre", prune=True)
    assert set(tree(night.out)) == {"house/kick.wav", "house/kick_metadata.txt"}
    assert [path for (path,) in night.outputs("path")] == ["house/kick.wav"]


def test_a_text_whose_sound_somebody_removed(night: Nightly) -> None:
    """It goes if it is as it was written, and stays if a person wrote in it."""
    for number, name in enumerate(("kick", "snare", "hat")):
        night.add(f"{name}.wav", 300 + 100 * number)
    night.export()
    for name in ("snare", "hat"):
        (night.out / f"{name}.wav").unlink()
    with (night.out / "hat_metadata.txt").open("a") as notes:
        notes.write("too loud")
    del night.rows[1:]
    assert night.export(prune=True, whole=False).pruned == 0, "no sound was there to be removed"
    assert set(tree(night.out)) == {"kick.wav", "kick_metadata.txt", "hat_metadata.txt"}
