"""Texts of tags, in whatever encoding programs wrote them."""

import unicodedata

import pytest

from tasks.audio.tags.tag_text import clean_text, decode_bytes, decode_utf16, field_of, split_texts


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Cafe", "Cafe"),
        ("Café".encode(), "Café"),
        ("\ufeffCafé".encode(), "Café"),
        ("Café".encode("latin-1"), "Café"),
        (b"Don\x92t \x93stop\x94 \x80", "Don\u2019t \u201cstop\u201d \u20ac"),  # Windows-1252, where Latin-1 has control codes
        ("Füße — Ž".encode("cp1252"), "Füße — Ž"),
        (b"\x81\x8d", ""),  # neither
        (b"", ""),
    ],
)
def test_utf8_else_windows_1252_else_nothing(data: bytes, text: str) -> None:
    assert decode_bytes(data) == text


@pytest.mark.parametrize(
    ("data", "order", "text"),
    [
        (b"\xff\xfeA\0m\0", "be", "Am"),
        (b"\xfe\xff\0A\0m", "le", "Am"),
        (b"A\0m\0", "be", "Am"),
        (b"\0A\0m", "le", "Am"),
        ("日本".encode("utf-16-le"), "le", "日本"),
        ("日本".encode("utf-16-be"), "be", "日本"),
        (b"A\0m\0\0", "le", "Am"),  # half a character too many
        (b"\0\xdcA\0", "le", ""),  # half a pair
        (b"", "le", ""),
    ],
)
def test_utf16_with_and_without_a_byte_order_mark(data: bytes, order: str, text: str) -> None:
    assert decode_utf16(data, order) == text


def test_texts_end_with_zeros() -> None:
    assert split_texts(b"House\0Techno") == ["House", "Techno"]
    assert split_texts(b"\xff\xfe" + "House\0Techno".encode("utf-16-le")) == ["House", "Techno"]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Dusty\r\n\tKeys ", "Dusty Keys"),
        ("A\x07B", "A B"),
        (unicodedata.normalize("NFD", "Café Köln"), "Café Köln"),
        ("Caf\ufffd Noir", ""),
        ("Caf\ud8ff", ""),
        ("x" * 999, "x" * 200),
    ],
)
def test_cells_have_one_line_composed_accents_and_no_lost_letters(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_names_of_fields_have_no_case() -> None:
    assert [field_of(name) for name in ("BPM", "Tempo", "InitialKey", "initial key", "TITLE", "artist")] == [
        "bpm", "bpm", "musical_key", "musical_key", "title", "",
    ]  # fmt: skip
