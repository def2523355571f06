"""Files that earlier exports of a manifest wrote in another layout or format. Both may be wanted: they are named, and kept."""

import os

import polars as pl

from config.settings import Settings
from flows.export.stages import DraftPlan
from schemas.export import ExportRequest
from schemas.report import LayoutFiles
from tasks.fs.stat_table import stat_files
from tasks.layout.file_names import fold_names

# Why files stay, though they were to be removed.
ROWS_REJECTED = "rows were rejected, and it is not known which files are theirs"
CHANGED_OR_FAILED = "they were changed since they were written, or their rows failed"


def is_other(settings: Settings) -> pl.Expr:
    """Return whether a file is of another layout or format than those in force; false where the records do not say.

    Returns:
        A Boolean expression for a frame with ``organized_by`` and ``format``.
    """
    in_force = (pl.col("organized_by") == str(settings.organize_by)) & (pl.col("format") == str(settings.format))
    return (~in_force).fill_null(False)


def without_paths(files: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """Return ``files`` but those at ``wanted`` paths; two spellings of a name can be one file on a card."""
    return files.filter(~fold_names(files["path"]).is_in(fold_names(wanted).implode()))


def find_other_layouts(draft: DraftPlan) -> pl.DataFrame:
    """Return the rows of ``draft.prior_outputs`` that are of this manifest and of another layout or format, but not wanted.

    In a selection only those of the requested samples. A file that is the source of a row now is none of them.
    """
    files = draft.prior_outputs.filter(pl.col("same_manifest") & is_other(draft.settings))
    if files.is_empty():
        return files
    if draft.resolved.is_selection:
        files = files.filter(pl.col("sample_id").is_in(draft.rows["sample_id"].implode()))
    files = without_paths(files, draft.all_paths)
    standing = stat_files((draft.target.output + "/" + files["path"]).alias("path")).with_columns(path=files["path"])
    sources = standing.join(draft.originals, on=["device", "inode"], how="semi")["path"]
    return files.filter(~pl.col("path").is_in(sources.implode()))


def select_to_remove(files: pl.DataFrame, request: ExportRequest) -> pl.DataFrame:
    """Return those of ``files``, which are of other layouts or formats, that ``prune_layout`` removes.

    That is all of a layout, in each format, but never the layout and format in force.
    """
    return files.filter(pl.lit(request.prune_layout is not None) & (pl.col("organized_by") == str(request.prune_layout)))


def describe(files: pl.DataFrame, draft: DraftPlan, folder: str, kept: str) -> list[LayoutFiles]:
    """Describe the files of other layouts and formats (``path, organized_by, source_path``) that stand below ``folder``.

    Args:
        files: The files that stay, by the records.
        draft: The plan: its settings, its rows, and which layout was to be removed.
        folder: The output folder, or the card's IMPORT.
        kept: Why files of that layout stay.
    """
    files = files.filter(pl.Series([os.path.lexists(os.path.join(folder, path)) for path in files["path"]], dtype=pl.Boolean))
    found = []
    is_partial = draft.resolved.is_selection or draft.may_lack_files  # rows that are not here may mean any of the files
    for (layout,), group in files.sort("path").group_by("organized_by", maintain_order=True):
        is_in_force = layout == str(draft.settings.organize_by)
        name = f"format {group['format'][0]}" if is_in_force else f"layout {layout}"
        reason = kept if layout == str(draft.request.prune_layout) else ""
        lost = (
            group.clear()
            if is_partial or is_in_force
            else group.filter(~pl.col("source_path").is_in(draft.rows["source"].implode()))
        )
        gone = {"lost": lost.height, "lost_example": lost["path"].first() or ""}
        of_layout = {"organized_by": str(layout), "files": group.height, "example": group["path"][0]}
        found.append(LayoutFiles(name=name, kept=reason, **of_layout, **gone))
    return found
