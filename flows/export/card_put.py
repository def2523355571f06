"""Put the files of an export that is done on a card, as they stand in its output folder. Nothing is converted."""

import polars as pl

from config.settings import Settings
from flows.export.card_records import CardRecords
from flows.export.sd_card import copy_result, wanted_files
from schemas.errors import StoppedError
from schemas.report import CardResult
from tasks.bundle import card_copy
from tasks.bundle.card import Card
from tasks.bundle.card_copy import KnownFiles, WantedFile
from tasks.convert.progress import Progress
from tasks.store import export_files
from tasks.store.database import Database
from tasks.store.export_lock import lock_exports
from tasks.store.replay import catch_up


def put_export(settings: Settings, export_id: int, place: Card, progress: Progress) -> CardResult:
    """Copy the audio files of an export to a card, and remove none that are there.

    Files of other exports stay, but for older takes of the same sources, and of the same manifest, under the same names.

    Raises:
        RequestError: The export is not known or not whole (``tasks.store.export_files.read_files``).
        CardError: The file of the card's mark is not ours.
        StoppedError: It was cancelled. What is copied stays.
        SurroundingsError: The card is full or was pulled, or the records cannot be used.
    """
    database = Database.of(settings)
    with lock_exports(database), database.hold(), progress:
        catch_up(database)
        recorded = export_files.read_files(database, export_id)
        sources = export_files.read_sources(database, export_id)
        records = CardRecords(database, place, export_id, recorded.output_path)
        on_card = records.read()
        own = on_card.join(sources, on=["path", "manifest_path"], how="semi")
        same_source = on_card.join(sources, on=["path", "source_path"], how="semi")
        known = dict(pl.concat([own, same_source]).select("path", "file_hash").iter_rows())
        plan = card_copy.plan_copy(
            place, wanted_files(recorded), KnownFiles(known, may_rename=False, find_ours=records.find_ours), verify=False
        )
        progress.expect(len(plan.to_write), "copy")
        records.add([file for file in plan.unchanged if known.get(file.path) != file.file_hash], [])
        card_copy.check_room(place, plan)
        if plan.to_write:
            records.begin_run()

        def note(files: list[WantedFile], vacated: list[str]) -> None:
            records.add(files, vacated)
            for _ in files:
                progress.advance()
            if progress.stopped.is_set():
                raise StoppedError

        done = card_copy.copy_files(place, plan, note)
        records.end_run()
    return copy_result(records, place, plan, done, stale=[], removed=0)
