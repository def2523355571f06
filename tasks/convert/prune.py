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
        The paths that were removed.
    """
    removed, gone = [], []
    for path, size, file_hash, text_hash in stale.select("path", "output_bytes", "file_hash", "metadata_hash").iter_rows():
        audio = os.path.join(folder, path)
        if os.path.realpath(os.path.dirname(audio)) != os.path.dirname(audio):
            continue
        if is_prunable(folder, path, size, file_hash):
            remove(audio)
            if text_hash and is_unmodified(metadata_path(audio), text_hash):
                remove(metadata_path(audio))
            remove_empty_folders(os.path.dirname(audio), folder)
            removed.append(path)
        if not os.path.lexists(audio):
            gone.append(path)
    forget(gone)
    return [path for path in removed if path in gone]
