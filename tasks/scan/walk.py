"""List the files below folders: each is either given or skipped for a reason, and links are not followed."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.music import REX_EXTENSIONS
from tasks.fs.atomic import is_part
from tasks.fs.file_status import times_of
from tasks.fs.system_files import icloud_name, is_half_download, is_system_name
from tasks.scan.own_exports import OwnExports


class SkipReason(StrEnum):
    """The reasons why a file or folder is left out. Those of ``LACKING`` are samples that somebody may miss.

    The values are keys of ``sp404 scan --json``.
    """

    SYSTEM_FILE = "system file"
    OWN_EXPORT = "file that sp404 exported"
    OWN_CARD = "card that sp404 wrote"
    HALF_DOWNLOAD = "half a download"
    NOT_DOWNLOADED = "in iCloud only"
    EMPTY = "empty file"
    LINK = "link (what it points to is found where it is)"
    OUTWARD_LINK = "link out of the folder"
    NOT_REGULAR = "pipe, socket or device"
    NOT_AUDIO = "not audio"
    REX = "REX2, which can be read only with its maker's library"
    NOT_UTF8 = "name that is not UTF-8"
    UNSUITABLE_NAME = "name that no manifest can hold"
    UNREADABLE = "cannot be read"


FIXES = {
    SkipReason.NOT_DOWNLOADED: "Download it in Finder, then scan again.",
    SkipReason.OUTWARD_LINK: "Scan the folder that it points to, too.",
    SkipReason.REX: "Export it as WAV from the program that made it.",
    SkipReason.NOT_UTF8: "Rename it.",
    SkipReason.UNSUITABLE_NAME: "Rename it: without spaces at its end, line breaks and NULs, and shorter.",
    SkipReason.UNREADABLE: "Check that you may read it, or get it again from its pack.",
}
LACKING = frozenset(
    [
        SkipReason.NOT_DOWNLOADED,
        SkipReason.REX,
        SkipReason.NOT_UTF8,
        SkipReason.UNSUITABLE_NAME,
        SkipReason.UNREADABLE,
    ]
)
# PATH_MAX, and what a manifest's cell may hold.
_MAX_PATH_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A regular file that may be audio.

    Attributes:
        path: Its absolute path.
        root: The scanned folder that it is below.
        bytes: Its size.
        mtime_ns: Its modification time in ns; 0 where it cannot be trusted (``tasks.fs.atomic.times_of``).
        ctime_ns: Its status change time in ns; the same.
    """

    path: str
    root: str
    bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class SkippedPath:
    """A file or folder that is left out, why, and what to do; ``detail``: the message of the system or of a decoder."""

    path: str
    why: SkipReason
    detail: str = ""
    fix: str = ""


def parent_names(path: str, root: str) -> list[str]:
    """Return the names of a file's folders up to the scanned one, the nearest first."""
    below = path[len(root) :].split(os.sep)[1:-1]
    return [*reversed(below), os.path.basename(root)]


def walk(roots: list[str], own: OwnExports | None = None) -> Iterator[ScannedFile | SkippedPath]:
    """Yield all that lies below ``roots``, folder by folder, in order of names.

    Args:
        roots: Absolute paths of folders, without links, none below another.
        own: What exports made there.
    """
    own = own or OwnExports()
    for root in roots:
        waiting = [root]
        while waiting:
            folders: list[str] = []
            for entry in _list_folder(waiting.pop(), root, roots, folders):
                is_own = isinstance(entry, ScannedFile) and own.is_file_of_ours(entry.path, root)
                yield SkippedPath(entry.path, SkipReason.OWN_EXPORT) if is_own else entry
            cards = [folder for folder in folders if own.is_folder_of_ours(folder, root)]
            yield from (SkippedPath(folder, SkipReason.OWN_CARD) for folder in cards)
            folders = [folder for folder in folders if folder not in cards]
            waiting += reversed(folders)


def _list_folder(folder: str, root: str, roots: list[str], folders: list[str]) -> Iterator[ScannedFile | SkippedPath]:
    """Yield what lies in ``folder`` itself; the folders in it are appended to ``folders``."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield SkippedPath(folder, SkipReason.UNREADABLE, error.strerror or str(error))
        return
    for entry in entries:
        if is_system_name(entry.name) or is_part(entry.name):
            yield SkippedPath(entry.path, SkipReason.SYSTEM_FILE)
        elif entry.is_symlink():
            yield SkippedPath(entry.path, SkipReason.LINK if _leads_inside(entry.path, roots) else SkipReason.OUTWARD_LINK)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        else:
            yield _check_file(entry, root)


def _check_file(entry: "os.DirEntry[str]", root: str) -> ScannedFile | SkippedPath:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return SkippedPath(entry.path, SkipReason.UNREADABLE, error.strerror or str(error))
    path = entry.path
    why: SkipReason | None = None
    if not stat.S_ISREG(status.st_mode):
        why = SkipReason.NOT_REGULAR
    elif not status.st_size:
        why = SkipReason.EMPTY
    elif is_half_download(entry.name):
        why = SkipReason.HALF_DOWNLOAD
    elif icloud_name(entry.name):
        why = SkipReason.NOT_DOWNLOADED
    elif os.path.splitext(entry.name)[1].lower() in REX_EXTENSIONS:
        why = SkipReason.REX
    else:
        why = _why_not_in_cell(path)
    return SkippedPath(path, why) if why else ScannedFile(path, root, status.st_size, *times_of(status))


def _why_not_in_cell(path: str) -> SkipReason | None:
    """Return why a cell of a manifest cannot hold the path; None if it can."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return SkipReason.NOT_UTF8
    return (
        SkipReason.UNSUITABLE_NAME if size > _MAX_PATH_BYTES or path != path.rstrip() or "\r" in path or "\n" in path else None
    )


def _leads_inside(path: str, roots: list[str]) -> bool:
    real = os.path.realpath(path)
    return any(real == root or real.startswith(os.path.join(root, "")) for root in roots)
