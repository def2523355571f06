"""Tell files that are gone from files that are only not seen now, such as those of a disk that is not mounted."""

import os
from collections.abc import Iterable

# More of a table is not dropped without being asked: more than this number of rows, and more than a tenth of all.
_FEW = 20


class SeenFolders:
    """The folders in which a scan saw audio, in themselves or further down."""

    def __init__(self, roots: Iterable[str], seen: Iterable[str], closed: Iterable[str] = ()) -> None:
        """Take the scanned folders, the paths of all audio files below them, and the folders that cannot be read (absolute)."""
        self._roots = frozenset(roots)
        self._closed = tuple(os.path.join(folder, "") for folder in closed)
        self._seen: set[str] = set()
        for path in seen:
            folder = os.path.dirname(path)
            while folder not in self._seen:
                self._seen.add(folder)
                if folder in self._roots or folder == os.path.dirname(folder):
                    break
                folder = os.path.dirname(folder)

    def unseen_folder(self, path: str) -> str | None:
        """Return the topmost folder around ``path`` in which no audio was seen; None if its own folder has some.

        None, too, where ``path`` is not below a scanned folder.
        """
        unseen = None
        folder = os.path.dirname(path)
        while folder not in self._roots:
            if folder in self._seen:
                return unseen
            unseen, above = folder, os.path.dirname(folder)
            if above == folder:
                return None
            folder = above
        return unseen if folder in self._seen else folder

    def is_closed(self, path: str) -> bool:
        """Return whether ``path`` is below a folder that cannot be read."""
        return path.startswith(self._closed)


def is_many(dropped: int, rows: int) -> bool:
    """Return whether so many of ``rows`` are to be dropped that a person should confirm it."""
    return dropped > _FEW and dropped * 10 > rows
