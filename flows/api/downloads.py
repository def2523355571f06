"""Files for REST clients: the audio of a sample, and an export as a ZIP."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from config.settings import Settings
from flows.api.client_files import empty_folder, make_folder, take_place
from flows.api.library import LibraryPages
from flows.export import zip_archive
from schemas.errors import QueueError
from tasks.audio.decode.detect import find_sound, open_file
from tasks.fs.file_status import READ_ONLY
from tasks.fs.stat_table import stat_files
from tasks.store import run_folder
from tasks.store.database import Database

_KEPT_ZIPS, _MAX_TRIES = 4, 3
# So many may be made at a time; one more client is told to come again.
_MAX_OPEN_ZIPS = 8
_MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4", "ogg": "audio/ogg"}
_MEDIA_TYPES |= {"flac": "audio/flac", "aiff": "audio/aiff"}
_OTHER_AUDIO = "application/octet-stream"
AUDIO_MEDIA_TYPES = sorted({*_MEDIA_TYPES.values(), _OTHER_AUDIO})


class Downloads:
    """The files of the library that clients can fetch.

    ZIPs stand in ``downloads`` beside the database while the server runs. The last four are kept, each for as long as
    the files in it are as they were.

    Raises:
        WorkingFolderError: That folder cannot be made.
    """

    def __init__(self, settings: Settings, library: LibraryPages) -> None:
        self._settings, self._library = settings, library
        self._wait_seconds = settings.api_wait_seconds
        self._folder = run_folder.runs_folder(Database(settings.db, self._wait_seconds)) / "downloads"
        self._zips: dict[int, object] = {}
        self._zips_lock = threading.Lock()
        self._zip_places = threading.BoundedSemaphore(_MAX_OPEN_ZIPS)
        make_folder(self._folder)
        self.close()

    def close(self) -> None:
        """Remove the ZIPs."""
        empty_folder(self._folder)

    @contextmanager
    def open_audio(self, sample_id: int) -> Iterator[tuple[int, str, str]]:
        """Open a sample's original; give its file descriptor, its media type and its name.

        Raises:
            RecordNotFoundError: There is no such sample.
            SampleError: The file is gone, or it is not audio.
        """
        path = self._library.sample(sample_id).file_path
        with open_file(path) as (whole, _):
            yield whole.fd, _MEDIA_TYPES.get(find_sound(whole, path)[0], _OTHER_AUDIO), os.path.basename(path)

    def open_zip(self, export_id: int) -> int:
        """Open the ZIP of an export, which is made now unless one is kept.

        Returns:
            The file descriptor, which is the caller's to close.

        Raises:
            RecordNotFoundError: There is no such export.
            NothingExportedError: It wrote no files.
            NotAsRecordedError: Its files are not what it wrote.
            FilesGoneError: Its files are gone.
            SurroundingsError: The disk or the database failed.
            QueueError: Too many are made.
        """
        with take_place(self._zip_places, "other downloads"):
            for _ in range(_MAX_TRIES):
                with suppress(FileNotFoundError):  # it made room for others just now
                    return os.open(self._zip_path(export_id), READ_ONLY)
        raise QueueError(waiting="downloads")

    def _zip_path(self, export_id: int) -> Path:
        settings = self._settings.model_copy(update={"lock_wait_seconds": self._wait_seconds})
        states = _file_states(zip_archive.paths_of(settings, export_id))
        make_folder(self._folder)
        target = self._folder / f"sp404-export-{export_id}.zip"
        if self._zips.get(export_id) == states and target.is_file():
            return target
        zip_archive.zip_export(settings, export_id, str(target), replace=True)
        with self._zips_lock:
            self._zips.pop(export_id, None)
            self._zips[export_id] = states
            for old in list(self._zips)[:-_KEPT_ZIPS]:
                del self._zips[old]
                target.with_name(f"sp404-export-{old}.zip").unlink(missing_ok=True)
        return target


def _file_states(paths: list[str]) -> tuple[object, ...]:
    """Return a value that differs as soon as one of the files was changed."""
    return tuple(stat_files(pl.Series("path", paths, pl.String), os.lstat).rows())
