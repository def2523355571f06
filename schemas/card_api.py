"""Requests and answers of the REST API for cards that are plugged into the server."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.api import HIGHEST_ID, Id, check_number
from schemas.enums import CardRemovable


class CardComparison(StrEnum):
    """A way to compare the files on a card with the records."""

    SIZES = "sizes"
    BYTES = "bytes"


class CardFileState(StrEnum):
    """State of a recorded file on its card, compared with what was written."""

    THERE = "there"
    MISSING = "missing"
    CHANGED = "changed"


class CardSelection(StrEnum):
    """Files of a card to be listed; ``attention``: all that are missing, changed or stale."""

    ATTENTION = "attention"
    ALL = "all"
    THERE = "there"
    MISSING = "missing"
    CHANGED = "changed"
    STALE = "stale"


class MountedCard(BaseModel):
    """A card that is plugged in, or a folder that stands for one and was written last.

    ``id`` names it as long as it is there. ``card_id`` is that of its mark, as places of samples have it; null where nothing
    was exported to it. Without the folder IMPORT it is written to only where that is asked for.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "0123456789abcdef",
                "name": "SP-404MKII",
                "card_id": None,
                "has_import": True,
                "free_bytes": 12_000_000_000,
                "total_bytes": 16_000_000_000,
            }
        }
    )

    id: str
    name: str
    card_id: str | None
    has_import: bool
    free_bytes: int
    total_bytes: int


class LastCard(BaseModel):
    """The card that was written last: ``place`` is where it was, and ``is_there`` whether it is there now, by its mark."""

    model_config = ConfigDict(json_schema_extra={"example": {"place": "~/card", "is_there": False}})

    place: str
    is_there: bool


class CardOrder(BaseModel):
    """An export that is to be put on a card."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"export_id": 12}})

    export_id: Annotated[Id, BeforeValidator(check_number)]
    initialize: bool = Field(False, description="Make the folder IMPORT on an empty card.")


class CardFilter(BaseModel):
    """A way to compare a card with the records, and a choice of its files to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compare: CardComparison = Field(CardComparison.SIZES, description="`bytes` reads every file of ours on the card.")
    show: CardSelection = CardSelection.ATTENTION
    export_id: int | None = Field(None, ge=1, le=HIGHEST_ID, description="Only files of this export.")
    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000_000)


class CardCounts(BaseModel):
    """Counts of the recorded files that are there, missing or changed; ``stale`` ones are counted among these, too."""

    there: int
    missing: int
    changed: int
    stale: int


class CardEntry(BaseModel):
    """A file that should be on a card; ``path`` is below ``IMPORT/``.

    ``stale``: its output folder has another file by now, or none. ``sample_id`` and ``title`` are null where the sample is no
    longer in the records.
    """

    path: str
    state: CardFileState
    stale: bool
    bytes: int
    export_id: int
    source_path: str
    sample_id: int | None
    title: str | None


class CardExport(BaseModel):
    """The files of one export on a card; ``attention`` counts its files that are missing, changed or stale."""

    export_id: int
    manifest_path: str
    files: int
    bytes: int
    attention: int


class CardPaths(BaseModel):
    """The first hundred of ``total`` paths."""

    total: int
    paths: list[str]


class CardContents(BaseModel):
    """A card and what is on it, by the records.

    ``unknown``: files below ``IMPORT/`` that the records do not have. ``junk``: what Finder and Explorer left, below the card's
    root. ``busy``: what may be writing to the card, so that it must not be taken out; null if nothing is known to be. ``items``
    are those of the ``total`` files that were asked for.
    """

    card: MountedCard
    compared: CardComparison
    counts: CardCounts
    exports: list[CardExport]
    unknown: CardPaths
    junk: CardPaths
    busy: str | None
    total: int
    limit: int
    offset: int
    items: list[CardEntry]


class CardFlushed(BaseModel):
    """All that was written to the card is on it, and nothing is known to write to it: it can be taken out."""

    safe_to_remove: bool
    flushed_at: datetime


class CardRemovals(BaseModel):
    """Preview the removals from a card: ``files`` with ``bytes``, the first hundred of their ``paths``.

    ``plan`` stands for exactly these files. ``kept``: files that stay, because they are not what was written.
    """

    what: CardRemovable
    plan: str
    files: int
    bytes: int
    paths: list[str]
    kept: CardPaths


class CardPruneOrder(BaseModel):
    """Files to remove from a card: those of a ``plan`` that was shown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"what": "stale", "plan": "0123456789abcdef"}}
    )

    what: CardRemovable
    plan: str = Field(pattern=r"^[0-9a-f]{16}$")
