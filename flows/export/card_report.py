"""Report what a card holds by the records, and remove the junk that systems left there."""

from collections import Counter

from pydantic import BaseModel

from config.settings import Settings
from schemas.errors import CardError
from tasks.bundle import card
from tasks.fs.place_mark import read_mark
from tasks.store import card_files
from tasks.store.database import Database


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
        card_id: The id on the card; empty where it has none.
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

    A card of which the records know nothing has a report only where its junk is to be removed: on that they have no say.

    Raises:
        CardError: There is no card at ``path``, or nothing on it is known.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    place = card.find_at(path)
    root = place.root
    mark = read_mark(root)
    if mark is None and not clean_junk:
        fix = "`sp404 export MANIFEST --card PATH` puts it there."
        raise CardError(path=root, what="has nothing from sp404-export", fix=fix)
    card_id = mark.id if mark else ""
    on_card = card_files.files_on(Database.of(settings), card_id)
    if on_card.is_empty() and not clean_junk:
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
