"""Artifacts for the Prefect UI, under fixed keys: the verdict first, then what failed and why."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.utilities.urls import url_for

from flows.export.stages import DraftPlan, RunningExport
from schemas.errors import DatabaseBusyError
from schemas.report import BatchExportResult
from tasks.store.export_summary import ExportSummary, summarize_export

log = logging.getLogger("sp404")
_MOST_ROWS = 500
_MOST_REASONS = 20
_MOST_BARS = 40
_BAR = 30
# Before the id of the flow run in ``sp404_exports.run_by``.
RUN_BY = "prefect/"


def publish(running: RunningExport, batch: BatchExportResult) -> None:
    """``export-report``, ``buckets`` and, where there are any, ``rejected-samples``."""
    target = running.target
    try:
        told = summarize_export(target.database, batch.export_id, _MOST_REASONS, _MOST_ROWS)
    except DatabaseBusyError as error:  # the export is good, though nobody can read its records now
        log.warning("No report in the UI: %s", error)
        return
    create_markdown_artifact(report_markdown(running, batch, told), key="export-report", description=batch.counts())
    create_markdown_artifact(charts_markdown(told), key="buckets", description="Files by folder, and by level")
    if told.failures:
        create_table_artifact(told.failures, key="rejected-samples", description=_of_troubles(batch))


def run_name(draft: DraftPlan) -> str:
    """A label if a person gave one, else `library by bpm, 1,316 samples`: in ASCII, as the UI wants it."""
    stem = os.path.splitext(os.path.basename(draft.target.manifest))[0]
    name = draft.request.label or f"{stem} by {draft.settings.organize_by}, {draft.requested:,} samples"
    return name.encode("ascii", "replace").decode()


def run_tags(draft: DraftPlan) -> list[str]:
    return [str(draft.settings.organize_by), str(draft.settings.format), str(draft.resolved.export_type)]


def report_markdown(running: RunningExport, batch: BatchExportResult, told: ExportSummary) -> str:
    verdict = "All samples are there" if batch.complete else "Done, but not every sample could be exported"
    sections = (
        [f"# {verdict}", "", f"**{batch.counts()}**"],
        _table(("", ""), _facts(running, batch, told)),
        _section("Why not", ("samples", "what", "for example", "what to do"), _reasons(told)),
        _section("What changed since then", ("samples", ""), _changes(told)),
        _section("Worth a look in the kits", ("where", "what", "what to do"), _findings(batch)),
        _section("Worth a look", ("samples", "what"), ((f"{count:,}", what) for what, count in batch.warnings.items())),
        [f"- {_cell(note)}" for note in batch.notes[:_MOST_REASONS]],
        _section("The slowest files", ("seconds", "file", "from"), _slowest(told)),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def charts_markdown(told: ExportSummary) -> str:
    """Samples by folder and by loudness, as bars of text: the UI has no charts of its own."""
    folders = [(row["bucket"] or "(top)", row["files"]) for row in told.buckets]
    shown = folders if len(folders) <= _MOST_BARS else sorted(folders, key=lambda row: -row[1])[:_MOST_BARS]
    levels = [(f"{row['from_dbfs']} to {row['from_dbfs'] + 6} dBFS", row["files"]) for row in told.loudness]
    lines = ["# Files by folder", "", *_bars(("folder", "files", ""), shown)]
    if len(folders) > len(shown):
        lines += ["", f"The fullest {len(shown)} of {len(folders):,} folders."]
    if levels:
        lines += ["", "# Files by level (RMS)", "", *_bars(("level", "files", ""), levels)]
    return "\n".join(lines)


def _facts(running: RunningExport, batch: BatchExportResult, told: ExportSummary) -> Iterator[tuple[str, str]]:
    written = batch.successful - batch.unchanged
    seconds = max(batch.total_time_seconds, 1e-3)
    yield "export", f"{batch.export_id} ({batch.export_type}, {batch.organized_by}, {batch.format})"
    yield "manifest", f"`{running.target.manifest}`"
    yield "output", f"`{batch.output_base_path}`"
    yield "database", f"`{running.target.database.path}`"
    files = sum(row["files"] for row in told.buckets)
    yield "size", f"{batch.total_size_bytes / 1e6:,.1f} MB in {files:,} file{'' if files == 1 else 's'}"
    yield "time", f"{batch.total_time_seconds:.1f} s"
    if written:
        yield "speed", f"{written / seconds:,.1f} samples a second"
    if batch.zip_path or batch.no_zip:
        yield "ZIP", batch.no_zip or f"`{batch.zip_path}`"
    if batch.card:
        put = batch.card
        left = f", {len(put.in_the_way):,} in the way of other files" if put.in_the_way else ""
        yield "card", f"`{put.root}`: {put.written:,} written and read back, {put.unchanged:,} there already{left}"
    elif batch.no_card:
        yield "card", batch.no_card
    if told.previous:
        yield "previous", f"{_linked(told.previous)} of {told.previous['created_at']:%Y-%m-%d %H:%M} UTC"
    if batch.stale:
        yield "stale", f"{len(batch.stale):,} files that are no longer in the manifest; `--prune` removes them"


def _linked(previous: dict[str, Any]) -> str:
    name = f"export {previous['id']}"
    run_by = str(previous["run_by"])
    with suppress(ValueError):
        address = url_for("flow-run", UUID(run_by.removeprefix(RUN_BY))) if run_by.startswith(RUN_BY) else None
        return f"[{name}]({address})" if address else name
    return name


def _reasons(told: ExportSummary) -> Iterator[tuple[str, str, str, str]]:
    for row in told.reasons:
        yield f"{row['samples']:,}", str(row["reason"] or row["status"]), row["example"] or "", row["fix"] or ""


_CHANGES = {
    "new": "new in the manifest",
    "gone": "no longer in the manifest",
    "converted_again": "there before, and written again",
    "healed": "failed before, and are there now",
    "newly_failing": "were there before, and failed now",
}


def _changes(told: ExportSummary) -> Iterator[tuple[str, str]]:
    for name, what in _CHANGES.items():
        if told.changes and told.changes[name]:
            yield f"{told.changes[name]:,}", what


def _findings(batch: BatchExportResult) -> Iterator[tuple[str, str, str]]:
    return ((one.where, one.what, one.fix) for one in islice(batch.findings, _MOST_REASONS))


def _slowest(told: ExportSummary) -> Iterator[tuple[str, str, str]]:
    return ((f"{row['seconds']:.2f}", f"`{row['path']}`", f"`{row['source_path']}`") for row in told.slowest)


def _of_troubles(batch: BatchExportResult) -> str:
    count = batch.failed + batch.rejected
    description = "1 row was not exported" if count == 1 else f"{count:,} rows were not exported"
    if count > _MOST_ROWS:
        description += f"; these are the first {_MOST_ROWS}, `sp404 history --export {batch.export_id} --failed` shows all"
    return description


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = _table(columns, rows)
    return [f"## {title}", "", *lines] if lines else []


def _bars(columns: Sequence[str], rows: Sequence[tuple[str, int]]) -> list[str]:
    most = max((count for _, count in rows), default=0)
    shown = ((label, count, max(round(_BAR * count / most), 1)) for label, count in rows if count)
    return _table(columns, ((label, f"{count:,}", "\u2588" * length) for label, count, length in shown))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *lines] if lines else []


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
