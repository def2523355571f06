"""Keep the records of a card true: by them the next export knows what it must write."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tasks.bundle import card, card_mark
from tasks.bundle.card_copy import WantedFile
from tasks.fs.hashing import hash_file
from tasks.fs.place_mark import PlaceMark
from tasks.store import card_files
from tasks.store.database import Database


@dataclass(frozen=True)
class TrueRecords:
    """The files on a card, and what was not so in the records; frames as ``tasks.store.card_files.files_on`` gives them.

    Attributes:
        files: Our files on the card.
        wrong: Paths of recorded files where another's are by now.
        adopted: Files of ours that were not recorded so.
    """

    files: pl.DataFrame
    wrong: list[str]
    adopted: pl.DataFrame


class CardRecords:
    """The records of one card while an export writes to it.

    Attributes:
        mark: The card's id, and the number of the last run that wrote to it.
    """

    def __init__(self, database: Database, place: card.Card, export_id: int, output_path: str) -> None:
        """Give a new card its mark, and record where the card is mounted.

        Raises:
            CardError: The file of the mark is not ours.
            SurroundingsError: The mark cannot be written, or the card was pulled.
            DatabaseBusyError, DatabaseError: The records cannot be read or written.
        """
        self._database, self._place, self._output_path = database, place, output_path
        self.mark = card_mark.ensure_mark(place)
        self._export = {"card_id": self.mark.id, "export_id": export_id, "output_path": output_path}
        self._known = card_files.last_run(database, self.mark.id)
        self._is_begun = False
        card_files.record_card(database, self.mark.id, place.root, self._known)

    def read(self) -> pl.DataFrame:
        """Return the files on the card (``read_records``), and correct the records of them."""
        found = read_records(self._database, self._place, self.mark, self._output_path)
        if found.wrong or found.adopted.height:
            card_files.correct(self._database, self.mark.id, found.wrong, found.adopted)
        return found.files

    def find_ours(self, found: dict[str, str]) -> set[str]:
        """Return those of the files ``found`` (hashes by paths) whose bytes an export to this output folder wrote so."""
        return find_ours(self._database, self._output_path, found)

    def begin_run(self) -> None:
        """Raise the number on the card, before the first file of this run is written or removed.

        The records know it only from ``end_run`` on: after a run that was killed, they are not trusted.
        """
        if not self._is_begun:
            self.mark = card_mark.raise_run(self._place, self.mark, self._known)
            self._is_begun = True

    def end_run(self) -> None:
        """Record that the records describe this card, also where nothing had to be written."""
        if not self.mark.run:
            self.begin_run()
        if self.mark.run != self._known:
            self._known = self.mark.run
            card_files.record_card(self._database, self.mark.id, self._place.root, self._known)

    def add(self, files: Sequence[WantedFile], vacated: Sequence[str]) -> None:
        """Record files that are on the card now, and paths that no file has any more."""
        if files:
            rows = [(file.path, file.file_hash, file.bytes) for file in files]
            new = pl.DataFrame(rows, {"path": pl.String, "file_hash": pl.String, "output_bytes": pl.Int64}, orient="row")
            card_files.record_files(self._database, self._export, new, vacated)

    def forget(self, paths: Sequence[str]) -> None:
        """Remove files from the records of the card."""
        if paths:
            card_files.forget(self._database, self.mark.id, paths)


def find_ours(database: Database, output_path: str, found: dict[str, str]) -> set[str]:
    """Return those of the files ``found`` (hashes by paths) whose bytes an export to this output folder wrote so."""
    if not found:
        return set()
    written = card_files.written_to(database, output_path, list(found)).filter(output_path=output_path)
    return {path for path, file_hash in written.select("path", "file_hash").iter_rows() if found[path] == file_hash}


def is_as_left(database: Database, mark: PlaceMark | None) -> bool:
    """Return whether the last run that wrote to a card is the last one known: then the records describe what is on it."""
    return bool(mark and mark.run and mark.run == card_files.last_run(database, mark.id))


def read_records(database: Database, place: card.Card, mark: PlaceMark | None, output_path: str) -> TrueRecords:
    """Return what is on a card, by the records as far as they can describe it. Writes nothing.

    Where the last run that wrote to the card is not the last one known, they may describe another one: the card was cloned,
    restored, or written by another database, a run was killed, or the mark is that of an older version. Then all bytes on it
    are compared. A recorded file that is missing stays: it is missed.

    Raises:
        OutputGoneError: The card was pulled.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    on_card = card_files.files_on(database, mark.id if mark else "")
    if is_as_left(database, mark):
        return TrueRecords(on_card, [], on_card.clear())
    recorded = dict(on_card.select("path", "file_hash").iter_rows())
    there = {path for path in recorded if os.path.lexists(os.path.join(place.folder, path))}
    written = card_files.written_to(database, output_path, sorted(there | card.standing_files(place.root)))
    found = [(path, _hash(os.path.join(place.folder, path))) for path in sorted(there.union(written["path"]))]
    place.check_there()
    others = pl.DataFrame(
        [pair for pair in found if pair[1] != recorded.get(pair[0])],
        {"path": pl.String, "file_hash": pl.String},
        orient="row",
    )
    adopted = written.join(others, on=["path", "file_hash"], how="semi")
    wrong = others.filter(~pl.col("path").is_in(adopted["path"].implode()))["path"]
    kept = on_card.filter(~pl.col("path").is_in(others["path"].implode()))
    return TrueRecords(pl.concat([kept, adopted]), [path for path in wrong if path in recorded], adopted)


def _hash(path: str) -> str:
    try:
        return hash_file(path)
    except OSError:
        return ""
