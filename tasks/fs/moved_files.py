"""Tell files that are gone from those that stand elsewhere now, by their content."""

import os
from collections.abc import Iterable, Mapping

# Among more files of one content, the first will do: each of them sounds the same.
_MOST_CANDIDATES = 100


def is_missing(path: str) -> bool:
    """Return whether nothing stands at ``path``, not even iCloud's placeholder for a file that is not downloaded now."""
    folder, name = os.path.split(path)
    return not os.path.lexists(path) and not os.path.lexists(os.path.join(folder, f".{name}.icloud"))


def find_moved(gone: Iterable[str], contents: Mapping[str, str], fresh: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the new path of each file that is gone and whose content turned up elsewhere.

    Of several files of one content the one whose path ends most alike is taken, each for one file that is gone.

    Args:
        gone: Absolute paths.
        contents: What tells the content of each, such as a hash.
        fresh: The paths of the files that were not known before, each with what tells its content.
    """
    places: dict[str, list[str]] = {}
    for path, content in fresh:
        places.setdefault(content, []).append(path)
    moved = {}
    for path in gone:
        if candidates := places.get(contents[path]):
            best = max(range(min(len(candidates), _MOST_CANDIDATES)), key=lambda at: _parts_alike(path, candidates[at]))
            moved[path] = candidates.pop(best)
    return moved


def _parts_alike(path: str, other: str) -> int:
    """Count the names at the end of two paths that are the same."""
    pairs = zip(reversed(path.split("/")), reversed(other.split("/")), strict=False)
    return next((count for count, (name, its) in enumerate(pairs) if name != its), 0)
