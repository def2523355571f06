"""A card keeps its id, and gets a higher number with each run that writes to it."""

import errno
import re
from pathlib import Path

import pytest

from schemas.errors import CardError, DiskFullError
from tasks.bundle import card, card_mark
from tasks.fs import place_mark

# What versions before the number wrote, and how they read it.
OLD = "{}\nsp404-export knows this card by the number above.\n"
READ_BY_OLD = re.compile(r"\A[0-9a-f]{32}\n")


@pytest.fixture
def place(tmp_path: Path) -> card.Card:
    (tmp_path / "card/IMPORT").mkdir(parents=True)
    return card.find_at(str(tmp_path / "card"))


read_mark = place_mark.read_mark


def text(place: card.Card) -> str:
    return Path(place.root, ".sp404-export").read_text(encoding="ascii")


def test_a_card_keeps_its_id_while_its_number_rises(place: card.Card) -> None:
    first = card_mark.ensure_mark(place)
    assert card_mark.ensure_mark(place) == read_mark(place.root) == first
    second = card_mark.raise_run(place, first, 0)
    third = card_mark.raise_run(place, first, 10**15)
    assert read_mark(place.root) == third
    assert first.run < second.run < 10**15 < third.run
    assert len({first.id, second.id, third.id}) == 1
    found = READ_BY_OLD.match(text(place)[:100])
    assert found
    assert found[0].strip() == first.id
    # Two clones that are each written to do not arrive at one number.
    assert card_mark.raise_run(place, first, 0).run != second.run
    assert sorted(path.name for path in Path(place.root).iterdir()) == [".sp404-export", "IMPORT"]


@pytest.mark.parametrize("tail", ["", "run 7\n"])
def test_the_mark_of_an_older_version_has_no_number_until_a_run(place: card.Card, tail: str) -> None:
    Path(place.root, ".sp404-export").write_text(OLD.format("0123456789abcdef" * 2) + tail, encoding="ascii")
    mark = card_mark.ensure_mark(place)
    assert (mark.id, mark.run) == ("0123456789abcdef" * 2, 0)
    assert card_mark.raise_run(place, mark, 0) == read_mark(place.root)


def test_a_mark_that_is_not_ours_stays(place: card.Card) -> None:
    Path(place.root, ".sp404-export").write_text("somebody else's")
    assert read_mark(place.root) is None
    with pytest.raises(CardError, match="not what sp404-export wrote"):
        card_mark.ensure_mark(place)
    assert text(place) == "somebody else's"


def test_a_full_card_gets_its_number_in_place(place: card.Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place_mark, "create_exclusively", full)
        with pytest.raises(DiskFullError):
            card_mark.ensure_mark(place)
    Path(place.root, ".sp404-export").write_text(OLD.format("ab" * 16), encoding="ascii")
    mark = card_mark.ensure_mark(place)
    monkeypatch.setattr(place_mark, "create_exclusively", full)
    raised = card_mark.raise_run(place, card_mark.raise_run(place, mark, 0), 0)
    assert read_mark(place.root) == raised
    assert text(place).count("\n") == 3
