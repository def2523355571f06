"""Recognize UTF-8 text that a program read in another encoding and saved so: `CafÃ©` for `Café`."""

from collections.abc import Iterator
from itertools import islice, product

_ROUNDS = 2
_MOST_PATHS = 64


def repair_path(path: str) -> Iterator[str]:
    """Yield what ``path`` may have been: each part of it alone, for those in front of it may be in order."""
    parts = [[part, *repair(part)] if not part.isascii() else [part] for part in path.split("/")]
    for repaired in islice(product(*parts), 1, _MOST_PATHS):
        yield "/".join(repaired)


def repair(text: str) -> list[str]:
    """Return what ``text`` may have been before UTF-8 was read as Windows-1252 or Mac Roman; empty where it was not."""
    found: list[str] = []
    candidates = [text]
    for _ in range(_ROUNDS):  # it may have happened twice
        candidates = [
            repaired
            for garbled in candidates
            for data in (_windows_bytes(garbled), _mac_bytes(garbled))
            if (repaired := _decode(data)) and repaired != garbled
        ]
        found += candidates
    return list(dict.fromkeys(found))


def _decode(data: bytes | None) -> str | None:
    try:
        return data.decode() if data is not None else None
    except UnicodeDecodeError:
        return None


def _windows_bytes(text: str) -> bytes | None:
    """Return the bytes that Windows-1252 shows as ``text``; it shows the five that it does not define as control characters."""
    data = bytearray()
    for character in text:
        try:
            data += character.encode("cp1252")
        except UnicodeEncodeError:
            if ord(character) > 0xFF:
                return None
            data.append(ord(character))
    return bytes(data)


def _mac_bytes(text: str) -> bytes | None:
    try:
        return text.encode("mac_roman")
    except UnicodeEncodeError:
        return None
