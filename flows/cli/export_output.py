"""Print the results of ``sp404 export``, ``plan`` and ``check``: a summary that fits a terminal, with what failed and why."""

import shlex
import sys
from collections import Counter
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from flows.cli.grouped import print_groups
from flows.cli.messages import GOOD, MOST_LINES, WARN, count_of, db_hint, print_findings, print_notes, say

if TYPE_CHECKING:
    from flows.export.card_forecast import PlannedCopy
    from flows.export.preview import CheckReport, PlannedFile, PlannedRemovals, PlanPreview
    from schemas.export import ExportRequest
    from schemas.report import BatchExportResult, CardResult, Finding

_IN_THE_WAY = "another file is there, or ours was changed since. It stays; remove it there to have ours."
_MODIFIED = "it was changed in the output folder since it was written. --verify-outputs writes it again."
_ON_THE_DEVICE = "  On the device: SHIFT + pad 13, then the import of samples (sp404 explain device)"
_MOST_CAUSES = 8
# How many files `plan` lists in a terminal: with its summary, they fit into one of 24 lines.
_FILES_SHOWN = 8


def print_batch(batch: "BatchExportResult", manifest: str, db: str | None, prune: bool) -> None:
    """Print the result of an export: what failed and why to standard error, the counts to standard output."""
    _print_failures(batch, db)
    print_findings([finding for finding in batch.findings if not _is_counted(finding, batch)], manifest)
    print_notes(batch.notes, f"sp404 history --export {batch.export_id} --failed{db_hint(db)} names every sample")
    _print_warnings(batch, db)
    if gone := batch.pruned - batch.pruned_outdated:
        say(f"Removed, as no longer in the manifest: {count_of(gone, 'file')}")
    if batch.pruned_outdated:
        say(f"Removed, as their samples have another file now: {count_of(batch.pruned_outdated, 'file')}")
    if batch.layout_pruned:
        say(f"Removed, as of another layout or format: {count_of(batch.layout_pruned, 'file')}")
    _print_stale(batch)
    for layout in batch.other_layouts:
        say(layout.text)
    size, seconds = batch.total_size_bytes / 1e6, batch.total_time_seconds
    resumed = ", resumed" if batch.resumed else ""
    counts = f"{batch.counts()}; {size:,.1f} MB in {seconds:.1f} s"
    say(f"Export {batch.export_id}{resumed}: {counts}", color=GOOD if batch.complete else WARN)
    say(f"  {batch.output_base_path}")
    if batch.zip_path:
        say(f"  {batch.zip_path}")
    if batch.card:
        _print_card_result(batch.card, prune, batch.not_pruned)


def _print_stale(batch: "BatchExportResult") -> None:
    """Print which files are not wanted any more: those of samples that are gone, then those that have another name now."""
    why = f"not removed, since {batch.not_pruned}" if batch.not_pruned else "--prune removes them"
    if batch.rejected and not batch.not_pruned:
        why = "some may be of the rejected rows: --prune removes nothing before these are mended"
    outdated = set(batch.outdated)
    gone, renamed = ([path for path in batch.stale if (path in outdated) is is_so] for is_so in (False, True))
    if gone:
        say(f"No longer in the manifest: {count_of(len(gone), 'file')} ({why}), such as {gone[0]}")
    if renamed:
        say(f"Of samples that have another file now: {count_of(len(renamed), 'file')} ({why}), such as {renamed[0]}")


def _print_failures(batch: "BatchExportResult", db: str | None) -> None:
    for cause in batch.causes[:_MOST_CAUSES]:
        say(cause.in_full(), err=True)
    if len(batch.causes) > _MOST_CAUSES:
        say(f"and {count_of(len(batch.causes) - _MOST_CAUSES, 'other cause')}", err=True)
    if batch.errors:
        say(f"  Which files, and what to do: sp404 history --export {batch.export_id} --failed{db_hint(db)}", err=True)


def _is_counted(finding: "Finding", batch: "BatchExportResult") -> bool:
    """Return whether what a finding foretold is among the warnings: it came true."""
    from schemas.conversion import TOO_LOUD  # noqa: PLC0415  (numpy is imported late: help must come at once)

    return finding.what.startswith(TOO_LOUD) and any(what.startswith(TOO_LOUD) for what in batch.warnings)


def _print_warnings(batch: "BatchExportResult", db: str | None) -> None:
    for what, count in batch.warnings.items():
        if batch.organized_by == "kit":  # where the balance of the pads is what counts
            what = what.replace("guard=file turns it down", "guard=folder turns the whole kit down alike")  # noqa: PLW2901
        which = f"sp404 history --export {batch.export_id} --warning '{' '.join(what.split()[:4])}'{db_hint(db)}"
        say(f"{count:,} x {what}", err=True)
        say(f"  Which: {which}", err=True)


def _print_card_result(card: "CardResult", prune: bool, not_pruned: str) -> None:
    for paths, why in ((card.in_the_way, _IN_THE_WAY), (card.modified, _MODIFIED)):
        for path in paths[:MOST_LINES]:
            say(f"Not on the card: {path}: {why}", err=True)
        if len(paths) > MOST_LINES:
            say(f"  and {len(paths) - MOST_LINES:,} more", err=True)
    if card.removed:
        say(f"Removed from the card, as no longer in the manifest: {count_of(card.removed, 'file')}")
    if card.layout_removed:
        say(f"Removed from the card, as of another layout or format: {count_of(card.layout_removed, 'file')}")
    if card.stale:
        stale = count_of(len(card.stale), "file")
        hint = " (--prune removes them)" if not prune else f" (not removed, since {not_pruned})" if not_pruned else ""
        say(f"On the card, but no longer in the manifest: {stale}{hint}, such as {card.stale[0]}")
    for layout in card.other_layouts:
        say(f"On the card, {layout.text}")
    written, size = count_of(card.written, "file"), card.written_bytes / 1e6
    renamed = f" {card.renamed:,} renamed there," if card.renamed else ""
    done = f"{written} written and read back ({size:,.1f} MB),{renamed} {card.unchanged:,} there already"
    say(f"Card {card.root}: {done}")
    if card.written and sys.stdout.isatty():
        say(_ON_THE_DEVICE, err=True)


def _end_of(path: str, room: int) -> str:
    """Return the end of a path that has ``room`` characters in a line, or its name at the least."""
    least = len(path.rsplit("/", 1)[-1]) + 4
    return path if len(path) <= max(room, least) else f"...{path[3 - max(room, least) :]}"


def _in_turns(files: "list[PlannedFile]") -> "list[PlannedFile]":
    """Return the files that are to be written first, and of these the first of each folder first: they show the layout."""
    turns: Counter[str] = Counter()
    keys = {}
    for file in files:
        folder = file.path.rpartition("/")[0]
        turns[folder] += 1
        keys[file.path] = file.unchanged, turns[folder]
    return sorted(files, key=lambda file: keys[file.path])


def print_planned(planned: "PlanPreview", request: "ExportRequest", every: bool) -> None:
    """Print the files that an export would write, then what it would not, in at most 25 lines, then the counts.

    In a terminal only the first files are listed, a line each, unless ``every`` one is asked for.
    """
    from flows.export.repeat import options_of_request  # noqa: PLC0415  (pydantic is imported late: help must come at once)

    most = None if every or not sys.stdout.isatty() else _FILES_SHOWN
    columns = get_terminal_size().columns
    files = planned.files if most is None else _in_turns(planned.files)
    for file in files[:most]:
        note = "  (another file is there, and stays)" if file.in_the_way else "  (unchanged)" if file.unchanged else ""
        target = f"{file.path}  <-  "
        source = file.source if most is None else _end_of(file.source, columns - 1 - len(target) - len(note))
        say(f"{target}{source}{note}")
    if most and len(planned.files) > most:
        say(f"... and {len(planned.files) - most:,} more files (--all lists every one)")
    for removals in planned.removals:
        is_prune = removals.option == "--prune"
        gone = "no longer in the manifest" if is_prune else "of another layout or format"
        first = set(removals.lost if is_prune else removals.paths)
        for path in sorted(removals.paths, key=lambda path: path not in first)[:most]:
            why = gone if path in first else "its sample has another file now"
            say(f"- {removals.folder}/{path}  (to be removed, as {why})")
        if most and len(removals.paths) > most:
            say(f"... and {len(removals.paths) - most:,} more files to remove (--all lists every one)")
    options = options_of_request(request)
    print_groups(planned.troubles, request.manifest, every=every, err=True, brief=True, options=options, all_known=True)
    if (request.prune or request.prune_layout) and planned.rejected and not planned.removals:
        say("Nothing would be removed: rows are rejected, and it is not known which files are theirs", err=True)
    for removals in planned.removals:
        if removals.refused and not request.yes:
            say(f"{removals.refused}: the export needs --yes for that", err=True)
    for layout in planned.other_layouts:
        say(f"Below {layout.folder}, {layout.text}", err=True)
    print_findings(planned.worth_a_look, request.manifest)
    print_notes(planned.notes)
    to_write = sum(not file.unchanged for file in planned.files)
    renamed = sum(file.renamed for file in planned.files)
    renames = f", {renamed:,} to rename" if renamed else ""
    counts = f"{count_of(to_write - renamed, 'file')} to write{renames}, {len(planned.files) - to_write:,} unchanged"
    if planned.troubles:
        counts += f", {planned.rejected:,} rejected, {planned.failing:,} would fail"
    gone = "".join(f", {_describe_removals(found)}" for found in planned.removals)
    say(f"{count_of(planned.total_requested, 'row')}: {counts}{gone}", err=True, color=WARN if planned.troubles else GOOD)
    say(f"  {planned.output_base_path}", err=True)
    if planned.card:
        _print_planned_copy(planned.card)
    if to_write:
        say(f"  No sound was read: sp404 check {shlex.quote(request.manifest)} finds files that cannot be converted", err=True)


def _print_planned_copy(card: "PlannedCopy") -> None:
    """Print what would be copied to a card, and what need not be; what is not known before, as what it can get at the most."""
    most, about = "up to " if card.unsure else "", "up to" if card.at_most else "about"
    size = f" ({about} {card.bytes / 1e6:,.1f} MB)" if card.files else ""
    others = [(card.renamed, "to rename"), (card.unchanged, "there already"), (card.in_the_way, "not ours, which stay")]
    rest = "".join(f", {count:,} {what}" for count, what in others if count)
    say(f"  Card {card.root}: {most}{count_of(card.files, 'file')} to copy{size}{rest}", err=True)
    if not card.fits:
        too_many = "That may be too many" if card.at_most else "That is too many"
        say(f"  {too_many}: {card.bytes_free / 1e6:,.1f} MB are free on the card", err=True, color=WARN)
    if card.unsure:
        say(f"  {count_of(card.unsure, 'file')} of these may be there already: only their bytes will tell", err=True)
    if card.compares:
        say("  The export compares all bytes on the card with the records: where they differ, it copies more", err=True)


def _describe_removals(found: "PlannedRemovals") -> str:
    others = len(found.paths) - len(found.lost) if found.option == "--prune" else 0
    why = (
        f" ({len(found.lost):,} no longer in the manifest, {others:,} of samples that have another file now)" if others else ""
    )
    return f"{count_of(len(found.paths), 'file')} to remove below {found.folder}{why}"


def print_checked(report: "CheckReport", manifest: str, every: bool) -> None:
    """Print what would fail, by cause; what deserves a look in the kits; and the counts."""
    print_groups(report.troubles, manifest, every=every)
    print_findings(report.worth_a_look, manifest, every)
    print_notes(report.notes)
    counts = f"{report.good:,} good, {report.rejected:,} rejected, {report.failing:,} would fail"
    say(f"{count_of(report.total_requested, 'row')}: {counts}", color=WARN if report.troubles else GOOD)
