"""Remove exported files that the manifest does not name any more, as long as they are unmodified."""

import os
from collections.abc import Callable

import polars as pl

from tasks.bundle.metadata_file import metadata_path
from tasks.fs.atomic import remove, remove_empty_folders
from tasks.fs.hashing import is_unmodified


def is_prunable(folder: str, path: str, size: int | None, file_hash: str | None) -> bool:
    """Return whether the file at ``path`` below ``folder`` is, byte for byte, what the records say, and not behind a link."""
    audio = os.path.join(folder, path)
    if not file_hash or os.path.realpath(os.path.dirname(audio)) != os.path.dirname(audio):
        return False
    return is_unmodified(audio, file_hash, size=size)


def prune(folder: str, stale: pl.DataFrame, forget: Callable[[list[str]], None]) -> list[str]:
    """Remove the files of ``stale`` that are still what an export wrote, with their metadata files.

    Args:
        folder: The output folder.
        stale: ``path`` below the output folder, ``output_bytes``, ``file_hash`` and ``metadata_hash``, as recorded.
        forget: Takes the paths that are gone out of the records, also of those that were gone before.

    Returns:
        The paths that were removed: of the sound and of its metadata file.
    """
    removed, gone = [], []
    for path, size, file_hash, text_hash in stale.select("path", "output_bytes", "file_hash", "metadata_hash").iter_rows():
        audio = os.path.join(folder, path)
        if os.path.realpath(os.path.dirname(audio)) != os.path.dirname(audio):
            continue
        was_there = os.path.lexists(audio)
        if was_there and not is_prunable(folder, path, size, file_hash):
            continue
        # The text first: after a kill, and where the disk refuses, the sound is still recorded, and the next run goes on.
        text = metadata_path(audio)
        if text_hash and is_unmodified(text, text_hash):
            remove(text)
            if os.path.lexists(text):
                continue
        remove(audio)
        if os.path.lexists(audio):
            continue
        remove_empty_folders(os.path.dirname(audio), folder)
        gone.append(path)
        if was_there:
            removed.append(path)
    forget(gone)
    return removed
