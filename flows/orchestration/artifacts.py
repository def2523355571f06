"""The report of an export as artifacts in the Prefect UI, under fixed keys: the verdict first, then what failed and why."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.utilities.urls import url_for

from flows.export.card_currency import count_behind
from flows.export.stages import DraftPlan, RunningExport
from flows.orchestration import run_context
from flows.orchestration.markdown_text import code, escape
from schemas.enums import ExportType
from schemas.errors import DatabaseBusyError
from schemas.report import SHOWN_FILES, BatchExportResult, describe_cause, describe_comparison
from tasks.manifest.library_names import library_name
from tasks.store import card_files
from tasks.store.export_summary import ExportSummary, summarize_export
from tasks.store.run_folder import requests_folder

log = logging.getLogger("sp404")
_REJECTED = "rejected-samples"
_MAX_ROWS = 500
_MAX_REASONS = 20
_MAX_BARS = 40
_BAR_CHARACTERS = 30
# Of fewer files than that a speed is that of the run's beginning and end.
_FEW_FILES = 10
# The tag of runs in which samples were not exported: they are Completed, too.
WITH_FAILURES = "with-failures"
# Before the id of the flow run in ``sp404_exports.run_by``.
RUN_BY = "prefect/"


def publish_report(running: RunningExport, batch: BatchExportResult, left_out: str = "", no_card: str = "") -> None:
    """Publish the artifacts ``export-report``, ``files-by-folder`` and ``rejected-samples``.

    ``left_out``: What the scan before it could not read, in words. ``no_card``: Why the card of the nights got nothing.

    The last also says that nothing was rejected, in words, since the UI shows an empty table as an empty page: under a key it
    shows the newest, and the table of a night long ago would stay there. Of a few samples that a client chose it does not.
    """
    try:
        summary = summarize_export(running.target.database, batch.export_id, _MAX_REASONS, _MAX_ROWS)
        of_card = [] if batch.card or batch.no_card else _card_lines(running, no_card)
    except DatabaseBusyError as error:  # the export is complete, but its records cannot be read now
        log.warning("No report in the UI: %s", error)
        return
    log_changes(summary)
    create_markdown_artifact(
        report_markdown(running, batch, summary, left_out, of_card),
        key="export-report",
        description=batch.counts(),
    )
    create_markdown_artifact(charts_markdown(summary), key="files-by-folder", description="Files by folder, and by level")
    if summary.failures:
        new = sum(row.get("since") == "this run" for row in summary.failures)
        create_table_artifact(_failures(summary), key=_REJECTED, description=_describe_failures(batch, new))
    elif not running.draft.resolved.is_selection:
        create_markdown_artifact(batch.counts(), key=_REJECTED, description="Every row was exported")


def run_name(draft: DraftPlan) -> str:
    """Return the name of the run: its label, else ``library by bpm, 1,316 samples``. In ASCII, as the UI needs it.

    What a REST client chose has no manifest of its own, and is named by the samples alone.
    """
    folder = os.path.dirname(draft.target.manifest)
    stem = "" if folder == str(requests_folder(draft.target.database)) else library_name(draft.target.manifest)
    what = f"{draft.requested:,} sample{'' if draft.requested == 1 else 's'}"
    if draft.resolved.export_type is ExportType.SINGLE and draft.rows.height:
        what = str(draft.rows["title"][0] or stem or what)
    named = f"{stem} by {draft.settings.organize_by}, {what}" if stem else f"{what}, by {draft.settings.organize_by}"
    return ascii_name(draft.request.label or named)


def ascii_name(name: str) -> str:
    """Return a name as the UI needs it."""
    return name.encode("ascii", "replace").decode()


def run_tags(draft: DraftPlan) -> list[str]:
    """Return the product, the strategy, the format and the type of the export, as tags of the flow run."""
    return ["sp404", str(draft.settings.organize_by), str(draft.settings.format), str(draft.resolved.export_type)]


def report_markdown(
    running: RunningExport,
    batch: BatchExportResult,
    summary: ExportSummary,
    left_out: str = "",
    of_card: Iterable[str] = (),
) -> str:
    """Render the verdict, the facts, reasons with their fixes, changes, findings and the slowest files, as Markdown.

    ``of_card``: Lines of a card that this run did not write to, as Markdown.
    """
    sections = (
        [f"# {_verdict(batch)}", "", f"**{batch.counts()}**", "", *_first_lines(batch, summary), *of_card],
        [f"- Beside these, not in the manifest: {escape(left_out)}"] if left_out else [],
        _reasons(summary),
        _section("What changed since the run before", ("samples", ""), _changes(summary)),
        _section("The run", ("", ""), _facts(running, batch, summary)),
        _section("Worth a look in the kits", ("where", "what", "what to do"), _findings(batch)),
        _section("Worth a look", ("samples", "what"), ((f"{count:,}", escape(what)) for what, count in batch.warnings.items())),
        [f"- {escape(note)}" for note in _notes(batch)],
        _section("The slowest files", ("seconds", "file", "from"), _slowest(summary)) if _is_worth_timing(batch) else [],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _notes(batch: BatchExportResult) -> Iterator[str]:
    return filter(None, [batch.other_folder, *batch.notes[:_MAX_REASONS]])


def _verdict(batch: BatchExportResult) -> str:
    if batch.complete:
        return "All samples are there"
    if batch.not_reached:
        return "Stopped before its end"
    if not batch.successful:
        return "No sample could be exported"
    if batch.failed or batch.rejected:
        return "Done, but not every sample could be exported"
    return "All samples are exported, but not where they were to go"


def charts_markdown(summary: ExportSummary) -> str:
    """Render samples by folder and by loudness as bars of text, in Markdown: the UI has no charts of its own."""
    folders = [(escape(row["bucket"] or "(top)"), row["files"]) for row in summary.buckets]
    shown = folders if len(folders) <= _MAX_BARS else sorted(folders, key=lambda row: -row[1])[:_MAX_BARS]
    levels = [(f"{row['from_dbfs']} to {row['from_dbfs'] + 6} dBFS", row["files"]) for row in summary.loudness]
    lines = ["# Files by folder", "", *_bars(("folder", "files", ""), shown)]
    if len(folders) > len(shown):
        lines += ["", f"The fullest {len(shown)} of {len(folders):,} folders."]
    if levels:
        lines += ["", "# Files by level (RMS)", "", *_bars(("level", "files", ""), levels)]
    return "\n".join(lines)


def _first_lines(batch: BatchExportResult, summary: ExportSummary) -> Iterator[str]:
    """Say what is new, what failed and where it is listed, and whether the card is current."""
    changes = summary.changes or {}
    shown = [name for name in _GOOD_CHANGES if changes.get(name)] or ["new", "converted_again"]
    known = ", ".join(_with_names(changes, name, _GOOD_CHANGES[name]) for name in shown) if changes else "the first run"
    newly = changes.get("newly_failing", 0)
    yield f"- New: {known}"
    if batch.other_sound:
        yield f"- {escape(batch.other_sound)}"
    if comparison := _comparison(summary):
        yield f"- {comparison}"
    if count := batch.failed + batch.rejected:
        files = _names(changes.get("newly_failing_files") or [], newly)
        now = f", {newly:,} of them new ({files}), which the run before exported" if newly else ""
        yield f"- Not exported: {count:,}{now}; the table `rejected-samples` names every file"
    if batch.card:
        left = len(batch.card.in_the_way) + len(batch.card.modified)
        state = f"lacks {left:,} files, since others are in the way" if left else "is current"
        yield f"- The card {code(batch.card.root)} {state}"
    elif batch.no_card:
        yield f"- The card is not current: {escape(batch.no_card)}"


def _card_lines(running: RunningExport, no_card: str) -> list[str]:
    """Return what is to be said of the card of this manifest, by the records: none where it is current, or there never was one.

    ``no_card``: Why the card of the nights got nothing; empty where they have none.
    """
    database, manifest = running.target.database, running.target.manifest
    root, missing, older = "", 0, 0
    if card := card_files.last_card_of(database, manifest):
        root = card[1]
        missing, older = count_behind(database, card[0], manifest)
    lacks = "1 file is" if missing + older == 1 else f"{missing + older:,} files are"
    lacks += f" {'missing on it' if missing else 'older on it'}{', or older' if missing and older else ''}"
    is_same = root == running.settings.nightly_card
    lines = [f"- {escape(no_card)}{f'; {lacks}' if is_same and missing + older else ''}"] if no_card else []
    if missing + older and not (no_card and is_same):
        lines.append(f"- The card {code(root)} is not current: {lacks}; this run did not write to it")
    return lines


_GOOD_CHANGES = {"new": "new", "converted_again": "written again", "healed": "mended"}


def _with_names(changes: Mapping[str, Any], name: str, what: str, in_code: bool = True) -> str:
    """Return how many samples changed in a way, and the names of the first: ``2 written again (`a.wav`, `b.wav`)``."""
    number, files = changes.get(name, 0), changes.get(f"{name}_files") or []
    return f"{number:,} {what}" + (f" ({_names(files, number, in_code)})" if files else "")


def _names(files: Sequence[str], number: int, in_code: bool = True) -> str:
    names = [os.path.basename(file) for file in files[:SHOWN_FILES]]
    return ", ".join(map(code, names) if in_code else names) + (", ..." if number > len(names) else "")


def _comparison(summary: ExportSummary) -> str:
    """Return in words what the changes are since, where the run before was interrupted."""
    compared = summary.compared
    return describe_comparison([row["id"] for row in compared], bool(compared) and compared[0]["interrupted"])


def log_changes(summary: ExportSummary) -> None:
    """Log what the report says of what is new and mended, and as a warning what fails since the run before.

    Of runs that the command line waits for that is no warning: it says itself what failed.
    """
    changes = summary.changes or {}
    good = [_with_names(changes, name, what, in_code=False) for name, what in _GOOD_CHANGES.items() if changes.get(name)]
    if good or _comparison(summary):
        log.info("%s", ". ".join(filter(None, (_comparison(summary), f"Since the run before: {', '.join(good) or 'nothing'}"))))
    if changes.get("newly_failing"):
        level = logging.INFO if run_context.current_context() else logging.WARNING
        number, files = changes["newly_failing"], changes.get("newly_failing_files") or []
        log.log(level, "Failed, and did not before: %s", _names(files, number, in_code=False))


def _facts(running: RunningExport, batch: BatchExportResult, summary: ExportSummary) -> Iterator[tuple[str, str]]:
    written = batch.successful - batch.unchanged
    seconds = max(batch.total_time_seconds, 1e-3)
    yield "export", f"{batch.export_id} ({batch.export_type}, {batch.organized_by}, {batch.format})"
    yield "manifest", code(running.target.manifest)
    yield "output", code(batch.output_base_path)
    yield "database", code(running.target.database.path)
    files = sum(row["files"] for row in summary.buckets)
    yield "size", f"{batch.total_size_bytes / 1e6:,.1f} MB in {files:,} file{'' if files == 1 else 's'}"
    rest = " for what an interrupted run of it had left" if batch.resumed else ""
    yield "time", f"{batch.total_time_seconds:.1f} s{rest}"
    if _is_worth_timing(batch) and not batch.resumed:
        yield "speed", f"{written / seconds:,.1f} samples a second"
    if batch.zip_path or batch.no_zip:
        yield "ZIP", escape(batch.no_zip) or code(batch.zip_path or "")
    if batch.card:
        card = batch.card
        left = f", {len(card.in_the_way):,} in the way of other files" if card.in_the_way else ""
        renamed = f" {card.renamed:,} renamed," if card.renamed else ""
        yield (
            "card",
            f"{code(card.root)}: {card.written:,} written and read back,{renamed} {card.unchanged:,} there already{left}",
        )
    elif batch.no_card:
        yield "card", escape(batch.no_card)
    if summary.previous:
        yield "previous", f"{_link(summary.previous)} of {summary.previous['created_at']:%Y-%m-%d %H:%M} UTC"
    if batch.stale:
        yield "stale", f"{len(batch.stale):,} files that are no longer in the manifest; `--prune` removes them"
    for layout in batch.other_layouts:
        yield escape(layout.name), escape(layout.text)


def _link(previous: dict[str, Any]) -> str:
    name = f"export {previous['id']}"
    run_by = str(previous["run_by"])
    with suppress(ValueError):
        address = url_for("flow-run", UUID(run_by.removeprefix(RUN_BY))) if run_by.startswith(RUN_BY) else None
        return f"[{name}]({address})" if address else name
    return name


def _reasons(summary: ExportSummary) -> list[str]:
    """Render why rows were not exported: as a list, for its lines are broken, where the UI cuts wide tables."""
    lines = []
    for row in summary.reasons:
        file = f"{code(row['file'])}: " if row["file"] else ""
        cause = describe_cause(row["reason"] or row["status"], row["example"] or "")
        lines += [f"- **{row['samples']:,} x {escape(cause)}.** {escape(row['fix'] or '')}".rstrip(), ""]
        lines += [f"  For example {file}{escape(row['example'] or '')}", ""]
    return ["## Not exported", "", *lines[:-1]] if lines else []


_CHANGES = {
    "new": "new in the manifest",
    "gone": "no longer in the manifest",
    "converted_again": "there before, and written again",
    "healed": "failed before, and are there now",
    "newly_failing": "were there before, and failed now",
}


def _changes(summary: ExportSummary) -> Iterator[tuple[str, str]]:
    for name, what in _CHANGES.items():
        if summary.changes and summary.changes[name]:
            yield f"{summary.changes[name]:,}", what


def _findings(batch: BatchExportResult) -> Iterator[tuple[str, str, str]]:
    return (
        (escape(finding.where), escape(finding.what), escape(finding.fix)) for finding in islice(batch.findings, _MAX_REASONS)
    )


def _is_worth_timing(batch: BatchExportResult) -> bool:
    return batch.successful - batch.unchanged >= _FEW_FILES


def _slowest(summary: ExportSummary) -> Iterator[tuple[str, str, str]]:
    return ((f"{row['seconds']:.2f}", code(row["path"]), code(row["source_path"])) for row in summary.slowest)


def _failures(summary: ExportSummary) -> list[dict[str, Any]]:
    """Return the rows of the table of failures, without the folders that all files are in; the UI takes texts for Markdown."""
    folders = [os.path.dirname(row["file"]) for row in summary.failures if os.path.isabs(row["file"] or "")]
    common = os.path.join(os.path.commonpath(folders), "") if len(folders) > 1 else ""
    rows = [row | {"file": (row["file"] or "").removeprefix(common) or None} for row in summary.failures]
    return [{name: escape(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]


def _describe_failures(batch: BatchExportResult, new: int) -> str:
    """Return how many rows were not exported, and how many of them are ``new``: these come first."""
    count = batch.failed + batch.rejected
    description = "1 row was not exported" if count == 1 else f"{count:,} rows were not exported"
    if 0 < new < count:
        description += f", {new:,} of them for the first time: these come first"
    if count > _MAX_ROWS:
        description += f"; these are the first {_MAX_ROWS}, `sp404 history --export {batch.export_id} --failed` shows all"
    return description


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = _table(columns, rows)
    return [f"## {title}", "", *lines] if lines else []


def _bars(columns: Sequence[str], rows: Sequence[tuple[str, int]]) -> list[str]:
    most = max((count for _, count in rows), default=0)
    shown = ((label, count, max(round(_BAR_CHARACTERS * count / most), 1)) for label, count in rows if count)
    return _table(columns, ((label, f"{count:,}", "\u2588" * length) for label, count, length in shown))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Render a table; the cells are Markdown already."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *lines] if lines else []
