"""What the REST API does: ids in the records become the requests of an export, and what became of them an answer.

Knows no web framework; ``flows.api.app`` gives it routes.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import polars as pl

from config.settings import InForce, Settings, load, real_path
from flows.api.export_queue import Lane, Piece
from flows.api.problems import ProblemError, problem_of, problem_of_row, without_folders
from flows.export import pipeline, zip_archive
from schemas.api import (
    BatchExport,
    ExportDetail,
    ExportedSample,
    ExportFilter,
    ExportTotals,
    Kit,
    KitDetail,
    KitExport,
    KitFilter,
    KitPad,
    Listed,
    ListedExports,
    Pad,
    Page,
    Peaks,
    Preferences,
    Sample,
    SampleFilter,
    SingleExport,
    Work,
)
from schemas.conversion import Job, Tags
from schemas.enums import OrganizeBy, Status
from schemas.errors import (
    BatchError,
    DatabaseBusyError,
    DiskError,
    DiskFullError,
    ForbiddenError,
    OutputGoneError,
    OutputNotWritableError,
    QueueError,
    RequestError,
    ServerError,
    Sp404Error,
    StoppedError,
    SurroundingsError,
    UnknownError,
    WorkingFolderError,
    WriteError,
)
from schemas.export import BatchExportResult, ExportConfig, ExportRequest, ExportResult
from tasks.convert.progress import Progress
from tasks.fs.file_status import statuses
from tasks.store import history, run_folder
from tasks.store.library import Found, Library

log = logging.getLogger("sp404")
Answer: TypeAlias = SingleExport | KitExport | BatchExport
Run: TypeAlias = Callable[[ExportRequest, Progress], BatchExportResult]
Row: TypeAlias = dict[str, Any]
_MANIFEST_COLUMNS = ("sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad")
_LIST_SAMPLES = "The list of samples has those that are known."
_LIST_KITS = "The list of kits has those that are known."
_LIST_EXPORTS = "The list of exports has those that are known."
# What keeps a single sample from being written, and is about the place and not about the sample.
_WRITE_TROUBLES = (DiskError, OutputGoneError, OutputNotWritableError)
# What has a status of its own, for a batch as for a sample.
_SAID_AS_IT_IS = (DiskFullError, DatabaseBusyError, StoppedError)
_KEPT_ZIPS, _MOST_TRIES = 4, 3
_ERROR_TEXTS = {"error", "fix", "trouble"}
_Page = TypeVar("_Page", bound=Listed[Any])


@dataclass(frozen=True)
class Order:
    """An export of what the records know: ``rows`` of a manifest, which of them, and what is answered in the end."""

    rows: list[Row]
    config: ExportConfig
    answer: Callable[[BatchExportResult], Answer]
    sample_ids: tuple[int, ...] = ()
    kits: tuple[str, ...] = ()
    is_single: bool = False


def direct(request: ExportRequest, progress: Progress) -> BatchExportResult:
    return pipeline.run_export(request, pipeline.DIRECT, progress)


class Service:
    """The records and the files of one database, for clients who may not choose either.

    ``in_force`` is without the preferences, which clients can set; ``run`` carries an export out. Raises WorkingFolderError.
    """

    def __init__(self, in_force: InForce, run: Run = direct) -> None:
        self.settings = in_force.settings
        self._root = self.settings.api_root or self.settings.output_base_path
        self._fall_back = True if in_force.sources["fall_back"] == "built-in" else None
        self._run = run
        self.wait_seconds = self.settings.api_wait_seconds
        self.library = Library(self.settings.db, self.wait_seconds)
        self.lane: Lane[Answer] = Lane()
        self._listening = threading.BoundedSemaphore(self.settings.workers)
        self._zips: dict[int, object] = {}
        self._keeping = threading.Lock()
        _empty(self._folder("downloads"))

    def close(self) -> None:
        self.lane.close()
        _empty(self._folder("downloads"))

    # ---- exports ----

    def single(self, sample_id: int, config: ExportConfig) -> Order:
        """Raises UnknownError and ForbiddenError."""
        config, rows = self._rows([sample_id], config)
        if not any("file_path" in row for row in rows):
            raise unknown_sample(sample_id)
        return Order(rows, config, lambda batch: self._told_of_one(batch, sample_id), (sample_id,), is_single=True)

    def batch(self, sample_ids: list[int], config: ExportConfig) -> Order:
        """Samples that are in no record are rejected alone. Raises ForbiddenError."""
        config, rows = self._rows(sample_ids, config)
        selected = tuple(dict.fromkeys(sample_ids)) if any("kit" in row for row in rows) else ()
        lost = {row["sample_id"] for row in rows if "file_path" not in row}
        return Order(rows, config, lambda batch: _told_of_all(batch, lost), selected)

    def kit(self, kit_id: int, config: ExportConfig) -> Order:
        """Raises UnknownError and ForbiddenError."""
        config, kit = self._within(config), self._known_kit(kit_id)
        rows = self.library.pads_of(kit_id)
        if not rows:
            raise RequestError(what=f"Kit {kit_id} has no samples", fix="Export it once more from its manifest.")
        return Order(rows, config, lambda batch: self._told_of_kit(batch, kit), kits=(kit["name"],))

    def put(self, order: Order, waits: bool) -> Piece[Answer]:
        """Give ``order`` its place in the lane; ``waits``: somebody waits for its answer. Raises QueueError."""
        return self.lane.put(lambda progress: self._carried_out(order, progress, waits), waits)

    def _rows(self, sample_ids: list[int], config: ExportConfig) -> tuple[ExportConfig, list[Row]]:
        config = self._within(config)
        layout = config.organize_by or self._now_in_force().organize_by
        return config, self.library.rows_of(sample_ids, with_kits=layout is OrganizeBy.KIT)

    def _within(self, config: ExportConfig) -> ExportConfig:
        if config.output_base_path is None:
            return config
        return config.model_copy(update={"output_base_path": self._inside(config.output_base_path)})

    def _inside(self, path: str) -> str:
        """``path``, which may be relative to the allowed root, without links. Raises ForbiddenError where it leads out."""
        with suppress(ValueError):
            whole = real_path(os.path.join(self._root, path))
            if os.path.commonpath([whole, self._root]) == self._root:
                return whole
        what = "output_base_path is no folder within the one that clients may export to"
        raise ForbiddenError(what=what, fix="Name a folder below it, or leave it out; the setting api_root says which it is.")

    def _now_in_force(self) -> Settings:
        """The settings with the preferences as they are now."""
        return load({"db": self.settings.db}, lambda db, _: history.preferences(db, self.wait_seconds)).settings

    def _carried_out(self, order: Order, progress: Progress, waits: bool) -> Answer:
        manifest: Path | None = None
        try:
            manifest = self._manifest(order)
            request = ExportRequest(
                manifest=str(manifest),
                config=order.config,
                sample_ids=order.sample_ids,
                kits=order.kits,
                db=self.settings.db,
                fall_back=self._fall_back,
                lock_wait_seconds=self.wait_seconds if waits else None,
            )
            return order.answer(self._run(request, progress))
        except _SAID_AS_IT_IS:
            raise
        except SurroundingsError as error:
            raise _whole_failure(error, order.is_single) from error
        except (Sp404Error, ProblemError):
            raise
        except Exception as error:
            if order.is_single:
                raise
            log.exception("A batch broke")
            raise BatchError(error="an error of the server's own", fix="Its log says more.") from error
        finally:
            if manifest:
                manifest.unlink(missing_ok=True)

    def _manifest(self, order: Order) -> Path:
        """The rows as a manifest. The same samples give it the same name: by that later exports know whose files they are."""
        told = [{name: row[name] for name in _MANIFEST_COLUMNS if row.get(name) is not None} for row in order.rows]
        lines = [json.dumps({"file_path": ""} | row) for row in told]  # a row without a path is still a row
        ids = repr((order.sample_ids, order.kits, [row["sample_id"] for row in order.rows]))
        path = self._folder("requests") / f"{blake2b(ids.encode(), digest_size=16).hexdigest()}.ndjson"
        try:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise WorkingFolderError.of(path.parent, error) from error
        return path

    def _folder(self, name: str) -> Path:
        folder = run_folder.runs_folder(self.settings.db) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkingFolderError.of(folder, error) from error
        return folder

    # ---- what became of them ----

    def _told_of_one(self, batch: BatchExportResult, sample_id: int) -> SingleExport:
        results = [result for result in batch.results if result.sample_id == sample_id]
        if any(not result.success for result in results):
            row = next(row for row in self._records(batch) if row["error"])
            raise ProblemError(problem_of_row(row["error"], row["reason"] or "", row["fix"] or ""))
        return SingleExport(**_public(results[0]), export_id=batch.export_id, warnings=list(batch.warnings))

    def _told_of_kit(self, batch: BatchExportResult, kit: Row) -> KitExport:
        rows = self._records(batch)
        pads = [
            KitPad(**_public(result), bank=row["bank"], pad=row["pad"]) for row, result in zip(rows, batch.results, strict=True)
        ]
        folders = {str(Path(pad.output_path).parents[1]) for pad in pads if pad.output_path}
        folder = folders.pop() if len(folders) == 1 else batch.output_base_path
        done = Status.UNCHANGED if batch.unchanged == batch.total_requested else Status.EXPORTED
        return KitExport(
            success=batch.complete,
            sample_id=None,
            output_path=folder if batch.successful else None,
            output_filename=os.path.basename(folder) if batch.successful else None,
            format=batch.format,
            file_size_bytes=batch.total_size_bytes,
            conversion_time_seconds=batch.total_time_seconds,
            status=done if batch.complete else Status.FAILED,
            error=_public_errors(batch.errors)[0] if batch.errors else None,
            export_id=batch.export_id,
            kit_id=kit["id"],
            kit=kit["name"],
            pads=pads,
            warnings=list(batch.warnings),
            errors=_public_errors(batch.errors),
            **{name: getattr(batch, name) for name in ("total_requested", "successful", "unchanged", "failed", "rejected")},
        )

    def _records(self, batch: BatchExportResult) -> list[Row]:
        return self.library.export_samples(batch.export_id, 1, batch.total_requested).rows

    def work(self, piece: Piece[Answer]) -> Work:
        """How far a piece of work has come."""
        progress, ended = piece.progress, piece.answer.done() and not piece.answer.cancelled()
        error = piece.answer.exception() if ended else None
        done, total = progress.so_far
        return Work(
            id=piece.id,
            state=piece.state,
            created_at=piece.created_at,
            started_at=piece.started_at,
            ended_at=piece.ended_at,
            done=done,
            total=total,
            rate_per_second=0.0 if piece.ended_at else round(progress.rate_per_second(), 2),
            errors=progress.failed,
            messages=_public_errors(list(progress.errors)),
            result=piece.answer.result() if ended and not error else None,
            problem=problem_of(error) if error else None,
        )

    # ---- the records ----

    def samples(self, which: SampleFilter) -> Listed[Sample]:
        return _listed(Listed[Sample], self.library.samples(which.filters(), which.page, which.page_size), which)

    def sample(self, sample_id: int) -> Sample:
        """Raises UnknownError."""
        found = self.library.sample(sample_id)
        if not found:
            raise unknown_sample(sample_id)
        return Sample(**found)

    def kits(self, which: KitFilter) -> Listed[Kit]:
        return _listed(Listed[Kit], self.library.kits(which.filters(), which.page, which.page_size), which)

    def one_kit(self, kit_id: int) -> KitDetail:
        """Raises UnknownError."""
        return KitDetail(**self._known_kit(kit_id), pads=[Pad(**row) for row in self.library.pads_of(kit_id)])

    def _known_kit(self, kit_id: int) -> Row:
        kit = self.library.kit(kit_id)
        if not kit:
            raise UnknownError(noun="Kit", id=kit_id, fix=_LIST_KITS)
        return kit

    def exports(self, which: ExportFilter) -> ListedExports:
        found = self.library.exports(which.filters(), which.page, which.page_size)
        totals = ExportTotals(**{name: found.totals.get(f"total_{name}") or 0 for name in ExportTotals.model_fields})
        return _listed(ListedExports, found, which, totals=totals)

    def export(self, export_id: int, which: Page) -> ExportDetail:
        """Raises UnknownError."""
        record = self.library.export(export_id)
        if not record:
            raise UnknownError(noun="Export", id=export_id, fix=_LIST_EXPORTS)
        found = self.library.export_samples(export_id, which.page, which.page_size)
        return ExportDetail(**_without_folders(record), samples=_listed(Listed[ExportedSample], found, which))

    # ---- files ----

    def source(self, sample_id: int) -> str:
        """The path of a sample's file. Raises UnknownError."""
        return self.sample(sample_id).file_path

    def peaks(self, sample_id: int) -> Peaks:
        """Raises UnknownError, QueueError, and ProblemError where the file cannot be heard."""
        settings = self.settings  # preferences say nothing of how a file is read
        job = Job(0, sample_id, self.source(sample_id), "", Tags("", "", None, "", ""))
        if not self._listening.acquire(timeout=self.wait_seconds):
            raise QueueError(waiting="samples whose peaks were asked for")
        try:
            outcome = self.lane.decoders.of(settings.limits())("peaks", job, settings.sound())
        finally:
            self._listening.release()
        if outcome is None:
            raise StoppedError
        if outcome.status is Status.FAILED or not outcome.source:
            raise ProblemError(problem_of_row(outcome.error, outcome.reason, outcome.fix))
        return Peaks(sample_id=sample_id, seconds=outcome.source_frames / outcome.source.rate_hz, peaks=list(outcome.peaks))

    def zipped(self, export_id: int) -> int:
        """The ZIP of an export as an open file, made now, or when all its files were as they are.

        Raises UnknownError, NothingExportedError, NotAsRecordedError, FilesGoneError, and what disk and database raise.
        """
        for _ in range(_MOST_TRIES):
            with suppress(FileNotFoundError):  # it made room for others just now
                return os.open(self._zip_of(export_id), os.O_RDONLY | os.O_CLOEXEC)
        raise QueueError(waiting="downloads")

    def _zip_of(self, export_id: int) -> Path:
        settings = self.settings.model_copy(update={"lock_wait_seconds": self.wait_seconds})
        seen = _states(zip_archive.paths_of(settings, export_id))
        target = self._folder("downloads") / f"sp404-export-{export_id}.zip"
        if self._zips.get(export_id) == seen and target.is_file():
            return target
        zip_archive.zip_export(settings, export_id, str(target), replace=True)
        with self._keeping:
            self._zips.pop(export_id, None)
            self._zips[export_id] = seen
            for old in list(self._zips)[:-_KEPT_ZIPS]:
                del self._zips[old]
                target.with_name(f"sp404-export-{old}.zip").unlink(missing_ok=True)
        return target

    # ---- preferences ----

    def preferences(self) -> Preferences:
        return Preferences.model_validate(history.preferences(self.settings.db, self.wait_seconds))

    def set_preferences(self, wanted: Preferences) -> Preferences:
        """Raises ForbiddenError."""
        if wanted.output_base_path is not None:
            wanted = wanted.model_copy(update={"output_base_path": self._inside(wanted.output_base_path)})
        self.library.put_preferences(wanted.model_dump(mode="json"))
        return wanted


def under_prefect() -> Run:
    """The flow where a Prefect server is running, else, or when it goes away, the same steps without it."""
    from flows.orchestration import prefect_server  # noqa: PLC0415  (it is asked once, when the API starts)

    if not prefect_server.find(quiet=True):
        return direct
    from flows.orchestration import flow  # noqa: PLC0415  (imports prefect, which reads its settings then)

    prefect_server.leave_verdicts_to_us()

    def run(request: ExportRequest, progress: Progress) -> BatchExportResult:
        try:
            return flow.run(request, progress)[0]
        except ServerError as error:
            log.warning("%s: exported without Prefect", error)
            return direct(request, progress)

    return run


def unknown_sample(sample_id: int) -> UnknownError:
    return UnknownError(noun="Sample", id=sample_id, fix=_LIST_SAMPLES)


def _listed(kind: type[_Page], found: Found, which: Page, **more: Any) -> _Page:
    rows = [_without_folders(row) for row in found.rows]
    return kind(total=found.total, page=which.page, page_size=which.page_size, items=rows, **more)


def _without_folders(row: Row) -> Row:
    """A row of the records whose texts of errors name files alone."""
    return {name: without_folders(value) if name in _ERROR_TEXTS and value else value for name, value in row.items()}


def _told_of_all(batch: BatchExportResult, lost: set[int]) -> BatchExport:
    """``lost``: samples that are in no record; their rows were rejected."""
    said = {result.error: str(unknown_sample(result.sample_id)) for result in batch.results if result.sample_id in lost}
    results = [_public(result) for result in batch.results]
    return BatchExport(
        **{name: getattr(batch, name) for name in BatchExport.model_fields if name not in ("results", "errors", "warnings")},
        results=[ExportResult(**result | {"error": said.get(result["error"], result["error"])}) for result in results],
        errors=[said.get(error, error) for error in _public_errors(batch.errors)],
        warnings=list(batch.warnings),
    )


def _public(result: ExportResult) -> dict[str, Any]:
    told = result.model_dump()
    return told | {"error": result.error and without_folders(result.error)}


def _public_errors(errors: list[str]) -> list[str]:
    return [without_folders(error) for error in errors]


def _whole_failure(error: SurroundingsError, is_single: bool) -> Sp404Error:
    if not is_single:
        return BatchError(error=problem_of(error).detail, fix=problem_of(error).fix)
    if isinstance(error, _WRITE_TROUBLES):
        return WriteError(path=error.facts["path"], error=error.facts.get("error") or "it is gone")
    return error


def _states(paths: list[str]) -> tuple[object, ...]:
    """What changes when a file does."""
    told = statuses(pl.Series("path", paths, pl.String), os.lstat)
    return tuple(told.rows())


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        with suppress(OSError):
            left.unlink()
