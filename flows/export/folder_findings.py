"""Find what deserves a look in the folders of a plan: layouts that sort nothing, genres that are one to a scan."""

import os
import shlex

import polars as pl

from config import genres
from flows.export.stages import DraftPlan
from schemas.enums import OrganizeBy
from schemas.report import Finding
from tasks.bundle.card import Card
from tasks.fs.place_mark import read_mark
from tasks.layout import folder_lint
from tasks.scan.genre_names import GenreVocabulary
from tasks.store import card_files, scan_memory

# So many kits are named in a command.
_MOST_KITS = 30


def find_unsorted(draft: DraftPlan) -> list[Finding]:
    """Find a layout that puts nearly all rows into one folder of unknown ones, and name the command that helps.

    By kit, each row that is in none is worth a word.
    """
    layout, manifest = draft.settings.organize_by, draft.target.manifest
    if layout is OrganizeBy.KIT:
        kits = draft.rows["kit"].drop_nulls().unique(maintain_order=True).to_list()
        fix = "--kit NAME exports a kit alone, and can be given more than once."
        if 0 < len(kits) <= _MOST_KITS:
            command = shlex.join(["sp404", "export", manifest, *(word for kit in kits for word in ("--kit", kit))])
            fix = f"The kits alone: {command} (with the other options)."
        return folder_lint.find_without_kit(draft.rows["path"], fix)
    found = folder_lint.find_unsorted(draft.rows["path"], layout, "")
    if not found:
        return []
    fix = f"sp404 export {shlex.quote(manifest)} --organize-by folder keeps your own folders"
    is_setting = draft.resolved.request.config.organize_by is None
    fix += ' (so does organize_by = "folder" in the settings, for the nights, too).' if is_setting else "."
    database = draft.target.database
    roots = scan_memory.roots_of(database, manifest) if layout is OrganizeBy.BPM else []
    if roots and not scan_memory.was_heard(database, manifest):
        fix = f"{shlex.join(['sp404', 'scan', *roots, '-o', manifest, '--analyze'])} listens for the tempo of loops; {fix}"
    else:
        fix = f"Fill in the column {layout}; or {fix}"
    return [each.model_copy(update={"fix": fix}) for each in found]


def describe_common_folder(draft: DraftPlan) -> str | None:
    """Say, before the first export by folder, that all paths begin with one folder, and how to leave it out."""
    is_first = draft.prior_outputs.filter(pl.col("same_manifest") & (pl.col("organized_by") == OrganizeBy.FOLDER)).is_empty()
    if draft.settings.organize_by is not OrganizeBy.FOLDER or not is_first or draft.rows.height < folder_lint.FEWEST_ROWS:
        return None
    tops = draft.rows["path"].str.extract("^([^/]+)/").unique()
    root = os.path.dirname(draft.target.manifest)
    folders = draft.rows["source"].str.strip_prefix(os.path.join(root, "")).str.extract("^([^/]+)/").unique()
    if len(tops) > 1 or len(folders) > 1 or None in (tops[0], folders[0]):
        return None
    inside = os.path.join(root, folders[0])
    table = os.path.join(inside, os.path.basename(draft.target.manifest))
    command = f"{shlex.join(['sp404', 'scan', inside, '-o', table])} makes a table without that, for use in place of this one"
    return f"All {draft.rows.height:,} paths begin with {tops[0]}/: {command}"


def find_shared_pads(draft: DraftPlan, place: Card | None) -> list[Finding]:
    """Find pads of kits on which another manifest has put a sample, in the output folder or on the card.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    if draft.settings.organize_by is not OrganizeBy.KIT:
        return []
    is_there = (pl.col("organized_by") == OrganizeBy.KIT) & ~pl.col("path").is_in(draft.all_paths.implode())
    below = draft.prior_outputs.filter(is_there & ~pl.col("same_manifest"))["path"]
    found = folder_lint.find_shared_pads(draft.rows["path"], below, f"below {draft.target.output}")
    mark = read_mark(place.root) if place else None
    if place and mark:
        files = card_files.files_on(draft.target.database, mark.id)
        others = files.filter(is_there & (pl.col("manifest_path") != draft.target.manifest))["path"]
        found += folder_lint.find_shared_pads(draft.rows["path"], others, f"on the card {place.root}")
    return found


def find_in_folders(draft: DraftPlan) -> list[Finding]:
    """Return what ``find_unsorted`` finds and, by genre, the genres of the table that are one to a scan."""
    if draft.settings.organize_by is not OrganizeBy.GENRE:
        return find_unsorted(draft)
    known = genres.load()
    vocabulary = GenreVocabulary.build(known.genres, known.words_in_names)
    return [*find_unsorted(draft), *folder_lint.find_same_genres(draft.rows["genre"], vocabulary.genre_of)]
