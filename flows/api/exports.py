"""Exports of what the records know: REST requests become requests of an export, and its results become answers.

Knows no web framework; ``flows.api.app`` has the routes.
"""

import json
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from config.settings import SettingsInForce
from flows.api.access import find_inside_root, resolve_inside_root
from flows.api.jobs import JobQueue, QueuedJob
from flows.api.kit_shelf import KitShelf, KitToExport
from flows.api.library import LibraryPages, Row, unknown_export, unknown_sample
from flows.api.problems import ProblemError, problem_from_error, problem_from_record, strip_folders, strip_options
from flows.api.request_manifests import RequestManifests
from flows.export import preview
from schemas.api import MOST_RESULTS, BatchExport, KitExport, KitPad, SingleExport
from schemas.enums import OrganizeBy, Status
from schemas.errors import (
    BatchError,
    DatabaseBusyError,
    DiskError,
    DiskFullError,
    ForbiddenError,
    NothingToRetryError,
    OutputGoneError,
    OutputNotWritableError,
    Sp404Error,
    StoppedError,
    SurroundingsError,
    WriteError,
)
from schemas.export import ExportConfig, ExportRequest, SoundConfig
from schemas.kit_api import KitExportConfig
from schemas.page_api import RetryOrder
from schemas.report import BatchExportResult, ExportResult
from schemas.sample_api import BatchRequest, ExportForecast
from tasks.convert.progress import Progress
from tasks.store.catalog import Catalog
from tasks.store.database import Database

log = logging.getLogger("sp404")
ExportAnswer: TypeAlias = SingleExport | KitExport | BatchExport
ExportRunner: TypeAlias = Callable[[ExportRequest, Progress], BatchExportResult]
# What keeps a single sample from being written, and is about the folder and not about the sample.
_WRITE_ERRORS = (DiskError, OutputGoneError, OutputNotWritableError)
# Errors with a status of their own, for a batch as for a sample.
_PASSED_ON = (DiskFullError, DatabaseBusyError, StoppedError)
_COUNTS = ("total_requested", "successful", "unchanged", "failed", "rejected")


@dataclass(frozen=True)
class PreparedExport:
    """An export of what the records know, ready for the queue.

    Attributes:
        rows: The rows of its manifest.
        config: The export's options, with the output folder resolved.
        to_answer: Makes the client's answer of the export's result.
        sample_ids: Export only these of the rows; empty for all.
        kits: Export only these kits of the rows; empty for all.
        sound: What is done to the sound.
        is_single: It is of one sample, whose error is the answer's.
        manifest: Export this file in the place of ``rows``.
    """

    rows: list[Row]
    config: ExportConfig
    to_answer: Callable[[BatchExportResult], ExportAnswer]
    sample_ids: tuple[int, ...] = ()
    kits: tuple[str, ...] = ()
    sound: SoundConfig = field(default_factory=SoundConfig)
    is_single: bool = False
    manifest: str | None = None


class RecordExporter:
    """Exports samples and kits of one database, for clients who may not choose the database or the manifest.

    Args:
        in_force: The settings without the preferences, which clients can set.
        library: The records.
        kits: The kits.
        queue: Runs one job after the other.
        run: Carries an export out.
    """

    def __init__(
        self, in_force: SettingsInForce, library: LibraryPages, kits: KitShelf, queue: JobQueue, run: ExportRunner
    ) -> None:
        self._settings = in_force.settings
        self._fall_back = True if in_force.sources["fall_back"] == "built-in" else None
        self._run = run
        self.wait_seconds = self._settings.api_wait_seconds
        self._library, self._kits = library, kits
        self._database = Database(self._settings.db, self.wait_seconds)
        self._records = Catalog(self._database)
        self._queue = queue
        self._manifests = RequestManifests(self._database)

    # ---- requests ----

    def prepare_sample(self, sample_id: int, config: ExportConfig) -> PreparedExport:
        """Prepare the export of one sample.

        Raises:
            RecordNotFoundError: There is no such sample.
            ForbiddenError: The output folder is outside of the allowed one.
        """
        config, rows = self._read_rows([sample_id], config)
        if not any("file_path" in row for row in rows):
            raise unknown_sample(sample_id)
        return PreparedExport(rows, config, lambda batch: self._answer_sample(batch, sample_id), (sample_id,), is_single=True)

    def prepare_batch(self, batch: BatchRequest) -> PreparedExport:
        """Prepare the export of many samples. Those that are not in the records are rejected alone.

        Raises:
            ForbiddenError: The output folder is outside of the allowed one.
            NothingSelectedError: The filter lets no sample through.
        """
        sample_ids = self._library.ids_of(batch)
        config, rows = self._read_rows(sample_ids, batch.config)
        selected = tuple(dict.fromkeys(sample_ids)) if any("kit" in row for row in rows) else ()
        unknown = {row["sample_id"] for row in rows if "file_path" not in row}
        return PreparedExport(rows, config, lambda result: _answer_batch(result, unknown), selected, sound=batch.sound)

    def prepare_kit(self, kit_id: str, wanted: KitExportConfig) -> PreparedExport:
        """Prepare the export of a kit: of its file where it has one, as the command line exports it.

        Raises:
            RecordNotFoundError: There is no such kit.
            PadConflictError: The kit is empty.
            ManifestError: Its file cannot be read.
            ForbiddenError: The output folder is outside of the allowed one.
        """
        config = self._resolve_folder(ExportConfig(**wanted.model_dump(exclude={"sound"})))
        kit = self._kits.to_export(kit_id)
        return PreparedExport(
            kit.rows,
            config,
            lambda batch: self._answer_kit(batch, kit),
            kits=() if kit.manifest else (kit.name,),
            sound=wanted.sound,
            manifest=kit.manifest,
        )

    def prepare_retry(self, export_id: int, order: RetryOrder) -> PreparedExport:
        """Prepare the export of those samples of an export that failed, with its settings, to its output folder.

        ``order`` says which of them, and with which other settings of the sound.

        Raises:
            RecordNotFoundError: There is no such export.
            NothingToRetryError: It has not ended, nothing of it failed, or what failed is not in the records any more.
            ForbiddenError: Its output folder is outside of the allowed one.
        """
        with self._database.hold():
            export = self._records.export_settings(export_id)
            failed = self._records.failed_samples(export_id, order.reason, order.text)
            if chosen := set(order.sample_ids):
                failed = [row for row in failed if row["sample_id"] in chosen]
            if not export:
                raise unknown_export(export_id)
            if export["finished_at"] is None:
                what = f"Export {export_id} has not ended"
                raise NothingToRetryError(what=what, fix="Wait for its end. If it was stopped, send its request again.")
            if not failed:
                so = " so" if order.reason or order.text or chosen else ""
                raise NothingToRetryError(what=f"Nothing of export {export_id} failed{so}", fix="Export other samples.")
            config, sound = _settings_of(export)
            sound = sound.model_copy(update=order.sound.model_dump(exclude_none=True))
            sample_ids = list(dict.fromkeys(row["sample_id"] for row in failed))
            try:
                config, rows = self._read_rows(sample_ids, config)
            except ForbiddenError as error:
                what = f"Export {export_id} wrote to a folder that clients may not export to"
                raise ForbiddenError(what=what, fix="Export its samples to another one, or set api_root.") from error
        unknown = {row["sample_id"] for row in rows if "file_path" not in row}
        if unknown.issuperset(sample_ids):
            what = f"The samples of export {export_id} that failed are no longer in the records"
            raise NothingToRetryError(what=what, fix="Export its manifest again.")
        # A sample can sit in a kit in which it did not fail, or which was not exported.
        in_kits = any("kit" in row for row in rows)
        kits = tuple(dict.fromkeys(row["kit"] for row in failed)) if in_kits and all(row["kit"] for row in failed) else ()
        selected = tuple(sample_ids) if in_kits else ()
        return PreparedExport(rows, config, lambda result: _answer_batch(result, unknown), selected, kits, sound)

    def forecast(self, batch: BatchRequest) -> ExportForecast:
        """Say what the export of a batch would do now, and write nothing but its table."""
        return self._forecast(self.prepare_batch(batch))

    def forecast_kit(self, kit_id: str, wanted: KitExportConfig) -> ExportForecast:
        """Say what the export of a kit would do now, as ``forecast``."""
        return self._forecast(self.prepare_kit(kit_id, wanted))

    def _forecast(self, export: PreparedExport) -> ExportForecast:
        with self._manifest_of(export) as manifest:
            told = preview.forecast(self._request_of(export, manifest, lock_wait_seconds=None))
        earlier, root = told.earlier_base_path, self._settings.client_folder()
        is_allowed = earlier is not None and find_inside_root(earlier, root) is not None
        return told.model_copy(update={"earlier_is_allowed": is_allowed})

    def enqueue(self, export: PreparedExport, has_client: bool) -> QueuedJob:
        """Append an export to the queue.

        Args:
            export: What to do.
            has_client: A client holds its connection open for the answer: then it waits for other programs (the lock
                of the one export, the database) only as long as the client.

        Raises:
            QueueError: Too many wait already.
        """
        return self._queue.add(lambda progress: self._carry_out(export, progress, has_client), has_client)

    def _read_rows(self, sample_ids: list[int], config: ExportConfig) -> tuple[ExportConfig, list[Row]]:
        config = self._resolve_folder(config)
        with self._database.hold():
            layout = config.organize_by or self._library.settings_now().organize_by
            return config, self._records.rows_of(sample_ids, with_kits=layout is OrganizeBy.KIT)

    def _resolve_folder(self, config: ExportConfig) -> ExportConfig:
        if config.output_base_path is None:
            return config
        folder = resolve_inside_root(config.output_base_path, self._settings.client_folder())
        return config.model_copy(update={"output_base_path": folder})

    # ---- the export itself ----

    def _carry_out(self, export: PreparedExport, progress: Progress, has_client: bool) -> ExportAnswer:
        try:
            with self._manifest_of(export) as manifest:
                request = self._request_of(export, manifest, self.wait_seconds if has_client else None)
                batch = self._run(request, progress)
            if has_client and self._queue.is_stopping and not batch.complete:
                raise StoppedError  # its rows say that they were not reached, as if that were of the samples
            return export.to_answer(batch)
        except _PASSED_ON:
            raise
        except SurroundingsError as error:
            raise _failure_of_all(error, export.is_single) from error
        except (Sp404Error, ProblemError):
            raise
        except Exception as error:
            if export.is_single:
                raise
            log.exception("A batch failed")
            raise BatchError(error="an internal error of the server", fix="See the server's log.") from error

    def _manifest_of(self, export: PreparedExport) -> AbstractContextManager[Path]:
        if export.manifest:
            return nullcontext(Path(export.manifest))
        return self._manifests.write(export.rows, export.sample_ids, export.kits)

    def _request_of(self, export: PreparedExport, manifest: Path, lock_wait_seconds: float | None) -> ExportRequest:
        return ExportRequest(
            manifest=str(manifest),
            config=export.config,
            sound=export.sound,
            sample_ids=export.sample_ids,
            kits=export.kits,
            db=self._settings.db,
            fall_back=self._fall_back,
            lock_wait_seconds=lock_wait_seconds,
        )

    # ---- answers ----

    def _answer_sample(self, batch: BatchExportResult, sample_id: int) -> SingleExport:
        results = [result for result in batch.results if result.sample_id == sample_id]
        if any(not result.success for result in results):
            row = next(row for row in self._recorded_rows(batch) if row["error"])
            raise ProblemError(problem_from_record(row["error"], row["reason"] or "", row["fix"] or ""))
        return SingleExport(**_public_result(results[0]), export_id=batch.export_id, warnings=_public_warnings(batch))

    def _answer_kit(self, batch: BatchExportResult, kit: KitToExport) -> KitExport:
        rows = self._recorded_rows(batch)
        pads = [
            KitPad(**_public_result(result), bank=row["bank"], pad=row["pad"])
            for row, result in zip(rows, batch.results, strict=True)
        ]
        folders = {str(Path(pad.output_path).parents[1]) for pad in pads if pad.output_path}
        folder = folders.pop() if len(folders) == 1 else batch.output_base_path
        done = Status.UNCHANGED if batch.unchanged == batch.total_requested else Status.EXPORTED
        errors = _public_errors(batch.errors)
        return KitExport(
            success=batch.complete,
            sample_id=None,
            output_path=folder if batch.successful else None,
            output_filename=os.path.basename(folder) if batch.successful else None,
            format=batch.format,
            file_size_bytes=batch.total_size_bytes,
            conversion_time_seconds=batch.total_time_seconds,
            status=done if batch.complete else Status.FAILED,
            error=errors[0] if errors else None,
            export_id=batch.export_id,
            kit_id=kit.id,
            kit=kit.name,
            pads=pads,
            warnings=_public_warnings(batch),
            errors=errors,
            **{name: getattr(batch, name) for name in _COUNTS},
        )

    def _recorded_rows(self, batch: BatchExportResult) -> list[Row]:
        return self._records.export_samples(batch.export_id, 1, batch.total_requested).rows


def _settings_of(export: Row) -> tuple[ExportConfig, SoundConfig]:
    """Return the settings that an export had, as its row says them; of an earlier version's only layout, format and folder."""
    stored = json.loads(export["settings"] or "{}")
    layout = {"organize_by": export["organized_by"], "format": export["format"], "output_base_path": export["output_path"]}
    config = {name: stored[name] for name in ExportConfig.model_fields if name in stored} | layout
    return ExportConfig(**config), SoundConfig(**{name: stored[name] for name in SoundConfig.model_fields if name in stored})


def _answer_batch(batch: BatchExportResult, unknown: set[int]) -> BatchExport:
    """Answer with the results. The rows of ``unknown`` samples were rejected: their error is that they are unknown."""
    instead = {result.error: str(unknown_sample(result.sample_id)) for result in batch.results if result.sample_id in unknown}
    shown = batch.results
    if len(shown) > MOST_RESULTS:
        shown = sorted(shown, key=lambda result: result.success)[:MOST_RESULTS]
    results = [_public_result(result) for result in shown]
    return BatchExport(
        **{name: getattr(batch, name) for name in BatchExport.model_fields if name not in ("results", "errors", "warnings")},
        results=[ExportResult(**result | {"error": instead.get(result["error"], result["error"])}) for result in results],
        errors=[instead.get(error, error) for error in _public_errors(batch.errors[:MOST_RESULTS])],
        warnings=_public_warnings(batch),
    )


def _public_result(result: ExportResult) -> dict[str, Any]:
    return result.model_dump() | {"error": result.error and strip_folders(result.error)}


def _public_warnings(batch: BatchExportResult) -> list[str]:
    return [strip_options(warning) for warning in batch.warnings]


def _public_errors(errors: list[str]) -> list[str]:
    return [strip_folders(error) for error in errors]


def _failure_of_all(error: SurroundingsError, is_single: bool) -> Sp404Error:
    """Turn an error of the surroundings into the contract's error for a sample or for a whole batch."""
    if not is_single:
        problem = problem_from_error(error)
        return BatchError(error=problem.detail, fix=problem.fix)
    if isinstance(error, _WRITE_ERRORS):
        return WriteError(path=error.facts["path"], error=error.facts.get("error") or "it is gone")
    return error
