"""Decode delimited text: UTF-8, UTF-16 with a byte order mark, and Windows-1252 where nothing else fits."""

import codecs
import re
from pathlib import Path

from schemas.errors import ManifestError
from tasks.fs.mojibake import without_marks
from tasks.manifest.readers.source_table import HEAD_BYTES, SAVE_AS_UTF8, check_is_not_binary, not_utf8_error

UTF_8, WINDOWS_1252 = "UTF-8", "Windows-1252"
_BIG_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_SMALL_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_LOWER, _UPPER = "ß-öø-ÿœšž", "À-ÖØ-ÞŒŠŽŸ"
_LETTER = f"A-Za-z{_LOWER}{_UPPER}"
# Whether a text that was decoded by a wrong table looks like it: `CafŽ` is a Mac's `Café`, and `Áàñ` is Cyrillic.
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_CAPITAL_INSIDE = f"[a-z{_LOWER}][{_UPPER}]"
_FOREIGN_WORD = f"(?<![{_LETTER}])[{_LOWER}{_UPPER}]{{2,}}(?![{_LETTER}])"
# Punctuation of Western texts may touch a letter: after it, before it, and between two of them.
_AFTER, _BEFORE, _BETWEEN = "\u2019\u2018”“…™®©°»\u2013—²³ºª·", "\u2018\u2019“”«\u2013—¡¿©§#£€", "\u2019\u2013—·"
_SIGN_INSIDE = f"[{_LETTER}](?![{_LETTER}{_BETWEEN}])[^\\x00-\\x7f][{_LETTER}]"
_SIGN_AFTER = f"[{_LETTER}](?![{_LETTER}{_AFTER}])[^\\x00-\\x7f]"
_SIGN_BEFORE = f"(?![{_LETTER}{_BEFORE}])[^\\x00-\\x7f][{_LETTER}]"
_ODD_IN_WINDOWS = re.compile("|".join([_CONTROLS, _CAPITAL_INSIDE, _FOREIGN_WORD, _SIGN_INSIDE, _SIGN_AFTER, _SIGN_BEFORE]))
# Of Mac OS Roman only words with accents count: a sign at a letter, or a lone accented letter, is not how it is used.
_LONE_LETTER = f"(?<![{_LETTER}])(?![àèéó])[{_LOWER}{_UPPER}](?![{_LETTER}])"
_ODD_IN_MAC = re.compile(
    "|".join([_CAPITAL_INSIDE, _FOREIGN_WORD, _LONE_LETTER, f"[{_LETTER}](?![{_LETTER}])[^\\x00-\\x7f]"])
    + f"|(?![{_LETTER}])[^\\x00-\\x7f][{_LETTER}]"
)


def to_utf8(path: str, data: bytes, fix: str = SAVE_AS_UTF8) -> tuple[bytes, str]:
    """Return a text file's bytes as UTF-8, and the name of the encoding that they had.

    Args:
        path: The file, for errors.
        data: All of it.
        fix: What to do where the encoding is another.

    Raises:
        ManifestError: It is binary, in UTF-32, broken, or in an encoding that is not certain.
    """
    check_is_not_binary(path, data[:HEAD_BYTES])
    if data.startswith(_BIG_MARKS):
        raise ManifestError(path=path, what="is UTF-32 text, not UTF-8 or UTF-16", fix=fix)
    if encoding := _SMALL_MARKS.get(data[:2]):
        try:
            return data[2:].decode(encoding).encode(), "UTF-16"
        except UnicodeDecodeError as error:
            raise ManifestError(path=path, what=f"is damaged UTF-16 text: {error.reason}", fix=fix) from error
    if _is_utf8(data):
        return data, UTF_8
    if data.startswith(codecs.BOM_UTF8) or not is_windows_1252(data):
        raise not_utf8_error(path, fix)
    return data.decode("cp1252").encode(), WINDOWS_1252


def read_utf8_alone(path: str) -> str:
    """Return the text of a file that is UTF-8, so that it can be written again as it was.

    Raises:
        ManifestError: It is in another encoding.
    """
    data, encoding = to_utf8(path, Path(path).read_bytes())
    if encoding != UTF_8:
        raise ManifestError(path=path, what=f"is {encoding} text, and would be written as UTF-8", fix="Save it as UTF-8 first.")
    return without_marks(data.decode())


def encoding_notes(encoding: str) -> tuple[str, ...]:
    """Return the note of an encoding that was found out by the text itself."""
    return ("the text is not UTF-8, and is read as Windows-1252 (Western European)",) if encoding == WINDOWS_1252 else ()


def is_windows_1252(data: bytes) -> bool:
    """Return whether a text can be nothing but Windows-1252: every byte is a character of it, in a place where it is used.

    A text that reads as well in Mac OS Roman is not certain: what is a quote between letters here is `í` there.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _ODD_IN_WINDOWS.search(text):
        return False
    return bool(_ODD_IN_MAC.search(data.decode("mac_roman")))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
