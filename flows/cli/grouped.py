"""Failures, grouped by their cause: how many, three examples with file, line and id, and the command that mends them all."""

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flows.cli.messages import count_of, say

if TYPE_CHECKING:
    from schemas.report import RowFinding

_EXAMPLES = 3
_MOST_GROUPS = 10
# What the records of an export do not say of how it was typed.
UNRECORDED_OPTIONS = "with --card and the like, if you use them"
# What mends all samples that fail for a cause, by its beginning.
_COMMANDS = (
    ("Duration too short", "sp404 export {manifest}{options} --sound pad_to_ms=100"),
    ("Failed to load audio: truncated", "sp404 export {manifest}{options} --sound truncated=keep"),
    ("Audio file not found", "sp404 scan FOLDER -o {manifest}   (finds files that were moved or renamed)"),
    ("Not converted", "sp404 export {manifest}{options}"),
)


def print_groups(
    findings: "Sequence[RowFinding]",
    manifest: str,
    *,
    every: bool,
    err: bool = False,
    brief: bool = False,
    options: str = "",
    all_known: bool = False,
    told: set[tuple[str, ...]] | None = None,
) -> None:
    """Print findings grouped by their cause, the largest group first.

    Args:
        findings: Rows that are rejected or fail.
        manifest: The manifest they are of; its folder is left out of the paths.
        every: Print every finding, not only three of each group.
        err: Print to standard error.
        brief: Print at most 22 lines: five groups, with one example of each.
        options: Those of the export that are known, for the command that mends.
        all_known: They are all that the export has.
        told: Manifests and causes, each with what to do, that were said before and are not said again; what is said is added.
            Of commands the first counts, whatever its options: it is of the newest export.
    """
    told = set() if told is None else told
    others = "" if all_known else f"   ({UNRECORDED_OPTIONS if options else 'with the other options of your export'})"
    groups: dict[str, list[RowFinding]] = {}
    for finding in findings:
        groups.setdefault(finding.cause, []).append(finding)
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))
    shown = largest if every else largest[: 5 if brief else _MOST_GROUPS]
    examples = None if every else 1 if brief else _EXAMPLES
    for cause, members in shown:
        if len(members) == 1:
            say(_describe(members[0], "", manifest), err=err)
        else:
            say(f"{len(members):,} x {cause}", err=err)
            for finding in members[:examples]:
                say(f"  {_describe(finding, cause, manifest)}", err=err)
        if examples and len(members) > examples:
            say(f"  ... and {len(members) - examples:,} more", err=err)
        for fix in _fixes(members, cause, manifest, options, others)[: 1 if brief else 3]:
            key = (manifest, cause, "command" if fix.startswith("sp404 ") else fix)
            if key not in told:
                say(f"  > {fix}", err=err)
                told.add(key)
    sounds = [found[0] for cause, _ in shown for found in [re.search(r"--sound \S+", _command_of(cause))] if found]
    if len(sounds) > 1 and not brief:
        known = options
        for sound in sounds:
            known = _but_for_the_mended(known, sound)
        command = " ".join(filter(None, ("sp404 export", shlex.quote(manifest), known.strip(), *sounds)))
        say(f"Both at once: {command}{others}", err=err)
    if len(largest) > len(shown):
        rest = sum(len(members) for _, members in largest[len(shown) :])
        say(f"{rest:,} more, for {count_of(len(largest) - len(shown), 'other cause')}", err=err)
    if (not every and any(len(members) > (examples or 0) for _, members in largest)) or len(largest) > len(shown):
        say("(--all names every one)", err=err)


def _describe(finding: "RowFinding", cause: str, manifest: str) -> str:
    """Return place, file and what is special about one finding, in one line."""
    folder = os.path.join(os.path.realpath(os.path.dirname(manifest)), "")
    path = (finding.file_path or "").removeprefix(folder)
    detail = finding.what.removeprefix(cause).lstrip(":, ")
    if cause and finding.reason.startswith("rejected_"):
        detail = finding.what.partition(": ")[0]
    if finding.file_path and detail == finding.file_path:
        detail = ""
    return ": ".join(filter(None, (finding.where, path, detail)))


def _command_of(cause: str) -> str:
    return next((command for start, command in _COMMANDS if cause.startswith(start)), "")


def _but_for_the_mended(options: str, command: str) -> str:
    """Return options for a command, without the setting of the sound that the command itself changes."""
    known = f" {options}" if options else ""
    changed = re.search(r"--sound \w+=", command)
    return re.sub(rf" {changed[0]}\S+", "", known) if changed else known


def _fixes(members: "Iterable[RowFinding]", cause: str, manifest: str, options: str, others: str) -> list[str]:
    """Return what to do: the command that mends all of them, then the words."""
    from tasks.manifest.write import EXTENSIONS  # noqa: PLC0415 (Polars is imported late: help must come at once)

    table = os.path.splitext(manifest)[1].lower() in EXTENSIONS
    command = _command_of(cause)
    commands = []
    if command and (table or not command.startswith("sp404 scan")):  # which writes no kit file
        known = _but_for_the_mended(options, command)
        commands = [command.format(manifest=shlex.quote(manifest), options=known) + (others if "--sound" in command else "")]
    return [*commands, *list(dict.fromkeys(finding.fix for finding in members if finding.fix))]
