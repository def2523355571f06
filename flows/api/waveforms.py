"""Waveforms of the library for REST clients, drawn by the worker processes and kept in memory."""

import os
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, replace

from config.settings import Settings
from flows.api.client_files import take_place
from flows.api.export_queue import SharedProcessPool
from flows.api.library import LibraryPages
from flows.api.problems import ProblemError, problem_from_record
from schemas.conversion import Job, Tags, WaveformResult
from schemas.enums import Verb
from schemas.errors import QueueError, StoppedError
from schemas.sample_api import ManyPeaks, Peaks

# So many may wait for their waveform; one more client is told to come again.
_MAX_WAITING = 8
# A kilobyte each. To draw one anew takes 20 to 60 ms.
_MAX_KEPT = 16_384
_MAX_DRAWN_IN_A_CALL = 4


@dataclass(frozen=True)
class _Drawing:
    """A waveform that was drawn of a file of this size and time; without peaks where that failed."""

    size: int
    mtime_ns: int
    seconds: float
    peaks: "array[float]"


class Waveforms:
    """Draws waveforms and keeps those drawn last, each for as long as its file is as it was."""

    def __init__(self, settings: Settings, library: LibraryPages, process_pool: SharedProcessPool) -> None:
        self._limits, self._wait_seconds = settings.limits(), settings.api_wait_seconds
        # No preference changes how a file is read; and a picture needs no shortest length.
        self._sound = replace(settings.sound(), min_duration_ms=0)
        self._library, self._process_pool = library, process_pool
        self._workers = threading.BoundedSemaphore(settings.workers)
        self._places = threading.BoundedSemaphore(min(settings.workers, 8) + _MAX_WAITING)
        self._kept: OrderedDict[str, _Drawing] = OrderedDict()
        self._lock = threading.Lock()

    def draw(self, sample_id: int) -> Peaks:
        """Return a sample's waveform.

        Raises:
            RecordNotFoundError: There is no such sample.
            QueueError: As many waveforms as there are workers are drawn, and none was done in time, or too many wait.
            ProblemError: The file cannot be decoded.
        """
        path = self._library.sample(sample_id).file_path
        kept = self._find(path)
        if kept and kept.peaks:
            return _answer(sample_id, kept)
        with take_place(self._places, "other waveforms"):
            result = self._draw(sample_id, path, self._wait_seconds)
        if result.error:
            raise ProblemError(problem_from_record(result.error, result.reason, result.fix))
        return Peaks(sample_id=sample_id, seconds=result.duration_seconds, peaks=list(result.waveform))

    def draw_many(self, sample_ids: list[int]) -> ManyPeaks:
        """Return the waveforms that are kept, and draw a few of the others, if nobody else has all workers drawing."""
        paths, items, pending = self._library.paths_of(sample_ids), [], []
        left = _MAX_DRAWN_IN_A_CALL
        for sample_id in sample_ids:
            path = paths.get(sample_id)
            kept = self._find(path) if path else None
            if path and not kept and left and os.path.exists(path):
                left = left - 1 if self._try_to_draw(sample_id, path) else 0
                kept = self._find(path)
            items.append(_answer(sample_id, kept) if kept and kept.peaks else None)
            if path and not kept and os.path.exists(path):
                pending.append(sample_id)
        return ManyPeaks(items=items, pending=pending)

    def _try_to_draw(self, sample_id: int, path: str) -> bool:
        try:
            with take_place(self._places, "other waveforms"):
                self._draw(sample_id, path, 0)
        except QueueError:
            return False
        return True

    def _draw(self, sample_id: int, path: str, wait_seconds: float) -> WaveformResult:
        job = Job(0, sample_id, path, "", Tags("", "", None, "", ""))
        if not self._workers.acquire(timeout=wait_seconds):
            raise QueueError(waiting="other waveforms")
        try:
            before = _state(path)
            result = self._process_pool.get(self._limits).run(Verb.WAVEFORM, job, self._sound)
        finally:
            self._workers.release()
        if result is None:
            raise StoppedError
        if before:
            with self._lock:
                self._kept[path] = _Drawing(*before, result.duration_seconds, array("f", result.waveform))
                self._kept.move_to_end(path)
                if len(self._kept) > _MAX_KEPT:
                    self._kept.popitem(last=False)
        return result

    def _find(self, path: str) -> _Drawing | None:
        with self._lock:
            kept = self._kept.get(path)
            if kept:
                self._kept.move_to_end(path)
        return kept if kept and _state(path) == (kept.size, kept.mtime_ns) else None


def _answer(sample_id: int, drawing: _Drawing) -> Peaks:
    return Peaks(sample_id=sample_id, seconds=drawing.seconds, peaks=[round(peak, 4) for peak in drawing.peaks])


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
