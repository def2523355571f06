"""Explain a word: the headings of the troubleshooting page, the glossary, the settings, and the sections of the manual."""

import posixpath
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from config.settings import Settings
from schemas.manifest import ROW_RULES, SET_RULES

_TROUBLES = "usage/troubleshooting.md"
# Errors, and lists of all commands and settings: they are explained one by one.
_NO_MANUAL = (_TROUBLES, "usage/commands.md", "usage/settings.md")
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
# To another of our pages.
_LINK = re.compile(r"\[([^\]]+)\]\(([^):]+\.md)(?:#[^)]*)?\)")
_EMPHASIS = re.compile(r"(\*{1,2})([^*]+)\1")
_ROW = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \|$", re.MULTILINE)
# What differs from case to case in a message, as in docs and as printed.
_FACT = re.compile(r"`[^`]*`|[^a-z ]")


class Explanation(NamedTuple):
    """Explanation of a word."""

    title: str
    text: str


def documents() -> Path:
    """Return the folder of the documents: in the wheel, or in a copy of the repository."""
    packed = Path(str(resources.files("flows"))) / "documents"
    return packed if packed.is_dir() else packed.parents[1] / "docs"


def explain(words: str) -> list[Explanation]:
    """Return what the documents say of a word, of a reason of the records, or of a message as it was printed.

    A reason comes first, then the word of the glossary, rules of the manifest, headings of the troubleshooting page that have
    it, and settings. Where none is about it, the sections of the manual whose headings have it, then what mentions it; empty
    where nothing is known.
    """
    wanted = words.strip().casefold()
    if not wanted:
        return []
    (reasons, troubles), (words_found, near) = _troubles(wanted), _glossary(wanted)
    about = [*reasons, *words_found, *_rules(wanted), *troubles, *near, *(named := _settings(wanted))]
    if named and about == named:
        about = [*_troubles_of(named[0].title.split()[-1]), *named]
    return about or _sections(wanted) or _mentions(wanted)


def headings() -> Iterator[Explanation]:
    """Yield the headings of the troubleshooting page, each with what stands below it."""
    yield from _split(documents() / _TROUBLES)


def _split(page: Path) -> Iterator[Explanation]:
    parts = _HEADING.split(page.read_text(encoding="utf-8"))
    yield from (Explanation(title, body.strip()) for title, body in zip(parts[1::2], parts[2::2], strict=True))


def known_words() -> list[str]:
    """Return the words that can be explained: reasons, words of the glossary, settings."""
    reasons = [word for entry in headings() for word in re.findall(r"`([a-z_]+)`", entry.text.splitlines()[0])]
    return sorted({*reasons, *(entry.title for entry in _rows()), *Settings.model_fields})


def _troubles(wanted: str) -> tuple[list[Explanation], list[Explanation]]:
    """Return the errors of this reason, and if there is none, those whose headings have the word."""
    entries = list(headings())
    reason = wanted.replace(" ", "_").replace("-", "_")
    exact = [entry for entry in entries if f"`{reason}`" in entry.text.splitlines()[0]]
    return exact, [] if exact else [entry for entry in entries if _is_about(entry, wanted)]


def _rules(wanted: str) -> list[Explanation]:
    """Return the rules of a manifest whose text is in the message, or has the message in it."""
    found: dict[str, Explanation] = {}
    for rule in (*SET_RULES, *ROW_RULES):
        text = f"{rule.column} {rule.text}"
        if rule.text.casefold() in wanted or (" " in wanted and wanted in text.casefold()):
            found.setdefault(rule.text, Explanation(f"A row is rejected: {text}", rule.fix))
    return list(found.values())


def _sections(wanted: str) -> list[Explanation]:
    """Return the sections of the manual's pages whose headings have the word; not those that other answers are made of."""
    word = re.compile(rf"\b{re.escape(wanted)}\b", re.IGNORECASE)
    pages = [page for page in sorted((documents() / "usage").glob("*.md")) if f"usage/{page.name}" not in _NO_MANUAL]
    return [
        Explanation(f"{entry.title} (docs/usage/{page.name})", _EMPHASIS.sub(r"\2", _LINK.sub(_name_page, entry.text)))
        for page in pages
        for entry in _split(page)
        if word.search(entry.title)
    ]


def _name_page(link: re.Match[str]) -> str:
    return f"{link[1]} ({posixpath.normpath(f'docs/usage/{link[2]}')})"


def _mentions(wanted: str) -> list[Explanation]:
    """Return what has the word in its text alone: of errors and words, else the paragraphs of all pages."""
    word = re.compile(rf"\b{re.escape(wanted)}\b", re.IGNORECASE)
    found = [entry for entry in (*headings(), *_rows()) if word.search(entry.text)]
    if found:
        return found
    paragraphs = [
        (match.start(), Explanation(f"docs/usage/{page.name}", paragraph.strip()))
        for page in sorted((documents() / "usage").glob("*.md"))
        for paragraph in page.read_text(encoding="utf-8").split("\n\n")
        if (match := word.search(paragraph))
    ]
    return [entry for _, entry in sorted(paragraphs, key=lambda found: found[0])]  # what begins with it is about it


def _is_about(entry: Explanation, wanted: str) -> bool:
    """Return whether the heading has the word in it, or is the beginning of the message that was pasted."""
    title = entry.title.casefold()
    pasted = _plain(wanted)
    pieces = list(filter(None, map(_plain, title.split("..."))))
    is_pasted = len(" ".join(pieces).split()) > 1 and re.search(".*".join(map(re.escape, pieces)), pasted) is not None
    return is_pasted or re.search(rf"\b{re.escape(wanted)}\b", title) is not None


def _plain(message: str) -> str:
    """Return the words of a message alone, without what differs from case to case."""
    return " ".join(_FACT.sub(" ", message).split())


def _rows() -> list[Explanation]:
    text = (documents() / "glossary.md").read_text(encoding="utf-8")
    return [Explanation(word, meaning) for word, meaning in _ROW.findall(text) if word != "word"]


def _glossary(wanted: str) -> tuple[list[Explanation], list[Explanation]]:
    """Return the word itself, and if there is none, those that have it in them."""
    words = set(wanted.split())
    exact = [entry for entry in _rows() if entry.title.casefold() == wanted]
    return exact, [] if exact else [entry for entry in _rows() if words <= set(entry.title.casefold().split())]


def _troubles_of(setting: str) -> list[Explanation]:
    """Return the errors that a setting of the sound mends."""
    return [entry for entry in headings() if re.search(rf"--sound {re.escape(setting)}=", entry.text)]


def _settings(wanted: str) -> list[Explanation]:
    name = wanted.removeprefix("sp404_").replace("-", "_")
    field = Settings.model_fields.get(name)
    if not field:
        return []
    how = f"Set it as {name} in config/*.toml of the folder where you run sp404, or as SP404_{name.upper()}."
    return [Explanation(f"the setting {name}", f"{str(field.description).rstrip('.')}. {how}")]
