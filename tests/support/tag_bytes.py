"""Tags packed by hand, from the texts of their standards."""

import struct

from tests.support.riff import chunk

BINARY = 2


def synchsafe(number: int) -> bytes:
    return bytes([number >> 21 & 127, number >> 14 & 127, number >> 7 & 127, number & 127])


def latin1(text: str) -> bytes:
    """The content of an ID3 text frame: its encoding, and the text in it."""
    return b"\0" + text.encode("latin-1")


def utf16(text: str) -> bytes:
    return b"\1\xff\xfe" + text.encode("utf-16-le")


def frame(name: bytes, content: bytes, version: int = 3, flags: int = 0) -> bytes:
    """A frame of ID3v2; ``flags``: the second byte of them."""
    if version == 2:
        return name + len(content).to_bytes(3, "big") + content
    length = synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name + length + bytes([0, flags]) + content


def id3(*frames: bytes, version: int = 3, flags: int = 0, padding: int = 0) -> bytes:
    body = b"".join(frames) + bytes(padding)
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body


def id3v1(title: bytes, genre: int = 255) -> bytes:
    return b"TAG" + title.ljust(30, b"\0") + bytes(94) + bytes([genre])


def info(*texts: tuple[bytes, bytes]) -> bytes:
    """A LIST chunk of INFO, the texts of which end with a zero."""
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name, text + b"\0") for name, text in texts))


def ape(*items: tuple[str, bytes], version: int = 2000, flags: int = 0, header: bool = False) -> bytes:
    """An APE tag with a footer, and with a header in front of it; ``flags``: of each item."""
    body = b"".join(struct.pack("<II", len(text), flags) + name.encode() + b"\0" + text for name, text in items)
    ends = [
        struct.pack("<8sIIII8x", b"APETAGEX", version, len(body) + 32, len(items), header << 31 | is_header << 29)
        for is_header in (True, False)
    ]
    return (ends[0] if header else b"") + body + ends[1]


def unpadded(name: bytes, data: bytes) -> bytes:
    """A chunk of odd length without the byte behind it."""
    assert len(data) % 2
    return struct.pack("<4sI", name, len(data)) + data


def mp4_atom(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, name) + body


def mp4_data(value: bytes, kind: int) -> bytes:
    return mp4_atom(b"data", struct.pack(">II", kind, 0) + value)


def mp4_freeform(name: str, value: bytes) -> bytes:
    mean = mp4_atom(b"mean", bytes(4) + b"com.apple.iTunes")
    return mp4_atom(b"----", mean, mp4_atom(b"name", bytes(4) + name.encode()), mp4_data(value, 1))


def vorbis_comment(*texts: bytes) -> bytes:
    vendor = b"by hand"
    entries = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(texts)) + entries
