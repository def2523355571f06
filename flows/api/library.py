"""The records for REST clients: samples, kits and exports page by page, and the preferences."""

import os
from typing import Any, TypeAlias, TypeVar

from config.settings import Settings, load
from flows.api.access import resolve_inside_root
from flows.api.mends import find_mend
from flows.api.problems import strip_folders, strip_options
from schemas.api import (
    ExportDetail,
    ExportedSample,
    ExportFilter,
    ExportTotals,
    Listed,
    ListedExports,
    Page,
    Preferences,
)
from schemas.enums import SampleOrder
from schemas.errors import NothingExportedError, NothingSelectedError, RecordNotFoundError, RequestError, public_fix
from schemas.page_api import ExportReason, ExportSampleFilter, ExportSamples
from schemas.sample_api import BatchRequest, ListedSamples, Sample, SampleDetail, SampleFacets, SampleFilter, SamplePage
from tasks.store import export_files, history
from tasks.store.catalog import Catalog, RecordPage
from tasks.store.database import Database
from tasks.store.sample_search import SampleSearch

Row: TypeAlias = dict[str, Any]
_ERROR_COLUMNS = {"error", "fix", "trouble"}
_PageT = TypeVar("_PageT", bound=Listed[Any])


class LibraryPages:
    """The records of one database, as the answers of the REST API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.db, settings.api_wait_seconds)
        self._root = settings.client_folder()
        self._records, self._search = Catalog(self._database), SampleSearch(self._database)

    def settings_now(self) -> Settings:
        """Resolve the settings with the preferences as they are now."""
        wait_seconds = self._database.wait_seconds
        return load({"db": self._database.path}, lambda path, _: history.preferences_at(path, wait_seconds)).settings

    def samples(self, wanted: SamplePage) -> ListedSamples:
        """List samples."""
        descending = wanted.order is SampleOrder.DESCENDING
        found = self._search.page(self._filters(wanted), wanted.sort, descending, wanted.page, wanted.page_size)
        items = [Sample(**row) for row in found.rows]
        where = {"page": wanted.page, "page_size": wanted.page_size, "revision": found.revision}
        return ListedSamples(total=found.total, items=items, **where)

    def ids_of(self, batch: BatchRequest) -> list[int]:
        """Return the ids of a batch, also where it is told by a filter.

        Raises:
            NothingSelectedError: No sample is selected.
        """
        if batch.selection is None:
            return list(batch.sample_ids)
        but = set(batch.selection.but)
        ids = [number for number in self._search.ids(self._filters(batch.selection.filter)) if number not in but]
        if not ids:
            raise NothingSelectedError
        return ids

    def facets(self, wanted: SampleFilter) -> SampleFacets:
        """Count samples by their values."""
        found = self._search.facets(self._filters(wanted))
        counts: dict[str, list[Row]] = {}
        for row in found.rows:
            counts.setdefault(row["facet"], []).append({"value": row["value"], "samples": row["samples"]})
        return SampleFacets(total=found.total, revision=found.revision, **counts)

    def _filters(self, wanted: SampleFilter) -> Row:
        return wanted.filters() | {"shortest_ms": self._settings.min_duration_ms}

    def sample(self, sample_id: int) -> Sample:
        """Return one sample.

        Raises:
            RecordNotFoundError: There is no such sample.
        """
        row = self._records.sample(sample_id)
        if not row:
            raise unknown_sample(sample_id)
        return Sample(**row)

    def sample_detail(self, sample_id: int) -> SampleDetail:
        """Return one sample with all that is known of it.

        Raises:
            RecordNotFoundError: There is no such sample.
        """
        with self._database.hold():
            detail = self._records.sample_detail(sample_id)
            if detail["fidelity"]:
                detail["fidelity"] = _for_clients(detail["fidelity"])
            if trouble := detail["trouble"]:
                mend = find_mend(trouble["reason"], self._settings)
                detail["trouble"] = _for_clients(trouble) | {"mend": mend if mend and mend.text in trouble["error"] else None}
            sample = self.sample(sample_id).model_dump()
        return SampleDetail(**sample, **detail, source_is_there=os.path.isfile(sample["file_path"]))

    def paths_of(self, sample_ids: list[int]) -> dict[int, str]:
        """Return the sources of these samples; of those that are not known nothing."""
        rows = self._records.rows_of(sample_ids, with_kits=False)
        return {row["sample_id"]: row["file_path"] for row in rows if "file_path" in row}

    def exports(self, wanted: ExportFilter) -> ListedExports:
        """List exports, newest first."""
        page = self._records.exports(wanted.filters(), wanted.page, wanted.page_size)
        totals = ExportTotals(**{name: page.totals.get(f"total_{name}") or 0 for name in ExportTotals.model_fields})
        return _to_page(ListedExports, page, wanted, totals=totals)

    def export(self, export_id: int, wanted: Page) -> ExportDetail:
        """Return one export, and a page of its samples.

        Raises:
            RecordNotFoundError: There is no such export.
        """
        with self._database.hold():
            row = self._records.export(export_id)
            if not row:
                raise unknown_export(export_id)
            page = self._records.export_samples(export_id, wanted.page, wanted.page_size)
            not_whole = self._why_not_whole(export_id)
        return ExportDetail(**_strip_errors(row), samples=_to_page(Listed[ExportedSample], page, wanted), not_whole=not_whole)

    def _why_not_whole(self, export_id: int) -> str | None:
        try:
            export_files.read_files(self._database, export_id)
        except NothingExportedError as error:
            return f"{error}."
        except RequestError as error:
            return f"{error}. {error.fix}"
        return None

    def export_samples(self, export_id: int, wanted: ExportSampleFilter) -> ExportSamples:
        """Return those rows of an export that the filters let through, and why rows of it were not exported.

        Raises:
            RecordNotFoundError: There is no such export.
        """
        filters = wanted.model_dump(include={"status", "reason", "text"}, mode="json") | {"export_id": export_id}
        with self._database.hold():
            if not self._records.export_settings(export_id):
                raise unknown_export(export_id)
            page = self._records.find_export_samples(filters, wanted.limit, wanted.offset)
            reasons = [self._describe_reason(export_id, row) for row in self._records.export_reasons(export_id)]
        items = [ExportedSample(**_strip_errors(row)) for row in page.rows]
        return ExportSamples(total=page.total, limit=wanted.limit, offset=wanted.offset, reasons=reasons, items=items)

    def _describe_reason(self, export_id: int, row: Row) -> ExportReason:
        mend = find_mend(row["reason"], self._settings)
        mendable = len(self._records.failed_samples(export_id, mend.reason, mend.text)) if mend else 0
        counts = {"status": row["status"], "reason": row["reason"], "samples": row["samples"], "mendable": mendable}
        return ExportReason(**counts, fix=_strip_errors(row)["fix"], mend=mend if mendable else None)

    def preferences(self) -> Preferences:
        """Return the preferences as they are now."""
        return Preferences.model_validate(history.preferences(self._database))

    def set_preferences(self, wanted: Preferences) -> Preferences:
        """Set all preferences, and return them as they were stored.

        Raises:
            ForbiddenError: The output folder is outside of the one that clients may export to.
        """
        if wanted.output_base_path is not None:
            folder = resolve_inside_root(wanted.output_base_path, self._root)
            wanted = wanted.model_copy(update={"output_base_path": folder})
        self._records.put_preferences(wanted.model_dump(mode="json"))
        return wanted


def unknown_sample(sample_id: int) -> RecordNotFoundError:
    """Build the error for a sample that is not in the records."""
    return RecordNotFoundError(noun="Sample", id=sample_id, fix="The list of samples shows those that are known.")


def unknown_export(export_id: int) -> RecordNotFoundError:
    """Build the error for an export that is not in the records."""
    return RecordNotFoundError(noun="Export", id=export_id, fix="The list of exports shows those that are known.")


def _to_page(kind: type[_PageT], page: RecordPage, wanted: Page, **more: Any) -> _PageT:
    rows = [_strip_errors(row) for row in page.rows]
    return kind(total=page.total, page=wanted.page, page_size=wanted.page_size, items=rows, **more)


def _strip_errors(row: Row) -> Row:
    """Cut the paths in the error texts of a row down to their last names; what to do is in the words of clients."""
    row = _for_clients(row)
    return {name: strip_folders(value) if name in _ERROR_COLUMNS and value else value for name, value in row.items()}


def _for_clients(row: Row) -> Row:
    """Say what to do in words that do not name options of the command line."""
    fix = {"fix": public_fix(row["error"], row["reason"], row["fix"])} if row.get("fix") else {}
    return row | fix | ({"warning": strip_options(row["warning"])} if row.get("warning") else {})
