"""Copy an export's files to a card, and report what a card holds by the records."""

import os
from collections import Counter
from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel

from config.settings import Settings
from flows.export.stages import DraftPlan, RunningExport
from schemas.errors import CardError, RequestError, Sp404Error, SurroundingsError
from schemas.report import BatchExportResult, CardResult
from tasks.bundle import card
from tasks.layout.file_names import fold_names
from tasks.store import card_files, export_files
from tasks.store.database import Database


def find_card(path: str | None, initialize: bool) -> card.Card | None:
    """Return the card at a path, before anything is converted for it; None where no path is given.

    Raises:
        CardError: There is no card at the path, or it cannot be used.
        RequestError: A card is to be initialized, but none is named.
    """
    if path is None and initialize:
        raise RequestError(what="--init-card needs to know which card", fix="Add --card PATH.")
    return None if path is None else card.find_at(path, initialize)


def with_card(running: RunningExport, place: card.Card, batch: BatchExportResult) -> tuple[BatchExportResult, list[Exception]]:
    """Copy the audio files of an export to a card. Metadata files stay at home: the device cannot open them.

    Returns:
        ``batch`` with what is on the card, or with why it is not; and the errors of the surroundings that ended the copy.
    """
    try:
        result = _copy(running, place, batch.export_id)
    except Sp404Error as error:
        errors: list[Exception] = [error] if isinstance(error, SurroundingsError) else []
        return batch.model_copy(update={"no_card": f"{error}. {error.fix}"}), errors
    return batch.model_copy(update={"card": result}), []


@dataclass(frozen=True)
class _CardState:
    """The recorded state of a card before an export is copied to it.

    Attributes:
        ours: Files of this manifest and output folder, in a selection none.
        known: Hashes by path of files that may be replaced: ours, and those of the same source.
    """

    ours: pl.DataFrame
    known: dict[str, str]


def _copy(running: RunningExport, place: card.Card, export_id: int) -> CardResult:
    database, request = running.target.database, running.request
    recorded = export_files.read_files(database, export_id)
    files = recorded.files.filter(pl.col("file_hash").is_not_null()).select("path", "output_bytes", "file_hash")
    card_id = card.ensure_card_id(place)
    card_files.record_mount(database, card_id, place.root)
    state = _state_of(running.draft, card_files.files_on(database, card_id), recorded.output_path)
    export = {"card_id": card_id, "export_id": export_id, "output_path": recorded.output_path}

    def record(batch: list[card.WantedFile]) -> None:
        rows = [(file.path, file.file_hash, file.bytes) for file in batch]
        if rows:
            new = pl.DataFrame(rows, {"path": pl.String, "file_hash": pl.String, "output_bytes": pl.Int64}, orient="row")
            card_files.record_files(database, export, new)

    wanted = [
        card.WantedFile(path, os.path.join(recorded.output_path, path), size, file_hash)
        for path, size, file_hash in files.iter_rows()
    ]
    done = card.copy_files(place, wanted, state.known, record, request.verify_outputs)
    stale = _without(state.ours, pl.concat([files["path"], running.draft.all_paths.alias("path")]))
    removed: list[str] = []
    if request.prune and not running.draft.may_lack_files:
        # What the output folder keeps, as a failed row's, stays on the card as well.
        unkept = stale.filter("stale").select("path", "file_hash")
        removed = card.prune(place, dict(unkept.iter_rows()))
        card_files.forget(database, card_id, removed)
    return CardResult(
        card_id=card_id,
        root=place.root,
        written=len(done.written),
        written_bytes=sum(file.bytes for file in done.written),
        unchanged=len(done.unchanged),
        in_the_way=done.in_the_way,
        modified=done.modified,
        stale=[path for path in stale["path"] if path not in set(removed)],
        removed=len(removed),
    )


def stale_files(draft: DraftPlan, place: card.Card) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what the records know on a card of this manifest and output folder, and what of it is no longer in the manifest.

    Both are as ``tasks.store.card_files.files_on`` gives them.
    """
    card_id = card.card_id(place.root) or ""  # a new card, of which no record knows
    ours = _state_of(draft, card_files.files_on(draft.target.database, card_id), draft.target.output).ours
    return ours, _without(ours, draft.all_paths)


def _without(files: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """Return ``files`` but those at ``wanted`` paths; two spellings of a name can be one file on a card."""
    return files.filter(~fold_names(files["path"]).is_in(fold_names(wanted).implode()))


def _state_of(draft: DraftPlan, on_card: pl.DataFrame, output_path: str) -> _CardState:
    """Tell the files on a card that are ours. Another library's file is another's, but for one of the same source."""
    own = pl.col("manifest_path").eq(draft.target.manifest) & pl.col("output_path").eq(output_path)
    sources = draft.rows.select("path", source_path="source").unique()
    same_source = on_card.join(sources, on=["path", "source_path"], how="semi")
    known = dict(pl.concat([on_card.filter(own), same_source]).select("path", "file_hash").iter_rows())
    # What a selection leaves out is still wanted.
    ours = on_card.clear() if draft.resolved.is_selection else on_card.filter(own)
    return _CardState(ours, known)


class CardFile(BaseModel):
    """A file that should be on a card.

    Attributes:
        path: Below IMPORT.
        state: ``there``, ``missing`` or ``changed``.
        stale: Its export has another file by now.
    """

    path: str
    state: str
    stale: bool
    export_id: int
    manifest_path: str
    source_path: str
    settings_hash: str | None
    output_bytes: int


class CardReport(BaseModel):
    """The contents of a card: the recorded files, and the paths of those that no record knows.

    Attributes:
        unknown: Below IMPORT.
        junk: Files that Finder and Explorer made, below the card's root.
        cleaned: Those of them that were removed.
    """

    card_id: str
    root: str
    counts: dict[str, int]
    files: list[CardFile]
    unknown: list[str]
    junk: list[str]
    cleaned: list[str]

    @property
    def as_recorded(self) -> bool:
        """Return whether every file is there, as it was written and up to date."""
        return all(file.state == "there" and not file.stale for file in self.files)

    @property
    def manifests(self) -> dict[str, int]:
        """Return the manifests that the files are from, and how many files each has."""
        return Counter(file.manifest_path for file in self.files)


def report(settings: Settings, path: str, clean_junk: bool = False) -> CardReport:
    """Report what is on a card, by the records and by all bytes that stand there; remove its junk files, if asked to.

    Raises:
        CardError: There is no card at ``path``, or nothing on it is known.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    place = card.find_at(path)
    root = place.root
    card_id = card.card_id(root)
    if card_id is None:
        fix = "`sp404 export MANIFEST --card PATH` puts it there."
        raise CardError(path=root, what="has nothing from sp404-export", fix=fix)
    on_card = card_files.files_on(Database.of(settings), card_id)
    if on_card.is_empty():
        fix = "Name the database that it was written with: --db FILE."
        raise CardError(path=root, what=f"is not in the records of {settings.db}", fix=fix)
    columns = [name for name in CardFile.model_fields if name != "state"]
    states = [card.file_state(root, *facts) for facts in on_card.select("path", "output_bytes", "file_hash").iter_rows()]
    rows = zip(states, on_card.select(columns).iter_rows(named=True), strict=True)
    files = [CardFile(state=state, **row) for state, row in rows]
    counts = {state: states.count(state) for state in ("there", "missing", "changed")}
    counts["stale"] = sum(file.stale for file in files)
    cleaned = card.clean_junk(place) if clean_junk else []
    return CardReport(
        card_id=card_id,
        root=root,
        counts=counts,
        files=files,
        unknown=card.unknown_files(root, on_card["path"]),
        junk=card.junk_files(root),
        cleaned=cleaned,
    )
