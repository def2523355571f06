"""Remove files from a card without an export: stale ones that have no successor, or what Finder and Explorer left there."""

import os
from dataclasses import dataclass
from hashlib import blake2b

from schemas.enums import CardRemovable
from schemas.errors import CardPlanError, StoppedError
from tasks.bundle import card, card_copy, card_mark
from tasks.convert.progress import Progress
from tasks.fs.place_mark import read_mark
from tasks.store import card_files
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports
from tasks.store.replay import catch_up

_BATCH = 64


@dataclass(frozen=True)
class CardPrunePlan:
    """The files that would go from a card.

    Attributes:
        files: Hashes by paths: of stale files below IMPORT, of junk below the root, where the hash is empty.
        bytes: Their size.
        kept: Paths of stale files that are not what was written: they stay.
        missing: Paths of stale files that are gone already.
    """

    files: dict[str, str]
    bytes: int
    kept: list[str]
    missing: list[str]

    @property
    def key(self) -> str:
        """The word that stands for exactly these files."""
        return blake2b(repr(sorted(self.files.items())).encode(errors="replace"), digest_size=8).hexdigest()


@dataclass(frozen=True)
class CardPruneResult:
    """The paths that are gone from a card, and those of files that stay although they were to go."""

    removed: list[str]
    kept: list[str]


def plan_prune(database: Database, root: str, what: CardRemovable) -> CardPrunePlan:
    """Return what would go from the card at ``root``, without writing. Stale files are compared by all their bytes.

    A stale file goes where its output folder has no file of this name any more; one with a newer take there is replaced by the
    next copy. A file of an output folder that the records do not know stays.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    if what is CardRemovable.JUNK:
        sizes = {path: os.lstat(os.path.join(root, path)).st_size for path in card.junk_files(root)}
        return CardPrunePlan(dict.fromkeys(sizes, ""), sum(sizes.values()), [], [])
    mark = read_mark(root)
    card_id = mark.id if mark else ""
    gone = card_files.samples_on(database, card_id).filter("is_gone")
    stale = card_files.files_on(database, card_id).join(gone, on="path", how="semi")
    files: dict[str, str] = {}
    by_state: dict[str, list[str]] = {"missing": [], "changed": []}
    total = 0
    for path, size, file_hash in stale.select("path", "output_bytes", "file_hash").iter_rows():
        state = card.file_state(root, path, size, file_hash)
        if state == "there":
            files[path] = file_hash
            total += size
        else:
            by_state[state].append(path)
    return CardPrunePlan(files, total, by_state["changed"], by_state["missing"])


def prune_card(database: Database, place: card.Card, what: CardRemovable, key: str, progress: Progress) -> CardPruneResult:
    """Remove the files of a plan that was shown.

    Raises:
        CardPlanError: By now it would be other files. Nothing was removed.
        StoppedError: It was cancelled. What is removed stays so.
        SurroundingsError: The card was pulled or cannot be written, or the records cannot be used.
    """
    with lock_exports(database), database.hold(), progress:
        catch_up(database)
        plan = plan_prune(database, place.root, what)
        place.check_there()
        if plan.key != key:
            raise CardPlanError
        progress.expect(len(plan.files), "prune")
        if what is CardRemovable.JUNK:
            removed = _remove_junk(place, plan, progress)
        else:
            removed = _remove(database, place, plan, progress)
    card.flush(place.root)
    return CardPruneResult(removed, [*plan.kept, *(path for path in plan.files if path not in set(removed))])


def _remove(database: Database, place: card.Card, plan: CardPrunePlan, progress: Progress) -> list[str]:
    """Remove stale files, and then what the records say of them and of those that are gone already.

    The run is raised first, as by a copy: another computer that knows the card compares it then. Where the records may describe
    another card (``card_records.read_records``), they go on being compared, too.
    """
    mark = card_mark.ensure_mark(place)
    known = card_files.last_run(database, mark.id)
    raised = card_mark.raise_run(place, mark, known)
    removed: list[str] = []
    paths = list(plan.files)
    for begin in range(0, len(paths), _BATCH):
        batch = paths[begin : begin + _BATCH]
        gone = card_copy.prune(place, {path: plan.files[path] for path in batch})
        card_files.forget(database, mark.id, gone)
        removed += gone
        for _ in batch:
            progress.advance()
        if progress.stopped.is_set():
            raise StoppedError
    if plan.missing:
        card_files.forget(database, mark.id, card_copy.missing_files(place, plan.missing))
    if mark.run and mark.run == known:
        card_files.record_card(database, mark.id, place.root, raised.run)
    return removed


def _remove_junk(place: card.Card, plan: CardPrunePlan, progress: Progress) -> list[str]:
    removed = card.clean_junk(place)
    for _ in plan.files:
        progress.advance()
    return removed
