"""Recognize UTF-8 text that a program read in another encoding and saved so: `CafÃ©` for `Café`."""

import re
from collections.abc import Iterator
from itertools import islice, product

_ROUNDS = 2
_MOST_PATHS = 64
_BYTE_ORDER_MARK = "\ufeff"


def _byte_order_marks() -> list[str]:
    """Return the byte order mark and what is left of it where programs read UTF-8 in their own encoding, also twice."""
    forms = [_BYTE_ORDER_MARK]
    for encoding in ("cp1252", "mac_roman", "cp850", "cp437"):
        garbled = _BYTE_ORDER_MARK.encode().decode(encoding)
        forms += [garbled, garbled.encode().decode(encoding, errors="ignore")]
    return forms


_MARKS = re.compile("(?:" + "|".join(_byte_order_marks()) + ")+")


def without_marks(text: str) -> str:
    """Return ``text`` without the byte order marks in front of it, whole or garbled (``ï»¿``)."""
    found = _MARKS.match(text)
    return text[found.end() :] if found else text


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
