"""The records page by page, and as rows that can be exported again."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tasks.store.database import Connection, Database, run
from tasks.store.outcome_table import split_changes
from tasks.store.sample_search import SampleSearch


@dataclass(frozen=True)
class RecordPage:
    """``rows`` of one page, of ``total``; ``totals``: what else is summed over all pages, by name."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    totals: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """The records of one database. Each question opens it for a moment; one that is not there yet has no records.

    Raises what ``Database.connect`` raises.
    """

    database: Database

    def sample(self, sample_id: int) -> dict[str, Any] | None:
        """Return one sample, or None."""
        rows = SampleSearch(self.database).page({"id": sample_id}, "id", False, 1, 1).rows
        return rows[0] if rows else None

    def sample_detail(self, sample_id: int) -> dict[str, Any]:
        """Return what else is known of a sample: ``fidelity`` (None where no file stands), ``places`` and ``kits``."""
        with self.database.connect() as connection:
            measured, places, kits, trouble = (
                run(connection, query, {"id": sample_id}).dicts()
                for query in ("sample_fidelity", "sample_places", "sample_kits", "sample_trouble")
            )
        for row in measured:
            row["changes"] = split_changes(row.pop("sound_changes"))
        first = {"fidelity": measured[0] if measured else None, "trouble": trouble[0] if trouble else None}
        return first | {"places": places, "kits": kits}

    def kits(self, filters: dict[str, Any], page: int, page_size: int) -> RecordPage:
        """List kits."""
        return self._page("list_kits", {"id": None} | filters, page, page_size)

    def kit(self, kit_id: int) -> dict[str, Any] | None:
        """Return one kit, or None."""
        return self._one("list_kits", {"id": kit_id, "text": None})

    def exports(self, filters: dict[str, Any], page: int, page_size: int) -> RecordPage:
        """List exports, newest first."""
        return self._page("list_exports", {"id": None} | filters, page, page_size)

    def export(self, export_id: int) -> dict[str, Any] | None:
        """Return one export, or None."""
        blank = dict.fromkeys(("user_id", "export_type", "organized_by", "sample_id", "status", "text"))
        return self._one("list_exports", blank | {"id": export_id})

    def export_samples(self, export_id: int, page: int, page_size: int) -> RecordPage:
        """List what became of the samples of an export."""
        return self.find_export_samples({"export_id": export_id}, page_size, (page - 1) * page_size)

    def find_export_samples(self, filters: dict[str, Any], most: int, skip: int) -> RecordPage:
        """List what became of those samples of an export that filters let through: ``status``, ``reason`` and ``text``."""
        blank = dict.fromkeys(("status", "reason", "text"))
        return self._window("list_export_samples", blank | filters, most, skip)

    def export_reasons(self, export_id: int) -> list[dict[str, Any]]:
        """Count the samples of an export that were not exported, by the reason."""
        return self._rows("export_reasons", {"export_id": export_id})

    def export_settings(self, export_id: int) -> dict[str, Any] | None:
        """Return what an export of other samples needs to be as this one was, or None where there is no such export."""
        rows = self._rows("export_settings", {"export_id": export_id})
        return rows[0] if rows else None

    def failed_samples(self, export_id: int, reason: str | None = None, text: str | None = None) -> list[dict[str, Any]]:
        """Return the samples of an export that failed, for a reason and with a text in the error, each with its ``kit``."""
        return self._rows("failed_samples", {"export_id": export_id, "reason": reason, "text": text})

    def rows_of(self, sample_ids: list[int], with_kits: bool) -> list[dict[str, Any]]:
        """Return manifest rows for these samples, one each in their order; an unknown id is all that its row has.

        ``with_kits``: the pads of every kit that one of them sits on, whole, and only those in no kit by themselves.
        """
        if not self.database.exists:
            return [{"sample_id": number} for number in sample_ids]
        wanted = pl.DataFrame({"id": sample_ids, "file_path": None}, {"id": pl.Int64, "file_path": pl.String})
        with self.database.connect() as connection:
            known = {row["id"]: row for row in run(connection, "known_samples", wanted=wanted).dicts()}
            pads = _pads(connection, None, wanted) if with_kits else []
        placed = {row["sample_id"] for row in pads}
        alone = [number for number in sample_ids if number not in placed]
        return pads + [{"sample_id": number} | _without_id(known.get(number, {})) for number in alone]

    def pads_of(self, kit_id: int) -> list[dict[str, Any]]:
        """Return manifest rows for the pads of a kit."""
        no_samples = pl.DataFrame(schema={"id": pl.Int64})
        with self.database.connect() as connection:
            return _pads(connection, kit_id, no_samples)

    def put_preferences(self, values: dict[str, Any]) -> None:
        """Store all preferences."""
        with self.database.connect() as connection:
            run(connection, "put_preferences", values)

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if not self.database.exists:
            return []
        with self.database.connect() as connection:
            return run(connection, query, parameters).dicts()

    def _page(self, query: str, parameters: dict[str, Any], page: int, page_size: int) -> RecordPage:
        return self._window(query, parameters, page_size, (page - 1) * page_size)

    def _window(self, query: str, parameters: dict[str, Any], most: int, skip: int) -> RecordPage:
        if not self.database.exists:
            return RecordPage()
        with self.database.connect() as connection:
            rows = run(connection, query, parameters | {"most": most, "skip": skip}).dicts()
            # Behind the last page no row is left to say how many there are.
            first = rows or (run(connection, query, parameters | {"most": 1, "skip": 0}).dicts() if skip else [])
        totals = {name: value for name, value in first[0].items() if name.startswith("total_")} if first else {}
        return RecordPage(rows, first[0]["total"] if first else 0, totals)

    def _one(self, query: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        found = self._page(query, parameters, 1, 1).rows
        return found[0] if found else None


def _pads(connection: Connection, kit_id: int | None, wanted: pl.DataFrame) -> list[dict[str, Any]]:
    return run(connection, "kit_rows", {"kit_id": kit_id}, wanted=wanted).dicts()


def _without_id(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sample.items() if name != "id"}
