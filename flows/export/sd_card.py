"""Copy an export's files to a card."""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.export import other_layouts
from flows.export.card_records import CardRecords, read_records
from flows.export.stages import DraftPlan, RunningExport
from schemas.errors import CardError, RequestError, Sp404Error, SurroundingsError
from schemas.report import BatchExportResult, CardResult
from tasks.bundle import card, card_copy
from tasks.bundle.card_copy import CopyPlan, CopyResult, KnownFiles, WantedFile
from tasks.fs.file_status import is_regular
from tasks.fs.hashing import hash_file
from tasks.fs.place_mark import read_mark
from tasks.store import card_files, export_files
from tasks.store.database import Database


def find_card(path: str | None, initialize: bool, database: Database | None = None) -> card.Card | None:
    """Return the card at a path, before anything is converted for it; None where no path is given.

    Raises:
        CardError: There is no card at the path, or it cannot be used.
        RequestError: A card is to be initialized, but none is named.
    """
    if path is None and initialize:
        raise RequestError(what="--init-card needs to know which card", fix="Add --card PATH.")
    return None if path is None else find_known(path, initialize, database)


def find_known(path: str, initialize: bool, database: Database | None) -> card.Card:
    """Return the card that is mounted at ``path``. Of one that was there before, say so: an empty folder is what it leaves.

    Args:
        path: Its root.
        initialize: Make ``IMPORT/`` on an empty card.
        database: Records that may know of a card there.

    Raises:
        CardError: There is no card, or it cannot be used.
    """
    try:
        return card.find_at(path, initialize)
    except CardError as error:
        root = os.path.realpath(path)
        is_left = os.path.isdir(root) and not os.path.ismount(root) and not os.listdir(root)
        if is_left and database and database.exists and card_files.was_card_at(database, root):
            what = "is empty: a card was mounted there, and is not now"
            raise CardError(path=root, what=what, fix="Put the card in, and run the same command again.") from error
        raise


def with_card(running: RunningExport, place: card.Card, batch: BatchExportResult) -> tuple[BatchExportResult, list[Exception]]:
    """Copy the audio files of an export to a card. Metadata files stay at home: the device cannot open them.

    Returns:
        ``batch`` with what is on the card, or with why it is not; and the errors of the surroundings that ended the copy.
    """
    try:
        result = _copy(running, place, batch)
    except Sp404Error as error:
        errors: list[Exception] = [error] if isinstance(error, SurroundingsError) else []
        return batch.model_copy(update={"no_card": f"{error}. {error.fix}"}), errors
    return batch.model_copy(update={"card": result}), []


@dataclass(frozen=True)
class CardState:
    """The files on a card, by the records, as an export finds them; frames as ``tasks.store.card_files.files_on`` gives them.

    Attributes:
        files: Every file that was put there, whosever it is.
        known: Hashes by path of files that may be replaced: those of this manifest, and of the same source.
        ours: Files of this manifest, in the layout and format in force; in a selection none.
        stale: Those of them that are no longer in the manifest.
        movable: Stale ones that the output folder does not have any more: files that may get another name. In a selection, too.
        others: Files of this manifest in another layout or format; in a selection those of its samples.
        elsewhere: Paths of files of this manifest that an export to another output folder put there.
    """

    files: pl.DataFrame
    known: dict[str, str]
    ours: pl.DataFrame
    stale: pl.DataFrame
    movable: pl.DataFrame
    others: pl.DataFrame
    elsewhere: frozenset[str]


def read_state(draft: DraftPlan, place: card.Card, compare: bool, leaving: Collection[str] = ()) -> CardState:
    """Return what is known of a card, without writing; nothing of a new one.

    Args:
        draft: The placed rows.
        place: The card.
        compare: Read all bytes on it where the records may describe another one (``read_records``).
        leaving: Paths that the output folder still has, and will not have when the card is written.
    """
    database, mark = draft.target.database, read_mark(place.root)
    if compare:
        on_card = read_records(database, place, mark, draft.target.output).files
    else:
        on_card = card_files.files_on(database, mark.id if mark else "")
    leaves = (pl.col("output_path") == draft.target.output) & pl.col("path").is_in(list(leaving))
    return _state_of(draft, on_card.with_columns(stale=pl.col("stale") | leaves), draft.all_paths)


def _state_of(draft: DraftPlan, on_card: pl.DataFrame, wanted: pl.Series) -> CardState:
    """Tell the files on a card that are ours. Another library's file is another's, but for one of the same source."""
    own = on_card.filter(manifest_path=draft.target.manifest)  # of whichever output folder: a copy of it has the same library
    same_source = on_card.join(draft.rows.select("path", source_path="source").unique(), on=["path", "source_path"], how="semi")
    is_other = other_layouts.is_other(draft.settings)
    ours = own.filter(~is_other)
    stale = other_layouts.without_paths(ours, wanted)
    others = other_layouts.without_paths(own.filter(is_other), wanted)
    movable = stale.filter("stale")
    if draft.resolved.is_selection:  # what it leaves out is still wanted
        ours, stale = ours.clear(), stale.clear()
        others = others.filter(pl.col("source_path").is_in(draft.rows["source"].implode()))
    known = dict(pl.concat([own, same_source]).select("path", "file_hash").iter_rows())
    elsewhere = frozenset(own.filter(is_elsewhere(draft))["path"])
    return CardState(on_card, known, ours, stale, movable, others, elsewhere)


def _copy(running: RunningExport, place: card.Card, batch: BatchExportResult) -> CardResult:
    draft, request = running.draft, running.request
    recorded = export_files.read_files(running.target.database, batch.export_id)
    wanted = wanted_files(recorded)
    records = CardRecords(running.target.database, place, batch.export_id, recorded.output_path)
    exported = pl.Series("path", [file.path for file in wanted], pl.String)
    wanted_paths = pl.concat([exported, draft.all_paths.alias("path")])
    state = _state_of(draft, records.read(), wanted_paths)
    may_rename = not draft.may_lack_files
    known = KnownFiles(state.known, _hashes(state.movable), may_rename, records.find_ours)
    plan = card_copy.plan_copy(place, wanted, known, request.verify_outputs)
    # What came from another output folder is of this one from now on: with this one the card is compared.
    new = [file for file in plan.unchanged if state.known.get(file.path) != file.file_hash or file.path in state.elsewhere]
    records.add(new, [])
    removable = _removable(running, state, plan, exported)
    removed: list[str] = []
    if not card_copy.fits(place, plan):
        if removable:  # else this comes last, so that new names do not take the gaps of old ones
            records.begin_run()
            removed = card_copy.prune(place, removable)
            records.forget(removed)
        card_copy.check_room(place, plan, _prunable_bytes(running, place, state, plan, batch))
    if plan.to_write or removable:
        records.begin_run()
    done = card_copy.copy_files(place, plan, records.add)
    if removable and not removed:
        removed = card_copy.prune(place, removable)
    records.forget([*removed, *card_copy.missing_files(place, state.stale["path"])])
    records.end_run()
    left = [path for path in state.stale["path"] if os.path.lexists(os.path.join(place.folder, path))]
    of_layouts = set(state.others["path"])
    kept = other_layouts.CHANGED_OR_FAILED if may_rename else other_layouts.ROWS_REJECTED
    return copy_result(
        records,
        place,
        plan,
        done,
        stale=left,
        removed=len(set(removed) - of_layouts),
        renamed=len(done.renamed),
        other_layouts=other_layouts.describe(state.others, draft, place.folder, kept),
        layout_removed=len(of_layouts.intersection(removed)),
    )


def copy_result(records: CardRecords, place: card.Card, plan: CopyPlan, done: CopyResult, **removals: Any) -> CardResult:
    """Return the result of a copy to a card; ``removals``: what it says of stale files, of renames and of other layouts."""
    return CardResult(
        card_id=records.mark.id,
        root=place.root,
        written=len(done.written),
        written_bytes=sum(file.bytes for file in done.written),
        unchanged=len(plan.unchanged),
        in_the_way=plan.in_the_way,
        modified=done.modified,
        **removals,
    )


def wanted_files(recorded: export_files.RecordedFiles) -> list[WantedFile]:
    """Return the files of an export as they are to be on a card."""
    return [
        WantedFile(path, os.path.join(recorded.output_path, path), size, file_hash)
        for path, size, file_hash in _with_hashes(recorded).iter_rows()
    ]


def _with_hashes(recorded: export_files.RecordedFiles) -> pl.DataFrame:
    """Return ``path``, ``output_bytes`` and ``file_hash`` of the files of an export.

    A file that stood there before, with the same bytes, is not recorded as ours, and so without a hash: it is read. It is
    wanted on the card all the same.
    """
    files = recorded.files.select("path", "output_bytes", "file_hash")
    unknown = files.filter(pl.col("file_hash").is_null())["path"]
    hashes = {path: _hash_of(os.path.join(recorded.output_path, path)) for path in unknown}
    read = pl.col("path").replace_strict(hashes, default=None, return_dtype=pl.String)
    return files.with_columns(file_hash=pl.coalesce("file_hash", read)).filter(pl.col("file_hash").is_not_null())


def _hash_of(path: str) -> str | None:
    with suppress(OSError):
        return hash_file(path) if is_regular(path) else None
    return None


def _removable(running: RunningExport, state: CardState, plan: CopyPlan, exported: pl.Series) -> dict[str, str]:
    """Return what is to be removed from the card, as hashes by paths: nothing if rejected rows may mean some of the files.

    What the output folder keeps, as a failed row's, stays on the card as well. Another layout can be that of another output
    folder, which keeps all of it: then those files go whose sample did not fail in this one (``exported``).
    """
    draft, request = running.draft, running.request
    if draft.may_lack_files:
        return {}
    stale = state.stale if request.prune else state.stale.clear()
    layout = other_layouts.select_to_remove(state.others, request)
    failed = draft.rows.filter(~pl.col("path").is_in(exported.implode()))["source"]
    replaced = is_elsewhere(draft) & ~pl.col("source_path").is_in(failed.implode())
    unkept = pl.concat([stale.filter("stale"), layout.filter(pl.col("stale") | replaced)])
    return {path: file_hash for path, file_hash in _hashes(unkept).items() if path not in plan.renamed.values()}


def is_elsewhere(draft: DraftPlan) -> pl.Expr:
    """Return whether a file on a card came from another output folder than the one in force."""
    return pl.col("output_path") != draft.target.output


def _prunable_bytes(
    running: RunningExport, place: card.Card, state: CardState, plan: CopyPlan, batch: BatchExportResult
) -> int:
    """Return how many bytes on the card ``--prune`` would free beyond what this run removes."""
    if running.request.prune or running.draft.may_lack_files:
        return 0
    failed = [result.sample_id for result in batch.results if not result.success] if batch.failed else []
    goes = running.plan.stale.filter(~pl.col("sample_id").is_in(failed))["path"]
    stale = state.stale.filter(pl.col("stale") | pl.col("path").is_in(goes.implode()))
    facts = stale.filter(~pl.col("path").is_in(list(plan.renamed.values()))).select("path", "output_bytes", "file_hash")
    return sum(row[1] for row in facts.iter_rows() if card.file_state(place.root, *row) == "there")


def _hashes(files: pl.DataFrame) -> dict[str, str]:
    return dict(files.select("path", "file_hash").iter_rows())
