"""Foresee what an export would do on a card, by the records: what it copies, what it renames, what is there already."""

from functools import partial

import polars as pl
from pydantic import BaseModel

from flows.export import card_records, sd_card
from flows.export.foreseen_outputs import Sized, foresee_outputs
from flows.export.removals import FolderRemovals
from flows.export.stages import DecidedPlan
from tasks.bundle import card_copy
from tasks.bundle.card import Card
from tasks.bundle.card_copy import KnownFiles, WantedFile
from tasks.fs.file_status import free_bytes
from tasks.fs.place_mark import read_mark
from tasks.layout.actions import Action


class PlannedCopy(BaseModel):
    """The files that an export would copy to a card.

    Attributes:
        root: Where the card is mounted.
        files: How many are not there, as far as names, sizes and the records tell.
        unsure: How many of ``files`` may need no copy: that only bytes tell, on the card or of sounds that are still to be
            converted.
        bytes: About how many bytes they have; ``at_most``: it can only be less.
        bytes_free: How many the card has room for.
        fits: There is room for ``files``.
        renamed: How many files only get another name on the card.
        unchanged: How many are there already.
        in_the_way: In the place of how many another's file is, which stays.
        compares: The export will read what is on the card: the records may be about another one.
    """

    root: str
    files: int
    unsure: int
    bytes: int
    at_most: bool
    bytes_free: int
    fits: bool
    renamed: int
    unchanged: int
    in_the_way: int
    compares: bool


def foresee_card(plan: DecidedPlan, place: Card, jobs: pl.DataFrame, removals: list[FolderRemovals]) -> PlannedCopy:
    """Return what a plan would do on a card with those of its ``jobs`` that will not fail.

    Raises:
        SurroundingsError: The card was pulled, or cannot be read; or the records cannot be read.
    """
    draft = plan.draft
    database, output = draft.target.database, draft.target.output
    leaving = jobs.filter(action=Action.MOVE)["finished"].to_list()
    leaving += [path for found in removals if found.folder == output for path in found.paths]
    state = sd_card.read_state(draft, place, compare=False, leaving=leaving)
    outputs = foresee_outputs(draft, jobs)
    wanted = [
        WantedFile(path, "", size, file_hash or card_copy.UNKNOWN)
        for path, size, file_hash in outputs.select("path", "bytes", "file_hash").iter_rows()
    ]
    movable = dict(state.movable.select("path", "file_hash").iter_rows())
    find_ours = partial(card_records.find_ours, database, output)
    known = KnownFiles(state.known, movable, not draft.may_lack_files, find_ours)
    facts = state.files.select("path", "file_hash", "output_bytes").iter_rows()
    recorded = {path: (file_hash, size) for path, file_hash, size in facts}
    copy, unsure = card_copy.foresee_copy(place, wanted, known, recorded)
    copied = {file.path for file in copy.to_write if file.path not in copy.renamed}
    may_go = pl.col("path").is_in(state.movable["path"].implode()) | pl.col("path").is_in(list(copied))
    unsure |= _may_be_renamed(outputs, state.files.filter(may_go))
    # What stands in the way in the output folder is left there, unless it is the very same.
    unsure |= set(jobs.filter(~(pl.col("ours") | pl.col("free")))["path"])
    sized = outputs.filter(pl.col("path").is_in(list(copied)))
    compares = draft.request.verify_outputs or not card_records.is_as_left(database, read_mark(place.root))
    return PlannedCopy(
        root=place.root,
        files=len(copied),
        unsure=len(copied & unsure),
        bytes=int(sized["bytes"].sum()),
        at_most=Sized.GUESSED not in sized["sized"] and (Sized.AT_MOST in sized["sized"] or bool(copied & unsure)),
        bytes_free=free_bytes(place.folder),
        fits=card_copy.fits(place, copy),
        renamed=len(copy.renamed),
        unchanged=len(copy.unchanged),
        in_the_way=len(copy.in_the_way),
        compares=compares and bool(copy.unchanged or copy.renamed),
    )


def _may_be_renamed(outputs: pl.DataFrame, movable: pl.DataFrame) -> set[str]:
    """Return which files that are still to be made may be among those on the card whose names become free."""
    same_source = pl.col("source").is_in(movable["source_path"].implode())
    same_content = pl.col("alike").list.set_intersection(movable["file_hash"].implode()).list.len() > 0
    return set(outputs.filter(pl.col("file_hash").is_null() & (same_source | same_content.fill_null(False)))["path"])
