"""Find genres as folders, tags and file names spell them. A vendor's name is not a genre, nor is a thing of that name."""

import re
from dataclasses import dataclass
from functools import lru_cache

from schemas.instruments import split_camel_case
from schemas.scan_values import Guess
from tasks.scan.name_parser import normalize

_SEGMENTS = re.compile(r"\s-\s|_-_|[()\[\]{}/,;|]")
# Between the genres of a tag.
_SEVERAL = re.compile(r"[;,/|]")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_MOST_WORDS = 5


def _tokens(text: str) -> list[str]:
    text = split_camel_case(normalize(text)).lower().replace("&", " and ").replace("+", " and ")
    return _TOKEN.findall(text)


def _spelling(text: str) -> str:
    return "".join(_tokens(text))


@dataclass(frozen=True, eq=False)
class GenreVocabulary:
    """The spellings of ``config/genres.toml``, in lower case and without gaps.

    Attributes:
        genres: Each spelling, and the genre that it stands for.
        everyday: Spellings of genres that are everyday words, too.
        neutral: Words that may stand beside a genre.
        vendors: Names of vendors that contain a genre's.
        things: Words for sounds: in or below a folder of them an everyday word is not a genre.
    """

    genres: dict[str, str]
    everyday: frozenset[str]
    neutral: frozenset[str]
    vendors: frozenset[str]
    things: frozenset[str]

    @classmethod
    def build(cls, genres: dict[str, list[str]], lists: dict[str, list[str]]) -> "GenreVocabulary":
        """Build the vocabulary of the genres with their other spellings, and of the lists of words by name."""
        spelt = {_spelling(text): genre for genre, texts in genres.items() for text in [genre, *texts] if texts}
        names = ("everyday", "neutral", "vendors", "things")
        return cls(spelt, *(frozenset(_spelling(text) for text in lists.get(name, ())) for name in names))

    def genre_of(self, text: str) -> str:
        """Return the genre that a text as a whole is a spelling of; "" where it is of none."""
        return self.genres.get(_spelling(text), "")

    def guess_from_tag(self, text: str) -> Guess | None:
        """Guess the genre of a file's tag: the first that it names, among several, of those that are known."""
        parts = (text, *_SEVERAL.split(text)) if text else ()
        genres = filter(None, (self.genres.get(_spelling(part)) for part in parts))
        # Number 0 of ID3, which programs write where nobody chose a genre.
        guesses = [Guess(genre, "tag", 0.5 if genre == "blues" else 0.8) for genre in genres]
        return max(guesses, key=lambda guess: guess.confidence, default=None)

    def guess_from_name(self, stem: str) -> Guess | None:
        """Guess the only genre that a file's name holds, by a word that means nothing else."""
        matches, _ = self._match(_tokens(stem))
        genres = {genre for genre, everyday in matches if not everyday}
        return Guess(genres.pop(), "name", 0.65) if len(genres) == 1 and len(matches) == 1 else None

    def guess_from_folders(self, folders: list[str]) -> Guess | None:
        """Guess the genre by the nearest folder that names one. ``folders``: the nearest first."""
        return _guess_from_folders(self, tuple(folders))

    def guess_from_folder(self, folder: str, among_things: bool) -> Guess | None:
        """Guess the genre that one folder names."""
        confidences: dict[str, float] = {}
        for segment in _SEGMENTS.split(folder):
            matches, alone = self._match(_tokens(segment))
            if len({genre for genre, _ in matches}) > 1:
                return None
            for genre, everyday in matches:
                if not everyday or (alone and not among_things):
                    confidences[genre] = max(confidences.get(genre, 0), 0.85 if alone else 0.7)
        if len(confidences) != 1:
            return None
        genre, confidence = confidences.popitem()
        return Guess(genre, "folder", confidence)

    def has_things(self, folder: str) -> bool:
        """Return whether a folder's name has a word for sounds."""
        tokens = _tokens(folder)
        return any("".join(tokens[at : at + size]) in self.things for at in range(len(tokens)) for size in (1, 2))

    def _match(self, tokens: list[str]) -> tuple[list[tuple[str, bool]], bool]:
        """Find the genres among the tokens; the longest spelling counts.

        Returns:
            Each genre with whether its spelling is an everyday word; and whether all other tokens are neutral.
        """
        matches, alone, at = [], True, 0
        while at < len(tokens):
            for size in range(min(_MOST_WORDS, len(tokens) - at), 0, -1):
                spelling = "".join(tokens[at : at + size])
                if spelling in self.vendors:
                    at += size
                    break
                if spelling in self.genres:
                    matches.append((self.genres[spelling], spelling in self.everyday))
                    at += size
                    break
            else:
                alone &= tokens[at] in self.neutral or tokens[at].isdigit()
                at += 1
        return matches, alone


# All files of a folder ask for the same.
@lru_cache(1024)
def _guess_from_folders(vocabulary: GenreVocabulary, folders: tuple[str, ...]) -> Guess | None:
    among_things = any(vocabulary.has_things(folder) for folder in folders)
    return next(filter(None, (vocabulary.guess_from_folder(folder, among_things) for folder in folders)), None)
