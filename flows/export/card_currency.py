"""Say what a card lacks of the libraries that were put on it: by the records alone, the card itself is not looked at.

What a selection (``--kit``, ``--sample``) put there on purpose does not make a card lack the rest (``card_currency.sql``).
"""

import os
import shlex

from pydantic import BaseModel, computed_field

from config.settings import Settings
from flows.export.repeat import export_command
from tasks.store import card_files
from tasks.store.database import Database
from tasks.store.run_folder import requests_folder


class CardLag(BaseModel):
    """Compare a card with a manifest in a layout and format: what it lacks of it, and what is no longer in it.

    Attributes:
        output_path: The output folder that it is compared with.
        export_id: The last export there of the whole manifest; 0 where none is known.
        is_whole: The whole manifest was put on the card, and not only a selection.
        missing: How many files of the output folder are not on the card; of a selection 0.
        older: How many are there in an older version.
        example: The path of one of those, below IMPORT.
        gone: How many files on the card are of samples that are no longer in the manifest, and ``gone_example`` one of them.
        command: The export that brings the card up to date; empty where it is not known.
    """

    manifest_path: str
    organized_by: str
    format: str
    output_path: str
    export_id: int
    is_whole: bool
    missing: int
    older: int
    example: str | None
    gone: int
    gone_example: str | None
    command: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def behind(self) -> int:
        """Return how many files the card lacks, or has in an older version."""
        return self.missing + self.older


class OldLayout(BaseModel):
    """A layout on a card in which a manifest was not exported since it was in another one.

    Attributes:
        export_id: The last export of the whole manifest in this layout and format.
        newest_export_id: The newest export of the whole manifest.
        more: How many samples that one has which the other has not, and ``fewer`` how many the other has alone.
        command: The export that brings the layout up to date.
    """

    manifest_path: str
    organized_by: str
    format: str
    export_id: int
    newest_export_id: int
    more: int
    fewer: int
    command: str = ""


def find_old_layouts(database: Database, card_id: str, root: str, settings: Settings) -> list[OldLayout]:
    """Return the layouts on a card that are of before the newest export of their manifest, each with its command.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    found = [OldLayout(**row) for row in card_files.layouts_behind(database, card_id)]
    return [
        old.model_copy(
            update={"command": to_card(export_command(database, old.export_id, old.manifest_path, settings, None), root)}
        )
        for old in found
    ]


def find_lags(database: Database, card_id: str, root: str, settings: Settings) -> list[CardLag]:
    """Return in what a card is behind the output folders, by manifest, layout and format, each with its command.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    lags = [CardLag(**row) for row in card_files.currency(database, card_id, None)]
    return [lag.model_copy(update={"command": _command(database, lag, root, settings)}) for lag in lags]


def count_behind(database: Database, card_id: str, manifest: str | None = None) -> tuple[int, int]:
    """Return how many files a card lacks, and how many it has in an older version; of one manifest, or of all.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    rows: list[dict[str, int]] = card_files.currency(database, card_id, manifest)
    return sum(row["missing"] for row in rows), sum(row["older"] for row in rows)


def _command(database: Database, lag: CardLag, root: str, settings: Settings) -> str:
    """Return the export that copies what the card lacks: of a selection and of what a REST client chose none is known."""
    is_choice = os.path.dirname(lag.manifest_path) == str(requests_folder(database))
    if is_choice or not (lag.is_whole and lag.behind):
        return ""
    return to_card(export_command(database, lag.export_id, lag.manifest_path, settings, lag.output_path), root)


def to_card(command: str | None, root: str) -> str:
    """Return an export's command with the card at ``root``; empty where there is no command."""
    return f"{command} --card {shlex.quote(root)}" if command else ""
