"""Decode the texts of tags, which are often not in the encoding that their format asks for, and know the fields by name."""

import codecs
import unicodedata
from contextlib import suppress

# What a decoder leaves where it did not understand: it says nothing, and must not reach a manifest.
REPLACEMENT = "\ufffd"
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_CHARACTERS = 200
# The names that taggers give to a field; FFmpeg carries those of ID3 and MP4 over to formats that have no such name.
NAMES = {
    "title": ("title",),
    "genre": ("genre",),
    "bpm": ("bpm", "tempo", "fbpm", "tbpm", "tmpo"),
    "musical_key": ("initial_key", "initialkey", "initial key", "key", "tkey"),
}
_FIELDS = {name: field for field, names in NAMES.items() for name in names}


def field_of(name: str) -> str:
    """Return the field of ``schemas.scan_values.Header`` that a tag of this name fills; "" if none."""
    return _FIELDS.get(name.lower(), "")


def decode_bytes(data: bytes) -> str:
    """Decode 8-bit text: UTF-8, else Windows-1252, which has all letters of Latin-1; "" where it is neither."""
    for encoding in ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    return ""


def decode_utf16(data: bytes, order: str = "le") -> str:
    """Decode UTF-16, also without a byte order mark; "" where it is not UTF-16.

    Args:
        data: Byte order marks are left out.
        order: What to take where neither a mark nor the zeros of Latin letters tell: ``le`` or ``be``.
    """
    data = data[: len(data) // 2 * 2]
    if data[:2] in _BOMS:
        order = "le" if data[:2] == codecs.BOM_UTF16_LE else "be"
    elif (left := data[::2].count(0)) != (right := data[1::2].count(0)):
        order = "be" if left > right else "le"
    try:
        return data.decode(f"utf-16-{order}").replace("\ufeff", "")
    except UnicodeDecodeError:
        return ""


def split_texts(data: bytes) -> list[str]:
    """Decode 8-bit texts with a zero behind each; or those in UTF-16, if they have a byte order mark."""
    if data[:2] in _BOMS:
        return decode_utf16(data).split("\0")
    return [decode_bytes(part) for part in data.split(b"\0")]


def clean_text(text: str) -> str:
    """Return a text on one line, composed (NFC); "" where a part of it is lost or no manifest can hold it."""
    if REPLACEMENT in text or any("\ud800" <= character <= "\udfff" for character in text):
        return ""
    shown = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text[: 2 * _MAX_CHARACTERS])
    return unicodedata.normalize("NFC", " ".join(shown.split()))[:_MAX_CHARACTERS].rstrip()
