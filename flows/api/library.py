"""The records for REST clients: samples, kits and exports page by page, and the preferences."""

from typing import Any, TypeAlias, TypeVar

from config.settings import Settings
from flows.api.access import resolve_inside_root
from flows.api.problems import strip_folders
from schemas.api import (
    ExportDetail,
    ExportedSample,
    ExportFilter,
    ExportTotals,
    Kit,
    KitDetail,
    KitFilter,
    Listed,
    ListedExports,
    Pad,
    Page,
    Preferences,
)
from schemas.enums import SampleOrder
from schemas.errors import RecordNotFoundError
from schemas.sample_api import ListedSamples, Sample, SampleDetail, SampleFacets, SampleFilter, SamplePage
from tasks.store import history
from tasks.store.catalog import Catalog, RecordPage
from tasks.store.database import Database
from tasks.store.sample_search import SampleSearch

Row: TypeAlias = dict[str, Any]
_ERROR_COLUMNS = {"error", "fix", "trouble"}
_PageT = TypeVar("_PageT", bound=Listed[Any])


class LibraryPages:
    """The records of one database, as the answers of the REST API."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.db, settings.api_wait_seconds)
        self._root = allowed_root(settings)
        self._records, self._search = Catalog(self._database), SampleSearch(self._database)

    def samples(self, wanted: SamplePage) -> ListedSamples:
        """List samples."""
        descending = wanted.order is SampleOrder.DESCENDING
        found = self._search.page(wanted.filters(), wanted.sort, descending, wanted.page, wanted.page_size)
        items = [Sample(**row) for row in found.rows]
        where = {"page": wanted.page, "page_size": wanted.page_size, "revision": found.revision}
        return ListedSamples(total=found.total, items=items, **where)

    def facets(self, wanted: SampleFilter) -> SampleFacets:
        """Count samples by their values."""
        found = self._search.facets(wanted.filters())
        counts: dict[str, list[Row]] = {}
        for row in found.rows:
            counts.setdefault(row["facet"], []).append({"value": row["value"], "samples": row["samples"]})
        return SampleFacets(total=found.total, revision=found.revision, **counts)

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
            return SampleDetail(**self.sample(sample_id).model_dump(), **self._records.sample_detail(sample_id))

    def paths_of(self, sample_ids: list[int]) -> dict[int, str]:
        """Return the sources of these samples; of those that are not known nothing."""
        rows = self._records.rows_of(sample_ids, with_kits=False)
        return {row["sample_id"]: row["file_path"] for row in rows if "file_path" in row}

    def kits(self, wanted: KitFilter) -> Listed[Kit]:
        """List kits by their ids."""
        return _to_page(Listed[Kit], self._records.kits(wanted.filters(), wanted.page, wanted.page_size), wanted)

    def kit(self, kit_id: int) -> KitDetail:
        """Return one kit with its pads.

        Raises:
            RecordNotFoundError: There is no such kit.
        """
        return KitDetail(**self.kit_row(kit_id), pads=[Pad(**row) for row in self._records.pads_of(kit_id)])

    def kit_row(self, kit_id: int) -> Row:
        """Return one kit as a row of the records.

        Raises:
            RecordNotFoundError: There is no such kit.
        """
        row = self._records.kit(kit_id)
        if not row:
            raise RecordNotFoundError(noun="Kit", id=kit_id, fix="The list of kits shows those that are known.")
        return row

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
        row = self._records.export(export_id)
        if not row:
            raise RecordNotFoundError(noun="Export", id=export_id, fix="The list of exports shows those that are known.")
        page = self._records.export_samples(export_id, wanted.page, wanted.page_size)
        return ExportDetail(**_strip_errors(row), samples=_to_page(Listed[ExportedSample], page, wanted))

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


def allowed_root(settings: Settings) -> str:
    """Return the folder that clients may export to."""
    return settings.api_root or settings.output_base_path


def unknown_sample(sample_id: int) -> RecordNotFoundError:
    """Build the error for a sample that is not in the records."""
    return RecordNotFoundError(noun="Sample", id=sample_id, fix="The list of samples shows those that are known.")


def _to_page(kind: type[_PageT], page: RecordPage, wanted: Page, **more: Any) -> _PageT:
    rows = [_strip_errors(row) for row in page.rows]
    return kind(total=page.total, page=wanted.page, page_size=wanted.page_size, items=rows, **more)


def _strip_errors(row: Row) -> Row:
    """Cut the paths in the error texts of a row down to their last names."""
    return {name: strip_folders(value) if name in _ERROR_COLUMNS and value else value for name, value in row.items()}
