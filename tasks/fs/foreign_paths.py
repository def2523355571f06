"""Find the file that a path from another system means: its separators, drives, URLs, homes, Unicode forms and case.

Only paths whose file does not exist as written are worth asking about.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from tasks.fs.mojibake import repair_path

_DRIVE = re.compile(r"([A-Za-z]):/+(.*)", re.DOTALL)
# Where systems mount disks; what follows is the disk's name.
_MOUNTS = re.compile(r"(/Volumes|/media/[^/]+|/run/media/[^/]+|/mnt)/([^/]+)/")
# What an absolute path may begin with that was made of a foreign path and the manifest's folder.
_FOREIGN_PART = re.compile(r"(?i)/(?=[a-z]:[\\/]|\\|file:|~)")
_MOST_PLACES = 64
READ_AS_UTF8 = "Open the table as UTF-8 in the program that saved it."


class FileMatch(NamedTuple):
    """The file that a path means; or "" and, where it is known, why there is none and what to do about it."""

    path: str
    why_not: str = ""


class _PlainPath(NamedTuple):
    """A path with ``/`` between its parts. ``root`` is the drive (``E:``) or share that it begins with on its own system."""

    text: str
    root: str = ""


class _Place(NamedTuple):
    """A file or folder that fits. ``distance`` counts the parts of its path that differ in more than their Unicode form."""

    path: str
    distance: int


class ForeignPathFinder:
    """Finds files by paths of other systems. It lists a folder once.

    Args:
        folder: The folder to which relative paths belong, absolute.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/") or "/"
        self._names: dict[str, dict[str, list[str]]] = {}
        self._places: dict[str, list[_Place]] = {"/": [_Place("/", 0)], self._folder: [_Place(self._folder, 0)]}
        self._suffixes: dict[str, list[list[_Place]]] = {}

    def find(self, written: str) -> FileMatch:
        """Return the one file that ``written`` can mean, a path that does not exist as it stands."""
        plain = _read_path(written)
        if plain.text.startswith("~"):
            return FileMatch("", f"There is no user {plain.text.partition('/')[0][1:]!r} here. Write the path without ~.")
        if plain.root:
            return self._find_below_known_folders(plain)
        path = re.sub(r"/(?:\.?/)+", "/", os.path.join(self._folder, plain.text))
        if match := _choose(self._matches(path)):
            return match
        if meant := self.find_garbled(path):
            return FileMatch("", f"Its letters were garbled: it was {meant}. {READ_AS_UTF8}")
        return FileMatch("", _explain_absence(path, is_plain=plain.text == written))

    def has_folder(self, path: str) -> bool:
        """Return whether a folder is here that an absolute path means."""
        return bool(self._folders(path))

    def find_garbled(self, path: str) -> str:
        """Return the file that an absolute path means whose letters a program has garbled; "" where none is here.

        ``find`` does not take it: the title beside such a path is garbled, too, and would be the sample's name.
        """
        matches = (_choose(self._matches(repaired)) for repaired in repair_path(path))
        return next((match.path for match in matches if match), "")

    def _find_below_known_folders(self, plain: _PlainPath) -> FileMatch:
        """Find a file of a drive or share by the longest end of its path that is here, with a folder of its own at least."""
        parent, _, name = plain.text.strip("/").rpartition("/")
        for places in self._folders_of_suffixes(parent, plain.root):
            if match := _choose(match for place in places for match in self._matches_in(place, name)):
                return match
        what = f"The drive {plain.root}" if plain.root.endswith(":") else f"The network share {plain.root}"
        return FileMatch("", f"{what} is not here. Connect it, or write paths relative to the manifest's folder, with /.")

    def _folders_of_suffixes(self, parent: str, root: str) -> list[list[_Place]]:
        """Return the folders that fit an end of ``parent``, the longest end first."""
        key = f"{root}/{parent}"
        if key not in self._suffixes:
            parts = [part for part in parent.split("/") if part]
            bases = [self._folder]
            while parts and os.path.dirname(bases[-1]) != "/":
                bases.append(os.path.dirname(bases[-1]))
            mounted = f"/mnt/{root[0].lower()}"  # where Windows' drives are in its Linux
            found = [self._folders(os.path.join(mounted, *parts)) if os.path.isdir(mounted) else []]
            for first in range(max(len(parts), 1)):
                found.append([place for base in bases for place in self._folders(os.path.join(base, *parts[first:]))])
            self._suffixes[key] = [places for places in found if places]
        return self._suffixes[key]

    def _matches(self, path: str) -> list[_Place]:
        parent, name = os.path.split(path.rstrip("/"))
        return [match for place in self._folders(parent) for match in self._matches_in(place, name)]

    def _folders(self, path: str) -> list[_Place]:
        """Return the folders that fit ``path``."""
        path = path.rstrip("/") or "/"
        if path not in self._places:
            places = [place for place in self._matches(path) if os.path.isdir(place.path)]
            self._places[path] = places[:_MOST_PLACES]
        return self._places[path]

    def _matches_in(self, place: _Place, name: str) -> list[_Place]:
        if name in ("", ".", ".."):
            return [_Place(os.path.join(place.path, name), place.distance)]
        if place.path not in self._names:
            self._names[place.path] = _list_names(place.path)
        form = unicodedata.normalize("NFC", name)
        return [
            _Place(os.path.join(place.path, other), place.distance + (unicodedata.normalize("NFC", other) != form))
            for other in self._names[place.path].get(_fold(name), ())
        ]


def explain_missing(path: str) -> str:
    """Return why there is no file at an absolute path, and what to do about it; "" where no more is known than that.

    Args:
        path: The path; one of another system stands behind the folder to which it belongs.
    """
    foreign = _FOREIGN_PART.search(path)
    folder, written = (path[: foreign.start()], path[foreign.end() :]) if foreign else ("/", path)
    with suppress(OSError, ValueError):
        return ForeignPathFinder(folder or "/").find(written).why_not
    return ""


def why_missing(path: str) -> str:
    """Return all that is known of why there is no file at an absolute path, and what to do; "" where that is nothing."""
    return explain_missing(path) or explain_absent_folder(path)


def explain_absent_folder(path: str) -> str:
    """Return that the folder of a file is not there, and which of its folders is the first that is missing; else ""."""
    folder, missing = os.path.dirname(path), ""
    while folder.strip("/") and not os.path.lexists(folder):
        folder, missing = os.path.dirname(folder), folder
    return (
        f"The folder {missing} is not there: connect its disk, or scan the folder where the samples are now." if missing else ""
    )


def _read_path(written: str) -> _PlainPath:
    """Read a path as the system that wrote it does."""
    text, is_share = written, written.startswith("\\\\")
    if text[:5].lower() == "file:":
        text = _read_url(text[5:])
        is_share = text.startswith("//")
    text = text.replace("\\", "/")
    if text.startswith(("//?/", "//./")):  # Windows' long paths
        text = text[4:]
        is_share = text[:4].upper() == "UNC/"
        text = f"//{text[4:]}" if is_share else text
    if drive := _DRIVE.fullmatch(text):
        return _PlainPath(drive[2], f"{drive[1].upper()}:")
    if is_share:
        server, share, *rest = [*text.strip("/").split("/", 2), "", ""][:3]
        return _PlainPath(rest[0], rf"\\{server}\{share}")
    return _PlainPath(os.path.expanduser(text) if text.startswith("~") else text)


def _read_url(rest: str) -> str:
    """Return the path of a file URL, without its ``file:``; ``//server/share/...`` where it names another machine."""
    path = unquote(rest)
    if path.startswith("//"):
        host, slash, below = path[2:].partition("/")
        if host and host.lower() != "localhost" and not host.endswith(":"):
            return path
        path = f"{host}/{below}" if host.endswith(":") else slash + below
    return path[1:] if re.match(r"/[A-Za-z]:/", path) else path


def _choose(matches: Iterable[_Place]) -> FileMatch | None:
    """Return the nearest of the files that fit; None where none does."""
    files: dict[tuple[int, int], _Place] = {}
    for match in sorted(matches, key=lambda place: (place.distance, place.path)):
        with suppress(OSError):
            status = os.stat(match.path)
            files.setdefault((status.st_dev, status.st_ino), match)
    nearest = [place.path for place in files.values() if place.distance == min(file.distance for file in files.values())]
    if not nearest:
        return None
    if len(nearest) == 1:
        return FileMatch(nearest[0])
    is_one_folder = len({os.path.dirname(path) for path in nearest}) == 1
    first, second = (os.path.basename(path) if is_one_folder else path for path in nearest[:2])
    count = "Two files fit" if len(nearest) == 2 else f"{len(nearest)} files fit"
    return FileMatch("", f"{count} this path: {first!r} and {second!r}. Write the one that you mean exactly.")


def _explain_absence(path: str, is_plain: bool) -> str:
    mount = _MOUNTS.match(path)
    if mount and not os.path.isdir(mount[0]):
        return f"The disk {mount[2]!r} is not mounted here. Connect it, or correct file_path."
    return "" if is_plain else f"Read as {path}, it does not exist either. Write it relative to the manifest's folder, with /."


def _list_names(folder: str) -> dict[str, list[str]]:
    try:
        return _names_as_of(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=32)
def _names_as_of(folder: str, mtime_ns: int) -> dict[str, list[str]]:
    """Return the names in a folder by ``_fold``; those that are not UTF-8 cannot stand in a manifest."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        if name.isascii():
            names.setdefault(name.lower(), []).append(name)
        elif not any("\udc80" <= char <= "\udcff" for char in name):
            names.setdefault(_fold(name), []).append(name)
    return names


def _fold(name: str) -> str:
    """Return what names have in common that differ only in case or Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
