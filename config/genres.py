"""The vocabulary of genres: the built-in one, changed and extended by a ``genres.toml`` of one's own."""

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from config.settings import CONFIG_FOLDER
from schemas.errors import RequestError

_NAME = "genres.toml"
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Genres(BaseModel):
    """The contents of ``genres.toml``.

    Attributes:
        genres: The spellings of each genre, by its name.
        words_in_names: Lists of words that say something in file and folder names, by the list's name; the file explains them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    genres: dict[_Text, list[_Text]] = {}
    words_in_names: dict[_Text, list[_Text]] = {}


def load(environment: Mapping[str, str] | None = None) -> Genres:
    """Return the built-in vocabulary, with the genres and words of ``genres.toml`` in the config folder.

    A genre of one's own replaces the built-in one of its name; lists of words are extended.

    Args:
        environment: The environment variables, for the config folder; None: those of this process.

    Raises:
        RequestError: The file of one's own cannot be read, or is not valid.
    """
    environment = os.environ if environment is None else environment
    shipped = resources.files(__package__) / _NAME
    built_in = Genres.model_validate(tomllib.loads(shipped.read_text(encoding="utf-8")))
    own_file = Path(environment.get(CONFIG_FOLDER) or "config") / _NAME
    with resources.as_file(shipped) as its_file:
        if not own_file.is_file() or own_file.samefile(its_file):
            return built_in
    try:
        own = Genres.model_validate(tomllib.loads(own_file.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        why = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise RequestError(what=f"{own_file} is not valid: {why}", fix="Correct or move the file.") from error
    lists = {
        name: [*built_in.words_in_names.get(name, ()), *own.words_in_names.get(name, ())]
        for name in {**built_in.words_in_names, **own.words_in_names}
    }
    others = {name: spellings for name, spellings in built_in.genres.items() if name not in own.genres}
    return Genres(genres=others | own.genres, words_in_names=lists)  # one's own come last, so that their spellings count
