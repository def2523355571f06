"""Read M3U playlists: every line that is not blank and no comment is the path of a sample."""

import re
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ManifestError
from schemas.manifest import Reject
from tasks.fs.mojibake import without_marks
from tasks.manifest.readers.rekordbox import reject_stream
from tasks.manifest.readers.source_table import WHITE_SPACE, Cells, SourceTable, cut_chunks
from tasks.manifest.readers.text_encoding import encoding_notes, to_utf8

MARK = "#EXTM3U"
_FIX = "Save the playlist as M3U8, which is UTF-8."
_LINE_END = re.compile("\r\n|\r|\n")
# Seconds, attributes whose values may hold commas, a comma, the title.
_INFO = re.compile(r'(?i)#EXTINF:[^,"]*(?:"[^"]*"[^,"]*)*,(?P<title>.*)')
_URL = re.compile(r"(?i)(?!file:)[a-z][a-z0-9+.-]+://")
# What else has such an extension now and then, by how its first line begins.
_OTHER_KINDS = (
    (re.compile(r"(?i)\s*\[playlist\]"), "is a PLS playlist, not M3U", "Save it as M3U8 in the program that wrote it."),
    (re.compile(r"\s*<"), "is XML, not an M3U playlist", "Give it the extension .xml."),
    (re.compile(r'(?i)\s*"?file_path"?\s*[,;\t]'), "is a table, not an M3U playlist", "Give it the extension .csv."),
)


def open_m3u(path: str) -> SourceTable:
    """Read a playlist; titles are those of its ``#EXTINF`` lines.

    Raises:
        ManifestError: It is not text, or another kind of list.
    """
    data, encoding = to_utf8(path, Path(path).read_bytes(), _FIX)
    text = without_marks(data.decode())
    for pattern, what, fix in _OTHER_KINDS:
        if pattern.match(text):
            raise ManifestError(path=path, what=what, fix=fix)
    notes = encoding_notes(encoding)
    if _INFO.search(text):
        notes = (*notes, "titles are read from the #EXTINF lines")
    return SourceTable(cut_chunks(_rows(text), ["file_path", "title"]), notes=notes)


def _rows(text: str) -> Iterator[tuple[int, Cells | Reject]]:
    title = None
    for number, line in enumerate(_LINE_END.split(text), 1):
        place = line.strip(WHITE_SPACE)
        if place.startswith("#"):
            if info := _INFO.match(place):
                title = info["title"]
        elif place:
            yield number, reject_stream(number, place) if _URL.match(place) else [place, title]
            title = None
