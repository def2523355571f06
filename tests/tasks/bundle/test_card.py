"""A card's root is found, or it is said why not."""

from pathlib import Path

import pytest

from schemas.errors import CardError
from tasks.bundle import card


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which nothing is."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.mark.parametrize(
    ("made", "asked", "words"),
    [
        ([], "no", "is not there"),
        (["file.txt"], "file.txt", "is a file"),
        ([], "", "is empty"),
        (["System Volume Information/x", ".Trashes/y"], "", "is empty"),
        (["IMPORT/kick.wav"], "IMPORT", "--card {root}"),
        (["import/kick.wav"], "import", "not its root"),
        (["import/kick.wav"], "", "has import instead of a folder IMPORT"),
        (["EXPORT/PROJECT/x"], "EXPORT", "EXPORT folder"),
        (["BKUP/x"], "", "has BKUP/, but no IMPORT/"),
        (["ROLAND/IMPORT/x"], "", "IMPORT at the card's root"),
        (["PADCONF.BIN", "SMPL/x"], "", "a project or a backup"),
        (["IMPORT/x", "PADCONF.BIN"], "", "a project or a backup"),
        (["Documents/x", "Music/y"], "", "it has Documents, Music"),
    ],
)
def test_what_is_no_card_is_told_what_it_is(place: Path, made: list[str], asked: str, words: str) -> None:
    for path in made:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).touch()
    before = sorted(place.rglob("*"))
    with pytest.raises(CardError) as error:
        card.find_at(str(place / asked))
    assert words.format(root=place) in f"{error.value} {error.value.fix}"
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("made", "may"), [([], True), (["BKUP"], True), ([".Spotlight-V100"], True), (["Music"], False)])
def test_only_an_empty_card_or_one_of_the_device_is_initialized(place: Path, made: list[str], may: bool) -> None:
    for name in made:
        (place / name).mkdir()
    if may:
        assert card.find_at(str(place), initialize=True).root == str(place)
        assert (place / "IMPORT").is_dir()
    else:
        with pytest.raises(CardError, match="not a card"):
            card.find_at(str(place), initialize=True)
        assert not (place / "IMPORT").exists()
