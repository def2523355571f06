"""An export's files on a card, and what a card holds by the records."""

import os
from collections import Counter

import polars as pl
from pydantic import BaseModel

from config.settings import Settings
from flows.export.plan import Plan
from schemas.errors import CardError, RequestError, Sp404Error, SurroundingsError
from schemas.report import BatchExportResult, CardResult
from tasks.bundle import card
from tasks.layout.file_names import fold_names
from tasks.store import card_files, export_files
from tasks.store.database import Database


def check_card(path: str | None, initialize: bool) -> card.Card | None:
    """The card, before anything is converted for it. Raises CardError, and RequestError where none is named."""
    if path is None and initialize:
        raise RequestError(what="--init-card needs to know which card", fix="Add --card PATH.")
    return None if path is None else card.find(path, initialize)


def with_card(plan: Plan, place: card.Card, batch: BatchExportResult) -> tuple[BatchExportResult, list[Exception]]:
    """``batch``, whose files are on the card now, or why they are not; and the trouble of surroundings that ended that.

    Sounds alone go there: the device would list metadata files, and cannot open them.
    """
    try:
        answer = _put(plan, place, batch.export_id)
    except Sp404Error as error:
        troubles: list[Exception] = [error] if isinstance(error, SurroundingsError) else []
        return batch.model_copy(update={"no_card": f"{error}. {error.fix}"}), troubles
    return batch.model_copy(update={"card": answer}), []


def _put(plan: Plan, place: card.Card, export_id: int) -> CardResult:
    database = plan.place.database
    recorded = export_files.read_files(database, export_id)
    files = recorded.files.filter(pl.col("file_hash").is_not_null()).select("path", "output_bytes", "file_hash")
    number = card.marked(place)
    card_files.seen(database, number, place.root)
    on_card = card_files.files_on(database, number)
    told = {"card_id": number, "export_id": export_id, "output_path": recorded.output_path}

    def record(batch: list[card.Wanted]) -> None:
        rows = [(one.path, one.file_hash, one.bytes) for one in batch]
        if rows:
            new = pl.DataFrame(rows, {"path": pl.String, "file_hash": pl.String, "output_bytes": pl.Int64}, orient="row")
            card_files.add(database, told, new)

    wanted = [
        card.Wanted(path, os.path.join(recorded.output_path, path), size, file_hash)
        for path, size, file_hash in files.iter_rows()
    ]
    # Another library's file is another's, but for one of the same source.
    mine = pl.col("manifest_path").eq(plan.place.manifest) & pl.col("output_path").eq(recorded.output_path)
    sources = plan.rows.select("path", source_path="source").unique()
    alike = on_card.join(sources, on=["path", "source_path"], how="semi")
    known = dict(pl.concat([on_card.filter(mine), alike]).select("path", "file_hash").iter_rows())
    done = card.put(place, wanted, known, record, plan.request.verify_outputs)
    # What a selection leaves out is still asked for.
    selected = bool(plan.request.sample_ids or plan.request.kits)
    ours = on_card.clear() if selected else on_card.filter(mine)
    # Two spellings of a name can be one file on a card.
    asked = fold_names(pl.concat([files["path"], plan.planned.alias("path")]))
    stale = ours.filter(~fold_names(ours["path"]).is_in(asked.implode()))
    removed: list[str] = []
    if plan.request.prune and not plan.rejected:
        # What the output folder keeps, as a failed row's, stays on the card as well.
        unkept = stale.filter("stale").select("path", "file_hash")
        removed = card.prune(place, dict(unkept.iter_rows()))
        card_files.forget(database, number, removed)
    return CardResult(
        card_id=number,
        root=place.root,
        written=len(done.written),
        written_bytes=sum(one.bytes for one in done.written),
        unchanged=len(done.unchanged),
        in_the_way=done.in_the_way,
        modified=done.spoiled,
        stale=[path for path in stale["path"] if path not in set(removed)],
        removed=len(removed),
    )


class CardFile(BaseModel):
    """A file that is to be on a card: ``there``, ``missing`` or ``changed``; ``stale``: its export has another by now."""

    path: str
    state: str
    stale: bool
    export_id: int
    manifest_path: str
    source_path: str
    settings_hash: str | None
    output_bytes: int


class CardReport(BaseModel):
    card_id: str
    root: str
    counts: dict[str, int]
    files: list[CardFile]
    unknown: list[str]

    @property
    def as_recorded(self) -> bool:
        return all(file.state == "there" and not file.stale for file in self.files)

    @property
    def manifests(self) -> dict[str, int]:
        """Which manifests the files are from, and how many."""
        return Counter(file.manifest_path for file in self.files)


def report(settings: Settings, path: str) -> CardReport:
    """What is on a card, by the records and by all bytes that stand there. Raises CardError and what the database raises."""
    root = card.find(path).root
    number = card.card_id(root)
    if number is None:
        raise CardError(
            path=root, what="has nothing from sp404-export", fix="`sp404 export MANIFEST --card PATH` puts it there."
        )
    on_card = card_files.files_on(Database.of(settings), number)
    if on_card.is_empty():
        fix = "Name the database that it was written with: --db FILE."
        raise CardError(path=root, what=f"is not in the records of {settings.db}", fix=fix)
    columns = [name for name in CardFile.model_fields if name != "state"]
    states = [card.state(root, *facts) for facts in on_card.select("path", "output_bytes", "file_hash").iter_rows()]
    told = zip(states, on_card.select(columns).iter_rows(named=True), strict=True)
    files = [CardFile(state=state, **row) for state, row in told]
    counts = {state: states.count(state) for state in ("there", "missing", "changed")}
    counts["stale"] = sum(file.stale for file in files)
    return CardReport(card_id=number, root=root, counts=counts, files=files, unknown=card.unknown(root, on_card["path"]))
