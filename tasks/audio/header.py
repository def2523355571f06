"""Read what a file says of itself without decoding it: its container, length, chunks and tags."""

import re
import struct
from os.path import splitext
from typing import Any

from blake3 import blake3

from schemas.errors import UnsupportedFormatError
from schemas.music import AUDIO_EXTENSIONS, UNCHOSEN_NOTE, parse_tempo
from schemas.scan_values import Header
from tasks.audio.decode import mpeg
from tasks.audio.decode.byte_range import ByteRange
from tasks.audio.decode.chunk_layout import ChunkLayout
from tasks.audio.decode.detect import find_sound, open_file
from tasks.audio.decode.riff_chunks import read_chunk_layout
from tasks.audio.decode.source import truncation_error
from tasks.audio.sampler_chunks import read_marks
from tasks.audio.tags.file_tags import read_facts

# Pictures, films and chance look like these, too: the extension has to agree.
_WEAK = frozenset(["mp3", "adts", "ac3", "mp4", "asf", "ogg"])
# Raise it when a release reads more, or otherwise, in a file: then files that a scan remembers are read again.
READER = 4
_PIECE_BYTES = 4096
_TEMPO = re.compile(rb"<TEMPO>\s*([0-9.,]{1,12})\s*</TEMPO>", re.IGNORECASE)


def read_header(path: str) -> Header | None:
    """Read the header of the file at ``path``.

    Returns:
        The header; None where neither its name nor its content is audio.

    Raises:
        SampleError: It is named like audio and is not, or it cannot be read.
    """
    with open_file(path) as (whole, _):
        is_named_so = splitext(path)[1].lower() in AUDIO_EXTENSIONS
        try:
            kind, source = find_sound(whole, path)
        except UnsupportedFormatError:
            return None
        if kind in _WEAK and not is_named_so:
            return None
        found = read_chunk_layout(source, kind)
        if found and not found.whole:
            raise truncation_error(found, fix="Get the file again from its pack.")
        facts = _from_chunks(found) if found else {}
        facts |= read_facts(whole.fd, kind, whole.size)
        if kind == "mp3" and (frames := mpeg.count_frames(source)):
            facts["seconds"] = frames / mpeg.read_rate_hz(source)
            facts["channels"] = mpeg.read_channels(source)
        return Header(kind, signature=_signature(whole), **facts)


def _from_chunks(found: ChunkLayout) -> dict[str, Any]:
    """Return what the chunks beside the sound say, by the names of ``Header``."""
    facts: dict[str, Any] = {}
    frames = 0
    if found.form and found.form.rate_hz:
        frames = found.there // found.form.frame_bytes
        facts["seconds"] = frames / found.form.rate_hz
        facts["channels"] = found.form.channels
    known = read_marks(found.extras)
    if known.acid:
        facts["acid_one_shot"] = known.acid.one_shot
        facts["acid_beats"], facts["acid_bpm"] = known.acid.beats, known.acid.tempo_bpm
        facts["acid_root"] = known.acid.root
    facts["is_loop"] = any(loop.first == 0 and loop.last + 1 == frames for loop in known.loops)
    if len(found.extras.smpl) >= 36:
        note = struct.unpack_from("<I", found.extras.smpl, 12)[0]
        facts["smpl_root"] = note if 0 < note < 128 and note != UNCHOSEN_NOTE else None
    if (match := _TEMPO.search(found.extras.ixml)) and parse_tempo(tempo := match[1].decode()):
        facts["bpm"] = tempo
    return facts


def _signature(whole: ByteRange) -> str:
    """Hash the size and pieces of the content: enough to recognize a file that was moved, in three small reads."""
    size = whole.size
    digest = blake3(size.to_bytes(8, "little"))
    for start in sorted({0, max(size // 2, 0), max(size - _PIECE_BYTES, 0)}):
        digest.update(whole.read(_PIECE_BYTES, start))
    return str(digest.hexdigest(16))
