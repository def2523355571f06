"""Find what ``--prune`` would remove from the output folder and the card, and refuse to remove much without being asked."""

import os
from dataclasses import dataclass

import polars as pl

from flows.export import sd_card
from flows.export.stages import DecidedPlan
from schemas.errors import RequestError
from tasks.bundle import card
from tasks.convert.prune import is_prunable
from tasks.layout.actions import Action

# More is not removed without being asked: more than this number of files, and more than a tenth of all.
_FEW = 20


@dataclass(frozen=True)
class FolderRemovals:
    """The files that would go from one place.

    Attributes:
        folder: The output folder, or the card's IMPORT.
        paths: Below ``folder``.
        lost: Those of them whose sample is no longer in the manifest. The others get another name.
        recorded: How many files of this manifest the records know there.
    """

    folder: str
    paths: list[str]
    lost: list[str]
    recorded: int

    @property
    def is_much(self) -> bool:
        """Return whether a person should confirm it."""
        return len(self.lost) > _FEW and len(self.lost) * 10 > self.recorded

    @property
    def warning(self) -> str:
        """Return what would be removed, in words."""
        such_as = f"such as {self.lost[0]}" if self.lost else ""
        return f"--prune would remove {len(self.lost):,} of {self.recorded:,} files below {self.folder}, {such_as}"


def find_removals(plan: DecidedPlan, place: card.Card | None) -> list[FolderRemovals]:
    """Return what the export would remove: from its output folder first, then from the card.

    Rows that fail keep their files; which these are is not known before the export.
    """
    draft = plan.draft
    if not draft.request.prune or draft.may_lack_files:
        return []
    folder = draft.target.output
    stale = plan.stale.select("path", "output_bytes", "file_hash", "source_path")
    prunable = [is_prunable(folder, path, size, file_hash) for path, size, file_hash, _ in stale.iter_rows()]
    alike = pl.col("organized_by").eq(str(draft.settings.organize_by)) & pl.col("format").eq(str(draft.settings.format))
    recorded = draft.prior_outputs.filter(alike & pl.col("same_manifest")).height
    removals = [_removals(plan, folder, stale.filter(pl.Series(prunable, dtype=pl.Boolean)), recorded)]
    if place:
        no_longer_here = [
            path
            for path, goes in zip(stale["path"], prunable, strict=True)
            if goes or not os.path.lexists(os.path.join(folder, path))
        ]
        renamed = plan.jobs.filter(pl.col("action") == Action.MOVE)["finished"]
        ours, unwanted = sd_card.stale_files(draft, place)
        goes = pl.col("stale") | pl.col("path").is_in([*no_longer_here, *renamed])
        unwanted = unwanted.filter(goes)
        states = [
            card.file_state(place.root, *file) for file in unwanted.select("path", "output_bytes", "file_hash").iter_rows()
        ]
        there = pl.Series([state == "there" for state in states], dtype=pl.Boolean)
        removals.append(_removals(plan, place.folder, unwanted.filter(there), ours.height))
    return removals


def check_removals(plan: DecidedPlan, place: card.Card | None) -> None:
    """Refuse to remove more than a tenth of the files, and more than twenty, unless ``yes`` is requested.

    Raises:
        RequestError: It is that much. Nothing was removed.
    """
    if plan.draft.request.yes:
        return
    for removals in find_removals(plan, place):
        if removals.is_much:
            fix = "Check that the manifest is whole. --dry-run lists the files. To remove them, add --yes."
            raise RequestError(what=removals.warning, fix=fix)


def _removals(plan: DecidedPlan, folder: str, files: pl.DataFrame, recorded: int) -> FolderRemovals:
    lost = files.filter(~pl.col("source_path").is_in(plan.draft.rows["source"].implode()))
    return FolderRemovals(folder, files["path"].to_list(), lost["path"].to_list(), recorded)
