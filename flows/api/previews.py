"""Sounds to listen to for REST clients: the original as browsers play it, and what an export would write."""

import os
import secrets
import threading
from collections import OrderedDict
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from config.device import BITS, RATE_HZ
from config.settings import Settings, load
from flows.api.client_files import empty_folder, make_folder, take_place
from flows.api.export_queue import SharedProcessPool
from flows.api.library import LibraryPages
from flows.api.problems import ProblemError, problem_from_record
from schemas.conversion import Job, ListenResult, Outcome, SoundSettings, Tags
from schemas.enums import AudioFormat, PreviewKind, Verb
from schemas.errors import StoppedError
from schemas.sample_api import Sample
from tasks.audio.convert import LISTEN_SECONDS
from tasks.audio.output_file import file_header
from tasks.fs.atomic import part_name, remove
from tasks.fs.file_status import READ_ONLY
from tasks.store import history, run_folder
from tasks.store.database import Database

# So many may be made at a time; one more client is told to come again.
_MAX_MAKING = 8
_MAX_BYTES = 256 << 20


class Previews:
    """WAVs of at most a minute in ``previews`` beside the database, while the server runs: 256 MB, those asked for last.

    Raises:
        WorkingFolderError: That folder cannot be made.
    """

    def __init__(self, settings: Settings, library: LibraryPages, process_pool: SharedProcessPool) -> None:
        self._settings, self._library, self._process_pool = settings, library, process_pool
        self._folder = run_folder.runs_folder(Database(settings.db, settings.api_wait_seconds)) / "previews"
        self._places = threading.BoundedSemaphore(_MAX_MAKING)
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        make_folder(self._folder)
        self.close()

    def close(self) -> None:
        """Remove all previews."""
        empty_folder(self._folder)

    def open(self, sample_id: int, kind: PreviewKind) -> int:
        """Open a preview, which is made now unless it is kept.

        Returns:
            The file descriptor, which is the caller's to close.

        Raises:
            RecordNotFoundError: There is no such sample.
            ProblemError: The file cannot be decoded, or an export would refuse it.
            QueueError: Too many are made.
            SurroundingsError: The disk failed.
        """
        sample = self._library.sample(sample_id)
        sound = self._sound(kind)
        key = _key(sample, kind, sound)
        with self._lock:
            if key and key in self._kept and (fd := _open(self._folder / key)) is not None:
                self._kept.move_to_end(key)
                return fd
        with take_place(self._places, "other previews"):
            return self._make(sample, kind, sound, key)

    def _sound(self, kind: PreviewKind) -> SoundSettings:
        """Return the settings of an export that says nothing of its own, but as WAV; an original has no shortest length."""
        if kind is PreviewKind.ORIGINAL:
            return replace(self._settings.sound(), min_duration_ms=0)
        seconds = self._settings.api_wait_seconds
        request = {"db": self._settings.db, "format": str(AudioFormat.WAV)}
        return load(request, lambda path, _: history.preferences_at(path, seconds)).settings.sound()

    def _make(self, sample: Sample, kind: PreviewKind, sound: SoundSettings, key: str) -> int:
        make_folder(self._folder)
        part = self._folder / part_name(secrets.token_hex(8), 0)
        tags = Tags(sample.title, sample.genre or "", sample.bpm, sample.musical_key or "", sample.tags or "")
        job = Job(0, sample.id, sample.file_path, str(part), tags)
        pool = self._process_pool.get(self._settings.limits())
        result: Outcome | ListenResult | None
        result = pool.run(Verb.CONVERT, job, sound) if kind is PreviewKind.DEVICE else pool.run(Verb.LISTEN, job, sound)
        if result is None:
            raise StoppedError
        if result.error:
            raise ProblemError(problem_from_record(result.error, result.reason, result.fix))
        try:
            if isinstance(result, Outcome):
                _cut(part, result)
            fd = os.open(part, READ_ONLY)
            if key:
                self._keep(part, key)
        finally:
            remove(str(part))
        return fd

    def _keep(self, part: Path, key: str) -> None:
        with self._lock:
            os.replace(part, self._folder / key)
            self._kept[key] = (self._folder / key).stat().st_size
            self._kept.move_to_end(key)
            while sum(self._kept.values()) > _MAX_BYTES and len(self._kept) > 1:
                remove(str(self._folder / self._kept.popitem(last=False)[0]))


def _key(sample: Sample, kind: PreviewKind, sound: SoundSettings) -> str:
    """Return a name that is another one when the sound would be another; empty where the original is gone."""
    try:
        status = os.stat(sample.file_path)
    except OSError:
        return ""
    facts = (sample.file_path, status.st_size, status.st_mtime_ns, kind, sound.recipe(), sample.bpm)
    return f"{blake2b(repr(facts).encode(), digest_size=16).hexdigest()}.wav"


def _cut(path: Path, outcome: Outcome) -> None:
    """Leave a minute of a converted WAV that is longer."""
    frames = LISTEN_SECONDS * RATE_HZ
    if outcome.frames <= frames:
        return
    header = file_header(frames, outcome.channels, AudioFormat.WAV)
    with path.open("r+b") as file:
        file.write(header)
        file.truncate(len(header) + frames * outcome.channels * BITS // 8)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, READ_ONLY)
    except FileNotFoundError:
        return None
