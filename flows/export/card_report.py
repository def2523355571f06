"""Report what a card holds by the records, and remove the junk that systems left there."""

import os
import shlex
from collections import Counter
from datetime import UTC
from typing import NamedTuple

from pydantic import BaseModel

from config.settings import Settings
from flows.export.card_currency import CardLag, OldLayout, find_lags, find_old_layouts, to_card
from flows.export.repeat import export_command
from flows.export.sd_card import find_known
from schemas.errors import CardError, RequestError
from tasks.bundle import card
from tasks.bundle.plugged_cards import find_plugged
from tasks.fs.place_mark import read_mark
from tasks.store import card_files, history
from tasks.store.database import Database


class CardFile(BaseModel):
    """A file that should be on a card.

    Attributes:
        path: Below IMPORT.
        state: ``there``, ``missing`` or ``changed``.
        stale: Its output folder has another file by now, or none.
        sample_id: Its sample; None where that is not in the records any more, as ``title``.
    """

    path: str
    state: str
    stale: bool
    export_id: int
    sample_id: int | None
    title: str | None
    manifest_path: str
    source_path: str
    settings_hash: str | None
    organized_by: str | None
    output_bytes: int

    @property
    def needs_attention(self) -> bool:
        """Return whether it is missing, changed or stale."""
        return self.stale or self.state != "there"


class LastExport(BaseModel):
    """The last export of a whole manifest in a layout.

    Attributes:
        not_exported: How many rows it rejected, or failed to convert.
        command: The same export, to the card, too.
    """

    manifest_path: str
    organized_by: str
    export_id: int
    not_exported: int
    command: str


class CardReport(BaseModel):
    """The contents of a card: the recorded files, and the paths of those that no record knows.

    Attributes:
        card_id: The id on the card; empty where it has none.
        unknown: Below IMPORT.
        junk: Files that Finder and Explorer made, below the card's root.
        cleaned: Those of them that were removed.
        lags: What the card lacks of the libraries it was given, where ``report`` was asked.
        old_layouts: The layouts on it that are of before the newest export of their library; likewise.
        edited: The manifests that were written to since their last export, likewise: what is new in them is not on the card.
        last_exports: The last export of each whole manifest in each layout that is on it, likewise.
    """

    card_id: str
    root: str
    counts: dict[str, int]
    files: list[CardFile]
    unknown: list[str]
    junk: list[str]
    cleaned: list[str]
    lags: list[CardLag] = []
    old_layouts: list[OldLayout] = []
    edited: list[str] = []
    last_exports: list[LastExport] = []

    @property
    def is_current(self) -> bool:
        """Return whether every file is there, as it was written and up to date, and none is lacking."""
        is_behind = self.old_layouts or any(lag.behind for lag in self.lags)
        return not (is_behind or any(file.needs_attention for file in self.files))

    @property
    def sources(self) -> dict[tuple[str, str | None], int]:
        """Return the manifests and layouts that the files are from, and how many files each has."""
        return Counter((file.manifest_path, file.organized_by) for file in self.files)


class WrittenCard(NamedTuple):
    """The card that was written last, by the records: its mark's id, and where it was. It can be a folder of a disk, too."""

    id: str
    root: str

    @property
    def is_there(self) -> bool:
        """Return whether it is the card that is at this place now: by its mark."""
        mark = read_mark(self.root)
        return mark is not None and mark.id == self.id and card.is_ours(self.root)


def last_written(database: Database) -> WrittenCard | None:
    """Return the card that was written last; None where the records know none. Raises DatabaseBusyError, DatabaseError."""
    rows = history.last_cards(database) if database.exists else []
    return WrittenCard(rows[0]["card_id"], rows[0]["root"]) if rows else None


def find_card(settings: Settings) -> str:
    """Return where the one card is that is there: plugged in, or written last and still to be seen.

    Raises:
        RequestError: There is none, or there are several.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    database = Database.of(settings)
    last = last_written(database)
    written = [last.root] if last else []
    plugged = [found.root for found in find_plugged() if found.has_import]
    roots = sorted({*plugged, *filter(os.path.isdir, written)})
    if not roots:
        raise RequestError(what="No card is plugged in", fix="Say where it is mounted: sp404 card PATH.")
    if len(roots) > 1:
        fix = f"Name one: sp404 card {shlex.quote(roots[0])}"
        raise RequestError(what=f"Several cards are plugged in: {', '.join(roots)}", fix=fix)
    return roots[0]


def report(settings: Settings, path: str, clean_junk: bool = False) -> CardReport:
    """Report what is on a card and what it lacks, by the records and all bytes there; remove its junk files, if asked to.

    A card of which the records know nothing has a report only where its junk is to be removed: on that they have no say.

    Raises:
        CardError: There is no card at ``path``, or nothing on it is known.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    database = Database.of(settings)
    try:
        place = find_known(path, False, database)
    except CardError as error:
        if card.INITIALIZE not in error.fix:
            raise
        command = f"sp404 export MANIFEST --card {shlex.quote(path)} {card.INITIALIZE}"
        fix = f"If this is the card: {command}; or let the device format it."
        raise CardError(path=error.facts["path"], what=error.facts["what"], fix=fix) from error
    root = place.root
    mark = read_mark(root)
    if mark is None and not clean_junk:
        fix = "`sp404 export MANIFEST --card PATH` puts it there."
        raise CardError(path=root, what="has nothing from sp404-export", fix=fix)
    if not clean_junk and card_files.files_on(database, mark.id if mark else "").is_empty():
        fix = "Name the database that it was written with: --db FILE."
        raise CardError(path=root, what=f"is not in the records of {settings.db}", fix=fix)
    cleaned = card.clean_junk(place) if clean_junk else []
    lags = find_lags(database, mark.id, root, settings) if mark else []
    old = find_old_layouts(database, mark.id, root, settings) if mark else []
    described = describe(database, root, by_bytes=True)
    edited = _find_edited(database, sorted({manifest for manifest, _ in described.sources}))
    last_exports = _find_last_exports(database, described, settings)
    updates = {"cleaned": cleaned, "lags": lags, "old_layouts": old, "edited": edited, "last_exports": last_exports}
    return described.model_copy(update=updates)


def _find_edited(database: Database, manifests: list[str]) -> list[str]:
    """Return the manifests that are there and that were written to since their last export began."""
    edited = []
    for manifest in manifests:
        newest = history.newest_export_of(database, manifest)
        begun = newest["created_at"].replace(tzinfo=UTC).timestamp() if newest else None
        if begun and os.path.isfile(manifest) and os.stat(manifest).st_mtime > begun:
            edited.append(manifest)
    return edited


def _find_last_exports(database: Database, described: CardReport, settings: Settings) -> list[LastExport]:
    found = []
    for manifest, layout in described.sources:
        if layout and (last := history.last_whole_export(database, manifest, layout)):
            facts = {name: last[name] for name in ("export_id", "not_exported")}
            command = to_card(export_command(database, last["export_id"], manifest, settings, None), described.root)
            found.append(LastExport(manifest_path=manifest, organized_by=layout, command=command, **facts))
    return found


def describe(database: Database, root: str, by_bytes: bool) -> CardReport:
    """Compare the card at ``root`` with the records: its files by all their bytes, or by their sizes alone.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    mark = read_mark(root)
    card_id = mark.id if mark else ""
    on_card = card_files.files_on(database, card_id).join(card_files.samples_on(database, card_id), on="path", how="left")
    columns = [name for name in CardFile.model_fields if name != "state"]
    facts = on_card.select("path", "output_bytes", "file_hash").iter_rows()
    states = [card.file_state(root, path, size, file_hash, by_bytes) for path, size, file_hash in facts]
    rows = zip(states, on_card.select(columns).iter_rows(named=True), strict=True)
    files = [CardFile(state=state, **row) for state, row in rows]
    counts = {state: states.count(state) for state in ("there", "missing", "changed")}
    counts["stale"] = sum(file.stale for file in files)
    return CardReport(
        card_id=card_id,
        root=root,
        counts=counts,
        files=files,
        unknown=card.unknown_files(root, on_card["path"]),
        junk=card.junk_files(root),
        cleaned=[],
    )
