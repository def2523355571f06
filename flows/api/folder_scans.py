"""Folders below the one that clients may use: which there are, and their samples put into a manifest and into the records."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import polars as pl

from config.settings import Settings
from flows.api.access import find_inside_root
from flows.api.jobs import JobQueue, QueuedJob
from flows.export.request import rows_of
from flows.scan import scan
from flows.scan_files import check_stopped
from schemas.api import JobKind, ScanAnswer
from schemas.errors import ForbiddenError, RecordNotFoundError
from schemas.music import AUDIO_EXTENSIONS
from schemas.page_api import FolderList, ScanOrder, SubFolder
from schemas.scan_report import ScanRequest, ScanResult
from tasks.convert.progress import Progress
from tasks.fs.system_files import is_system_name
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import validate
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports
from tasks.store.found_samples import add_found_samples
from tasks.store.replay import catch_up

_MANIFEST = "sp404-manifest.csv"
_MOST_FOLDERS = 1_000
# So many names of one folder are looked at, and so many of all that are listed.
_MOST_NAMES, _MOST_NAMES_IN_ALL = 20_000, 100_000
_MOST_LACKING = 100


class FolderScans:
    """The folders of one server, for clients who may name none outside of its root."""

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self._settings, self._queue = settings, queue
        self._root = settings.client_folder()

    def list(self, path: str) -> FolderList:
        """List the folders in a folder; links and what systems make are left out.

        Raises:
            ForbiddenError: It is outside of the allowed folder.
            RecordNotFoundError: There is no such folder.
        """
        folder = self._resolve(path)
        if folder != self._root and not os.path.isdir(folder):
            raise _unknown_folder(path)
        names, left = [], _MOST_NAMES_IN_ALL
        with suppress(OSError):
            names = sorted(entry.name for entry in _folders_in(folder))
        folders = []
        for name in names[:_MOST_FOLDERS]:
            inner = os.path.join(folder, name)
            count, seen = _count_audio(inner, min(left, _MOST_NAMES))
            left -= seen
            folders.append(SubFolder(name=name, path=os.path.relpath(inner, self._root), audio_files=count))
        here = "" if folder == self._root else os.path.relpath(folder, self._root)
        return FolderList(
            root=self._root,
            path=here,
            parent=os.path.dirname(here) if here else None,
            audio_files=_count_audio(folder, _MOST_NAMES)[0] or 0,
            folders=folders,
            more=len(names) > _MOST_FOLDERS,
        )

    def scan(self, wanted: ScanOrder) -> QueuedJob:
        """Append the scan of a folder to the queue.

        Raises:
            ForbiddenError: It is outside of the allowed folder, or its manifest is a link out of it.
            RecordNotFoundError: There is no such folder.
            QueueError: Too many jobs wait already.
        """
        folder = self._resolve(wanted.folder)
        if not os.path.isdir(folder):
            raise _unknown_folder(wanted.folder)
        manifest = self._resolve(os.path.join(folder, _MANIFEST))
        request = ScanRequest(folders=[folder], manifest=manifest, analyze=wanted.analyze, kits=wanted.kits)
        return self._queue.add(lambda progress: self._carry_out(request, progress), has_client=False, kind=JobKind.SCAN)

    def _resolve(self, path: str) -> str:
        folder = find_inside_root(path, self._root)
        if folder is None:
            what = "This is not in the folder that clients may use"
            raise ForbiddenError(what=what, fix="Name a folder below it; the setting api_root says which it is.")
        return folder

    def _carry_out(self, request: ScanRequest, progress: Progress) -> ScanAnswer:
        result = scan(request, self._settings, progress)
        check_stopped(progress)
        manifest = validate(read_manifest(result.manifest))
        # A person may have written rows of files elsewhere into the manifest: clients are not shown those.
        is_inside = pl.col("source").str.starts_with(os.path.join(request.folders[0], ""))
        database = Database.of(self._settings)
        with lock_exports(database):
            catch_up(database)
            new = add_found_samples(database, rows_of(manifest).filter(is_inside), result.moved)
        return _answer(result, len(manifest.rejected_lines), new)


def _answer(result: ScanResult, rejected: int, new_samples: int) -> ScanAnswer:
    counts = {name: getattr(result, name) for name in ("manifest", "written", "files", "read", "rows", "skipped", "seconds")}
    lists = {name: len(getattr(result, name)) for name in ("added", "gone", "missing")}
    return ScanAnswer(**counts, **lists, rejected=rejected, new_samples=new_samples, lacking=result.lacking[:_MOST_LACKING])


def _folders_in(folder: str) -> "Iterator[os.DirEntry[str]]":
    with os.scandir(folder) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False) and not is_system_name(entry.name) and _is_text(entry.name):
                yield entry


def _is_text(name: str) -> bool:
    return name.isprintable() and not name.startswith(".")


def _count_audio(folder: str, most: int) -> tuple[int | None, int]:
    """Return how many files directly in a folder are named like audio, and how many names were looked at: ``most``."""
    if most <= 0:
        return None, 0
    try:
        with os.scandir(folder) as listing:
            names = [entry.name for entry in islice(listing, most)]
    except OSError:
        return None, 0
    return sum(Path(name).suffix.lower() in AUDIO_EXTENSIONS and not is_system_name(name) for name in names), len(names)


def _unknown_folder(path: str) -> RecordNotFoundError:
    return RecordNotFoundError(noun="Folder", id=path, fix="The list of folders shows those that there are.")
