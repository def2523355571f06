"""Exports of what the records know: REST requests become requests of an export, and its results become answers.

Knows no web framework; ``flows.api.app`` has the routes.
"""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

from config.settings import Settings, SettingsInForce, load
from flows.api.access import resolve_inside_root
from flows.api.export_queue import ExportQueue, QueuedExport, SharedProcessPool
from flows.api.library import LibraryPages, Row, allowed_root, unknown_sample
from flows.api.problems import ProblemError, problem_from_error, problem_from_record, strip_folders
from schemas.api import BatchExport, KitExport, KitPad, SingleExport, Work
from schemas.enums import OrganizeBy, Status
from schemas.errors import (
    BatchError,
    DatabaseBusyError,
    DiskError,
    DiskFullError,
    OutputGoneError,
    OutputNotWritableError,
    RecordNotFoundError,
    RequestError,
    Sp404Error,
    StoppedError,
    SurroundingsError,
    WorkingFolderError,
    WriteError,
)
from schemas.export import ExportConfig, ExportRequest
from schemas.report import BatchExportResult, ExportResult
from tasks.convert.progress import Progress
from tasks.store import history, run_folder
from tasks.store.catalog import Catalog
from tasks.store.database import Database

log = logging.getLogger("sp404")
ExportAnswer: TypeAlias = SingleExport | KitExport | BatchExport
ExportRunner: TypeAlias = Callable[[ExportRequest, Progress], BatchExportResult]
_MANIFEST_COLUMNS = ("sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad")
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
        is_single: It is of one sample, whose error is the answer's.
    """

    rows: list[Row]
    config: ExportConfig
    to_answer: Callable[[BatchExportResult], ExportAnswer]
    sample_ids: tuple[int, ...] = ()
    kits: tuple[str, ...] = ()
    is_single: bool = False


class RecordExporter:
    """Exports samples and kits of one database, for clients who may not choose the database or the manifest.

    Args:
        in_force: The settings without the preferences, which clients can set.
        library: The records.
        process_pool: Decodes the samples.
        run: Carries an export out.
    """

    def __init__(
        self, in_force: SettingsInForce, library: LibraryPages, process_pool: SharedProcessPool, run: ExportRunner
    ) -> None:
        self._settings = in_force.settings
        self._fall_back = True if in_force.sources["fall_back"] == "built-in" else None
        self._run = run
        self.wait_seconds = self._settings.api_wait_seconds
        self._library = library
        self._database = Database(self._settings.db, self.wait_seconds)
        self._records = Catalog(self._database)
        self._queue: ExportQueue[ExportAnswer] = ExportQueue(process_pool)

    def stop(self, seconds: float) -> None:
        """Cancel what waits and what runs, and wait for it for so long."""
        self._queue.stop(seconds)

    def give_up(self, seconds: float) -> None:
        """Wait once more; then tell the clients of what has not ended that the server stops."""
        self._queue.give_up(seconds)

    def close(self) -> None:
        """Cancel what waits, and end what runs."""
        self._queue.close()

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

    def prepare_batch(self, sample_ids: list[int], config: ExportConfig) -> PreparedExport:
        """Prepare the export of many samples. Those that are not in the records are rejected alone.

        Raises:
            ForbiddenError: The output folder is outside of the allowed one.
        """
        config, rows = self._read_rows(sample_ids, config)
        selected = tuple(dict.fromkeys(sample_ids)) if any("kit" in row for row in rows) else ()
        unknown = {row["sample_id"] for row in rows if "file_path" not in row}
        return PreparedExport(rows, config, lambda batch: _answer_batch(batch, unknown), selected)

    def prepare_kit(self, kit_id: int, config: ExportConfig) -> PreparedExport:
        """Prepare the export of a kit.

        Raises:
            RecordNotFoundError: There is no such kit.
            RequestError: The kit is empty.
            ForbiddenError: The output folder is outside of the allowed one.
        """
        config, kit = self._resolve_folder(config), self._library.kit_row(kit_id)
        rows = self._records.pads_of(kit_id)
        if not rows:
            raise RequestError(what=f"Kit {kit_id} has no samples", fix="Export it again from its manifest.")
        return PreparedExport(rows, config, lambda batch: self._answer_kit(batch, kit), kits=(kit["name"],))

    def enqueue(self, export: PreparedExport, has_client: bool) -> QueuedExport[ExportAnswer]:
        """Append an export to the queue.

        Args:
            export: What to do.
            has_client: A client holds its connection open for the answer: then it waits for other programs (the lock
                of the one export, the database) only as long as the client.

        Raises:
            QueueError: Too many wait already.
        """
        return self._queue.add(lambda progress: self._carry_out(export, progress, has_client), has_client)

    def find(self, job_id: str) -> QueuedExport[ExportAnswer]:
        """Return an export of the queue.

        Raises:
            RecordNotFoundError: The queue does not remember it.
        """
        queued = self._queue.find(job_id)
        if not queued:
            raise RecordNotFoundError(noun="Job", id=job_id, fix="The list of exports shows what was exported.")
        return queued

    def _read_rows(self, sample_ids: list[int], config: ExportConfig) -> tuple[ExportConfig, list[Row]]:
        config = self._resolve_folder(config)
        with self._database.hold():
            layout = config.organize_by or self._settings_now().organize_by
            return config, self._records.rows_of(sample_ids, with_kits=layout is OrganizeBy.KIT)

    def _resolve_folder(self, config: ExportConfig) -> ExportConfig:
        if config.output_base_path is None:
            return config
        folder = resolve_inside_root(config.output_base_path, allowed_root(self._settings))
        return config.model_copy(update={"output_base_path": folder})

    def _settings_now(self) -> Settings:
        """Resolve the settings with the preferences as they are now."""
        return load({"db": self._settings.db}, lambda path, _: history.preferences_at(path, self.wait_seconds)).settings

    # ---- the export itself ----

    def _carry_out(self, export: PreparedExport, progress: Progress, has_client: bool) -> ExportAnswer:
        manifest: Path | None = None
        try:
            manifest = self._write_manifest(export)
            request = ExportRequest(
                manifest=str(manifest),
                config=export.config,
                sample_ids=export.sample_ids,
                kits=export.kits,
                db=self._settings.db,
                fall_back=self._fall_back,
                lock_wait_seconds=self.wait_seconds if has_client else None,
            )
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
        finally:
            if manifest:
                manifest.unlink(missing_ok=True)

    def _write_manifest(self, export: PreparedExport) -> Path:
        """Write the rows as a manifest. It is named by its samples: by that later exports know whose files they are."""
        rows = [{name: row[name] for name in _MANIFEST_COLUMNS if row.get(name) is not None} for row in export.rows]
        lines = [json.dumps({"file_path": ""} | row) for row in rows]  # a row without a path is still a row
        ids = repr((export.sample_ids, export.kits, [row["sample_id"] for row in export.rows]))
        folder = run_folder.runs_folder(self._database) / "requests"
        path = folder / f"{blake2b(ids.encode(), digest_size=16).hexdigest()}.ndjson"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise WorkingFolderError.of(folder, error) from error
        return path

    # ---- answers ----

    def _answer_sample(self, batch: BatchExportResult, sample_id: int) -> SingleExport:
        results = [result for result in batch.results if result.sample_id == sample_id]
        if any(not result.success for result in results):
            row = next(row for row in self._recorded_rows(batch) if row["error"])
            raise ProblemError(problem_from_record(row["error"], row["reason"] or "", row["fix"] or ""))
        return SingleExport(**_public_result(results[0]), export_id=batch.export_id, warnings=list(batch.warnings))

    def _answer_kit(self, batch: BatchExportResult, kit: Row) -> KitExport:
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
            kit_id=kit["id"],
            kit=kit["name"],
            pads=pads,
            warnings=list(batch.warnings),
            errors=errors,
            **{name: getattr(batch, name) for name in _COUNTS},
        )

    def _recorded_rows(self, batch: BatchExportResult) -> list[Row]:
        return self._records.export_samples(batch.export_id, 1, batch.total_requested).rows


def describe_job(queued: QueuedExport[ExportAnswer]) -> Work:
    """Say how far an export of the queue has come, and its answer or its problem when it has ended."""
    progress, ended = queued.progress, queued.answer.done() and not queued.answer.cancelled()
    error = queued.answer.exception() if ended else None
    done, total = progress.so_far
    return Work(
        id=queued.id,
        state=queued.state,
        created_at=queued.created_at,
        started_at=queued.started_at,
        ended_at=queued.ended_at,
        done=done,
        total=total,
        rate_per_second=0.0 if queued.ended_at else round(progress.rate_per_second(), 2),
        errors=progress.failed,
        messages=_public_errors(list(progress.errors)),
        result=queued.answer.result() if ended and not error else None,
        problem=problem_from_error(error) if error else None,
    )


def _answer_batch(batch: BatchExportResult, unknown: set[int]) -> BatchExport:
    """Answer with all results. The rows of ``unknown`` samples were rejected: their error is that they are unknown."""
    instead = {result.error: str(unknown_sample(result.sample_id)) for result in batch.results if result.sample_id in unknown}
    results = [_public_result(result) for result in batch.results]
    return BatchExport(
        **{name: getattr(batch, name) for name in BatchExport.model_fields if name not in ("results", "errors", "warnings")},
        results=[ExportResult(**result | {"error": instead.get(result["error"], result["error"])}) for result in results],
        errors=[instead.get(error, error) for error in _public_errors(batch.errors)],
        warnings=list(batch.warnings),
    )


def _public_result(result: ExportResult) -> dict[str, Any]:
    return result.model_dump() | {"error": result.error and strip_folders(result.error)}


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
