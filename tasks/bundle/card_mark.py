"""The mark at a card's root (``tasks.fs.place_mark``): which card this is, and the number of the last run that wrote to it.

A card can be cloned, or restored from an image: then two have one id. So each run that writes to a card raises the number of
its mark; where it is not the number that the records know, they may not describe this card.
"""

import errno
import os

from schemas.errors import CardError
from tasks.bundle.card import Card, translate_error
from tasks.fs.atomic import sync_file_system
from tasks.fs.place_mark import MARK_FILE, PlaceMark, read_mark, write_mark, write_mark_in_place


def ensure_mark(card: Card) -> PlaceMark:
    """Return the mark of a card; a new card is given one.

    Raises:
        CardError: The file of the mark is not ours.
        SurroundingsError: It cannot be written, or the card was pulled.
    """
    card.check_there()
    mark = read_mark(card.root)
    if mark is None:
        mark = PlaceMark.new()
        _write(card, mark)
    return mark


def raise_run(card: Card, mark: PlaceMark, known: int) -> PlaceMark:
    """Give a card a number that is above its own and above the ``known`` one, and return its mark.

    Raises:
        SurroundingsError: It cannot be written, or the card was pulled.
    """
    raised = PlaceMark(mark.id, max(mark.run, known)).next_run()
    _write(card, raised)
    return raised


def _write(card: Card, mark: PlaceMark) -> None:
    """Write the mark, and wait until it is on the card. A card that is full can still be pruned: then no new file is made."""
    card.check_there()
    try:
        try:
            write_mark(card.root, mark)
        except FileExistsError as error:
            path = os.path.join(card.root, MARK_FILE)
            fix = "Move it away if you do not need it."
            raise CardError(path=path, what="is not what sp404-export wrote", fix=fix) from error
        except OSError as error:
            if error.errno != errno.ENOSPC or read_mark(card.root) is None:
                raise
            write_mark_in_place(card.root, mark)
        sync_file_system(card.root)
    except OSError as error:
        raise translate_error(card.root, error) from error
