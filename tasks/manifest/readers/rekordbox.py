"""Read the XML that rekordbox exports: every track of its collection is a row."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from schemas.manifest import COLUMNS, Reject
from tasks.manifest.readers.kit_rows import count_noun
from tasks.manifest.readers.plain_xml import create_parser, xml_errors
from tasks.manifest.readers.source_table import SHOWN_CHARS, Cells, SourceTable, cut_chunks

# By it the file is told from other XML.
ROOT = b"<DJ_PLAYLISTS"
_COLUMN_OF = {
    "Location": "file_path",
    "Name": "title",
    "Genre": "genre",
    "AverageBpm": "bpm",
    "Tonality": "musical_key",
}
_NOTE = "read from rekordbox: " + ", ".join(f"{column} from {key}" for key, column in _COLUMN_OF.items())
# The place of a track that is only in the network: file://localhost/soundcloud:tracks:1. A drive has one letter.
_STREAM = re.compile(r"(?i)(?:file://(?:localhost)?/*)?(?!file:)[a-z][a-z0-9+.-]+:")
_Track = tuple[int, dict[str, str]]


def open_rekordbox(path: str) -> SourceTable:
    """Read the tracks of a collection. Playlists are not read.

    Raises:
        ManifestError: It is not valid XML, or declares a document type.
    """
    with open(path, "rb") as file:
        tracks, playlists = _read_tracks(path, file)
    notes = [_NOTE]
    if playlists:
        many = count_noun(playlists, "playlist is not read", "playlists are not read")
        notes.append(f"{many}: all tracks of the collection are")
    lines = [line for line, _ in tracks]
    if has_lines := len({*lines}) == len(lines):
        rows = _rows(tracks)
    else:
        rows = _rows([(number, cells) for number, (_, cells) in enumerate(tracks, 1)])
    word = "line" if has_lines else "row"
    return SourceTable(cut_chunks(rows, list(COLUMNS)), notes=tuple(notes), row_word=word)


def _read_tracks(path: str, file: BinaryIO) -> tuple[list[_Track], int]:
    """Return the line and the cells of each track of the collection, and the number of playlists."""
    parser = create_parser(path, "rekordbox")
    tracks: list[_Track] = []
    playlists = 0
    is_collection = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal is_collection, playlists
        if name == "COLLECTION":
            is_collection = True
        elif name == "TRACK" and is_collection:
            cells = {column: attributes.get(key, "") for key, column in _COLUMN_OF.items()}
            tracks.append((parser.CurrentLineNumber, cells))
        elif name == "NODE":
            playlists += attributes.get("Type") == "1"

    def end(name: str) -> None:
        nonlocal is_collection
        is_collection = is_collection and name != "COLLECTION"

    parser.StartElementHandler, parser.EndElementHandler = start, end
    with xml_errors(path, "Export it again in rekordbox: File > Export Collection in xml format."):
        parser.ParseFile(file)
    return tracks, playlists


def _rows(tracks: list[_Track]) -> Iterator[tuple[int, Cells | Reject]]:
    for line, cells in tracks:
        place = cells["file_path"]
        if _STREAM.match(place):
            yield line, reject_stream(line, place)
        else:
            yield line, [cells.get(name) for name in COLUMNS]


def reject_stream(line: int, place: str) -> Reject:
    """Return the reject of a row whose sound is in the network."""
    return Reject(line, "file_path", place[:SHOWN_CHARS], "is not a file but in the network", "Download it, or remove the row.")
