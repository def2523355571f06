"""The table of names: what a careful person reads from each."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from config import genres
from schemas.scan_values import Guess, Header
from tasks.scan.genre_names import GenreVocabulary
from tasks.scan.infer import infer

KNOWN = genres.load({})
VOCABULARY = GenreVocabulary.build(KNOWN.genres, KNOWN.words_in_names)


class Row(NamedTuple):
    """``seconds``: None where the header does not tell; the other fields are "" where nothing can be told."""

    path: str
    seconds: float | None
    bpm: str
    key: str
    kind: str

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).name.rpartition(".")[0]

    @property
    def folders(self) -> list[str]:
        """The nearest first."""
        return list(reversed(PurePosixPath(self.path).parts[:-1]))

    @property
    def expected(self) -> dict[str, str]:
        kind = {"shot": "one-shot"}.get(self.kind, self.kind)
        return {"bpm": self.bpm, "musical_key": self.key, "kind": kind}


def rows() -> list[Row]:
    text = Path(__file__).with_name("scan_names.txt").read_text(encoding="utf-8")
    return [_row(line) for line in text.splitlines() if line and not line.startswith("#")]


def _row(line: str) -> Row:
    path, seconds, *told = line.split(" | ")
    return Row(path, None if seconds == "-" else float(seconds), *("" if value == "-" else value for value in told))


def told(stem: str, folders: list[str] | None = None, seconds: float | None = None) -> dict[str, Guess]:
    """What is inferred of a file whose header says no more than its length."""
    return infer(Header(seconds=seconds), stem, folders or [], VOCABULARY)


class InstrumentRow(NamedTuple):
    """``tags`` and ``kind``: "" where the cell has to be empty, None where nobody judged it."""

    path: str
    seconds: float | None
    tags: str | None
    kind: str | None

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).name.rpartition(".")[0]

    def told(self) -> dict[str, str]:
        *folders, name = self.path.split("/")
        found = told(name.rpartition(".")[0], list(reversed(folders)), self.seconds)
        return {column: found[column].value if column in found else "" for column in ("tags", "kind")}


def instrument_rows() -> list[InstrumentRow]:
    text = Path(__file__).with_name("instrument_names.txt").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            tags, kind, seconds, names = line.split(" | ", 3)
            judged = [{"-": "", "?": None}.get(value, value) for value in (tags, kind)]
            length = None if seconds == "-" else float(seconds)
            found += [InstrumentRow(name.strip(), length, *judged) for name in names.split(";")]
    return found
