"""The hidden file by which a card or an output folder is known, wherever it is moved to or mounted."""

import errno
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from tasks.fs.atomic import create_exclusively, own_part_name, remove, remove_left_parts, write_all

MARK_FILE = ".sp404-export"
_KIND = "mark"
_LOOK_AGAIN_SECONDS = 0.1
_LARGEST_STEP = 1 << 32
_TEXT = "{}\nrun {}\nsp404-export knows this folder by the number above.\n"
_MARK = re.compile(r"\A(?P<id>[0-9a-f]{32})\n(?:run (?P<run>[0-9]{1,18})\n)?")


@dataclass(frozen=True)
class PlaceMark:
    """The content of a mark: ``id``, and ``run``, which grows with each export that writes there (0 in marks of before)."""

    id: str
    run: int

    @classmethod
    def new(cls) -> "PlaceMark":
        """Return a mark that no other place has."""
        return cls(secrets.token_hex(16), 0)

    def next_run(self) -> "PlaceMark":
        """Return the mark of the next export that writes there.

        The step is random: what is written to two copies of one folder must not arrive at one number.
        """
        return PlaceMark(self.id, self.run + 1 + secrets.randbelow(_LARGEST_STEP))


def read_mark(folder: str) -> PlaceMark | None:
    """Return what the mark in a folder says; None if there is none that can be read."""
    with suppress(OSError):
        return read_mark_strictly(folder)
    return None


def read_mark_strictly(folder: str) -> PlaceMark | None:
    """Return what the mark in a folder says; None if there is none, or a file that is not ours.

    Raises:
        OSError: Something stands there, and the disk does not give it.
    """
    try:
        with open(os.path.join(folder, MARK_FILE), encoding="ascii") as file:
            found = _MARK.match(file.read(100))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return None
    return PlaceMark(found["id"], int(found["run"] or 0)) if found else None


def write_mark(folder: str, mark: PlaceMark) -> None:
    """Write the mark of a folder, durably.

    Raises:
        FileExistsError: A file of that name is not ours. It stays.
        OSError: It cannot be written.
    """
    path = os.path.join(folder, MARK_FILE)
    if _is_foreign(folder):
        raise FileExistsError(errno.EEXIST, "is not what sp404-export wrote", path)
    remove_left_parts(folder, _KIND)  # a run may have been killed just here; another database's may be here now
    part = os.path.join(folder, own_part_name(MARK_FILE, _KIND))
    remove(part)
    with create_exclusively(part) as file:
        write_all(file, _TEXT.format(mark.id, mark.run).encode())
        os.fsync(file.fileno())
        os.replace(part, path)


def _is_foreign(folder: str) -> bool:
    """Return whether a file that is not ours has the name of the mark.

    Looked at twice: FAT through FUSE once did not give a mark that was read at the same time elsewhere.
    """
    for _ in range(2):
        if not os.path.lexists(os.path.join(folder, MARK_FILE)) or read_mark(folder):
            return False
        time.sleep(_LOOK_AGAIN_SECONDS)
    return True


def write_mark_in_place(folder: str, mark: PlaceMark) -> None:
    """Write a mark over the one of the same id that is there: on a full disk, where there is no room for another file.

    Raises:
        OSError: It cannot be written.
    """
    with open(os.path.join(folder, MARK_FILE), "r+b", buffering=0) as file:
        file.seek(len(mark.id))
        write_all(file, _TEXT.format(mark.id, mark.run).encode()[len(mark.id) :])
        file.truncate()
        os.fsync(file.fileno())
