"""Find what pruning would remove from the output folder and the card, and refuse to remove much without being asked."""

import os
from collections import Counter
from dataclasses import dataclass

import polars as pl

from flows.export import other_layouts, sd_card
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
        option: What removes them: ``--prune``, or ``--prune-layout`` with the name of the layout.
        folder: The output folder, or the card's IMPORT.
        paths: Below ``folder``.
        lost: Those of them whose sample is no longer in the manifest. The others get another name.
        recorded: How many files of this manifest the records know there.
    """

    option: str
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
        return f"{self.option} would remove {len(self.lost):,} of {self.recorded:,} files below {self.folder}, {such_as}"


def find_removals(plan: DecidedPlan, place: card.Card | None) -> list[FolderRemovals]:
    """Return what ``--prune`` would remove, and then what ``--prune-layout`` would: from the output folder, then from the card.

    Rows that fail keep their files; which these are is not known before the export.
    """
    draft = plan.draft
    request = draft.request
    if draft.may_lack_files or not (request.prune or request.prune_layout):
        return []
    state = sd_card.read_state(draft, place, compare=True) if place else None
    found = []
    if request.prune:
        recorded = draft.prior_outputs.filter(pl.col("same_manifest") & ~other_layouts.is_other(draft.settings)).height
        found.append(_in_output_folder(plan, "--prune", plan.stale, recorded))
        if place and state:
            found.append(_on_card(plan, place, found[-1], plan.stale, state.stale, recorded=state.ours.height))
    if request.prune_layout:
        option = f"--prune-layout {request.prune_layout}"
        files = other_layouts.select_to_remove(plan.other_layouts, request)
        found.append(_in_output_folder(plan, option, files, files.height))
        if place and state:
            there = other_layouts.select_to_remove(state.others, request)
            found.append(_on_card(plan, place, found[-1], files, there, recorded=there.height))
    return found


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


def _in_output_folder(plan: DecidedPlan, option: str, files: pl.DataFrame, recorded: int) -> FolderRemovals:
    folder = plan.draft.target.output
    facts = files.select("path", "output_bytes", "file_hash")
    prunable = pl.Series([is_prunable(folder, *row) for row in facts.iter_rows()], dtype=pl.Boolean)
    return _removals(plan, option, folder, files.filter(prunable), recorded)


def _on_card(
    plan: DecidedPlan, place: card.Card, here: FolderRemovals, files: pl.DataFrame, on_card: pl.DataFrame, *, recorded: int
) -> FolderRemovals:
    """Return which of the unwanted files ``on_card`` would go, where those of the output folder (``files``) go as ``here``."""
    missing = [path for path in files["path"] if not os.path.lexists(os.path.join(here.folder, path))]
    moved = plan.jobs.filter(pl.col("action") == Action.MOVE)["finished"]
    goes = pl.col("stale") | pl.col("path").is_in([*here.paths, *missing, *moved])
    unkept = on_card.filter(goes if here.option == "--prune" else goes | sd_card.is_elsewhere(plan.draft))
    if here.option == "--prune":
        unkept = unkept.filter(~pl.col("path").is_in(_renamed_on_card(plan, place, unkept)))
    facts = unkept.select("path", "output_bytes", "file_hash")
    there = pl.Series([card.file_state(place.root, *row) == "there" for row in facts.iter_rows()], dtype=pl.Boolean)
    return _removals(plan, here.option, place.folder, unkept.filter(there), recorded)


def _renamed_on_card(plan: DecidedPlan, place: card.Card, stale: pl.DataFrame) -> list[str]:
    """Return the paths of stale files that would get another name on the card, as far as it is known what will be wanted."""
    finished = plan.jobs.filter(pl.col("action").is_in([Action.UNCHANGED, Action.RETEXT, Action.MOVE, Action.COPY]))
    finished = finished.select("path", at=pl.coalesce("finished", "path"))
    hashes = finished.join(plan.draft.prior_outputs.select("file_hash", at="path"), on="at")
    lacking = Counter(
        file_hash
        for path, file_hash in hashes.select("path", "file_hash").iter_rows()
        if not os.path.lexists(os.path.join(place.folder, path))
    )
    renamed = []
    for path, file_hash in stale.select("path", "file_hash").iter_rows():
        if lacking[file_hash]:
            lacking[file_hash] -= 1
            renamed.append(path)
    return renamed


def _removals(plan: DecidedPlan, option: str, folder: str, files: pl.DataFrame, recorded: int) -> FolderRemovals:
    lost = files.filter(~pl.col("source_path").is_in(plan.draft.rows["source"].implode()))
    return FolderRemovals(option, folder, files["path"].to_list(), lost["path"].to_list(), recorded)
