"""Routes for the cards that are plugged into the server: what is on them, exports put on them, files removed from them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from flows.api.access import SESSION_PATH
from flows.api.dependencies import CardId, Cards, reject_repeated_parameters
from flows.api.openapi import ACCEPTED, describe_problems
from flows.api.page_routes import respond_later
from schemas.api import Work
from schemas.card_api import (
    CardContents,
    CardFilter,
    CardFlushed,
    CardOrder,
    CardPruneOrder,
    CardRemovals,
    LastCard,
    MountedCard,
)
from schemas.enums import CardRemovable

card_router = APIRouter(prefix=SESSION_PATH.removesuffix("/session"), dependencies=[Depends(reject_repeated_parameters)])


@card_router.get("/cards", tags=["cards"], responses=describe_problems())
def list_cards(cards: Cards) -> list[MountedCard]:
    """List the cards that are plugged in, and the one that was written last, wherever it is, as long as it is there."""
    return cards.list()


@card_router.get("/cards/last", tags=["cards"], responses=describe_problems())
def last_card(cards: Cards) -> LastCard | None:
    """Say where the card was that was written last, and whether it is there. Null where none was written yet."""
    return cards.last()


@card_router.get("/cards/{card_id}", tags=["cards"], responses=describe_problems(404))
def card_contents(cards: Cards, card_id: CardId, wanted: Annotated[CardFilter, Query()]) -> CardContents:
    """Say what is on a card, from which exports and samples, and what is missing, changed or stale. Nothing is written."""
    return cards.contents(card_id, wanted)


@card_router.post(
    "/cards/{card_id}/put",
    tags=["cards"],
    status_code=HTTPStatus.ACCEPTED,
    response_model=Work,
    responses=describe_problems(404, 409, 410) | ACCEPTED,
)
def put_on_card(cards: Cards, card_id: CardId, wanted: CardOrder) -> JSONResponse:
    """Put the files of an export on a card, as a job. Files that are there already stay as they are."""
    return respond_later(cards.put(card_id, wanted))


@card_router.get("/cards/{card_id}/prune", tags=["cards"], responses=describe_problems(404))
def plan_card_prune(cards: Cards, card_id: CardId, what: CardRemovable = CardRemovable.STALE) -> CardRemovals:
    """Say what a prune would remove from a card now. Nothing is written."""
    return cards.plan_prune(card_id, what)


@card_router.post(
    "/cards/{card_id}/prune",
    tags=["cards"],
    status_code=HTTPStatus.ACCEPTED,
    response_model=Work,
    responses=describe_problems(404) | ACCEPTED,
)
def prune_card(cards: Cards, card_id: CardId, wanted: CardPruneOrder) -> JSONResponse:
    """Remove the files of a plan from a card, as a job. If by now they would be others, none is removed."""
    return respond_later(cards.prune(card_id, wanted))


@card_router.post("/cards/{card_id}/flush", tags=["cards"], responses=describe_problems(404, 409))
def flush_card(cards: Cards, card_id: CardId) -> CardFlushed:
    """Write what the system still holds back to a card: then it can be taken out."""
    return cards.flush(card_id)
