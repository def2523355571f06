"""Print exports for ``sp404 history``: one line each, in 80 columns; in a wide terminal or a pipe, all that is known."""

import os
import re
import sys
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from flows.cli.grouped import print_groups
from flows.cli.messages import MOST_LINES, say
from flows.cli.tables import console, print_table
from flows.cli.times import ago, local_time, local_zone
from tasks.manifest.library_names import library_name

if TYPE_CHECKING:
    from schemas.report import RowFinding

_WIDE = 130
_BAR_COLUMNS = 16
_LIBRARY_COLUMNS = 14

Records = list[dict[str, Any]]


def print_exports(found: Records) -> None:
    """Print a line for each export: when, what of, and what became of its rows."""
    if console().width < _WIDE:
        rows = [
            [str(row["id"]), ago(row["created_at"]), _library(row), f"{row['organized_by']}, {row['format']}", _result(row)]
            for row in found
        ]
        print_table(["export", "when", "library", "layout", "result"], rows)
        for row in found:
            if row["trouble"]:
                say(f"  {row['id']}: {row['trouble']}")
        return
    columns = [
        "export",
        f"when ({local_zone()})",
        "what",
        "rows",
        "exported",
        "unchanged",
        "rejected",
        "failed",
        "not reached",
        "MB",
        "s",
    ]
    rows = []
    for row in found:
        counts = [row["exported"], row["unchanged"], row["rejected"], row["failed"] - row["not_reached"], row["not_reached"]]
        what = f"{row['export_type']}, {row['organized_by']}, {row['format']}"
        note = ". ".join(filter(None, (row["trouble"], row["label"])))
        is_counted = row["total_size_bytes"] or not row["trouble"]  # of one that was killed only its files were
        measures = [f"{row['total_size_bytes'] / 1e6:,.1f}" if is_counted else "", f"{row['export_duration_seconds']:.1f}"]
        shown = [f"{count:,}" if count else "" for count in counts]
        when = local_time(row["created_at"])
        rows.append([str(row["id"]), when, what, f"{row['sample_count']:,}", *shown, *measures, _library(row)])
        rows[-1] += [short_path(row["output_path"]), note]
    print_table([*columns, "library", "where", "note"], rows)


def print_trend(found: Records) -> None:
    """Print a bar of seconds for each export, by library."""
    longest = max(row["export_duration_seconds"] for row in found) or 1.0
    ordered = sorted(found, key=lambda row: (str(row["manifest_path"]), row["created_at"], row["id"]))
    for library, exports in groupby(ordered, key=lambda row: row["manifest_path"]):
        rows = []
        for row in exports:
            seconds = row["export_duration_seconds"]
            counts = [f"{row[count]:,}" for count in ("samples", "exported", "failed")]
            bar = "\u2588" * max(round(_BAR_COLUMNS * seconds / longest), 1)
            size = f"{row['total_size_bytes'] / 1e6:,.1f}"
            rows.append([str(row["id"]), ago(row["created_at"]), *counts, size, f"{seconds:.1f}", bar])
        say(short_path(library))
        print_table(["export", "when", "rows", "exported", "not", "MB", "s", ""], rows)


def print_samples(found: Records, every: bool, options_of: Callable[[int], str]) -> None:
    """Print what became of samples: those that were not exported by their cause, the others a line each.

    ``options_of``: gives the options of an export, by its id, for the command that mends.
    """
    failed = [row for row in found if row["status"] in ("rejected", "failed")]
    others = [row for row in found if row["status"] not in ("rejected", "failed")]
    most = None if every or not sys.stdout.isatty() else MOST_LINES
    if others and console().width < _WIDE:
        _print_lines(others, most)
    elif others:
        rows = []
        for row in others:
            ids = str(row["export_id"]), str(row["sample_id"] or ""), str(row["manifest_line"])
            rows.append([*ids, row["status"], _exported_path(row), row["warning"] or ""])
        print_table(["export", "sample", "line", "status", "file", "warning"], rows[:most])
    if most and most < len(others):
        say(f"... and {len(others) - most:,} more (--all lists every one)")
    said: dict[tuple[str, ...], int] = {}
    told: set[tuple[str, ...]] = set()
    for (export_id, manifest), rows_of in groupby(failed, key=lambda row: (row["export_id"], row["manifest_path"])):
        members = list(rows_of)
        failures = tuple(sorted(f"{row['source_path']} {row['error_message']}" for row in members))
        newer = said.setdefault((manifest, *failures), export_id) if most else export_id
        same = "" if newer == export_id else f", the same as export {newer}"
        newly = sum(row.get("lasting") is False for row in members)
        fresh = f", {newly:,} of them new" if 0 < newly < len(members) else ""
        say(f"Export {export_id}, {ago(members[0]['created_at'])}, not exported: {len(members):,}{fresh}{same}")
        if same:
            continue
        mended = [row for row in members if row["exported_since"]]
        lasting = [row for row in members if row.get("lasting")]
        new = [row for row in members if not (row.get("lasting") or row["exported_since"])]
        options = options_of(export_id)
        print_groups([_finding(row) for row in new], manifest, every=every, options=options, told=told)
        if lasting:
            say(f"Before that, too: {len(lasting):,}")
            is_known = bool(new) and bool(most)  # then it is what is new that is looked for
            print_groups([_finding(row) for row in lasting], manifest, every=every, brief=is_known, options=options, told=told)
        if mended:
            say(f"Exported since then: {len(mended):,}")
        for row in mended[: None if every else most]:
            finding = _finding(row)
            say(f"  {finding.where}: {row['source_path']}: {finding.what} (export {row['exported_since']} has it)")


def _print_lines(found: Records, most: int | None) -> None:
    """Print ``most`` samples that were exported, a line each, below what they have in common: export, status, warning."""
    groups: dict[tuple[int, str, str], Records] = {}
    for row in found:
        warning = (row["warning"] or "").partition(": ")[0]
        groups.setdefault((row["export_id"], row["status"], warning), []).append(row)
    left = most or len(found)
    for (export_id, status, warning), members in groups.items():
        if left <= 0:
            break
        why = f" x {warning}" if warning else ""
        say(f"Export {export_id}, {ago(members[0]['created_at'])}, {status}: {len(members):,}{why}")
        for row in members[:left]:
            detail = (row["warning"] or "").partition(": ")[2]
            say(f"  {': '.join(filter(None, (_place(row), _exported_path(row), detail)))}")
        left -= len(members)


def _exported_path(row: dict[str, Any]) -> str:
    return "/".join(filter(None, (row["output_subfolder"], row["output_filename"])))


def _place(row: dict[str, Any]) -> str:
    return f"line {row['manifest_line']}" + (f", sample {row['sample_id']}" if row["sample_id"] else "")


def _finding(row: dict[str, Any]) -> "RowFinding":
    from schemas.report import DETAILS, RowFinding  # noqa: PLC0415  (pydantic is imported late)

    text = str(row["error_message"])
    what = re.sub(r"^(?:Line|Row) [0-9]+: ", "", text)
    cause = re.sub(r"^(\w+) '.*?':", r"\1", what) if row["status"] == "rejected" else re.sub(DETAILS, "", what)
    return RowFinding(
        where=_place(row),
        what=what,
        cause=cause,
        fix=row["fix"] or "",
        reason=row["reason"] or "",
        line=row["manifest_line"],
        sample_id=row["sample_id"],
        file_path=row["source_path"],
    )


def _library(row: dict[str, Any]) -> str:
    name = library_name(row["manifest_path"])
    return name if len(name) <= _LIBRARY_COLUMNS else f"{name[: _LIBRARY_COLUMNS - 3]}..."


def _result(row: dict[str, Any]) -> str:
    not_reached = row["not_reached"]
    counts = (
        (row["exported"], "exported"),
        (row["unchanged"], "unchanged"),
        (row["rejected"], "rejected"),
        (row["failed"] - not_reached, "failed"),
        (not_reached, "not reached"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing yet"


def short_path(path: str) -> str:
    """Return a path with ``~`` for the home folder."""
    home = os.path.expanduser("~")
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
