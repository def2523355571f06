"""Genres as folders, tags and file names spell them. A vendor's name is no genre, and neither is a thing of its name."""

import re
from dataclasses import dataclass

from schemas.scan import Guess
from tasks.scan.name_parser import normal
from tasks.scan.vocabulary import camel_parted

_SEGMENTS = re.compile(r"\s-\s|_-_|[()\[\]{}/,;|]")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_MOST_WORDS = 5


def _tokens(text: str) -> list[str]:
    text = camel_parted(normal(text)).lower().replace("&", " and ").replace("+", " and ")
    return _TOKEN.findall(text)


def _spelling(text: str) -> str:
    return "".join(_tokens(text))


@dataclass(frozen=True)
class Vocabulary:
    """Spellings without gaps: ``genres`` to their genre; the others are the lists of genres.toml."""

    genres: dict[str, str]
    everyday: frozenset[str]
    neutral: frozenset[str]
    vendors: frozenset[str]
    things: frozenset[str]

    @classmethod
    def of(cls, genres: dict[str, list[str]], lists: dict[str, list[str]]) -> "Vocabulary":
        spelt = {_spelling(text): genre for genre, texts in genres.items() for text in [genre, *texts] if texts}
        names = ("everyday", "neutral", "vendors", "things")
        return cls(spelt, *(frozenset(_spelling(text) for text in lists.get(name, ())) for name in names))

    def of_tag(self, text: str) -> Guess | None:
        """The genre that a tag names, if it is known."""
        genre = self.genres.get(_spelling(text))
        # What ID3 calls number 0, which is what programs write that were told nothing.
        sure = 0.5 if genre == "blues" else 0.8
        return Guess(genre, "tag", sure) if genre else None

    def of_name(self, stem: str) -> Guess | None:
        """The only genre that a file's name holds, by a word that means nothing else."""
        found, _ = self._found(_tokens(stem))
        told = {genre for genre, everyday in found if not everyday}
        return Guess(told.pop(), "name", 0.65) if len(told) == 1 and len(found) == 1 else None

    def of_folders(self, folders: list[str]) -> Guess | None:
        """What the nearest folder says that says something. ``folders``: the nearest first."""
        among_things = any(self._has_things(folder) for folder in folders)
        for folder in folders:
            if guess := self._of_folder(folder, among_things):
                return guess
        return None

    def _of_folder(self, folder: str, among_things: bool) -> Guess | None:
        told: dict[str, float] = {}
        for segment in _SEGMENTS.split(folder):
            found, alone = self._found(_tokens(segment))
            if len({genre for genre, _ in found}) > 1:
                return None
            for genre, everyday in found:
                if not everyday or (alone and not among_things):
                    told[genre] = max(told.get(genre, 0), 0.85 if alone else 0.7)
        if len(told) != 1:
            return None
        genre, sure = told.popitem()
        return Guess(genre, "folder", sure)

    def _has_things(self, folder: str) -> bool:
        tokens = _tokens(folder)
        return any("".join(tokens[at : at + size]) in self.things for at in range(len(tokens)) for size in (1, 2))

    def _found(self, tokens: list[str]) -> tuple[list[tuple[str, bool]], bool]:
        """The genres among the tokens, each with whether its spelling is an everyday word; and whether all other tokens are
        neutral. The longest spelling counts.
        """
        found, alone, at = [], True, 0
        while at < len(tokens):
            for size in range(min(_MOST_WORDS, len(tokens) - at), 0, -1):
                spelling = "".join(tokens[at : at + size])
                if spelling in self.vendors:
                    at += size
                    break
                if spelling in self.genres:
                    found.append((self.genres[spelling], spelling in self.everyday))
                    at += size
                    break
            else:
                alone &= tokens[at] in self.neutral or tokens[at].isdigit()
                at += 1
        return found, alone
