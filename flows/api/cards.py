"""Cards that are plugged into the server, for clients who may not name a path: what is on them, and what is put there.

The card that the records call the last is one of them, wherever it is: a person named that folder for it.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from config.settings import Settings
from flows.api.jobs import JobAnswer, JobQueue, QueuedJob
from flows.export import card_prune, card_report
from flows.export.card_put import put_export
from flows.export.card_report import CardFile, CardReport, WrittenCard, last_written
from schemas.api import CardAnswer, CardPruneAnswer, JobKind
from schemas.card_api import (
    CardComparison,
    CardContents,
    CardCounts,
    CardEntry,
    CardExport,
    CardFilter,
    CardFlushed,
    CardOrder,
    CardPaths,
    CardPruneOrder,
    CardRemovals,
    CardSelection,
    LastCard,
    MountedCard,
)
from schemas.enums import CardRemovable
from schemas.errors import CardBusyError, CardError, QueueError, RecordNotFoundError, Sp404Error
from tasks.bundle import card
from tasks.bundle.plugged_cards import PluggedCard, find_plugged, look_at
from tasks.convert.progress import Progress
from tasks.store import export_files
from tasks.store.database import Database
from tasks.store.export_lock import other_holder

_SHOWN = {"card_id", "written", "written_bytes", "unchanged", "in_the_way", "modified"}
_MOST_PATHS = 100
# How long the list of cards waits for the records while something else has them open.
_LOOK_SECONDS = 1.0
ReadT = TypeVar("ReadT")


class ServerCards:
    """The cards at one server."""

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self._settings, self._queue = settings, queue
        self._database = Database(settings.db, settings.api_wait_seconds)
        self._jobs: list[tuple[str, QueuedJob]] = []
        self._reading = threading.Lock()
        self._written = _WrittenLast(settings)

    def list(self) -> list[MountedCard]:
        """List the cards that are there."""
        return [state for found in self._cards() if (state := _describe(found))]

    def last(self) -> LastCard | None:
        """Return the card that was written last; None where the records know none."""
        last = self._written.look()
        if not last:
            return None
        root = next((each.root for each in self._cards() if each.mark and each.mark.id == last.id), None)
        return LastCard(place=_below_home(root or last.root), is_there=root is not None)

    def contents(self, card_id: str, wanted: CardFilter) -> CardContents:
        """Compare a card with the records.

        Raises:
            RecordNotFoundError: There is no such card, or it was pulled meanwhile.
            QueueError: All bytes are to be compared, and another client has a card read so already.
            SurroundingsError: The records cannot be read.
        """
        found = self._find(card_id)
        if wanted.compare is CardComparison.BYTES:
            report = self._read(lambda: card_report.describe(self._database, found.root, by_bytes=True))
        else:
            report = card_report.describe(self._database, found.root, by_bytes=False)
        state = _describe(self._find(card_id))
        if not state:
            raise _not_found(card_id)
        shown = [file for file in report.files if _is_selected(file, wanted)]
        return CardContents(
            card=state,
            compared=wanted.compare,
            counts=CardCounts(**report.counts),
            exports=_group(report),
            unknown=_first(report.unknown),
            junk=_first(report.junk),
            busy=self._busy(found.root),
            total=len(shown),
            limit=wanted.limit,
            offset=wanted.offset,
            items=[
                CardEntry(bytes=file.output_bytes, **file.model_dump(include=set(CardEntry.model_fields)))
                for file in shown[wanted.offset : wanted.offset + wanted.limit]
            ],
        )

    def put(self, card_id: str, wanted: CardOrder) -> QueuedJob:
        """Append to the queue to put an export on a card.

        Raises:
            RecordNotFoundError: There is no such card, or no such export.
            RequestError: The export is not whole any more.
            CardError: The card has no IMPORT, and that was not asked for.
            SurroundingsError: IMPORT cannot be made, or the records cannot be read.
            QueueError: Too many jobs wait already.
        """
        found = self._find(card_id)
        export_files.read_files(self._database, wanted.export_id)
        if not (found.has_import or wanted.initialize):
            fix = "Send `initialize` if this is the card, or let the device format it."
            raise CardError(path=found.root, what=f"has no folder {card.IMPORT}", fix=fix)
        place = card.find_at(found.root, wanted.initialize)

        def carry_out(progress: Progress) -> CardAnswer:
            result = put_export(self._settings, wanted.export_id, place, progress)
            return CardAnswer(export_id=wanted.export_id, **result.model_dump(include=_SHOWN))

        return self._add(found, JobKind.CARD, carry_out)

    def plan_prune(self, card_id: str, what: CardRemovable) -> CardRemovals:
        """Return what a prune would remove. Raises as ``contents`` does."""
        found = self._find(card_id)
        plan = self._read(lambda: card_prune.plan_prune(self._database, found.root, what))
        self._find(card_id)
        return CardRemovals(
            what=what,
            plan=plan.key,
            files=len(plan.files),
            bytes=plan.bytes,
            paths=list(plan.files)[:_MOST_PATHS],
            kept=_first(plan.kept),
        )

    def prune(self, card_id: str, wanted: CardPruneOrder) -> QueuedJob:
        """Append to the queue to remove the files of a plan from a card.

        Raises:
            RecordNotFoundError: There is no such card.
            CardError: It has no IMPORT.
            QueueError: Too many jobs wait already.
        """
        found = self._find(card_id)
        place = card.find_at(found.root)

        def carry_out(progress: Progress) -> CardPruneAnswer:
            done = card_prune.prune_card(Database.of(self._settings), place, wanted.what, wanted.plan, progress)
            return CardPruneAnswer(what=wanted.what, removed=len(done.removed), kept=done.kept)

        return self._add(found, JobKind.PRUNE, carry_out)

    def flush(self, card_id: str) -> CardFlushed:
        """Write what the system holds back to a card.

        Raises:
            RecordNotFoundError: There is no such card, or it was pulled meanwhile.
            CardBusyError: Something may be writing to it.
            SurroundingsError: The card does not take it.
        """
        found = self._find(card_id)
        self._check_idle(found.root)
        card.flush(found.root)
        self._find(card_id)
        self._check_idle(found.root)
        return CardFlushed(safe_to_remove=True, flushed_at=datetime.now(UTC))

    def _cards(self) -> Iterator[PluggedCard]:
        """Yield the card that was written last, which may stand where no card is mounted, and those that are plugged in."""
        plugged = find_plugged()
        last = self._written.look()
        if last and last.is_there and all(each.root != last.root for each in plugged) and (found := look_at(last.root)):
            yield found
        yield from plugged

    def _find(self, card_id: str) -> PluggedCard:
        found = next((each for each in self._cards() if each.id == card_id), None)
        if not found:
            raise _not_found(card_id)
        return found

    def _add(self, found: PluggedCard, kind: JobKind, carry_out: Callable[[Progress], JobAnswer]) -> QueuedJob:
        job = self._queue.add(carry_out, has_client=False, kind=kind)
        self._jobs = [(root, each) for root, each in self._jobs if not each.ended_at] + [(found.root, job)]
        return job

    def _busy(self, root: str) -> str | None:
        """Return what may be writing to a card now; None if nothing is known to be."""
        if any(place == root and not job.ended_at for place, job in self._jobs):
            return "a job of this server"
        holder = other_holder(self._database)
        return f"an export of {holder.owner}" if holder else None

    def _check_idle(self, root: str) -> None:
        busy = self._busy(root)
        if busy:
            raise CardBusyError(path=root, what=busy)

    def _read(self, read: Callable[[], ReadT]) -> ReadT:
        """Call ``read``, which may read a whole card: one at a time, since all wait for the same bytes."""
        if not self._reading.acquire(blocking=False):
            raise QueueError(waiting="a card is being read for another client")
        try:
            return read()
        finally:
            self._reading.release()


class _WrittenLast:
    """Remember what the records say of the card that was written last; they are read where they changed, by one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.db, min(settings.api_wait_seconds, _LOOK_SECONDS))
        self._revision = ""
        self._known: WrittenCard | None = None
        self._turn = threading.Lock()

    def look(self) -> WrittenCard | None:
        """Return that card; as it was known before where the records cannot be read just now, since an export has them."""
        with self._turn, suppress(Sp404Error):
            revision = self._database.revision()
            if revision != self._revision:
                self._known = last_written(self._database)
                self._revision = revision
        return self._known


def _below_home(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path


def _not_found(card_id: str) -> RecordNotFoundError:
    return RecordNotFoundError(noun="Card", id=card_id, fix="The list of cards shows those that are there.")


def _describe(found: PluggedCard) -> MountedCard | None:
    try:
        usage = shutil.disk_usage(found.root)
    except OSError:  # pulled just now
        return None
    return MountedCard(
        id=found.id,
        name=found.name,
        card_id=found.mark.id if found.mark else None,
        has_import=found.has_import,
        free_bytes=usage.free,
        total_bytes=usage.total,
    )


def _is_selected(file: CardFile, wanted: CardFilter) -> bool:
    if wanted.export_id not in (None, file.export_id):
        return False
    match wanted.show:
        case CardSelection.ALL:
            return True
        case CardSelection.ATTENTION:
            return file.needs_attention
        case CardSelection.STALE:
            return file.stale
    return file.state == wanted.show.value


def _group(report: CardReport) -> list[CardExport]:
    """Sum up the files of each export, the newest first."""
    exports: dict[tuple[int, str], CardExport] = {}
    for file in sorted(report.files, key=lambda file: -file.export_id):
        key = (file.export_id, file.manifest_path)
        none = CardExport(export_id=file.export_id, manifest_path=file.manifest_path, files=0, bytes=0, attention=0)
        export = exports.setdefault(key, none)
        export.files += 1
        export.bytes += file.output_bytes
        export.attention += file.needs_attention
    return list(exports.values())


def _first(paths: list[str]) -> CardPaths:
    return CardPaths(total=len(paths), paths=paths[:_MOST_PATHS])
