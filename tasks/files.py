"""Files that appear whole or not at all, and never in the place of a file that is not ours."""

import errno
import filecmp
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from schemas.errors import TargetTakenError


@contextmanager
def in_the_making(target: str) -> Iterator[FileIO]:
    """A new file beside ``target``, ``target.part``, for ``take_place``; it is gone afterwards if it was not taken.

    Neither a link nor a pipe that stands there is followed. Raises OSError.
    """
    part = target + ".part"
    with open(part, "wb", buffering=0, opener=_safely) as file:
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EEXIST, "something that is no file stands in the way", part)
            yield file
        finally:
            with suppress(OSError):
                os.unlink(part)


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


def write_all(file: FileIO, data: bytes) -> None:
    """All of ``data``: a raw file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file.fileno(), view) :]


def _safely(path: str, flags: int) -> int:
    extra = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
    return os.open(path, flags | sum(extra), 0o666)
