"""Which files lie below folders: every one is either found or skipped for a reason, and links are not followed."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.music import REX_EXTENSIONS
from tasks.fs.atomic import is_part, times_of
from tasks.fs.system_files import RESOURCE_FORK_PREFIX, SKIPPED_BY_SCAN


class Skip(StrEnum):
    """Why a file or folder is left out. Those of ``LACKING`` are samples that somebody may miss."""

    JUNK = "system file"
    EMPTY = "empty file"
    LINK = "link (what it points to is found where it is)"
    OUTWARD = "link out of the folder"
    NO_FILE = "pipe, socket or device"
    NOT_AUDIO = "not audio"
    REX = "REX2, which nobody can read without its maker's library"
    NOT_UTF8 = "name that is not UTF-8"
    NO_CELL = "name that no manifest can hold"
    UNREADABLE = "cannot be read"


FIXES = {
    Skip.OUTWARD: "Scan the folder that it points to, too.",
    Skip.REX: "Export it as WAV from the program that made it.",
    Skip.NOT_UTF8: "Rename it.",
    Skip.NO_CELL: "Rename it: without spaces at its end, line breaks and NULs, and shorter.",
    Skip.UNREADABLE: "Check that you may read it, or get it again from its pack.",
}
LACKING = frozenset([Skip.REX, Skip.NOT_UTF8, Skip.NO_CELL, Skip.UNREADABLE])
# PATH_MAX, and what a manifest's cell may hold.
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that may be audio. ``root`` is the scanned folder that it is below; the times may be 0 (``times_of``)."""

    path: str
    root: str
    bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """``detail``: what the system or a decoder said."""

    path: str
    why: Skip
    detail: str = ""
    fix: str = ""


def folders_of(path: str, root: str) -> list[str]:
    """The names of a file's folders up to the scanned one, the nearest first."""
    below = path[len(root) :].split(os.sep)[1:-1]
    return [*reversed(below), os.path.basename(root)]


def walk(roots: list[str]) -> Iterator[Found | Skipped]:
    """All that lies below ``roots`` (absolute, without links, none below another), folder by folder, in order."""
    for root in roots:
        waiting = [root]
        while waiting:
            folders: list[str] = []
            yield from _in(waiting.pop(), root, roots, folders)
            waiting += reversed(folders)


def _in(folder: str, root: str, roots: list[str], folders: list[str]) -> Iterator[Found | Skipped]:
    """What lies in ``folder`` itself; those in it are put into ``folders``."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(folder, Skip.UNREADABLE, error.strerror or str(error))
        return
    for entry in entries:
        if _is_junk(entry.name):
            yield Skipped(entry.path, Skip.JUNK)
        elif entry.is_symlink():
            yield Skipped(entry.path, Skip.LINK if _leads_inside(entry.path, roots) else Skip.OUTWARD)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        else:
            yield _looked_at(entry, root)


def _looked_at(entry: "os.DirEntry[str]", root: str) -> Found | Skipped:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Skipped(entry.path, Skip.UNREADABLE, error.strerror or str(error))
    path = entry.path
    why: Skip | None = None
    if not stat.S_ISREG(status.st_mode):
        why = Skip.NO_FILE
    elif not status.st_size:
        why = Skip.EMPTY
    elif os.path.splitext(entry.name)[1].lower() in REX_EXTENSIONS:
        why = Skip.REX
    else:
        why = _no_cell(path)
    return Skipped(path, why) if why else Found(path, root, status.st_size, *times_of(status))


def _no_cell(path: str) -> Skip | None:
    """Why no cell of a manifest can hold the path."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return Skip.NOT_UTF8
    return Skip.NO_CELL if size > _MOST_BYTES or path != path.rstrip() or "\r" in path or "\n" in path else None


def _is_junk(name: str) -> bool:
    return name.startswith(RESOURCE_FORK_PREFIX) or name.lower() in SKIPPED_BY_SCAN or is_part(name)


def _leads_inside(path: str, roots: list[str]) -> bool:
    real = os.path.realpath(path)
    return any(real == root or real.startswith(os.path.join(root, "")) for root in roots)
