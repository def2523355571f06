"""The mark on a card, a hidden file at its root: which card this is, and the number of the last run that wrote to it.

The next computer may mount the card elsewhere, so it is known by its id, which is the first line. A card can also be cloned,
or restored from an image: then two cards have one id. So each run that writes to a card raises the number of the mark; where
it is not the number that the records know, they may not describe this card.
"""

import errno
import os
import re
import secrets
from dataclasses import dataclass, replace

from schemas.errors import CardError
from tasks.bundle.card import MARK_FILE, Card, translate_error
from tasks.fs.atomic import create_exclusively, part_name, remove, sync_file_system, write_all

# Of one length, so that it can also be written in place. Versions before the number read the first line alone.
_TEXT = "{id}\nsp404-export knows this card by the number above, and what is on it by that of the last run:\nrun {run:019d}\n"
_ID = re.compile(r"\A[0-9a-f]{32}(?=\n)")
_RUN = re.compile(r"^run 0*(\d{1,18})$", re.MULTILINE)
# The step is random: two computers that each write to a clone of one card must not arrive at one number.
_LARGEST_STEP = 1 << 32


@dataclass(frozen=True)
class CardMark:
    """The id of a card, and the number of the last run that wrote to it; None where an older version made the mark."""

    id: str
    run: int | None


def read_mark(root: str) -> CardMark | None:
    """Return the mark of a card; None if it has none that can be read."""
    try:
        with open(os.path.join(root, MARK_FILE), encoding="ascii") as file:
            text = file.read(1000)
    except (OSError, UnicodeDecodeError):
        return None
    card_id, run = _ID.match(text), _RUN.search(text)
    return CardMark(card_id[0], int(run[1]) if run else None) if card_id else None


def ensure_mark(card: Card) -> CardMark:
    """Return the mark of a card; a new card is given one.

    Raises:
        CardError: The file of the mark is not ours.
        SurroundingsError: It cannot be written, or the card was pulled.
    """
    card.check_there()
    mark = read_mark(card.root)
    if mark:
        return mark
    path = os.path.join(card.root, MARK_FILE)
    if os.path.lexists(path):
        raise CardError(path=path, what="is not what sp404-export wrote", fix="Move it away if you do not need it.")
    mark = CardMark(secrets.token_hex(16), 1 + secrets.randbelow(_LARGEST_STEP))
    _write(card, mark)
    return mark


def raise_run(card: Card, mark: CardMark, known: int | None) -> CardMark:
    """Give a card a number that is above its own and above the ``known`` one, and return its mark.

    Raises:
        SurroundingsError: It cannot be written, or the card was pulled.
    """
    raised = replace(mark, run=max(mark.run or 0, known or 0) + 1 + secrets.randbelow(_LARGEST_STEP))
    _write(card, raised)
    return raised


def _write(card: Card, mark: CardMark) -> None:
    """Replace the mark at once, and wait until it is on the card."""
    card.check_there()
    path = os.path.join(card.root, MARK_FILE)
    part = os.path.join(card.root, part_name(secrets.token_hex(4), 0))
    text = _TEXT.format(id=mark.id, run=mark.run).encode()
    try:
        try:
            with create_exclusively(part) as file:
                write_all(file, text)
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            remove(part)
            if error.errno != errno.ENOSPC or not os.path.isfile(path):
                raise
            _write_in_place(path, text, len(mark.id))
        sync_file_system(card.root)
    except OSError as error:
        raise translate_error(card.root, error) from error


def _write_in_place(path: str, text: bytes, start: int) -> None:
    """Write all of a mark but its id: a card that is full can still be pruned, and needs no new cluster for that."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(start)
        write_all(file, text[start:])
        file.truncate()
        os.fsync(file.fileno())
