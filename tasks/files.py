"""Files that appear whole or not at all, and never in the place of a file that is not ours."""

import filecmp
import itertools
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from schemas.errors import TargetTakenError

_number = itertools.count()
_PART = re.compile(r"^\.sp404-([0-9]+)-[0-9]+\.part$")


@contextmanager
def in_the_making(target: str) -> Iterator[FileIO]:
    """A new file in ``target``'s folder, for ``take_place``; it is gone afterwards if it was not taken.

    Its name is this process's own, and nothing that stands there is opened. Raises OSError.
    """
    part = os.path.join(os.path.dirname(target), f".sp404-{os.getpid()}-{next(_number)}.part")
    with open(part, "xb", buffering=0) as file:
        try:
            yield file
        finally:
            with suppress(OSError):
                os.unlink(part)


def sweep(folder: str) -> None:
    """Remove what killed processes had in the making in ``folder``."""
    with suppress(OSError):
        for name in os.listdir(folder):
            made_by = _PART.match(name)
            path = os.path.join(folder, name)
            if made_by and not _is_running(int(made_by[1])) and is_regular(path):
                os.unlink(path)


def take_place(file: FileIO, target: str, ours: bool) -> None:
    """Close ``file``, which is ``in_the_making``, and give it its name.

    What stands there and is not ours stays, unless it holds the very same bytes. Raises TargetTakenError and OSError.
    """
    file.close()
    part = str(file.name)
    if not ours and os.path.lexists(target):
        if is_regular(target) and filecmp.cmp(part, target, shallow=False):
            return
        raise TargetTakenError(path=target)
    os.replace(part, target)


def same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def is_regular(path: str) -> bool:
    """Whether ``path`` itself is a file: no link, no pipe."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """All of ``data``: a raw file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file.fileno(), view) :]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True
