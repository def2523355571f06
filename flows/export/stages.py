"""The four lives of an export, each a frozen value: resolved request, draft plan, decided plan, running export.

Each stage takes the value before it and gives the next one; no field is filled in later.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl

from config.settings import Settings
from schemas.enums import ExportType, OrganizeBy
from schemas.export import ExportRequest
from schemas.manifest import ManifestKind
from schemas.report import Finding
from tasks.layout.actions import Action
from tasks.manifest.validate import lines_without_file
from tasks.store import run_folder
from tasks.store.export_records import ExportSpec, ExportTarget, Reservation
from tasks.store.renames import FolderState


@dataclass(frozen=True)
class ResolvedRequest:
    """A request with everything filled in that it leaves open.

    Attributes:
        request: What was asked for; ``manifest`` is the file that is meant.
        settings: The settings in force.
        target: Database, manifest and output folder, as absolute paths.
        run_by: What carries the run out, for the records.
    """

    request: ExportRequest
    settings: Settings
    target: ExportTarget
    run_by: str = "sp404"

    @property
    def export_type(self) -> ExportType:
        """Return the type of export that the records keep."""
        if self.request.kits or self.settings.organize_by is OrganizeBy.KIT:
            return ExportType.KIT
        return ExportType.SINGLE if len(self.request.sample_ids) == 1 else ExportType.BATCH

    @property
    def is_selection(self) -> bool:
        """Return whether only some rows of the manifest are requested."""
        return bool(self.request.sample_ids or self.request.kits)

    def with_output_folder(self, folder: str) -> "ResolvedRequest":
        """Return this request for another output folder (an absolute path)."""
        settings = self.settings.model_copy(update={"output_base_path": folder})
        return replace(self, settings=settings, target=replace(self.target, output=folder))


class UnselectedRows(NamedTuple):
    """The rows beyond a selection: their source files, and whether any of them is rejected."""

    sources: pl.Series
    are_rejected: bool


@dataclass(frozen=True)
class DraftPlan:
    """A plan that says where every requested row goes, and whose the files are that stand there.

    Attributes:
        resolved: The request; its output folder is the one that is written to.
        reservation: The export id, and the killed runs before it. ``DRY_RUN`` where nothing will be written.
        rows: A row for each accepted and requested row of the manifest, with ids and ``path`` below the output folder.
        all_paths: The path of every row of the manifest, beyond a selection.
        unselected: The rows beyond a selection.
        kit_rows: All rows of the kits that the requested rows touch.
        jobs: A row for each output file (``schemas.jobs_frame.DRAFT_JOBS``).
        prior_outputs: What earlier exports wrote below the output folder, by the records.
        originals: ``device`` and ``inode`` of every source file; these are never replaced.
        rejects: The rejected rows among those requested.
        kind: Whether the manifest is a table or a kit.
        row_word: What the number of a row counts: "line" or "row".
        kit_tempos: The tempo in BPM of each kit that states one.
        notes: What a kit file says that cannot be carried over, and what moved since the last export.
        spellings: Kits and genres that are spelt in several ways.
        other_folder: Where else the manifest went so far, in words (``flows.export.other_folder``); or empty.
        folder: The output folder, by its mark.
        left_behind: The plans of killed runs.
        token: Part of the names of this run's unfinished files.
        device: The number of the output folder's file system; 0 in a dry run.
        warning: Why the output folder is not the one asked for; None where it is.
        started: ``time.perf_counter()`` at the start of the run, in seconds.
    """

    resolved: ResolvedRequest
    reservation: Reservation
    rows: pl.DataFrame
    all_paths: pl.Series
    unselected: UnselectedRows
    kit_rows: pl.DataFrame
    jobs: pl.DataFrame
    prior_outputs: pl.DataFrame
    originals: pl.DataFrame
    rejects: pl.DataFrame
    kind: ManifestKind
    row_word: str
    kit_tempos: dict[str, float]
    notes: tuple[str, ...]
    spellings: tuple[Finding, ...]
    other_folder: str
    folder: FolderState
    left_behind: list[run_folder.LeftBehind]
    token: str
    device: int
    warning: str | None
    started: float

    @property
    def request(self) -> ExportRequest:
        """Return what was asked for."""
        return self.resolved.request

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.resolved.settings

    @property
    def target(self) -> ExportTarget:
        """Return database, manifest and output folder."""
        return self.resolved.target

    @property
    def rejected(self) -> int:
        """Return the number of rejected rows."""
        return self.rejects["line"].n_unique()

    @property
    def has_kits(self) -> bool:
        """Return whether the export is about kits: they are laid out, or were requested by their names."""
        return self.settings.organize_by is OrganizeBy.KIT or bool(self.request.kits)

    @property
    def may_lack_files(self) -> bool:
        """Return whether a rejected row may mean one of the finished files, so that none may be removed or renamed.

        A row that names no file, such as one of totals, means none.
        """
        return not self.rejects.filter(~pl.col("line").is_in(lines_without_file(self.rejects).implode())).is_empty()

    @property
    def compares_bytes(self) -> bool:
        """Return whether all bytes of finished files are compared with the records, beyond their sizes."""
        return self.request.verify_outputs or not self.folder.is_as_left

    @property
    def requested(self) -> int:
        """Return the number of requested rows, rejected ones included."""
        return self.rows.height + self.rejected


@dataclass(frozen=True)
class DecidedPlan:
    """A draft whose jobs each have an action.

    Attributes:
        draft: The plan that was decided on.
        jobs: ``draft.jobs`` with what each file needs (``schemas.jobs_frame.DECIDED_JOBS``).
        stale: Files of earlier exports that are no longer in the manifest.
        other_layouts: Files that earlier exports wrote in another layout or format, and that this one does not want.
        findings: What deserves a look in the kits, and in the names of kits and genres.
    """

    draft: DraftPlan
    jobs: pl.DataFrame
    stale: pl.DataFrame
    other_layouts: pl.DataFrame
    findings: tuple[Finding, ...]

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.draft.settings

    @property
    def first_jobs(self) -> pl.DataFrame:
        """Return the jobs to carry out first: all but those that are done or follow another job."""
        return self.jobs.filter(~pl.col("action").is_in([Action.UNCHANGED, Action.FOLLOW]))

    @property
    def following_jobs(self) -> pl.DataFrame:
        """Return the jobs whose file is a copy of what another job makes."""
        return self.jobs.filter(action=Action.FOLLOW)


@dataclass(frozen=True)
class RunningExport:
    """An export that the records know of: from here on it can be killed, and resumed.

    Attributes:
        plan: What is carried out.
        spec: What the records say it is to do.
    """

    plan: DecidedPlan
    spec: ExportSpec

    @property
    def draft(self) -> DraftPlan:
        """Return the draft that the plan was made from."""
        return self.plan.draft

    @property
    def request(self) -> ExportRequest:
        """Return what was asked for."""
        return self.draft.request

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.draft.settings

    @property
    def target(self) -> ExportTarget:
        """Return database, manifest and output folder."""
        return self.draft.target
